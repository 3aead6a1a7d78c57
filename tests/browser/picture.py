# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A picture of the explorer with a world in it, for the README.

    python tests/browser/picture.py WORLD OUT.jpg [--splats 60000] [--frames 81] [--preset walk]

The world is copied first, so that its plan stays as it is. Needs Chromium and playwright; without a GPU a view of many
splats takes minutes.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

_FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-dev-shm-usage"]
_LONG = 600_000  # ms


def take(explorer, size, wait):
    """PNG bytes of the page once everything was drawn."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=shutil.which("chromium"), headless=True, args=_FLAGS)
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.set_default_timeout(_LONG)
        page.goto(explorer.url)
        page.get_by_role("tab", name="Path", exact=True).click()
        page.get_by_text("new frames").locator("visible=true").first.wait_for()
        page.get_by_role("button", name="How much is known?").click()
        page.get_by_text("of what the path sees is known").locator("visible=true").first.wait_for()
        notice = page.locator(".mantine-Notification-closeButton")
        if notice.count():
            notice.first.click()
        page.mouse.move(*[n // 3 for n in size])
        page.wait_for_timeout(wait)
        data = page.screenshot(timeout=_LONG)
        browser.close()
    return data


def main():
    """Write the picture and print its size."""
    from PIL import Image

    from lyra_core.explorer.app import Explorer, ExplorerOptions
    from lyra_core.explorer.plan import PathPlan
    from lyra_core.explorer.studio import StudioOptions

    parser = argparse.ArgumentParser()
    parser.add_argument("world", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--splats", type=int, default=60_000)
    parser.add_argument("--frames", type=int, default=81)
    parser.add_argument("--preset", default="walk")
    parser.add_argument("--size", type=int, nargs=2, default=(1400, 860))
    parser.add_argument("--wait", type=int, default=20_000, help="milliseconds for the splats to be drawn")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / options.world.resolve().name
        shutil.copytree(options.world, folder, ignore=shutil.ignore_patterns("explorer.json", "exports"))
        studio = StudioOptions(Path(scratch), frames=options.frames)
        with Explorer(ExplorerOptions(studio, port=0, most_splats=options.splats), folder) as explorer:
            explorer.page.drawing.splats.choose("full")
            explorer.studio.plan(PathPlan(source="preset", preset=options.preset, frames=options.frames))
            data = take(explorer, options.size, options.wait)
    for quality in range(90, 40, -5):
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(data)) as image:
            image.convert("RGB").save(buffer, "JPEG", quality=quality, optimize=True)
        if len(buffer.getvalue()) < 300_000:
            break
    options.out.write_bytes(buffer.getvalue())
    print(f"{options.out} {len(buffer.getvalue())} bytes, JPEG quality {quality}")


if __name__ == "__main__":
    main()

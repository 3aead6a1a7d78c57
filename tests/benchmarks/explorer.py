# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What 200,000 Gaussians cost the explorer: levels of detail, bytes to the page, and a view drawn in a real Chromium.

    python tests/benchmarks/explorer.py [--count 200000] [--browser]

Times are process CPU seconds of the server side. --browser also loads a page of 1000x640 in Chromium (SwiftShader, no
GPU) at each level of detail, asks for a small picture of it, and turns the view: frames a second as they were, and the
browser's CPU seconds a frame, which other work on the machine hardly changes. "auto" is what a page gets by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import sys
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

_PATIENCE = 120.0  # s for a view


def room(count):
    """Gaussians on the walls of a room."""
    from lyra_core.types import Gaussians

    rng = np.random.default_rng(0)
    means = rng.uniform([-3, 0, 0], [3, 8, 3], (count, 3)).astype(np.float32)
    side = rng.integers(0, 5, count)
    for value, (axis, at) in enumerate(((0, -3), (0, 3), (1, 8), (2, 0), (2, 3))):
        means[side == value, axis] = at
    quats = np.tile(np.float32([1, 0, 0, 0]), (count, 1))
    size = np.float32(1.2 * np.sqrt(130 / count))
    return Gaussians(means, quats, np.full((count, 3), size), np.full(count, 0.9), rng.normal(0, 0.8, (count, 1, 3)))


def _browser_seconds():
    """CPU seconds of all Chromium processes so far."""
    import psutil

    total = 0.0
    for process in psutil.process_iter(["name"]):
        if "chrom" in (process.info["name"] or ""):
            with contextlib.suppress(psutil.Error):
                spent = process.cpu_times()
                total += spent.user + spent.system
    return total


def _small_view(client):
    with contextlib.suppress(TimeoutError, RuntimeError):
        client.get_render(90, 160, timeout=_PATIENCE)


def _pumped(page, client):
    """Wait for a small view while the page's messages are handled."""
    waiting = threading.Thread(target=_small_view, args=(client,), daemon=True)
    waiting.start()
    while waiting.is_alive():
        page.wait_for_timeout(50)


def drawn(page, detail, gaussians, most):
    """Load the page at one level of detail, turn the view for some seconds, print what it took."""
    import viser

    from lyra_core.explorer.splat_levels import SplatLevels

    with contextlib.redirect_stdout(io.StringIO()):
        server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
    server.scene.set_up_direction("+z")
    server.scene.configure_default_lights(cast_shadow=False)
    server.initial_camera.position, server.initial_camera.look_at = (0, -2, 2), (0, 4, 1)
    slow = []
    levels = SplatLevels(lambda: list(server.get_clients().values()), most, slow.append)
    levels.detail = "auto" if detail == "nothing" else detail
    levels.show(None if detail == "nothing" else gaussians)
    server.on_client_connect(levels.join)
    page.goto(f"http://localhost:{server.get_port()}")
    while not server.get_clients():
        page.wait_for_timeout(100)
    client = next(iter(server.get_clients().values()))
    page.wait_for_timeout(3000)  # splats are decoded and sorted
    begin = time.perf_counter()
    _pumped(page, client)
    print(f"explorer.small_view_seconds.{detail} {time.perf_counter() - begin:.2f}")
    while detail == "auto" and not slow and time.perf_counter() - begin < _PATIENCE:
        page.wait_for_timeout(50)
    _pumped(page, client)  # what was drawn before the level changed
    _pumped(page, client)
    page.mouse.click(320, 180)  # the keys belong to the scene
    page.evaluate("() => { window.n = 0; const f = () => { window.n++; requestAnimationFrame(f) }; f() }")
    page.keyboard.down("ArrowRight")
    begin, spent, frames = time.perf_counter(), _browser_seconds(), page.evaluate("window.n")
    page.wait_for_timeout(8000)
    frames, spent, passed = page.evaluate("window.n") - frames, _browser_seconds() - spent, time.perf_counter() - begin
    page.keyboard.up("ArrowRight")
    print(f"explorer.frames_per_second.{detail} {frames / passed:.2f}")
    print(f"explorer.browser_cpu_seconds_a_frame.{detail} {spent / max(1, frames):.3f}", flush=True)
    with contextlib.redirect_stdout(io.StringIO()):
        server.stop()


def in_browser(gaussians, most):
    """Every level of detail in a Chromium that draws by software."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-dev-shm-usage"]
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=shutil.which("chromium"), headless=True, args=flags)
        for detail in ("nothing", "points", "coarse", "full", "auto"):
            page = browser.new_page(viewport={"width": 1000, "height": 640})
            page.set_default_timeout(1000 * _PATIENCE)
            drawn(page, detail, gaussians, most)
            page.close()
        browser.close()


def main():
    """Print the figures, one a line."""
    from lyra_core.explorer.content import splat_arrays
    from lyra_core.explorer.splat_levels import COARSE_SPLATS, POINTS

    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--browser", action="store_true")
    options = parser.parse_args()
    gaussians = room(options.count)
    splat_arrays(gaussians.subset(np.arange(100)), most=10)  # what is only paid once
    for most in sorted({COARSE_SPLATS, options.count}):
        begin = time.process_time()
        arrays = splat_arrays(gaussians, most=most)
        print(f"explorer.prepare_cpu_seconds.{most} {time.process_time() - begin:.2f}")
        print(f"explorer.megabytes.{most} {32 * len(arrays.centers) / 1e6:.1f}")
    print(f"explorer.megabytes.points {15 * min(POINTS, options.count) / 1e6:.1f}")
    if options.browser:
        in_browser(gaussians, options.count)


if __name__ == "__main__":
    main()

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What 200,000 Gaussians cost the explorer: levels of detail, bytes to the page, and a view drawn in a real Chromium.

    python tests/benchmarks/explorer.py [--count 200000] [--browser]

Times are process CPU seconds of the server side. --browser also loads the page in Chromium (SwiftShader, no GPU) and
times one drawn view at each level.
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


def drawn(url, server, level):
    """Seconds to load and draw one view."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-dev-shm-usage"]
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=shutil.which("chromium"), headless=True, args=flags)
        page = browser.new_page(viewport={"width": 640, "height": 360})
        page.goto(url)
        while not server.get_clients():
            page.wait_for_timeout(100)
        client = next(iter(server.get_clients().values()))
        page.wait_for_timeout(3000)
        begin = time.perf_counter()
        done = threading.Event()
        threading.Thread(target=lambda: (client.get_render(180, 320), done.set()), daemon=True).start()
        while not done.is_set() and time.perf_counter() - begin < 90:
            page.wait_for_timeout(50)
        print(
            f"explorer.view_seconds.{level} {time.perf_counter() - begin:.2f}" if done.is_set() else f"{level}: > 90 s"
        )
        browser.close()


def main():
    """Print the figures, one a line."""
    import viser

    from lyra_core.explorer.content import splat_arrays
    from lyra_core.explorer.drawing import COARSE_SPLATS

    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--browser", action="store_true")
    options = parser.parse_args()
    gaussians = room(options.count)
    splat_arrays(gaussians.subset(np.arange(100)), most=10)  # what is only paid once
    for most in sorted({COARSE_SPLATS, options.count}):
        begin = time.process_time()
        arrays = splat_arrays(gaussians, most=most)
        with contextlib.redirect_stdout(io.StringIO()):
            server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
        server.scene.add_gaussian_splats("/s", arrays.centers, arrays.covariances, arrays.rgbs, arrays.opacities)
        print(f"explorer.prepare_cpu_seconds.{most} {time.process_time() - begin:.2f}")
        print(f"explorer.megabytes.{most} {32 * len(arrays.centers) / 1e6:.1f}")
        if options.browser:
            server.initial_camera.position, server.initial_camera.look_at = (0, -2, 2), (0, 4, 1)
            drawn(f"http://localhost:{server.get_port()}", server, most)
        with contextlib.redirect_stdout(io.StringIO()):
            server.stop()


if __name__ == "__main__":
    main()

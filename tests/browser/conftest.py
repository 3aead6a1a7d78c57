# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A real explorer process and a real Chromium. Skips, saying so, where one of them is missing."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# The last one leaves out pages of the browser's own address bar: they cost as much as ours where there is no GPU.
ARGUMENTS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage",
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxFullPopup,WebUIOmniboxAimPopup,InitialWebUI",
]
ROOT = Path(__file__).parents[2]
QUICK = ("photo.pixels=40000", "build.drops=20", "build.triangles=20000", "build.check=false", "build.flythrough=false")


def _chromium():
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


class Server:
    """lyra explore as a process of its own."""

    def __init__(self, worlds, *words):
        settings = [word for item in QUICK for word in ("--set", item)]
        command = [
            sys.executable,
            "-m",
            "lyra_core.cli",
            "explore",
            *map(str, words),
            "--port",
            "0",
            "--worlds",
            str(worlds),
        ]
        command += ["--preset", "quick", "--frames", "9", "--splats", "4000", *settings]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        line = self.process.stdout.readline()
        assert line.startswith("Open http"), line
        self.url = line.split()[1]

    def children(self):
        """Processes started by the server, by the parent that the kernel records."""
        out = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == self.process.pid:
                out.append(int(stat.parent.name))
        return out

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=30)
        self.process.stdout.close()
        return self.process.returncode


@pytest.fixture(scope="session")
def browser():
    pytest.importorskip("viser", reason="needs the explorer extra")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = _chromium()
    if path is None:
        pytest.skip("no chromium on this machine (apt-get install chromium, or set CHROMIUM)")
    with playwright.sync_playwright() as engine:
        chromium = engine.chromium.launch(executable_path=path, headless=True, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory):
    """Where screenshots go: LYRA_SCREENSHOTS, or a temporary folder."""
    place = Path(os.environ.get("LYRA_SCREENSHOTS") or tmp_path_factory.mktemp("shots"))
    place.mkdir(parents=True, exist_ok=True)
    return place


@pytest.fixture(scope="module")
def serve():
    servers = []

    def start(worlds, *words):
        servers.append(Server(worlds, *words))
        return servers[-1]

    yield start
    for server in servers:
        server.stop(signal.SIGKILL)

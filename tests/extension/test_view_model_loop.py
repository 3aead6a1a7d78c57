# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The loop around the panel's decisions: it tells each state once, ends for good, and loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from lyra.worldgen import messages as m
from lyra.worldgen.state import Intent, State
from lyra.worldgen.view_model import ViewModel
from tests.conftest import ROOT


class SilentPorts:
    """Ports that remember their calls; unknown names fail."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def load(self) -> m.Opened:
        return m.Opened("/p", "/w")

    def halt(self) -> None:
        self.calls.append("halt")

    def close_sketch(self) -> None:
        self.calls.append("close_sketch")

    def notify(self, text: str, level: str) -> None:
        self.calls.append(f"{level}: {text}")

    def read_picture(self, file: str, width: int) -> Any:
        raise OSError("no such file")


class SilentWorker:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def start(self, interpreter: str) -> None:
        self.calls.append(f"start {interpreter}")

    def poll(self) -> tuple[m.Event, ...]:
        return ()

    def stop(self) -> None:
        self.calls.append("stop")

    def ask(self, request: Any) -> None:
        self.calls.append(request["request"])

    def close(self) -> None:
        self.calls.append("close")


def test_the_loop_tells_each_state_once_and_nothing_after_close():
    ports, worker = SilentPorts(), SilentWorker()
    model = ViewModel(ports, worker=worker)  # type: ignore[arg-type]
    told: list[State] = []
    model.on_state = told.append
    model.open()
    model.send(Intent("image_path", "/nowhere.jpg"))
    model._pictures.shutdown(wait=True)
    model.tick()
    assert told[-1].banner.title == "This photo cannot be used"
    count = len(told)
    model.tick()
    model.send(Intent("none"))
    assert len(told) == count
    model.close()
    model.close()
    model.post(m.DriveEnded(True))
    model.tick()
    assert len(told) == count
    assert worker.calls == ["start /p", "close"]


def test_view_model_and_core_load_nothing_of_kit_and_no_heavy_library():
    code = (
        "import sys; import lyra.worldgen.view_model, lyra.worldgen.worker, lyra_core.types;"
        "print(' '.join(sorted({n.split('.')[0] for n in sys.modules})))"
    )
    env = {"PYTHONPATH": f"{ROOT}:{ROOT / 'exts' / 'lyra.worldgen'}"}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    loaded = set(out.stdout.split())
    assert not loaded & {"omni", "carb", "isaacsim", "pxr", "torch", "warp", "scipy", "cv2", "PIL", "omegaconf"}
    code = "import sys, lyra.worldgen.view_model as v; print([n for n in sys.modules if n.split('.')[0] in ('numpy',)])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert out.stdout.strip() == "[]"

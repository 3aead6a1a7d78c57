# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The scripts for Isaac's python.sh: a real worker and real pxr on the strict fake of Kit, one process a script."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SCRIPTS = ROOT / "exts" / "lyra.worldgen" / "standalone"

# Runs a script under the fake Kit; its physics is a differential drive (kit_fake/motion.py).
HARNESS = """
import asyncio, runpy, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {extension!r}]
from tests.extension.kit_fake import advance, installed

with installed(Path({extension!r})) as kit:
    import isaacsim
    kit.stuck = {stuck}
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    class SimulationApp:
        def __init__(self, launch_config):
            early = [n for n in sys.modules if n.split(".")[0] == "pxr"]
            assert not early, early  # Kit warns about modules that were loaded before it
            assert launch_config["headless"] is True
            assert launch_config["extra_args"][:3:2] == ["--ext-folder", "--enable"]

        def update(self):
            loop.run_until_complete(asyncio.sleep(0))
            advance(kit)

        def run_coroutine(self, coroutine, run_until_complete=True):
            return loop.run_until_complete(coroutine)

        def is_running(self):
            return True

        def close(self, exit_code=0):
            kit_left = kit.left_behind()
            assert not kit_left, kit_left
            sys.stdout.flush()
            import os
            os._exit(40 + exit_code)

    isaacsim.SimulationApp = SimulationApp
    sys.argv = {argv!r}
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_script(name: str, *arguments: str, stuck: bool = False) -> tuple[int, dict, str]:
    argv = [str(SCRIPTS / name), *arguments, "--interpreter", sys.executable, "--headless", "--test"]
    code = HARNESS.format(root=str(ROOT), extension=str(SCRIPTS.parent), argv=argv, stuck=stuck)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=900, cwd=ROOT)
    lines = [text for text in done.stdout.splitlines() if text.startswith("LYRA_RESULT ")]
    assert len(lines) == 1, f"{done.stdout[-1500:]}\n{done.stderr[-3000:]}"
    return done.returncode - 40, json.loads(lines[0].removeprefix("LYRA_RESULT ")), done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos) -> tuple[Path, dict]:
    pytest.importorskip("pxr")
    out = tmp_path_factory.mktemp("standalone") / "hall"
    photo = str(next(p for p in photos if p.stem == "hall"))
    tiny = ("photo.pixels=20000", "build.triangles=4000", "build.check=false", "build.flythrough=false")
    settings = [word for item in tiny for word in ("--set", item)]
    words = ["--image", photo, "--out", str(out), "--quality", "quick", "--frames", "5", *settings]
    code, line, errors = run_script("generate_and_drive.py", *words)
    assert code == 0, (line, errors)
    return out, line


@pytest.mark.slow
def test_a_photo_becomes_a_world_and_opens_as_the_stage(made):
    out, line = made
    assert line["ok"]
    assert line["world"] == str(out)
    assert line["drive"] is None
    assert line["prims"] > 5


@pytest.mark.slow
def test_a_robot_drives_to_the_goal_in_a_loaded_world(made):
    out, _ = made
    spawns = json.loads((out / "navigation" / "spawn.json").read_text())
    goal = ",".join(f"{v:.2f}" for v in spawns[1]["position"][:2])
    code, line, errors = run_script("load_world.py", str(out), f"--goal={goal}")
    assert code == 0, (line, errors)
    assert line["drive"]["reached"]
    assert line["drive"]["travelled_m"] == pytest.approx(line["drive"]["planned_m"], abs=0.5)
    code, line, _ = run_script("load_world.py", str(out), f"--goal={goal}", stuck=True)
    assert code == 1
    assert "not moved" in line["drive"]["reason"]


def test_what_cannot_be_done_is_one_line_and_exit_code_1(tmp_path):
    code, line, _ = run_script("load_world.py", str(tmp_path))
    assert code == 1
    assert not line["ok"]
    assert "manifest.json" in line["error"]
    code, line, _ = run_script("generate_and_drive.py", "--image", str(tmp_path / "none.jpg"))
    assert code == 1
    assert "none.jpg" in line["error"]


@pytest.mark.parametrize("name", ["load_world.py", "generate_and_drive.py"])
def test_help_needs_neither_kit_nor_numpy(name):
    done = subprocess.run([sys.executable, "-S", str(SCRIPTS / name), "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for option in ("--headless", "--robot", "--goal", "--test"):
        assert option in done.stdout

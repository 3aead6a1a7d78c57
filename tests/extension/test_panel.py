# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The real panel under a real mouse: cases of panel_cases.py, each in a Python 3.12 process with the real omni.ui."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pxr import Usd

from tests.extension.make_ovui_environment import EnvironmentMissingError, child_environment, make, python_of

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def ovui_folder() -> Path:
    if shutil.which("xvfb-run") is None:
        pytest.skip("xvfb-run is missing (apt-get install xvfb): the panel cannot be drawn")
    try:
        return make()
    except EnvironmentMissingError as missing:
        pytest.skip(str(missing))


def _run(folder: Path, work: Path, case: str, seconds: int) -> str:
    """Output of a case; fails with it if the case fails. seconds are generous: a loaded machine takes ten times as long."""
    extra = {
        "LYRA_CASE_FOLDER": str(work),
        "LYRA_WORKER_PYTHON": sys.executable,
        "PYTHONPATH": str(_ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    (work / "tmp").mkdir()
    extra["TMPDIR"] = str(work / "tmp")
    command = ["xvfb-run", "-a", "-s", "-screen 0 1024x1500x24", python_of(folder), "-m", "tests.extension.panel_cases"]
    done = subprocess.run(
        [*command, case],
        cwd=work,
        env=child_environment(folder, **extra),
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def test_starting_and_stopping_ten_times_leaves_nothing_behind(ovui_folder, tmp_path):
    _run(ovui_folder, tmp_path, "start_stop", 1800)


def test_every_usable_widget_has_its_own_identifier_and_a_tooltip(ovui_folder, tmp_path):
    _run(ovui_folder, tmp_path, "identifiers", 1800)


def test_a_python_without_the_packages_is_answered_with_what_to_install(ovui_folder, tmp_path):
    _run(ovui_folder, tmp_path, "bare_python", 1800)


def test_keyframes_from_the_viewport_become_a_path_that_saves_and_loads(ovui_folder, tmp_path):
    _run(ovui_folder, tmp_path, "keyframes", 1800)


def _heights_after_dropping(loaded: Path, folder: Path) -> np.ndarray:
    """Final heights [m] of balls let go 0.5 m above the spawn places of the stage that the panel loaded, in PhysX."""
    from pxr import UsdGeom, UsdPhysics

    from lyra_core.simulation.ovphysx_engine import OvPhysxEngine

    spawns = json.loads((folder / "worlds" / "square" / "navigation" / "spawn.json").read_text())
    stage = Usd.Stage.CreateNew(str(folder / f"{loaded.stem}_balls.usda"))
    stage.GetRootLayer().subLayerPaths = [f"./{loaded.name}"]
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    for place, spawn in enumerate(spawns):
        x, y, z = spawn["position"]
        ball = UsdGeom.Sphere.Define(stage, f"/Balls/ball_{place}")
        ball.CreateRadiusAttr(0.05)
        ball.AddTranslateOp().Set((x, y, z + 0.5))
        UsdPhysics.RigidBodyAPI.Apply(ball.GetPrim())
        UsdPhysics.CollisionAPI.Apply(ball.GetPrim())
    stage.Save()
    engine = OvPhysxEngine()
    with engine.open(Path(stage.GetRootLayer().realPath), step=1 / 120):
        engine.step(240)
        return engine.bodies().positions[:, 2].copy()


@pytest.mark.slow
@pytest.mark.physics
def test_clicking_from_a_photo_to_a_robot_through_a_killed_worker_and_a_cancelled_run(ovui_folder, tmp_path):
    _run(ovui_folder, tmp_path, "photo_to_robot", 2400)
    assert _heights_after_dropping(tmp_path / "loaded.usda", tmp_path).min() > 0.0  # [m] on the floor or on furniture
    (tmp_path / "empty.usda").write_text((tmp_path / "loaded.usda").read_text().replace("prepend references", "#"))
    assert (
        _heights_after_dropping(tmp_path / "empty.usda", tmp_path).max() < -5.0
    )  # control: without the world all fall
    states = (
        "empty",
        "image_chosen",
        "path_edited",
        "running",
        "failed",
        "cancelled",
        "done",
        "robot_spawned",
        "checked",
    )
    for name in states:
        assert (tmp_path / f"{name}.png").stat().st_size > 8_000

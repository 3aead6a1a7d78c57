# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The committed robot, one file for all: two validators have nothing against it, two engines stand it up and drive it."""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pxr")

from pxr import Usd, UsdValidation

from lyra_core.navigation.robots import load_robot
from lyra_core.simulation import is_available
from lyra_core.simulation.newton_engine import PYTHON_VARIABLE, newton_python
from lyra_core.usd import STEPS_PER_SECOND
from lyra_core.usd.robot import ROBOT_PRIM, write_drive_stage
from tests.usd.synthetic import room_tiles

SPEED = 3.0  # [rad/s] of both wheels
SECONDS = 2.0
START = (1.0, 1.2)  # free floor of the synthetic room; the robot drives along +x
STEP = 1 / STEPS_PER_SECOND

IN_NEWTON = """
import json, sys
from lyra_core.simulation.newton_worker import _NewtonRobot
stage, base, joints, step, place, speed, count = json.loads(sys.argv[1])
robot = _NewtonRobot(stage, base, tuple(joints), step)
robot.place(tuple(place), 0.0)
robot.step(120)
rest = robot.state()
robot.drive(speed, speed)
robot.step(120)
rolling = robot.state()
robot.step(count)
moved = robot.state()
out = [[*s.position.tolist(), s.tilt, s.yaw] for s in (rest, rolling, moved)]
print(json.dumps({"bodies": robot._model.body_count, "joints": robot._model.joint_count, "states": out}))
"""


@pytest.fixture(scope="module")
def robot():
    return load_robot("lyra_bot")


@pytest.fixture(scope="module")
def stage(robot, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stage")
    return write_drive_stage(
        folder / "drive.usda", robot.asset_file, tiles=room_tiles(step=0.5, noise=0, ceiling=False)
    )


def assert_drives(rest: list[float], rolling: list[float], moved: list[float], robot) -> None:
    """x, y, z, tilt, yaw at rest, after a second of driving and later: on its wheels, and as fast as they turn."""
    assert rest[2] == pytest.approx(0.0, abs=0.005), "the base frame lies on the floor"
    assert moved[2] == pytest.approx(0.0, abs=0.01)
    assert max(rest[3], moved[3]) < math.radians(2.0)
    # Newton's wheel drives give way to the drag of the caster by 9 %, those of PhysX by 0.3 %.
    rolled = SPEED * robot.wheel_radius * SECONDS
    assert moved[0] - rolling[0] == pytest.approx(rolled, rel=0.15)
    assert abs(moved[1] - rest[1]) < 0.03
    assert abs(moved[4] - rest[4]) < math.radians(3.0)


def test_openusd_and_nvidia_find_no_error_in_the_robot_and_in_the_stage_that_it_drives_in(robot, stage):
    pytest.importorskip("usd_validation_nvidia", reason="usd-validation-nvidia is not installed (physics extra)")
    from lyra_core.usd.packages import validate_file

    for path in (robot.asset_file, stage):
        validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
        opened = Usd.Stage.Open(str(path))
        errors = UsdValidation.ValidationContext(validators).Validate(opened)
        kind = UsdValidation.ValidationErrorType.Error
        assert [error.GetMessage() for error in errors if error.GetType() == kind] == []
        findings = validate_file(path)
        assert [f"{f.tool} {f.rule}: {f.message}" for f in findings if f.severity == "error"] == []


@pytest.mark.physics
@pytest.mark.skipif(not is_available(), reason="ovphysx is not installed (physics extra)")
def test_the_robot_stands_and_drives_in_physx(robot, stage):
    from lyra_core.simulation.articulation import OvPhysxDriver

    joints = (robot.wheel_joints[0], robot.wheel_joints[1])
    with OvPhysxDriver().robot(stage, f"{ROBOT_PRIM}/{robot.base_link}", joints, step=STEP) as handle:
        handle.place((*START, robot.spawn_height), 0.0)
        handle.step(STEPS_PER_SECOND)
        rest = handle.state()
        handle.drive(SPEED, SPEED)
        handle.step(STEPS_PER_SECOND)
        rolling = handle.state()
        handle.step(round(SECONDS * STEPS_PER_SECOND))
        moved = handle.state()
    states = [[*s.position.tolist(), s.tilt, s.yaw] for s in (rest, rolling, moved)]
    assert np.isfinite(states).all()
    assert_drives(*states, robot)


@pytest.mark.slow
@pytest.mark.physics
@pytest.mark.skipif(not os.environ.get(PYTHON_VARIABLE), reason=f"{PYTHON_VARIABLE} names no environment with Newton")
def test_the_robot_stands_and_drives_in_newton(robot, stage):
    root = Path(__file__).resolve().parents[2]
    job = [str(stage), f"{ROBOT_PRIM}/{robot.base_link}", list(robot.wheel_joints), STEP,
           [*START, robot.spawn_height], SPEED, round(SECONDS * STEPS_PER_SECOND)]  # fmt: skip
    environment = {**{k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [str(newton_python()), "-c", IN_NEWTON, json.dumps(job)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    assert answer["joints"] >= 3, "two wheels, a caster or the free base"
    assert_drives(*answer["states"], robot)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Our robot in stages of other units and up axes, driven in the real PhysX: it goes as far as in metres."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pxr")
from pxr import Gf, Usd, UsdGeom, UsdPhysics

from lyra.worldgen import robot_stage, stage_edits
from lyra_core.navigation.robots import load_robot
from tests.extension.test_stage_edits import STAGES, make_stage, world  # noqa: F401 - the world is a fixture

BOT = load_robot("lyra_bot")
SPEED = 4.0  # [rad/s] of both wheels
SECONDS = 2.0


def put_robot(stage: Usd.Stage, world_file: Path, position: tuple[float, float, float], yaw: float) -> tuple[str, str]:
    done = stage_edits.import_world(stage, world_file)
    path = robot_stage.free_path(stage, "Lyra_bot")
    place, turn = robot_stage.pose_in_stage(stage, done.prim, position, yaw)
    robot_stage.place_robot(stage, path, str(BOT.asset_file), place, turn)
    return done.prim, path


@pytest.mark.parametrize(("up", "metres", "default"), STAGES)
def test_the_robot_stands_where_the_world_says_and_looks_along_its_yaw(world, up, metres, default):  # noqa: F811
    stage = make_stage(None, up=up, metres=metres, default=default)
    if default:
        UsdGeom.Xformable(stage.GetDefaultPrim()).AddTranslateOp().Set(Gf.Vec3d(3, 4, 5))
    prim, path = put_robot(stage, world / "world.usda", (0.4, -0.6, 0.02), 0.7)
    base = UsdGeom.Xformable(stage.GetPrimAtPath(f"{path}/base_link")).ComputeLocalToWorldTransform(0)
    back = base * stage_edits.in_world(stage, prim).GetInverse()
    at = back.ExtractTranslation()
    assert np.allclose(at, (0.4, -0.6, 0.02), atol=1e-6)
    ahead = back.TransformDir(Gf.Vec3d(1, 0, 0))
    assert np.allclose(ahead, (math.cos(0.7), math.sin(0.7), 0.0), atol=1e-6)  # and the size is that of metres
    assert robot_stage.is_metric(stage) == (up == "Z" and metres == 1.0)


def test_torques_and_inertia_are_in_the_stages_units_and_masses_are_not_touched(world):  # noqa: F811
    stage = make_stage(None, metres=0.01)
    _, path = put_robot(stage, world / "world.usda", (0.0, 0.0, 0.02), 0.0)
    base = stage.GetPrimAtPath(f"{path}/base_link")
    assert UsdPhysics.MassAPI(base).GetMassAttr().Get() == pytest.approx(6.0)
    inertia = UsdPhysics.MassAPI(base).GetDiagonalInertiaAttr().Get()
    assert tuple(inertia) == pytest.approx((520.0, 600.0, 950.0), rel=1e-5)  # [kg cm^2]
    joint = next(p for p in Usd.PrimRange(stage.GetPrimAtPath(path)) if p.GetName() == "left_wheel_joint")
    drive = UsdPhysics.DriveAPI(joint, "angular")
    assert drive.GetMaxForceAttr().Get() == pytest.approx(30_000.0)  # [kg cm^2 / s^2]
    assert drive.GetStiffnessAttr().Get() == 0.0


def test_a_prismatic_limit_is_scaled_and_infinity_and_unset_distances_stay():
    stage = make_stage(None, metres=0.01)
    slide = UsdPhysics.PrismaticJoint.Define(stage, "/slide")
    slide.CreateLowerLimitAttr(-0.2)
    slide.CreateUpperLimitAttr(math.inf)
    rope = UsdPhysics.DistanceJoint.Define(stage, "/rope")
    rope.CreateMinDistanceAttr(-1.0)  # means: no limit
    rope.CreateMaxDistanceAttr(0.5)
    for joint in (slide, rope):
        robot_stage._scale_physics(joint.GetPrim(), 100.0)
    assert slide.GetLowerLimitAttr().Get() == pytest.approx(-20.0)
    assert slide.GetUpperLimitAttr().Get() == math.inf
    assert rope.GetMinDistanceAttr().Get() == -1.0
    assert rope.GetMaxDistanceAttr().Get() == pytest.approx(50.0)


@pytest.mark.physics
@pytest.mark.parametrize(
    ("up", "metres", "scaled"),
    [("Z", 1.0, True), ("Y", 1.0, True), ("Z", 0.01, True), ("Y", 0.01, True), ("Z", 0.01, False)],
)
def test_the_robot_drives_as_far_in_every_stage(world, tmp_path, monkeypatch, up, metres, scaled):  # noqa: F811
    from lyra_core.simulation.articulation import OvPhysxDriver
    from lyra_core.simulation.ovphysx_engine import is_available

    if not is_available():
        pytest.skip("ovphysx is not installed")
    if not scaled:  # control: without the stage's units its motors are too weak
        monkeypatch.setattr(robot_stage, "_scale_physics", lambda _prim, _scale: None)
    file = tmp_path / "scene.usda"
    stage = make_stage(file, up=up, metres=metres, default="/World")
    prim, path = put_robot(stage, world / "world.usda", (-0.5, 0.1, BOT.spawn_height), 0.3)
    base = stage.GetPrimAtPath(f"{path}/{BOT.base_link}")
    base.AddAppliedSchema("PhysxContactReportAPI")  # the driver reads the contacts of the base
    back = stage_edits.in_world(stage, prim).GetInverse()
    stage.Save()
    with OvPhysxDriver().robot(file, str(base.GetPath()), tuple(BOT.wheel_joints[:2]), step=1 / 120) as robot:
        robot.step(60)
        start = back.Transform(Gf.Vec3d(*robot.state().position.tolist()))
        robot.drive(SPEED, SPEED)
        robot.step(int(SECONDS * 120))
        end = back.Transform(Gf.Vec3d(*robot.state().position.tolist()))
    moved = end - start
    if not scaled:
        assert math.hypot(moved[0], moved[1]) < 0.3 * SPEED * BOT.wheel_radius * SECONDS
        return
    assert abs(start[2]) < 0.01  # [m] it stands on the floor
    assert abs(end[2]) < 0.01
    expected = SPEED * BOT.wheel_radius * SECONDS
    assert math.hypot(moved[0], moved[1]) == pytest.approx(expected, rel=0.08)  # less the time to speed up
    assert math.atan2(moved[1], moved[0]) == pytest.approx(0.3, abs=0.03)  # [rad] straight along its yaw

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Robots: the follower by integrating kinematics, the driver on the strict fake of isaacsim."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("pxr")
from lyra.worldgen.follow import Follower
from lyra.worldgen.model import Robot
from lyra_core.pipeline.worker_catalog import catalog
from tests.conftest import ROOT
from tests.extension.kit_fake import installed

EXTENSION = ROOT / "exts" / "lyra.worldgen"
ROBOTS = {r["name"]: Robot(**{**r, "wheel_joints": tuple(r["wheel_joints"])}) for r in catalog()["robots"]}
WAY = ((0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (2.0, 1.0), (2.0, 2.0), (1.0, 2.5))


@pytest.mark.parametrize("name", sorted(ROBOTS))
def test_every_robot_of_the_catalog_gets_to_the_end_within_its_limits(name):
    robot = ROBOTS[name]
    follower, dt = Follower(WAY, robot), 1 / 60
    x, y, yaw = 0.0, 0.0, 2.0  # looks away from the path
    for _ in range(int(120 / dt)):
        step = follower.step(x, y, yaw, dt)
        assert abs(step.linear) <= robot.max_speed + 1e-9
        assert abs(step.angular) <= robot.max_turn + 1e-6
        if step.done:
            break
        yaw += step.angular * dt
        x, y = x + step.linear * math.cos(yaw) * dt, y + step.linear * math.sin(yaw) * dt
    assert step.reached, step
    assert math.hypot(x - 1.0, y - 2.5) < max(0.08, 0.25 * robot.footprint_radius) + 0.02


def test_a_robot_that_cannot_move_or_is_pushed_away_ends_the_drive():
    follower = Follower(WAY, ROBOTS["lyra_bot"])
    steps = [follower.step(0.0, 0.0, 0.0, 0.1) for _ in range(80)]
    assert steps[-1].done
    assert not steps[-1].reached
    assert "not moved" in steps[-1].reason
    lost = Follower(WAY, ROBOTS["lyra_bot"]).step(-3.0, -3.0, 0.0, 0.1)
    assert lost.done
    assert "beside its path" in lost.reason


@pytest.fixture
def kit():
    from pxr import Usd, UsdGeom

    with installed(EXTENSION) as fake:
        fake.stage = Usd.Stage.CreateInMemory()
        UsdGeom.SetStageMetersPerUnit(fake.stage, 1.0)
        UsdGeom.SetStageUpAxis(fake.stage, "Z")
        fake.stage.SetDefaultPrim(UsdGeom.Xform.Define(fake.stage, "/World").GetPrim())
        world = UsdGeom.Xform.Define(fake.stage, "/World/LyraWorld")
        world.AddTranslateOp().Set((10.0, 0.0, 0.0))
        fake.assets_root = "https://assets"
        yield fake


def place(driver, robot: Robot, events: list, *, yaw: float = 0.0) -> None:
    async def go() -> None:
        driver.place(robot, "/World/LyraWorld", (1.0, 2.0, 0.0), yaw, events.append)
        for _ in range(10):
            await asyncio.sleep(0)

    # In a thread of its own: browser tests of the same process leave an event loop running in the main thread.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, go()).result()


def test_a_wheeled_robot_is_spawned_with_its_wheels_and_drives_on_physics_steps(kit):
    from lyra.worldgen.messages import DriveEnded, DriveMoved, GoalPicked, RobotPlaced
    from lyra.worldgen.robot import RobotDriver

    driver, events = RobotDriver(), []
    place(driver, ROBOTS["nova_carter"], events)
    assert events == [RobotPlaced("/World/Lyra_nova_carter")]
    body = kit.articulations["/World/Lyra_nova_carter"]
    assert body.usd_path == "https://assets/Isaac/Robots/NVIDIA/NovaCarter/nova_carter.usd"
    assert body.wheels == ["joint_wheel_left", "joint_wheel_right"]
    assert body.positions == [[11.0, 2.0, 0.25]]  # the world's own transform, and the robot's height
    kit.stage.DefinePrim("/World/LyraWorld/mark", "Xform")
    kit.selection = ["/World/LyraWorld/mark"]
    driver.pick_goal(events.append)
    assert isinstance(events[-1], GoalPicked)
    assert events[-1].point == pytest.approx((0.0, 0.0))
    assert events[-1].start == pytest.approx((1.0, 2.0, 0.0))

    driver.drive(((1.0, 2.0), (2.0, 2.0)), events.append)
    (step,) = kit.physics_callbacks.values()
    step(1 / 60, None)
    assert not [c for c in kit.calls if c[0] == "apply_wheel_actions"]  # not playing: no articulation yet
    kit.playing = True
    x = 11.0
    for _ in range(2000):
        if not kit.physics_callbacks:
            break
        step(1 / 60, None)
        left, right = next(c for c in reversed(kit.calls) if c[0] == "apply_wheel_actions")[1][0]
        x += 0.5 * (left + right) * 0.14 / 60
        body.set_world_poses(positions=[[x, 2.0, 0.25]], orientations=[[1, 0, 0, 0]])
    assert events[-1] == DriveEnded(reached=True)
    assert any(isinstance(e, DriveMoved) for e in events)
    assert next(c for c in reversed(kit.calls) if c[0] == "apply_wheel_actions")[1][0] == [0.0, 0.0]
    driver.close()
    assert not kit.physics_callbacks


@pytest.mark.parametrize("name", ["h1", "spot", "go2"])
def test_a_legged_robot_walks_by_its_policy(kit, name):
    from lyra.worldgen.robot import RobotDriver

    driver, events = RobotDriver(), []
    robot = ROBOTS[name]
    place(driver, robot, events, yaw=math.pi / 2)
    assert events[0].prim == f"/World/Lyra_{name}"
    body = kit.articulations[f"/World/Lyra_{name}"]
    assert body.orientations[0] == pytest.approx([math.sqrt(0.5), 0, 0, math.sqrt(0.5)])
    driver.drive(((1.0, 2.0), (1.0, 4.0)), events.append)
    kit.playing = True
    (step,) = kit.physics_callbacks.values()
    for _ in range(5):
        step(0.005, None)
    names = [c[0] for c in kit.calls]
    assert names.count(f"{robot.policy}.initialize") == 1
    dt, command = next(c for c in reversed(kit.calls) if c[0] == f"{robot.policy}.forward")[1]
    assert dt == 0.005
    assert command[0] > 0
    assert command[1] == 0.0
    driver.close()


def test_what_cannot_be_placed_says_why(kit):
    from pxr import UsdGeom

    from lyra.worldgen.messages import DriveEnded, GoalPicked, PortFailed
    from lyra.worldgen.robot import RobotDriver

    driver, events = RobotDriver(), []
    driver.pick_goal(events.append)
    driver.drive(((0.0, 0.0), (1.0, 0.0)), events.append)
    assert events == [GoalPicked(None), DriveEnded(reached=False, reason="there is no robot")]
    kit.assets_root = None
    place(driver, ROBOTS["jetbot"], events)
    assert isinstance(events[-1], PortFailed)
    assert "assets_root" in events[-1].problem.do
    kit.settings["/exts/lyra.worldgen/assets_root"] = "/data/isaac/"
    place(driver, ROBOTS["jetbot"], events)
    assert kit.articulations["/World/Lyra_jetbot"].usd_path == "/data/isaac/Isaac/Robots/NVIDIA/Jetbot/jetbot.usd"
    UsdGeom.SetStageMetersPerUnit(kit.stage, 0.01)
    place(driver, ROBOTS["h1"], events)
    assert "metres" in events[-1].problem.got
    assert "on wheels" in events[-1].problem.got
    kit.stage.RemovePrim("/World/LyraWorld")
    place(driver, ROBOTS["lyra_bot"], events)
    assert "no world" in events[-1].problem.got
    driver.close()


@pytest.mark.parametrize(("up", "metres"), [("Y", 0.01), ("Z", 0.01), ("Y", 1.0)])
def test_in_other_units_the_robot_and_its_goal_are_still_where_the_world_says(kit, up, metres):
    from pxr import Sdf, Usd, UsdGeom

    from lyra.worldgen import stage_edits
    from lyra.worldgen.goal_marker import GOAL
    from lyra.worldgen.messages import GoalPicked, RobotPlaced
    from lyra.worldgen.robot import RobotDriver

    stage = kit.stage
    UsdGeom.SetStageUpAxis(stage, up)
    UsdGeom.SetStageMetersPerUnit(stage, metres)
    UsdGeom.Xformable(stage.GetPrimAtPath("/World/LyraWorld")).MakeMatrixXform().Set(stage_edits.placement(stage))
    before = stage.GetRootLayer().ExportToString()
    driver, events = RobotDriver(), []
    place(driver, ROBOTS["lyra_bot"], events, yaw=math.pi / 2)
    assert events == [RobotPlaced("/World/Lyra_lyra_bot")]
    driver.pick_goal(events.append)  # nothing is selected: a marker a metre ahead, selected
    assert events[-1].point is None
    assert "marker" in events[-1].note
    assert kit.selection == [str(GOAL)]
    driver.pick_goal(events.append)
    assert isinstance(events[-1], GoalPicked)
    assert events[-1].point == pytest.approx((1.0, 3.0), abs=1e-6)
    assert events[-1].start == pytest.approx((1.0, 2.0, math.pi / 2), abs=1e-6)
    cone = UsdGeom.BBoxCache(Usd.TimeCode.Default(), ["default"]).ComputeWorldBound(stage.GetPrimAtPath(GOAL))
    assert cone.ComputeAlignedRange().GetSize()[2 if up == "Z" else 1] == pytest.approx(0.5 / metres)
    kit.selection = ["/World/Lyra_lyra_bot/base_link"]  # the robot itself is no goal
    driver.pick_goal(events.append)
    assert events[-1].point is None
    driver.close()
    assert not stage.GetPrimAtPath(GOAL)
    stage.RemovePrim(Sdf.Path("/World/Lyra_lyra_bot"))
    assert stage.GetRootLayer().ExportToString() == before


def test_the_import_command_is_undone_and_done_again_in_kit(kit, tmp_path):
    import omni.kit.undo
    from pxr import Usd, UsdGeom

    from lyra.worldgen import stage
    from lyra.worldgen.messages import PortFailed, WorldImported

    world = Usd.Stage.CreateNew(str(tmp_path / "world.usda"))
    UsdGeom.SetStageUpAxis(world, "Z")
    UsdGeom.SetStageMetersPerUnit(world, 1.0)
    root = UsdGeom.Xform.Define(world, "/World").GetPrim()
    world.SetDefaultPrim(root)
    for name in ("splat", "mesh"):
        root.GetVariantSets().AddVariantSet("appearance").AddVariant(name)
    world.Save()
    before = kit.stage.GetRootLayer().ExportToString()
    stage.register()
    events: list = []
    stage.import_world(str(tmp_path), False, "mesh", events.append)
    assert events == [WorldImported(str(tmp_path), "/World/LyraWorld_01")]
    after = kit.stage.GetRootLayer().ExportToString()
    omni.kit.undo.undo()
    assert kit.stage.GetRootLayer().ExportToString() == before
    assert events[-1] == WorldImported(str(tmp_path), "")
    omni.kit.undo.redo()
    assert kit.stage.GetRootLayer().ExportToString() == after
    stage.switch_appearance("/World/LyraWorld_01", "splat")
    assert 'appearance = "splat"' in kit.stage.GetRootLayer().ExportToString()
    stage.import_world(str(tmp_path / "none"), False, "mesh", events.append)
    assert isinstance(events[-1], PortFailed)
    stage.unregister()
    assert not kit.commands

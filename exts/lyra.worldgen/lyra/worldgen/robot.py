# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Robots in Isaac Sim 6: spawned with isaacsim.*.experimental, driven in a physics callback along our own plan.

Written to the API that facts of Isaac Sim 6.0.1 name; run here against strict fakes only.
"""

from __future__ import annotations

import asyncio
import importlib
import math
from collections.abc import Callable
from typing import Any

import carb.settings
import omni.kit.app
import omni.kit.async_engine
import omni.usd
from pxr import Gf, Sdf, Usd, UsdGeom

from lyra.worldgen import robot_stage, stage_edits
from lyra.worldgen.follow import Follower
from lyra.worldgen.goal_marker import GOAL, GoalMarker
from lyra.worldgen.messages import DriveEnded, DriveMoved, Event, GoalPicked, PortFailed, RobotPlaced
from lyra.worldgen.model import Problem, Robot

__all__ = ["RobotDriver"]

Post = Callable[[Event], None]
_TOLD_EVERY = 0.25  # [s] of simulated time between two reports
_MARKER_HINT = "A marker stands before the robot: move it to the goal, then press Drive again"
_ASSETS_HINT = "Check the network, or set exts.lyra.worldgen.assets_root to a local copy of the Isaac assets"


class RobotDriver:
    """One robot of ours in the stage, and its drive."""

    def __init__(self) -> None:
        self._task: Any = None
        self._callback: int | None = None
        self._robot: Robot | None = None
        self._body: Any = None
        self._controller: Any = None
        self._prim = ""
        self._world_prim = ""
        self._started = False
        self._marker: GoalMarker | None = None

    def place(
        self, robot: Robot, world_prim: str, position: tuple[float, float, float], yaw: float, post: Post
    ) -> None:
        """Spawn robot at position [m], yaw [rad] of the world at world_prim; posts RobotPlaced or PortFailed."""
        self.halt()
        self._cancel_task()
        self._task = omni.kit.async_engine.run_coroutine(self._place(robot, world_prim, position, yaw, post))

    def pick_goal(self, post: Post) -> None:
        """Where the selected prim stands, in the world. With nothing selected a marker is put before the robot to be moved."""
        context = omni.usd.get_context()
        stage = context.get_stage()
        if stage is None or self._body is None:
            post(GoalPicked(None))
            return
        own = Sdf.Path(self._prim)
        chosen = [p for p in context.get_selection().get_selected_prim_paths() if not Sdf.Path(p).HasPrefix(own)]
        prim = stage.GetPrimAtPath(chosen[0]) if chosen else None
        if prim is None or not prim.IsValid() or not prim.IsA(UsdGeom.Imageable):
            self._offer_marker(stage)
            post(GoalPicked(None, note=_MARKER_HINT))
            return
        x, y, _ = stage_edits.world_point(stage, self._world_prim, _goal_of(prim))
        post(GoalPicked((x, y), self._pose()))

    def _offer_marker(self, stage: Usd.Stage) -> None:
        """A marker a metre before the robot, selected, so that the gizmo is at hand."""
        x, y, yaw = self._pose()
        at = stage_edits.in_world(stage, self._world_prim)
        place = at.Transform(Gf.Vec3d(x + math.cos(yaw), y + math.sin(yaw), 0.0))
        self._marker = self._marker or GoalMarker(stage)
        omni.usd.get_context().get_selection().set_selected_prim_paths([self._marker.show(place)], True)

    def drive(self, points: tuple[tuple[float, float], ...], post: Post) -> None:
        """Follow points (x, y) [m] of the world while the timeline plays; posts DriveMoved and DriveEnded."""
        manager = importlib.import_module("isaacsim.core.simulation_manager")
        self.halt()
        if self._body is None or self._robot is None:
            post(DriveEnded(reached=False, reason="there is no robot"))
            return
        follower = Follower(points, self._robot)
        since = 0.0

        def on_step(dt: float, _context: Any) -> None:
            nonlocal since
            if not self._body_is_ready():
                return
            step = follower.step(*self._pose(), dt)
            self._move(step.linear, step.angular, dt)
            since += dt
            if step.done:
                self.halt()
                post(DriveEnded(reached=step.reached, reason=step.reason))
            elif since >= _TOLD_EVERY:
                since = 0.0
                post(DriveMoved(step.travelled, follower.length))

        self._callback = manager.SimulationManager.register_callback(
            on_step, event=manager.SimulationEvent.PHYSICS_POST_STEP
        )

    def halt(self) -> None:
        """Stop driving; the robot stays."""
        if self._callback is None:
            return
        manager = importlib.import_module("isaacsim.core.simulation_manager")
        manager.SimulationManager.deregister_callback(self._callback)
        self._callback = None
        if self._body is not None and self._robot is not None and self._robot.kind == "wheeled":
            self._move(0.0, 0.0, 0.0)

    def forget(self) -> None:
        """The stage is gone, and the robot with it."""
        self.halt()
        self._body = self._controller = self._robot = None
        self._prim = self._world_prim = ""
        self._started = False
        if self._marker is not None:
            self._marker.close()
            self._marker = None

    def close(self) -> None:
        """End tasks and callbacks and release the robot."""
        self._cancel_task()
        self.forget()

    def _cancel_task(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
        self._task = None

    async def _place(
        self, robot: Robot, world_prim: str, position: tuple[float, float, float], yaw: float, post: Post
    ) -> None:
        try:
            usd = await self._asset(robot)
            await omni.kit.app.get_app().next_update_async()  # the panel draws first; loading may take a while
            stage = omni.usd.get_context().get_stage()
            x, y, z = position
            pose = robot_stage.pose_in_stage(stage, world_prim, (x, y, z + robot.spawn_height), yaw)
            self.forget()
            prim = robot_stage.free_path(stage, f"Lyra_{robot.name}")
            make = self._make_walking if robot.kind == "legged" else self._make_wheeled
            make(robot, prim, usd, *pose)
            self._robot, self._prim, self._world_prim = robot, prim, world_prim
            post(RobotPlaced(prim))
        except asyncio.CancelledError:
            raise
        except (RuntimeError, ValueError, ImportError) as error:
            post(PortFailed(Problem(f"The robot {robot.name} could not be placed", str(error), _ASSETS_HINT)))

    async def _asset(self, robot: Robot) -> str:
        if not robot.isaac_asset:
            return robot.asset
        own = str(carb.settings.get_settings().get("/exts/lyra.worldgen/assets_root") or "").rstrip("/")
        if own:
            return f"{own}{robot.asset}"
        storage = importlib.import_module("isaacsim.storage.native")
        root = await storage.get_assets_root_path_async()  # RuntimeError when it cannot be reached
        return f"{root}{robot.asset}"

    def _make_walking(self, robot: Robot, prim: str, usd: str, place: Gf.Vec3d, turn: Gf.Rotation) -> None:
        if not robot_stage.is_metric(omni.usd.get_context().get_stage()):
            what = "A walking policy was trained in metres with Z up and reads its speeds from the stage"
            raise ValueError(f"{what}; choose 'Open as the stage' and load the world again, or a robot on wheels")
        policies = importlib.import_module("isaacsim.robot.policy.examples.robots")
        policy = getattr(policies, robot.policy)
        self._controller = policy(prim, usd_path=usd, position=[*place], orientation=_wxyz(turn))
        self._body = self._controller.robot

    def _make_wheeled(self, robot: Robot, prim: str, usd: str, place: Gf.Vec3d, turn: Gf.Rotation) -> None:
        """In metres with Z up as NVIDIA's examples do; in other stages the reference and its units are ours."""
        robots = importlib.import_module("isaacsim.robot.experimental.wheeled_robots.robots")
        controllers = importlib.import_module("isaacsim.robot.experimental.wheeled_robots.controllers")
        stage = omni.usd.get_context().get_stage()
        wheels = list(robot.wheel_joints)
        if robot_stage.is_metric(stage):
            self._body = robots.WheeledRobot(
                prim, wheel_dof_names=wheels, usd_path=usd, positions=[[*place]], orientations=[_wxyz(turn)]
            )
        else:
            robot_stage.place_robot(stage, prim, usd, place, turn)
            self._body = robots.WheeledRobot(prim, wheel_dof_names=wheels)
        self._controller = controllers.DifferentialController(wheel_radius=robot.wheel_radius, wheel_base=robot.track)

    def _body_is_ready(self) -> bool:
        """True once physics has made the articulation; a walking policy is started then."""
        if self._body is None or not self._body.is_physics_tensor_entity_valid():
            return False
        if not self._started:
            self._started = True
            if self._robot is not None and self._robot.kind == "legged":
                self._controller.initialize()
        return True

    def _move(self, linear: float, angular: float, dt: float) -> None:
        if self._robot is not None and self._robot.kind == "legged":
            self._controller.forward(dt, [linear, 0.0, angular])
        else:
            self._body.apply_wheel_actions(self._controller.forward([linear, angular]))

    def _pose(self) -> tuple[float, float, float]:
        """(x, y) [m] and yaw [rad] in the world."""
        stage = omni.usd.get_context().get_stage()
        positions, orientations = self._body.get_world_poses()
        place, quat = positions.numpy()[0], orientations.numpy()[0]
        world = stage_edits.in_world(stage, self._world_prim).GetInverse()
        x, y, _ = world.Transform(Gf.Vec3d(*(float(v) for v in place)))
        w, i, j, k = (float(v) for v in quat)
        ahead = world.TransformDir(Gf.Vec3d(1 - 2 * (j * j + k * k), 2 * (i * j + k * w), 2 * (i * k - j * w)))
        return float(x), float(y), math.atan2(ahead[1], ahead[0])


def _wxyz(turn: Gf.Rotation) -> list[float]:
    quat = turn.GetQuat()
    return [float(quat.GetReal()), *(float(part) for part in quat.GetImaginary())]


def _goal_of(prim: Usd.Prim) -> Gf.Vec3d:
    """Where a prim stands as a goal: our marker at its foot, anything else at its middle."""
    if prim.GetPath().HasPrefix(GOAL):
        marker = UsdGeom.Xformable(prim.GetStage().GetPrimAtPath(GOAL))
        return marker.ComputeLocalToWorldTransform(Usd.TimeCode.Default()).ExtractTranslation()
    return _middle(prim)


def _middle(prim: Usd.Prim) -> Gf.Vec3d:
    """Middle of what the prim shows, or where it stands if it shows nothing."""
    purposes = [UsdGeom.Tokens.default_, UsdGeom.Tokens.render, UsdGeom.Tokens.proxy]
    box = UsdGeom.BBoxCache(Usd.TimeCode.Default(), purposes).ComputeWorldBound(prim).ComputeAlignedRange()
    if not box.IsEmpty():
        return box.GetMidpoint()
    return UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default()).ExtractTranslation()

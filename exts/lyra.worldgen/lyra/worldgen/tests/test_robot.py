# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""In Isaac Sim: our robot is spawned on a ground plane and drives two metres in real physics. Not run yet."""

from __future__ import annotations

import time

import omni.kit.app
import omni.kit.test
import omni.timeline
import omni.usd
from pxr import Gf, UsdGeom, UsdPhysics

from lyra.worldgen.messages import DriveEnded, Event, RobotPlaced
from lyra.worldgen.model import Robot
from lyra.worldgen.robot import RobotDriver

__all__ = ["TestRobot"]

_LIMIT = 120.0  # [s] of wall time


def _lyra_bot() -> Robot:
    from lyra_core.navigation.robots import load_robot

    spec = load_robot("lyra_bot")
    return Robot(
        spec.name,
        spec.kind,
        str(spec.asset_file),
        isaac_asset=False,
        base_link=spec.base_link,
        wheel_joints=tuple(spec.wheel_joints),
        wheel_radius=spec.wheel_radius,
        track=spec.track,
        spawn_height=spec.spawn_height,
        max_speed=spec.max_speed,
        max_turn=spec.max_turn,
    )


class TestRobot(omni.kit.test.AsyncTestCase):
    """Spawn, play, drive, stop, in metres and in centimetres."""

    async def setUp(self) -> None:
        """An empty stage."""
        await omni.usd.get_context().new_stage_async()
        self._driver = RobotDriver()
        self._events: list[Event] = []

    async def tearDown(self) -> None:
        """Stop and let go."""
        omni.timeline.get_timeline_interface().stop()
        self._driver.close()

    async def _until(self, kind: type) -> Event:
        end = time.monotonic() + _LIMIT
        while time.monotonic() < end:
            found = next((event for event in self._events if isinstance(event, kind)), None)
            if found is not None:
                return found
            await omni.kit.app.get_app().next_update_async()
        raise AssertionError(f"no {kind.__name__}; seen: {self._events}")

    async def _drive(self, metres: float) -> None:
        stage = omni.usd.get_context().get_stage()
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
        UsdGeom.SetStageMetersPerUnit(stage, metres)
        UsdPhysics.Scene.Define(stage, "/PhysicsScene")
        ground = UsdGeom.Plane.Define(stage, "/Ground")
        ground.CreateAxisAttr(UsdGeom.Tokens.z)
        UsdPhysics.CollisionAPI.Apply(ground.GetPrim())
        world = UsdGeom.Xform.Define(stage, "/LyraWorld")
        world.MakeMatrixXform().Set(Gf.Matrix4d().SetScale(1.0 / metres))
        self._driver.place(_lyra_bot(), "/LyraWorld", (0.0, 0.0, 0.0), 0.0, self._events.append)
        await self._until(RobotPlaced)
        omni.timeline.get_timeline_interface().play()
        self._driver.drive(((0.0, 0.0), (2.0, 0.0)), self._events.append)
        ended = await self._until(DriveEnded)
        self.assertTrue(isinstance(ended, DriveEnded) and ended.reached, ended)

    async def test_it_drives_two_metres_in_metres(self) -> None:
        """The stage that Isaac Sim makes."""
        await self._drive(1.0)

    async def test_it_drives_two_metres_in_centimetres(self) -> None:
        """Units are handled by us, not by the metrics assembler."""
        await self._drive(0.01)

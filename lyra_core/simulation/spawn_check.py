# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Spawn poses tried out: our robot is set down at each one and has to come to rest there, upright and untouched."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.navigation.robots import RobotSpec, load_robot
from lyra_core.navigation.spawn import SPAWN_HEIGHT, Spawn, read_spawns
from lyra_core.simulation.articulation import OvPhysxDriver, RobotState
from lyra_core.types import Mesh
from lyra_core.usd import STEPS_PER_SECOND
from lyra_core.usd.robot import ROBOT_PRIM, write_drive_stage

__all__ = ["STANDS", "SpawnReport", "SpawnTest", "drop_at_spawns", "drop_at_world_spawns"]

STANDS = "stands"

_SETTLE, _WATCH = 1.0, 0.25  # [s] until it has to be at rest; how long its base must touch nothing then
_DROP, _RISE = 0.05, 0.03  # [m] that it may end under and over the pose's floor
_SLIDE = 0.05  # [m]
_TILT = math.radians(6)
_TOUCH = 1.0  # [N]


@dataclass(frozen=True, slots=True)
class SpawnTest:
    """One pose.

    Attributes
    ----------
    outcome: stands, falls, tips, slides or 'touches something'.
    height: of the base frame over the pose's floor at the end [m]. moved: sideways [m]. tilt_deg: from upright.
    force: largest contact force on the base at rest [N].
    """

    outcome: str
    height: float
    moved: float
    tilt_deg: float
    force: float


@dataclass(frozen=True, slots=True)
class SpawnReport:
    """All poses of a world. engine: name and version. robot: name. tests: one per pose, in their order."""

    engine: str
    robot: str
    tests: tuple[SpawnTest, ...]

    @property
    def standing(self) -> tuple[int, ...]:
        """Indices of the poses at which the robot stands."""
        return tuple(i for i, test in enumerate(self.tests) if test.outcome == STANDS)

    @property
    def passed(self) -> bool:
        """True if it stands at all of them."""
        return len(self.standing) == len(self.tests)

    @property
    def line(self) -> str:
        """One readable sentence."""
        wrong = [f"{i} {test.outcome}" for i, test in enumerate(self.tests) if test.outcome != STANDS]
        said = f"spawn poses: {self.robot} stands at {len(self.standing)} of {len(self.tests)}"
        return f"problem: {said} ({', '.join(wrong)})" if wrong else said

    def to_json(self) -> dict[str, Any]:
        """Plain values for report.json."""
        return {
            "robot": self.robot,
            "poses": len(self.tests),
            "stand": len(self.standing),
            "outcomes": [test.outcome for test in self.tests],
            "largest_tilt_deg": round(max((test.tilt_deg for test in self.tests), default=0.0), 2),
            "passed": self.passed,
        }


def drop_at_spawns(
    world: Path | Sequence[tuple[str, Mesh]], spawns: Sequence[Spawn], *, robot: RobotSpec | None = None
) -> SpawnReport:
    """Set the robot down at every pose, one after the other, and look at it after a second.

    world: a world folder, or (name, mesh) collider tiles. robot: lyra_bot by default.
    Errors: MissingDependencyError without ovphysx, SimulationError or WorldError for a broken world.
    """
    robot = robot or load_robot("lyra_bot")
    engine = OvPhysxDriver()
    joints = (robot.wheel_joints[0], robot.wheel_joints[1])
    tests = []
    with tempfile.TemporaryDirectory(prefix="lyra-spawn-") as scratch:
        where: dict[str, Any] = {"world": world} if isinstance(world, Path) else {"tiles": world}
        stage = write_drive_stage(Path(scratch) / "spawn.usda", robot.asset_file, **where)
        with engine.robot(stage, f"{ROBOT_PRIM}/{robot.base_link}", joints, step=1 / STEPS_PER_SECOND) as handle:
            for spawn in spawns:
                handle.place(spawn.position, spawn.yaw)
                handle.step(round(_SETTLE * STEPS_PER_SECOND))
                force = handle.step(round(_WATCH * STEPS_PER_SECOND))
                tests.append(_judge(spawn, handle.state(), force))
    return SpawnReport(engine.name, robot.name, tuple(tests))


def drop_at_world_spawns(folder: Path) -> SpawnReport | None:
    """drop_at_spawns of the poses in navigation/spawn.json; None for a world without any. Errors: as there."""
    spawns = read_spawns(folder)
    return drop_at_spawns(folder, spawns) if spawns else None


def _judge(spawn: Spawn, state: RobotState, force: float) -> SpawnTest:
    start: NDArray[np.float64] = np.array(spawn.position)
    height = float(state.position[2] - (start[2] - SPAWN_HEIGHT))
    moved = float(np.linalg.norm(state.position[:2] - start[:2]))
    if not np.isfinite(state.position).all() or height < -_DROP:
        outcome = "falls"
    elif state.tilt > _TILT:
        outcome = "tips"
    elif moved > _SLIDE or height > _RISE:
        outcome = "slides"
    else:
        outcome = "touches something" if force > _TOUCH else STANDS
    return SpawnTest(outcome, height, moved, math.degrees(state.tilt), force)

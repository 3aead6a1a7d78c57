# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Drive a robot along planned paths in PhysX: what reached, what fell, what got stuck, what it touched.

Control at 30 Hz, physics at 120 Hz. A collision is a contact force on the robot's base: wheels and caster are links
of their own, so that whatever the base touches is no floor that the robot should be on. Contacts are read after every
physics step; contacts less than half a second apart count once.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import ConfigError, InputError
from lyra_core.navigation.controller import PurePursuit, PursuitSettings, wheel_speeds
from lyra_core.navigation.planner import Plan
from lyra_core.navigation.robots import RobotSpec
from lyra_core.simulation.articulation import DrivenRobot, OvPhysxDriver, RobotState
from lyra_core.types import Mesh
from lyra_core.usd import STEPS_PER_SECOND
from lyra_core.usd.robot import ROBOT_PRIM, write_drive_stage

__all__ = [
    "CONTROL_HZ",
    "FELL",
    "REACHED",
    "STUCK",
    "TIPPED",
    "TOO_LATE",
    "Drivable",
    "DriveReport",
    "DriveRun",
    "drive_one_by_one",
    "drive_world",
    "run_plan",
]

REACHED, FELL, TIPPED, STUCK, TOO_LATE = "reached", "fell", "tipped", "stuck", "too late"
CONTROL_HZ = 30

_DEPTH = 0.085  # [m] under the floor's height that counts as fallen; the guide plane lies at least 0.10 m under it
_TIP = math.radians(40)
_STILL_SECONDS, _STILL_METRES, _STILL_TURN = 4.0, 0.05, 0.35  # less than this in so long: stuck
_TOUCH = 1.0  # [N]
_TOUCH_GAP = 0.5  # [s]
_SETTLE = 0.25  # [s] from spawn height to rest


@dataclass(frozen=True, slots=True, eq=False)
class DriveRun:
    """One drive.

    Attributes
    ----------
    plan: the path it had to follow. outcome: reached, fell, tipped, stuck or 'too late'.
    times: (T,) float64 [s] of simulated time. positions: (T, 3) [m], quats_wxyz: (T, 4) of the base.
    wheels: (T, 2) wheel angles [rad].
    collisions: contacts of the base with anything. strongest: the largest such force [N].
    deviation: largest distance from the path [m]. wall_seconds: to simulate it.
    """

    plan: Plan
    outcome: str
    times: NDArray[np.float64]
    positions: NDArray[np.float64]
    quats_wxyz: NDArray[np.float64]
    wheels: NDArray[np.float64]
    collisions: int
    strongest: float
    deviation: float
    wall_seconds: float

    @property
    def reached(self) -> bool:
        """True if the robot came to its goal."""
        return self.outcome == REACHED

    @property
    def seconds(self) -> float:
        """Simulated time [s]."""
        return float(self.times[-1])

    @property
    def driven(self) -> float:
        """Length of the driven path on the floor plane [m]."""
        return float(np.linalg.norm(np.diff(self.positions[:, :2], axis=0), axis=1).sum())

    def to_json(self) -> dict[str, Any]:
        """Plain values for drive.json, with the trajectory at 5 Hz."""
        task, every = self.plan.task, CONTROL_HZ // 5
        pick = np.unique(np.append(np.arange(0, len(self.times), every), len(self.times) - 1))
        return {
            "start": [*(round(v, 3) for v in task.start), round(task.yaw, 3)],
            "goal": [round(v, 3) for v in task.goal],
            "outcome": self.outcome,
            "planned_m": round(self.plan.length, 3),
            "driven_m": round(self.driven, 3),
            "plan_clearance_m": round(self.plan.clearance, 3),
            "plan_smoothed": self.plan.smoothed,
            "seconds": round(self.seconds, 2),
            "collisions": self.collisions,
            "strongest_contact_n": round(self.strongest, 1),
            "largest_deviation_m": round(self.deviation, 3),
            "goal_distance_m": round(float(np.hypot(*(self.positions[-1, :2] - task.goal))), 3),
            "trajectory_xyz": np.round(self.positions[pick], 3).tolist(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class DriveReport:
    """All drives of one call. engine: name and version. cook_seconds: loading the world."""

    engine: str
    robot: str
    runs: tuple[DriveRun, ...]
    cook_seconds: float

    @property
    def success(self) -> float:
        """Share of drives that reached their goal."""
        return sum(run.reached for run in self.runs) / len(self.runs)

    @property
    def realtime_factor(self) -> float:
        """Simulated seconds per wall second, physics and control together, without loading."""
        return sum(run.seconds for run in self.runs) / max(1e-9, sum(run.wall_seconds for run in self.runs))

    def to_json(self) -> dict[str, Any]:
        """Plain values for drive.json."""
        runs = self.runs
        return {
            "engine": self.engine,
            "robot": self.robot,
            "runs": len(runs),
            "reached": sum(run.reached for run in runs),
            "success": round(self.success, 4),
            "outcomes": {kind: sum(run.outcome == kind for run in runs) for kind in sorted({r.outcome for r in runs})},
            "collisions": sum(run.collisions for run in runs),
            "runs_with_collision": sum(run.collisions > 0 for run in runs),
            "planned_m": round(sum(run.plan.length for run in runs), 2),
            "driven_m": round(sum(run.driven for run in runs), 2),
            "simulated_seconds": round(sum(run.seconds for run in runs), 1),
            "wall_seconds": round(sum(run.wall_seconds for run in runs), 1),
            "realtime_factor": round(self.realtime_factor, 2),
            "largest_deviation_m": round(max(run.deviation for run in runs), 3),
            "cook_seconds": round(self.cook_seconds, 2),
            "physics_hz": STEPS_PER_SECOND,
            "control_hz": CONTROL_HZ,
            "drives": [run.to_json() for run in runs],
        }


def drive_world(
    world: Path | Sequence[tuple[str, Mesh]],
    plans: Sequence[Plan],
    robot: RobotSpec,
    *,
    floor_z: float = 0.0,
    settings: PursuitSettings | None = None,
) -> DriveReport:
    """Drive every plan, one after the other, in one stage; as drive_one_by_one, which see."""
    *_, report = drive_one_by_one(world, plans, robot, floor_z=floor_z, settings=settings)
    return report


def drive_one_by_one(
    world: Path | Sequence[tuple[str, Mesh]],
    plans: Sequence[Plan],
    robot: RobotSpec,
    *,
    floor_z: float = 0.0,
    settings: PursuitSettings | None = None,
) -> Iterator[DriveReport]:
    """Drive the plans in one stage; yields the report of all drives so far after each one. Closing it stops.

    Parameters
    ----------
    world: a world folder, or (name, mesh) collider tiles (tests, negative controls).
    plans: from navigation.Planner. robot: from navigation.load_robot; must be wheeled and on this machine.
    floor_z: height of the floor [m]. settings: of the controller; by default the robot's limits.

    Errors: MissingDependencyError without ovphysx, ConfigError for a robot that cannot be driven here, InputError
    without plans, WorldError or SimulationError for a broken world.
    """
    if not plans:
        raise InputError("There is nothing to drive", got="no plans", do="Plan at least one path")
    if robot.kind != "wheeled":
        raise ConfigError(
            f"'{robot.name}' walks; only wheeled robots are driven here",
            got=f"kind: {robot.kind}",
            do="Use --robot lyra_bot, or its policy in Isaac Sim",
        )
    settings = settings or PursuitSettings(max_speed=robot.max_speed, max_turn=robot.max_turn)
    engine, asset = OvPhysxDriver(), robot.asset_file
    joints = (robot.wheel_joints[0], robot.wheel_joints[1])
    runs: tuple[DriveRun, ...] = ()
    with tempfile.TemporaryDirectory(prefix="lyra-drive-") as scratch:
        where: dict[str, Any] = {"world": world} if isinstance(world, Path) else {"tiles": world}
        stage = write_drive_stage(Path(scratch) / "drive.usda", asset, floor_z=floor_z, **where)
        opening = time.perf_counter()
        with engine.robot(stage, f"{ROBOT_PRIM}/{robot.base_link}", joints, step=1 / STEPS_PER_SECOND) as handle:
            cook = time.perf_counter() - opening
            for plan in plans:
                ground = _ground_under(engine, handle, plan, robot, floor_z)
                runs += (run_plan(handle, plan, robot, settings, ground, floor_z),)
                yield DriveReport(engine.name, robot.name, runs, cook)


def _ground_under(engine: OvPhysxDriver, handle: DrivenRobot, plan: Plan, robot: RobotSpec, floor_z: float) -> float:
    """Height [m] of the highest floor under the robot's start, so that it is set down and not into the floor."""
    (x, y), reach = plan.task.start, 0.8 * robot.footprint_radius
    handle.place((x, y, floor_z + 50.0), 0.0)  # out of the way of the rays
    handle.step(1)
    angle = np.arange(8) * (np.pi / 4)
    around = np.concatenate([[[0, 0]], reach * np.stack([np.cos(angle), np.sin(angle)], 1)]) + (x, y)
    start = np.column_stack([around, np.full(len(around), floor_z + 0.3)]).astype(np.float32)
    down = np.tile(np.array([0, 0, -1], np.float32), (len(around), 1))
    heights = floor_z + 0.3 - engine.raycast(start, down, 0.3 + _DEPTH).distance
    return float(max(floor_z - _DEPTH, *heights[np.isfinite(heights)])) if np.isfinite(heights).any() else floor_z


class Drivable(Protocol):
    """A robot in any engine; see DrivenRobot."""

    def place(self, position: tuple[float, float, float], yaw: float) -> None:
        """Put the base frame at position [m] with heading yaw [rad], at rest."""
        ...

    def drive(self, left: float, right: float) -> None:
        """Set the wheel speeds [rad/s] that the drives aim at."""
        ...

    def step(self, count: int) -> float:
        """Advance count steps; returns the largest contact force [N] on the base."""
        ...

    def state(self) -> RobotState:
        """Where the robot is now."""
        ...


def run_plan(
    handle: Drivable, plan: Plan, robot: RobotSpec, settings: PursuitSettings, ground: float, floor_z: float
) -> DriveRun:
    """Place the robot on the floor at height ground [m] and drive one plan."""
    begin = time.perf_counter()
    pursuit = PurePursuit(plan.points, settings)
    steps = STEPS_PER_SECOND // CONTROL_HZ
    period = steps / STEPS_PER_SECOND
    handle.place((*plan.task.start, ground + robot.spawn_height), plan.task.yaw)
    handle.step(round(_SETTLE * STEPS_PER_SECOND))
    limit = 20.0 + 3.0 * plan.length / settings.max_speed
    log: list[RobotState] = [handle.state()]
    touches, last_touch, strongest, deviation = 0, -math.inf, 0.0, 0.0
    watch = _Watch(log[0])
    outcome = _fallen(log[0], floor_z)
    while not outcome:
        now = len(log) * period
        state = log[-1]
        command = pursuit.step(state.position[0], state.position[1], state.yaw, period)
        handle.drive(*wheel_speeds(command, wheel_radius=robot.wheel_radius, track=robot.track))
        force = handle.step(steps)
        state = handle.state()
        log.append(state)
        deviation = max(deviation, pursuit.deviation(state.position[:2]))
        if force > _TOUCH:
            strongest = max(strongest, force)
            touches += now - last_touch > _TOUCH_GAP
            last_touch = now
        outcome = _fallen(state, floor_z)
        if not outcome and command.done:
            outcome = REACHED
        elif not outcome and watch.still(state, now):
            outcome = STUCK
        elif not outcome and now > limit:
            outcome = TOO_LATE
    return DriveRun(
        plan,
        outcome,
        np.arange(len(log), dtype=np.float64) * period,
        np.array([s.position for s in log]),
        np.array([s.quat_wxyz for s in log]),
        np.array([s.wheels for s in log]),
        touches,
        strongest,
        deviation,
        time.perf_counter() - begin,
    )


def _fallen(state: RobotState, floor_z: float) -> str:
    if not np.isfinite(state.position).all() or state.position[2] < floor_z - _DEPTH:
        return FELL
    return TIPPED if state.tilt > _TIP else ""


class _Watch:
    """Notices when the robot neither moves nor turns for a while."""

    def __init__(self, state: RobotState) -> None:
        self._since, self._place, self._yaw = 0.0, state.position[:2], state.yaw

    def still(self, state: RobotState, now: float) -> bool:
        turned = abs((state.yaw - self._yaw + math.pi) % (2 * math.pi) - math.pi)
        if np.linalg.norm(state.position[:2] - self._place) > _STILL_METRES or turned > _STILL_TURN:
            self._since, self._place, self._yaw = now, state.position[:2], state.yaw
        return now - self._since > _STILL_SECONDS

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A robot on its planned path: pure pursuit, and when to stop. Poses in, speeds out; no engine, no Kit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra.worldgen.model import Robot
from lyra_core.navigation.controller import PurePursuit, PursuitSettings

__all__ = ["Follower", "Step"]

_STUCK_AFTER = 6.0  # [s] without progress; turning on the spot takes less
_PROGRESS = 0.02  # [m]
_SPACING = 0.05  # [m]
_LOST = 1.5  # [m] from the path


@dataclass(frozen=True, slots=True)
class Step:
    """Speeds for the next step [m/s, rad/s]; done ends the drive, reason says why if the goal was not reached."""

    linear: float
    angular: float
    travelled: float
    done: bool = False
    reached: bool = False
    reason: str = ""


class Follower:
    """Follows points (x, y) [m] of the world with a robot's limits. Errors: InputError for less than two points."""

    def __init__(self, points: tuple[tuple[float, float], ...], robot: Robot) -> None:
        brisk = robot.max_speed
        settings = PursuitSettings(
            max_speed=brisk,
            max_turn=robot.max_turn,
            acceleration=max(0.4, 1.2 * brisk),
            turn_acceleration=3.0 * robot.max_turn,
            lookahead=max(0.25, 0.7 * brisk),
            tolerance=max(0.08, 0.25 * robot.footprint_radius),
        )
        self._pursuit = PurePursuit(_dense(np.array(points, np.float64)), settings)
        self._still = 0.0
        self._mark = 0.0

    @property
    def length(self) -> float:
        """[m] of the path."""
        return self._pursuit.length

    def step(self, x: float, y: float, yaw: float, dt: float) -> Step:
        """The next command at a pose [m, rad] in the world, dt [s] after the last."""
        command = self._pursuit.step(x, y, yaw, dt)
        travelled = self._pursuit.progress
        if command.done:
            return Step(0.0, 0.0, self.length, done=True, reached=True)
        moved = travelled - self._mark > _PROGRESS
        self._mark, self._still = (travelled, 0.0) if moved else (self._mark, self._still + dt)
        if self._still > _STUCK_AFTER:
            return Step(0.0, 0.0, travelled, done=True, reason=f"it has not moved for {_STUCK_AFTER:g} s")
        off = self._pursuit.deviation(np.array([x, y]))
        if off > _LOST:
            return Step(0.0, 0.0, travelled, done=True, reason=f"it is {off:.1f} m beside its path")
        return Step(command.linear, command.angular, travelled)


def _dense(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The polyline (N, 2) [m] with points at most 5 cm apart: pursuit counts its progress in points."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], max(2, int(np.ceil(along[-1] / _SPACING)) + 1))
    return np.stack([np.interp(at, along, points[:, axis]) for axis in range(2)], axis=1)

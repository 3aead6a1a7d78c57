# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Pure pursuit for a differential drive: aim at a point ahead on the path, turn on the spot when it lies behind.

Source: R. C. Coulter, Implementation of the Pure Pursuit Path Tracking Algorithm, CMU-RI-TR-92-01, 1992.
Engine-free: poses in, wheel speeds out, so that it is tested by integrating the kinematics alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError

__all__ = ["Command", "PurePursuit", "PursuitSettings", "wheel_speeds"]


@dataclass(frozen=True, slots=True)
class Command:
    """Speed along x of the robot [m/s], turn rate about z [rad/s], and whether the goal is reached."""

    linear: float
    angular: float
    done: bool = False


@dataclass(frozen=True, slots=True)
class PursuitSettings:
    """Limits and gains.

    Attributes
    ----------
    max_speed: [m/s]. max_turn: [rad/s].
    acceleration: [m/s^2], also for braking. turn_acceleration: [rad/s^2].
    lookahead: [m] at full speed; it shrinks with the speed to min_lookahead.
    tolerance: [m] from the goal that counts as there.
    spin_angle: [rad] beyond which the robot turns on the spot before it drives.
    """

    max_speed: float = 0.6
    max_turn: float = 2.0
    acceleration: float = 0.8
    turn_acceleration: float = 6.0
    lookahead: float = 0.40
    min_lookahead: float = 0.18
    tolerance: float = 0.08
    spin_angle: float = 0.9

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not getattr(self, name) > 0:
                raise InputError(f"{name} of the controller must be > 0", got=str(getattr(self, name)))


def wheel_speeds(command: Command, *, wheel_radius: float, track: float) -> tuple[float, float]:
    """(left, right) wheel speeds [rad/s] that make the command; radius and track in metres."""
    half = 0.5 * track * command.angular
    return (command.linear - half) / wheel_radius, (command.linear + half) / wheel_radius


class PurePursuit:
    """Follows one path; holds how far it has come, so that loops and crossings do not confuse it.

    path: (N, 2) metres, start to goal. Errors: InputError for fewer than two points.
    """

    def __init__(self, path: NDArray[np.floating], settings: PursuitSettings | None = None) -> None:
        self.path = np.asarray(path, np.float64)
        if self.path.ndim != 2 or self.path.shape[1] != 2 or len(self.path) < 2 or not np.isfinite(self.path).all():
            raise InputError("A path to follow needs two finite points or more", got=str(self.path.shape))
        self.settings = settings or PursuitSettings()
        legs = np.linalg.norm(np.diff(self.path, axis=0), axis=1)
        self.along = np.concatenate([[0.0], np.cumsum(legs)])
        self._index = 0
        self._linear = self._angular = 0.0
        self._spinning = True  # a robot that is set down looks anywhere

    @property
    def progress(self) -> float:
        """[m] along the path to the point that the robot has passed."""
        return float(self.along[self._index])

    @property
    def length(self) -> float:
        """[m] of the path."""
        return float(self.along[-1])

    def deviation(self, xy: NDArray[np.floating]) -> float:
        """[m] from a point (2,) to the path."""
        leg = np.diff(self.path, axis=0)
        to_point = np.asarray(xy, np.float64) - self.path[:-1]
        share = np.clip((to_point * leg).sum(1) / np.maximum((leg * leg).sum(1), 1e-18), 0, 1)
        return float(np.linalg.norm(to_point - share[:, None] * leg, axis=1).min())

    def step(self, x: float, y: float, yaw: float, dt: float) -> Command:
        """The command for the next dt seconds at the pose (x, y) [m], yaw [rad]."""
        s = self.settings
        here = np.array([x, y])
        self._advance(here)
        to_goal = float(np.linalg.norm(self.path[-1] - here))
        rest = max(to_goal, self.length - self.progress)
        if to_goal <= s.tolerance and self.length - self.progress <= 2 * s.lookahead:
            return self._limited(0.0, 0.0, dt, done=True)
        ahead = max(s.min_lookahead, s.lookahead * abs(self._linear) / s.max_speed)
        target = self._target(ahead)
        alpha = _wrapped(math.atan2(target[1] - y, target[0] - x) - yaw)
        # Hysteresis: a turn on the spot is finished before the robot drives on.
        self._spinning = abs(alpha) > (0.25 if self._spinning else s.spin_angle)
        if self._spinning:
            # The speed from which the turn can still be braked to rest at the right heading.
            turn = math.copysign(min(s.max_turn, math.sqrt(1.2 * s.turn_acceleration * abs(alpha))), alpha)
            return self._limited(0.0, turn, dt)
        distance = max(float(np.linalg.norm(target - here)), 1e-6)
        curvature = 2.0 * math.sin(alpha) / distance
        speed = min(s.max_speed, math.sqrt(1.4 * s.acceleration * max(rest, 0.0)) + 0.02)
        speed = min(speed, s.max_speed / (1.0 + 0.35 * abs(curvature)), s.max_turn / max(abs(curvature), 1e-6))
        return self._limited(speed, speed * curvature, dt)

    def _advance(self, here: NDArray[np.float64]) -> None:
        """Move on to the nearest point of the next metre; never back."""
        stop = int(np.searchsorted(self.along, self.along[self._index] + 1.0, side="right"))
        window = self.path[self._index : max(stop, self._index + 1)]
        self._index += int(np.argmin(np.linalg.norm(window - here, axis=1)))

    def _target(self, ahead: float) -> NDArray[np.float64]:
        at = min(self.progress + ahead, self.length)
        return np.array([np.interp(at, self.along, self.path[:, axis]) for axis in range(2)])

    def _limited(self, linear: float, angular: float, dt: float, *, done: bool = False) -> Command:
        s = self.settings
        self._linear += float(np.clip(linear - self._linear, -s.acceleration * dt * 1.5, s.acceleration * dt))
        self._angular += float(np.clip(angular - self._angular, -s.turn_acceleration * dt, s.turn_acceleration * dt))
        return Command(self._linear, self._angular, done)


def _wrapped(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi

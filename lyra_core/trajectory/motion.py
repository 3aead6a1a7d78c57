# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Timing of camera motion: how far a pose sequence moves, constant speed, soft starts, speed figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import matrix_from_rotvec, rigid, rotvec_from_matrix
from lyra_core.types import CameraPath

__all__ = ["PathSpeed", "ease", "motion_steps", "path_speed", "retime", "sample_poses"]

_F = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PathSpeed:
    """How far and how fast a path moves.

    Attributes
    ----------
    length: travelled distance of the camera centre [m].
    reach: largest distance from the first centre [m].
    turn_deg: total rotation [deg].
    max_step, max_turn_deg: largest move [m] and rotation [deg] from one frame to the next.
    speed: max_step in metres per second at the path's fps.
    """

    length: float
    reach: float
    turn_deg: float
    max_step: float
    max_turn_deg: float
    speed: float

    def __str__(self) -> str:
        return (
            f"{self.length:.2f} m long, reaches {self.reach:.2f} m from the photo, turns {self.turn_deg:.0f} deg; "
            f"at most {100 * self.max_step:.1f} cm and {self.max_turn_deg:.2f} deg per frame ({self.speed:.2f} m/s)"
        )


def _steps(poses: _F) -> tuple[_F, _F]:
    """(M, 4, 4) to the M - 1 moves [m] and rotations [rad]."""
    moves = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    relative = poses[1:, :3, :3] @ np.swapaxes(poses[:-1, :3, :3], 1, 2)
    return moves, np.linalg.norm(rotvec_from_matrix(relative), axis=1)


def path_speed(path: CameraPath) -> PathSpeed:
    """Length, reach and per-frame maxima of a path."""
    moves, turns = _steps(path.world_from_camera)
    reach = np.linalg.norm(path.centers - path.centers[0], axis=1).max()
    max_step = float(moves.max(initial=0.0))
    return PathSpeed(
        length=float(moves.sum()),
        reach=float(reach),
        turn_deg=float(np.degrees(turns.sum())),
        max_step=max_step,
        max_turn_deg=float(np.degrees(turns.max(initial=0.0))),
        speed=max_step * path.fps,
    )


def motion_steps(poses: _F, turn_radius: float) -> _F:
    """(M, 4, 4) poses to the M - 1 step sizes [m]: the larger of the move and turn_radius x rotation [rad].

    The maximum (not a sum) keeps the speed of the centre exactly constant while turns are gentle, and slows
    the camera down only where it would turn faster than it moves.
    """
    moves, turns = _steps(poses)
    return np.maximum(moves, turn_radius * turns)


def sample_poses(poses: _F, positions: _F) -> _F:
    """Poses at fractional indices: (M, 4, 4) rigid and (N,) in [0, M - 1] to (N, 4, 4).

    Straight line of the centre and geodesic of the rotation between neighbours; at an integer position
    the pose is returned bit for bit.
    """
    positions = np.clip(np.asarray(positions, dtype=np.float64), 0, len(poses) - 1)
    low = np.minimum(np.floor(positions).astype(np.int64), max(len(poses) - 2, 0))
    high = np.minimum(low + 1, len(poses) - 1)
    part = positions - low
    first, second = poses[low], poses[high]
    delta = rotvec_from_matrix(second[:, :3, :3] @ np.swapaxes(first[:, :3, :3], 1, 2))
    rotation = matrix_from_rotvec(part[:, None] * delta) @ first[:, :3, :3]
    center = first[:, :3, 3] + part[:, None] * (second[:, :3, 3] - first[:, :3, 3])
    out = rigid(rotation, center)
    out[part == 0] = first[part == 0]
    out[part == 1] = second[part == 1]
    return out


def ease(steps: int, soft: float) -> _F:
    """(steps + 1,) progress from 0 to 1: speed rises over the first share soft of the time and falls over the last.

    soft = 0 is constant speed; 0.5 is a triangle of speeds.
    """
    t = np.linspace(0.0, 1.0, steps + 1)
    if soft <= 0:
        return t
    cruise = 1.0 / (1.0 - soft)
    rise = 0.5 * cruise * t**2 / soft
    fall = 1.0 - 0.5 * cruise * (1.0 - t) ** 2 / soft
    return np.where(t < soft, rise, np.where(t > 1.0 - soft, fall, cruise * (t - 0.5 * soft)))


def _share_steps(lengths: _F, steps: int) -> list[int]:
    """Split steps over the legs by length (largest remainder), at least one each where there are enough."""
    least = np.where(lengths > 0, 1, 0) if steps >= np.count_nonzero(lengths) else np.zeros(len(lengths), int)
    spare = steps - int(least.sum())
    ideal = np.maximum(lengths / lengths.sum() * steps - least, 0)
    ideal = ideal / max(ideal.sum(), 1e-300) * spare
    counts = least + np.floor(ideal).astype(int)
    order = np.argsort(-(ideal - np.floor(ideal)), kind="stable")
    for i in range(steps - int(counts.sum())):
        counts[order[i % len(order)]] += 1
    return [int(c) for c in counts]


def retime(legs: Sequence[_F], frames: int, *, turn_radius: float, soft: float) -> _F:
    """(frames, 4, 4) poses that run through the legs at constant speed.

    Parameters
    ----------
    legs: dense pose curves (M, 4, 4), each starting where the one before ends; the motion rests at the joints,
        which are hit exactly where there are enough frames.
    frames: number of poses, >= 1.
    turn_radius: metres that one radian of rotation counts for (see motion_steps).
    soft: share of each leg's time over which the speed rises and falls, 0..0.5.
    """
    first = legs[0][:1]
    if frames == 1:
        return first.copy()
    marks = [np.concatenate([[0.0], np.cumsum(motion_steps(leg, turn_radius))]) for leg in legs]
    lengths = np.array([m[-1] for m in marks])
    if lengths.sum() <= 0:
        return np.repeat(first, frames, axis=0)
    out = [first]
    for leg, mark, count in zip(legs, marks, _share_steps(lengths, frames - 1), strict=True):
        if count:
            places = _positions(mark, ease(count, soft)[1:] * mark[-1])
            places[-1] = len(leg) - 1
            out.append(sample_poses(leg, places))
    return np.concatenate(out)


def _positions(mark: _F, wanted: _F) -> _F:
    """Fractional indices at which the cumulative motion reaches the wanted values."""
    index = np.arange(len(mark), dtype=np.float64)
    # A tiny slope makes stretches without motion invertible.
    return np.interp(wanted, mark + 1e-12 * mark[-1] * index / len(mark), index)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A smooth path through keyframes at constant speed.

Centres: cubic Hermite curve with centripetal knots (Catmull-Rom; Yuksel et al. 2011: no cusps or loops within a
segment). Rotations: cumulative cubic Bezier curve on SO(3) (Kim, Kim and Shin 1995) with the same knots. Both pass
through the keyframes with continuous velocity; tangents are capped so that a short segment beside a long one does not
overshoot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import PathError
from lyra_core.geometry import matrix_from_rotvec, rigid, rotvec_from_matrix
from lyra_core.trajectory.motion import ease, motion_steps
from lyra_core.types import Camera, CameraPath

__all__ = ["Keyframe", "spline"]

_F = NDArray[np.float64]

_PER_SEGMENT = 200  # samples of a segment for the arc length


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """A view that the path passes through.

    Attributes
    ----------
    camera: pose and lens.
    hold: seconds to rest there, >= 0.
    """

    camera: Camera
    hold: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.hold) and self.hold >= 0):
            raise PathError("A keyframe's hold must be seconds, 0 or more", got=repr(self.hold), do="Use 0 for no stop")


def spline(
    keyframes: Sequence[Keyframe],
    frames: int,
    *,
    fps: float = 16.0,
    soft: float = 0.0,
    turn_radius: float = 1.0,
) -> CameraPath:
    """A path of frames views through the keyframes at constant speed.

    Parameters
    ----------
    keyframes: at least one; all of one image size. The first and last frame are the first and last keyframe exactly.
    frames: number of frames, >= 1 (>= 2 for more than one keyframe), holds included.
    soft: share of the moving time to speed up and slow down, 0..0.5.
    turn_radius: metres that a radian of rotation counts for: turns faster than moves set the pace (motion_steps).

    Raises
    ------
    PathError: no keyframe, mixed sizes, too few frames for the holds.
    """
    cameras = [k.camera for k in keyframes]
    if not cameras:
        raise PathError("A camera path needs at least one keyframe", got="none", do="Add a keyframe at the photo")
    if len({(c.width, c.height) for c in cameras}) > 1:
        sizes = sorted({f"{c.width}x{c.height}" for c in cameras})
        raise PathError("All keyframes must have one image size", got=", ".join(sizes), do="Resize the cameras first")
    if frames < min(len(cameras), 2):
        raise PathError(
            "A path through keyframes needs 2 frames or more", got=repr(frames), do="Ask for 2 or more frames"
        )
    holds = [round(k.hold * fps) for k in keyframes]
    moving = frames - sum(holds)
    if moving < min(len(cameras), 2):
        raise PathError(
            "The keyframes' holds take more frames than the path has",
            got=f"{sum(holds)} frames held of {frames}",
            do="Shorten the holds or ask for more frames",
        )
    poses = np.stack([c.world_from_camera for c in cameras])
    lenses = np.stack([c.intrinsics for c in cameras])
    places = _schedule(poses, moving, turn_radius, soft)
    places = np.sort(np.concatenate([places, np.repeat(np.arange(len(cameras), dtype=float), holds)]))
    return CameraPath(_evaluate(poses, places), _lens(lenses, places), cameras[0].width, cameras[0].height, fps)


def _schedule(poses: _F, frames: int, turn_radius: float, soft: float) -> _F:
    """Spline parameters (frames,), 0 at the first keyframe and M - 1 at the last, at constant speed."""
    last = len(poses) - 1
    if last == 0:
        return np.zeros(frames)
    dense = np.linspace(0.0, last, last * _PER_SEGMENT + 1)
    mark = np.concatenate([[0.0], np.cumsum(motion_steps(_evaluate(poses, dense), turn_radius))])
    mark = mark + max(mark[-1], 1e-9) * 1e-9 * dense  # invertible where nothing moves
    places = np.interp(ease(frames - 1, soft) * mark[-1], mark, dense)
    places[0], places[-1] = 0.0, last
    return places


def _lens(lenses: _F, places: _F) -> _F:
    """Intrinsics (N, 3, 3) between the keyframes: focal lengths geometrically (even zoom), the rest linearly."""
    low = np.minimum(places.astype(int), max(len(lenses) - 2, 0))
    high = np.minimum(low + 1, len(lenses) - 1)
    part = (places - low)[:, None, None]
    out = (1 - part) * lenses[low] + part * lenses[high]
    for i in (0, 1):
        ratio = lenses[high, i, i] / lenses[low, i, i]
        out[:, i, i] = lenses[low, i, i] * ratio ** part[:, 0, 0]
    return out


def _tangents(steps: _F, knots: _F) -> _F:
    """Velocities (M, 3) at the keyframes from steps (M - 1, 3) taken over knot spans (M - 1,)."""
    speeds = steps / knots[:, None]
    if len(speeds) == 1:
        return np.concatenate([speeds, speeds])
    before, after = knots[:-1, None], knots[1:, None]
    inner = (after * speeds[:-1] + before * speeds[1:]) / (before + after)
    size = np.linalg.norm(speeds, axis=1)
    cap = 2.0 * np.minimum(size[:-1], size[1:])
    length = np.linalg.norm(inner, axis=1)
    inner = inner * np.minimum(1.0, cap / np.maximum(length, 1e-300))[:, None]
    # Ends: the parabola through the first (last) step and its inner tangent.
    first, last = 1.5 * speeds[0] - 0.5 * inner[0], 1.5 * speeds[-1] - 0.5 * inner[-1]
    return np.concatenate([first[None], inner, last[None]])


def _evaluate(poses: _F, places: _F) -> _F:
    """Spline poses (N, 4, 4) at parameters in [0, M - 1]; at an integer, the keyframe itself, bit for bit."""
    if len(poses) == 1:
        return np.repeat(poses, len(places), axis=0)
    rotations, centers = poses[:, :3, :3], poses[:, :3, 3]
    moves = np.diff(centers, axis=0)
    turns = rotvec_from_matrix(np.swapaxes(rotations[:-1], 1, 2) @ rotations[1:])  # in the earlier body frame
    size = np.linalg.norm(moves, axis=1) + np.linalg.norm(turns, axis=1)
    knots = np.sqrt(np.maximum(size, 1e-6 * max(size.max(), 1e-12)))  # centripetal
    velocity, spin = _tangents(moves, knots), _tangents(turns, knots)

    low = np.minimum(places.astype(int), len(poses) - 2)
    u = (places - low)[:, None]
    span = knots[low][:, None]
    a, b = centers[low], centers[low + 1]
    va, vb = velocity[low] * span, velocity[low + 1] * span
    center = a + (3 * u**2 - 2 * u**3) * (b - a) + (u**3 - 2 * u**2 + u) * va + (u**3 - u**2) * vb
    # Cumulative Bernstein weights of the four control rotations.
    w1, w3 = spin[low] * span / 3, spin[low + 1] * span / 3
    middle = np.swapaxes(matrix_from_rotvec(w1), 1, 2) @ matrix_from_rotvec(turns[low])
    w2 = rotvec_from_matrix(middle @ np.swapaxes(matrix_from_rotvec(w3), 1, 2))
    b1, b2, b3 = 1 - (1 - u) ** 3, 3 * u**2 - 2 * u**3, u**3
    rotation = rotations[low] @ matrix_from_rotvec(b1 * w1) @ matrix_from_rotvec(b2 * w2) @ matrix_from_rotvec(b3 * w3)
    out = rigid(rotation, center)
    for edge in (0, 1):
        exact = u[:, 0] == edge
        out[exact] = poses[low[exact] + edge]
    return out

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps a camera path away from everything that was seen, and says what it changed.

The rule, for every position between two frames too (2 cm apart), not only at the frames:
- at least `clearance` from every seen point, or from the photo's own distance if the photo was taken closer;
- never through a surface: a point stands for a disc as large as its spacing, whatever the clearance;
- over the floor at least min(clearance, 0.9 x the photo's height); floor points are otherwise no obstacle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import PathError
from lyra_core.trajectory.motion import sample_poses
from lyra_core.trajectory.obstacles import Obstacles, build_obstacles
from lyra_core.types import CameraPath

__all__ = ["ClearanceReport", "limit"]

_F = NDArray[np.float64]

_SPACING = 0.02  # m between tested positions
_MOST_TESTS = 8000
_FLOOR_BAND = 0.10  # m: points this near to the floor's height are floor
_SAFETY = 0.005  # m kept beyond the rule where a path is changed, for the rounding of resampled corners


@dataclass(frozen=True, slots=True)
class ClearanceReport:
    """What the limiter found and did.

    Attributes
    ----------
    action: "none", "shortened" (the blocked part is left out), or "scaled" (the whole motion is smaller).
    clearance: distance that was kept [m]; lower than asked where the photo itself was taken closer.
    min_clearance_before, min_clearance_after: smallest distance to a seen point off the floor [m]; inf if none is near.
    length_before, length_after: travelled distance [m].
    first_limiting_frame: first frame of the given path that cannot be reached, or None.
    through_surface: the given path went through a seen surface or the floor.
    messages: one sentence per fact, for the user.
    """

    action: str
    clearance: float
    min_clearance_before: float
    min_clearance_after: float
    length_before: float
    length_after: float
    first_limiting_frame: int | None
    through_surface: bool
    messages: tuple[str, ...]

    @property
    def limited(self) -> bool:
        """True if the path was changed."""
        return self.action != "none"

    @property
    def shortened_by(self) -> float:
        """Travelled distance that was given up [m]."""
        return max(self.length_before - self.length_after, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    """The rule of the module's docstring, made ready for one path."""

    obstacles: Obstacles
    allowance: _F
    clearance: float
    lowest: float  # world z of the lowest allowed centre [m]; -inf without a floor

    def margins(self, centers: _F) -> _F:
        """(M,) metres to spare at centres (M, 3); negative where the rule is broken."""
        return np.minimum(self.obstacles.margins(centers, self.clearance, self.allowance), centers[:, 2] - self.lowest)


def limit(
    path: CameraPath,
    points: NDArray[np.floating],
    *,
    clearance: float = 0.35,
    floor_z: float | None = 0.0,
    floor_clearance: float | None = None,
) -> tuple[CameraPath, ClearanceReport]:
    """The path with every part that comes too close to something seen left out or drawn in.

    Parameters
    ----------
    path: camera path; frame 0 is the photo and is never moved.
    points: (N, 3) surface points seen so far in the same world [m], floor included.
    clearance: distance to keep [m], >= 0 (0 still never passes through a surface).
    floor_z: height of the floor [m]; None if unknown (all points then count as obstacles).
    floor_clearance: least height over the floor [m]; default min(clearance, 0.9 x height of frame 0).

    Returns
    -------
    A path with the same number of frames (the given object itself if nothing was wrong) and the report. Blocked
    stretches are left out where the path comes back to the place where it was stopped; else the path ends there.
    Where drawing the whole motion in towards the photo keeps clearly more of it (a quarter), that is done instead.
    Fewer metres over the same frames: the camera moves slower.

    Raises
    ------
    PathError: negative clearance, points of a wrong shape or not finite.
    """
    cloud = _checked(points, clearance)
    times = _test_times(path)
    poses = sample_poses(path.world_from_camera, times)
    rule, notes = _make_rule(path, poses[:, :3, 3], cloud, clearance, floor_z, floor_clearance)
    margins = rule.margins(poses[:, :3, 3])
    before = float(rule.obstacles.distances(poses[:, :3, 3]).min())
    length = _length(poses)
    if (margins >= -1e-9).all():
        report = ClearanceReport("none", rule.clearance, before, before, length, length, None, False, tuple(notes))
        return path, report

    first = int(np.argmax(margins < -1e-9))
    through = bool((_Rule(rule.obstacles, rule.allowance, 0.0, rule.lowest).margins(poses[:, :3, 3]) < 0).any())
    action, new = _shorten_or_scale(path, rule, times, poses, margins)
    tested = sample_poses(new.world_from_camera, _test_times(new))
    after, kept = float(rule.obstacles.distances(tested[:, :3, 3]).min()), _length(tested)
    frame = math.ceil(times[first])
    notes += _explain(rule, poses[first, :3, 3], frame, action, (length, kept), through)
    return new, ClearanceReport(action, rule.clearance, before, after, length, kept, frame, through, tuple(notes))


def _checked(points: NDArray[np.floating], clearance: float) -> _F:
    if not (math.isfinite(clearance) and clearance >= 0):
        raise PathError("Clearance must be metres, 0 or more", got=repr(clearance), do="Give e.g. --clearance 0.35")
    cloud = np.asarray(points, dtype=np.float64)
    if cloud.ndim != 2 or cloud.shape[1] != 3 or not np.isfinite(cloud).all():
        raise PathError(
            "Seen points must be finite and of shape (N, 3)", got=f"shape {cloud.shape}", do="Drop points without depth"
        )
    return cloud


def _length(poses: _F) -> float:
    return float(np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1).sum())


def _test_times(path: CameraPath) -> _F:
    """Fractional frame indices, all frames included, at most about 2 cm apart."""
    moves = np.linalg.norm(np.diff(path.centers, axis=0), axis=1)
    spacing = max(_SPACING, float(moves.sum()) / _MOST_TESTS)
    counts = np.maximum(np.ceil(moves / spacing).astype(int), 1)
    starts = np.repeat(np.arange(len(counts)), counts)
    inner = np.concatenate([np.arange(c) / c for c in counts]) if len(counts) else np.zeros(0)
    return np.append(starts + inner, len(path) - 1.0)


def _make_rule(
    path: CameraPath, centers: _F, cloud: _F, clearance: float, floor_z: float | None, floor_clearance: float | None
) -> tuple[_Rule, list[str]]:
    notes: list[str] = []
    start = path.centers[0]
    lowest = -math.inf
    if floor_z is not None and start[2] > floor_z:
        height = start[2] - floor_z
        keep = clearance if floor_clearance is None else floor_clearance
        keep = min(max(keep, _SPACING), 0.9 * height)
        lowest = floor_z + keep
        cloud = cloud[np.abs(cloud[:, 2] - floor_z) > _FLOOR_BAND]
    elif floor_z is not None:
        notes.append(f"The photo's camera is {floor_z - start[2]:.2f} m under the floor; the floor is not watched.")
    reach = clearance + 1.0
    obstacles = build_obstacles(cloud, centers.min(axis=0) - reach, centers.max(axis=0) + reach)
    if len(obstacles.points) == 0:
        notes.append("Nothing was seen near the path: what it may run into is not known.")
        return _Rule(obstacles, np.zeros(0), clearance, lowest), notes
    own = np.linalg.norm(obstacles.points - start, axis=1)
    if own.min() * 0.9 < clearance:
        clearance = 0.9 * float(own.min())
        notes.append(
            f"The photo was taken {own.min():.2f} m from something; the path keeps {clearance:.2f} m instead of more."
        )
    return _Rule(obstacles, 0.9 * own, clearance, lowest), notes


def _shorten_or_scale(path: CameraPath, rule: _Rule, times: _F, poses: _F, margins: _F) -> tuple[str, CameraPath]:
    pad = min(_SAFETY, 0.05 * rule.clearance)
    kept_times, joints = _keep_reachable(times, poses, margins - pad >= 0)
    cut = _resample(path, kept_times, joints)
    scale = _largest_scale(path, rule, poses, pad)
    if scale * _length(poses) > 1.25 * _length(cut.world_from_camera):
        start = path.centers[0]
        drawn_in = path.world_from_camera.copy()
        drawn_in[1:, :3, 3] = start + scale * (drawn_in[1:, :3, 3] - start)
        return "scaled", CameraPath(drawn_in, path.intrinsics, path.width, path.height, path.fps)
    return "shortened", cut


def _keep_reachable(times: _F, poses: _F, free: NDArray[np.bool_]) -> tuple[_F, list[int]]:
    """The test times that can be reached, and after how many of them a blocked detour was left out.

    Where the path is stopped, it goes on from the first later free pose at the same place and view, if there is one.
    """
    kept, joints, i, count = [0], [], 1, len(times)
    while i < count:
        if free[i]:
            kept.append(i)
            i += 1
            continue
        last = poses[kept[-1]]
        later = poses[i:]
        near = np.linalg.norm(later[:, :3, 3] - last[:3, 3], axis=1) <= 2 * _SPACING
        cosine = (np.einsum("mij,ij->m", later[:, :3, :3], last[:3, :3]) - 1) / 2
        again = np.flatnonzero(free[i:] & near & (cosine > math.cos(math.radians(3.0))))
        if len(again) == 0:
            break
        joints.append(len(kept))
        i += int(again[0])
    return times[kept], joints


def _resample(path: CameraPath, kept: _F, joints: list[int]) -> CameraPath:
    """Same number of frames spread evenly over the kept times; a left-out detour takes no time."""
    spans = np.diff(kept)
    for joint in joints:
        spans[joint - 1] = 1e-9
    clock = np.concatenate([[0.0], np.cumsum(spans)])
    wanted = np.linspace(0.0, clock[-1], len(path)) if clock[-1] > 0 else np.zeros(len(path))
    index = np.interp(wanted, clock, np.arange(len(clock), dtype=np.float64)) if len(clock) > 1 else wanted
    poses = sample_poses(sample_poses(path.world_from_camera, kept), index)
    poses[0] = path.world_from_camera[0]
    low = np.floor(np.interp(index, np.arange(len(kept)), kept)).astype(int)
    return CameraPath(poses, path.intrinsics[low], path.width, path.height, path.fps)


def _largest_scale(path: CameraPath, rule: _Rule, poses: _F, pad: float) -> float:
    """Largest factor <= 1 of the motion about the photo that keeps the rule (20 bisections are 1e-6)."""
    start = path.centers[0]
    offsets = poses[:, :3, 3] - start
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = 0.5 * (low + high)
        fits = bool((rule.margins(start + middle * offsets) >= pad).all())
        low, high = (middle, high) if fits else (low, middle)
    return low


def _explain(
    rule: _Rule, center: _F, frame: int, action: str, lengths: tuple[float, float], through: bool
) -> list[str]:
    before, after = lengths
    if center[2] < rule.lowest:
        what = f"the floor (centre at z = {center[2]:.2f} m, allowed from {rule.lowest:.2f} m)"
    else:
        x, y, z = rule.obstacles.nearest(center)
        what = f"a surface at ({x:.2f}, {y:.2f}, {z:.2f}) m"
    notes = [f"Frame {frame} comes too close to {what}; {rule.clearance:.2f} m are kept."]
    if through:
        notes.append("The path as asked goes through a surface.")
    how = "The motion was drawn in towards the photo" if action == "scaled" else "The path was shortened"
    notes.append(f"{how}: {before:.2f} m became {after:.2f} m over the same frames, so the camera moves slower.")
    if after < 0.02:
        notes.append("The camera hardly moves; choose another direction, a smaller clearance or a smaller strength.")
    return notes

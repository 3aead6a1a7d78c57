# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Gravity and floor of a depth map: up from all walls and level surfaces, then the one level surface that is floor.

The largest plane of a picture is often not its floor: a table before the camera, a slope, water in a basin, a stage.
So up comes from what stands and lies at right angles in the whole picture, and of the level surfaces the floor is the
one that is large, reaches the camera's feet and lies where a floor can be, not the lowest or the largest one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lyra_core.generation.floor import FloorFit
from lyra_core.ops.tsdf import pixel_planes
from lyra_core.types import Camera

__all__ = ["EYE", "find_level"]

_F = NDArray[np.float64]
_CAP = math.radians(48.0)  # how far up may lie from the direction that the lines of the photo suggest
_HINT = math.radians(15.0)  # how well those lines are trusted
_SAMPLES = 12_000
_LEAST = 0.02  # share of the picture that a floor must have
EYE = (1.45, 0.28)
"""Usual height of a camera over the floor [m], and its spread as a logarithm."""

_FEET = 0.9  # the lowest tenth of the picture is nearest to the camera's feet, where the ground is level
_UNDER = 6.0  # what level ground under a surface weighs against it, as a share of the picture
_KERNEL = 0.012  # relative width of one level in heights


def find_level(
    depth: NDArray[np.float32],
    intrinsics: _F,
    up_hint: _F,
    rng: np.random.Generator,
    *,
    eye: tuple[float, float] | None = EYE,
) -> FloorFit | None:
    """Up direction, camera height and share of the floor; None if no level surface lies below the camera.

    Parameters
    ----------
    depth: (H, W) float32 z-depth, 0 = none. intrinsics: (3, 3). up_hint: (3,) unit up in the camera frame.
    eye: what the camera's height over the floor should be, in the unit of depth, and its spread as a logarithm: a camera
        0.5 m over a level surface more likely looks at a table. None: nothing is known of the unit; then ground that lies
        lower speaks against a surface.
    """
    height, width = depth.shape
    camera = Camera(intrinsics, np.eye(4), width, height)
    planes = pixel_planes(depth, camera)
    rows, columns = np.nonzero(planes[..., 3] > 0)
    if len(rows) < 200:
        return None
    pick = rng.choice(len(rows), min(len(rows), _SAMPLES), replace=False)
    rows, columns = rows[pick], columns[pick]
    plane = planes[rows, columns].astype(np.float64)
    normal = -plane[:, :3] * plane[:, 3:]  # towards the camera
    pixel = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])
    point = (np.linalg.inv(intrinsics) @ pixel).T * depth[rows, columns, None]
    up = _gravity(normal, up_hint, rows > _FEET * height)
    found = _floor_height(point, normal, up, rows / height, eye)
    if found is None:
        return None
    level, share = found
    # The floor's own plane: where it is exact it is better than normals of small windows.
    floor = (np.abs(-(point @ up) / level - 1) < 2.5 * _KERNEL) & (normal @ up > 0.94)
    up, level = _polished(point[floor], up, level)
    rest = -(point[floor] @ up) - level
    lower = rows > height / 3
    inliers = float((floor & lower).sum() / max(lower.sum(), 1)) if share else 0.0
    return FloorFit(up, level, inliers, float(rest.std()), "up from all surfaces, floor from level ones")


def _cap(center: _F, reach: float, step: float) -> _F:
    """Unit directions (N, 3) within reach [rad] of center, about step [rad] apart."""
    side = np.cross(center, [0.0, 0.0, 1.0] if abs(center[2]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    other = np.cross(center, side)
    axis = np.arange(-reach, reach + step / 2, step)
    a, b = (x.ravel() for x in np.meshgrid(axis, axis))
    inside = np.hypot(a, b) <= reach + 1e-9
    out = center + np.tan(a[inside])[:, None] * side + np.tan(b[inside])[:, None] * other
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def _gravity(normal: _F, hint: _F, feet: NDArray[np.bool_]) -> _F:
    """The direction that most normals are parallel or at right angles to, near the hint.

    How much lies level counts only up to 15 % of the picture, or a ramp that fills it would be level; what stands
    counts half, since a single wall fits many directions. feet: (N,) bool, pixels nearest to the camera's feet.
    """
    stride = max(1, len(normal) // 3000)
    sample, low = normal[::stride], feet[::stride]
    best, best_score = hint, -math.inf
    for reach, step, width in ((_CAP, 0.052, 0.06), (0.06, 0.012, 0.03)):
        center = best
        best_score = -math.inf
        for candidate in _cap(center, reach, step):
            along = sample @ candidate
            level = np.exp(-0.5 * (np.arccos(np.clip(np.abs(along), 0, 1)) / width) ** 2)
            flat = 2 * min(float(level.mean()), 0.15) + (0.25 * float(level[low].mean()) if low.any() else 0.0)
            upright = np.exp(-0.5 * (np.arcsin(np.clip(along, -1, 1)) / width) ** 2).mean()
            away = math.acos(float(np.clip(candidate @ hint, -1, 1))) / _HINT
            score = flat + 0.5 * upright - 0.04 * away**2
            if score > best_score:
                best, best_score = candidate, score
    return _settled(normal, best)


def _settled(normal: _F, up: _F) -> _F:
    """Weighted least squares: normals near up are to be parallel, normals near the horizon at right angles to it."""
    for width in (0.05, 0.035, 0.025, 0.018, 0.012, 0.012, 0.012):
        along = normal @ up
        flat = np.exp(-0.5 * (np.arccos(np.clip(np.abs(along), 0, 1)) / width) ** 2)
        upright = 0.5 * np.exp(-0.5 * (np.arcsin(np.clip(along, -1, 1)) / width) ** 2)
        spread = (normal * (upright - flat)[:, None]).T @ normal + flat.sum() * np.eye(3)
        axis = np.linalg.eigh(spread)[1][:, 0]
        up = axis * (1.0 if axis @ up > 0 else -1.0)
    return up


def _floor_height(
    point: _F, normal: _F, up: _F, down: _F, eye: tuple[float, float] | None
) -> tuple[float, float] | None:
    """Distance of the camera over the floor, and the floor's share of the picture.

    down: 0 at the top row of the picture to 1 at its bottom.
    """
    height = -(point @ up)
    level = (normal @ up > 0.94) & (height > 1e-6)
    if level.sum() < _LEAST * len(point):
        return None
    log = np.log(height[level])
    bins = np.arange(log.min() - 0.1, log.max() + 0.1, 0.25 * _KERNEL)
    count = np.histogram(log, bins)[0].astype(np.float64)
    reach = np.arange(-12, 13) * 0.25 * _KERNEL
    smooth = np.convolve(count, np.exp(-0.5 * (reach / _KERNEL) ** 2), mode="same")
    peak = np.flatnonzero((smooth[1:-1] >= smooth[:-2]) & (smooth[1:-1] > smooth[2:]) & (smooth[1:-1] > 0)) + 1
    bottom = down > _FEET
    best: tuple[float, float, float] | None = None
    for i in peak:
        at = float(np.exp(0.5 * (bins[i] + bins[i + 1])))
        on = level & (np.abs(height / at - 1) < 2.5 * _KERNEL)
        share = float(on.mean())
        if share < _LEAST:
            continue
        near = float(on[bottom].mean()) if bottom.any() else 0.0
        score = math.log(share) + 2.2 * near
        if eye is not None:
            score -= 0.5 * (math.log(at / eye[0]) / eye[1]) ** 2
        else:
            score -= _UNDER * float((level & (height > 1.15 * at)).mean())
        if best is None or score > best[0]:
            best = (score, float(np.median(height[on])), share)
    return None if best is None else (best[1], best[2])


def _polished(floor: _F, up: _F, level: float) -> tuple[_F, float]:
    """Up and height from the floor's points if its plane agrees with up within its own uncertainty, else height alone."""
    if len(floor) < 50:
        return up, level
    center = np.median(floor, axis=0)
    keep = np.abs((floor - center) @ up) < 0.02 * np.linalg.norm(floor, axis=1)
    axis = np.linalg.svd(floor[keep] - floor[keep].mean(axis=0), full_matrices=False)[2][2] if keep.sum() > 20 else up
    axis = axis * (1.0 if axis @ up > 0 else -1.0)
    rest = np.abs((floor[keep] - floor[keep].mean(axis=0)) @ axis)
    exact = len(rest) > 20 and float(np.median(rest)) < 0.002 * level
    if exact and float(axis @ up) > math.cos(math.radians(1.5)):
        up = axis
    return up, float(np.median(-(floor @ up)))

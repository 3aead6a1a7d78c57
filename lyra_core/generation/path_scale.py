# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""How many metres of depth one unit of a camera file is, from the parallax of the pictures themselves.

A point X (camera frame 0, from its depth) is seen again at ray r in a view with rotation R and translation t of the
file: r x (R X + s t) = 0 holds for one s only. The median over many points and views is that factor; the reference
leaves it to the user to find (--pose_scale).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.generation.matches import find_features, match_features
from lyra_core.types import Camera, Frame

__all__ = ["PathScale", "path_scale"]

_LEAST_POINTS = 40
_LEAST_SHIFT = 2.0  # [px] that the translation must move a point by to say anything of its length
_FITS = 2.5  # [px] across the line that a point must move on, whatever s is
_GOOD = 0.25  # relative spread (half of the middle half) at which the factor is worth nothing


@dataclass(frozen=True, slots=True)
class PathScale:
    """What the pictures say.

    Attributes
    ----------
    factor: metres of depth per unit of the camera file. points: how many say so.
    spread: half of the middle half of what the points say, over the factor. confidence: 0..1.
    """

    factor: float
    points: int
    spread: float
    confidence: float


def path_scale(first: Frame, others: Sequence[tuple[NDArray[np.float32], Camera]]) -> PathScale | None:
    """The factor for cameras that are in the world of first's camera but in a unit of their own.

    Parameters
    ----------
    first: frame 0 with its depth. others: pictures (H, W, 3) and cameras of the file, placed so that the file's first
        camera is first.camera.

    Returns None where too few points agree or the camera hardly moves: then nothing is known.
    """
    home = find_features(first.rgb)
    column = np.clip(home.points[:, 0].astype(np.intp), 0, first.camera.width - 1)
    row = np.clip(home.points[:, 1].astype(np.intp), 0, first.camera.height - 1)
    depth = first.depth[row, column].astype(np.float64) if len(home) else np.zeros(0)
    rays = np.column_stack([home.points, np.ones(len(home))]) @ np.linalg.inv(first.camera.intrinsics).T
    found: list[NDArray[np.float64]] = []
    weights: list[NDArray[np.float64]] = []
    for rgb, camera in others:
        features = find_features(rgb)
        here, there = match_features(home, features)
        solid = depth[here] > 0
        here, there = here[solid], there[solid]
        moved = camera.camera_from_world @ first.camera.world_from_camera
        values, weight = _factors(rays[here] * depth[here, None], features.points[there], moved, camera.intrinsics)
        found.append(values)
        weights.append(weight)
    values = np.concatenate(found) if found else np.zeros(0)
    weight = np.concatenate(weights) if weights else np.zeros(0)
    if len(values) < _LEAST_POINTS:
        return None
    low, factor, high = _quantiles(values, weight, (0.25, 0.5, 0.75))
    if factor <= 0:
        return None
    spread = 0.5 * (high - low) / factor
    confidence = float(np.clip(1 - spread / _GOOD, 0, 1) * min(1.0, len(values) / 200))
    return PathScale(float(factor), len(values), float(spread), confidence)


def _factors(
    points: NDArray[np.float64], seen: NDArray[np.float64], moved: NDArray[np.float64], k: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each point (N, 3) of camera 0, seen at pixel (N, 2), says of s, and how much it is worth.

    In pixels: with A = K R X and b = K t, the pixel is (A + s b) divided by its third number; both rows are linear in s.
    """
    a = points @ (k @ moved[:3, :3]).T
    b = k @ moved[:3, 3]
    # (u b_z - b_xy) s = a_xy - u a_z, two equations; b's share across the epipolar line must be small.
    left = seen * b[2] - b[:2]
    right = a[:, :2] - seen * a[:, 2:]
    length = np.einsum("ni,ni->n", left, left)
    s = np.einsum("ni,ni->n", left, right) / np.maximum(length, 1e-12)
    z = a[:, 2] + s * b[2]
    away = np.linalg.norm(right - s[:, None] * left, axis=1) / np.maximum(np.abs(z), 1e-9)
    shift = np.abs(s) * np.sqrt(length) / np.maximum(np.abs(z), 1e-9)
    good = (z > 0) & (s > 0) & (away < _FITS) & (shift > _LEAST_SHIFT)
    return s[good], np.minimum(shift[good], 40.0)


def _quantiles(values: NDArray[np.float64], weight: NDArray[np.float64], shares: Sequence[float]) -> list[float]:
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return [float(values[order][np.searchsorted(total, share * total[-1])]) for share in shares]

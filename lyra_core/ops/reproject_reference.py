# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""NumPy twin of the forward splat: short, slow, the specification of the kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lyra_core.ops.reproject import pixel_landings

if TYPE_CHECKING:
    from lyra_core.kernels.reproject_launch import Pixels

__all__ = ["forward_splat"]

_F32 = NDArray[np.float32]


def _landings(pixels: Pixels) -> tuple[_F32, NDArray[np.bool_]]:
    """(H, W, 3) target (u, v, z), and which pixels are in front of the camera."""
    if pixels.points is not None:
        return pixels.points, np.ones(pixels.points.shape[:2], bool)
    assert pixels.depth is not None
    point = pixel_landings(pixels.depth, pixels.matrices)
    has = (pixels.depth > 0) & (pixels.valid > 0)
    z = np.where(has, point[..., 2], np.float32(pixels.phantom))
    front = has & (z > 0)
    far = np.where(front, z, 1) + np.float32(1e-7 if len(pixels.matrices) == 4 else 0)
    u, v = point[..., 0] / far, point[..., 1] / far
    if len(pixels.matrices) == 4:  # the reference keeps coordinates as flow, and adds the pixel again
        row, column = np.indices(z.shape, dtype=np.float32)
        u, v = (u - column) + column, (v - row) + row
    return np.stack([u, v, z], -1).astype(np.float32), front


def _weight(z: _F32, scale: float) -> _F32:
    return 1 / (np.exp(np.minimum(np.float32(scale) * np.log1p(z), 80)) + np.float32(1e-7))


def forward_splat(
    sources: Sequence[Pixels],
    size: tuple[int, int],
    *,
    device: str,  # noqa: ARG001 - one signature with the kernel
    log_maximum: float | None,
    all_pixels: bool,
    double_integers: bool,
    coverage: float,
    hole: float,
    index: bool,
) -> tuple[_F32, _F32, NDArray[np.uint8], NDArray[np.int32] | None, float]:
    """As lyra_core.kernels.reproject_launch.forward_splat."""
    height, width = size
    landed = [_landings(s) for s in sources]
    if log_maximum is None:
        depths = [p[..., 2][(s.valid > 0) | all_pixels] for s, (p, _) in zip(sources, landed, strict=True)]
        log_maximum = math.log1p(max(0.0, float(np.concatenate(depths).max(initial=0.0))))
    scale = float(np.float32(50.0) / np.float32(log_maximum + 1e-7))
    sums = np.zeros((height * width, 5), np.float64)
    near = np.full(height * width, np.inf, np.float32)
    names = np.full(height * width, -1, np.int64)
    first = 0
    for source, (point, front) in zip(sources, landed, strict=True):
        use = front & (source.valid > 0)
        # The reference splats into an image with a border of one pixel: the shift rounds coordinates.
        uv = (point[use][:, :2] - np.float32(source.half)) + np.float32(1)
        z, color, name = point[use][:, 2], source.rgb[use], first + np.flatnonzero(use)
        first += source.valid.size
        near_image = ((uv > 0) & (uv < (width + 1, height + 1))).all(1)
        uv, z, color, name = uv[near_image], z[near_image], color[near_image], name[near_image]
        corner = np.floor(uv).astype(np.int64)
        f = uv - corner.astype(np.float32)
        corner -= 1
        low = np.where((f == 0) & double_integers, np.float32(2), 1 - f)
        value = _weight(z, scale)[:, None] * np.concatenate([color, z[:, None], np.ones_like(z)[:, None]], 1)
        for dy in (0, 1):
            for dx in (0, 1):
                x, y = corner[:, 0] + dx, corner[:, 1] + dy
                w = (f[:, 0] if dx else low[:, 0]) * (f[:, 1] if dy else low[:, 1])
                inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
                np.add.at(sums, (y * width + x)[inside], (w[:, None] * value)[inside])
        nearest = corner + (f >= 0.5)
        inside = ((nearest >= 0) & (nearest < (width, height))).all(1)
        cell = nearest[inside] @ np.array([1, width])
        # Far to near and stable, so that the last writer is the nearest, and the first among equals.
        order = np.lexsort((-name[inside], -z[inside]))
        last = np.full(height * width, -1)
        last[cell[order]] = np.flatnonzero(inside)[order]
        hit = np.flatnonzero(last >= 0)
        hit = hit[z[last[hit]] < near[hit]]
        near[hit], names[hit] = z[last[hit]], name[last[hit]]
    w = sums[:, 4:]
    mean = sums[:, :4] / np.where(w > 0, w, 1)
    mask = w[:, 0] > 0
    if coverage > 0:
        mask &= w[:, 0] >= coverage * _weight(mean[:, 3].astype(np.float32), scale)
    rgb = np.where(mask[:, None], mean[:, :3], hole).astype(np.float32)
    depth = np.where(mask, mean[:, 3], 0).astype(np.float32)
    index_map = names.astype(np.int32).reshape(size) if index else None
    return rgb.reshape(height, width, 3), depth.reshape(size), mask.astype(np.uint8).reshape(size), index_map, log_maximum

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""NumPy twin of the forward splat: short, slow, the specification of the kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.ops.landings import pixel_landings

if TYPE_CHECKING:
    from lyra_core.kernels.reproject_launch import Pixels, Splatted

__all__ = ["Placed", "forward_splat", "place_pixels", "splat_placed"]

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
    exponent = np.minimum(np.float32(scale) * np.log1p(z), 80)
    return np.asarray(1 / (np.exp(exponent) + np.float32(1e-7)), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """As lyra_core.kernels.reproject_launch.Placed; landed holds per source points (H, W, 3) and which are in front."""

    sources: Sequence[Pixels]
    landed: list[tuple[_F32, NDArray[np.bool_]]]
    log_maximum: float


def forward_splat(
    sources: Sequence[Pixels],
    size: tuple[int, int],
    *,
    device: str,
    log_maximum: float | None,
    rules: Mapping[str, float],
    hole: float,
    index: bool,
) -> Splatted:
    """As lyra_core.kernels.reproject_launch.forward_splat."""
    placed = place_pixels(sources, device=device, rules=rules, held={})
    return splat_placed(placed, size, log_maximum=log_maximum, rules=rules, hole=hole, index=index)


def place_pixels(
    sources: Sequence[Pixels],
    *,
    device: str,  # noqa: ARG001 - one signature with the kernel
    rules: Mapping[str, float],
    held: dict[int, Any],  # noqa: ARG001
) -> Placed:
    """As lyra_core.kernels.reproject_launch.place_pixels."""
    landed = [_landings(s) for s in sources]
    depths = [p[..., 2][(s.valid > 0) | bool(rules["all_pixels"])] for s, (p, _) in zip(sources, landed, strict=True)]
    return Placed(sources, landed, math.log1p(max(0.0, float(np.concatenate(depths).max(initial=0.0)))))


def splat_placed(
    placed: Placed, size: tuple[int, int], *, log_maximum: float | None, rules: Mapping[str, float], hole: float,
    index: bool,
) -> Splatted:  # fmt: skip
    """As lyra_core.kernels.reproject_launch.splat_placed."""
    sources, landed, coverage = placed.sources, placed.landed, rules["coverage"]
    log_maximum = placed.log_maximum if log_maximum is None else log_maximum
    scale = float(np.float32(50.0) / np.float32(log_maximum + 1e-7))
    height, width = size
    sums = np.zeros((height * width, 5), np.float64)
    near = np.full(height * width, np.inf, np.float32)
    owner = np.full(height * width, -1, np.int32)
    xy = np.full((height * width, 2), np.nan, np.float32)
    for number, (source, (point, front)) in enumerate(zip(sources, landed, strict=True)):
        # The reference splats into an image with a border of one pixel: the shift rounds coordinates.
        u, v = ((point[..., i] - np.float32(source.half)) + np.float32(1) for i in (0, 1))
        use = front & (source.valid > 0) & (u > 0) & (v > 0) & (u < width + 1) & (v < height + 1)
        place = np.stack([u[use], v[use]], axis=-1)
        z = point[use][:, 2]
        value = _weight(z, scale)[:, None] * np.concatenate([source.rgb[use], z[:, None], np.ones((len(z), 1))], 1)
        _add(sums, place, value, size, bool(rules["double_integers"]))
        pixel = np.stack(np.nonzero(use)[::-1], axis=-1) + 0.5
        _keep_nearest(near, owner, xy, place, z, pixel, number, size)
    w = sums[:, 4:]
    mean = sums[:, :4] / np.where(w > 0, w, 1)
    mask = w[:, 0] > 0
    if coverage > 0:
        mask &= w[:, 0] >= coverage * _weight(mean[:, 3].astype(np.float32), scale)
    rgb = np.where(mask[:, None], mean[:, :3], hole).astype(np.float32).reshape(height, width, 3)
    depth = np.where(mask, mean[:, 3], 0).astype(np.float32).reshape(size)
    source = owner.reshape(size) if index else None
    source_xy = xy.reshape(height, width, 2) if index else None
    return rgb, depth, mask.astype(np.uint8).reshape(size), source, source_xy, log_maximum


def _add(sums: NDArray[np.float64], place: _F32, value: _F32, size: tuple[int, int], double_integers: bool) -> None:
    """Add value (N, 5) to the four pixels around place (N, 2), which counts a border of one pixel."""
    height, width = size
    corner = np.floor(place)
    f = place - corner
    low = np.where((f == 0) & double_integers, np.float32(2), 1 - f)
    corner = corner.astype(np.int64) - 1
    for dy in (0, 1):
        for dx in (0, 1):
            x, y = corner[:, 0] + dx, corner[:, 1] + dy
            w = (f[:, 0] if dx else low[:, 0]) * (f[:, 1] if dy else low[:, 1])
            inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
            np.add.at(sums, (y * width + x)[inside], (w[:, None] * value)[inside])


def _keep_nearest(
    near: _F32,
    owner: NDArray[np.int32],
    xy: _F32,
    place: _F32,
    z: _F32,
    pixel: NDArray[np.floating],
    number: int,
    size: tuple[int, int],
) -> None:
    """z-buffer by rounding: the nearest pixel, the first among equals."""
    height, width = size
    cell = np.floor(place + np.float32(0.5)).astype(np.int64) - 1
    for (x, y), depth, at in zip(cell, z, pixel, strict=True):
        i = y * width + x
        if 0 <= x < width and 0 <= y < height and depth < near[i]:
            near[i], owner[i], xy[i] = depth, number, at

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Where vertical lines meet triangles, exactly: each triangle is met with the lines of the cells of a grid that it covers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["vertical_hits"]

_BLOCK = 1_000_000  # pairs of triangle and line at a time


def vertical_hits(
    corners: NDArray[np.float64],
    line_of_cell: NDArray[np.int64],
    xy: NDArray[np.floating],
    *,
    origin: tuple[float, float],
    cell: float,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yields lines (K,) and the heights (K,) [m] at which they meet triangles, in no order.

    corners: (F, 3, 3) [m]; triangles that are level or face up (those that face down are left out).
    line_of_cell: (X, Y) index of the one line in each cell, -1 where there is none. xy: (M, 2) places of the lines [m].
    origin, cell: corner of cell (0, 0) and width of a cell [m].
    """
    up = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    corners, up = corners[up > 0], up[up > 0]
    first = np.floor((corners[..., :2].min(axis=1) - np.asarray(origin)) / cell).astype(np.int64)
    last = np.floor((corners[..., :2].max(axis=1) - np.asarray(origin)) / cell).astype(np.int64)
    sizes = 2 ** np.ceil(np.log2((last - first).max(axis=1, initial=0) + 1)).astype(np.int64)
    rows, columns = line_of_cell.shape
    for size in np.unique(sizes):
        dy, dx = (g.ravel() for g in np.meshgrid(np.arange(size), np.arange(size), indexing="ij"))
        members = np.flatnonzero(sizes == size)
        block = max(1, _BLOCK // len(dx))
        for begin in range(0, len(members), block):
            part = members[begin : begin + block]
            x, y = first[part, :1] + dx, first[part, 1:] + dy
            within = (x >= 0) & (x < rows) & (y >= 0) & (y < columns)
            line = np.where(within, line_of_cell[np.clip(x, 0, rows - 1), np.clip(y, 0, columns - 1)], -1)
            triangle, slot = np.nonzero(line >= 0)
            lines = line[triangle, slot]
            a, b, c = (corners[part[triangle], k] for k in range(3))
            p = xy[lines].astype(np.float64)
            v = _cross(p - a[:, :2], c - a) / up[part[triangle]]
            w = _cross(b - a, p - a[:, :2]) / up[part[triangle]]
            hit = (v >= 0) & (w >= 0) & (v + w <= 1)
            yield lines[hit], (a[:, 2] + v * (b[:, 2] - a[:, 2]) + w * (c[:, 2] - a[:, 2]))[hit]


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """z of the cross product of the xy parts."""
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Exact columns of a map: which cells a triangle crosses, and whether it enters the box over a cell.

Sampling points on triangles misses the corners that they cut off; a physics engine does not. Here every triangle is
tested against the box over each cell that its bounds touch, by separating axes (Akenine-Moeller, Fast 3D Triangle-Box
Overlap Testing, 2001).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lyra_core.types import Mesh

__all__ = ["TOUCH", "blocked_cells", "crossed_cells", "face_up"]

TOUCH = 1e-4
"""[m] by which the boxes over cells are larger: a wall on the border of two cells, up to rounding, blocks both."""

_PAIRS = 400_000  # (triangle, cell) pairs at a time: about 100 MB
_F = NDArray[np.float64]


def face_up(mesh: Mesh) -> _F:
    """(F,) z of the unit normal of each triangle; 0 for triangles without area."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1)
    return np.where(length > 1e-15, normal[:, 2] / np.maximum(length, 1e-15), 0.0)


def crossed_cells(
    corners: _F, origin: tuple[float, float], cell: float, shape: tuple[int, int]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of triangles and cells that touch, seen from above, in portions: (triangle, row, column).

    corners: (F, 3, 3) [m]. origin: (x, y) [m] of the corner of cell (0, 0). cell: [m]. shape: (rows, columns); what
    lies outside is left out. The test is on bounds: a superset of the cells that a triangle covers.
    """
    local = corners[..., :2] - np.asarray(origin)
    first = np.maximum(np.floor((local.min(axis=1) - TOUCH) / cell).astype(np.int64), 0)
    last = np.minimum(np.floor((local.max(axis=1) + TOUCH) / cell).astype(np.int64), np.array(shape[::-1]) - 1)
    width = np.maximum(last - first + 1, 0)
    count = width.prod(axis=1)
    members = np.flatnonzero(count)
    ends = np.cumsum(count[members])
    start = 0
    while start < len(members):
        stop = int(np.searchsorted(ends, (ends[start - 1] if start else 0) + _PAIRS, side="right"))
        part = members[start : max(stop, start + 1)]
        triangle = np.repeat(part, count[part])
        number = np.arange(len(triangle)) - np.repeat(np.cumsum(count[part]) - count[part], count[part])
        column = first[triangle, 0] + number % width[triangle, 0]
        row = first[triangle, 1] + number // width[triangle, 0]
        yield triangle, row, column
        start += len(part)


def blocked_cells(
    corners: _F, low: _F, high: _F, *, origin: tuple[float, float], cell: float, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """(rows, columns) cells in whose box over the floor some triangle is.

    corners: (F, 3, 3) [m]. low, high: (rows, columns) z of the box's bottom and top [m]; NaN or low >= high: no box.
    """
    hit = np.zeros(shape, bool)
    for triangle, row, column in crossed_cells(corners, origin, cell, shape):
        z = corners[triangle, :, 2]
        bottom, top = low[row, column], high[row, column]
        near = (z.max(axis=1) > bottom) & (z.min(axis=1) < top) & (top > bottom) & ~hit[row, column]
        if not near.any():
            continue
        triangle, row, column = triangle[near], row[near], column[near]
        bottom, top = bottom[near], top[near]
        center = np.stack(
            [origin[0] + (column + 0.5) * cell, origin[1] + (row + 0.5) * cell, 0.5 * (bottom + top)], axis=1
        )
        half = np.stack([np.full(len(row), cell / 2), np.full(len(row), cell / 2), 0.5 * (top - bottom)], axis=1)
        half += TOUCH
        meets = _meets(corners[triangle] - center[:, None], half)
        hit[row[meets], column[meets]] = True
    return hit


def _meets(corners: _F, half: _F) -> NDArray[np.bool_]:
    """(P,) whether triangles (P, 3, 3), about the centres of boxes, reach into the boxes of half edges (P, 3)."""
    meets = ((corners.max(axis=1) > -half) & (corners.min(axis=1) < half)).all(axis=1)
    edges = corners[:, [1, 2, 0]] - corners
    normal = np.cross(edges[:, 0], edges[:, 1])
    reach = (np.abs(normal) * half).sum(axis=1)
    meets &= np.abs((normal * corners[:, 0]).sum(axis=1)) < reach + 1e-12
    for i in range(3):
        for axis in range(3):
            a, b = (axis + 1) % 3, (axis + 2) % 3
            # Cross product of the unit vector `axis` and edge i: two components only.
            p = -edges[:, i, b, None] * corners[:, :, a] + edges[:, i, a, None] * corners[:, :, b]
            r = np.abs(edges[:, i, b]) * half[:, a] + np.abs(edges[:, i, a]) * half[:, b]
            meets &= (p.min(axis=1) < r + 1e-12) & (p.max(axis=1) > -r - 1e-12)
    return meets

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Ground, upright things and sky as planes: the geometry behind the training-free depth prior.

A pop-up of the photo (Hoiem, Efros, Hebert, "Automatic Photo Pop-up", SIGGRAPH 2005): the ground is one plane; the
line where the ground meets upright things is followed column by column and cut into straight pieces; each piece
stands up as a vertical plane. Things that stand in front of that line become boards at their own foot.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ground_depth", "pieces", "upright_depth"]

_F = NDArray[np.float64]


def ground_depth(rays: NDArray[np.float32], up: _F, camera_height: float) -> NDArray[np.float32]:
    """z-depth (H, W) of the floor plane camera_height below the camera; inf at and above the horizon.

    rays (H, W, 3) have z = 1; up is the unit direction against gravity in the camera frame.
    """
    drop = -(rays @ up.astype(np.float32))
    return np.where(drop > 1e-4, camera_height / np.maximum(drop, 1e-4), np.inf).astype(np.float32)


def pieces(values: _F, weight: _F, *, penalty: float, least: int) -> list[tuple[int, int, float, float]]:
    """Best cut of a curve into straight pieces: list of (start, stop, value at start, value at stop - 1).

    Dynamic programming over weighted least squares plus penalty per piece; no piece is shorter than least samples.
    """
    n = len(values)
    x = np.arange(n, dtype=np.float64)
    sums = [np.concatenate([[0.0], np.cumsum(weight * q)]) for q in (1.0 + 0 * x, x, x * x, values, x * values)]
    squares = np.concatenate([[0.0], np.cumsum(weight * values**2)])
    cost = np.full(n + 1, np.inf)
    cost[0] = 0.0
    back = np.zeros(n + 1, dtype=int)
    for stop in range(min(least, n), n + 1):
        start = np.arange(0, max(1, stop - least + 1))
        sw, sx, sxx, sy, sxy = (s[stop] - s[start] for s in sums)
        determinant = np.maximum(sw * sxx - sx * sx, 1e-9)
        slope = (sw * sxy - sx * sy) / determinant
        offset = (sy - slope * sx) / np.maximum(sw, 1e-9)
        residual = (squares[stop] - squares[start]) - slope * sxy - offset * sy
        total = cost[start] + np.maximum(residual, 0.0) + penalty
        best = int(np.argmin(total))
        cost[stop], back[stop] = total[best], start[best]
    out: list[tuple[int, int, float, float]] = []
    stop = n
    while stop > 0:
        start = int(back[stop])
        sw, sx, sxx, sy, sxy = (float(s[stop] - s[start]) for s in sums)
        slope = (sw * sxy - sx * sy) / max(sw * sxx - sx * sx, 1e-9)
        offset = (sy - slope * sx) / max(sw, 1e-9)
        out.append((start, stop, offset + slope * start, offset + slope * (stop - 1)))
        stop = start
    return out[::-1]


def upright_depth(
    rays: NDArray[np.float32], up: _F, ends: tuple[_F, _F], *, limit: float, shape_columns: slice
) -> NDArray[np.float32]:
    """z-depth (H, columns) of the vertical plane through two floor points (3,) in the camera frame, at most limit.

    A plane that is nearly edge-on to a ray is met far away or behind the camera: those pixels get the limit.
    """
    first, second = ends
    normal = np.cross(up, second - first)
    length = float(np.linalg.norm(normal))
    forward = np.array([0.0, 0.0, 1.0])
    facing = forward - up * float(up @ forward)
    normal = normal / length if length > 1e-9 else facing / np.linalg.norm(facing)
    offset = float(normal @ first)
    if offset < 0:
        normal, offset = -normal, -offset
    along = rays[:, shape_columns] @ normal.astype(np.float32)
    return np.where(along > offset / limit, offset / np.maximum(along, 1e-6), limit).astype(np.float32)

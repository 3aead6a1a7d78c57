# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Ground, upright things and ceiling as planes: the geometry behind the training-free depth prior.

A pop-up of the photo (Hoiem, Efros, Hebert, "Automatic Photo Pop-up", SIGGRAPH 2005): the ground is one plane; the
line where the ground meets upright things is followed column by column and cut into straight pieces; each piece
stands up as a vertical plane. Things that stand in front of that line become boards at their own foot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Layout", "View", "build_layout", "pieces"]

_F = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Geometry of the working picture.

    Attributes
    ----------
    rays: (H, W, 3) float32 camera rays with z = 1.
    up: (3,) float64 unit direction against gravity.
    camera_height: [m].
    limit: largest depth [m].
    focal: [px].
    """

    rays: NDArray[np.float32]
    up: _F
    camera_height: float
    limit: float
    focal: float

    @property
    def drop(self) -> NDArray[np.float32]:
        """(H, W) how far each ray goes down per metre of depth; depth of the floor is camera_height / drop."""
        return -(self.rays @ self.up.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Planes n . X = c in the camera frame, and which pixel lies on which.

    Attributes
    ----------
    planes: (P, 4) float64 rows (nx, ny, nz, c); row 0 is the floor, row 1 the ceiling (c = 0: none).
    column_plane: (W,) int, the upright plane behind each column.
    objects: (H, W) int32, plane of the board a pixel belongs to, 0 where none.
    contact: (W,) float64, drop of the line where the ground ends, per column.
    """

    planes: _F
    column_plane: NDArray[np.int64]
    objects: NDArray[np.int32]
    contact: _F


def pieces(values: _F, weight: _F, *, penalty: float, least: int) -> list[tuple[int, int, float, float]]:
    """Best cut of a curve into straight pieces: list of (start, stop, value at start, value at stop - 1).

    Dynamic programming over weighted least squares plus penalty per piece; no piece is shorter than least samples.
    """
    n = len(values)
    x = np.arange(n, dtype=np.float64)
    weighted = [weight * q for q in (np.ones(n), x, x * x, values, x * values, values**2)]
    sums = [np.concatenate([[0.0], np.cumsum(q)]) for q in weighted]

    def fit(start: NDArray[np.int64], stop: int) -> tuple[_F, _F, _F]:
        sw, sx, sxx, sy, sxy, syy = (s[stop] - s[start] for s in sums)
        determinant = sw * sxx - sx * sx
        slope = np.where(determinant > 1e-6, (sw * sxy - sx * sy) / np.maximum(determinant, 1e-6), 0.0)
        offset = (sy - slope * sx) / np.maximum(sw, 1e-9)
        return slope, offset, np.maximum(syy - slope * sxy - offset * sy, 0.0)

    cost = np.full(n + 1, np.inf)
    cost[0] = 0.0
    back = np.zeros(n + 1, dtype=np.int64)
    for stop in range(min(least, n), n + 1):
        start = np.arange(0, max(1, stop - least + 1))
        total = cost[start] + fit(start, stop)[2] + penalty
        best = int(np.argmin(total))
        cost[stop], back[stop] = total[best], best
    out: list[tuple[int, int, float, float]] = []
    stop = n
    while stop > 0:
        start = int(back[stop])
        slope, offset, _ = fit(np.array([start]), stop)
        out.append((start, stop, float(offset[0] + slope[0] * start), float(offset[0] + slope[0] * (stop - 1))))
        stop = start
    return out[::-1]


def _contact(view: View, ground: NDArray[np.bool_]) -> tuple[_F, _F]:
    """(W,) drop at the topmost ground pixel of each column, and its weight; no ground: the bottom row, low weight."""
    from scipy.ndimage import median_filter

    drop = view.drop
    columns = np.arange(ground.shape[1])
    seen = ground.any(axis=0)
    top = np.where(seen, np.argmax(ground, axis=0), len(ground) - 1)
    value = median_filter(drop[top, columns].astype(np.float64), size=9, mode="nearest")
    return value, np.where(seen, 1.0, 0.03)


def _floor_point(view: View, column: int, drop: float) -> _F:
    """(3,) floor point in the camera frame that is seen in this column at this drop."""
    first, last = view.rays[0, column].astype(np.float64), view.rays[-1, column].astype(np.float64)
    low, high = -float(first @ view.up), -float(last @ view.up)
    ray = first + (last - first) * ((drop - low) / (high - low))
    return ray * (view.camera_height / drop)


def _upright(view: View, first: _F, second: _F) -> _F:
    """(4,) vertical plane through two floor points, turned so that c > 0."""
    normal = np.cross(view.up, second - first)
    length = float(np.linalg.norm(normal))
    normal = _facing(view) if length < 1e-6 else normal / length
    offset = float(normal @ first)
    return np.append(normal, offset) * (1.0 if offset >= 0 else -1.0)


def _facing(view: View) -> _F:
    forward = np.array([0.0, 0.0, 1.0]) - view.up * float(view.up[2])
    return forward / np.linalg.norm(forward)


def _boards(
    view: View, ground: NDArray[np.bool_], sky: NDArray[np.bool_], contact: _F, first_plane: int
) -> tuple[NDArray[np.int32], list[_F]]:
    """Things that stand on the ground in front of the contact line: label map of planes, and the planes."""
    import cv2

    drop = view.drop
    margin = 3.0 / view.focal
    front = ~ground & ~sky & (drop > contact[None, :] * 1.12 + margin)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(front.astype(np.uint8), connectivity=8)
    out = np.zeros(drop.shape, np.int32)
    planes: list[_F] = []
    for i in range(1, count):
        if stats[i, cv2.CC_STAT_AREA] < 60:
            continue
        here = labels == i
        foot = float(np.percentile(drop[here], 97))
        normal = _facing(view)
        y, x = np.nonzero(here & (drop >= foot))
        point = view.rays[y[0], x[0]].astype(np.float64) * (view.camera_height / drop[y[0], x[0]])
        planes.append(np.append(normal, normal @ point))
        out[_raised(here, ground, sky)] = first_plane + len(planes) - 1
    return out, planes


def _raised(here: NDArray[np.bool_], ground: NDArray[np.bool_], sky: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A board continues upwards, over the contact line, by half its height where no ground or sky stops it."""
    rows = np.nonzero(here.any(axis=1))[0]
    height = int(rows[-1] - rows[0] + 1)
    grown = here.copy()
    for _ in range(max(1, height // 3)):
        grown[:-1] |= grown[1:] & ~ground[:-1] & ~sky[:-1]
    return grown


def build_layout(
    view: View, ground: NDArray[np.bool_], sky: NDArray[np.bool_], *, ceiling_height: float | None
) -> Layout:
    """Planes of a view from its ground and sky masks (H, W); ceiling_height [m] over the floor or None."""
    far = view.camera_height / view.limit
    value, weight = _contact(view, ground)
    cut = pieces(value * view.focal, weight, penalty=300.0, least=10)
    planes: list[_F] = [np.append(-view.up, view.camera_height), np.append(view.up, 0.0)]
    if ceiling_height is not None:
        planes[1][3] = ceiling_height - view.camera_height
    column_plane = np.zeros(ground.shape[1], np.int64)
    contact = np.zeros(ground.shape[1])
    for start, stop, a, b in cut:
        ends = max(a / view.focal, far), max(b / view.focal, far)
        contact[start:stop] = np.linspace(*ends, stop - start)
        column_plane[start:stop] = len(planes)
        planes.append(_upright(view, _floor_point(view, start, ends[0]), _floor_point(view, stop - 1, ends[1])))
    objects, boards = _boards(view, ground, sky, contact, len(planes))
    return Layout(np.array(planes + boards), column_plane, objects, contact)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Where the colliders promise a floor: a grid over the world, from the triangles alone (no physics engine).

The winding of a triangle plays no part here, on purpose: a flipped floor is still promised to the user, and the
physics checks must find that it does not carry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lyra_core.meshing.sampling import surface_samples
from lyra_core.types import Mesh

__all__ = ["FloorMap", "floor_map", "floor_triangles"]

_CORNER = 4  # cells that the closing of gaps reaches into the corners of a drop, and a cell cut by its rim
_FLAT = 0.7  # |z| of the unit normal: up to 45 degrees counts as floor


@dataclass(frozen=True, slots=True, eq=False)
class FloorMap:
    """A grid over the world seen from above; arrays (H, W), row = y, column = x.

    Attributes
    ----------
    origin: (x, y) [m] of the lower-left corner of cell (0, 0). cell: edge of a cell [m].
    free: bool, floor without obstacles up to robot height.
    height: float32 [m], top of the floor in the cell; in a drop inside the floor, the lowest surface down there, if
        there is one; beyond the floor, that of the nearest floor cell.
    base: float32 [m], the same of the lowest floor in the cell: where a bump arches over the floor, small things roll
        in under it from the side and have not fallen through anything.
    overhead: float32 [m], lowest surface above the floor, inf where there is none.
    inside: bool, cells with floor, holes filled; what sinks beyond them left over the edge, even under a ceiling.
    floor_z: nominal floor height [m].
    """

    origin: tuple[float, float]
    cell: float
    free: NDArray[np.bool_]
    height: NDArray[np.float32]
    base: NDArray[np.float32]
    overhead: NDArray[np.float32]
    inside: NDArray[np.bool_]
    floor_z: float

    @property
    def free_area(self) -> float:
        """Free floor [m^2]."""
        return float(self.free.sum()) * self.cell**2

    def cells_of(self, xy: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(rows, columns) of points (N, 2), clipped to the grid; non-finite points go to cell (0, 0)."""
        index = np.nan_to_num((xy - np.asarray(self.origin)) / self.cell, nan=0.0, posinf=0.0, neginf=0.0)
        index = np.floor(np.clip(index, -1e6, 1e6)).astype(np.intp)
        rows, columns = self.free.shape
        return np.clip(index[:, 1], 0, rows - 1), np.clip(index[:, 0], 0, columns - 1)

    def centers(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.floating]:
        """(N, 2) world xy [m] of cell centres."""
        return np.stack([columns + 0.5, rows + 0.5], axis=1) * self.cell + np.asarray(self.origin)


def floor_triangles(mesh: Mesh, floor_z: float, band: float) -> NDArray[np.bool_]:
    """(F,) True for the triangles of the floor: level within 45 degrees, all corners within band [m] of floor_z."""
    corners = mesh.vertices[mesh.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    level = np.abs(cross[:, 2]) >= _FLAT * np.linalg.norm(cross, axis=1)
    return level & (np.abs(corners[..., 2] - floor_z) <= band).all(axis=1)


def floor_map(
    tiles: Sequence[tuple[str, Mesh]],
    *,
    floor_z: float = 0.0,
    cell: float = 0.05,
    band: float = 0.15,
    robot_height: float = 1.0,
) -> FloorMap:
    """The floor promised by collider tiles.

    cell: grid [m]. band: surfaces within this of floor_z are floor if level, else neither floor nor obstacle [m].
    robot_height: obstacles between band and this height block the floor below them [m].
    Enclosed gaps narrower than four cells count as floor, a few cells away from wider ones: a missing triangle is a fault
    to be found, the corner of a drop is an edge.
    """
    low = np.min([mesh.vertices.min(axis=0) for _, mesh in tiles], axis=0)[:2] - 2 * cell
    high = np.max([mesh.vertices.max(axis=0) for _, mesh in tiles], axis=0)[:2] + 2 * cell
    columns, rows = (int(n) for n in np.ceil((high - low) / cell))
    top = np.full(rows * columns, -np.inf, np.float32)
    base = np.full(rows * columns, np.inf, np.float32)
    overhead = np.full(rows * columns, np.inf, np.float32)
    bottom = np.full(rows * columns, np.inf, np.float32)
    blocked = np.zeros(rows * columns, np.bool_)
    for _, mesh in tiles:
        for points, steepness in surface_samples(mesh, cell / 2):
            index = np.floor((points[:, :2] - low) / cell).astype(np.intp)
            flat = index[:, 1] * columns + index[:, 0]
            z = points[:, 2] - floor_z
            np.minimum.at(bottom, flat, points[:, 2])
            floor = (np.abs(z) <= band) & (steepness >= _FLAT)
            np.maximum.at(top, flat[floor], points[floor, 2])
            np.minimum.at(base, flat[floor], points[floor, 2])
            above = z > band
            np.minimum.at(overhead, flat[above], points[above, 2])
            blocked[flat[above & (z < robot_height)]] = True
    shape = (rows, columns)
    seen = np.isfinite(top).reshape(shape)
    disc = ndimage.generate_binary_structure(2, 1)
    closed = ndimage.binary_closing(np.pad(seen, 4), disc, iterations=2)[4:-4, 4:-4] if seen.any() else seen
    # Closing also fills notches of the outer border, where nothing is promised (a ceiling may still cover them).
    enclosed = np.asarray(ndimage.binary_fill_holes(seen), np.bool_)
    holes = enclosed & ~seen
    # Closing also rounds the corners of real drops (a stairwell, lower ground): next to one, nothing was promised either.
    drops = ndimage.binary_dilation(holes & ~np.asarray(closed, np.bool_), disc, iterations=_CORNER, mask=holes)
    gaps = holes & ~np.asarray(drops, np.bool_)
    nearest = np.asarray(ndimage.distance_transform_edt(~seen, return_distances=False, return_indices=True))
    # What rolls into a drop and lies on its ground has not fallen through; in a drop without ground it has.
    sunk = np.where(holes & ~gaps, bottom.reshape(shape), np.inf)
    height, lowest = (
        np.minimum(level.reshape(shape)[tuple(nearest)], sunk) if seen.any() else np.full(shape, floor_z)
        for level in (top, base)
    )
    return FloorMap(
        (float(low[0]), float(low[1])),
        cell,
        _main_parts((gaps | seen) & ~blocked.reshape(shape)),
        height.astype(np.float32),
        lowest.astype(np.float32),
        overhead.reshape(shape),
        enclosed,
        floor_z,
    )


def _main_parts(free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without the floor inside hollow furniture and other pockets: parts smaller than a quarter of the largest."""
    labels = np.zeros(free.shape, np.int32)
    if ndimage.label(free, output=labels) == 0:
        return free
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return (sizes >= 0.25 * sizes.max())[labels]

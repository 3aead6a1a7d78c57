# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A 2D occupancy grid from the collision mesh: where there is floor, where something stands on it.

Written in the form of ROS map_server: map.yaml and map.png, 0.05 m cells, row 0 is the largest y.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.types import Mesh

__all__ = ["FREE", "OCCUPIED", "UNKNOWN", "OccupancyGrid", "build_grid", "write_map"]

FREE, OCCUPIED, UNKNOWN = 0, 1, 2
_PIXEL = np.array([254, 0, 205], np.uint8)  # map_server's free, occupied and unknown greys


@dataclass(frozen=True, slots=True, eq=False)
class OccupancyGrid:
    """Cells of the floor plane.

    Attributes
    ----------
    state: (rows, columns) uint8 of FREE, OCCUPIED, UNKNOWN; row 0 is the smallest y (not yet flipped as in the PNG).
    resolution: cell size [m].
    origin: (x, y) [m] of the corner of cell (0, 0).
    """

    state: NDArray[np.uint8]
    resolution: float
    origin: tuple[float, float]

    def cell_of(self, xy: NDArray[np.floating]) -> NDArray[np.int64]:
        """(..., 2) metres to (..., 2) (row, column); may lie outside the grid."""
        index = np.floor((np.asarray(xy) - np.array(self.origin)) / self.resolution).astype(np.int64)
        return index[..., ::-1]

    def center_of(self, cells: NDArray[np.integer]) -> NDArray[np.float64]:
        """(..., 2) (row, column) to (..., 2) metres of the cell's centre."""
        centers = (np.asarray(cells)[..., ::-1] + 0.5) * self.resolution + np.array(self.origin)
        return np.asarray(centers, dtype=np.float64)

    def clearance(self) -> NDArray[np.float64]:
        """(rows, columns) distance [m] from each free cell to the nearest cell that is not free; 0 elsewhere."""
        from scipy.ndimage import distance_transform_edt

        padded = np.pad(self.state == FREE, 1)
        distance = np.asarray(distance_transform_edt(padded), dtype=np.float64)
        return distance[1:-1, 1:-1] * self.resolution

    @property
    def free_area(self) -> float:
        """Free floor [m^2]."""
        return float((self.state == FREE).sum()) * self.resolution**2


def _samples(mesh: Mesh, spacing: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points no farther apart than spacing on every triangle, and the upward part of each one's normal."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    up = normal[:, 2] / np.maximum(np.linalg.norm(normal, axis=1), 1e-12)
    edge = np.maximum(np.linalg.norm(b - a, axis=1), np.linalg.norm(c - a, axis=1))
    edge = np.maximum(edge, np.linalg.norm(c - b, axis=1))
    steps = np.clip(np.ceil(edge / spacing), 1, 400).astype(np.int64)
    points, ups = [], []
    for n in np.unique(steps):
        chosen = np.nonzero(steps == n)[0]
        i, j = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
        inside = i + j <= n
        u, v = (i[inside] / n).astype(np.float32), (j[inside] / n).astype(np.float32)
        for part in np.array_split(chosen, max(1, len(chosen) * len(u) // 2_000_000)):
            grid = (
                a[part, None] * (1 - u - v)[None, :, None]
                + b[part, None] * u[None, :, None]
                + c[part, None] * v[None, :, None]
            )
            points.append(grid.reshape(-1, 3))
            ups.append(np.repeat(up[part], len(u)))
    return np.concatenate(points), np.concatenate(ups)


def build_grid(
    mesh: Mesh, *, floor_z: float = 0.0, resolution: float = 0.05, step: float = 0.06, height: float = 1.6
) -> OccupancyGrid:
    """Occupancy of the floor for a robot.

    Parameters
    ----------
    mesh: the collision mesh, Z up [m], outward winding.
    floor_z: height of the floor [m].
    resolution: cell size [m].
    step: what the robot rolls over [m]; surfaces within +-step of the floor that face up are floor.
    height: what stands between step and this height [m] over the floor blocks the cell.
    """
    if len(mesh.faces) == 0:
        return OccupancyGrid(np.full((1, 1), UNKNOWN, np.uint8), resolution, (0.0, 0.0))
    points, up = _samples(mesh, 0.7 * resolution)
    z = points[:, 2] - floor_z
    is_floor = (np.abs(z) <= step) & (up > 0.7)
    blocks = (z > step) & (z <= height)
    used = is_floor | blocks
    if not used.any():
        return OccupancyGrid(np.full((1, 1), UNKNOWN, np.uint8), resolution, (0.0, 0.0))
    low = np.floor(points[used, :2].min(axis=0) / resolution).astype(np.int64)
    cells = np.floor(points[:, :2] / resolution).astype(np.int64) - low
    shape = tuple(int(v) for v in cells[used].max(axis=0)[::-1] + 1)
    state = np.full(shape, UNKNOWN, np.uint8)
    state[cells[is_floor, 1], cells[is_floor, 0]] = FREE
    state[cells[blocks, 1], cells[blocks, 0]] = OCCUPIED
    return OccupancyGrid(state, resolution, (float(low[0]) * resolution, float(low[1]) * resolution))


def write_map(folder: Path, grid: OccupancyGrid) -> dict[str, bytes]:
    """The bytes of map.png and map.yaml by file name (the caller writes them into folder, which names the map)."""
    import cv2

    _, png = cv2.imencode(".png", np.ascontiguousarray(_PIXEL[grid.state][::-1]))
    yaml = (
        "# Occupancy map in the form of ROS map_server; made by lyra.worldgen from the collision mesh.\n"
        "image: map.png\n"
        "mode: trinary\n"
        f"resolution: {grid.resolution:g}\n"
        f"origin: [{grid.origin[0]:.4f}, {grid.origin[1]:.4f}, 0.0]\n"
        "negate: 0\n"
        "occupied_thresh: 0.65\n"
        "free_thresh: 0.196\n"
    )
    return {str(folder / "map.png"): png.tobytes(), str(folder / "map.yaml"): yaml.encode()}

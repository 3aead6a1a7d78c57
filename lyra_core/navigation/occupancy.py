# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A 2D occupancy grid from the collision mesh: where there is floor, where something stands on it.

A cell is free if floor was found in it and the box over it, from what the robot rolls over up to its height, holds no
triangle; occupied if something is in that box. Free cells from which no way leads to the camera path are unknown: the
camera has been in the free space, so what it cannot be joined to is the outside or the inside of something.
Written in the form of ROS map_server: map.yaml and map.png, 0.05 m cells, row 0 is the largest y; and layers.npz.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import WorldError
from lyra_core.navigation.columns import blocked_cells, crossed_cells, face_up
from lyra_core.types import CameraPath, Mesh

__all__ = [
    "FREE",
    "LAYER_UNITS",
    "OCCUPIED",
    "UNKNOWN",
    "MapLayers",
    "OccupancyGrid",
    "build_grid",
    "floor_level",
    "floor_slope",
    "joined_to_path",
    "read_layers",
    "robot_layers",
    "write_map",
]

FREE, OCCUPIED, UNKNOWN = 0, 1, 2
_PIXEL = np.array([254, 0, 205], np.uint8)  # map_server's free, occupied and unknown greys
_FLAT = 0.7  # z of the unit normal from which a triangle can be floor: 45 degrees, reconstructed floors are rough
STEP, HEIGHT, SLOPE = 0.03, 1.6, 20.0  # [m], [m], [deg]; what build_grid assumes of a robot
_BAND = 0.06  # [m] around floor_z within which floor is looked for: reconstructed floors are not quite flat
_ROUND = 5  # [cells] whose median is the floor: one sliver that juts out is an obstacle, not a floor of its own
_GENTLE = 2  # [cells] over which the height is smoothed before its slope is judged
LAYER_UNITS = {"state": "0 free, 1 occupied, 2 unknown", "height": "m", "clearance": "m", "reachable": "bool"}
"""Arrays of layers.npz and their units; each is (rows, columns), row 0 is the smallest y (map.png has it flipped)."""


@dataclass(frozen=True, slots=True, eq=False)
class OccupancyGrid:
    """Cells of the floor plane.

    Attributes
    ----------
    state: (rows, columns) uint8 of FREE, OCCUPIED, UNKNOWN; row 0 is the smallest y (not yet flipped as in the PNG).
    resolution: cell size [m].
    origin: (x, y) [m] of the corner of cell (0, 0).
    height: (rows, columns) float32 floor around the cell [m], NaN where no floor was found; may be empty.
    """

    state: NDArray[np.uint8]
    resolution: float
    origin: tuple[float, float]
    height: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

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


def build_grid(
    mesh: Mesh,
    *,
    floor_z: float = 0.0,
    resolution: float = 0.05,
    step: float = STEP,
    height: float = HEIGHT,
    slope_deg: float = SLOPE,
    path: CameraPath | None = None,
) -> OccupancyGrid:
    """Occupancy of the floor for a robot. One level only: floor faces up and lies within 6 cm of floor_z.

    Parameters
    ----------
    mesh: the collision mesh, Z up [m], outward winding.
    floor_z: height of the floor [m].
    resolution: cell size [m].
    step: what the robot rolls over [m]; must be less than the clearance under its base.
    height: what stands between step and this height [m] over the floor around a cell blocks it.
    slope_deg: floor that is steeper over a few cells is occupied.
    path: of the camera; free cells from which no way leads to it become unknown (see joined_to_path).
    """
    nothing = OccupancyGrid(np.full((1, 1), UNKNOWN, np.uint8), resolution, (0.0, 0.0))
    if len(mesh.faces) == 0:
        return nothing
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    up = face_up(mesh)
    used = (corners[..., 2].max(axis=1) >= floor_z - _BAND) & (corners[..., 2].min(axis=1) <= floor_z + _BAND + height)
    if not used.any():
        return nothing
    corners, up = corners[used], up[used]
    low = np.floor(corners[..., :2].min(axis=(0, 1)) / resolution)
    shape_xy = np.floor(corners[..., :2].max(axis=(0, 1)) / resolution) - low + 1
    shape, origin = (int(shape_xy[1]), int(shape_xy[0])), (float(low[0]) * resolution, float(low[1]) * resolution)
    flat = corners[up > _FLAT]
    top = _smoothed(_floor_height(flat, origin, resolution, shape, floor_z, _BAND))
    ground = np.where(np.isfinite(top), top, floor_z)
    blocked = blocked_cells(corners, ground + step, ground + height, origin=origin, cell=resolution, shape=shape)
    state = np.full(shape, UNKNOWN, np.uint8)
    state[np.isfinite(top)] = FREE
    state[blocked | (floor_slope(top, resolution) > np.tan(np.radians(slope_deg)))] = OCCUPIED
    grid = OccupancyGrid(state, resolution, origin, top.astype(np.float32))
    return grid if path is None else joined_to_path(grid, path)


def _floor_height(
    corners: NDArray[np.float64],
    origin: tuple[float, float],
    cell: float,
    shape: tuple[int, int],
    floor_z: float,
    band: float,
) -> NDArray[np.float64]:
    """(rows, columns) highest floor at the middle of each cell, NaN where there is none within band of floor_z."""
    top = np.full(shape, -np.inf)
    for triangle, row, column in crossed_cells(corners, origin, cell, shape):
        a, b, c = (corners[triangle, k] for k in range(3))
        x, y = origin[0] + (column + 0.5) * cell, origin[1] + (row + 0.5) * cell
        area = _cross(b - a, c - a)
        v = ((x - a[:, 0]) * (c - a)[:, 1] - (y - a[:, 1]) * (c - a)[:, 0]) / area
        w = ((b - a)[:, 0] * (y - a[:, 1]) - (b - a)[:, 1] * (x - a[:, 0])) / area
        z = a[:, 2] + v * (b - a)[:, 2] + w * (c - a)[:, 2]
        edge = 1e-9
        ok = (v >= -edge) & (w >= -edge) & (v + w <= 1 + edge) & (np.abs(z - floor_z) <= band)
        np.maximum.at(top, (row[ok], column[ok]), z[ok])
    return np.where(np.isfinite(top), top, np.nan)


def _smoothed(height: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of the floor around each cell, NaN where the cell has no floor."""
    from scipy.ndimage import distance_transform_edt, median_filter

    known = np.isfinite(height)
    if not known.any():
        return height
    nearest = np.asarray(distance_transform_edt(~known, return_distances=False, return_indices=True))
    return np.where(known, median_filter(height[tuple(nearest)], _ROUND), np.nan)


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """z of the cross product of the xy parts."""
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def floor_slope(height: NDArray[np.float64], cell: float) -> NDArray[np.float64]:
    """(rows, columns) rise per metre of the smoothed floor; 0 where none is known."""
    from scipy.ndimage import gaussian_filter

    known = np.isfinite(height)
    weight = gaussian_filter(known.astype(np.float64), _GENTLE)
    smooth = gaussian_filter(np.where(known, height, 0.0), _GENTLE) / np.maximum(weight, 1e-6)
    if min(height.shape) < 2:
        return np.zeros(height.shape)
    along_y, along_x = np.gradient(smooth, cell)
    rise = np.hypot(along_y, along_x)
    return np.where(known & (weight > 0.6), rise, 0.0)


def joined_to_path(grid: OccupancyGrid, path: CameraPath) -> OccupancyGrid:
    """The grid with its outside filled: free cells that are not joined to the free cells near the camera become unknown.

    Where the path passes over no free cell at all (it flew over furniture), the largest free part is kept.
    """
    from scipy.ndimage import label

    free = grid.state == FREE
    parts = np.zeros(free.shape, np.int32)
    if label(free, output=parts) == 0:
        return grid
    cells = grid.cell_of(path.centers[:, :2])
    inside = ((cells >= 0) & (cells < np.array(free.shape))).all(axis=1)
    under = parts[cells[inside, 0], cells[inside, 1]]
    kept = np.unique(under[under > 0])
    if not len(kept):
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        kept = np.array([int(np.argmax(sizes))])
    return replace(grid, state=np.where(free & ~np.isin(parts, kept), UNKNOWN, grid.state).astype(np.uint8))


def floor_level(grid: OccupancyGrid) -> tuple[float, float] | None:
    """(angle [deg] between the free floor's plane and level, its mean height [m]); None below half a square metre.

    Least squares over the free cells, so that what is measured is the floor that robots get, not the one that the
    levelling assumed.
    """
    cells = np.argwhere((grid.state == FREE) & np.isfinite(grid.height)) if grid.height.size else np.zeros((0, 2), int)
    if len(cells) * grid.resolution**2 < 0.5:
        return None
    xy = grid.center_of(cells)
    z = grid.height[cells[:, 0], cells[:, 1]].astype(np.float64)
    design = np.column_stack([xy - xy.mean(axis=0), np.ones(len(xy))])
    slope_x, slope_y, mean = np.linalg.lstsq(design, z, rcond=None)[0]
    return float(np.degrees(np.arctan(np.hypot(slope_x, slope_y)))), float(mean)


@dataclass(frozen=True, slots=True, eq=False)
class MapLayers:
    """What layers.npz holds beside the map; arrays (rows, columns) as in OccupancyGrid.

    Attributes
    ----------
    grid: state and height.
    clearance: float32 free radius around the cell's centre [m], 0 where it is not free.
    reachable: bool, the robot's centre can be there and come there from the camera path.
    radius, robot_height, step, slope_deg: of the robot that reachable is for ([m], [deg]).
    """

    grid: OccupancyGrid
    clearance: NDArray[np.float32]
    reachable: NDArray[np.bool_]
    radius: float
    robot_height: float = HEIGHT
    step: float = STEP
    slope_deg: float = SLOPE


def robot_layers(grid: OccupancyGrid, *, radius: float = 0.25) -> MapLayers:
    """Carve the space of an upright robot of this radius [m] out of a grid that was made with its height and step."""
    from scipy.ndimage import label

    # Distances are measured between centres: half a cell of it may belong to the obstacle.
    room = np.maximum(grid.clearance() - 0.5 * grid.resolution, 0.0)
    parts = np.zeros(room.shape, np.int32)
    label(room >= radius, np.ones((3, 3)), output=parts)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    reachable = (parts == int(np.argmax(sizes))) & (sizes.max() > 0)
    return MapLayers(grid, room.astype(np.float32), reachable, radius)


def write_map(folder: Path, grid: OccupancyGrid) -> dict[str, bytes]:
    """The bytes of map.png, map.yaml and layers.npz by file name (the caller writes them into folder)."""
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
    files = {str(folder / "map.png"): png.tobytes(), str(folder / "map.yaml"): yaml.encode()}
    if grid.height.shape == grid.state.shape:
        files[str(folder / "layers.npz")] = _layer_bytes(robot_layers(grid))
    return files


def _layer_bytes(layers: MapLayers) -> bytes:
    grid, out = layers.grid, io.BytesIO()
    np.savez_compressed(
        out,
        state=grid.state,
        height=grid.height,
        clearance=layers.clearance,
        reachable=layers.reachable,
        resolution=np.float64(grid.resolution),
        origin=np.array(grid.origin),
        robot=np.array([layers.radius, layers.robot_height, layers.step, layers.slope_deg]),
        robot_fields=np.array(["radius_m", "height_m", "step_m", "slope_deg"]),
        layers=np.array(list(LAYER_UNITS)),
        units=np.array(list(LAYER_UNITS.values())),
    )
    return out.getvalue()


def read_layers(folder: Path) -> MapLayers | None:
    """navigation/layers.npz of a world folder; None for worlds that were made before there was one.

    Errors: WorldError if it is damaged.
    """
    file = Path(folder) / "navigation" / "layers.npz"
    if not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as data:
            x, y = (float(v) for v in data["origin"])
            grid = OccupancyGrid(data["state"], float(data["resolution"]), (x, y), data["height"])
            return MapLayers(grid, data["clearance"], data["reachable"], *(float(v) for v in data["robot"]))
    except (OSError, ValueError, KeyError) as error:
        raise WorldError("layers.npz is damaged", got=f"{file}: {error}", do="Run lyra rebuild WORLD") from error

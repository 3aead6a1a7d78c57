# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Places where a robot can be put down: on free floor, clear of obstacles, spread out, in the largest free region."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import WorldError
from lyra_core.navigation.occupancy import OccupancyGrid
from lyra_core.types import CameraPath

__all__ = ["SPAWN_HEIGHT", "Spawn", "read_spawns", "spawn_poses"]

SPAWN_HEIGHT = 0.04
"""Metres over the floor at which robots are set down (physics engines want a small gap)."""
_AHEAD = 0.6  # [m] that must be free before a robot


@dataclass(frozen=True, slots=True)
class Spawn:
    """A robot pose: position [m] in the world, yaw [rad] about +z from +x, and the free radius around it [m]."""

    position: tuple[float, float, float]
    yaw: float
    clearance: float


def spawn_poses(
    grid: OccupancyGrid, path: CameraPath, *, radius: float = 0.3, count: int = 5, floor_z: float = 0.0
) -> tuple[Spawn, ...]:
    """Up to count spawn poses; the first is the one nearest to the camera path.

    Parameters
    ----------
    grid: the occupancy grid of the world.
    path: the camera path; it runs through free space, so the region nearest to it is the one that was looked at.
    radius: free radius that the robot needs [m].
    floor_z: of the floor where the grid has no heights [m].

    A pose looks along the path if it can drive on that way, else as little aside as it must, and hangs SPAWN_HEIGHT over
    the highest floor within radius. Returns an empty tuple if no free place is large enough.
    """
    from skimage.measure import label

    clearance = grid.clearance()
    roomy = clearance >= radius
    if not roomy.any():
        return ()
    regions = np.asarray(label(roomy, connectivity=1))
    found = int(regions.max())
    sizes = np.bincount(regions.ravel(), minlength=found + 1)
    sizes[0] = 0
    region = regions == int(np.argmax(sizes))
    cells = np.argwhere(region)
    centers = grid.center_of(cells)
    to_path = np.linalg.norm(centers[:, None] - path.centers[None, ::4, :2], axis=-1).min(axis=1)
    chosen = [int(np.lexsort((-clearance[cells[:, 0], cells[:, 1]], np.round(to_path, 1)))[0])]
    # Farthest-point order spreads the others over the region.
    spread = np.linalg.norm(centers - centers[chosen[0]], axis=1)
    while len(chosen) < min(count, len(cells)):
        best = int(np.argmax(spread))
        if spread[best] < 2 * radius:
            break
        chosen.append(best)
        spread = np.minimum(spread, np.linalg.norm(centers - centers[best], axis=1))
    out = []
    for i in chosen:
        x, y = (float(v) for v in centers[i])
        nearest = int(np.argmin(np.linalg.norm(path.centers[:, :2] - centers[i], axis=1)))
        forward = path.world_from_camera[nearest, :2, 2]
        yaw = float(np.arctan2(forward[1], forward[0])) if np.linalg.norm(forward) > 1e-6 else 0.0
        yaw = _facing(grid, region, (x, y), yaw)
        room = float(clearance[cells[i, 0], cells[i, 1]])
        out.append(Spawn((x, y, _highest(grid, cells[i], radius, floor_z) + SPAWN_HEIGHT), yaw, room))
    return tuple(out)


def _facing(grid: OccupancyGrid, region: NDArray[np.bool_], place: tuple[float, float], yaw: float) -> float:
    """The direction [rad] nearest to yaw in which the robot can drive on from a place within its region; yaw if none."""
    ahead = np.arange(grid.resolution, _AHEAD + 1e-9, grid.resolution)
    for turn in sorted(np.radians(np.arange(-180, 180, 15)), key=abs):
        points = np.array(place) + ahead[:, None] * [np.cos(yaw + turn), np.sin(yaw + turn)]
        rows, columns = grid.cell_of(points).T
        inside = (rows >= 0) & (rows < region.shape[0]) & (columns >= 0) & (columns < region.shape[1])
        if inside.all() and region[rows, columns].all():
            return float(np.arctan2(np.sin(yaw + turn), np.cos(yaw + turn)))
    return yaw


def _highest(grid: OccupancyGrid, cell: NDArray[np.integer], radius: float, floor_z: float) -> float:
    """Height [m] of the highest known floor within radius of a cell."""
    if grid.height.shape != grid.state.shape:
        return floor_z
    reach = int(np.ceil(radius / grid.resolution))
    row, column = (int(v) for v in cell)
    around = grid.height[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    known = around[np.isfinite(around)]
    return round(float(known.max()), 4) if len(known) else floor_z


def read_spawns(folder: Path) -> tuple[Spawn, ...]:
    """The poses in navigation/spawn.json of a world folder; empty if there are none.

    Errors: WorldError if the file is damaged.
    """
    file = Path(folder) / "navigation" / "spawn.json"
    if not file.is_file():
        return ()
    try:
        out = []
        for item in json.loads(file.read_text()):
            x, y, z = (float(v) for v in item["position"])
            out.append(Spawn((x, y, z), float(item["yaw"]), float(item.get("clearance", 0.0))))
        return tuple(out)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WorldError("spawn.json is damaged", got=f"{file}: {error}", do="Run lyra rebuild WORLD") from error

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Places where a robot can be put down: on free floor, clear of obstacles, spread out, in the largest free region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lyra_core.navigation.occupancy import OccupancyGrid
from lyra_core.types import CameraPath

__all__ = ["SPAWN_HEIGHT", "Spawn", "spawn_poses"]

SPAWN_HEIGHT = 0.04
"""Metres over the floor at which robots are set down (physics engines want a small gap)."""


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

    Returns an empty tuple if no free place is large enough.
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
    cells = np.argwhere(regions == int(np.argmax(sizes)))
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
        room = float(clearance[cells[i, 0], cells[i, 1]])
        out.append(Spawn((x, y, floor_z + SPAWN_HEIGHT), yaw, room))
    return tuple(out)

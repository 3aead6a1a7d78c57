# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""One-sided rays down onto the free floor: finds flipped winding, holes, and colliders that cooked into nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lyra_core.meshing.columns import vertical_hits
from lyra_core.simulation.floor import FloorMap, floor_map
from lyra_core.simulation.protocol import PhysicsEngine
from lyra_core.types import Mesh

__all__ = ["SINK", "ProbeReport", "probe_floor", "probe_points", "probe_without_engine"]

SINK = 0.04
"""[m] below the floor surface of a cell (or its neighbours) that counts as fallen through; the guide ground plane lies
0.10 m below the lowest floor point, so standing on that plane counts as fallen."""

_START = 0.6  # [m] above the floor: rays start inside the free space that a robot needs
_MAX_RAYS = 40_000


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What the rays met.

    Attributes
    ----------
    engine: which engine, or 'geometry only' when none was used.
    rays, hits: rays cast, and those stopped by a surface that faces up, no deeper than SINK.
    """

    engine: str
    rays: int
    hits: int

    @property
    def fraction(self) -> float:
        """hits / rays, 0 without rays."""
        return self.hits / self.rays if self.rays else 0.0


def lowest_around(level: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) lowest of the 5 x 5 cells around of heights of a floor map [m]: at a step a body may stand on either level."""
    return np.asarray(ndimage.minimum_filter(level, size=5), np.float32)


def probe_points(floor: FloorMap, rng: np.random.Generator) -> NDArray[np.float32]:
    """(M, 2) one jittered point [m] per free cell whose neighbours are all free; at most 40,000 cells."""
    inner = ndimage.binary_erosion(floor.free, ndimage.generate_binary_structure(2, 2))
    rows, columns = np.nonzero(inner)
    if len(rows) > _MAX_RAYS:
        chosen = np.sort(rng.choice(len(rows), _MAX_RAYS, replace=False))
        rows, columns = rows[chosen], columns[chosen]
    jitter = rng.uniform(-0.4, 0.4, (len(rows), 2)) * floor.cell  # not exactly on the edges of regular meshes
    return (floor.centers(rows, columns) + jitter).astype(np.float32)


def probe_floor(engine: PhysicsEngine, floor: FloorMap, *, rng: np.random.Generator) -> ProbeReport:
    """Cast rays in the stage that the engine has open; test bodies must be out of the way."""
    xy = probe_points(floor, rng)
    rows, columns = floor.cells_of(xy)
    start = (floor.height[rows, columns] + _START).astype(np.float32)
    directions = np.tile(np.array([0, 0, -1], np.float32), (len(xy), 1))
    hits = engine.raycast(np.column_stack([xy, start]), directions, _START + 2.0)
    solid = start - hits.distance >= lowest_around(floor.height)[rows, columns] - SINK
    return ProbeReport(engine.name, len(xy), int(solid.sum()))


def probe_without_engine(
    world: Path | Sequence[tuple[str, Mesh]], *, floor_z: float = 0.0, seed: int = 0
) -> ProbeReport:
    """The same rays on the triangles themselves, for machines without a physics engine.

    It finds holes and flipped triangles, not what an engine makes of the mesh. world: a world folder or its tiles.
    """
    if isinstance(world, Path):
        from lyra_core.usd import read_collision_tiles

        world = read_collision_tiles(world)
    floor = floor_map(world, floor_z=floor_z)
    xy = probe_points(floor, np.random.default_rng(seed))
    rows, columns = floor.cells_of(xy)
    start = floor.height[rows, columns] + _START
    ray_of_cell = np.full(floor.free.shape, -1, np.int64)
    ray_of_cell[rows, columns] = np.arange(len(xy))
    top = np.full(len(xy), -np.inf)
    for _, mesh in world:
        corners = mesh.vertices[mesh.faces].astype(np.float64)
        for ray, z in vertical_hits(corners, ray_of_cell.T, xy, origin=floor.origin, cell=floor.cell):
            below = z <= start[ray]
            np.maximum.at(top, ray[below], z[below])
    solid = top >= lowest_around(floor.height)[rows, columns] - SINK
    return ProbeReport("geometry only (no physics engine)", len(xy), int(solid.sum()))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The collider in pieces that PhysX cooks quickly."""

from __future__ import annotations

import numpy as np

from lyra_core.errors import InputError
from lyra_core.meshing.config import Tile
from lyra_core.meshing.topology import check_collider, with_normals
from lyra_core.types import Mesh

__all__ = ["split_tiles"]


def split_tiles(mesh: Mesh, *, size: float | None = None, max_triangles: int = 65_000) -> tuple[Tile, ...]:
    """Tiles of an xy grid; each whole triangle goes to the tile of its centroid.

    Nothing is cut, so vertices and normals on borders are identical bit for bit. size: edge [m], None takes a
    fifth of the extent, at least 2.5 m; it is halved until no tile exceeds max_triangles. Every tile is checked
    (check_collider). Names count from the smallest x and y. Raises InputError if halving does not help.
    """
    if mesh.normals is None:
        mesh = with_normals(mesh)
    check_collider(mesh.vertices, mesh.faces)
    center = mesh.vertices[mesh.faces].mean(axis=1)[:, :2]
    low = center.min(axis=0)
    extent = float((center.max(axis=0) - low).max())
    edge = max(2.5, extent / 5) if size is None else size
    for _ in range(16):
        index = np.floor((center - low) / edge).astype(np.int64)
        _, owner, count = np.unique(index, axis=0, return_inverse=True, return_counts=True)
        if count.max() <= max_triangles:
            break
        edge /= 2
    else:
        raise InputError(
            "The collider is too dense for tiles",
            got=f"{int(count.max())} triangles within {edge:g} m",
            do="Ask for fewer triangles",
        )
    owner = owner.reshape(-1)
    tiles = []
    for tile in range(len(count)):
        chosen = np.flatnonzero(owner == tile)
        used, faces = np.unique(mesh.faces[chosen], return_inverse=True)
        assert mesh.normals is not None
        part = Mesh(
            mesh.vertices[used],
            faces.reshape(-1, 3).astype(np.int32),
            mesh.normals[used],
            None if mesh.colors is None else mesh.colors[used],
        )
        ix, iy = index[chosen[0]]
        tiles.append(Tile(f"tile_{ix}_{iy}", part, chosen))
    return tuple(tiles)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the mesher takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import ConfigError
from lyra_core.meshing.semantics import FaceLabels
from lyra_core.types import Mesh

__all__ = ["MeshConfig", "Tile", "WorldMesh"]


@dataclass(frozen=True, slots=True)
class MeshConfig:
    """Settings of mesh_from_frames; the defaults suit a room and a street alike.

    Attributes
    ----------
    voxel_size: edge of a voxel [m]; None chooses it so that the surface has about `triangles` triangles.
    triangles: triangles of the visual mesh, at most.
    collision_triangles: triangles of the collider, about.
    max_views: frames that are fused; chosen so that the pixels that frames invented are covered.
    work_width: frames are thinned by whole strides to no less than about this width [px].
    max_range: surfaces farther than this [m] are left out; None derives it from the depth.
    close_gap: gaps of the floor up to this width [m] are bridged.
    max_hole_area: floor holes enclosed by floor are filled up to this area [m^2].
    floor_margin: the floor reaches this far [m] under walls and beyond its outline.
    min_component: parts with less area than this share of the largest part are dropped as floaters,
    min_area: but never parts of this area [m^2] or more: a chair leg apart from its chair is no floater.
    planes: flat parts become planes, creases sharp.
    cleaner: "none", or "pymeshlab" (GPL-3, an extra) for another pass over the fused surface.
    tile_size: edge of a collider tile [m]; None chooses 2.5 m or more.
    tile_triangles: most triangles of one tile.
    device: where the volume is fused: "numpy", "cpu", "cuda:N" or "auto".
    """

    voxel_size: float | None = None
    triangles: int = 200_000
    collision_triangles: int = 110_000
    max_views: int = 32
    work_width: int = 416
    max_range: float | None = None
    close_gap: float = 1.0
    max_hole_area: float = 30.0
    floor_margin: float = 0.3
    min_component: float = 0.003
    min_area: float = 0.03
    planes: bool = True
    cleaner: str = "none"
    tile_size: float | None = None
    tile_triangles: int = 65_000
    device: str = "cpu"

    def __post_init__(self) -> None:
        positive = ("triangles", "collision_triangles", "max_views", "work_width", "tile_triangles")
        for name in positive:
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"MeshConfig.{name} must be at least 1", got=str(getattr(self, name)), do="Use the default"
                )
        if self.cleaner not in ("none", "pymeshlab"):
            raise ConfigError("Unknown mesh cleaner", got=self.cleaner, do="Use none or pymeshlab")
        for name in ("voxel_size", "max_range", "tile_size"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(
                    f"MeshConfig.{name} must be positive metres or None",
                    got=str(value),
                    do="Use metres above 0, or None",
                )


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One collider prim: whole triangles of the collision mesh, so borders of tiles are identical.

    Attributes
    ----------
    name: "tile_<ix>_<iy>", a valid USD prim name, unique.
    mesh: vertices, faces and normals [world frame].
    source: (F,) index of each face in the mesh that was split.
    """

    name: str
    mesh: Mesh
    source: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class WorldMesh:
    """The world as surfaces.

    Attributes
    ----------
    visual: coloured mesh with vertex normals.
    collision: the collider, floor flat and closed, wound towards free space.
    tiles: the collider in pieces of at most tile_triangles triangles.
    figures: what was measured; keys end in their unit.
    labels: class and object of every face of the visual mesh.
    tile_labels: classes that a tile holds, by its name, the largest first.
    """

    visual: Mesh
    collision: Mesh
    tiles: tuple[Tile, ...]
    figures: dict[str, float] = field(default_factory=dict)
    labels: FaceLabels | None = None
    tile_labels: dict[str, tuple[str, ...]] = field(default_factory=dict)

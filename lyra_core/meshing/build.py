# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Frames to a visual mesh and a collider."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

import numpy as np

from lyra_core.errors import InputError
from lyra_core.meshing.config import MeshConfig, WorldMesh
from lyra_core.meshing.decimate import decimate
from lyra_core.meshing.figures import mesh_figures, winding_agreement
from lyra_core.meshing.floor import FloorPlan, find_floor, flatten, is_floor, slab
from lyra_core.meshing.planes import PlaneSet, straighten
from lyra_core.meshing.semantics import CLASSES, FaceLabels, classes_of_tile, face_classes, label_faces
from lyra_core.meshing.tiles import split_tiles
from lyra_core.meshing.topology import (
    check_collider,
    compact,
    drop_degenerate,
    drop_nonmanifold,
    drop_small_parts,
    face_areas,
    fill_small_holes,
    join,
    with_normals,
)
from lyra_core.meshing.views import View, choose_range, choose_voxel_size, make_views
from lyra_core.ops.tsdf import TsdfVolume
from lyra_core.types import Frame, Mesh

__all__ = ["mesh_from_frames"]

_LOG = logging.getLogger(__name__)


def mesh_from_frames(
    frames: Iterable[Frame], *, config: MeshConfig | None = None, floor_z: float | None = 0.0
) -> WorldMesh:
    """Fuse the depth of frames (one is enough) into surfaces that a physics engine can use.

    floor_z: height of the floor plane [m]; levelling has put it at 0. None: a world without a floor; nothing is
    flattened, closed or called floor. The frames are read once, in order, and thinned at once, so a generator of many
    frames needs little memory. Raises InputError when no frame has usable depth or nothing can be meshed.
    """
    start = time.perf_counter()
    config = config or MeshConfig()
    views = make_views(frames, config)
    max_range = choose_range(views) if config.max_range is None else config.max_range
    voxel = choose_voxel_size(views, config, max_range)
    raw = _surface(views, voxel, max_range, config)
    # Found before anything is straightened: its roughness says what the depth was worth.
    plan = None if floor_z is None else find_floor(raw, views, floor_z=floor_z, voxel=voxel, config=config)
    raw, planes = _straight(raw, voxel, plan, config)
    if plan is None:
        _LOG.warning("no floor; the collider has no floor slab")
    else:
        raw = flatten(raw, plan)
    visual = _visual(raw, plan, config)
    collision = _collision(raw, plan, config)
    tolerance = 2 * voxel
    agreement, seen = winding_agreement(collision, views, tolerance=tolerance)
    tiles = split_tiles(collision, size=config.tile_size, max_triangles=config.tile_triangles)
    height = plan.height if plan else None
    labels = label_faces(visual, planes.planes, floor_z=height)
    kind = face_classes(collision, planes.planes, floor_z=height)
    tile_labels = {tile.name: classes_of_tile(tile.mesh, kind[tile.source]) for tile in tiles}
    figures = {f"collision_{k}": v for k, v in mesh_figures(collision).items()}
    figures |= {
        "visual_triangles": float(len(visual.faces)),
        "tiles": float(len(tiles)),
        "facing_free_space": agreement,
        "seen_share": seen,
        "voxel_size_m": voxel,
        "max_range_m": max_range,
        "views": float(len(views)),
        "floor_rms_mm": 1e3 * plan.rms if plan else float("nan"),
        "floor_band_mm": 1e3 * plan.band if plan else float("nan"),
        "floor_area_m2": plan.area if plan else 0.0,
        "floor_hole_area_m2": plan.hole_area if plan else 0.0,
        "planes": float(len(planes.planes)),
        "plane_share": float((planes.owner >= 0).mean()) if len(planes.owner) else 0.0,
        "seconds": time.perf_counter() - start,
    }
    figures |= _label_figures(visual, labels)
    _LOG.info("mesh: %s", ", ".join(f"{k} {v:.4g}" for k, v in figures.items()))
    return WorldMesh(visual, collision, tiles, figures, labels, tile_labels)


def _label_figures(mesh: Mesh, labels: FaceLabels) -> dict[str, float]:
    """Area of each class of the visual mesh and the number of objects."""
    area = np.bincount(labels.kind, face_areas(mesh.vertices, mesh.faces), len(CLASSES))
    out = {f"{name}_label_m2": float(value) for name, value in zip(CLASSES, area, strict=True)}
    return out | {"objects": float(labels.instance.max(initial=0))}


def _surface(views: list[View], voxel: float, max_range: float, config: MeshConfig) -> Mesh:
    """Fused, extracted and cleaned surface with colours."""
    volume = TsdfVolume(voxel, device=config.device)
    for view in views:
        # Beyond the range: no surface, and free space beside surfaces only, since how far the ray goes is not stored.
        depth = np.where(view.depth <= max_range, view.depth, 0).astype(np.float32)
        rgb = view.rgb.astype(np.float32) / np.float32(255)
        volume.integrate(depth, view.camera, weight=view.weight, rgb=rgb, sky=view.sky, free=view.free)
    mesh = volume.extract()
    _LOG.debug("fused %d views into %d blocks, %d triangles", len(views), len(volume), len(mesh.faces))
    if not len(mesh.faces):
        raise InputError(
            "The depth maps do not form a surface",
            got=f"{len(views)} views, voxels of {voxel:g} m",
            do="Check depth scale and camera poses",
        )
    least = max(config.min_area, (4 * voxel) ** 2)
    mesh = drop_small_parts(mesh, share=config.min_component, least=least, long=max(0.12, 4 * voxel))
    mesh = drop_nonmanifold(drop_degenerate(fill_small_holes(mesh, max_edges=12), min_area=1e-10))
    if config.cleaner == "pymeshlab":
        from lyra_core.meshing.cleaner import clean_with_pymeshlab

        return clean_with_pymeshlab(mesh)
    return mesh


def _straight(mesh: Mesh, voxel: float, plan: FloorPlan | None, config: MeshConfig) -> tuple[Mesh, PlaneSet]:
    """The mesh with its flat parts on planes, if the settings ask for that."""
    if not config.planes:
        return mesh, PlaneSet()
    return straighten(mesh, voxel, floor=None if plan is None else (plan.height, plan.band))


def _collision(raw: Mesh, plan: FloorPlan | None, config: MeshConfig) -> Mesh:
    """Everything but the floor decimated, and the floor as one slab."""
    body = Mesh(raw.vertices, raw.faces)
    if plan is None:
        body = decimate(drop_degenerate(body), config.collision_triangles)
        body = drop_degenerate(body)
    else:
        from lyra_core.meshing.rim import crack_patch

        ground = slab(plan)
        body = drop_degenerate(compact(body.vertices, body.faces[~is_floor(body, plan)]))
        body = decimate(body, max(config.collision_triangles - len(ground.faces), config.collision_triangles // 2))
        body = drop_degenerate(body)
        patch = crack_patch(body, plan, max_area=config.max_hole_area)
        body = join(body, ground if patch is None else join(ground, patch))
    check_collider(body.vertices, body.faces)
    return with_normals(body)


def _visual(raw: Mesh, plan: FloorPlan | None, config: MeshConfig) -> Mesh:
    """The coloured surface, floor holes closed in the colour of the floor around them."""
    from scipy import ndimage

    mesh = drop_degenerate(decimate(raw, config.triangles))
    if plan is not None:
        # Cells at the rim of the seen floor are only half covered by it.
        inner = np.asarray(ndimage.binary_erosion(plan.observed, np.ones((3, 3))), np.bool_)
        missing = plan.solid & ~inner
        if missing.any():
            # A millimetre lower, so that the overlap with the seen floor does not flicker.
            mesh = join(mesh, _painted(slab(plan, missing, drop=1e-3), mesh, plan))
    return with_normals(mesh)


def _painted(patch: Mesh, mesh: Mesh, plan: FloorPlan) -> Mesh:
    from scipy.spatial import KDTree

    assert mesh.colors is not None
    normal = with_normals(mesh).normals
    assert normal is not None
    # The foot of a wall is at floor height too, but does not look up.
    floor = np.flatnonzero((np.abs(mesh.vertices[:, 2] - plan.height) <= plan.band) & (normal[:, 2] > 0.95))
    if not len(floor):
        floor = np.arange(len(mesh.vertices))
    distance, near = KDTree(mesh.vertices[floor, :2]).query(patch.vertices[:, :2], k=min(16, len(floor)), workers=-1)
    near = np.asarray(near).reshape(len(patch.vertices), -1)
    weight = 1 / (np.asarray(distance).reshape(near.shape) + plan.cell)
    color = (mesh.colors[floor[near]] * weight[..., None]).sum(axis=1) / weight.sum(axis=1, keepdims=True)
    return Mesh(patch.vertices, patch.faces, None, (color + 0.5).astype(np.uint8))

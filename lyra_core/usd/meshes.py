# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""The visual mesh and the collider tiles as UsdGeom.Mesh prims, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, Vt

from lyra_core.errors import InputError, WorldError
from lyra_core.types import Mesh
from lyra_core.usd.checks import MAX_TILE_TRIANGLES, require_mesh
from lyra_core.usd.layers import add_class_label, new_stage, open_stage, save_stage

__all__ = [
    "CONTACT_OFFSET",
    "GROUND_DROP",
    "define_collider",
    "define_mesh",
    "linear_from_srgb",
    "merge_visual",
    "mesh_of",
    "read_collision_tiles",
    "vertex_normals",
    "write_collision",
    "write_convex",
    "write_visual",
]

CONTACT_OFFSET = 0.05
"""[m] distance at which PhysX starts making contacts with a tile. Thin triangle floors let 10 cm cubes at 10 m/s
through at 120 Hz; 5 cm stops that (facts/ecosystem.md)."""

GROUND_DROP = 0.10
"""[m] the guide ground plane lies this far below the lowest floor point: nothing falls for ever, and the mesh stays
the floor."""

_FLOOR_DIPS = 0.5  # [m] vertices within this of the floor height count as floor dips


def vertex_normals(mesh: Mesh) -> NDArray[np.float32]:
    """(V, 3) unit normals, each the area-weighted mean of the faces around; +z for unused vertices."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    scaled = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    count = len(mesh.vertices)
    total = np.stack(
        [np.bincount(mesh.faces.ravel(), np.repeat(scaled[:, axis], 3), minlength=count) for axis in range(3)], axis=1
    )
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 0, total / np.maximum(length, 1e-30), [0.0, 0.0, 1.0]).astype(np.float32)


def linear_from_srgb(colors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 sRGB to linear 0..1 float32 (IEC 61966-2-1); renderers take displayColor as linear light."""
    c = np.arange(256) / 255.0
    table = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return table[colors]


def define_mesh(stage: Usd.Stage, path: str, mesh: Mesh) -> UsdGeom.Mesh:
    """Author points, triangles, vertex normals, extent and, where given, colours; no subdivision.

    Errors: InputError for empty, non-finite or wrongly indexed meshes.
    """
    require_mesh(mesh, path)
    prim = UsdGeom.Mesh.Define(stage, path)
    points = np.ascontiguousarray(mesh.vertices)
    prim.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points))
    prim.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, np.int32)))
    prim.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(np.ascontiguousarray(mesh.faces).reshape(-1)))
    prim.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    prim.CreateOrientationAttr(UsdGeom.Tokens.rightHanded)
    prim.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([points.min(axis=0), points.max(axis=0)])))
    normals = vertex_normals(mesh)
    if mesh.normals is not None:
        # A smooth normal that points against the faces around it (thin or cut pieces) lights and validates wrongly.
        agrees = (mesh.normals * normals).sum(axis=1, keepdims=True) > 0
        normals = np.where(agrees, mesh.normals, normals).astype(np.float32)
    prim.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(normals)))
    prim.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    if mesh.colors is not None:
        _author_colors(prim, mesh.colors)
    return prim


def _author_colors(prim: UsdGeom.Mesh, colors: NDArray[np.uint8]) -> None:
    """displayColor as an indexed vertex primvar: each colour is stored once."""
    packed = colors.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    unique, index = np.unique(packed, return_inverse=True)
    rgb = np.stack([unique >> 16, unique >> 8 & 255, unique & 255], axis=1).astype(np.uint8)
    primvar = prim.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex)
    primvar.Set(Vt.Vec3fArray.FromNumpy(linear_from_srgb(rgb)))
    primvar.SetIndices(Vt.IntArray.FromNumpy(index.astype(np.int32).reshape(-1)))


def define_collider(stage: Usd.Stage, path: str, mesh: Mesh) -> UsdGeom.Mesh:
    """Author mesh as a static, exact triangle collider: hidden (purpose guide), one-sided, winding kept.

    Errors: InputError as `define_mesh`, and for more than MAX_TILE_TRIANGLES triangles.
    """
    require_mesh(mesh, path, limit=MAX_TILE_TRIANGLES)
    prim = define_mesh(stage, path, Mesh(mesh.vertices, mesh.faces))
    prim.CreatePurposeAttr(UsdGeom.Tokens.guide)
    UsdPhysics.CollisionAPI.Apply(prim.GetPrim()).CreateCollisionEnabledAttr(True)
    UsdPhysics.MeshCollisionAPI.Apply(prim.GetPrim()).CreateApproximationAttr(UsdPhysics.Tokens.none)
    # PhysX's own schemas are not part of OpenUSD: applied by name, which every host understands.
    prim.GetPrim().AddAppliedSchema("PhysxCollisionAPI")
    for name, value in (("contactOffset", CONTACT_OFFSET), ("restOffset", 0.0)):
        attribute = prim.GetPrim().CreateAttribute(f"physxCollision:{name}", Sdf.ValueTypeNames.Float, custom=False)
        attribute.Set(value)
    return prim


def _define_ground(stage: Usd.Stage, path: str, floor_z: float, tiles: Sequence[tuple[str, Mesh]]) -> None:
    low = np.min([mesh.vertices.min(axis=0) for _, mesh in tiles], axis=0)
    high = np.max([mesh.vertices.max(axis=0) for _, mesh in tiles], axis=0)
    plane = UsdGeom.Plane.Define(stage, path)
    plane.CreateAxisAttr(UsdGeom.Tokens.z)
    width, length = float(high[0] - low[0]) + 10.0, float(high[1] - low[1]) + 10.0
    plane.CreateWidthAttr(width)
    plane.CreateLengthAttr(length)
    half = Gf.Vec3f(width / 2, length / 2, 0)
    plane.CreateExtentAttr(Vt.Vec3fArray([-half, half]))
    plane.CreatePurposeAttr(UsdGeom.Tokens.guide)
    center = (low + high) / 2
    # Floors are not flat: stay below the lowest dip near the floor, or the plane would hide it.
    near = [z[np.abs(z - floor_z) <= _FLOOR_DIPS] for z in (mesh.vertices[:, 2] for _, mesh in tiles)]
    z = float(min([floor_z, *(float(part.min()) for part in near if len(part))])) - GROUND_DROP
    plane.AddTranslateOp().Set(Gf.Vec3d(float(center[0]), float(center[1]), z))
    UsdPhysics.CollisionAPI.Apply(plane.GetPrim()).CreateCollisionEnabledAttr(True)


def write_visual(
    path: Path,
    mesh: Mesh,
    *,
    label: str | None = None,
    parts: Sequence[tuple[str, str, Mesh]] = (),
    fps: float = 16.0,
) -> Path:
    """Write /Visual/mesh to a .usdc file; returns its path.

    parts: (name, class label, mesh) of the pieces of mesh. With them /Visual/mesh is an Xform and each piece a prim
    below it: annotators look labels up by prim, and whether they see those of a UsdGeom.Subset is not documented.
    Purpose and visibility stay at their defaults, for RTX sensors pass over what is guide, proxy or invisible.
    Errors: InputError for repeated or illegal names and broken meshes.
    """
    stage = new_stage("Visual", fps=fps)
    if not parts:
        prim = define_mesh(stage, "/Visual/mesh", mesh).GetPrim()
    else:
        names = [name for name, _, _ in parts]
        if len(set(names)) < len(names) or not all(Sdf.Path.IsValidIdentifier(n) for n in names):
            raise InputError(
                "Names of mesh parts must be unique USD identifiers", got=", ".join(names[:5]), do="Rename the parts"
            )
        prim = UsdGeom.Xform.Define(stage, "/Visual/mesh").GetPrim()
        for name, part_label, piece in parts:
            add_class_label(define_mesh(stage, f"/Visual/mesh/{name}", piece).GetPrim(), part_label)
    if label:
        add_class_label(prim, label)
    return save_stage(stage, path)


def merge_visual(stage: Usd.Stage, path: str) -> None:
    """Turn the Xform of labelled parts at path into one UsdGeom.Mesh with a labelled subset for each part.

    For sensors that know one mesh only (Isaac Lab's RayCaster takes the first mesh below its path). Does nothing if
    there is a mesh already. Edits the layer that is the edit target; the parts must be defined in it.
    """
    prim = stage.GetPrimAtPath(path)
    children = [UsdGeom.Mesh(p) for p in prim.GetChildren() if p.IsA(UsdGeom.Mesh)] if prim else []
    if not children:
        return
    pieces = [mesh_of(c.GetPrim()) for c in children]
    names = [(c.GetPrim().GetName(), list(c.GetPrim().GetAttribute("semantics:labels:class").Get())) for c in children]
    colors = [c.GetDisplayColorPrimvar().ComputeFlattened() for c in children]
    starts = np.cumsum([0, *(len(p.vertices) for p in pieces)])
    merged = Mesh(
        np.concatenate([p.vertices for p in pieces]),
        np.concatenate([p.faces + np.int32(s) for p, s in zip(pieces, starts[:-1], strict=True)]),
        np.concatenate([np.array(c.GetNormalsAttr().Get(), np.float32) for c in children]),
    )
    for child in children:
        stage.RemovePrim(child.GetPath())
    mesh = define_mesh(stage, path, merged)
    if all(c is not None and len(c) for c in colors):
        primvar = mesh.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex)
        primvar.Set(Vt.Vec3fArray.FromNumpy(np.concatenate([np.array(c, np.float32) for c in colors])))
    first = 0
    for (name, labels), piece in zip(names, pieces, strict=True):
        rows = Vt.IntArray.FromNumpy(np.arange(first, first + len(piece.faces), dtype=np.int32))
        subset = UsdGeom.Subset.CreateGeomSubset(
            mesh, name, UsdGeom.Tokens.face, rows, "semantics", UsdGeom.Tokens.partition
        )
        add_class_label(subset.GetPrim(), labels)
        first += len(piece.faces)


def write_collision(
    path: Path,
    tiles: Sequence[tuple[str, Mesh]],
    *,
    floor_z: float | None = 0.0,
    labels: Mapping[str, str | Sequence[str]] | None = None,
    fps: float = 16.0,
) -> Path:
    """Write /Collision/<tile name> for each tile and the guide plane /Collision/ground; returns the path.

    floor_z: height of the floor [m]; None: the world has none, and no plane pretends that it has one.
    labels: class label, or several, by tile name. Errors: InputError for no tiles, repeated or illegal names, broken meshes.
    """
    names = [name for name, _ in tiles]
    if not names:
        raise InputError("A world needs collider tiles", got="none", do="Run the meshing step first")
    if len(set(names)) < len(names) or "ground" in names or not all(Sdf.Path.IsValidIdentifier(n) for n in names):
        raise InputError(
            "Tile names must be unique USD identifiers other than 'ground'",
            got=", ".join(names[:5]),
            do="Rename the tiles",
        )
    stage = new_stage("Collision", fps=fps)
    for name, mesh in tiles:
        prim = define_collider(stage, f"/Collision/{name}", mesh)
        if labels and name in labels:
            add_class_label(prim.GetPrim(), labels[name])
    if floor_z is not None:
        _define_ground(stage, "/Collision/ground", floor_z, tiles)
    return save_stage(stage, path)


def write_convex(path: Path, objects: Sequence[tuple[str, Sequence[Mesh]]], *, fps: float = 16.0) -> Path:
    """Write /Objects/<name>/piece_<n>, convex colliders labelled object; returns the path.

    objects: (name, closed convex meshes in world metres). No rigid body: who references an object decides whether it
    moves. Errors: InputError for no objects, repeated or illegal names, broken meshes.
    """
    names = [name for name, _ in objects]
    if not names or len(set(names)) < len(names) or not all(Sdf.Path.IsValidIdentifier(n) for n in names):
        raise InputError(
            "Convex objects need unique USD identifiers", got=", ".join(names[:5]) or "none", do="Rename the objects"
        )
    stage = new_stage("Objects", fps=fps)
    for name, pieces in objects:
        add_class_label(UsdGeom.Xform.Define(stage, f"/Objects/{name}").GetPrim(), "object")
        for number, piece in enumerate(pieces):
            prim = define_collider(stage, f"/Objects/{name}/piece_{number:02d}", piece)
            UsdPhysics.MeshCollisionAPI(prim.GetPrim()).CreateApproximationAttr(UsdPhysics.Tokens.convexHull)
    return save_stage(stage, path)


def mesh_of(prim: Usd.Prim) -> Mesh:
    """The triangle mesh of a UsdGeom.Mesh prim in its own frame, without colours."""
    mesh = UsdGeom.Mesh(prim)
    points = np.array(mesh.GetPointsAttr().Get(), dtype=np.float32).reshape(-1, 3)
    counts = np.array(mesh.GetFaceVertexCountsAttr().Get(), dtype=np.int32)
    if (counts != 3).any():
        raise WorldError("Only triangle meshes can be read", got=str(prim.GetPath()), do="Triangulate it first")
    faces = np.array(mesh.GetFaceVertexIndicesAttr().Get(), dtype=np.int32).reshape(-1, 3)
    if mesh.GetOrientationAttr().Get() == UsdGeom.Tokens.leftHanded:
        faces = np.ascontiguousarray(faces[:, ::-1])
    return Mesh(points, faces)


def read_collision_tiles(folder: Path) -> tuple[tuple[str, Mesh], ...]:
    """(name, mesh) of every collider mesh of a world folder, sorted by name; points in world metres.

    Errors: WorldError if the folder has no payload/collision.usdc, InputError if a mesh is broken.
    """
    stage = open_stage(Path(folder) / "payload" / "collision.usdc")
    prims = [p for p in stage.Traverse() if p.IsA(UsdGeom.Mesh) and p.HasAPI(UsdPhysics.CollisionAPI)]
    return tuple(sorted(((p.GetName(), mesh_of(p)) for p in prims), key=lambda item: item[0]))

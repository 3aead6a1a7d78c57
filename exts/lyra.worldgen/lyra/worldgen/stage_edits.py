# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Putting a world into a stage and taking it out again, with pxr alone.

A world has metres and Z up. In a stage of other units or another up axis the world's prim carries the transform that
brings it there, and what no transform reaches (contact offsets, gravity) is written in the stage's units.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

__all__ = [
    "Imported",
    "has_physics_scene",
    "import_world",
    "in_world",
    "placement",
    "remove_import",
    "select_appearance",
    "world_point",
]

_NAME = "LyraWorld"
_OFFSETS = ("physxCollision:contactOffset", "physxCollision:restOffset")
_STEPS_PER_SECOND = 120  # small bodies at 60 Hz without CCD fall through triangle floors
_GRAVITY = 9.81  # [m/s^2]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import wrote: the world's prim, the layer, and the topmost specs that are new in it."""

    prim: str
    layer: Sdf.Layer
    created: tuple[str, ...]


def placement(stage: Usd.Stage) -> Gf.Matrix4d:
    """Row-vector matrix from the world (metres, Z up) to stage coordinates."""
    matrix = Gf.Matrix4d().SetScale(1.0 / UsdGeom.GetStageMetersPerUnit(stage))
    if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.y:
        matrix = matrix * Gf.Matrix4d().SetRotate(Gf.Rotation(Gf.Vec3d.XAxis(), -90.0))
    return matrix


def world_point(stage: Usd.Stage, world_prim: str, point: Gf.Vec3d) -> tuple[float, float, float]:
    """A point of the stage in the world that stands at world_prim [m]."""
    x, y, z = in_world(stage, world_prim).GetInverse().Transform(point)
    return float(x), float(y), float(z)


def in_world(stage: Usd.Stage, world_prim: str) -> Gf.Matrix4d:
    """Row-vector matrix from the world at world_prim to the stage. ValueError if there is no such prim."""
    prim = stage.GetPrimAtPath(world_prim)
    if not prim:
        raise ValueError(f"There is no world at {world_prim} any more; load it again")
    return UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default())


def has_physics_scene(stage: Usd.Stage) -> bool:
    """True if any physics scene is in the stage."""
    return any(prim.IsA(UsdPhysics.Scene) for prim in stage.Traverse())


def import_world(stage: Usd.Stage, world_usd: Path, *, appearance: str = "splat") -> Imported:
    """Reference a world into the stage at its edit target, with a physics scene if the stage has none.

    The asset path is relative if the edited layer is a file on the same drive. Raises FileNotFoundError without the file,
    ValueError for an unknown appearance.
    """
    if not world_usd.is_file():
        raise FileNotFoundError(f"{world_usd} is missing; generate or rebuild the world")
    layer = stage.GetEditTarget().GetLayer()
    parent = _parent(stage)
    target = _free_path(stage, parent, _NAME)
    created = [_first_new(layer, target)]
    prim = UsdGeom.Xform.Define(stage, target).GetPrim()
    prim.GetReferences().AddReference(asset_path(layer, world_usd))
    try:
        _place(stage, prim, parent)
        select_appearance(stage, str(target), appearance)
        _scale_offsets(stage, prim)
    except ValueError:
        _remove(layer, created)
        raise
    if not has_physics_scene(stage):
        scene = _free_path(stage, parent, "PhysicsScene")
        created.append(_first_new(layer, scene))
        _define_scene(stage, scene)
    return Imported(str(target), layer, tuple(created))


def remove_import(imported: Imported) -> None:
    """Take an import back: the layer is as it was before."""
    _remove(imported.layer, list(imported.created))


def select_appearance(stage: Usd.Stage, world_prim: str, appearance: str) -> None:
    """Select the variant splat, mesh or both. ValueError if the world has no such variant."""
    prim = stage.GetPrimAtPath(world_prim)
    known = prim.GetVariantSets().GetVariantSet("appearance").GetVariantNames() if prim else []
    if appearance not in known:
        raise ValueError(f"The world at {world_prim} has no appearance '{appearance}'; known: {', '.join(known)}")
    prim.GetVariantSets().GetVariantSet("appearance").SetVariantSelection(appearance)


def asset_path(layer: Sdf.Layer, file: Path) -> str:
    """file as it is written into layer: relative to a layer on disk, absolute in an anonymous one."""
    if layer.anonymous or not layer.realPath:
        return file.resolve().as_posix()
    try:
        relative = Path(os.path.relpath(file.resolve(), Path(layer.realPath).resolve().parent)).as_posix()
    except ValueError:  # another drive
        return file.resolve().as_posix()
    return relative if relative.startswith("../") else f"./{relative}"


def _parent(stage: Usd.Stage) -> Sdf.Path:
    root = stage.GetDefaultPrim()
    return root.GetPath() if root and root.IsA(UsdGeom.Xformable) else Sdf.Path.absoluteRootPath


def _free_path(stage: Usd.Stage, parent: Sdf.Path, name: str) -> Sdf.Path:
    path, number = parent.AppendChild(name), 1
    while stage.GetPrimAtPath(path):
        path, number = parent.AppendChild(f"{name}_{number:02d}"), number + 1
    return path


def _place(stage: Usd.Stage, prim: Usd.Prim, parent: Sdf.Path) -> None:
    """One transform op; none where the stage has metres and Z up and the parent stands at the origin."""
    above = stage.GetPrimAtPath(parent)
    matrix = placement(stage)
    if above and above.IsA(UsdGeom.Xformable):
        matrix *= UsdGeom.Xformable(above).ComputeLocalToWorldTransform(Usd.TimeCode.Default()).GetInverse()
    if not Gf.IsClose(matrix, Gf.Matrix4d(1.0), 1e-12):
        UsdGeom.Xformable(prim).MakeMatrixXform().Set(matrix)


def _scale_offsets(stage: Usd.Stage, world: Usd.Prim) -> None:
    """Contact and rest offsets are lengths of the stage, which transforms do not reach."""
    metres = UsdGeom.GetStageMetersPerUnit(stage)
    if Gf.IsClose(metres, 1.0, 1e-9):
        return
    for prim in Usd.PrimRange(world):
        for name in _OFFSETS:
            attribute = prim.GetAttribute(name)
            value = attribute.Get() if attribute else None
            if value:
                attribute.Set(value / metres)


def _define_scene(stage: Usd.Stage, path: Sdf.Path) -> None:
    """Gravity straight down, 120 steps a second, CCD allowed."""
    scene = UsdPhysics.Scene.Define(stage, path)
    down = Gf.Vec3f(0, -1, 0) if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.y else Gf.Vec3f(0, 0, -1)
    scene.CreateGravityDirectionAttr(down)
    scene.CreateGravityMagnitudeAttr(_GRAVITY / UsdGeom.GetStageMetersPerUnit(stage))
    prim = scene.GetPrim()
    prim.AddAppliedSchema("PhysxSceneAPI")
    prim.CreateAttribute("physxScene:timeStepsPerSecond", Sdf.ValueTypeNames.UInt, custom=False).Set(_STEPS_PER_SECOND)
    prim.CreateAttribute("physxScene:enableCCD", Sdf.ValueTypeNames.Bool, custom=False).Set(True)


def _first_new(layer: Sdf.Layer, path: Sdf.Path) -> str:
    """The topmost ancestor of path, or path itself, that layer does not hold yet."""
    return str(next((p for p in path.GetPrefixes() if layer.GetPrimAtPath(p) is None), path))


def _remove(layer: Sdf.Layer, paths: list[str]) -> None:
    for path in reversed(paths):
        spec = layer.GetPrimAtPath(path)
        if spec is not None:
            del (spec.nameParent or layer.pseudoRoot).nameChildren[spec.name]

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""Rules for a world that no public validator checks: layout, units of every layer, arrays, colliders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import numpy as np
from pxr import Sdf, Usd, UsdGeom, UsdPhysics

from lyra_core.usd.checks import MAX_TILE_TRIANGLES, mesh_problems, splat_problems
from lyra_core.usd.splats import SPLAT_TYPE, gaussians_of, splat_extent

__all__ = ["RULES", "broken_rules"]

_LAYOUT = ("Appearance", "Visual", "Collision", "Cameras", "Robots", "Spawn", "PhysicsMaterials")
_Problems = Iterator[tuple[str, str]]


def _stage_layout(stage: Usd.Stage) -> _Problems:
    """/World with the promised children, a kind, a class label and the three appearance variants."""
    world = stage.GetDefaultPrim()
    if not world or str(world.GetPath()) != "/World":
        yield "/", "defaultPrim must be /World"
        return
    for name in _LAYOUT:
        if not stage.GetPrimAtPath(f"/World/{name}"):
            yield f"/World/{name}", "is missing"
    names = world.GetVariantSets().GetVariantSet("appearance").GetVariantNames()
    if sorted(names) != ["both", "mesh", "splat"]:
        yield "/World", f"variant set appearance must hold splat, mesh, both; it holds {', '.join(names) or 'nothing'}"
    labels = world.GetAttribute("semantics:labels:class").Get()
    if not labels or "environment" not in list(labels):
        yield "/World", "lacks the class label environment"


def _layer_units(stage: Usd.Stage) -> _Problems:
    """Every layer: default prim, Z up, metres, kilograms."""
    for layer in stage.GetUsedLayers():
        if layer.anonymous:
            continue
        root = layer.pseudoRoot
        metadata = [
            root.GetInfo(k) if root.HasInfo(k) else None for k in ("upAxis", "metersPerUnit", "kilogramsPerUnit")
        ]
        if not layer.defaultPrim or metadata != ["Z", 1.0, 1.0]:
            yield layer.GetDisplayName(), f"upAxis, metersPerUnit, kilogramsPerUnit are {metadata}, not Z, 1, 1"


def _relative_paths(stage: Usd.Stage) -> _Problems:
    """No layer points outside the world folder, so that the folder can be moved."""
    for layer in stage.GetUsedLayers():
        for asset in () if layer.anonymous else layer.GetCompositionAssetDependencies():
            path = PurePosixPath(asset)
            if path.is_absolute() or ":" in asset or ".." in path.parts:
                yield layer.GetDisplayName(), f"asset path {asset} is not relative to the world folder"


def _splat_arrays(stage: Usd.Stage) -> _Problems:
    """Lengths, finite values, ranges, SH degree 0 or 3, metadata and extent of every splat prim."""
    for prim in stage.Traverse():
        if prim.GetTypeName() != SPLAT_TYPE:
            continue
        where = str(prim.GetPath())
        sizes = {}
        for name in ("positions", "scales", "orientations", "opacities", "radiance:sphericalHarmonicsCoefficients"):
            value = prim.GetAttribute(name).Get()
            sizes[name] = -1 if value is None else len(value)
        degree = prim.GetAttribute("radiance:sphericalHarmonicsDegree").Get()
        if degree not in (0, 3):
            yield where, f"SH degree {degree}; Isaac Sim reads 0 and 3"
            continue
        count, coefficients = sizes["positions"], (degree + 1) ** 2
        wanted = [count, count, count, count, count * coefficients]
        if count < 1 or list(sizes.values()) != wanted:
            yield where, f"array lengths {sizes} do not fit together"
            continue
        primvar = UsdGeom.Primvar(prim.GetAttribute("radiance:sphericalHarmonicsCoefficients"))
        if primvar.GetElementSize() != coefficients or primvar.GetInterpolation() != UsdGeom.Tokens.vertex:
            yield where, "SH coefficients need elementSize (degree + 1)^2 and vertex interpolation"
        gaussians = gaussians_of(prim)
        problems = splat_problems(gaussians)
        for problem in problems:
            yield where, problem
        extent = prim.GetAttribute("extent").Get()
        # Half a millimetre of slack: float32 sums of centres and reach may round either way.
        slack = np.array([[1.0], [-1.0]]) * 5e-4
        if not problems and (
            extent is None or ((splat_extent(gaussians) - np.array(extent)) * [[1.0], [-1.0]] + np.abs(slack) < 0).any()
        ):
            yield where, "extent must hold all centres with 3 standard deviations around them"


def _collider_arrays(stage: Usd.Stage) -> _Problems:
    """Every tile: sound arrays, exact triangles written out, guide purpose, extent, contact offset, at most 65k."""
    count = 0
    for prim in stage.Traverse():
        if not (prim.IsA(UsdGeom.Mesh) and prim.HasAPI(UsdPhysics.CollisionAPI)):
            continue
        count += 1
        where, mesh = str(prim.GetPath()), UsdGeom.Mesh(prim)
        points = np.array(mesh.GetPointsAttr().Get() or [], dtype=np.float64).reshape(-1, 3)
        counts = np.array(mesh.GetFaceVertexCountsAttr().Get() or [], dtype=np.int64)
        indices = np.array(mesh.GetFaceVertexIndicesAttr().Get() or [], dtype=np.int64)
        if (counts != 3).any() or counts.sum() != len(indices):
            yield where, "faces must be triangles and match the index count"
            continue
        for problem in mesh_problems(points, indices.reshape(-1, 3), limit=MAX_TILE_TRIANGLES):
            yield where, problem
        approximation = UsdPhysics.MeshCollisionAPI(prim).GetApproximationAttr()
        if not approximation.HasAuthoredValue() or approximation.Get() != UsdPhysics.Tokens.none:
            yield where, "physics:approximation must be written out as none"
        if mesh.GetPurposeAttr().Get() != UsdGeom.Tokens.guide or not mesh.GetExtentAttr().HasAuthoredValue():
            yield where, "a collider needs purpose guide and an extent"
        if not (prim.GetAttribute("physxCollision:contactOffset").Get() or 0) > 0:
            yield where, "a collider needs physxCollision:contactOffset"
    if count == 0:
        yield "/World/Collision", "there are no collider meshes"


def _static_world(stage: Usd.Stage) -> _Problems:
    """No rigid bodies and no physics scene: the stage that opens the world owns physics."""
    for prim in stage.Traverse():
        if prim.HasAPI(UsdPhysics.RigidBodyAPI) or prim.IsA(UsdPhysics.Scene):
            yield str(prim.GetPath()), "worlds are static and carry no physics scene"


def _gprim_parents(stage: Usd.Stage) -> _Problems:
    """Gprims hang under Xforms; no prim is a dangling over."""
    for prim in stage.TraverseAll():
        if prim.GetSpecifier() == Sdf.SpecifierOver:
            yield str(prim.GetPath()), "is an over without a definition"
        if prim.IsA(UsdGeom.Gprim) and not prim.GetParent().IsA(UsdGeom.Xform):
            yield str(prim.GetPath()), "a Gprim's parent must be an Xform"


RULES: dict[str, Callable[[Usd.Stage], _Problems]] = {
    "StageLayout": _stage_layout,
    "LayerUnits": _layer_units,
    "RelativePaths": _relative_paths,
    "SplatArrays": _splat_arrays,
    "ColliderArrays": _collider_arrays,
    "StaticWorld": _static_world,
    "GprimParents": _gprim_parents,
}


def broken_rules(stage: Usd.Stage) -> Iterator[tuple[str, str, str]]:
    """(rule, where, message) for everything in the stage that breaks a rule of this module."""
    for name, rule in RULES.items():
        for where, message in rule(stage):
            yield name, where, message

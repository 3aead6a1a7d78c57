# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""Stages for physics checks: colliders, a physics scene and small test bodies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, Vt

from lyra_core.errors import WorldError
from lyra_core.types import Mesh
from lyra_core.usd.layers import new_stage, save_stage
from lyra_core.usd.meshes import GROUND_DROP, write_collision
from lyra_core.usd.world import define_physics_scene

__all__ = ["BODY_ROOT", "TestBody", "write_check_stage"]

BODY_ROOT = "/World/CheckBodies"
_DENSITY = 500.0  # [kg/m^3], between wood and plastic
_PARKING = 50.0  # [m] bodies wait here, above everything, until they are placed


@dataclass(frozen=True, slots=True)
class TestBody:
    """A small rigid body.

    Attributes
    ----------
    shape: sphere or box (a cube).
    radius: radius of the sphere or half edge of the box [m].
    """

    __test__ = False  # not a pytest class

    shape: Literal["sphere", "box"]
    radius: float


def write_check_stage(
    path: Path,
    bodies: Sequence[TestBody],
    *,
    world: Path | None = None,
    tiles: Sequence[tuple[str, Mesh]] | None = None,
    floor_z: float = 0.0,
    ccd: bool = False,
) -> Path:
    """Write a stage with test bodies /World/CheckBodies/body_NNN to path.

    world: the folder whose world.usda is sublayered, looks switched off; or tiles: collider meshes to write instead
    (negative controls). Bodies do not collide with each other, so that each one tests the world alone.
    """
    stage = new_stage("World")
    sublayers: list[str] = []
    if world is not None:
        root = Path(world).resolve() / "world.usda"
        if not root.is_file():
            raise WorldError("This folder has no world.usda", got=str(world), do="Give a finished world folder")
        sublayers = [str(root)]
        for part in ("Appearance", "Visual"):  # hundreds of MB of splats have no part in physics
            UsdGeom.Xform.Define(stage, f"/World/{part}").GetPrim().SetActive(False)
    elif tiles is not None:
        file = write_collision(path.with_name(f"{path.stem}_tiles.usdc"), tiles, floor_z=floor_z)
        UsdGeom.Xform.Define(stage, "/World/Collision").GetPrim().GetPayloads().AddPayload(f"./{file.name}")
    define_physics_scene(stage, "/World/CheckScene", ccd=ccd)
    UsdGeom.Xform.Define(stage, BODY_ROOT)
    for index, body in enumerate(bodies):
        _define_body(stage, f"{BODY_ROOT}/body_{index:03d}", body, index, ccd)
    group = UsdPhysics.CollisionGroup.Define(stage, "/World/CheckGroup")
    group.GetCollidersCollectionAPI().CreateIncludesRel().AddTarget(BODY_ROOT)
    group.CreateFilteredGroupsRel().AddTarget("/World/CheckGroup")
    return save_stage(stage, path, sublayers=sublayers)


def _define_body(stage: Usd.Stage, path: str, body: TestBody, index: int, ccd: bool) -> None:
    if body.shape == "sphere":
        shape = UsdGeom.Sphere.Define(stage, path)
        shape.CreateRadiusAttr(body.radius)
        volume = 4 / 3 * math.pi * body.radius**3
    else:
        shape = UsdGeom.Cube.Define(stage, path)
        shape.CreateSizeAttr(2 * body.radius)
        volume = 8 * body.radius**3
    reach = Gf.Vec3f(body.radius)
    shape.CreateExtentAttr(Vt.Vec3fArray([-reach, reach]))
    shape.AddTranslateOp().Set(Gf.Vec3d(0.5 * index, 0, _PARKING + GROUND_DROP))
    prim = shape.GetPrim()
    UsdPhysics.CollisionAPI.Apply(prim)
    UsdPhysics.RigidBodyAPI.Apply(prim)
    UsdPhysics.MassAPI.Apply(prim).CreateMassAttr(_DENSITY * volume)
    prim.AddAppliedSchema("PhysxRigidBodyAPI")
    prim.CreateAttribute("physxRigidBody:enableCCD", Sdf.ValueTypeNames.Bool, custom=False).Set(ccd)
    # A body at rest keeps being tested: sleeping would end the proof early and flatter the timing.
    prim.CreateAttribute("physxRigidBody:sleepThreshold", Sdf.ValueTypeNames.Float, custom=False).Set(0.0)

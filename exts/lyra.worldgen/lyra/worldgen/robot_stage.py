# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Robots made for metres and Z up, put into stages of other units or another up axis, with pxr alone.

A transform on the robot's prim brings its shapes, joint frames and centres of mass there. What no transform reaches is
written in the stage's units: torques, inertia, contact distances, speeds and energies of the solver.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

from lyra.worldgen import stage_edits

__all__ = ["free_path", "is_metric", "place_robot", "pose_in_stage"]

_POWERS = {
    "physics:diagonalInertia": 2,  # kg L^2
    "physics:density": -3,  # kg / L^3
    "physics:velocity": 1,
    "physics:breakForce": 1,  # kg L / s^2
    "physics:breakTorque": 2,  # kg L^2 / s^2
    "physxArticulation:sleepThreshold": 2,  # energies by mass, L^2 / s^2
    "physxArticulation:stabilizationThreshold": 2,
    "physxRigidBody:sleepThreshold": 2,
    "physxRigidBody:stabilizationThreshold": 2,
    "physxRigidBody:maxLinearVelocity": 1,
    "physxRigidBody:maxDepenetrationVelocity": 1,
    "physxRigidBody:maxContactImpulse": 1,
    "physxCollision:contactOffset": 1,
    "physxCollision:restOffset": 1,
    "physxCollision:torsionalPatchRadius": 1,
    "physxCollision:minTorsionalPatchRadius": 1,
    "physxJoint:armature": 2,
    "drive:angular:physics:stiffness": 2,  # torque by angle
    "drive:angular:physics:damping": 2,
    "drive:angular:physics:maxForce": 2,
    "drive:linear:physics:maxForce": 1,  # stiffness and damping of a linear drive hold no length
    "drive:linear:physics:targetPosition": 1,
    "drive:linear:physics:targetVelocity": 1,
}
"""Attributes of robots by the power of length in their unit."""


def is_metric(stage: Usd.Stage) -> bool:
    """True for metres and Z up, in which robots stand as they are."""
    metres = abs(UsdGeom.GetStageMetersPerUnit(stage) - 1.0) < 1e-6
    return metres and UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.z


def pose_in_stage(
    stage: Usd.Stage, world_prim: str, position: tuple[float, float, float], yaw: float
) -> tuple[Gf.Vec3d, Gf.Rotation]:
    """Where a pose of the world is in the stage: position [stage units] and rotation of the robot's axes there.

    position [m] and yaw [rad] are of the world at world_prim. ValueError if it is gone.
    """
    turned = Gf.Matrix4d().SetRotate(Gf.Rotation(Gf.Vec3d.ZAxis(), math.degrees(yaw)))
    turned.SetTranslateOnly(Gf.Vec3d(*position))
    placed = turned * stage_edits.in_world(stage, world_prim)
    return placed.ExtractTranslation(), placed.GetOrthonormalized(issueWarning=False).ExtractRotation()


def place_robot(stage: Usd.Stage, path: str, usd: str, place: Gf.Vec3d, turn: Gf.Rotation) -> Usd.Prim:
    """Reference a robot into the stage at a pose of pose_in_stage and bring its physics to the stage's units.

    usd: file or address of the robot, in metres. The reference is written as given: files should be absolute.
    """
    prim = UsdGeom.Xform.Define(stage, path).GetPrim()
    prim.GetReferences().AddReference(usd)
    scale = 1.0 / UsdGeom.GetStageMetersPerUnit(stage)
    local = Gf.Matrix4d().SetScale(scale) * Gf.Matrix4d().SetRotate(turn) * Gf.Matrix4d().SetTranslate(place)
    above = UsdGeom.Xformable(prim.GetParent()) if prim.GetParent().IsA(UsdGeom.Xformable) else None
    if above:
        local *= above.ComputeLocalToWorldTransform(Usd.TimeCode.Default()).GetInverse()
    UsdGeom.Xformable(prim).MakeMatrixXform().Set(local)
    if not math.isclose(scale, 1.0, rel_tol=1e-6):
        for child in Usd.PrimRange(prim):
            _scale_physics(child, scale)
    return prim


def free_path(stage: Usd.Stage, name: str) -> str:
    """A path under the default prim at which nothing stands."""
    root = stage.GetDefaultPrim()
    parent = root.GetPath() if root else Sdf.Path.absoluteRootPath
    path, number = parent.AppendChild(name), 1
    while stage.GetPrimAtPath(path):
        path, number = parent.AppendChild(f"{name}_{number:02d}"), number + 1
    return str(path)


def _scale_physics(prim: Usd.Prim, scale: float) -> None:
    for name, power in _POWERS.items():
        attribute = prim.GetAttribute(name)
        if attribute and attribute.HasAuthoredValue():
            _multiply(attribute, scale**power)
    if prim.IsA(UsdPhysics.PrismaticJoint) or prim.IsA(UsdPhysics.DistanceJoint):
        for name in ("physics:lowerLimit", "physics:upperLimit", "physics:minDistance", "physics:maxDistance"):
            attribute = prim.GetAttribute(name)
            if attribute and attribute.HasAuthoredValue():
                _multiply(attribute, scale, keep=lambda value: value < 0 and "Distance" in name)  # noqa: B023 - used at once


def _multiply(attribute: Usd.Attribute, factor: float, keep: Callable[[float], bool] = lambda _value: False) -> None:
    value = attribute.Get()
    if isinstance(value, float):
        if math.isfinite(value) and not keep(value):
            attribute.Set(value * factor)
    elif value is not None:
        attribute.Set(type(value)(*(part * factor for part in value)))

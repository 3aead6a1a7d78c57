# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""lyra_bot: a small differential-drive robot as plain UsdPhysics, and the stage in which it drives through a world.

Two driven wheels, one rear caster, a round deck, a bumper, a mast with a camera. Every joint, drive and mass is of the
standard UsdPhysics schemas, so that PhysX, Isaac Sim and Newton read the same file; PhysX extras are hints only.
The frame of base_link lies on the floor under the axle: x forward, y left, z up.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, UsdShade, Vt

from lyra_core.errors import InputError, WorldError
from lyra_core.types import Mesh
from lyra_core.usd.layers import add_class_label, new_stage, save_stage
from lyra_core.usd.meshes import write_collision
from lyra_core.usd.robot_shapes import BASE_PARTS, WHEEL_PARTS, Part, add_part, define_looks
from lyra_core.usd.world import define_physics_scene

__all__ = [
    "CAMERA_MOUNT",
    "CASTER_RADIUS",
    "ROBOT_NAME",
    "ROBOT_PRIM",
    "TRACK",
    "WHEEL_RADIUS",
    "write_drive_stage",
    "write_robot",
]

ROBOT_NAME = "lyra_bot"
ROBOT_PRIM = f"/World/Robots/{ROBOT_NAME}"
WHEEL_RADIUS = 0.07  # [m]
TRACK = 0.30  # [m] between the wheels' contact points
CASTER_RADIUS = 0.03  # [m]
CAMERA_MOUNT = (-0.055, 0.0, 0.395)
"""[m] optical centre of the camera in base_link; it looks along +x."""

_WHEEL_WIDTH = 0.036
_CASTER_X = -0.135
_BASE_MASS, _WHEEL_MASS, _CASTER_MASS = 6.0, 0.4, 0.15  # [kg]
# Batteries lie low and behind the axle: the caster stays on the floor when the robot brakes at 3 m/s^2.
_BASE_CENTER = (-0.045, 0.0, 0.075)
_BASE_INERTIA = (0.052, 0.060, 0.095)  # [kg m^2] disc of 0.18 m radius with the mast
_GRIP = (1.0, 0.9, 0.0)  # static, dynamic friction, restitution of rubber
_GLIDE = (0.03, 0.02, 0.0)  # not 0: mujoco-warp warns of NaN
_TEXT_ARRAY = 16  # longer arrays go into the binary layer
_DAMPING = 0.05  # [N m / (deg/s)] velocity gain of the drives
_TORQUE = 3.0  # [N m]


def write_robot(path: Path) -> Path:
    """Write the robot to a .usda file with default prim /lyra_bot; the same bytes every time. Returns path.

    The triangles of its looks stand in <stem>_meshes.usdc beside it, a sublayer.
    """
    stage = new_stage(ROBOT_NAME)
    root = stage.GetDefaultPrim()
    Usd.ModelAPI(root).SetKind("component")
    Usd.ModelAPI(root).SetAssetName(ROBOT_NAME)
    add_class_label(root, "robot")
    stage.GetRootLayer().documentation = (
        "lyra_bot, a differential-drive robot of lyra.worldgen (Apache-2.0). Drive left_wheel_joint and "
        "right_wheel_joint by velocity. base_link lies on the floor under the axle, x forward."
    )
    define_looks(stage, f"/{ROBOT_NAME}/Looks")
    for name, values, combine in (("grip", _GRIP, "average"), ("glide", _GLIDE, "min")):
        _define_surface(stage, f"/{ROBOT_NAME}/PhysicsMaterials/{name}", values, combine)
    _define_base(stage)
    for side, y in (("left", TRACK / 2), ("right", -TRACK / 2)):
        _define_wheel(stage, side, y)
    _define_caster(stage)
    meshes = _split_meshes(stage, path.with_name(f"{path.stem}_meshes.usdc"))
    return save_stage(stage, path, sublayers=[f"./{meshes.name}"])


def _split_meshes(stage: Usd.Stage, path: Path) -> Path:
    """Move the arrays of the meshes into a binary layer of overs: text is slow for them, and validators say so."""
    root, binary = stage.GetRootLayer(), new_stage(ROBOT_NAME)
    for prim in stage.Traverse():
        if not prim.IsA(UsdGeom.Mesh):
            continue
        binary.OverridePrim(prim.GetPath())
        spec = root.GetPrimAtPath(prim.GetPath())
        for attribute in list(spec.attributes):
            if attribute.HasDefaultValue() and attribute.typeName.isArray and len(attribute.default) > _TEXT_ARRAY:
                Sdf.CopySpec(root, attribute.path, binary.GetRootLayer(), attribute.path)
                spec.RemoveProperty(attribute)
    return save_stage(binary, path)


def _define_surface(stage: Usd.Stage, path: str, values: tuple[float, float, float], combine: str) -> None:
    UsdGeom.Scope.Define(stage, Sdf.Path(path).GetParentPath())
    material = UsdShade.Material.Define(stage, path)
    physics = UsdPhysics.MaterialAPI.Apply(material.GetPrim())
    physics.CreateStaticFrictionAttr(values[0])
    physics.CreateDynamicFrictionAttr(values[1])
    physics.CreateRestitutionAttr(values[2])
    # PhysX averages the two surfaces unless told otherwise: a gliding caster would drag.
    material.GetPrim().AddAppliedSchema("PhysxMaterialAPI")
    kind = Sdf.ValueTypeNames.Token
    material.GetPrim().CreateAttribute("physxMaterial:frictionCombineMode", kind, custom=False).Set(combine)


def _define_body(
    stage: Usd.Stage, name: str, at: tuple[float, float, float], mass: float, inertia: tuple[float, float, float]
) -> Usd.Prim:
    body = UsdGeom.Xform.Define(stage, f"/{ROBOT_NAME}/{name}")
    body.AddTranslateOp().Set(Gf.Vec3d(*at))
    prim = body.GetPrim()
    UsdPhysics.RigidBodyAPI.Apply(prim)
    masses = UsdPhysics.MassAPI.Apply(prim)
    masses.CreateMassAttr(mass)
    masses.CreateDiagonalInertiaAttr(Gf.Vec3f(*inertia))
    masses.CreatePrincipalAxesAttr(Gf.Quatf(1, 0, 0, 0))
    masses.CreateCenterOfMassAttr(Gf.Vec3f(0, 0, 0))
    return prim


def _add_collider(prim: Usd.Prim, material: str) -> None:
    UsdGeom.Imageable(prim).CreatePurposeAttr(UsdGeom.Tokens.guide)
    UsdPhysics.CollisionAPI.Apply(prim).CreateCollisionEnabledAttr(True)
    surface = UsdShade.Material.Get(prim.GetStage(), f"/{ROBOT_NAME}/PhysicsMaterials/{material}")
    UsdShade.MaterialBindingAPI.Apply(prim).Bind(surface, UsdShade.Tokens.weakerThanDescendants, "physics")


def _add_looks(stage: Usd.Stage, link: str, parts: Sequence[Part]) -> None:
    UsdGeom.Scope.Define(stage, f"/{ROBOT_NAME}/{link}/visuals")
    for part in parts:
        add_part(stage, f"/{ROBOT_NAME}/{link}/visuals", part, looks=f"/{ROBOT_NAME}/Looks")


def _define_base(stage: Usd.Stage) -> None:
    prim = _define_body(stage, "base_link", (0, 0, 0), _BASE_MASS, _BASE_INERTIA)
    UsdPhysics.MassAPI(prim).GetCenterOfMassAttr().Set(Gf.Vec3f(*_BASE_CENTER))
    UsdPhysics.ArticulationRootAPI.Apply(prim)
    prim.AddAppliedSchema("PhysxArticulationAPI")
    flag = prim.CreateAttribute("physxArticulation:enabledSelfCollisions", Sdf.ValueTypeNames.Bool, custom=False)
    flag.Set(False)
    _add_looks(stage, "base_link", BASE_PARTS)
    UsdGeom.Scope.Define(stage, f"/{ROBOT_NAME}/base_link/collisions")
    for name, radius, low, high, x in (("hull", 0.20, 0.045, 0.185, 0.0), ("mast", 0.035, 0.185, 0.42, -0.09)):
        shape = UsdGeom.Cylinder.Define(stage, f"/{ROBOT_NAME}/base_link/collisions/{name}")
        _size_cylinder(shape, radius, high - low, "Z")
        shape.AddTranslateOp().Set(Gf.Vec3d(x, 0, (low + high) / 2))
        _add_collider(shape.GetPrim(), "grip")
    _define_camera(stage)


def _define_camera(stage: Usd.Stage) -> None:
    """A USD camera at the lens: USD cameras look along -z with y up."""
    camera = UsdGeom.Camera.Define(stage, f"/{ROBOT_NAME}/base_link/camera")
    matrix = Gf.Matrix4d(0, -1, 0, 0, 0, 0, 1, 0, -1, 0, 0, 0, *CAMERA_MOUNT, 1)
    camera.AddTransformOp().Set(matrix)
    camera.CreateFocalLengthAttr(15.0)
    camera.CreateHorizontalApertureAttr(25.2)  # 80 degrees wide
    camera.CreateVerticalApertureAttr(18.9)
    camera.CreateClippingRangeAttr(Gf.Vec2f(0.05, 100.0))


def _size_cylinder(shape: UsdGeom.Cylinder, radius: float, height: float, axis: str) -> None:
    shape.CreateRadiusAttr(radius)
    shape.CreateHeightAttr(height)
    shape.CreateAxisAttr(axis)
    half = Gf.Vec3f(*(height / 2 if axis == name else radius for name in "XYZ"))
    shape.CreateExtentAttr(Vt.Vec3fArray([-half, half]))


def _define_wheel(stage: Usd.Stage, side: str, y: float) -> None:
    about_axle = 0.5 * _WHEEL_MASS * WHEEL_RADIUS**2
    across = _WHEEL_MASS * (3 * WHEEL_RADIUS**2 + _WHEEL_WIDTH**2) / 12
    name = f"{side}_wheel_link"
    _define_body(stage, name, (0, y, WHEEL_RADIUS), _WHEEL_MASS, (across, about_axle, across))
    _add_looks(stage, name, WHEEL_PARTS)
    UsdGeom.Scope.Define(stage, f"/{ROBOT_NAME}/{name}/collisions")
    shape = UsdGeom.Cylinder.Define(stage, f"/{ROBOT_NAME}/{name}/collisions/tyre")
    _size_cylinder(shape, WHEEL_RADIUS, _WHEEL_WIDTH, "Y")
    _add_collider(shape.GetPrim(), "grip")
    joint = UsdPhysics.RevoluteJoint.Define(stage, f"/{ROBOT_NAME}/joints/{side}_wheel_joint")
    _connect(joint, name, (0, y, WHEEL_RADIUS))
    joint.CreateAxisAttr("Y")
    drive = UsdPhysics.DriveAPI.Apply(joint.GetPrim(), "angular")
    drive.CreateTypeAttr("force")
    drive.CreateStiffnessAttr(0.0)
    drive.CreateDampingAttr(_DAMPING)
    drive.CreateMaxForceAttr(_TORQUE)
    drive.CreateTargetVelocityAttr(0.0)


def _connect(joint: UsdPhysics.Joint, link: str, at: tuple[float, float, float]) -> None:
    UsdGeom.Scope.Define(joint.GetPrim().GetStage(), f"/{ROBOT_NAME}/joints")
    joint.CreateBody0Rel().SetTargets([f"/{ROBOT_NAME}/base_link"])
    joint.CreateBody1Rel().SetTargets([f"/{ROBOT_NAME}/{link}"])
    joint.CreateLocalPos0Attr(Gf.Vec3f(*at))
    joint.CreateLocalPos1Attr(Gf.Vec3f(0, 0, 0))
    joint.CreateLocalRot0Attr(Gf.Quatf(1, 0, 0, 0))
    joint.CreateLocalRot1Attr(Gf.Quatf(1, 0, 0, 0))
    joint.CreateCollisionEnabledAttr(False)


def _define_caster(stage: Usd.Stage) -> None:
    """A gliding ball on a link of its own, so that whatever touches base_link is an obstacle and not the floor."""
    inertia = 0.4 * _CASTER_MASS * CASTER_RADIUS**2
    at = (_CASTER_X, 0.0, CASTER_RADIUS)
    _define_body(stage, "caster_link", at, _CASTER_MASS, (inertia, inertia, inertia))
    ball = Part("ball", "sphere", "steel", (CASTER_RADIUS,))
    _add_looks(stage, "caster_link", (ball,))
    UsdGeom.Scope.Define(stage, f"/{ROBOT_NAME}/caster_link/collisions")
    shape = UsdGeom.Sphere.Define(stage, f"/{ROBOT_NAME}/caster_link/collisions/ball")
    shape.CreateRadiusAttr(CASTER_RADIUS)
    shape.CreateExtentAttr(Vt.Vec3fArray([Gf.Vec3f(-CASTER_RADIUS), Gf.Vec3f(CASTER_RADIUS)]))
    _add_collider(shape.GetPrim(), "glide")
    _connect(UsdPhysics.FixedJoint.Define(stage, f"/{ROBOT_NAME}/joints/caster_joint"), "caster_link", at)


def write_drive_stage(
    path: Path,
    robot: Path,
    *,
    world: Path | None = None,
    tiles: Sequence[tuple[str, Mesh]] | None = None,
    floor_z: float = 0.0,
) -> Path:
    """Write a stage with a world and the robot at ROBOT_PRIM, 50 m above the floor until it is placed.

    Parameters
    ----------
    path: a .usda file; with tiles, their layer is written beside it.
    robot: the robot's USD file; its default prim is referenced.
    world: a world folder, whose world.usda is sublayered with its looks switched off; or
    tiles: (name, mesh) colliders instead (negative controls, tests), with the guide plane below floor_z [m].

    Errors: WorldError without world.usda or robot file, InputError if neither world nor tiles is given.
    """
    if not Path(robot).is_file():
        raise WorldError("The robot's USD file is missing", got=str(robot), do="Reinstall, or name another robot")
    stage = new_stage("World")
    sublayers: list[str] = []
    if tiles is not None:
        file = write_collision(path.with_name(f"{path.stem}_tiles.usdc"), tiles, floor_z=floor_z)
        UsdGeom.Xform.Define(stage, "/World/Collision").GetPrim().GetPayloads().AddPayload(f"./{file.name}")
    elif world is not None:
        root = Path(world).resolve() / "world.usda"
        if not root.is_file():
            raise WorldError("This folder has no world.usda", got=str(world), do="Give a finished world folder")
        sublayers = [str(root)]
        for part in ("Appearance", "Visual"):  # hundreds of MB of splats have no part in physics
            UsdGeom.Xform.Define(stage, f"/World/{part}").GetPrim().SetActive(False)
    else:
        raise InputError("A drive needs a world folder or collider tiles", got="neither", do="Give one of them")
    define_physics_scene(stage, "/World/DriveScene", ccd=False)
    Usd.ModelAPI(stage.GetDefaultPrim()).SetKind("assembly")
    Usd.ModelAPI(UsdGeom.Xform.Define(stage, str(Sdf.Path(ROBOT_PRIM).GetParentPath())).GetPrim()).SetKind("group")
    placed = UsdGeom.Xform.Define(stage, ROBOT_PRIM)
    placed.GetPrim().GetReferences().AddReference(str(Path(robot).resolve()))
    placed.AddTranslateOp().Set(Gf.Vec3d(0, 0, floor_z + 50.0))
    base = stage.OverridePrim(f"{ROBOT_PRIM}/base_link")
    base.AddAppliedSchema("PhysxContactReportAPI")
    base.CreateAttribute("physxContactReport:threshold", Sdf.ValueTypeNames.Float, custom=False).Set(0.0)
    base.AddAppliedSchema("PhysxRigidBodyAPI")
    base.CreateAttribute("physxRigidBody:sleepThreshold", Sdf.ValueTypeNames.Float, custom=False).Set(0.0)
    return save_stage(stage, path, sublayers=sublayers)

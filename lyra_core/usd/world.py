# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""The root layers of a world folder: world.usda (thin, payloads only) and world_physics.usda (adds a PhysicsScene).

The stage layout is a promise to users (DESIGN, section 4): /World/Appearance, /World/Visual, /World/Collision,
/World/Cameras, /World/Robots, /World/Spawn, /World/PhysicsMaterials, and the variant set `appearance` on /World.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, UsdShade

from lyra_core.errors import InputError
from lyra_core.types import CameraPath, Gaussians, Mesh
from lyra_core.usd.cameras import write_cameras
from lyra_core.usd.checks import require_gaussians, require_mesh
from lyra_core.usd.layers import add_class_label, new_stage, save_stage, usd_value
from lyra_core.usd.meshes import write_collision, write_visual
from lyra_core.usd.navigation import SpawnPose, write_navigation
from lyra_core.usd.splats import write_appearance

__all__ = ["APPEARANCES", "STEPS_PER_SECOND", "Appearance", "define_physics_scene", "write_world"]

Appearance = Literal["splat", "mesh", "both"]
APPEARANCES: tuple[Appearance, ...] = ("splat", "mesh", "both")

STEPS_PER_SECOND = 120
"""Suggested physics rate: small bodies at 60 Hz without CCD fall through triangle floors (facts/physics.md)."""

_FRICTION = (0.8, 0.6, 0.0)  # static, dynamic, restitution of a dry hard floor
_PARTS = (
    ("Appearance", "./payload/appearance.usdc", "component"),
    ("Visual", "./payload/visual.usdc", "component"),
    ("Collision", "./payload/collision.usdc", "component"),
    ("Cameras", "./payload/cameras.usda", None),
    ("Spawn", "./payload/navigation.usda", None),
)


def write_world(  # noqa: PLR0913 - one argument per part of a world
    folder: Path,
    *,
    gaussians: Gaussians,
    visual: Mesh,
    tiles: Sequence[tuple[str, Mesh]],
    camera_path: CameraPath,
    spawns: Sequence[SpawnPose] = (),
    sky: Gaussians | None = None,
    floor_z: float | None = 0.0,
    metadata: Mapping[str, Any] | None = None,
    labels: Mapping[str, str | Sequence[str]] | None = None,
    visual_parts: Sequence[tuple[str, str, Mesh]] = (),
    map_metadata: Mapping[str, Any] | None = None,
    appearance: Appearance = "splat",
) -> tuple[Path, ...]:
    """Write world.usda, world_physics.usda and payload/* into folder; nothing is written if an array is broken.

    Parameters
    ----------
    gaussians, sky: Gaussians in the world; sky is optional and becomes its own splat prim.
    visual: coloured mesh, shown by the variants mesh and both. tiles: (name, mesh) colliders, <= 65,536 triangles
        each, counter-clockwise seen from the free side (PhysX is one-sided). All points in world metres.
    camera_path: the cameras of the video. spawns: robot poses. floor_z: height [m] of the floor;
        None if there is none.
    metadata: provenance (scale source, models, seed, ...); stored as customLayerData `lyra`.
    labels: semantic class by path under /World, e.g. {"Visual/mesh": "room", "Collision/tile_0_0": "floor"};
        /World itself is always `environment`. A tile may have several.
    visual_parts: (name, class label, mesh) of the pieces of visual; each becomes a prim /World/Visual/mesh/<name>.
    map_metadata: what is known of the occupancy map. appearance: the variant that is selected at first.

    Returns the written paths. Errors: InputError for broken arrays or names, WorldError if a file cannot be written.
    """
    labels = dict(labels or {})
    unknown = set(labels) - {"Visual/mesh", *(f"Collision/{name}" for name, _ in tiles)}
    if unknown:
        raise InputError(
            "Labels must name parts of the world",
            got=", ".join(sorted(unknown)[:5]),
            do="Use Visual/mesh or Collision/<tile name>",
        )
    require_gaussians(gaussians, "gaussians")
    if sky is not None and len(sky):
        require_gaussians(sky, "sky")
    require_mesh(visual, "visual mesh")
    fps = camera_path.fps
    payload = Path(folder) / "payload"
    tile_labels = {name: labels[f"Collision/{name}"] for name, _ in tiles if f"Collision/{name}" in labels}
    return (
        write_collision(payload / "collision.usdc", tiles, floor_z=floor_z, labels=tile_labels, fps=fps),
        write_visual(
            payload / "visual.usdc", visual, label=_one(labels.get("Visual/mesh")), parts=visual_parts, fps=fps
        ),
        write_appearance(payload / "appearance.usdc", gaussians, sky, fps=fps),
        *write_cameras(payload / "cameras.usda", camera_path),
        write_navigation(payload / "navigation.usda", spawns, map_metadata=map_metadata, fps=fps),
        _write_root(Path(folder) / "world.usda", camera_path, metadata or {}, appearance),
        _write_physics_root(Path(folder) / "world_physics.usda", camera_path),
    )


def _one(label: str | Sequence[str] | None) -> str | None:
    return label if label is None or isinstance(label, str) else label[0]


def _write_root(path: Path, camera_path: CameraPath, metadata: Mapping[str, Any], appearance: Appearance) -> Path:
    stage = new_stage("World", fps=camera_path.fps, frames=len(camera_path))
    world = stage.GetDefaultPrim()
    Usd.ModelAPI(world).SetKind("assembly")
    Usd.ModelAPI(world).SetAssetName("world")
    add_class_label(world, "environment")
    for name, asset, kind in _PARTS:
        prim = UsdGeom.Xform.Define(stage, f"/World/{name}").GetPrim()
        prim.GetPayloads().AddPayload(asset)
        if kind:
            Usd.ModelAPI(prim).SetKind(kind)
    Usd.ModelAPI(UsdGeom.Xform.Define(stage, "/World/Robots").GetPrim()).SetKind("group")
    UsdGeom.Xform.Define(stage, "/World/PhysicsMaterials")
    surface = _define_material(stage, "/World/PhysicsMaterials/surface")
    # Bound here and inherited by all tiles: the material stays under the default prim of the layer that binds it.
    binding = UsdShade.MaterialBindingAPI.Apply(stage.GetPrimAtPath("/World/Collision"))
    binding.Bind(surface, UsdShade.Tokens.fallbackStrength, "physics")
    _add_variants(stage, world, appearance)
    _note_scale(world, metadata)
    layer = stage.GetRootLayer()
    layer.customLayerData = {"lyra": usd_value({"pose_convention": _POSES, **metadata})}
    layer.documentation = "A world made by lyra.worldgen. Z up, metres. Reference /World; add your own physics scene."
    return save_stage(stage, path)


def _note_scale(world: Usd.Prim, metadata: Mapping[str, Any]) -> None:
    """How far the metres can be trusted, on the prim: layer metadata is lost where the world is referenced."""
    known = {name: usd_value(metadata[name]) for name in _SCALE if name in metadata}
    if not known:
        return
    world.SetCustomDataByKey("lyra", known)
    if known.get("scale_is_a_guess"):
        note = (
            f"The scale is a guess ({known.get('scale_source', '')}). Measure one length and apply: lyra rescale WORLD"
        )
        world.SetMetadata("documentation", note)


_SCALE = ("scale_source", "scale_confidence", "scale_is_a_guess", "camera_height_m", "floor_found", "level_method")
_POSES = "world_from_camera; OpenCV cameras (x right, y down, z forward) were converted to USD cameras"


def _define_material(stage: Usd.Stage, path: str) -> UsdShade.Material:
    material = UsdShade.Material.Define(stage, path)
    physics = UsdPhysics.MaterialAPI.Apply(material.GetPrim())
    physics.CreateStaticFrictionAttr(_FRICTION[0])
    physics.CreateDynamicFrictionAttr(_FRICTION[1])
    physics.CreateRestitutionAttr(_FRICTION[2])
    return material


def _add_variants(stage: Usd.Stage, world: Usd.Prim, appearance: Appearance) -> None:
    """splat hides the mesh, mesh hides the splats (inactive: neither loaded nor rendered), both hides nothing."""
    if appearance not in APPEARANCES:
        raise InputError("Unknown appearance variant", got=appearance, do=f"Use one of {', '.join(APPEARANCES)}")
    variants = world.GetVariantSets().AddVariantSet("appearance")
    hidden = {"splat": "Visual", "mesh": "Appearance", "both": None}
    for name in APPEARANCES:
        variants.AddVariant(name)
        variants.SetVariantSelection(name)
        part = hidden[name]
        if part is None:
            continue
        with variants.GetVariantEditContext():
            UsdGeom.Xform.Define(stage, f"/World/{part}").GetPrim().SetActive(False)
    variants.SetVariantSelection(appearance)


def define_physics_scene(stage: Usd.Stage, path: str, *, ccd: bool = True) -> None:
    """Author a PhysicsScene: gravity 9.81 m/s^2 down, 120 steps per second, CCD allowed, CPU broad phase."""
    scene = UsdPhysics.Scene.Define(stage, path)
    scene.CreateGravityDirectionAttr(Gf.Vec3f(0, 0, -1))
    scene.CreateGravityMagnitudeAttr(9.81)
    prim = scene.GetPrim()
    prim.AddAppliedSchema("PhysxSceneAPI")
    names = Sdf.ValueTypeNames
    for name, kind, value in (
        ("timeStepsPerSecond", names.UInt, STEPS_PER_SECOND),
        ("enableCCD", names.Bool, ccd),
        ("enableGPUDynamics", names.Bool, False),
        ("broadphaseType", names.Token, "MBP"),
    ):
        prim.CreateAttribute(f"physxScene:{name}", kind, custom=False).Set(value)


def _write_physics_root(path: Path, camera_path: CameraPath) -> Path:
    stage = new_stage("World", fps=camera_path.fps, frames=len(camera_path))
    define_physics_scene(stage, "/World/PhysicsScene")
    stage.GetRootLayer().documentation = "world.usda with a physics scene, for engines that run a file on its own."
    return save_stage(stage, path, sublayers=["./world.usda"])

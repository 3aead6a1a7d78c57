# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""The looks of lyra_bot as gprims and turned meshes, and any robot's looks back as triangles for our renderers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, UsdShade, Vt

from lyra_core.types import Mesh
from lyra_core.usd.layers import open_stage
from lyra_core.usd.meshes import define_mesh, linear_from_srgb

__all__ = ["BASE_PARTS", "WHEEL_PARTS", "Part", "RobotLook", "add_part", "define_looks", "read_robot_look"]

_SEGMENTS = 32
# name: sRGB colour, roughness, metallic, emissive share
_LOOKS = {
    "shell": ((240, 238, 232), 0.35, 0.0, 0.0),
    "graphite": ((46, 50, 57), 0.5, 0.1, 0.0),
    "accent": ((255, 122, 26), 0.45, 0.0, 0.0),
    "rubber": ((26, 27, 29), 0.9, 0.0, 0.0),
    "steel": ((176, 182, 190), 0.25, 0.9, 0.0),
    "lens": ((22, 34, 66), 0.08, 0.0, 0.0),
    "light": ((70, 225, 255), 0.3, 0.0, 1.0),
    "tail": ((255, 48, 40), 0.3, 0.0, 0.8),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One visible piece of a link.

    Attributes
    ----------
    shape: sphere (radius,), cylinder (radius, height), box (x, y, z), turned (r0, z0, r1, z1, ... about `axis`), or
        band (radius, low, high, half angle [deg], thickness): a wall around z that faces +x.
    look: a key of the colour table. at: position in the link [m]. axis: X, Y or Z of cylinders and turned parts.
    """

    name: str
    shape: str
    look: str
    size: tuple[float, ...]
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    axis: str = "Z"


_DECK = (0.0, 0.152, 0.182, 0.152, 0.194, 0.157, 0.198, 0.165, 0.194, 0.176, 0.182, 0.183, 0.0, 0.185)
_TUB = (0.0, 0.045, 0.105, 0.045, 0.122, 0.052, 0.130, 0.068, 0.130, 0.135, 0.124, 0.152, 0.0, 0.152)
_PUCK = (0.0, 0.0, 0.036, 0.0, 0.038, 0.006, 0.038, 0.026, 0.034, 0.033, 0.0, 0.035)
_TYRE = (0.045, -0.018, 0.062, -0.018, 0.069, -0.013, 0.07, -0.006, 0.07, 0.006, 0.069, 0.013, 0.062, 0.018, 0.045, 0.018, 0.045, -0.018)  # fmt: skip
_HEAD_X, _HEAD_Z = -0.085, 0.395

BASE_PARTS = (
    Part("tub", "turned", "shell", _TUB),
    Part("deck", "turned", "graphite", _DECK),
    Part("light_ring", "turned", "light", (0.186, 0.147, 0.196, 0.149, 0.196, 0.154, 0.186, 0.156, 0.186, 0.147)),
    Part("bumper", "band", "accent", (0.2, 0.062, 0.108, 52.0, 0.014)),
    Part("bumper_strut_left", "box", "graphite", (0.06, 0.016, 0.02), (0.142, 0.07, 0.085)),
    Part("bumper_strut_right", "box", "graphite", (0.06, 0.016, 0.02), (0.142, -0.07, 0.085)),
    Part("caster_fork", "cylinder", "graphite", (0.034, 0.105), (-0.135, 0.0, 0.0985)),
    Part("lidar", "turned", "shell", _PUCK, (0.075, 0.0, 0.185)),
    Part("lidar_window", "turned", "lens", (0.0385, 0.010, 0.0385, 0.022), (0.075, 0.0, 0.185)),
    Part("mast_foot", "cylinder", "accent", (0.022, 0.012), (-0.09, 0.0, 0.191)),
    Part("mast", "cylinder", "steel", (0.011, 0.18), (-0.09, 0.0, 0.285)),
    Part("head", "box", "shell", (0.045, 0.115, 0.045), (_HEAD_X, 0.0, _HEAD_Z)),
    Part("visor", "box", "graphite", (0.006, 0.103, 0.034), (_HEAD_X + 0.024, 0.0, _HEAD_Z)),
    Part("lens_left", "cylinder", "lens", (0.012, 0.008), (_HEAD_X + 0.029, 0.03, _HEAD_Z), "X"),
    Part("lens_right", "cylinder", "lens", (0.012, 0.008), (_HEAD_X + 0.029, -0.03, _HEAD_Z), "X"),
    Part("lamp", "cylinder", "light", (0.005, 0.008), (_HEAD_X + 0.029, 0.0, _HEAD_Z), "X"),
    Part("tail_left", "box", "tail", (0.008, 0.035, 0.012), (-0.186, 0.05, 0.169)),
    Part("tail_right", "box", "tail", (0.008, 0.035, 0.012), (-0.186, -0.05, 0.169)),
)
WHEEL_PARTS = (
    Part("tyre", "turned", "rubber", _TYRE, axis="Y"),
    Part("hub", "cylinder", "steel", (0.046, 0.028), axis="Y"),
    Part("cap", "cylinder", "accent", (0.016, 0.034), axis="Y"),
    Part("spoke_a", "box", "graphite", (0.084, 0.031, 0.012)),
    Part("spoke_b", "box", "graphite", (0.012, 0.031, 0.084)),
)


def define_looks(stage: Usd.Stage, path: str) -> None:
    """One UsdPreviewSurface material per colour under path."""
    UsdGeom.Scope.Define(stage, path)
    kinds = Sdf.ValueTypeNames
    for name, (_, roughness, metallic, glow) in _LOOKS.items():
        material = UsdShade.Material.Define(stage, f"{path}/{name}")
        shader = UsdShade.Shader.Define(stage, f"{path}/{name}/surface")
        shader.CreateIdAttr("UsdPreviewSurface")
        color = _linear(name)
        shader.CreateInput("diffuseColor", kinds.Color3f).Set(color)
        shader.CreateInput("roughness", kinds.Float).Set(roughness)
        shader.CreateInput("metallic", kinds.Float).Set(metallic)
        if glow:
            shader.CreateInput("emissiveColor", kinds.Color3f).Set(color * glow)
        shader.CreateOutput("surface", kinds.Token)
        material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")


def _linear(look: str) -> Gf.Vec3f:
    linear = linear_from_srgb(np.array(_LOOKS[look][0], np.uint8))
    return Gf.Vec3f(*(round(float(value), 4) for value in linear))


def add_part(stage: Usd.Stage, folder: str, part: Part, *, looks: str) -> None:
    """Author a part under folder: gprims stay gprims, turned parts become triangle meshes; no collision."""
    path = f"{folder}/{part.name}"
    if part.shape in ("turned", "band"):
        mesh = _turned(part) if part.shape == "turned" else _band(*part.size)
        prim: UsdGeom.Gprim = define_mesh(stage, path, mesh)
    elif part.shape == "sphere":
        prim = UsdGeom.Sphere.Define(stage, path)
        prim.CreateRadiusAttr(part.size[0])
        prim.CreateExtentAttr(Vt.Vec3fArray([Gf.Vec3f(-part.size[0]), Gf.Vec3f(part.size[0])]))
    elif part.shape == "cylinder":
        prim = UsdGeom.Cylinder.Define(stage, path)
        radius, height = part.size
        prim.CreateRadiusAttr(radius)
        prim.CreateHeightAttr(height)
        prim.CreateAxisAttr(part.axis)
        half = Gf.Vec3f(*(height / 2 if part.axis == name else radius for name in "XYZ"))
        prim.CreateExtentAttr(Vt.Vec3fArray([-half, half]))
    else:
        prim = UsdGeom.Cube.Define(stage, path)
        prim.CreateSizeAttr(1.0)
        prim.CreateExtentAttr(Vt.Vec3fArray([Gf.Vec3f(-0.5), Gf.Vec3f(0.5)]))
    if any(part.at):
        prim.AddTranslateOp().Set(Gf.Vec3d(*part.at))
    if part.shape == "box":
        prim.AddScaleOp().Set(Gf.Vec3f(*part.size))
    prim.CreateDisplayColorAttr(Vt.Vec3fArray([_linear(part.look)]))
    material = UsdShade.Material.Get(stage, f"{looks}/{part.look}")
    UsdShade.MaterialBindingAPI.Apply(prim.GetPrim()).Bind(material)


def _turned(part: Part) -> Mesh:
    """Turn the profile (r, z) about the axis; the profile runs so that its left side is inside."""
    profile = np.array(part.size).reshape(-1, 2)
    angle = np.arange(_SEGMENTS) * (2 * np.pi / _SEGMENTS)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.concatenate(
        [profile[:, None, :1] * ring[None], np.broadcast_to(profile[:, None, 1:], (len(profile), _SEGMENTS, 1))], axis=2
    )
    index = np.arange(len(profile) * _SEGMENTS).reshape(len(profile), _SEGMENTS)
    a, b = index[:-1], index[1:]
    c, d = np.roll(b, -1, axis=1), np.roll(a, -1, axis=1)
    faces = np.concatenate([np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)])
    return _tidy(points.reshape(-1, 3), faces, part.axis)


def _band(radius: float, low: float, high: float, half: float, thickness: float) -> Mesh:
    """A closed curved wall between the angles -half..half [deg], its outer side at radius."""
    angle = np.radians(np.linspace(-half, half, 17))
    edge = 0.3 * thickness  # rounded rim: the outer corners are cut
    section = np.array(
        [
            (radius - thickness, low),
            (radius - edge, low),
            (radius, low + edge),
            (radius, high - edge),
            (radius - edge, high),
            (radius - thickness, high),
        ]
    )
    points = np.stack(
        [
            section[None, :, 0] * np.cos(angle)[:, None],
            section[None, :, 0] * np.sin(angle)[:, None],
            np.broadcast_to(section[None, :, 1], (len(angle), len(section))),
        ],
        axis=-1,
    )
    n = len(section)
    index = np.arange(len(angle) * n).reshape(len(angle), n)
    a, b = index[:-1], index[1:]
    c, d = np.roll(b, -1, axis=1), np.roll(a, -1, axis=1)
    sides = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    start = np.array([(index[0, 0], index[0, i], index[0, i + 1]) for i in range(1, n - 1)])
    end = np.array([(index[-1, 0], index[-1, i + 1], index[-1, i]) for i in range(1, n - 1)])
    return _tidy(points.reshape(-1, 3), np.concatenate([sides, start, end]), "Z")


def _tidy(points: NDArray[np.float64], faces: NDArray[np.int64], axis: str) -> Mesh:
    """Merge equal points, drop empty triangles, turn z into the axis; five decimals keep the file small."""
    order = {"Z": (0, 1, 2), "Y": (1, 2, 0), "X": (2, 0, 1)}[axis]  # cyclic: keeps the winding
    unique, inverse = np.unique(np.round(points[:, order], 5), axis=0, return_inverse=True)
    faces = inverse.reshape(-1)[faces]
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    mesh = Mesh(unique.astype(np.float32), faces[whole].astype(np.int32))
    from lyra_core.usd.meshes import vertex_normals

    normals = np.round(vertex_normals(mesh), 3)
    return Mesh(mesh.vertices, mesh.faces, normals / np.linalg.norm(normals, axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class RobotLook:
    """What is seen of a robot.

    Attributes
    ----------
    links: triangles of each rigid body in its own frame [m], with vertex colours (sRGB); by prim name.
    rest: (4, 4) pose of each body in the robot's frame when all joints are at 0.
    """

    links: dict[str, Mesh]
    rest: dict[str, NDArray[np.float64]]


def read_robot_look(path: Path) -> RobotLook:
    """The visible gprims of a robot file, tessellated. Errors: WorldError if it cannot be opened."""
    stage = open_stage(path)
    root = stage.GetDefaultPrim()
    cache = UsdGeom.XformCache()
    links: dict[str, Mesh] = {}
    rest: dict[str, NDArray[np.float64]] = {}
    for body in (p for p in root.GetChildren() if p.HasAPI(UsdPhysics.RigidBodyAPI)):
        meshes = []
        for prim in Usd.PrimRange(body):
            if prim.IsA(UsdGeom.Gprim) and UsdGeom.Imageable(prim).ComputePurpose() != UsdGeom.Tokens.guide:
                matrix = np.array(cache.ComputeRelativeTransform(prim, body)[0])
                meshes.append(_triangles_of(prim, matrix))
        if meshes:
            links[body.GetName()] = _joined(meshes)
            rest[body.GetName()] = np.array(cache.ComputeRelativeTransform(body, root)[0]).T.copy()
    return RobotLook(links, rest)


def _triangles_of(prim: Usd.Prim, matrix: NDArray[np.float64]) -> Mesh:
    """The tessellated gprim in its link's frame; matrix is USD's (row vectors)."""
    if prim.IsA(UsdGeom.Mesh):
        mesh = UsdGeom.Mesh(prim)
        points = np.array(mesh.GetPointsAttr().Get(), np.float64)
        faces = np.array(mesh.GetFaceVertexIndicesAttr().Get(), np.int64).reshape(-1, 3)
    else:
        solid = _solid_of(prim)
        points, faces = solid.vertices.astype(np.float64), solid.faces
    points = points @ matrix[:3, :3] + matrix[3, :3]
    shown = UsdGeom.Gprim(prim).GetDisplayColorAttr().Get()
    linear = np.array(shown[0] if shown else (0.5, 0.5, 0.5), np.float64)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)
    colors = np.broadcast_to(np.rint(255 * np.clip(srgb, 0, 1)), (len(points), 3)).astype(np.uint8)
    return Mesh(points.astype(np.float32), faces.astype(np.int32), None, colors)


def _solid_of(prim: Usd.Prim) -> Mesh:
    if prim.IsA(UsdGeom.Sphere):
        radius = float(UsdGeom.Sphere(prim).GetRadiusAttr().Get())
        angle = np.linspace(-np.pi / 2, np.pi / 2, 9)
        size = tuple(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).ravel().tolist())
        return _turned(Part("sphere", "turned", "steel", size))
    if prim.IsA(UsdGeom.Cylinder):
        shape = UsdGeom.Cylinder(prim)
        radius, half = float(shape.GetRadiusAttr().Get()), float(shape.GetHeightAttr().Get()) / 2
        size = (0.0, -half, radius, -half, radius, half, 0.0, half)
        return _turned(Part("cylinder", "turned", "steel", size, axis=str(shape.GetAxisAttr().Get())))
    half = float(UsdGeom.Cube(prim).GetSizeAttr().Get()) / 2
    corners = half * np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]
    return Mesh(corners.astype(np.float32), np.array(faces, np.int32))


def _joined(meshes: list[Mesh]) -> Mesh:
    offsets = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + int(o) for m, o in zip(meshes, offsets, strict=True)]).astype(np.int32),
        None,
        np.concatenate([m.colors for m in meshes if m.colors is not None]),
    )

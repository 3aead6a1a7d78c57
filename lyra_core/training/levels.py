# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Quake III levels (IBSP version 46) as textured, lightmapped scenes in metres.

A level is a zip member `maps/NAME.bsp`; its textures and shader scripts lie in any of the archives beside it.
Format: the IBSP lump table of id Tech 3 (entities, textures, models, vertices, mesh vertices, faces, lightmaps).
Level units are about 2.75 cm: a player is 56 units tall with the eye at 50. Levels are Z up already.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.training.bsp_file import entities, lump, table, vector
from lyra_core.training.level_materials import LevelArchive, Material
from lyra_core.training.patches import patch_index_grid, tessellate_patch
from lyra_core.training.renderer import TexturedScene

__all__ = ["UNIT", "Level", "is_held_out", "level_names", "read_level", "soften_light"]

UNIT = 0.0275  # metres per level unit

_VERTEX = np.dtype(
    [("xyz", "<f4", 3), ("uv", "<f4", 2), ("lightmap", "<f4", 2), ("normal", "<f4", 3), ("rgba", "u1", 4)]
)
_SURFACE = np.dtype([("name", "S64"), ("flags", "<i4"), ("contents", "<i4")])
_MODEL = np.dtype([("box", "<f4", 6), ("face", "<i4"), ("faces", "<i4"), ("brush", "<i4"), ("brushes", "<i4")])
_FACE = np.dtype(
    [
        ("surface", "<i4"),
        ("effect", "<i4"),
        ("kind", "<i4"),
        ("vertex", "<i4"),
        ("vertices", "<i4"),
        ("meshvert", "<i4"),
        ("meshverts", "<i4"),
        ("lightmap", "<i4"),
        ("rest", "<i4", 16),
        ("size", "<i4", 2),
    ]
)
_LIGHT_GAMMA, _LIGHT_SATURATION, _LIGHT_AMBIENT = 1.3, 0.6, 0.01
_ENTITIES, _SURFACES, _MODELS, _VERTICES, _MESHVERTS, _FACES, _LIGHTMAPS = 0, 1, 7, 10, 11, 13, 14
_POLYGON, _PATCH, _MESH = 1, 2, 3
_PLACES = ("info_player", "item_", "weapon_", "ammo_", "team_", "holdable_")


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """A level ready to render.

    Attributes
    ----------
    name: the map's file name without folder and suffix.
    scene: triangles, textures and light; metres, Z up.
    places: (P, 3) float64 points [m] at or above walkable floor (spawn points and items).
    bare: share of its area whose texture the archives lack; it is grey there.
    """

    name: str
    scene: TexturedScene
    places: NDArray[np.float64]
    bare: float = 0.0


def level_names(archive: LevelArchive) -> tuple[str, ...]:
    """Return the names of all maps of the archives, sorted by file name: the order that the hold-out rule counts."""
    return tuple(sorted(Path(name).stem for name in archive.names if re.fullmatch(r"maps/[^/]+\.bsp", name)))


def is_held_out(index: int) -> bool:
    """Every ninth map, counted in the order of level_names, is never trained on."""
    return index % 9 == 4


def _places(entities: Sequence[dict[str, str]]) -> NDArray[np.float64]:
    """(P, 3) points [m] of entities that stand on walkable floor."""
    points = [
        origin
        for entity in entities
        if entity.get("classname", "").startswith(_PLACES) and (origin := vector(entity, "origin")) is not None
    ]
    return np.array(points).reshape(-1, 3) * UNIT


def _offsets(entities: Sequence[dict[str, str]], models: NDArray, faces: int) -> NDArray[np.float32]:
    """(faces, 3) translation [units]: faces of a moving model are stored relative to its entity's origin."""
    offsets = np.zeros((faces, 3), np.float32)
    for entity in entities:
        index, origin = entity.get("model", ""), vector(entity, "origin")
        if index.startswith("*") and index[1:].isdigit() and int(index[1:]) < len(models) and origin is not None:
            model = models[int(index[1:])]
            offsets[model["face"] : model["face"] + model["faces"]] = origin
    return offsets


@dataclass(slots=True)
class _Soup:
    """Corner arrays of all triangles: vertices (M, ...) records and (F, 3) corners into them."""

    vertices: list[NDArray]
    corners: list[NDArray[np.int64]]
    material: list[NDArray[np.int64]]
    lightmap: list[NDArray[np.int64]]
    count: int = 0

    def add(self, vertices: NDArray, corners: NDArray, material: int, lightmap: int) -> None:
        self.vertices.append(vertices)
        self.corners.append(corners.reshape(-1, 3).astype(np.int64) + self.count)
        self.material.append(np.full(len(self.corners[-1]), material, np.int64))
        self.lightmap.append(np.full(len(self.corners[-1]), lightmap, np.int64))
        self.count += len(vertices)


def _collect(data: bytes, materials: Sequence[Material | None], entities: Sequence[dict[str, str]]) -> _Soup:
    """Triangulate all visible faces; a material of None hides its faces."""
    vertices, meshverts = table(data, _VERTICES, _VERTEX), table(data, _MESHVERTS, np.dtype("<i4"))
    faces = table(data, _FACES, _FACE)
    offsets = _offsets(entities, table(data, _MODELS, _MODEL), len(faces))
    soup = _Soup([], [], [], [])
    for face, offset in zip(faces, offsets, strict=True):
        if materials[face["surface"]] is None or face["kind"] not in (_POLYGON, _PATCH, _MESH):
            continue
        corner = vertices[face["vertex"] : face["vertex"] + face["vertices"]].copy()
        corner["xyz"] += offset
        if face["kind"] == _PATCH:
            columns, rows = (int(n) for n in face["size"])
            if columns < 3 or rows < 3 or columns * rows != len(corner):
                continue
            corner, shape = tessellate_patch(corner.reshape(rows, columns))
            index = patch_index_grid(*shape)
        else:
            index = meshverts[face["meshvert"] : face["meshvert"] + face["meshverts"]]
            index = index[: len(index) // 3 * 3]
            if len(index) and (index.min() < 0 or index.max() >= len(corner)):
                continue
        soup.add(corner, index, int(face["surface"]), int(face["lightmap"]))
    return soup


def soften_light(stored: NDArray[np.uint8] | NDArray[np.float64]) -> NDArray[np.float32]:
    """Baked light (..., 3) 0..255 to linear light, softened: games light far more harshly and colourfully than rooms are."""
    light = (stored / np.float32(255.0)) ** np.float32(_LIGHT_GAMMA)
    grey = light.mean(axis=-1, keepdims=True)
    return (grey + _LIGHT_SATURATION * (light - grey) + _LIGHT_AMBIENT).astype(np.float32)


def _pages(archive: LevelArchive, name: str, data: bytes, faces: NDArray) -> list[NDArray[np.uint8]]:
    """Baked light: pages of 128 x 128 inside the file, or pictures of any size beside it (maps/NAME/lm_0000 ...)."""
    raw = np.frombuffer(lump(data, _LIGHTMAPS), np.uint8)
    size = 128 * 128 * 3
    if len(raw) >= size:
        return list(raw[: len(raw) // size * size].reshape(-1, 128, 128, 3))
    pages = []
    for index in range(int(faces["lightmap"].max(initial=-1)) + 1):
        page = archive.image(f"maps/{name}/lm_{index:04d}", largest=1024)
        pages.append(np.full((2, 2, 3), 128, np.uint8) if page is None else np.ascontiguousarray(page[..., :3]))
    return pages


def _scene(soup: _Soup, materials: Sequence[Material | None], lightmaps: Sequence[NDArray[np.uint8]]) -> TexturedScene:
    vertices, corners = np.concatenate(soup.vertices), np.concatenate(soup.corners)
    surface, lightmap = np.concatenate(soup.material), np.concatenate(soup.lightmap)
    xyz = vertices["xyz"].astype(np.float64) * UNIT
    edges = np.cross(xyz[corners[:, 1]] - xyz[corners[:, 0]], xyz[corners[:, 2]] - xyz[corners[:, 0]])
    keep = np.linalg.norm(edges, axis=1) > 1e-7  # slivers of zero area break the bounding volume hierarchy
    corners, surface, lightmap = corners[keep], surface[keep], lightmap[keep]
    used = sorted(set(surface.tolist()))
    slot = np.zeros(len(materials), np.int32)
    slot[used] = np.arange(len(used))
    kept = [material for i in used if (material := materials[i]) is not None]
    lightmap = np.where((lightmap >= 0) & (lightmap < len(lightmaps)), lightmap, -1)
    return TexturedScene(
        vertices=xyz.astype(np.float32),
        faces=corners.astype(np.int32),
        uvs=vertices["uv"][corners].astype(np.float32),
        face_texture=slot[surface],
        textures=[material.image for material in kept],
        lightmap_uvs=vertices["lightmap"][corners].astype(np.float32),
        face_lightmap=lightmap.astype(np.int32),
        lightmaps=[soften_light(page) for page in lightmaps],
        vertex_light=soften_light(vertices["rgba"][corners][..., :3]),
        face_sky=np.array([material.sky for material in kept], bool)[slot[surface]],
        face_emission=np.array([float(material.emissive) for material in kept], np.float32)[slot[surface]],
    )


def _bare(soup: _Soup, materials: Sequence[Material | None]) -> float:
    """Share of the area whose picture is missing."""
    corners = np.concatenate(soup.vertices)["xyz"][np.concatenate(soup.corners)].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    missing = np.array([material is not None and material.bare for material in materials], bool)
    return float(area[missing[np.concatenate(soup.material)]].sum() / max(float(area.sum()), 1e-9))


def read_level(archive: LevelArchive, name: str) -> Level:
    """Read `maps/NAME.bsp` with its textures.

    Raises
    ------
    InputError: no such map, not an IBSP 46 file, or nothing visible in it.
    """
    data = archive.read(f"maps/{name}.bsp")
    if data[:4] != b"IBSP" or struct.unpack_from("<i", data, 4)[0] != 46:
        raise InputError(
            "A level must be an IBSP version 46 file",
            got=f"{name}: header {data[:8]!r}",
            do="Give a Quake III level (.bsp)",
        )
    listed = entities(lump(data, _ENTITIES).decode("latin-1"))
    materials = [
        archive.material(row["name"].partition(b"\0")[0].decode("latin-1"), int(row["flags"]), int(row["contents"]))
        for row in table(data, _SURFACES, _SURFACE)
    ]
    soup = _collect(data, materials, listed)
    pages = _pages(archive, name, data, table(data, _FACES, _FACE))
    if not soup.corners:
        raise InputError("The level shows no surface", got=name, do="Leave this map out")
    return Level(name, _scene(soup, materials, pages), _places(listed), _bare(soup, materials))

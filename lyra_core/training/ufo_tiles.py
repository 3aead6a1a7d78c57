# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Compiled tiles of UFO: Alien Invasion (IBSP version 78): lit, textured triangles in map units.

The format descends from that of Quake 2: faces are polygons along edges, texture coordinates are planes in space, and
each face has a page of light of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.training.bsp_file import entities, lump, table, vector

__all__ = ["Surface", "Tile", "parse_tile"]

_F = NDArray[np.float64]

_ENTITIES, _VERTICES, _TEXINFO, _FACES, _LIGHT_DAY, _EDGES, _SURFEDGES, _MODELS = 0, 2, 5, 6, 8, 11, 12, 13
_TEXINFO_TYPE = np.dtype([("plane", "<f4", (2, 4)), ("flags", "<u4"), ("value", "<u4"), ("name", "S32")])
_FACE = np.dtype(
    [("plane", "<u2"), ("side", "<i2"), ("edge", "<i4"), ("edges", "<i2"), ("surface", "<i2"), ("light", "<i4", 2)]
)
_MODEL = np.dtype([("box", "<f4", 6), ("origin", "<f4", 3), ("node", "<i4"), ("face", "<i4"), ("faces", "<i4")])
_DAY = 1
_LUXEL = 6  # bytes: colour, and the direction that it comes from
_FIXED_MODELS = 259  # 256 combinations of storeys, and three sorts of clips
_FIRST_CLIP = 256
_LIGHT, _WARP, _BLEND, _HIDDEN, _ALPHA = 0x1, 0x8, 0x30, 0x80 | 0x100 | 0x200, 0x02000000
_START = ("info_human_start", "info_alien_start", "info_civilian_start", "info_player_start", "info_2x2_start")


@dataclass(frozen=True, slots=True)
class Surface:
    """A picture on faces. holes: its alpha cuts; water: its light is not baked."""

    name: str
    holes: bool = False
    water: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """Triangles of one tile; lengths in units, x and y from its lower left corner, Z up.

    Attributes
    ----------
    corners: (F, 3, 3), counter-clockwise. texels: (F, 3, 2) texture coordinates in pixels of the picture as it is stored.
    surface: (F,) index into surfaces. page: (F,) index into pages, -1 = none.
    page_uvs: (F, 3, 2) in 0..1 of the page. pages: (h, w, 3) uint8 baked light of a day.
    places: (P, 3) points a little above walkable floor. models: entities of separate models (misc_model).
    """

    corners: _F
    texels: _F
    surface: NDArray[np.int64]
    surfaces: list[Surface]
    page: NDArray[np.int64]
    page_uvs: _F
    pages: list[NDArray[np.uint8]]
    places: _F
    models: list[dict[str, str]]


def _surfaces(rows: NDArray) -> list[Surface | None]:
    """None for what is not drawn, and for glass: one sees what is behind."""
    out: list[Surface | None] = []
    for row in rows:
        name, flags = row["name"].partition(b"\0")[0].decode("latin-1").lower(), int(row["flags"])
        holes, water = bool(flags & _ALPHA), bool(flags & _WARP)
        glass = flags & _BLEND and not holes and not water
        hidden = flags & _HIDDEN or glass or name.startswith("tex_common/") or name.endswith("nodraw")
        out.append(None if hidden else Surface(name, holes, water))
    return out


def _offsets(listed: Sequence[dict[str, str]], models: NDArray, faces: int) -> tuple[NDArray[np.bool_], _F]:
    """Which faces are drawn (faces,), and their translation (faces, 3): doors turn about an origin of their own.

    Every other door is left out: it stands open.
    """
    drawn, offsets = np.zeros(faces, bool), np.zeros((faces, 3))
    for model in models[:_FIRST_CLIP]:
        drawn[model["face"] : model["face"] + model["faces"]] = True
    for entity in listed:
        index = entity.get("model", "")
        if not index.startswith("*") or not index[1:].isdigit():
            continue
        at = _FIXED_MODELS - 1 + int(index[1:])
        kind = entity.get("classname", "")
        if at >= len(models) or kind.startswith("trigger") or (kind in ("func_door", "func_rotating") and at % 2):
            continue
        part = slice(models[at]["face"], models[at]["face"] + models[at]["faces"])
        drawn[part] = True
        offsets[part] = 0.0 if (origin := vector(entity, "origin")) is None else origin
    return drawn, offsets


def _pages(
    lighting: bytes, start: NDArray[np.int64], low: _F, high: _F
) -> tuple[list[NDArray[np.uint8]], NDArray[np.int64], _F, _F]:
    """Pages of light of faces whose texture coordinates run from low to high (N, 2).

    Returns pages, index of each face's page, and origin [texels] and size [texels] of the face's page.
    """
    step = np.float64(1 << lighting[0]) if lighting else np.float64(1.0)
    first, last = np.floor(low / step), np.ceil(high / step)
    size = (last - first + 1).astype(np.int64)
    bytes_ = size[:, 0] * size[:, 1] * _LUXEL
    fits = (start > 0) & (start + bytes_ <= len(lighting))
    pages: list[NDArray[np.uint8]] = []
    index = np.full(len(start), -1, np.int64)
    for i in np.flatnonzero(fits):
        raw = np.frombuffer(lighting, np.uint8, int(bytes_[i]), int(start[i]))
        index[i] = len(pages)
        pages.append(raw.reshape(size[i, 1], size[i, 0], _LUXEL)[..., :3])
    return pages, index, (first - 0.5) * step, size.astype(np.float64) * step


def parse_tile(data: bytes, name: str) -> Tile:
    """Read a compiled tile.

    Raises
    ------
    InputError: not an IBSP 78 file, or nothing visible in it.
    """
    if data[:4] != b"IBSP" or struct.unpack_from("<i", data, 4)[0] != 78:
        raise InputError(
            "A tile must be an IBSP version 78 file", got=f"{name}: header {data[:8]!r}", do="Give a map of UFO: AI 2.5"
        )
    listed = entities(lump(data, _ENTITIES).decode("latin-1"))
    texinfo, faces = table(data, _TEXINFO, _TEXINFO_TYPE), table(data, _FACES, _FACE)
    looks = _surfaces(texinfo)
    drawn, offsets = _offsets(listed, table(data, _MODELS, _MODEL), len(faces))
    drawn &= np.array([look is not None for look in looks], bool)[faces["surface"]] & (faces["edges"] >= 3)
    faces, offsets = faces[drawn], offsets[drawn]
    if not len(faces):
        raise InputError("The tile shows no surface", got=name, do="Leave this tile out")
    count = faces["edges"].astype(np.int64)
    begin = np.concatenate([[0], np.cumsum(count)[:-1]])
    of = np.repeat(np.arange(len(faces)), count)  # face of each of its corners
    surfedge = table(data, _SURFEDGES, np.dtype("<i4"))[faces["edge"][of] + np.arange(len(of)) - begin[of]]
    edge = table(data, _EDGES, np.dtype(("<u2", 2)))[np.abs(surfedge)]
    points = table(data, _VERTICES, np.dtype(("<f4", 3)))[np.where(surfedge < 0, edge[:, 1], edge[:, 0])]
    points = points.astype(np.float64)
    plane = texinfo["plane"][faces["surface"][of]].astype(np.float64)
    texels = np.einsum("nij,nj->ni", plane[..., :3], points) + plane[..., 3]
    pages, page, origin, extent = _pages(
        lump(data, _LIGHT_DAY),
        faces["light"][:, _DAY].astype(np.int64),
        np.minimum.reduceat(texels, begin),
        np.maximum.reduceat(texels, begin),
    )
    page_uvs = (texels - origin[of]) / extent[of]
    fan = np.flatnonzero((np.arange(len(of)) - begin[of] >= 1) & (np.arange(len(of)) - begin[of] < count[of] - 1))
    corner = np.column_stack([begin[of[fan]], fan + 1, fan])  # (F, 3) into the corners; polygons run clockwise
    face = of[fan]
    used, surface = np.unique(faces["surface"][face], return_inverse=True)
    starts = [origin for e in listed if e.get("classname") in _START and (origin := vector(e, "origin")) is not None]
    return Tile(
        corners=points[corner] + offsets[face][:, None],
        texels=texels[corner],
        surface=surface.reshape(-1).astype(np.int64),
        surfaces=[look for i in used if (look := looks[i]) is not None],
        page=page[face],
        page_uvs=page_uvs[corner],
        pages=pages,
        places=np.array(starts).reshape(-1, 3),
        models=[e for e in listed if e.get("classname") in ("misc_model", "misc_model_dynamic") and "model" in e],
    )

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Furniture, vehicles, plants and people made by artists, from Sweet Home 3D catalogues (.sh3f).

A catalogue is a zip archive: `PluginFurnitureCatalog.properties` lists id, name, category, measures [cm] and the path
of a Wavefront OBJ, y up with its front towards +z, which is turned by `modelRotation` and stretched to the measures.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError

__all__ = ["FurnitureCatalog", "Model", "Piece"]

_LIST = "PluginFurnitureCatalog.properties"
_LARGEST_TEXTURE = 128  # pixels
_MOST_TRIANGLES = 16_000
_LEFT_OUT = ("Doors and windows", "Staircases")
_FLAT = re.compile(r"pool|parking|grass|lawn|path|hole|switch|plug|socket|window|door$|roof|cloud|fence", re.IGNORECASE)
_TOP = re.compile(
    r"table|desk|cabinet|chest|drawer|dresser|sideboard|counter|worktop|bench|console|shelf", re.IGNORECASE
)
_SEEN_THROUGH = 0.6  # opacity below which a surface is glass and left out
# OBJ axes (right, up, front) to ours: the front looks along +y, z is up, right-handed.
_FROM_OBJ = np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]])


@dataclass(frozen=True, slots=True)
class Piece:
    """An entry of a catalogue: size (width, depth, height) [m]; top [m]: height at which smaller things can stand on
    it, 0 = nowhere; elevation [m]: how high it hangs on a wall, 0 = stands on the floor."""

    name: str
    category: str
    size: tuple[float, float, float]
    top: float
    elevation: float
    archive: Path
    member: str
    turn: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Triangles of a piece. It stands on z = 0 around the origin, its front towards +y.

    corners (F, 3, 3) float64 [m], uvs (F, 3, 2) with (0, 0) the upper left of the image, normals (F, 3, 3),
    texture (F,) int32 index into images: (h, w, 3 or 4) uint8 sRGB.
    """

    corners: NDArray[np.float64]
    uvs: NDArray[np.float64]
    normals: NDArray[np.float64]
    texture: NDArray[np.int32]
    images: tuple[NDArray[np.uint8], ...]


class FurnitureCatalog:
    """All usable pieces of the catalogues in a folder; every ninth, by name of archive and entry, is held out.

    Parameters
    ----------
    folder: searched for *.sh3f. held_out: the pieces that are never trained on (index % 9 == 4), or the others.

    Raises
    ------
    InputError: no catalogue in the folder, or none of its pieces can be used.
    """

    def __init__(self, folder: Path, *, held_out: bool = False) -> None:
        archives = sorted(folder.rglob("*.sh3f"), key=lambda path: path.name)
        if not archives:
            raise InputError(
                "The folder holds no furniture catalogue (.sh3f)",
                got=str(folder),
                do="Fetch sweethome3d-furniture as lyra_core/training/README.md says",
            )
        pieces = [piece for archive in archives for piece in _pieces(archive)]
        self.pieces: Sequence[Piece] = [p for i, p in enumerate(pieces) if (i % 9 == 4) == held_out]
        if not self.pieces:
            raise InputError("No usable piece in the catalogues", got=str(folder), do="Fetch the catalogues again")

    def model(self, piece: Piece) -> Model | None:
        """The triangles of a piece; None if it has too many of them, or none that can be seen."""
        return _load(piece)


def _pieces(archive: Path) -> list[Piece]:
    try:
        with zipfile.ZipFile(archive) as catalogue:
            text = catalogue.read(_LIST).decode("latin-1")
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise InputError(
            "A furniture catalogue cannot be read", got=f"{archive}: {error}", do="Fetch it again"
        ) from error
    rows: dict[int, dict[str, str]] = defaultdict(dict)
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*)$", text, re.MULTILINE):
        rows[int(number)][key] = value.strip()
    found = [_piece(archive, row) for _, row in sorted(rows.items())]
    return [piece for piece in found if piece is not None]


def _piece(archive: Path, row: dict[str, str]) -> Piece | None:
    name, category = row.get("name", ""), row.get("category", "")
    if category in _LEFT_OUT or row.get("doorOrWindow") == "true" or _FLAT.search(name) or "model" not in row:
        return None
    try:
        width, depth, height = (float(row[key]) / 100 for key in ("width", "depth", "height"))
        elevation = float(row.get("elevation", 0)) / 100
        top = float(row.get("dropOnTopElevation", 0)) / 100
        turn = tuple(float(value) for value in row.get("modelRotation", "1 0 0 0 1 0 0 0 1").split())
    except (KeyError, ValueError):
        return None
    if len(turn) != 9 or min(width, depth, height) < 0.01:
        return None
    if top == 0 and _TOP.search(name):
        top = height
    return Piece(
        name, category, (width, depth, height), max(top, 0.0), elevation, archive, row["model"].lstrip("/"), turn
    )


@lru_cache(maxsize=160)
def _load(piece: Piece) -> Model | None:
    import trimesh
    from trimesh.resolvers import ZipResolver

    with zipfile.ZipFile(piece.archive) as archive:
        raw = archive.read(piece.member)
        if raw.count(b"\nf ") > _MOST_TRIANGLES:
            return None
        folder = piece.member.rpartition("/")[0] + "/"
        inside = [name for name in archive.namelist() if name.startswith(folder) and not name.endswith("/")]
        beside = {name.removeprefix(folder): io.BytesIO(archive.read(name)) for name in inside}
        scene: Any = trimesh.load(
            io.BytesIO(raw),
            file_type="obj",
            resolver=ZipResolver(beside),
            process=False,
            force="scene",
            split_object=False,
        )
    parts = [part for part in scene.geometry.values() if len(part.faces)]
    if not parts or sum(len(part.faces) for part in parts) > _MOST_TRIANGLES:
        return None
    turn = _FROM_OBJ @ np.array(piece.turn).reshape(3, 3)
    every = np.concatenate([np.asarray(part.vertices) for part in parts]) @ turn.T
    low, high = every.min(axis=0), every.max(axis=0)
    stretch = np.array(piece.size) / np.maximum(high - low, 1e-9)
    middle = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    corners, uvs, normals, texture, images = [], [], [], [], []
    for part in parts:
        image = _image(getattr(part.visual, "material", None))
        if image is None:
            continue
        faces = np.asarray(part.faces)
        placed = (np.asarray(part.vertices) @ turn.T - middle) * stretch
        facing = np.asarray(part.vertex_normals) @ turn.T / stretch
        facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-9)
        uv = getattr(part.visual, "uv", None)
        uv = np.zeros((len(placed), 2)) if uv is None else np.asarray(uv, np.float64) * [1, -1] + [0, 1]
        corners.append(placed[faces])
        uvs.append(np.nan_to_num(uv)[faces])
        normals.append(facing[faces])
        texture.append(np.full(len(faces), len(images), np.int32))
        images.append(image)
    if not corners:
        return None
    return _without_slivers(
        Model(*(np.concatenate(rows) for rows in (corners, uvs, normals, texture)), images=tuple(images))
    )


def _without_slivers(model: Model) -> Model | None:
    edges = np.cross(
        model.corners[:, 1] - model.corners[:, 0],
        model.corners[:, 2] - model.corners[:, 0],
    )
    keep = np.linalg.norm(edges, axis=1) > 1e-8  # triangles of no area break the bounding volume hierarchy
    if not keep.any():
        return None
    return Model(model.corners[keep], model.uvs[keep], model.normals[keep], model.texture[keep], model.images)


def _image(material: Any) -> NDArray[np.uint8] | None:
    """The picture or plain colour of a material; None where it is glass."""
    facts = getattr(material, "kwargs", None) or {}
    try:
        opacity = float(np.ravel(facts.get("d", 1.0))[0])
    except (TypeError, ValueError):
        opacity = 1.0
    if opacity < _SEEN_THROUGH:
        return None
    picture = getattr(material, "image", None)
    if picture is not None:
        picture = picture.convert("RGBA" if picture.mode in ("RGBA", "LA", "P") else "RGB")
        scale = _LARGEST_TEXTURE / max(picture.size)
        if scale < 1:
            picture = picture.resize([max(1, round(side * scale)) for side in picture.size])
        image = np.asarray(picture)
        plain = image.shape[2] == 3 or bool((image[..., 3] > 127).all())
        return np.ascontiguousarray(image[..., :3] if plain else image)
    colour = np.asarray(getattr(material, "main_color", (160, 160, 160, 255)))[:3]
    return np.tile(np.clip(colour, 14, 236).astype(np.uint8), (2, 2, 1))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Maps of UFO: Alien Invasion as textured, lit scenes in metres: farms, villages, streets, harbours, forests, houses.

A map is one compiled tile (`maps/NAME.bsp`) or a set of them (`maps/NAME.ump`) that is laid anew for each seed. Around it
lies a plain of the ground that its rim is made of.

Scale: a person is 44 units tall and sees from 39, a storey has 64, most doors 56, a bed is 59 long, a police car 129.
At 4 cm a unit people and storeys would be right and cars and furniture too large by a sixth, at 3.5 cm the other way
round. 3.75 cm makes the person 1.65 m tall, the storey 2.40, the door 2.10, the bed 2.20 and the car 4.82 m long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.training.level_materials import LevelArchive
from lyra_core.training.level_views import sample_view
from lyra_core.training.levels import Level, soften_light
from lyra_core.training.renderer import TexturedScene, render, render_faces
from lyra_core.training.ufo_assembly import CELL, Shape, lay_tiles, parse_assembly
from lyra_core.training.ufo_models import ModelMesh, parse_md2, place_model
from lyra_core.training.ufo_tiles import Tile, parse_tile
from lyra_core.types import Camera

__all__ = ["UNIT", "UfoMaps", "sample_ufo_view"]

UNIT = 0.0375  # metres per map unit

_F = NDArray[np.float64]
_Rectangle = tuple[float, float, float, float]

_LEFT_OUT = ("alienbase", "shared", "ufocrash", "baseattack")  # no places on Earth, or parts of others
_CRAFT = re.compile(r"craft_|_ufo|crash")
_SIZE, _LARGEST = (8, 8), 12  # cells
_PLAIN = 15_000.0  # units beyond the map
_RIM = 96.0  # units: the strip along the map's border whose ground the plain continues
_SUN = np.array([0.45, 0.3, 0.84])
_LEAST_UPRIGHT, _NEAR = 0.15, 40.0  # share of a view that must be upright things, and how near [m] they count
_PLAIN_VIEWS, _MANY_EDGES = 0.15, 0.10  # chance of a view without an edge; share of edges at which all are taken
_FEW_PLACES, _ABOVE = 24, 28.0  # a map with fewer places gets more, so many units above ground
_UNLIT = 110  # baked light where there is none


@dataclass(slots=True)
class _Scene:
    """Collects triangles [units] of many tiles with their pictures and pages of light."""

    archive: LevelArchive
    corners: list[_F] = field(default_factory=list)
    uvs: list[_F] = field(default_factory=list)
    picture: list[NDArray[np.int64]] = field(default_factory=list)
    page: list[NDArray[np.int64]] = field(default_factory=list)
    page_uvs: list[_F] = field(default_factory=list)
    light: list[_F] = field(default_factory=list)
    pages: list[NDArray[np.uint8]] = field(default_factory=list)
    pictures: list[NDArray[np.uint8]] = field(default_factory=list)
    bare: list[bool] = field(default_factory=list)
    slots: dict[tuple[str, bool], int] = field(default_factory=dict)
    holes: list[_Rectangle] = field(default_factory=list)
    places: list[_F] = field(default_factory=list)

    def slot(self, name: str, *, holes: bool) -> int:
        """Index of a picture, read when it is first asked for."""
        if (name, holes) not in self.slots:
            image = self.archive.image(name)
            self.slots[name, holes] = len(self.pictures)
            self.bare.append(image is None)
            if image is None:
                image = np.full((4, 4, 3), 128, np.uint8)
            cut = holes and image.shape[2] == 4
            self.pictures.append(_even_holes(image) if cut else np.ascontiguousarray(image[..., :3]))
        return self.slots[name, holes]

    def add(self, corners: _F, uvs: _F, picture: NDArray[np.int64], light: _F) -> None:
        """Triangles lit at their corners (F, 3, 3); pages may follow."""
        self.corners.append(corners)
        self.uvs.append(uvs)
        self.picture.append(picture)
        self.light.append(light)
        self.page.append(np.full(len(corners), -1, np.int64))
        self.page_uvs.append(np.zeros((len(corners), 3, 2)))

    def add_tile(self, tile: Tile, shift: _F) -> None:
        """All faces of a tile, moved by `shift` (3,)."""
        slots = np.array([self.slot(f"textures/{s.name}", holes=s.holes) for s in tile.surfaces])
        size = np.array([self.archive.image_size(f"textures/{s.name}") or (64, 64) for s in tile.surfaces], float)
        dim = np.full((len(tile.corners), 3, 3), float(_UNLIT))
        self.add(tile.corners + shift, tile.texels / size[tile.surface][:, None], slots[tile.surface], dim)
        self.page[-1] = np.where(tile.page >= 0, tile.page + len(self.pages), -1)
        self.page_uvs[-1] = tile.page_uvs
        self.pages += tile.pages
        self.places.append(tile.places + shift)


def _even_holes(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGBA whose holes have the mean colour of the rest, which then bleeds nothing strange into smaller copies."""
    out, open_ = image.copy(), image[..., 3] < 128
    if open_.any() and not open_.all():
        out[open_, :3] = np.rint(image[~open_, :3].mean(axis=0)).astype(np.uint8)
    return out


def _area(corners: _F) -> _F:
    return 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)


def _upward(corners: _F) -> NDArray[np.bool_]:
    """Faces that one could stand on."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return normal[:, 2] > 0.8 * np.maximum(np.linalg.norm(normal, axis=1), 1e-9)


def _open_ground(corners: _F) -> _F:
    """(P, 3) points above the largest level face of each cell, for tiles on which nobody starts."""
    flat = corners[_upward(corners)]
    middle, area = flat.mean(axis=1), _area(flat)
    cells = np.floor(middle[:, :2] / CELL).astype(np.int64)
    best = [np.flatnonzero((cells == cell).all(axis=1)) for cell in np.unique(cells, axis=0)]
    chosen = [group[np.argmax(area[group])] for group in best]
    return middle[chosen] + np.array([0.0, 0.0, _ABOVE])


def _floor_light(tile: Tile) -> tuple[_F, _F]:
    """Centres (N, 3) of floor and their baked light (N, 3) 0..255: what stands near is lit like them."""
    keep = _upward(tile.corners) & (tile.page >= 0)
    means = np.array([page.reshape(-1, 3).mean(axis=0) for page in tile.pages]).reshape(-1, 3)
    return tile.corners[keep].mean(axis=1), means[tile.page[keep]]


def _weighted_percentile(values: _F, weights: _F, share: float) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, share * total[-1])])


def _plain(scene: _Scene) -> None:
    """Ground around the map and in its gaps: level, a little lower than most of the map's rim, and of its picture."""
    corners, picture = np.concatenate(scene.corners), np.concatenate(scene.picture)
    low, high = np.array(scene.holes)[:, :2].min(axis=0), np.array(scene.holes)[:, 2:].max(axis=0)
    middle = corners.mean(axis=1)
    level = _upward(corners)
    storey = float(np.percentile(middle[level, 2], 10)) + 64.0
    edge = (np.minimum(middle[:, :2] - low, high - middle[:, :2]) < _RIM).any(axis=1)
    chosen = level & (middle[:, 2] < storey)
    chosen = chosen & edge if (chosen & edge).any() else chosen
    area = _area(corners[chosen])
    height = _weighted_percentile(middle[chosen, 2], area, 0.1) - 1.5
    look = int(np.argmax(np.bincount(picture[chosen], area)))
    same = np.flatnonzero(chosen & (picture == look))
    uvs, pages = np.concatenate(scene.uvs), np.concatenate(scene.page)
    one = same[np.argmax(_area(corners[same]))]
    (a, b), (c, d) = uvs[one, 1] - uvs[one, 0], uvs[one, 2] - uvs[one, 0]
    scale = float(np.sqrt(abs(a * d - b * c) / max(2 * _area(corners[one][None])[0], 1e-9)))
    lit = [scene.pages[i].reshape(-1, 3).mean(axis=0) for i in pages[same][:500] if i >= 0]
    light = np.median(lit, axis=0) if lit else np.full(3, float(_UNLIT))
    x, y = (
        np.unique(np.concatenate([np.array(scene.holes)[:, [k, k + 2]].ravel(), [low[k] - _PLAIN, high[k] + _PLAIN]]))
        for k in (0, 1)
    )
    squares = []
    for x0, x1 in zip(x[:-1], x[1:], strict=True):
        for y0, y1 in zip(y[:-1], y[1:], strict=True):
            at = (x0 + x1) / 2, (y0 + y1) / 2
            if not any(h[0] < at[0] < h[2] and h[1] < at[1] < h[3] for h in scene.holes):
                squares += [[[x0, y0], [x1, y0], [x1, y1]], [[x0, y0], [x1, y1], [x0, y1]]]
    flat = np.array(squares, float)
    ground = np.concatenate([flat, np.full((*flat.shape[:2], 1), height)], axis=-1)
    scene.add(ground, flat * scale, np.full(len(flat), look), np.broadcast_to(light, ground.shape).copy())


def _finish(scene: _Scene, name: str) -> Level:
    corners, picture = np.concatenate(scene.corners) * UNIT, np.concatenate(scene.picture)
    area = _area(corners)
    bare = float(area[np.array(scene.bare)[picture]].sum() / max(float(area.sum()), 1e-9))
    keep = area > 1e-7  # slivers of zero area break the bounding volume hierarchy
    light = soften_light(np.concatenate(scene.light)[keep])
    count = int(keep.sum())
    textured = TexturedScene(
        vertices=corners[keep].reshape(-1, 3).astype(np.float32),
        faces=np.arange(3 * count, dtype=np.int32).reshape(-1, 3),
        uvs=np.concatenate(scene.uvs)[keep].astype(np.float32),
        face_texture=picture[keep].astype(np.int32),
        textures=scene.pictures,
        lightmap_uvs=np.concatenate(scene.page_uvs)[keep].astype(np.float32),
        face_lightmap=np.concatenate(scene.page)[keep].astype(np.int32),
        lightmaps=_soft_pages(scene.pages),
        vertex_light=light,
    )
    return Level(name, textured, np.concatenate(scene.places) * UNIT, bare)


def _soft_pages(pages: list[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
    """Softened light of many small pages, in one go."""
    if not pages:
        return []
    sizes = [page.shape[0] * page.shape[1] for page in pages]
    flat = soften_light(np.concatenate([page.reshape(-1, 3) for page in pages]))
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return [part.reshape(page.shape) for part, page in zip(parts, pages, strict=True)]


def _map_size(shapes: list[Shape], sizes: list[tuple[int, int]], rng: np.random.Generator) -> tuple[int, int]:
    """One of the sizes [cells] that the game uses, within limits, but no smaller than the largest tile."""
    width, height = sizes[rng.integers(len(sizes))] if sizes else _SIZE
    needed = [(int(s.solid.any(axis=0).sum()), int(s.solid.any(axis=1).sum())) for s in shapes]
    return (
        max(min(width, _LARGEST), *(w for w, _ in needed)),
        max(min(height, _LARGEST), *(h for _, h in needed)),
    )


class UfoMaps:
    """The maps of the game's archives.

    Parameters
    ----------
    archive: of the packages ufoai-maps, ufoai-textures and ufoai-data; without the last, models are left out.
    """

    def __init__(self, archive: LevelArchive) -> None:
        self._archive = archive
        self._members = set(archive.names)
        self._tiles: dict[str, Tile] = {}
        self._models: dict[str, ModelMesh | None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """File names of all maps, sorted: the order that the hold-out rule counts."""
        found = sorted(m for m in self._members if re.fullmatch(r"maps/[^/]+\.(bsp|ump)", m))
        return tuple(m[5:] for m in found if m[5:-4] not in _LEFT_OUT and (m.endswith(".bsp") or self._shapes(m)[0]))

    def read(self, name: str, rng: np.random.Generator) -> Level:
        """Read a map; one of several tiles is laid at random.

        Raises
        ------
        InputError: no such map, or nothing visible in it.
        """
        member = f"maps/{name}"
        scene = _Scene(self._archive)
        self._tiles.clear()
        if member.endswith(".bsp"):
            tile = self._tile(member)
            flat = tile.corners[_upward(tile.corners)].reshape(-1, 3)
            box = (*flat[:, :2].min(axis=0), *flat[:, :2].max(axis=0))
            self._put(scene, tile, np.zeros(3), [box])
        else:
            shapes, sizes = self._shapes(member)
            for placed in lay_tiles(shapes, _map_size(shapes, sizes, rng), rng):
                cells = [(CELL * x, CELL * y, CELL * (x + 1), CELL * (y + 1)) for x, y in placed.cells]
                shift = np.array([CELL * placed.x, CELL * placed.y, 0.0])
                self._put(scene, self._tile(placed.path), shift, cells)
        if not scene.corners:
            raise InputError("The map shows no surface", got=name, do="Leave this map out")
        if sum(map(len, scene.places)) < _FEW_PLACES:
            scene.places.append(_open_ground(np.concatenate(scene.corners)))
        _plain(scene)
        return _finish(scene, name)

    def _shapes(self, member: str) -> tuple[list[Shape], list[tuple[int, int]]]:
        shapes, sizes = parse_assembly(self._archive.read(member).decode("latin-1"))
        usable = [s for s in shapes if s.path.lower() in self._members and not _CRAFT.search(s.path.rpartition("/")[2])]
        return usable, sizes

    def _tile(self, path: str) -> Tile:
        if path not in self._tiles:
            self._tiles[path] = parse_tile(self._archive.read(path), path)
        return self._tiles[path]

    def _model(self, path: str) -> ModelMesh | None:
        path = path.lower()
        if path not in self._models:
            known = path in self._members
            self._models[path] = parse_md2(self._archive.read(path), path) if known else None
        return self._models[path]

    def _put(self, scene: _Scene, tile: Tile, shift: _F, holes: Iterable[_Rectangle]) -> None:
        scene.add_tile(tile, shift)
        scene.holes += holes
        meshes = [(e, mesh) for e in tile.models if (mesh := self._model(e["model"])) is not None]
        if not meshes:
            return
        centres, floor = _floor_light(tile)
        for entity, mesh in meshes:
            corners, normals = place_model(mesh, entity)
            skin = entity.get("skin", "0")
            path = mesh.skins[min(int(skin) if skin.isdigit() else 0, len(mesh.skins) - 1)]
            foot = corners.reshape(-1, 3).mean(axis=0)
            foot[2] = corners[..., 2].min()
            near = np.argsort(np.linalg.norm(centres - foot, axis=1))[:6]
            base = floor[near].max(axis=0) if len(near) else np.full(3, float(_UNLIT))
            light = base * (0.65 + 0.35 * (normals @ _SUN))[..., None]
            slot = scene.slot(path, holes=True)
            scene.add(corners + shift, mesh.uvs, np.full(len(corners), slot), light)


def sample_ufo_view(level: Level, size: tuple[int, int], rng: np.random.Generator) -> Camera | None:
    """Draw one view of size (width, height); None if it is not worth rendering, as where little but ground is seen.

    Views with few edges of depth, such as a bare wall on bare ground, are taken less often.
    """
    camera = sample_view(level, size, rng)
    if camera is None:
        return None
    small = camera.resized(32, max(8, round(32 * camera.height / camera.width)))
    face = render_faces(level.scene, small)
    depth = render(level.scene, small, supersample=1, exposure=1.0)[1]
    seen = face[(face >= 0) & (depth < _NEAR)]
    corners = level.scene.vertices[level.scene.faces[seen]].astype(np.float64)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    upright = np.abs(normal[:, 2]) < 0.8 * np.linalg.norm(normal, axis=1)
    if np.count_nonzero(upright) < _LEAST_UPRIGHT * face.size:
        return None
    far = np.log(np.where(face >= 0, depth, 100.0).clip(0.1, 100.0))
    edges = float((np.abs(np.diff(far, axis=1)) > 0.15).mean())  # across: the ground makes none
    return camera if rng.uniform() < _PLAIN_VIEWS + edges / _MANY_EDGES else None

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms and yards full of things that artists made: sofas, sinks, motorbikes, plants, people, and what lies on tables.

Boxes and turned bodies teach what a room is, not what a thing is; these teach outlines, legs and things before things.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import look_at
from lyra_core.training import textures
from lyra_core.training.furniture_models import FurnitureCatalog, Model, Piece
from lyra_core.training.layout import Plan, furnish, keep_doors_clear, pendant
from lyra_core.training.level_views import ViewRange, camera_at, worth_it
from lyra_core.training.lighting import LooseTriangles
from lyra_core.training.outdoors import Outdoors, make_outdoors
from lyra_core.training.renderer import TexturedScene
from lyra_core.training.room_look import Textures, palette, surfaces
from lyra_core.training.rooms import keeps_clear, room_lights, room_scene
from lyra_core.training.shell import Walls, build_shell, plan_openings
from lyra_core.training.solids import SolidBuilder
from lyra_core.training.soup import TriangleSoup
from lyra_core.types import Camera

__all__ = ["FurnishedRoom", "furnished_yard", "make_furnished_room", "sample_furnished_view", "sample_subject_view"]

_MOST_TRIANGLES = 50_000  # of all things of a room; the light of each corner is computed
_SMALL = 0.45  # [m] width and depth of what may stand on other things
_LARGEST = 3.2  # [m] width and depth of what stands in a room


@dataclass(frozen=True, eq=False)
class FurnishedRoom:
    """A lit room: size (length, width, height) [m]; solids (S, 2, 3) bounds of what stands in it [m]; pieces (T, 2, 3)
    those of the pieces alone."""

    scene: TexturedScene
    size: tuple[float, float, float]
    solids: NDArray[np.float32]
    pieces: NDArray[np.float32]

    @property
    def things(self) -> NDArray[np.float64]:
        """(T, 3) middles of the pieces [m]."""
        return self.pieces.mean(axis=1).astype(np.float64)


class _Things:
    """Placed models: their triangles and bounds, with the textures added to those of the room."""

    def __init__(self, images: list[NDArray[np.uint8]]) -> None:
        self._images = images
        self._first: dict[int, int] = {}
        self._kept: list[Model] = []
        self._parts: list[tuple[NDArray, NDArray, NDArray, NDArray]] = []
        self.bounds: list[NDArray[np.float64]] = []
        self.count = 0

    def put(self, model: Model, x: float, y: float, z: float, yaw: float) -> None:
        cosine, sine = np.cos(yaw), np.sin(yaw)
        turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        if id(model) not in self._first:
            self._first[id(model)] = len(self._images)
            self._images.extend(model.images)
            self._kept.append(model)  # keeps the id from being used again
        corners = model.corners @ turn.T + np.array([x, y, z])
        self._parts.append((corners, model.uvs, model.normals @ turn.T, model.texture + self._first[id(model)]))
        flat = corners.reshape(-1, 3)
        self.bounds.append(np.stack([flat.min(axis=0), flat.max(axis=0)]))
        self.count += len(corners)

    def finish(self) -> LooseTriangles | None:
        if not self._parts:
            return None
        corners, uvs, normals, texture = (np.concatenate(rows) for rows in zip(*self._parts, strict=True))
        at, uv, facing = (np.asarray(rows, np.float32) for rows in (corners, uvs, normals))
        return LooseTriangles(at, uv, facing, np.asarray(texture, np.int32))


def _drawn(catalog: FurnitureCatalog, rng: np.random.Generator, most: float) -> tuple[Piece, Model] | None:
    piece = catalog.pieces[int(rng.integers(len(catalog.pieces)))]
    across = max(piece.size[:2])
    if across > most:
        return None
    if most > _SMALL and rng.uniform() > across + 0.08:  # large things make a room, small ones litter
        return None
    model = catalog.model(piece)
    return None if model is None else (piece, model)


def _on_top(piece: Piece, things: _Things, catalog: FurnitureCatalog, at: tuple[float, float], yaw: float) -> None:
    """Small things on a piece that has a top."""
    width, depth, _ = piece.size
    rng = np.random.default_rng([int(1e4 * (at[0] + 50)), int(1e4 * (at[1] + 50))])
    for _ in range(int(rng.integers(0, 2 + int(4 * width)))):
        found = _drawn(catalog, rng, min(_SMALL, 0.7 * max(width, depth)))
        if found is None or found[0].size[2] > 0.6 or found[0].elevation > 0.3:
            continue
        x, y = rng.uniform(-0.36, 0.36) * width, rng.uniform(-0.36, 0.36) * depth
        things.put(
            found[1],
            at[0] + np.cos(yaw) * x - np.sin(yaw) * y,
            at[1] + np.sin(yaw) * x + np.cos(yaw) * y,
            piece.top,
            float(rng.uniform(0, 2 * np.pi)),
        )


def _stand(plan: Plan, things: _Things, catalog: FurnitureCatalog, height: float) -> None:
    """One piece at a wall or in the middle of the room; nothing where the throw does not fit."""
    rng = plan.builder.rng
    found = _drawn(catalog, rng, _LARGEST)
    if found is None or things.count + len(found[1].texture) > _MOST_TRIANGLES:
        return
    piece, model = found
    width, depth, tall = piece.size
    hangs = piece.elevation > 0.3
    if tall + piece.elevation * hangs > height - 0.05:
        return
    if hangs or (max(width, depth) > 0.35 and rng.uniform() < 0.5):
        wall = int(rng.integers(4))
        run = plan.walls.run(wall)
        if run < width + 0.3:
            return
        x, y = float(rng.uniform(width / 2 + 0.05, run - width / 2 - 0.05)), depth / 2 + 0.03
        behind = [o for o in plan.walls.on(wall) if o.x0 - 0.2 < x + width / 2 and x - width / 2 < o.x1 + 0.2]
        if any(tall + piece.elevation > o.z0 for o in behind):
            return
        rect = plan.rectangle(wall, x, y, width, depth)
        if not hangs and not plan.fits(rect):
            return
        _, _, yaw = plan.walls.origin(wall)
    else:
        middle = rng.uniform((0.3, 0.3), (plan.walls.length - 0.3, plan.walls.width - 0.3))
        yaw = float(rng.uniform(0, 2 * np.pi))
        across = abs(np.cos(yaw)) * width + abs(np.sin(yaw)) * depth
        along = abs(np.sin(yaw)) * width + abs(np.cos(yaw)) * depth
        rect = (
            middle[0] - across / 2,
            middle[1] - along / 2,
            middle[0] + across / 2,
            middle[1] + along / 2,
        )
        if not plan.fits(rect):
            return
    at = (rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2
    if not hangs:
        plan.taken.append(rect)
    things.put(model, *at, piece.elevation if hangs else 0.0, yaw)
    if piece.top > 0.15 and not hangs:
        _on_top(piece, things, catalog, at, yaw)


def make_furnished_room(seed: int, catalog: FurnitureCatalog) -> FurnishedRoom:
    """A room with pieces of the catalogue; the same seed and catalogue give the same bytes."""
    rng = np.random.default_rng([seed, 0xF0B])
    size = (float(rng.uniform(3.4, 9.0)), float(rng.uniform(3.0, 7.0)), float(rng.uniform(2.3, 3.3)))
    look = Textures()
    colours = palette(rng, look)
    faces = surfaces(rng, look, colours)
    rug = look.add(textures.rug(rng), 0.0)
    walls = Walls(*size)
    plan_openings(rng, walls)
    builder = SolidBuilder(rng)
    portals = build_shell(builder, walls, faces, colours)
    plan = Plan(builder, walls)
    if min(size[:2]) > 4.2 and rng.uniform() < 0.4:
        lamps, _ = furnish(builder, walls, colours, rug, faces)
        plan.taken += [(float(a[0]), float(a[1]), float(b[0]), float(b[1])) for a, b in builder.finish().solids]
    else:
        lamps = [pendant(builder, walls, colours)] if rng.uniform() < 0.75 else []
        plan.hang(colours, int(rng.integers(0, 5)))
    keep_doors_clear(plan)
    things = _Things(look.images)
    for _ in range(int(rng.integers(60, 260))):
        _stand(plan, things, catalog, size[2])
    quads = builder.finish()
    scene = room_scene(quads, look.images, room_lights(rng, portals, lamps), textures.hills_sky(rng), things.finish())
    bounds = np.array(things.bounds, np.float32).reshape(-1, 2, 3)
    return FurnishedRoom(scene, size, np.concatenate([quads.solids, bounds]), bounds)


def furnished_yard(seed: int, catalog: FurnitureCatalog) -> Outdoors:
    """An outdoor scene with vehicles, people, plants and other pieces around the origin, singly and in rows."""
    rng = np.random.default_rng([seed, 0xF0C])
    kind = str(rng.choice(["yard", "square", "garden"], p=[0.5, 0.25, 0.25]))
    outside = [p for p in catalog.pieces if p.category in ("Exterior", "Vehicles", "Characters")]

    def more(
        soup: TriangleSoup,
        images: list[NDArray[np.uint8]],
        height: Callable[[float, float], float],
        rng: np.random.Generator,
    ) -> None:
        things = _Things(images)
        for _ in range(int(rng.integers(6, 30))):
            pieces = outside if outside and rng.uniform() < 0.6 else catalog.pieces
            piece = pieces[int(rng.integers(len(pieces)))]
            model = (
                None if max(piece.size) > 7 or max(piece.size) < 0.25 or piece.elevation > 0.3 else catalog.model(piece)
            )
            if model is None or things.count + len(model.texture) > _MOST_TRIANGLES:
                continue
            away, turn = 1.0 + 9.0 * rng.uniform() ** 1.3, rng.uniform(0, 2 * np.pi)
            x, y, yaw = away * np.cos(turn), away * np.sin(turn), float(rng.uniform(0, 2 * np.pi))
            row = int(rng.integers(2, 5)) if rng.uniform() < 0.15 else 1
            step = (max(piece.size[:2]) + rng.uniform(0.05, 1.0)) * np.array([np.cos(yaw), np.sin(yaw)])
            for k in range(row):
                at = float(x + k * step[0]), float(y + k * step[1])
                things.put(model, *at, height(*at) - 0.01, yaw)
        placed = things.finish()
        if placed is not None:
            soup.add(
                placed.corners.astype(np.float64),
                placed.uvs.astype(np.float64),
                placed.texture,
                placed.normals.astype(np.float64),
            )

    return make_outdoors(seed, kind, more)


def sample_furnished_view(
    room: FurnishedRoom, size: tuple[int, int], rng: np.random.Generator, spans: ViewRange | None = None
) -> tuple[TexturedScene, Camera] | None:
    """The room's scene and a view of size (width, height): of one thing from near by, or across the room."""
    spans = spans or ViewRange()
    length, width, height = room.size
    target = rng.uniform((0, 0, 0.4), (length, width, 1.4))
    eye = rng.uniform((0, 0, spans.eye_height[0]), (length, width, min(spans.eye_height[1], height - 0.2)))
    if len(room.things) and rng.uniform() < 0.6:
        target = room.things[int(rng.integers(len(room.things)))] + rng.normal(0, 0.15, 3)
        away, turn = rng.uniform(0.7, 3.2), rng.uniform(0, 2 * np.pi)
        eye[:2] = target[:2] + away * np.array([np.cos(turn), np.sin(turn)])
    return _view(room, size, rng, eye, target, spans)


def sample_subject_view(
    room: FurnishedRoom, size: tuple[int, int], rng: np.random.Generator, spans: ViewRange | None = None
) -> tuple[TexturedScene, Camera] | None:
    """The room's scene and a picture of size (width, height) of one large thing, as one takes it of a machine or a chair.

    The thing fills half of the picture or more, through a longer lens than that of most views; all else is background.
    """
    spans = spans or ViewRange(eye_height=(0.4, 1.8), fov=(34.0, 72.0))
    extent = room.pieces[:, 1] - room.pieces[:, 0]
    face = np.maximum(extent[:, 0], extent[:, 1]) * extent[:, 2]
    face[(extent[:, 2] < 0.5) | (room.pieces[:, 0, 2] > 0.2)] = 0.0
    if not len(face) or face.sum() <= 0:
        return None
    chosen = int(rng.choice(len(face), p=face / face.sum()))
    radius = float(np.linalg.norm(extent[chosen])) / 2
    fov = float(rng.uniform(*spans.fov))
    away = float(np.clip(radius / (rng.uniform(0.5, 1.1) * np.tan(np.radians(fov) / 2)), 0.8, 7.0))
    target = room.things[chosen] + rng.normal(0, 0.2 * radius, 3)
    height = rng.uniform(spans.eye_height[0], min(spans.eye_height[1], room.size[2] - 0.2))
    turn = rng.uniform(0, 2 * np.pi)
    eye = np.array([target[0] + away * np.cos(turn), target[1] + away * np.sin(turn), height])
    return _view(room, size, rng, eye, target, spans, fov)


def _view(
    room: FurnishedRoom,
    size: tuple[int, int],
    rng: np.random.Generator,
    eye: NDArray[np.float64],
    target: NDArray[np.float64],
    spans: ViewRange,
    fov: float | None = None,
) -> tuple[TexturedScene, Camera] | None:
    """The view from `eye` towards about `target` [m], None if it is not worth it.

    fov: of the longer side [degrees]; None: drawn from the range.
    """
    if not keeps_clear(eye[None], room.size, room.solids, spans.clearance)[0]:
        return None
    if np.linalg.norm(target[:2] - eye[:2]) < 0.5:
        return None
    ahead = look_at(eye, target)[:3, 2]
    pitch = np.clip(
        np.degrees(np.arcsin(np.clip(ahead[2], -1, 1))) + rng.normal(0, 4), spans.pitch[0] - 12, spans.pitch[1]
    )
    fov = float(rng.uniform(*spans.fov)) if fov is None else fov
    focal = 0.5 * max(size) / np.tan(np.radians(fov) / 2)
    camera = camera_at(
        eye,
        yaw=float(np.arctan2(ahead[1], ahead[0])),
        pitch=float(np.radians(pitch)),
        roll=np.radians(rng.normal(0, spans.roll)),
        size=size,
        focal=float(focal),
    )
    return (room.scene, camera) if worth_it(room.scene, camera, least_range=1.5) else None

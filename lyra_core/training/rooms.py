# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Furnished rooms made from a seed: the ground truth of tests and evaluations.

Floor at z = 0, Z up, metres; the room is the rectangle (0, 0)..(length, width).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.geometry import intrinsics_from_fov, look_at
from lyra_core.training import textures
from lyra_core.training.lighting import Lights, LooseTriangles, bake
from lyra_core.training.renderer import TexturedScene, auto_exposure, render, render_faces
from lyra_core.training.room_look import Textures, palette, surfaces
from lyra_core.training.shell import DOOR_HEIGHT, DOOR_WIDTH, Walls, build_shell, plan_openings
from lyra_core.training.solids import QuadSet, SolidBuilder, quad_faces
from lyra_core.types import Camera, CameraPath, Frame

__all__ = ["Room", "Route", "ground_truth_frame", "keeps_clear", "make_room", "room_lights", "room_scene"]

_CLEARANCE = 0.3
_OFFSET = 0.12
_OFFSET_TURN = np.deg2rad(3.4)


@dataclass(frozen=True)
class Route:
    """A walk in free space: start (x, y, z) [m], heading [rad about z from +x], turn [rad], advance (x, y) [m],
    pitch [rad] downwards."""

    start: tuple[float, float, float]
    heading: float
    turn: float
    advance: tuple[float, float]
    pitch: float

    def pose(self, s: float, *, aside: float = 0.0, extra_turn: float = 0.0) -> NDArray[np.float64]:
        """world_from_camera at s in 0..1, moved aside [m] to the right of the advance and turned further [rad]."""
        right = np.array([self.advance[1], -self.advance[0]]) / max(float(np.hypot(*self.advance)), 1e-9)
        xy = np.array(self.start[:2]) + s * np.array(self.advance) + aside * right
        yaw = self.heading + s * self.turn + extra_turn
        center = np.array([xy[0], xy[1], self.start[2]])
        level = np.cos(self.pitch)
        ahead = np.array([np.cos(yaw) * level, np.sin(yaw) * level, -np.sin(self.pitch)])
        return look_at(center, center + ahead)


@dataclass(frozen=True, eq=False)
class Room:
    """A furnished room.

    Attributes
    ----------
    scene: what `renderer.render` draws. size: length (x), width (y), height (z) [m].
    solids: (S, 2, 3) float32 lower and upper corners of the bounds of furniture and partitions [m].
    lengths: known measures [m] by name (door_height, door_width, room_length, table_height, ...).
    route: the walk of the loops; its start is the start camera. exposure: fixed for all pictures of the room.
    kind: (F,) int8 class of each face of the scene, index into solids.CLASSES (rugs are floor; doors, trim and
        pictures are wall). thin: (F,) bool, faces of legs, poles and posts that stand free.
    """

    seed: int
    scene: TexturedScene
    size: tuple[float, float, float]
    solids: NDArray[np.float32]
    lengths: Mapping[str, float]
    route: Route
    exposure: float
    kind: NDArray[np.int8]
    thin: NDArray[np.bool_]

    @property
    def floor(self) -> NDArray[np.float64]:
        """(4, 2) corners of the floor, counter-clockwise [m]."""
        length, width, _ = self.size
        return np.array([[0.0, 0], [length, 0], [length, width], [0, width]])

    def is_free(self, points: NDArray[np.floating], *, clearance: float = _CLEARANCE) -> NDArray[np.bool_]:
        """(N, 3) points [m] to (N,) bool: inside the room, clearance [m] away from walls and furniture."""
        return keeps_clear(np.asarray(points, dtype=np.float64), self.size, self.solids, clearance)

    def camera(
        self, world_from_camera: NDArray[np.float64], *, width: int = 256, height: int = 144, fov_deg: float = 70.0
    ) -> Camera:
        """A camera of this lens at a pose."""
        return Camera(intrinsics_from_fov(fov_deg, width, height), world_from_camera, width, height)

    def start_camera(self, *, width: int = 256, height: int = 144, fov_deg: float = 70.0) -> Camera:
        """The first view: eye height, looks into the room."""
        return self.camera(self.route.pose(0.0), width=width, height=height, fov_deg=fov_deg)

    def sample_camera(
        self,
        rng: np.random.Generator,
        *,
        width: int = 256,
        height: int = 144,
        fov_deg: float = 70.0,
        eye: tuple[float, float] = (0.5, 1.8),
    ) -> Camera:
        """A random view from free space (eye height [m] drawn from the range) towards the furniture or the walls."""
        size = np.array(self.size)
        for _ in range(64):
            points = rng.uniform((0, 0, eye[0]), (size[0], size[1], eye[1]), (32, 3))
            points = points[self.is_free(points)]
            if len(points):
                target = rng.uniform((0, 0, 0.2), (size[0], size[1], 1.6))
                if np.linalg.norm(target[:2] - points[0, :2]) > 1.0:
                    return self.camera(look_at(points[0], target), width=width, height=height, fov_deg=fov_deg)
        raise InputError("No free space at this eye height", got=f"room {self.seed}, {eye}", do="Use another seed")

    def exact_loop(self, frames: int, *, width: int = 256, height: int = 144, fov_deg: float = 70.0) -> CameraPath:
        """Out and back through the same poses; the last view is the first."""
        out = (frames + 1) // 2
        s = np.concatenate([np.linspace(0, 1, out), np.linspace(1, 0, frames - out)])
        return self._path([self.route.pose(x) for x in s], width, height, fov_deg)

    def offset_loop(self, frames: int, *, width: int = 256, height: int = 144, fov_deg: float = 70.0) -> CameraPath:
        """Out, and back along a line 12 cm beside, turned by 3.4 degrees (the offset sets in after the turning point)."""
        out = (frames + 1) // 2
        poses = [self.route.pose(x) for x in np.linspace(0, 1, out)]
        for x in np.linspace(1, 0, frames - out):
            ramp = min(1.0, (1.0 - x) / 0.25) if frames - out > 1 else 1.0
            poses.append(self.route.pose(x, aside=_OFFSET * ramp, extra_turn=_OFFSET_TURN * ramp))
        return self._path(poses, width, height, fov_deg)

    @staticmethod
    def _path(poses: list[NDArray[np.float64]], width: int, height: int, fov_deg: float) -> CameraPath:
        lens = intrinsics_from_fov(fov_deg, width, height)
        return CameraPath(np.stack(poses), np.tile(lens, (len(poses), 1, 1)), width, height)


def ground_truth_frame(room: Room, camera: Camera, index: int, *, supersample: int = 2, device: str = "cpu") -> Frame:
    """The exact picture as a Frame that owns all its pixels."""
    rgb, depth, sky = render(room.scene, camera, supersample=supersample, exposure=room.exposure, device=device)
    return Frame(index, rgb, depth, sky, camera, np.ones_like(sky))


def keeps_clear(
    points: NDArray[np.float64], size: tuple[float, float, float], solids: NDArray[np.float32], clearance: float
) -> NDArray[np.bool_]:
    """(N,) bool: points (N, 3) [m] in a room of this size that keep `clearance` [m] to its walls and solids (S, 2, 3)."""
    inside = ((points > clearance) & (points < np.array(size) - clearance)).all(axis=-1)
    gap = np.maximum(np.maximum(solids[:, 0] - points[:, None], points[:, None] - solids[:, 1]), 0.0)
    near = (np.linalg.norm(gap, axis=-1) < clearance).any(axis=1) if len(solids) else np.zeros(len(points), bool)
    return inside & ~near


def room_scene(
    quads: QuadSet,
    images: list[NDArray[np.uint8]],
    lights: Lights,
    sky: NDArray[np.uint8],
    things: LooseTriangles | None = None,
) -> TexturedScene:
    """The lit scene of a room's quads and of things made of loose triangles that stand in it.

    images: textures of both.
    """
    light, loose_light = bake(quads, images, lights, things=things)
    count = len(quads.corners)
    size = np.array([(page.shape[1], page.shape[0]) for page in light], np.float32)
    half = 0.5 / size[:, None]
    rim = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]], np.float32)[None] * (1 - 2 * half) + half
    halves = np.array([[0, 1, 2], [0, 2, 3]])
    scene = TexturedScene(
        vertices=quads.corners.reshape(-1, 3),
        faces=quad_faces(count),
        uvs=quads.uvs[:, halves].reshape(-1, 3, 2),
        face_texture=np.repeat(quads.texture, 2),
        textures=tuple(images),
        lightmap_uvs=rim[:, halves].reshape(-1, 3, 2).astype(np.float32),
        face_lightmap=np.repeat(np.arange(count, dtype=np.int32), 2),
        lightmaps=tuple(light),
        face_emission=np.repeat(quads.emission, 2),
        sky=sky,
        sky_scale=1.3,
    )
    return scene if things is None else _with_things(scene, things, loose_light)


def _with_things(scene: TexturedScene, things: LooseTriangles, light: NDArray[np.float32]) -> TexturedScene:
    """The scene with loose triangles that carry their light at their corners."""
    own, more = len(scene.faces), len(things.texture)
    zero = np.zeros((more, 3, 2), np.float32)
    assert scene.lightmap_uvs is not None
    assert scene.face_lightmap is not None
    assert scene.face_emission is not None
    return replace(
        scene,
        vertices=np.concatenate([scene.vertices, things.corners.reshape(-1, 3)]),
        faces=np.concatenate(
            [scene.faces, np.arange(3 * more, dtype=np.int32).reshape(-1, 3) + np.int32(len(scene.vertices))]
        ),
        uvs=np.concatenate([scene.uvs, things.uvs]),
        face_texture=np.concatenate([scene.face_texture, things.texture]),
        lightmap_uvs=np.concatenate([scene.lightmap_uvs, zero]),
        face_lightmap=np.concatenate([scene.face_lightmap, np.full(more, -1, np.int32)]),
        vertex_light=np.concatenate([np.ones((own, 3, 3), np.float32), light]),
        face_emission=np.concatenate([scene.face_emission, np.zeros(more, np.float32)]),
    )


def room_lights(rng: np.random.Generator, portals: NDArray[np.float32], lamps: list[NDArray[np.float64]]) -> Lights:
    """Sky and sun outside the portals (P, 4, 3), and lamps; see lighting.Lights."""
    brightness = float(rng.uniform(4.0, 7.0))
    sky = brightness * np.array([[0.62, 0.80, 1.10], [1.0, 1.02, 1.04], [0.30, 0.32, 0.24]])
    outward = -portals[int(rng.integers(len(portals))), 3]
    azimuth = np.arctan2(outward[1], outward[0]) + rng.uniform(-0.8, 0.8)
    height = np.deg2rad(rng.uniform(22, 48))
    direction = [np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)]
    strength = rng.uniform(8, 22) if rng.random() < 0.75 else 0.0
    sun = np.array([direction, strength * np.array([1.0, 0.88, 0.70])])
    return Lights(
        portals, np.array(lamps, np.float32).reshape(-1, 3, 3), sky.astype(np.float32), sun.astype(np.float32)
    )


def _find_route(
    rng: np.random.Generator, scene: TexturedScene, size: tuple[float, float, float], solids: NDArray[np.float32]
) -> Route:
    """Of random free walks the one that keeps its distance and starts with a view of many things."""
    best, best_score = None, -np.inf
    tried = 0
    for _ in range(3000):
        start = (*rng.uniform((0.4, 0.4), (size[0] - 0.4, size[1] - 0.4)), float(rng.uniform(1.3, 1.5)))
        middle = np.arctan2(size[1] / 2 - start[1], size[0] / 2 - start[0])
        heading = float(middle + rng.uniform(-0.6, 0.6))
        turn = float(np.deg2rad(rng.uniform(55, 70)) * rng.choice([-1, 1]))
        course = heading + turn * rng.uniform(0.0, 0.6)
        step = float(rng.uniform(0.7, 1.2))
        route = Route(start, heading, turn, (step * np.cos(course), step * np.sin(course)), 0.13)
        line = [route.pose(s, aside=a)[:3, 3] for s in np.linspace(0, 1, 7) for a in (0.0, _OFFSET)]
        if not keeps_clear(np.array(line), size, solids, _CLEARANCE).all():
            continue
        depth = np.concatenate([_near_depth(scene, route.pose(s)) for s in (0.0, 0.5, 1.0)])
        things = len(np.unique(render_faces(scene, Camera(intrinsics_from_fov(70, 32, 18), route.pose(0.0), 32, 18))))
        score = float(np.percentile(depth, 10)) + 0.5 * float(np.median(depth)) + 0.012 * things
        if score > best_score:
            best, best_score = route, score
        tried += 1
        if tried >= 16:
            break
    if best is None:
        raise InputError("The room leaves no space for a walk", got=f"size {size}", do="Use another seed")
    return best


def _near_depth(scene: TexturedScene, pose: NDArray[np.float64]) -> NDArray[np.float32]:
    camera = Camera(intrinsics_from_fov(70, 24, 14), pose, 24, 14)
    _, depth, sky = render(scene, camera, supersample=1, exposure=1.0)
    return np.where(sky, 8.0, depth).reshape(-1)


def make_room(seed: int) -> Room:
    """A furnished room. The same seed gives the same bytes."""
    from lyra_core.training.layout import furnish

    rng = np.random.default_rng([seed, 0x600D])
    size = (float(rng.uniform(5.0, 7.2)), float(rng.uniform(4.2, 5.8)), float(rng.uniform(2.5, 2.9)))
    t = Textures()
    colours = palette(rng, t)
    faces = surfaces(rng, t, colours)
    rug = t.add(textures.rug(rng), 0.0)
    walls = Walls(*size)
    plan_openings(rng, walls)
    builder = SolidBuilder(rng)
    portals = build_shell(builder, walls, faces, colours)
    lamps, lengths = furnish(builder, walls, colours, rug, faces)
    quads = builder.finish()
    scene = room_scene(quads, t.images, room_lights(rng, portals, lamps), textures.hills_sky(rng))
    solids = quads.solids
    route = _find_route(rng, scene, size, solids)
    camera = Camera(intrinsics_from_fov(70, 256, 144), route.pose(0.5), 256, 144)
    known = {
        "room_length": size[0],
        "room_width": size[1],
        "room_height": size[2],
        "door_height": DOOR_HEIGHT,
        "door_width": DOOR_WIDTH,
        "eye_height": route.start[2],
        **lengths,
    }
    kind, thin = np.repeat(quads.kind, 2), np.repeat(quads.thin, 2)
    return Room(seed, scene, size, solids, known, route, auto_exposure(scene, camera), kind, thin)

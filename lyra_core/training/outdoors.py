# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Outdoor scenes made from a seed: squares, gardens, valleys and shores with houses, trees, rocks, posts and water.

Game levels and rooms hold few plants and no mountains, so a model that learns from them alone takes a lake or a crown
of leaves for ground or wall. The ground is a polar grid around the origin, fine near the camera and 700 m wide.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.training import textures
from lyra_core.training.clutter import scatter
from lyra_core.training.level_views import ViewRange, camera_at, worth_it
from lyra_core.training.outdoor_textures import crown, facade, ground, water
from lyra_core.training.renderer import TexturedScene, render
from lyra_core.training.soup import TriangleSoup
from lyra_core.types import Camera

__all__ = ["More", "Outdoors", "make_outdoors", "sample_outdoor_view"]

More = Callable[[TriangleSoup, list[NDArray[np.uint8]], Callable[[float, float], float], np.random.Generator], None]

_RADIUS = 700.0
_KINDS = ("square", "garden", "valley", "shore")  # only on demand: "yard", a corner full of things, and "street"


@dataclass(frozen=True, eq=False)
class Outdoors:
    """An outdoor scene; `height` gives the ground's z [m] at (x, y).

    street: heading [rad] and half width [m] of the street through the origin; None: there is none.
    """

    scene: TexturedScene
    relief: _Relief
    kind: str
    street: tuple[float, float] | None = None

    def height(self, x: float, y: float) -> float:
        """Ground height [m]; water counts as ground."""
        return max(float(self.relief.height(np.array([x]), np.array([y]))[0]), self.relief.water)


@dataclass(frozen=True, eq=False)
class _Relief:
    """Ground height: bumps near the origin, hills or mountains far from it. waves (K, 4): kx, ky, phase, amplitude."""

    waves: NDArray[np.float64]
    bumps: NDArray[np.float64]
    flat: float
    hills: float
    slope: tuple[float, float]
    water: float

    def height(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        radius = np.hypot(x, y)

        def total(waves: NDArray[np.float64]) -> NDArray[np.float64]:
            phase = x[..., None] * waves[:, 0] + y[..., None] * waves[:, 1] + waves[:, 2]
            return (np.sin(phase) * waves[:, 3]).sum(axis=-1)

        far = np.clip((radius - self.flat) / (2.5 * self.flat), 0, None)
        mountains = np.abs(total(self.waves)) * self.hills * np.minimum(far, 12.0) ** 1.2
        return (
            total(self.bumps) * (0.3 + 0.7 * np.minimum(radius / 10, 3))
            + mountains
            + x * self.slope[0]
            + y * self.slope[1]
        )


def _waves(rng: np.random.Generator, count: int, longest: float, shortest: float, scale: float) -> NDArray[np.float64]:
    length = np.exp(rng.uniform(np.log(shortest), np.log(longest), count))
    angle = rng.uniform(0, 2 * np.pi, count)
    k = 2 * np.pi / length
    amplitude = scale * (length / longest) ** 0.9 / np.sqrt(count)
    return np.column_stack([k * np.cos(angle), k * np.sin(angle), rng.uniform(0, 2 * np.pi, count), amplitude])


def _relief(kind: str, rng: np.random.Generator) -> _Relief:
    bump = {"yard": 0.02, "street": 0.01, "square": 0.02, "garden": 0.25, "valley": 0.9, "shore": 0.5}[kind]
    hills = {"yard": 2.0, "street": 2.0, "square": 2.0, "garden": 3.0, "valley": 26.0, "shore": 8.0}[
        kind
    ] * rng.uniform(0.4, 1.6)
    slope = {"yard": 0.01, "street": 0.02, "square": 0.01, "garden": 0.03, "valley": 0.06, "shore": 0.10}[kind]
    angle, tilt = rng.uniform(0, 2 * np.pi), slope * rng.uniform(0.2, 1.0)
    water = -rng.uniform(0.3, 2.5) if kind == "shore" or (kind == "valley" and rng.uniform() < 0.5) else -1e6
    return _Relief(
        _waves(rng, 14, 260.0, 14.0, 1.0),
        _waves(rng, 12, 25.0, 1.5, 2 * bump),
        rng.uniform(18, 45) if kind != "valley" else rng.uniform(6, 25),
        hills / 3,
        (tilt * np.cos(angle), tilt * np.sin(angle)),
        water,
    )


def _lay_ground(soup: TriangleSoup, relief: _Relief, near: int, far: int, steep: int, wet: int) -> None:
    rings = np.concatenate([[0.0], 0.5 * np.exp(np.arange(96) * (np.log(_RADIUS / 0.5) / 95))])
    angle = np.arange(145) * 2 * np.pi / 144
    radius, turn = np.meshgrid(rings, angle, indexing="ij")
    x, y = radius * np.cos(turn), radius * np.sin(turn)
    points = np.stack([x, y, relief.height(x, y)], axis=-1)
    normal = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    normal[0] = [0.0, 0.0, 1.0]

    def cells(grid: NDArray[np.float64]) -> NDArray[np.float64]:
        a, b, c, d = grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]
        return np.concatenate([np.stack([a, b, c], -2), np.stack([a, c, d], -2)]).reshape(-1, 3, grid.shape[-1])

    corners, normals = cells(points), cells(normal)
    middle = corners.mean(axis=1)
    texture = np.where(np.hypot(middle[:, 0], middle[:, 1]) < relief.flat * 0.8, near, far)
    texture = np.where(normals[..., 2].mean(axis=1) < 0.78, steep, texture).astype(np.int32)
    soup.add(corners, corners[..., :2] / 3.0, texture, normals)
    if relief.water > -100:
        flat = points.copy()
        flat[..., 2] = relief.water
        sheet = cells(flat)
        soup.add(sheet, sheet[..., :2] / 12.0, wet, np.broadcast_to([0.0, 0.0, 1.0], sheet.shape).copy())


def _above(point: NDArray[np.float64], rise: float) -> NDArray[np.float64]:
    """The point (3,) moved up by `rise` [m]."""
    return point + np.array([0.0, 0.0, rise])


def _spots(rng: np.random.Generator, count: int, inner: float, outer: float) -> NDArray[np.float64]:
    radius = inner * (outer / inner) ** rng.uniform(0, 1, count)
    angle = rng.uniform(0, 2 * np.pi, count)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def _tree(soup: TriangleSoup, foot: NDArray[np.float64], bark: int, leaves: int, rng: np.random.Generator) -> None:
    height = rng.uniform(3.0, 11.0)
    stem = height * rng.uniform(0.25, 0.5)
    top = foot + [rng.normal(0, 0.05) * height, rng.normal(0, 0.05) * height, stem]
    soup.post(_above(foot, -0.3), top, (height * 0.028, height * 0.018), bark)
    if rng.uniform() < 0.25:  # a conifer: stacked cones
        for i in range(4):
            low = _above(top, (height - stem) * (i / 4 - 0.12))
            soup.post(low, _above(low, (height - stem) * 0.42), (height * 0.2 * (1 - i / 5), 0.02), leaves, sides=10)
        return
    for _ in range(rng.integers(3, 7)):
        at = _above(top, (height - stem) * 0.4) + rng.normal(0, height, 3) * [0.13, 0.13, 0.10]
        soup.blob(at, height * rng.uniform(0.12, 0.22, 3), leaves, rng, rough=0.16, tile=1.6)


def _house(
    soup: TriangleSoup, at: NDArray[np.float64], yaw: float, walls: int, roof: int, rng: np.random.Generator
) -> None:
    half = np.array([rng.uniform(3, 12), rng.uniform(3, 8), rng.uniform(1.6, 4.0) * rng.integers(1, 4)])
    center = _above(at, half[2] - 0.5)
    soup.box(center, half, yaw, walls, roof, tile=3.0)
    top = _above(center, half[2])
    if rng.uniform() < 0.6:
        soup.gable(top, half, yaw, half[1] * rng.uniform(0.5, 1.0), roof, walls)
    else:
        soup.box(top, half * [1.03, 1.03, 0.06], yaw, roof, roof, tile=2.0)
    if rng.uniform() < 0.35:  # an arcade or porch before the front
        turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
        for i in np.linspace(-0.9, 0.9, int(rng.integers(3, 8))):
            foot = np.array([*(turn @ [i * half[0], -half[1] - 1.8] + at[:2]), at[2] - 0.5])
            soup.post(foot, _above(foot, 3.3), (0.18, 0.15), roof)
        porch = np.array([*(turn @ [0, -half[1] - 1.0] + at[:2]), at[2] + 2.9])
        soup.box(porch, np.array([half[0], 1.1, 0.12]), yaw, roof, roof, tile=2.0)


def _fence(soup: TriangleSoup, relief: _Relief, post: int, rng: np.random.Generator) -> None:
    """Railing or fence along a straight line near the camera."""
    start, yaw = _spots(rng, 1, 2.0, 12.0)[0], rng.uniform(0, 2 * np.pi)
    step, count = rng.uniform(0.5, 2.2), int(rng.integers(4, 14))
    tall, thick = rng.uniform(0.6, 1.5), rng.uniform(0.015, 0.06)
    xy = start + np.arange(count)[:, None] * step * np.array([np.cos(yaw), np.sin(yaw)])
    feet = np.column_stack([xy, relief.height(xy[:, 0], xy[:, 1])])
    for foot in feet:
        soup.post(_above(foot, -0.2), _above(foot, tall), (thick, thick), post, sides=6)
    for level in rng.uniform(0.3, 1.0, int(rng.integers(1, 3))) * tall:
        for a, b in itertools.pairwise(feet):
            soup.post(_above(a, level), _above(b, level), (thick * 0.7, thick * 0.7), post, sides=5)


def _beside_street(
    soup: TriangleSoup,
    kind: str,
    foot: NDArray[np.float64],
    yaw: float,
    pick: Callable[[str], int],
    rng: np.random.Generator,
) -> None:
    """A lamp post, tree, bollard or car at a point."""
    if kind == "post":
        soup.post(foot, _above(foot, rng.uniform(3.0, 8.0)), (0.09, 0.06), pick("bark"), sides=7)
    elif kind == "tree":
        _tree(soup, foot, pick("bark"), pick("leaves"), rng)
    elif kind == "bollard":
        soup.post(foot, _above(foot, rng.uniform(0.5, 1.1)), (0.09, 0.08), pick("rock"), sides=7)
    else:
        paint, glass = pick("roof"), pick("water")
        soup.box(_above(foot, 0.62), np.array([2.1, 0.85, 0.36]), yaw, paint, paint, tile=3.0)
        soup.box(_above(foot, 1.2), np.array([1.2, 0.75, 0.26]), yaw, glass, paint, tile=3.0)


def _street(
    soup: TriangleSoup, relief: _Relief, slots: dict[str, list[int]], rng: np.random.Generator
) -> tuple[float, float]:
    """Two rows of houses wall to wall, pavements, and what stands on them; returns heading [rad] and half width [m]."""
    yaw, half = rng.uniform(0, 2 * np.pi), float(np.exp(rng.uniform(np.log(3.0), np.log(15.0))))
    along, across = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])

    def at(s: float, t: float) -> NDArray[np.float64]:
        x, y = s * along + t * across
        return np.array([x, y, float(relief.height(np.array([x]), np.array([y]))[0])])

    def pick(name: str) -> int:
        return int(rng.choice(slots[name]))

    walk, tallest = rng.uniform(0.8, 0.4 * half + 0.8), rng.uniform(8.0, 32.0)
    for side in (-1, 1):
        if rng.uniform() < 0.06:  # one side may be open: a park, a river
            continue
        s = -rng.uniform(30, 60)
        while s < 140:
            size = np.array([rng.uniform(3, 13), rng.uniform(3, 6), rng.uniform(0.35, 1.0) * tallest / 2])
            if rng.uniform() > 0.12:
                front = half + walk + rng.normal(0, 0.2)
                center = at(s + size[0], side * (front + size[1])) + [0, 0, size[2] - 0.5]
                soup.box(center, size, yaw, pick("wall"), pick("roof"), tile=rng.uniform(2.5, 4.5))
                ledge = _above(center, size[2])
                soup.box(ledge, size * [1.0, 1.06, 0.0] + [0, 0, 0.25], yaw, pick("roof"), pick("roof"), tile=2.0)
            s += 2 * size[0]
        kerb = at(40.0, side * (half + walk / 2)) + [0, 0, 0.02]
        soup.box(kerb, np.array([110.0, walk / 2, 0.1]), yaw, pick("rock"), pick("rock"), tile=2.0)
        for kind, share in (("post", 0.7), ("tree", 0.4), ("car", 0.6), ("bollard", 0.4)):
            if rng.uniform() > share:
                continue
            step, start = rng.uniform(4, 22), rng.uniform(-25, 0)
            for k in range(int(rng.integers(2, 9))):
                foot = at(start + k * step, side * (half + rng.uniform(-0.2, 0.6) * walk))
                if kind == "car":
                    foot = at(start + k * step, side * (half - rng.uniform(0.9, 1.3)))
                _beside_street(soup, kind, foot, float(yaw), pick, rng)
    return float(yaw), half


def _furnish(
    soup: TriangleSoup, kind: str, relief: _Relief, slots: dict[str, list[int]], rng: np.random.Generator
) -> None:
    def feet(count: int, inner: float, outer: float) -> NDArray[np.float64]:
        xy = _spots(rng, count, inner, outer)
        z = relief.height(xy[:, 0], xy[:, 1])
        return np.column_stack([xy, z])[z > relief.water - 0.2]

    def pick(name: str) -> int:
        return int(rng.choice(slots[name]))

    many = {
        "yard": (2, 3, 2),
        "square": (12, 14, 2),
        "garden": (4, 34, 5),
        "valley": (2, 40, 16),
        "shore": (3, 16, 12),
    }[kind]
    base_yaw = rng.uniform(0, np.pi)
    if kind == "yard":
        scatter(soup, feet(int(rng.integers(10, 26)), 1.3, 7.0), pick, rng)
        for turn in range(int(rng.integers(1, 4))):  # walls that close the yard
            yaw, away, tall = base_yaw + turn * np.pi / 2, rng.uniform(4.5, 9.0), rng.uniform(1.2, 3.6)
            middle = np.array([-np.sin(yaw) * away, np.cos(yaw) * away, tall / 2 - 0.1])
            soup.box(middle, np.array([14.0, 0.15, tall / 2]), yaw, pick("wall"), pick("roof"), tile=3.0)
    for at in feet(int(rng.integers(0, many[0] + 1)), 12.0, 60.0):
        _house(soup, at, base_yaw + rng.integers(4) * np.pi / 2 + rng.normal(0, 0.05), pick("wall"), pick("roof"), rng)
    for at in feet(int(rng.integers(1, many[1] + 1)), 4.0, 80.0):
        _tree(soup, at, pick("bark"), pick("leaves"), rng)
    for at in feet(int(rng.integers(0, many[2] + 1)), 2.5, 40.0):
        size = rng.uniform(0.15, 1.6) * rng.uniform(0.6, 1.4, 3)
        soup.blob(at, size, pick("rock"), rng, rough=0.14, tile=2.0)
    for at in feet(int(rng.integers(0, 14)), 2.0, 25.0):
        soup.blob(_above(at, 0.3), rng.uniform(0.3, 1.1, 3), pick("leaves"), rng, rough=0.14, tile=1.2)
    for at in feet(int(rng.integers(0, 9)), 2.0, 25.0):  # lamp posts, columns, bollards
        tall, thick = rng.uniform(0.6, 6.0), rng.uniform(0.03, 0.35)
        soup.post(_above(at, -0.2), _above(at, tall), (thick, thick * rng.uniform(0.6, 1.0)), pick("rock"))
    for at in feet(int(rng.integers(0, 10)), 2.0, 22.0):  # crates, benches, walls, cars
        half = np.array([rng.uniform(0.2, 2.2), rng.uniform(0.15, 0.9), rng.uniform(0.15, 0.8)])
        soup.box(
            _above(at, half[2] - 0.05), half, rng.uniform(0, np.pi), pick("roof"), pick("rock"), tile=1.5, top_tile=1.5
        )
    for _ in range(int(rng.integers(0, 3))):
        _fence(soup, relief, pick("bark"), rng)


def _paint(rng: np.random.Generator) -> tuple[list[NDArray[np.uint8]], dict[str, list[int]]]:
    images: list[NDArray[np.uint8]] = []

    def put(*more: NDArray[np.uint8]) -> list[int]:
        images.extend(more)
        return list(range(len(images) - len(more), len(images)))

    def colour(low: float, high: float) -> list[float]:
        return (rng.uniform(low, high) * rng.uniform(0.75, 1.0, 3)).tolist()

    paved = rng.choice([0, 1, 2])
    floor = [
        ground,
        lambda r: textures.tiles(r, colour(110, 220), count=6),
        lambda r: textures.stone(r, colour(90, 210)),
    ][paved]
    slots = {
        "near": put(floor(rng)),
        "far": put(ground(rng)) if rng.uniform() < 0.5 else [0],
        "steep": put(textures.stone(rng, colour(60, 150))),
    }
    slots["water"] = put(water(rng))
    slots["wall"] = put(facade(rng), facade(rng), textures.brick(rng, colour(90, 190)))
    slots["roof"] = put(
        textures.planks(rng, colour(60, 170)),
        textures.tiles(rng, colour(60, 190)),
        textures.plaster(rng, colour(80, 220)),
    )
    slots["bark"] = put(textures.planks(rng, colour(50, 130)), textures.plaster(rng, colour(40, 200)))
    slots["leaves"] = put(crown(rng), crown(rng))
    slots["rock"] = put(textures.stone(rng, colour(70, 200)), textures.plaster(rng, colour(60, 220)))
    return images, slots


def _lit(
    corners: NDArray[np.float64], normals: NDArray[np.float64], scene: TexturedScene, rng: np.random.Generator
) -> NDArray[np.float32]:
    """(F, 3, 3) light at corners: sky from above, sun with shadows from a depth map seen from the sun."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(12, 75))
    towards = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    overcast = rng.uniform() < 0.35
    sun = 0.15 if overcast else rng.uniform(1.0, 2.5)
    eye, size = towards * 600.0, 640
    view = camera_at(eye, yaw=azimuth + np.pi, pitch=-elevation, size=(size, size), focal=size / 2 / 0.11)
    _, depth, _ = render(scene, view, supersample=1, exposure=1.0)
    seen = (corners.reshape(-1, 3) - eye) @ view.world_from_camera[:3, :3]
    pixel = seen[:, :2] / np.maximum(seen[:, 2:], 1.0) * view.intrinsics[0, 0] + size / 2
    inside = ((pixel >= 0) & (pixel < size)).all(axis=1)
    column, row = np.clip(pixel.astype(int), 0, size - 1).T
    dark = inside & (depth[row, column] > 0) & (seen[:, 2] > depth[row, column] + 0.5)
    facing = np.clip(normals.reshape(-1, 3) @ towards, 0, 1) * ~dark
    ambient = 0.35 + 0.3 * normals.reshape(-1, 3)[:, 2]
    warm = np.array([1.0, rng.uniform(0.8, 1.0), rng.uniform(0.6, 1.0)])
    cool = np.array([rng.uniform(0.85, 1.0), rng.uniform(0.92, 1.0), 1.05])
    light = sun * facing[:, None] * warm + ambient[:, None] * cool
    return light.reshape(corners.shape).astype(np.float32)


def make_outdoors(seed: int, kind: str | None = None, more: More | None = None) -> Outdoors:
    """The outdoor scene of this seed; same seed, same bytes. kind: square, garden, valley, shore, yard,
    street; None: one of the first four.

    more: called with the triangles, the textures (it may append to both), the ground's height and the random numbers.
    """
    rng = np.random.default_rng([seed, 77])
    drawn = str(rng.choice(_KINDS))
    kind = kind or drawn
    relief = _relief(kind, rng)
    images, slots = _paint(rng)
    soup = TriangleSoup()
    _lay_ground(soup, relief, slots["near"][0], slots["far"][0], slots["steep"][0], slots["water"][0])
    street = None
    if kind == "street":
        rng.uniform()  # drawn when the shipped weights' streets were rendered; without it they would be others
        street = _street(soup, relief, slots, rng)
    else:
        _furnish(soup, kind, relief, slots, rng)
    if more is not None:
        more(soup, images, lambda x, y: max(float(relief.height(np.array([x]), np.array([y]))[0]), relief.water), rng)
    corners, uvs, texture, normals = soup.finish()
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    keep = area > 1e-8
    corners, uvs, texture, normals = corners[keep], uvs[keep], texture[keep], normals[keep]

    def scene(light: NDArray[np.float32] | None) -> TexturedScene:
        return TexturedScene(
            vertices=corners.reshape(-1, 3).astype(np.float32),
            faces=np.arange(3 * len(corners), dtype=np.int32).reshape(-1, 3),
            uvs=uvs.astype(np.float32),
            face_texture=texture,
            textures=images,
            vertex_light=light,
        )

    return Outdoors(scene(_lit(corners, normals, scene(None), rng)), relief, kind, street)


def sample_outdoor_view(
    place: Outdoors, size: tuple[int, int], rng: np.random.Generator, spans: ViewRange | None = None
) -> tuple[TexturedScene, Camera] | None:
    """The scene and a view of size (width, height) from within 9 m of the origin; None if not worth rendering."""
    spans = spans or ViewRange()
    angle, yaw = rng.uniform(0, 2 * np.pi), float(rng.uniform(0, 2 * np.pi))
    away = rng.uniform(2.0, 6.5) if place.kind == "yard" else 9.0 * np.sqrt(rng.uniform())
    x, y = away * np.cos(angle), away * np.sin(angle)
    if place.kind == "yard":  # look at the things in the middle
        target = rng.normal(0, 1.2, 2)
        yaw = float(np.arctan2(target[1] - y, target[0] - x))
    if place.street is not None:  # on the street or its pavement, mostly looking along it
        heading, half = place.street
        s, t = rng.uniform(-8, 8), rng.uniform(-0.9, 0.9) * half
        x, y = s * np.cos(heading) - t * np.sin(heading), s * np.sin(heading) + t * np.cos(heading)
        if rng.uniform() < 0.8:
            yaw = float(heading + rng.choice([0.0, np.pi]) + np.radians(rng.normal(0, 22)))
    high = rng.uniform(2.0, 12.0) if rng.uniform() < 0.15 else rng.uniform(*spans.eye_height)
    eye = np.array([x, y, place.height(float(x), float(y)) + high])
    pitch = float(np.radians(np.clip(rng.normal(0.0 if high < 2 else -8.0, 8.0), *spans.pitch)))
    focal = 0.5 * max(size) / np.tan(np.radians(rng.uniform(*spans.fov)) / 2)
    camera = camera_at(
        eye,
        yaw=yaw,
        pitch=pitch,
        roll=np.radians(rng.normal(0, spans.roll)),
        size=size,
        focal=float(focal),
    )
    return (place.scene, camera) if worth_it(place.scene, camera) else None

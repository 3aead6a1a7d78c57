# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The shell of a room: floor, ceiling, walls with windows and doors, skirting, curtains, a hall behind a doorway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lyra_core.training.furniture import Palette, picture
from lyra_core.training.solids import Material, SolidBuilder

__all__ = ["DOOR_HEIGHT", "DOOR_WIDTH", "Opening", "Surfaces", "Walls", "build_shell", "plan_openings"]

DOOR_HEIGHT = 2.05
DOOR_WIDTH = 0.9
_REVEAL = 0.18


@dataclass(frozen=True)
class Opening:
    """A rectangle in a wall, in wall coordinates: x along the wall, z up [m]. kind: window, doorway or door."""

    wall: int
    x0: float
    x1: float
    z0: float
    z1: float
    kind: str


@dataclass(frozen=True)
class Surfaces:
    """Materials of the shell; walls: one per wall."""

    floor: Material
    ceiling: Material
    walls: tuple[Material, ...]
    trim: Material
    door: Material
    curtain: Material
    metal: Material


@dataclass
class Walls:
    """Frames of the four walls of the rectangle (0, 0)..(length, width): x along the wall, y into the room."""

    length: float
    width: float
    height: float
    openings: list[Opening] = field(default_factory=list)

    def run(self, wall: int) -> float:
        """Length of a wall [m]."""
        return self.length if wall % 2 == 0 else self.width

    def origin(self, wall: int) -> tuple[float, float, float]:
        """x, y and yaw of the wall's frame in the room."""
        corner = ((0.0, 0.0), (self.length, 0.0), (self.length, self.width), (0.0, self.width))[wall]
        return corner[0], corner[1], wall * np.pi / 2

    @contextmanager
    def frame(self, b: SolidBuilder, wall: int) -> Iterator[None]:
        """Build in the frame of a wall."""
        x, y, yaw = self.origin(wall)
        with b.at(x, y, yaw=yaw):
            yield

    def on(self, wall: int) -> list[Opening]:
        """The openings of one wall."""
        return [o for o in self.openings if o.wall == wall]


def plan_openings(rng: np.random.Generator, walls: Walls) -> None:
    """One or two windows on one or two walls, and a door or doorway on another."""
    order = rng.permutation(4)
    window_walls = order[: 1 + int(rng.random() < 0.5)]
    for wall in window_walls:
        run = walls.run(int(wall))
        count = 2 if run > 4.8 else 1
        sill = float(rng.choice([0.45, 0.85, 0.95]))
        top = min(float(rng.uniform(2.05, 2.3)), walls.height - 0.25)
        for k in range(count):
            width = float(rng.uniform(1.0, 1.5)) if count == 2 else float(rng.uniform(1.3, 2.2))
            middle = run * (k + 1) / (count + 1) + float(rng.uniform(-0.1, 0.1))
            walls.openings.append(Opening(int(wall), middle - width / 2, middle + width / 2, sill, top, "window"))
    for i, wall in enumerate(order[2:]):
        if i == 1 and rng.random() < 0.6:
            break
        run = walls.run(int(wall))
        x0 = float(rng.choice([0.35, run - DOOR_WIDTH - 0.35, rng.uniform(0.6, run - DOOR_WIDTH - 0.6)]))
        kind = "doorway" if i == 0 and rng.random() < 0.7 else "door"
        walls.openings.append(Opening(int(wall), x0, x0 + DOOR_WIDTH, 0.0, DOOR_HEIGHT, kind))


def _wall(b: SolidBuilder, walls: Walls, wall: int, material: Material) -> None:
    """The wall's surface, cut into cells around its openings; the texture runs on through all cells."""
    holes = walls.on(wall)
    xs = sorted({0.0, walls.run(wall), *(o.x0 for o in holes), *(o.x1 for o in holes)})
    zs = sorted({0.0, walls.height, *(o.z0 for o in holes), *(o.z1 for o in holes)})
    corners = []
    for x0, x1 in pairwise(xs):
        for z0, z1 in pairwise(zs):
            cx, cz = (x0 + x1) / 2, (z0 + z1) / 2
            if not any(o.x0 < cx < o.x1 and o.z0 < cz < o.z1 for o in holes):
                corners.append([(x1, 0, z0), (x0, 0, z0), (x0, 0, z1), (x1, 0, z1)])
    stack = np.array(corners, dtype=np.float64)
    uvs = np.stack([-stack[..., 0] / material.tile, -stack[..., 2] / (material.tile * material.ratio)], axis=-1)
    b.quads(stack, uvs + wall * 0.37, material)


def _reveal(b: SolidBuilder, o: Opening, depth: float, material: Material, *, sill: bool) -> None:
    """The four inner sides of an opening, from y = -depth to the wall."""
    wide, high = o.x1 - o.x0, o.z1 - o.z0
    b.quad((o.x0, -depth, o.z0), (0, depth, 0), (0, 0, high), material)
    b.quad((o.x1, 0, o.z0), (0, -depth, 0), (0, 0, high), material)
    b.quad((o.x0, 0, o.z1), (wide, 0, 0), (0, -depth, 0), material)
    if sill:
        b.quad((o.x0, -depth, o.z0), (wide, 0, 0), (0, depth, 0), material)


def _window(b: SolidBuilder, o: Opening, s: Surfaces, height: float, *, curtains: bool) -> None:
    _reveal(b, o, _REVEAL, s.trim, sill=True)
    wide, high, y = o.x1 - o.x0, o.z1 - o.z0, -0.11
    cx, cz, rail = (o.x0 + o.x1) / 2, (o.z0 + o.z1) / 2, 0.055
    for z in (o.z0 + rail / 2, o.z1 - rail / 2):
        b.box((cx, y, z), (wide, 0.06, rail), s.trim, occupied=False)
    for x in (o.x0 + rail / 2, cx, o.x1 - rail / 2):
        b.box((x, y, cz), (rail, 0.05, high), s.trim, occupied=False)
    if high > 1.2:
        b.box((cx, y, o.z0 + 0.68 * high), (wide, 0.045, 0.04), s.trim, occupied=False)
    b.box((cx, 0.05, o.z0 - 0.02), (wide + 0.16, 0.14, 0.035), s.trim)
    if not curtains:
        return
    with b.marked("object"):
        _curtain(b, o, s, height)


def _curtain(b: SolidBuilder, o: Opening, s: Surfaces, height: float) -> None:
    wide, cx = o.x1 - o.x0, (o.x0 + o.x1) / 2
    top = min(o.z1 + 0.14, height - 0.05)
    b.box((cx, 0.1, top), (wide + 0.8, 0.025, 0.025), s.metal, occupied=False)
    for side in (-1, 1):
        edge = cx + side * (wide / 2 + 0.36)
        n = 15
        x = np.linspace(edge, edge - side * 0.42, n)
        fold = 0.1 + 0.032 * np.sin(np.arange(n) * 1.9 + side)
        low, upper = np.full(n, 0.05), np.full(n, top)
        strip = np.stack([np.stack([x, fold, low], 1), np.stack([x, fold, upper], 1)])
        lean = np.stack([-np.gradient(fold) / np.gradient(x), np.ones(n), np.zeros(n)], axis=1)
        lean /= np.linalg.norm(lean, axis=1, keepdims=True)
        corners = np.stack([strip[0, :-1], strip[0, 1:], strip[1, 1:], strip[1, :-1]], axis=1)
        normals = np.stack([lean[:-1], lean[1:], lean[1:], lean[:-1]], axis=1)
        along = np.linspace(0, 0.7, n) / s.curtain.tile
        drop = (upper[0] - 0.05) / s.curtain.tile
        zero, full = np.zeros(n - 1), np.full(n - 1, -drop)
        uvs = np.stack(
            [
                np.stack([along[:-1], zero], 1),
                np.stack([along[1:], zero], 1),
                np.stack([along[1:], full], 1),
                np.stack([along[:-1], full], 1),
            ],
            axis=1,
        )
        b.quads(corners, uvs, s.curtain, normals)
        b.solid((min(x[0], x[-1]), 0.0, 0.05), (max(x[0], x[-1]), 0.15, top))


def _casing(b: SolidBuilder, o: Opening, s: Surfaces) -> None:
    for x in (o.x0 - 0.035, o.x1 + 0.035):
        b.box((x, 0.011, o.z1 / 2), (0.07, 0.022, o.z1), s.trim, occupied=False)
    b.box(((o.x0 + o.x1) / 2, 0.011, o.z1 + 0.035), (o.x1 - o.x0 + 0.14, 0.022, 0.07), s.trim, occupied=False)


def _door(b: SolidBuilder, o: Opening, s: Surfaces) -> None:
    _casing(b, o, s)
    _reveal(b, o, 0.04, s.trim, sill=True)
    b.quad((o.x1, -0.04, 0.0), (o.x0 - o.x1, 0, 0), (0, 0, o.z1), s.door)
    b.box((o.x0 + 0.075, -0.015, 1.02), (0.03, 0.05, 0.03), s.metal, occupied=False)
    b.box((o.x0 + 0.115, 0.012, 1.02), (0.12, 0.018, 0.022), s.metal, occupied=False)


def _hall(b: SolidBuilder, o: Opening, s: Surfaces, p: Palette, height: float) -> None:
    """A passage 1.7 m deep behind a doorway, with a door and a picture on its far wall."""
    _casing(b, o, s)
    _reveal(b, o, 0.14, s.trim, sill=False)
    x0, x1, near, far = o.x0 - 1.3, o.x1 + 1.3, -0.14, -1.84
    wide, paint = x1 - x0, s.walls[0]
    with b.marked("floor"):
        b.quad((o.x0, near, 0), (o.x1 - o.x0, 0, 0), (0, 0.14, 0), s.floor)
        b.quad((x0, far, 0), (wide, 0, 0), (0, near - far, 0), s.floor)
    with b.marked("ceiling"):
        b.quad((x0, near, height), (wide, 0, 0), (0, far - near, 0), s.ceiling)
    b.quad((x1, far, 0), (-wide, 0, 0), (0, 0, height), paint)
    b.quad((x0, far, 0), (0, near - far, 0), (0, 0, height), paint)
    b.quad((x1, near, 0), (0, far - near, 0), (0, 0, height), paint)
    for a, c in ((x0, o.x0), (o.x1, x1)):
        b.quad((a, near, 0), (c - a, 0, 0), (0, 0, height), paint)
    b.quad((o.x0, near, o.z1), (o.x1 - o.x0, 0, 0), (0, 0, height - o.z1), paint)
    b.box(((x0 + x1) / 2, far + 0.008, 0.045), (wide, 0.016, 0.09), s.trim, occupied=False)
    with b.at((o.x0 + o.x1) / 2, far, 1.5):
        picture(b, p, width=0.5, height=0.65, number=int(b.rng.integers(8)))


def _skirting(b: SolidBuilder, walls: Walls, wall: int, s: Surfaces) -> None:
    cuts = sorted((o.x0 - 0.07, o.x1 + 0.07) for o in walls.on(wall) if o.z0 == 0.0)
    at = 0.0
    for start, stop in [*cuts, (walls.run(wall), walls.run(wall))]:
        if start > at + 0.01:
            b.box(((at + start) / 2, 0.008, 0.045), (start - at, 0.016, 0.09), s.trim, occupied=False)
        at = stop


def build_shell(b: SolidBuilder, walls: Walls, s: Surfaces, p: Palette) -> NDArray[np.float32]:
    """Build everything that does not move; returns the light portals (P, 4, 3) of the windows."""
    length, width, height = walls.length, walls.width, walls.height
    with b.marked("floor"):
        b.quad((0, 0, 0), (length, 0, 0), (0, width, 0), s.floor)
    with b.marked("ceiling"):
        b.quad((0, width, height), (length, 0, 0), (0, -width, 0), s.ceiling)
    curtains = bool(b.rng.random() < 0.65)
    portals = []
    for wall in range(4):
        # Trim, doors and window frames count as the wall that they are set into.
        with walls.frame(b, wall), b.marked("wall"):
            _wall(b, walls, wall, s.walls[wall])
            _skirting(b, walls, wall, s)
            b.box((walls.run(wall) / 2, 0.02, height - 0.03), (walls.run(wall), 0.04, 0.06), s.trim, occupied=False)
            for o in walls.on(wall):
                if o.kind == "window":
                    _window(b, o, s, height, curtains=curtains)
                    corner = b.world(np.array([o.x0, -_REVEAL, o.z0]))
                    edge = b.world(np.array([o.x1, -_REVEAL, o.z0])) - corner
                    inward = b.world(np.array([o.x0, 1.0 - _REVEAL, o.z0])) - corner
                    portals.append([corner, edge, np.array([0, 0, o.z1 - o.z0]), inward])
                elif o.kind == "door":
                    _door(b, o, s)
                else:
                    _hall(b, o, s, p, height)
    return np.array(portals, np.float32).reshape(-1, 4, 3)

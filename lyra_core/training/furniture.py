# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Pieces of furniture. Each stands at the local origin on z = 0, its back towards -y, its front towards +y."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lyra_core.training.solids import Material, SolidBuilder

__all__ = [
    "Palette",
    "bookshelf",
    "cabinet",
    "chair",
    "coffee_table",
    "dining_table",
    "floor_lamp",
    "picture",
    "plant",
    "sofa",
    "table_lamp",
    "vase",
]


@dataclass(frozen=True)
class Palette:
    """Materials of one room."""

    wood: Material
    dark_wood: Material
    paint: Material
    cloth: Material
    cloth_two: Material
    metal: Material
    ceramic: Material
    shade: Material
    screen: Material
    leaf: Material
    soil: Material
    art: tuple[Material, ...]
    spines: tuple[Material, ...]


def _legs(b: SolidBuilder, width: float, depth: float, height: float, thick: float, material: Material) -> None:
    for x in (-1, 1):
        for y in (-1, 1):
            at = x * (width / 2 - thick / 2), y * (depth / 2 - thick / 2), height / 2
            # Feet of a cabinet are no thin structure that a robot must see.
            with b.marked("object", thin=height > 0.3):
                b.box(at, (thick, thick, height), material, occupied=False)


def chair(b: SolidBuilder, p: Palette) -> None:
    """A wooden chair, 0.42 m wide, seat at 0.45 m, 0.92 m high."""
    _legs(b, 0.42, 0.42, 0.44, 0.04, p.wood)
    b.box((0, 0, 0.45), (0.43, 0.43, 0.03), p.wood, occupied=False)
    b.box((0, 0.01, 0.48), (0.39, 0.38, 0.045), p.cloth_two, chamfer=0.015, occupied=False)
    for x in (-0.19, 0.19):
        with b.marked("object", thin=True):
            b.box((x, -0.195, 0.69), (0.035, 0.03, 0.47), p.wood, occupied=False)
    for z in (0.62, 0.74, 0.87):
        b.box((0, -0.195, z), (0.36, 0.018, 0.07), p.wood, occupied=False)
    b.solid((-0.22, -0.22, 0), (0.22, 0.22, 0.93))


def dining_table(b: SolidBuilder, p: Palette, *, width: float, depth: float) -> None:
    """A table 0.74 m high."""
    b.box((0, 0, 0.725), (width, depth, 0.035), p.wood, occupied=False)
    for y in (-1, 1):
        b.box((0, y * (depth / 2 - 0.09), 0.665), (width - 0.16, 0.022, 0.085), p.wood, occupied=False)
    for x in (-1, 1):
        b.box((x * (width / 2 - 0.09), 0, 0.665), (0.022, depth - 0.16, 0.085), p.wood, occupied=False)
    _legs(b, width - 0.12, depth - 0.12, 0.71, 0.065, p.wood)
    b.solid((-width / 2, -depth / 2, 0), (width / 2, depth / 2, 0.745))


def coffee_table(b: SolidBuilder, p: Palette, *, width: float) -> None:
    """A low table with a lower board, magazines and a bowl."""
    b.box((0, 0, 0.41), (width, 0.6, 0.035), p.dark_wood, occupied=False)
    b.box((0, 0, 0.14), (width - 0.1, 0.5, 0.02), p.dark_wood, occupied=False)
    _legs(b, width, 0.6, 0.395, 0.05, p.dark_wood)
    b.solid((-width / 2, -0.3, 0), (width / 2, 0.3, 0.55))
    for k in range(3):
        cover = p.spines[int(b.rng.integers(len(p.spines)))]
        with b.at(-width * 0.22, 0.02, 0.4275 + 0.018 * k, yaw=float(b.rng.uniform(-0.5, 0.5))):
            b.box((0, 0, 0.009), (0.21, 0.29, 0.018), cover, occupied=False)
    with b.at(width * 0.2, -0.03, 0.4275):
        b.lathe([(0.05, 0), (0.06, 0.012), (0.12, 0.05), (0.145, 0.085), (0.135, 0.085), (0.05, 0.03)], p.ceramic)


def sofa(b: SolidBuilder, p: Palette, *, width: float) -> None:
    """A sofa 0.9 m deep with seat and back cushions and two pillows."""
    arm = 0.2
    b.box((0, 0, 0.2), (width, 0.88, 0.24), p.cloth, chamfer=0.02, occupied=False)
    b.box((0, -0.35, 0.5), (width, 0.18, 0.62), p.cloth, chamfer=0.04, occupied=False)
    for x in (-1, 1):
        b.box((x * (width / 2 - arm / 2), 0, 0.42), (arm, 0.88, 0.42), p.cloth, chamfer=0.045, occupied=False)
        for y in (-0.36, 0.36):
            b.box((x * (width / 2 - 0.1), y, 0.04), (0.05, 0.05, 0.08), p.dark_wood, occupied=False)
    seats = 3 if width > 1.95 else 2
    each = (width - 2 * arm) / seats
    for k in range(seats):
        x = -width / 2 + arm + each * (k + 0.5)
        b.box((x, 0.08, 0.395), (each - 0.012, 0.68, 0.16), p.cloth, chamfer=0.04, occupied=False)
        b.box((x, -0.2, 0.64), (each - 0.02, 0.17, 0.4), p.cloth, chamfer=0.05, occupied=False)
    for x in (-1, 1):
        with b.at(x * (width / 2 - 0.42), -0.03, 0.475, yaw=-0.35 * x):
            b.box((0, 0, 0.19), (0.42, 0.13, 0.38), p.cloth_two, chamfer=0.05, occupied=False)
    b.solid((-width / 2, -0.44, 0), (width / 2, 0.44, 0.9))


def bookshelf(b: SolidBuilder, p: Palette, *, width: float, height: float, shelves: int) -> None:
    """An open case, 0.32 m deep, filled with books and a few vases."""
    depth, board = 0.32, 0.025
    for x in (-1, 1):
        b.box((x * (width / 2 - board / 2), 0, height / 2), (board, depth, height), p.wood, occupied=False)
    b.box((0, -depth / 2 + 0.006, height / 2), (width - 2 * board, 0.012, height), p.wood, occupied=False)
    pitch = (height - board - 0.06) / shelves
    for k in range(shelves + 1):
        b.box((0, 0.005, 0.06 + k * pitch), (width - 2 * board, depth - 0.01, board), p.wood, occupied=False)
    b.box((0, depth / 2 - 0.02, 0.025), (width - 2 * board, 0.02, 0.05), p.wood, occupied=False)
    b.solid((-width / 2, -depth / 2, 0), (width / 2, depth / 2, height))
    for k in range(shelves):
        _books(b, p, width - 2 * board - 0.02, 0.06 + k * pitch + board / 2, pitch - board)


def _books(b: SolidBuilder, p: Palette, width: float, z: float, room: float) -> None:
    x, end = -width / 2, width / 2
    while x < end - 0.05:
        choice = b.rng.random()
        if choice < 0.12 and end - x > 0.22:
            with b.at(x + 0.11, 0.02, z):
                vase(b, p, height=min(0.24, room * 0.8))
            x += 0.22
        elif choice < 0.2:
            x += float(b.rng.uniform(0.05, 0.25))
        else:
            for _ in range(int(b.rng.integers(4, 12))):
                thick = float(b.rng.uniform(0.018, 0.048))
                tall = min(float(b.rng.uniform(0.17, 0.28)), room * 0.94)
                if x + thick > end:
                    return
                deep = float(b.rng.uniform(0.14, 0.2))
                cover = p.spines[int(b.rng.integers(len(p.spines)))]
                b.box((x + thick / 2, 0.11 - deep / 2, z + tall / 2), (thick * 0.97, deep, tall), cover, occupied=False)
                x += thick


def cabinet(b: SolidBuilder, p: Palette, *, width: float, television: bool) -> None:
    """A low cabinet with doors; a television or nothing on top (0.62 m high)."""
    depth, height = 0.42, 0.6
    b.box((0, 0, 0.06 + height / 2 - 0.03), (width, depth, height - 0.06), p.wood)
    b.box((0, 0, height + 0.01), (width + 0.03, depth + 0.02, 0.022), p.dark_wood)
    _legs(b, width - 0.04, depth - 0.06, 0.07, 0.04, p.dark_wood)
    doors = max(2, round(width / 0.5))
    each = width / doors
    for k in range(doors):
        x = -width / 2 + each * (k + 0.5)
        b.box((x, depth / 2 + 0.006, 0.06 + 0.27), (each - 0.02, 0.014, height - 0.11), p.wood, occupied=False)
        b.box(
            (x + (0.5 - k % 2) * (each - 0.1), depth / 2 + 0.022, 0.38), (0.012, 0.018, 0.12), p.metal, occupied=False
        )
    if television:
        wide = min(width * 0.8, 1.15)
        tall = wide * 0.58
        b.box((0, -0.04, 0.63), (0.4, 0.18, 0.02), p.screen)
        b.box((0, -0.05, 0.66), (0.06, 0.04, 0.08), p.screen)
        b.box((0, -0.05, 0.68 + tall / 2), (wide, 0.045, tall), p.metal)
        b.box((0, -0.0255, 0.68 + tall / 2), (wide - 0.03, 0.006, tall - 0.03), p.screen, occupied=False)


def vase(b: SolidBuilder, p: Palette, *, height: float) -> None:
    """A turned vase."""
    h, r = height, height * float(b.rng.uniform(0.24, 0.4))
    profile = [(0.5 * r, 0), (0.9 * r, 0.2 * h), (r, 0.42 * h), (0.7 * r, 0.7 * h), (0.35 * r, 0.85 * h), (0.5 * r, h)]
    b.lathe(profile, p.ceramic, sides=10)


def plant(b: SolidBuilder, p: Palette, *, height: float) -> None:
    """A pot with a bush of alpha-tested twigs."""
    b.lathe([(0.12, 0), (0.17, 0.28), (0.18, 0.30), (0.155, 0.30), (0.15, 0.26)], p.ceramic)
    with b.at(0, 0):
        b.cylinder(0.15, 0.2, 0.26, p.soil)
    count = 26
    for k in range(count):
        turn = 2.399963 * k  # golden angle
        lift = float(b.rng.uniform(0.25, 1.25))
        length = height * float(b.rng.uniform(0.42, 0.72))
        out = np.array([np.cos(turn) * np.cos(lift), np.sin(turn) * np.cos(lift), np.sin(lift)])
        side = np.array([-np.sin(turn), np.cos(turn), 0.0])
        base = np.array([0.0, 0.0, 0.26 + height * 0.22 * float(b.rng.random())]) + out * 0.03
        bend = np.array([0.0, 0.0, -0.25 * length * np.cos(lift)])
        middle, tip = base + out * length * 0.5, base + out * length + bend
        half = side * length * 0.3
        rows = [base, middle, tip]
        for i in range(2):
            corners = np.stack([rows[i] - half, rows[i] + half, rows[i + 1] + half, rows[i + 1] - half])[None]
            v = 1 - 0.5 * i
            uvs = np.array([[0.0, v], [1, v], [1, v - 0.5], [0, v - 0.5]])[None]
            normal = np.cross(2 * half, rows[i + 1] - rows[i])
            normal = normal / np.linalg.norm(normal) * (1.0 if normal[2] > 0 else -1.0)
            b.quads(corners, uvs, p.leaf, np.tile(normal, (1, 4, 1)))
    reach = height * 0.45
    b.solid((-reach, -reach, 0), (reach, reach, 0.3 + height))


def floor_lamp(b: SolidBuilder, p: Palette) -> None:
    """A standing lamp with a cloth shade at 1.5 m."""
    b.cylinder(0.15, 0, 0.025, p.metal)
    with b.marked("object", thin=True):
        b.cylinder(0.013, 0.025, 1.42, p.metal, sides=6)
    b.lathe([(0.23, 1.38), (0.16, 1.68)], p.shade, sides=16)


def table_lamp(b: SolidBuilder, p: Palette) -> None:
    """A lamp 0.46 m high."""
    b.lathe([(0.07, 0), (0.075, 0.02), (0.035, 0.05), (0.06, 0.14), (0.02, 0.24)], p.ceramic, sides=10)
    b.lathe([(0.15, 0.24), (0.1, 0.44)], p.shade, sides=14)


def picture(b: SolidBuilder, p: Palette, *, width: float, height: float, number: int) -> None:
    """A framed picture on the plane y = 0, centred on the local origin, facing +y."""
    frame, image = (p.dark_wood, p.paint)[number % 2], p.art[number % len(p.art)]
    rail = 0.035
    for z in (-1, 1):
        b.box((0, 0.014, z * (height / 2 + rail / 2)), (width + 2 * rail, 0.028, rail), frame, occupied=False)
    for x in (-1, 1):
        b.box((x * (width / 2 + rail / 2), 0.014, 0), (rail, 0.028, height), frame, occupied=False)
    b.quad((width / 2, 0.012, -height / 2), (-width, 0, 0), (0, 0, height), image)

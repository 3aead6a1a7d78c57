# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Where furniture stands: along walls and in the middle, clear of doors, windows and each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lyra_core.training import furniture
from lyra_core.training.furniture import Palette
from lyra_core.training.shell import Surfaces, Walls
from lyra_core.training.solids import Material, SolidBuilder

__all__ = ["Plan", "furnish", "keep_doors_clear", "pendant"]

_Rect = tuple[float, float, float, float]


@dataclass
class Plan:
    """Footprints taken so far, as (x0, y0, x1, y1) in the room, and spans of wall that are hung."""

    builder: SolidBuilder
    walls: Walls
    taken: list[_Rect] = field(default_factory=list)
    hung: list[tuple[int, float, float]] = field(default_factory=list)

    def rectangle(self, wall: int, x: float, y: float, width: float, depth: float) -> _Rect:
        """Bounds in the room of a rectangle centred at (x, y) in the frame of a wall."""
        ox, oy, yaw = self.walls.origin(wall)
        cosine, sine = round(np.cos(yaw)), round(np.sin(yaw))
        cx, cy = ox + cosine * x - sine * y, oy + sine * x + cosine * y
        w, d = (width, depth) if wall % 2 == 0 else (depth, width)
        return cx - w / 2, cy - d / 2, cx + w / 2, cy + d / 2

    def fits(self, r: _Rect, *, gap: float = 0.05) -> bool:
        """Whether a rectangle lies in the room and keeps a gap [m] to what stands there."""
        inside = (
            r[0] >= -0.01 and r[1] >= -0.01 and r[2] <= self.walls.length + 0.01 and r[3] <= self.walls.width + 0.01
        )
        return inside and not any(
            r[0] < t[2] + gap and t[0] < r[2] + gap and r[1] < t[3] + gap and t[1] < r[3] + gap for t in self.taken
        )

    def against_wall(
        self, build: Callable[[], None], width: float, depth: float, height: float, *, front: float = 0.0
    ) -> tuple[int, float] | None:
        """Stand a piece with its back to some wall; front [m] is kept free before it. Returns (wall, x)."""
        rng = self.builder.rng
        for _ in range(40):
            wall = int(rng.integers(4))
            run = self.walls.run(wall)
            if run < width + 0.3:
                continue
            x = float(rng.uniform(width / 2 + 0.05, run - width / 2 - 0.05))
            back = 0.03
            behind = [o for o in self.walls.on(wall) if o.x0 - 0.45 < x + width / 2 and x - width / 2 < o.x1 + 0.45]
            if any(o.kind == "window" for o in behind):
                back = 0.17
            if any(height > o.z0 for o in behind):
                continue
            y = back + depth / 2
            if not self.fits(self.rectangle(wall, x, y + front / 2, width, depth + front)):
                continue
            self.taken.append(self.rectangle(wall, x, y, width, depth))
            if height > 1.0:
                self.hung.append((wall, x - width / 2, x + width / 2))
            with self.walls.frame(self.builder, wall), self.builder.at(x, y):
                build()
            return wall, x
        return None

    def hang(self, palette: Palette, count: int) -> None:
        """Pictures where a wall is bare at eye height."""
        rng = self.builder.rng
        for k in range(count * 8):
            wall = int(rng.integers(4))
            width, height = float(rng.uniform(0.45, 1.1)), float(rng.uniform(0.4, 0.75))
            if self.walls.run(wall) < width + 0.6:
                continue
            x = float(rng.uniform(width / 2 + 0.25, self.walls.run(wall) - width / 2 - 0.25))
            spans = [(o.x0 - 0.5, o.x1 + 0.5) for o in self.walls.on(wall)]
            spans += [(a - 0.1, b + 0.1) for w, a, b in self.hung if w == wall]
            if any(a < x + width / 2 and x - width / 2 < b for a, b in spans):
                continue
            self.hung.append((wall, x - width / 2, x + width / 2))
            place = self.builder.at(x, 0.0, float(rng.uniform(1.5, 1.65)))
            with self.walls.frame(self.builder, wall), place, self.builder.marked("wall"):
                furniture.picture(self.builder, palette, width=width, height=height, number=k)
            count -= 1
            if count == 0:
                return


def keep_doors_clear(plan: Plan) -> None:
    """Take the floor before the doors."""
    for o in plan.walls.openings:
        if o.kind != "window":
            plan.taken.append(plan.rectangle(o.wall, (o.x0 + o.x1) / 2, 0.5, o.x1 - o.x0 + 0.1, 1.0))


def _partition(plan: Plan, surfaces: Surfaces) -> None:
    """A stub of wall that stands out into the room: what it hides must come back unchanged."""
    b, rng = plan.builder, plan.builder.rng
    for _ in range(12):
        wall = int(rng.choice([0, 2]))
        reach = float(rng.uniform(0.9, 1.5))
        x = float(rng.uniform(0.3, 0.7)) * plan.walls.run(wall)
        if any(o.x0 - 0.3 < x < o.x1 + 0.3 for o in plan.walls.on(wall)):
            continue
        rect = plan.rectangle(wall, x, reach / 2, 0.14, reach)
        if not plan.fits(rect):
            continue
        plan.taken.append(rect)
        plan.hung.append((wall, x - 0.3, x + 0.3))
        material = surfaces.walls[wall]
        with plan.walls.frame(b, wall), b.marked("wall"):
            b.box((x, reach / 2, plan.walls.height / 2), (0.14, reach, plan.walls.height), material)
            b.box((x, reach / 2, 0.045), (0.17, reach + 0.015, 0.09), surfaces.trim, occupied=False)
        return


def _seat_group(plan: Plan, palette: Palette, rug: Material) -> None:
    """Sofa, rug and coffee table."""
    b = plan.builder
    width = float(b.rng.uniform(1.75, 2.2))
    found = plan.against_wall(lambda: furniture.sofa(b, palette, width=width), width, 0.9, 0.92, front=1.0)
    if found is None:
        return
    wall, x = found
    with plan.walls.frame(b, wall):
        y = 1.45
        with b.marked("floor"):
            b.box((x, y, 0.006), (2.1, 1.4, 0.012), rug, occupied=False)
        table = float(b.rng.uniform(0.9, 1.15))
        rect = plan.rectangle(wall, x, y + 0.1, table, 0.62)
        if plan.fits(rect):
            plan.taken.append(rect)
            with b.at(x, y + 0.1):
                furniture.coffee_table(b, palette, width=table)


def _dining(plan: Plan, palette: Palette) -> dict[str, float]:
    """A table with four chairs where the floor is free."""
    b, rng = plan.builder, plan.builder.rng
    width, depth = float(rng.uniform(1.1, 1.5)), float(rng.uniform(0.75, 0.85))
    for _ in range(60):
        wall = int(rng.integers(2))
        x = float(rng.uniform(1.2, plan.walls.run(wall) - 1.2))
        y = float(rng.uniform(1.1, plan.walls.run(1 - wall) - 1.1))
        rect = plan.rectangle(wall, x, y, width + 0.1, depth + 0.9)
        if not plan.fits(rect, gap=0.15):
            continue
        plan.taken.append(rect)
        with plan.walls.frame(b, wall), b.at(x, y):
            furniture.dining_table(b, palette, width=width, depth=depth)
            with b.at(float(rng.uniform(-0.3, 0.3)), 0.0, 0.7425):
                furniture.vase(b, palette, height=float(rng.uniform(0.2, 0.32)))
            for side in (-1, 1):
                for end in (-1, 1):
                    out = float(rng.uniform(0.08, 0.25))
                    turn = (0.0 if side < 0 else np.pi) + float(rng.uniform(-0.25, 0.25))
                    with b.at(end * width * 0.24, side * (depth / 2 + out), yaw=turn):
                        furniture.chair(b, palette)
        return {"table_height": 0.7425, "table_width": width, "table_depth": depth}
    return {}


def pendant(b: SolidBuilder, walls: Walls, palette: Palette) -> NDArray[np.float64]:
    """Hang a lamp from the ceiling; returns the lamp (3, 3): position, power, (radius, 0, 0)."""
    x, y = walls.length / 2 + float(b.rng.uniform(-0.6, 0.6)), walls.width / 2 + float(b.rng.uniform(-0.4, 0.4))
    z = walls.height - 0.42
    with b.at(x, y):
        b.cylinder(0.006, z + 0.12, walls.height, palette.metal, sides=5)
        b.lathe([(0.2, z - 0.08), (0.17, z + 0.05), (0.06, z + 0.13)], palette.shade, sides=16)
    return np.array([[x, y, z - 0.15], [2.3, 2.05, 1.72], [0.12, 0, 0]])


def furnish(
    b: SolidBuilder, walls: Walls, palette: Palette, rug: Material, surfaces: Surfaces
) -> tuple[list[NDArray[np.float64]], dict[str, float]]:
    """Fill the room; returns the lamps ((3, 3) each: position, power, (radius, 0, 0)) and known lengths [m]."""
    rng = b.rng
    plan = Plan(b, walls)
    keep_doors_clear(plan)
    lamps: list[NDArray[np.float64]] = []
    lengths: dict[str, float] = {}
    if rng.random() < 0.4:
        _partition(plan, surfaces)
    _seat_group(plan, palette, rug)
    height, width = float(rng.uniform(1.75, 2.15)), float(rng.uniform(1.0, 1.7))
    case = plan.against_wall(
        lambda: furniture.bookshelf(b, palette, width=width, height=height, shelves=5), width, 0.32, height, front=0.4
    )
    if case is not None:
        lengths |= {"bookshelf_height": height, "bookshelf_width": width}
    low = float(rng.uniform(1.2, 1.8))
    plan.against_wall(lambda: furniture.cabinet(b, palette, width=low, television=True), low, 0.46, 1.3, front=0.5)
    lengths |= _dining(plan, palette)
    side = float(rng.uniform(0.8, 1.1))

    def sideboard() -> None:
        furniture.cabinet(b, palette, width=side, television=False)
        with b.at(-side * 0.25, 0.0, 0.622):
            furniture.table_lamp(b, palette)
        with b.at(side * 0.25, 0.02, 0.622):
            furniture.vase(b, palette, height=0.26)

    plan.against_wall(sideboard, side, 0.46, 1.1, front=0.3)
    tall = float(rng.uniform(0.8, 1.3))
    for _ in range(2):
        plan.against_wall(lambda: furniture.plant(b, palette, height=tall), 0.5, 0.5, 0.4)
    found = plan.against_wall(lambda: furniture.floor_lamp(b, palette), 0.46, 0.46, 0.4)
    if found is not None:
        x, y, yaw = walls.origin(found[0])
        at = np.array([x + np.cos(yaw) * found[1] - np.sin(yaw) * 0.3, y + np.sin(yaw) * found[1] + np.cos(yaw) * 0.3])
        lamps.append(np.array([[at[0], at[1], 1.8], [1.4, 1.22, 0.98], [0.1, 0, 0]]))
    if rng.random() < 0.7:
        lamps.append(pendant(b, walls, palette))
    for o in walls.openings:
        if o.kind == "doorway":
            x, y, yaw = walls.origin(o.wall)
            along = (o.x0 + o.x1) / 2 + 0.5
            lamps.append(
                np.array(
                    [
                        [x + np.cos(yaw) * along + np.sin(yaw) * 1.0, y + np.sin(yaw) * along - np.cos(yaw) * 1.0, 2.3],
                        [2.1, 1.9, 1.65],
                        [0.1, 0, 0],
                    ]
                )
            )
    plan.hang(palette, int(rng.integers(3, 6)))
    return lamps, lengths

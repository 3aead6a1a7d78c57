# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Things built of boxes: benches, tables, sofas, cabinets, crates, stairs, cars, beds, shelves, low walls.

A thing stands on z = 0, x along its length, y from its back to its front, in metres, about its middle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["BOX_SHAPES", "Box", "build_shape"]


@dataclass(frozen=True, slots=True)
class Box:
    """low and high corner (x, y, z) [m]; paint: boxes of the same number are coloured alike."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    paint: int = 0


_Rng = np.random.Generator
_Boxes = list[Box]


def _box(x: float, y: float, z: float, wide: float, deep: float, high: float, paint: int = 0) -> Box:
    """A box by the middle of its foot and its size."""
    return Box((x - wide / 2, y - deep / 2, z), (x + wide / 2, y + deep / 2, z + high), paint)


def _legs(wide: float, deep: float, high: float, thick: float, paint: int, pairs: int = 2) -> _Boxes:
    places = np.linspace(-1, 1, pairs) * (wide / 2 - thick)
    return [
        _box(float(x), y, 0, thick, thick, high, paint) for x in places for y in (thick - deep / 2, deep / 2 - thick)
    ]


def _bench(rng: _Rng) -> _Boxes:
    wide, deep, high = rng.uniform(0.9, 2.8), rng.uniform(0.3, 0.6), rng.uniform(0.38, 0.52)
    thick = rng.uniform(0.03, 0.09)
    if rng.uniform() < 0.25:  # a block of stone
        parts = [_box(0, 0, 0, wide, deep, high)]
    else:
        parts = _legs(wide * rng.uniform(0.75, 1.0), deep, high, rng.uniform(0.04, 0.1), 1, int(rng.integers(2, 4)))
        boards = int(rng.integers(1, 5))
        for y in (np.arange(boards) + 0.5) / boards - 0.5:
            parts.append(_box(0, float(y) * deep, high, wide, 0.85 * deep / boards, thick))
    if rng.uniform() < 0.6:
        top = rng.uniform(0.75, 1.0)
        boards = int(rng.integers(1, 4))
        rise = (top - high - thick) / boards
        for i in range(boards):
            parts.append(_box(0, -deep / 2, high + thick + (i + 0.2) * rise, wide, 0.04, 0.8 * rise))
        parts += [_box(s * 0.42 * wide, -deep / 2 - 0.03, 0, 0.06, 0.06, top, 1) for s in (-1, 1)]
    return parts


def _table(rng: _Rng) -> _Boxes:
    wide, deep, high = rng.uniform(0.5, 2.2), rng.uniform(0.5, 1.1), rng.uniform(0.4, 0.95)
    parts = [*_legs(wide, deep, high, rng.uniform(0.03, 0.1), 1), _box(0, 0, high, wide, deep, rng.uniform(0.02, 0.07))]
    for _ in range(int(rng.integers(0, 6))):
        x, y = rng.uniform(-0.4, 0.4) * wide, rng.uniform(-0.4, 0.4) * deep
        size = rng.uniform(0.05, 0.35, 3)
        parts.append(_box(x, y, high + 0.02, size[0], size[1], size[2], int(rng.integers(2, 6))))
    return parts


def _chair(rng: _Rng) -> _Boxes:
    wide, high, top = rng.uniform(0.38, 0.55), rng.uniform(0.4, 0.5), rng.uniform(0.75, 1.1)
    parts = [
        *_legs(wide, wide, high, rng.uniform(0.025, 0.06), 1),
        _box(0, 0, high, wide, wide, rng.uniform(0.02, 0.1)),
    ]
    low = high if rng.uniform() < 0.5 else rng.uniform(high + 0.1, top - 0.12)
    return [*parts, _box(0, -wide / 2, low, wide, 0.04, top - low)]


def _sofa(rng: _Rng) -> _Boxes:
    wide, deep, high = rng.uniform(0.8, 2.4), rng.uniform(0.75, 1.0), rng.uniform(0.35, 0.48)
    arm, top = rng.uniform(0.08, 0.25), rng.uniform(0.65, 0.95)
    parts = [_box(0, 0, 0.06, wide, deep, high - 0.06), _box(0, -deep / 2 + 0.1, high, wide, 0.2, top - high)]
    parts += [_box(s * (wide - arm) / 2, 0, 0.06, arm, deep, rng.uniform(0.5, 0.65)) for s in (-1, 1)]
    for _ in range(int(rng.integers(0, 4))):
        parts.append(_box(rng.uniform(-0.35, 0.35) * wide, -deep / 6, high, 0.45, 0.15, 0.4, int(rng.integers(1, 4))))
    return parts


def _cabinet(rng: _Rng) -> _Boxes:
    wide, deep, high = rng.uniform(0.4, 2.0), rng.uniform(0.3, 0.7), rng.uniform(0.5, 2.3)
    parts = [_box(0, 0, 0, wide, deep, high)]
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    for i in range(columns):
        for k in range(rows):
            x, z = ((i + 0.5) / columns - 0.5) * wide, (k + 0.06) / rows * high
            paint = int(rng.integers(0, 3))
            parts.append(_box(x, deep / 2, z, 0.92 * wide / columns, 0.03, 0.88 * high / rows, paint))
    return parts


def _crates(rng: _Rng) -> _Boxes:
    parts: _Boxes = []
    low = 0.0
    for i in range(int(rng.integers(1, 5))):
        size = rng.uniform(0.25, 0.9, 3)
        x, y = rng.uniform(-0.15, 0.15, 2)
        parts.append(_box(x, y, low, size[0], size[1], size[2], i))
        low += float(size[2])
        if low > 1.6:
            break
    return parts


def _stairs(rng: _Rng) -> _Boxes:
    wide, rise, tread = rng.uniform(0.8, 3.0), rng.uniform(0.12, 0.2), rng.uniform(0.25, 0.4)
    count = int(rng.integers(1, 7))
    return [
        Box((-wide / 2, -count * tread / 2, i * rise), (wide / 2, (count / 2 - i) * tread, (i + 1) * rise))
        for i in range(count)
    ]


def _car(rng: _Rng) -> _Boxes:
    wide, deep, high = rng.uniform(3.4, 4.8), rng.uniform(1.6, 1.9), rng.uniform(0.75, 0.95)
    top, clear = rng.uniform(1.35, 1.9), rng.uniform(0.15, 0.3)
    cabin = rng.uniform(0.4, 0.75) * wide
    at = rng.uniform(-0.1, 0.1) * wide
    parts = [_box(0, 0, clear, wide, deep, high - clear), _box(at, 0, high, cabin, 0.88 * deep, top - high - 0.08, 2)]
    parts.append(_box(at, 0, top - 0.08, 0.9 * cabin, 0.86 * deep, 0.08))
    return parts + [_box(s * 0.31 * wide, t * deep * 0.46, 0, 0.62, 0.2, 0.62, 3) for s in (-1, 1) for t in (-1, 1)]


def _bed(rng: _Rng) -> _Boxes:
    wide, deep, high = rng.uniform(1.9, 2.2), rng.uniform(0.8, 1.8), rng.uniform(0.3, 0.6)
    parts = [_box(0, 0, 0.1, wide, deep, high - 0.1), _box(0, 0, 0, 0.95 * wide, 0.95 * deep, 0.1, 1)]
    parts.append(_box(-wide / 2 - 0.03, 0, 0, 0.06, deep, rng.uniform(0.6, 1.2), 1))
    return [*parts, _box(-0.38 * wide, 0, high, 0.35, rng.uniform(0.5, 0.9) * deep, 0.14, 2)]


def _shelf(rng: _Rng) -> _Boxes:
    wide, deep, high = rng.uniform(0.6, 1.8), rng.uniform(0.22, 0.5), rng.uniform(0.8, 2.3)
    levels = np.linspace(0.06, high - 0.03, int(rng.integers(3, 7)))
    parts = [_box(s * wide / 2, 0, 0, 0.03, deep, high) for s in (-1, 1)]
    parts += [_box(0, 0, float(z), wide, deep, 0.03) for z in levels]
    if rng.uniform() < 0.5:
        parts.append(_box(0, -deep / 2, 0, wide, 0.02, high, 1))
    for low, above in zip(levels[:-1], levels[1:], strict=True):
        for _ in range(int(rng.integers(0, 5))):
            size = rng.uniform(0.05, 0.3), deep * rng.uniform(0.3, 0.9), (above - low) * rng.uniform(0.3, 0.9)
            parts.append(_box(rng.uniform(-0.42, 0.42) * wide, 0, float(low) + 0.03, *size, int(rng.integers(2, 8))))
    return parts


def _wall(rng: _Rng) -> _Boxes:
    wide, deep = rng.uniform(0.8, 4.0), rng.uniform(0.05, 0.5)
    high = float(np.exp(rng.uniform(np.log(0.12), np.log(2.6))))
    parts = [_box(0, 0, 0, wide, deep, high)]
    if rng.uniform() < 0.4:
        parts.append(_box(0, 0, high, wide + 0.06, deep + 0.06, rng.uniform(0.03, 0.08), 1))
    return parts


def _fence(rng: _Rng) -> _Boxes:
    wide, high, thick = rng.uniform(1.0, 4.0), rng.uniform(0.6, 1.4), rng.uniform(0.03, 0.1)
    parts = [
        _box(0, 0, z * high, wide, 0.04, rng.uniform(0.03, 0.12)) for z in rng.uniform(0.1, 0.95, rng.integers(1, 4))
    ]
    places = np.linspace(-wide / 2, wide / 2, int(rng.integers(2, 9)))
    return parts + [_box(float(x), 0, 0, thick, thick, high, 1) for x in places]


def _pillar(rng: _Rng) -> _Boxes:
    """A low one, or a column that may go on through the ceiling, with or without a foot, a head and a plate on it."""
    wide = float(np.exp(rng.uniform(np.log(0.12), np.log(1.0))))
    deep = wide if rng.uniform() < 0.6 else wide * rng.uniform(0.4, 1.6)
    high = rng.uniform(0.5, 3.5) if rng.uniform() < 0.4 else rng.uniform(2.5, 8.0)
    parts = [_box(0, 0, 0, wide, deep, high)]
    more = rng.uniform(1.05, 1.6)
    if rng.uniform() < 0.5:
        parts.append(_box(0, 0, 0, more * wide, more * deep, rng.uniform(0.05, 0.3), int(rng.integers(2))))
    if rng.uniform() < 0.3:
        parts.append(_box(0, 0, high, more * wide, more * deep, 0.15, int(rng.integers(2))))
    if rng.uniform() < 0.35:
        size, z = wide * rng.uniform(0.3, 0.9), rng.uniform(0.2, 0.7) * min(high, 2.5)
        side = rng.choice([-1, 1])
        parts.append(_box(0, side * deep / 2, z, size, 0.03, rng.uniform(0.1, 0.6), int(rng.integers(1, 4))))
    return parts


BOX_SHAPES: dict[str, tuple[Callable[[_Rng], _Boxes], float]] = {
    "bench": (_bench, 3.0),
    "table": (_table, 2.0),
    "chair": (_chair, 2.0),
    "sofa": (_sofa, 1.5),
    "cabinet": (_cabinet, 1.5),
    "crates": (_crates, 1.5),
    "stairs": (_stairs, 1.0),
    "car": (_car, 1.0),
    "bed": (_bed, 0.7),
    "shelf": (_shelf, 1.5),
    "wall": (_wall, 1.5),
    "fence": (_fence, 1.5),
    "pillar": (_pillar, 3.5),
}
"""Name to the function that builds it, and how often it is drawn against the others."""


def build_shape(kind: str, rng: np.random.Generator) -> list[Box]:
    """The boxes of a thing."""
    return BOX_SHAPES[kind][0](rng)

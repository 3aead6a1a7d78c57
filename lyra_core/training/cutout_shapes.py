# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false
"""Outlines of things that stand about: machines with wheels and bars, cycles, seats, railings, plants, people, posts, shelves.

Each is a picture of parts as seen from the side; parts may leave gaps through which one sees what is behind.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["SHAPES", "SIDE", "draw_shape"]

SIDE = 160
"""Pixels of a side of the square that a shape is drawn in; it stands on the lower edge."""
_FINE = 4  # binary digits of fractions of a pixel that cv2 draws with
_Parts = list[NDArray[np.uint8]]


def _part() -> NDArray[np.uint8]:
    return np.zeros((SIDE, SIDE), np.uint8)


def _points(points: NDArray[np.floating]) -> NDArray[np.int32]:
    """Points (N, 2) in 0..1, y up, as cv2 wants them."""
    flipped = points * [1, -1] + [0, 1]
    return np.rint(flipped * SIDE * 2**_FINE).astype(np.int32)


def _polygon(points: NDArray[np.floating]) -> NDArray[np.uint8]:
    part = _part()
    cv2.fillPoly(part, [_points(points)], 255, lineType=cv2.LINE_AA, shift=_FINE)
    return part


def _line(points: NDArray[np.floating], thick: float) -> NDArray[np.uint8]:
    part = _part()
    cv2.polylines(part, [_points(points)], False, 255, max(1, round(thick * SIDE)), cv2.LINE_AA, _FINE)
    return part


def _disc(x: float, y: float, radius: float, ring: float | None = None) -> NDArray[np.uint8]:
    part = _part()
    (centre,) = _points(np.array([[x, y]]))
    thick = -1 if ring is None else max(1, round(ring * SIDE))
    cv2.circle(part, centre.tolist(), round(radius * SIDE * 2**_FINE), 255, thick, cv2.LINE_AA, _FINE)
    return part


def _blob(x: float, y: float, wide: float, high: float, rough: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A closed outline whose radius varies by about `rough`."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radius = 1 + sum(rng.normal(0, rough / k) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in range(2, 7))
    return _polygon(np.stack([x + wide * radius * np.cos(angle), y + high * radius * np.sin(angle)], axis=1))


def _box(left: float, low: float, right: float, high: float) -> NDArray[np.uint8]:
    return _polygon(np.array([[left, low], [right, low], [right, high], [left, high]]))


def _together(parts: _Parts) -> NDArray[np.uint8]:
    """Several pieces as one part, which is painted alike."""
    return np.max(parts, axis=0)


def _machine(rng: np.random.Generator) -> _Parts:
    wheel = rng.uniform(0.12, 0.22)
    parts: _Parts = []
    places = [wheel + 0.03, 0.97 - wheel][: int(rng.integers(1, 3))]
    for x in places:
        parts.append(_disc(x, wheel, wheel - 0.02, rng.uniform(0.02, 0.06)))
        if rng.uniform() < 0.7:
            parts.append(_disc(x, wheel, wheel * rng.uniform(0.15, 0.6)))
        for angle in rng.uniform(0, np.pi, int(rng.integers(0, 5))):
            reach = (wheel - 0.03) * np.array([np.cos(angle), np.sin(angle)])
            parts.append(_line(np.array([[x, wheel] - reach, [x, wheel] + reach]), 0.008))
    for _ in range(int(rng.integers(2, 6))):
        x, y = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.65)
        parts.append(_blob(x, y, rng.uniform(0.05, 0.25), rng.uniform(0.05, 0.14), 0.15, rng))
    for _ in range(int(rng.integers(3, 8))):
        bend = np.column_stack([rng.uniform(0.1, 0.9, 3), rng.uniform(0.1, 0.95, 3)])
        parts.append(_line(bend[: int(rng.integers(2, 4))], rng.uniform(0.008, 0.035)))
    if rng.uniform() < 0.6:
        parts.append(_disc(rng.uniform(0.6, 0.9), rng.uniform(0.6, 0.85), rng.uniform(0.03, 0.08)))
    return parts


def _cycle(rng: np.random.Generator) -> _Parts:
    """A bicycle or a motorcycle from the side: two wheels, a frame between them, and what hangs on it."""
    wheel = rng.uniform(0.2, 0.27)
    axles = np.array([[wheel + 0.02, wheel], [0.98 - wheel, wheel]])
    heavy = rng.uniform() < 0.7
    tyre = rng.uniform(0.04, 0.08) if heavy else rng.uniform(0.012, 0.03)
    parts: _Parts = [_together([_disc(x, y, wheel - 0.02, tyre) for x, y in axles])]
    first, count = rng.uniform(0, 2 * np.pi), int(rng.integers(3, 12))
    rim = (wheel - 0.03) * np.exp(1j * (first + np.linspace(0, 2 * np.pi, count, endpoint=False)))
    parts.append(_together([_line(np.array([[x, y], [x + p.real, y + p.imag]]), 0.008) for x, y in axles for p in rim]))
    parts += [_disc(x, y, wheel * rng.uniform(0.1, 0.45)) for x, y in axles]
    head = np.array([rng.uniform(0.66, 0.74), rng.uniform(0.6, 0.75)])
    seat = np.array([rng.uniform(0.25, 0.4), rng.uniform(0.5, 0.68)])
    crank = np.array([rng.uniform(0.42, 0.55), rng.uniform(0.14, 0.26)])
    thick = rng.uniform(0.02, 0.05) if heavy else rng.uniform(0.012, 0.025)
    ends = ([head, axles[1]], [seat, head], [seat, crank], [crank, head], [axles[0], seat], [axles[0], crank])
    bars = [_line(np.array(line), thick * rng.uniform(0.7, 1.4)) for line in ends]
    parts += [_together(bars)] if rng.uniform() < 0.7 else bars
    if heavy:
        # An engine of many small parts fills the frame, plates and pipes lie over it.
        for _ in range(int(rng.integers(4, 16))):
            x, y = rng.normal(0.5, 0.09), rng.normal(0.3, 0.08)
            size = rng.uniform(0.02, 0.1)
            round_ = rng.uniform() < 0.4
            parts.append(_disc(x, y, size) if round_ else _blob(x, y, size, size * rng.uniform(0.4, 1.4), 0.1, rng))
        parts.append(_line(np.array([[0.58, 0.25], [0.5, 0.13], [0.06, rng.uniform(0.12, 0.2)]]), 0.05))
        for x, fender in zip(axles[:, 0], rng.uniform(size=2), strict=True):
            if fender < 0.7:
                angle = np.linspace(rng.uniform(0.1, 0.9), rng.uniform(2.0, 3.0), 8)
                arc = np.column_stack([x + wheel * np.cos(angle), wheel + wheel * np.sin(angle)])
                parts.append(_line(arc, rng.uniform(0.03, 0.07)))
        parts.append(_blob(0.55, 0.62, rng.uniform(0.1, 0.16), rng.uniform(0.07, 0.12), 0.08, rng))
    parts.append(_blob(*(seat - [0.05 * heavy, 0]), 0.22 if heavy else 0.07, rng.uniform(0.03, 0.07), 0.1, rng))
    grip = head + [rng.uniform(-0.14, 0.05), rng.uniform(0.08, 0.22)]
    parts.append(_line(np.array([head, head + [-0.02, 0.1], grip]), thick))
    for _ in range(int(rng.integers(0, 5))):  # lamps, mirrors, dials, bags
        x, y = head + rng.normal(0, 0.07, 2) + [0, 0.1]
        parts.append(_disc(x, min(y, 0.94), rng.uniform(0.015, 0.06)))
    for _ in range(int(rng.integers(0, 5))):  # cables
        middle = (head + seat) / 2 + rng.normal(0, 0.1, 2)
        parts.append(_line(np.array([grip, middle, crank + rng.normal(0, 0.1, 2)]), 0.008))
    if rng.uniform() < 0.5:
        parts.append(_line(np.array([crank, [crank[0] - rng.uniform(-0.05, 0.1), 0.0]]), 0.02))
    if rng.uniform() < 0.5:
        parts = [np.ascontiguousarray(part[:, ::-1]) for part in parts]
    return parts


def _seat(rng: np.random.Generator) -> _Parts:
    high, thick = rng.uniform(0.35, 0.55), rng.uniform(0.02, 0.06)
    left, right = rng.uniform(0.02, 0.3), rng.uniform(0.7, 0.98)
    parts = [_box(left, high - thick, right, high + thick)]
    for x in (left + thick, right - thick, left + 0.3 * (right - left), right - 0.3 * (right - left))[
        : rng.integers(2, 5)
    ]:
        parts.append(_line(np.array([[x, 0], [x, high]]), rng.uniform(0.015, 0.05)))
    if rng.uniform() < 0.7:
        for x in np.linspace(left + thick, right - thick, int(rng.integers(2, 9))):
            parts.append(_line(np.array([[x, high], [x, 0.95]]), rng.uniform(0.012, 0.04)))
        parts.append(_box(left, 0.9, right, 0.97))
    return parts


def _railing(rng: np.random.Generator) -> _Parts:
    thick = rng.uniform(0.008, 0.03)
    parts = [_line(np.array([[x, 0], [x, 1.0]]), thick) for x in np.linspace(0.03, 0.97, int(rng.integers(3, 14)))]
    for y in (0.97, *rng.uniform(0.05, 0.8, int(rng.integers(0, 3)))):
        parts.append(_line(np.array([[0.0, y], [1.0, y]]), rng.uniform(0.01, 0.05)))
    return parts


def _plant(rng: np.random.Generator) -> _Parts:
    trunk = rng.uniform(0.1, 0.5)
    parts = [_line(np.array([[0.5, 0], [rng.uniform(0.4, 0.6), trunk + 0.1]]), rng.uniform(0.02, 0.07))]
    if rng.uniform() < 0.5:
        parts.append(_box(0.35, 0, 0.65, rng.uniform(0.1, 0.25)))
    for _ in range(int(rng.integers(8, 30))):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.28)
        x, y = 0.5 + reach * np.cos(angle), 0.5 * (1 + trunk) + 0.9 * (1 - trunk) * reach * np.sin(angle)
        parts.append(_blob(x, y, rng.uniform(0.02, 0.14), rng.uniform(0.02, 0.1), 0.25, rng))
    return parts


def _person(rng: np.random.Generator) -> _Parts:
    hip, thick = rng.uniform(0.42, 0.52), rng.uniform(0.05, 0.09)
    parts = [_disc(0.5, 0.92, 0.065), _blob(0.5, 0.68, rng.uniform(0.09, 0.14), 0.17, 0.06, rng)]
    for side in (-1, 1):
        foot = 0.5 + side * rng.uniform(0.01, 0.15)
        knee = 0.5 + side * rng.uniform(0.02, 0.1)
        parts.append(_line(np.array([[0.5 + 0.04 * side, hip + 0.1], [knee, 0.26], [foot, 0.02]]), thick))
        hand = [0.5 + side * rng.uniform(0.05, 0.3), rng.uniform(0.35, 0.75)]
        parts.append(_line(np.array([[0.5 + 0.1 * side, 0.8], [0.5 + 0.17 * side, 0.6], hand]), 0.6 * thick))
    return parts


def _post(rng: np.random.Generator) -> _Parts:
    thick = rng.uniform(0.02, 0.12)
    parts = [_line(np.array([[0.5, 0], [0.5, 1.0]]), thick)]
    kind = rng.integers(4)
    if kind == 0:
        parts.append(_disc(0.5, 0.85, rng.uniform(0.08, 0.15)))
    elif kind == 1:
        parts.append(_box(0.5 - rng.uniform(0.1, 0.4), rng.uniform(0.55, 0.75), 0.5 + rng.uniform(0.1, 0.4), 0.98))
    elif kind == 2:
        parts.append(_line(np.array([[0.5, 0.95], [rng.uniform(0.6, 0.95), rng.uniform(0.8, 0.98)]]), 0.5 * thick))
    parts.append(_box(0.5 - thick, 0, 0.5 + thick, rng.uniform(0.02, 0.1)))
    return parts


def _stack(rng: np.random.Generator) -> _Parts:
    parts: _Parts = []
    low = 0.0
    for _ in range(int(rng.integers(1, 5))):
        high = min(1.0, low + rng.uniform(0.12, 0.5))
        left = rng.uniform(0, 0.35)
        parts.append(_box(left, low, left + rng.uniform(0.3, 0.65), high))
        low = high
        if low > 0.95:
            break
    return parts


def _things(left: float, low: float, right: float, high: float, rng: np.random.Generator) -> _Parts:
    """Boxes, jars and lumps side by side on a board."""
    parts: _Parts = []
    x = left
    while x < right - 0.03:
        wide, tall = min(right - x, rng.uniform(0.04, 0.22)), (high - low) * rng.uniform(0.25, 0.95)
        choice = rng.uniform()
        if choice < 0.6:
            parts.append(_box(x, low, x + wide, low + tall))
        elif choice < 0.8:
            parts.append(_blob(x + wide / 2, low + tall / 2, wide / 2, tall / 2, 0.1, rng))
        x += wide + rng.uniform(0, 0.05)
    return parts


def _shelf(rng: np.random.Generator) -> _Parts:
    thick = rng.uniform(0.01, 0.03)
    levels = np.linspace(rng.uniform(0.03, 0.12), 0.96, int(rng.integers(3, 7)))
    parts = [_box(0.02, 0.0, 0.98, 1.0)] if rng.uniform() < 0.4 else []
    for low, high in zip(levels[:-1], levels[1:], strict=True):
        parts += _things(0.06, float(low), 0.94, float(high), rng)
    parts += [_line(np.array([[0.02, y], [0.98, y]]), thick) for y in levels]
    parts += [_line(np.array([[x, 0.0], [x, 1.0]]), thick) for x in (0.03, 0.97)]
    return parts


def _table(rng: np.random.Generator) -> _Parts:
    high, thick = rng.uniform(0.4, 0.65), rng.uniform(0.015, 0.05)
    parts = _things(0.1, high, 0.9, 0.98, rng) if rng.uniform() < 0.7 else []
    for x in (0.06, 0.94, *rng.uniform(0.1, 0.9, int(rng.integers(0, 3)))):
        parts.append(_line(np.array([[x, 0.0], [x, high]]), rng.uniform(0.01, 0.05)))
    if rng.uniform() < 0.3:
        parts.append(_box(0.6, 0.0, 0.94, high))
    parts.append(_box(0.0, high - thick, 1.0, high + thick))
    return parts


def _lump(rng: np.random.Generator) -> _Parts:
    parts = [_blob(0.5, 0.45, rng.uniform(0.2, 0.4), rng.uniform(0.25, 0.42), rng.uniform(0.03, 0.25), rng)]
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(0.25, 0.75), rng.uniform(0.2, 0.8)
        parts.append(_blob(x, y, rng.uniform(0.05, 0.2), rng.uniform(0.05, 0.2), 0.15, rng))
    return parts


SHAPES: dict[str, tuple[Callable[[np.random.Generator], _Parts], float, float]] = {
    "machine": (_machine, 0.5, 1.8),
    "cycle": (_cycle, 0.8, 1.4),
    "seat": (_seat, 0.5, 1.2),
    "railing": (_railing, 0.8, 2.0),
    "plant": (_plant, 0.4, 3.0),
    "person": (_person, 1.1, 1.95),
    "post": (_post, 0.6, 3.5),
    "stack": (_stack, 0.3, 1.8),
    "shelf": (_shelf, 1.0, 2.4),
    "table": (_table, 0.7, 1.5),
    "lump": (_lump, 0.2, 1.4),
}
"""Name to the function that draws it, and its least and largest height [m]."""


def draw_shape(kind: str, rng: np.random.Generator) -> _Parts:
    """Cover (SIDE, SIDE) 0..255 of the parts of a thing, those behind first."""
    return SHAPES[kind][0](rng)

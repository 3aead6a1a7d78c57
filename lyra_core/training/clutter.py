# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Things that stand free on the ground: barrels, benches, shelves, two-wheelers, stacks, leaning boards, plants.

None is meant to be recognised; they teach that an outline means a jump of depth, near the camera and at every height.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lyra_core.training.soup import TriangleSoup

__all__ = ["scatter"]

_F = NDArray[np.float64]
_Pick = Callable[[str], int]


class _Local:
    """Points given in a turned frame at a foot point."""

    def __init__(self, foot: _F, yaw: float) -> None:
        self._foot, self._yaw = foot, yaw
        self._turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])

    @property
    def yaw(self) -> float:
        """Heading [rad]."""
        return self._yaw

    def __call__(self, x: float, y: float, z: float) -> _F:
        """World point (3,) [m]."""
        return np.array([*(self._turn @ [x, y] + self._foot[:2]), self._foot[2] + z])


def _barrel(soup: TriangleSoup, at: _Local, pick: _Pick, rng: np.random.Generator) -> None:
    radius, tall = rng.uniform(0.12, 0.5), rng.uniform(0.3, 1.3)
    soup.post(at(0, 0, -0.02), at(0, 0, tall), (radius, radius * rng.uniform(0.7, 1.2)), pick("roof"), sides=14)


def _bench(soup: TriangleSoup, at: _Local, pick: _Pick, rng: np.random.Generator) -> None:
    half, depth, seat = rng.uniform(0.2, 1.1), rng.uniform(0.2, 0.5), rng.uniform(0.3, 0.9)
    wood, leg = pick("roof"), rng.uniform(0.015, 0.05)
    soup.box(at(0, 0, seat), np.array([half, depth, rng.uniform(0.015, 0.06)]), at.yaw, wood, wood, tile=1.0)
    for x in (-0.9, 0.9):
        for y in (-0.85, 0.85):
            soup.post(at(x * half, y * depth, 0), at(x * half, y * depth, seat), (leg, leg), wood, sides=6)
    if rng.uniform() < 0.6:
        rise = rng.uniform(0.25, 0.6)
        count = int(rng.integers(2, 8))
        for x in np.linspace(-0.92, 0.92, count):
            soup.post(at(x * half, depth, seat), at(x * half, depth + 0.06, seat + rise), (leg, leg), wood, sides=5)
        soup.post(at(-half, depth + 0.06, seat + rise), at(half, depth + 0.06, seat + rise), (leg, leg), wood, sides=6)


def _shelf(soup: TriangleSoup, at: _Local, pick: _Pick, rng: np.random.Generator) -> None:
    half, depth, tall = rng.uniform(0.4, 1.2), rng.uniform(0.15, 0.35), rng.uniform(1.0, 2.3)
    frame = pick("bark")
    for x in (-half, half):
        for y in (-depth, depth):
            soup.post(at(x, y, 0), at(x, y, tall), (0.025, 0.025), frame, sides=5)
    for z in np.linspace(0.15, tall, int(rng.integers(2, 6))):
        soup.box(at(0, 0, z), np.array([half, depth, 0.012]), at.yaw, frame, frame, tile=1.0)
        for x in rng.uniform(-0.85, 0.85, int(rng.integers(0, 5))) * half:
            size = rng.uniform(0.05, 0.16, 3)
            soup.box(at(x, 0, z + 0.012 + size[2]), size, at.yaw, pick("wall"), pick("roof"), tile=0.8)


def _two_wheeler(soup: TriangleSoup, at: _Local, pick: _Pick, rng: np.random.Generator) -> None:
    radius, base, wide = rng.uniform(0.2, 0.36), rng.uniform(0.35, 0.8), rng.uniform(0.03, 0.14)
    dark, body, metal = pick("bark"), pick("rock"), pick("roof")
    for x in (-base, base):
        soup.post(at(x, -wide / 2, radius), at(x, wide / 2, radius), (radius, radius), dark, sides=18)
    soup.post(at(base, 0, radius), at(base * 0.75, 0, radius * 3.1), (0.04, 0.03), metal, sides=6)
    soup.post(at(base * 0.75, -0.35, radius * 3.1), at(base * 0.75, 0.35, radius * 3.1), (0.02, 0.02), metal, sides=6)
    soup.post(at(-base, 0, radius), at(base * 0.75, 0, radius * 2.6), (0.05, 0.05), metal, sides=6)
    for x in rng.uniform(-0.6, 0.5, int(rng.integers(2, 5))) * base:
        size = rng.uniform(0.08, 0.28, 3) * [1.4, 0.6, 0.8]
        soup.blob(at(x, 0, radius * rng.uniform(1.0, 2.4)), size, body, rng, rough=0.06, tile=1.0)


def _stack(soup: TriangleSoup, at: _Local, pick: _Pick, rng: np.random.Generator) -> None:
    z = 0.0
    for _ in range(int(rng.integers(1, 5))):
        size = rng.uniform(0.12, 0.45, 3)
        soup.box(at(0, 0, z + size[2]), size, at.yaw + rng.normal(0, 0.2), pick("wall"), pick("roof"), tile=1.0)
        z += 2 * size[2]


def _leaning(soup: TriangleSoup, at: _Local, pick: _Pick, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 5))):
        x, lean, tall, thick = rng.normal(0, 0.4), rng.normal(0, 0.3), rng.uniform(0.8, 2.4), rng.uniform(0.01, 0.06)
        soup.post(at(x, 0, 0), at(x + lean, rng.normal(0, 0.3), tall), (thick, thick), pick("bark"), sides=6)


def _plant(soup: TriangleSoup, at: _Local, pick: _Pick, rng: np.random.Generator) -> None:
    tall = rng.uniform(0.3, 1.4)
    soup.post(at(0, 0, 0), at(0, 0, 0.3), (0.12, 0.18), pick("rock"))
    soup.post(at(0, 0, 0.2), at(0, 0, tall), (0.02, 0.015), pick("bark"), sides=5)
    for _ in range(int(rng.integers(1, 6))):
        x, y, z = rng.normal(0, 0.15, 3)
        soup.blob(at(x, y, tall + z), rng.uniform(0.06, 0.3, 3), pick("leaves"), rng, rough=0.18, tile=0.7, detail=1)


_THINGS = (_barrel, _bench, _shelf, _two_wheeler, _stack, _leaning, _plant)


def scatter(
    soup: TriangleSoup, feet: _F, pick: Callable[[str], int], rng: np.random.Generator, *, largest: float = 1.3
) -> None:
    """Put one random thing at each of the feet (N, 3) [m]; `pick` gives a texture of a slot by name.

    largest: scale of the biggest things is not bounded by it, only the chance of shelves near the camera.
    """
    for foot in feet:
        near = float(np.hypot(foot[0], foot[1])) < largest
        kinds = [thing for thing in _THINGS if not (near and thing is _shelf)]
        kinds[int(rng.integers(len(kinds)))](soup, _Local(foot, float(rng.uniform(0, 2 * np.pi))), pick, rng)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The colours and textures of a room: walls, woods, cloths, floor."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lyra_core.training import textures
from lyra_core.training.furniture import Palette
from lyra_core.training.shell import Surfaces
from lyra_core.training.solids import Material

__all__ = ["Textures", "palette", "surfaces"]

_WALL_COLORS = ((214, 208, 196), (200, 205, 205), (206, 194, 174), (192, 199, 184), (212, 200, 191), (184, 191, 201))
_WOODS = ((158, 116, 80), (122, 86, 60), (190, 156, 116), (100, 72, 54), (170, 136, 104))
_CLOTHS = (
    (98, 108, 124),
    (132, 82, 72),
    (118, 124, 102),
    (168, 152, 130),
    (86, 86, 92),
    (140, 116, 86),
    (78, 102, 106),
)


@dataclass
class Textures:
    """Textures of one room, in order of use."""

    images: list[NDArray[np.uint8]] = field(default_factory=list)

    def add(self, image: NDArray[np.uint8], tile: float, *, ratio: float = 1.0, emission: float = 0.0) -> Material:
        """Keep an image; returns its material, one repeat of it `tile` metres wide."""
        self.images.append(image)
        return Material(len(self.images) - 1, tile, ratio, emission, image.shape[2] == 4)


def _pick(rng: np.random.Generator, colors: tuple[tuple[int, int, int], ...]) -> tuple[float, ...]:
    return tuple(np.array(colors[int(rng.integers(len(colors)))]) * rng.uniform(0.92, 1.06) + rng.uniform(-8, 8, 3))


def palette(rng: np.random.Generator, t: Textures) -> Palette:
    """Draw the materials of the furniture; their images are added to the textures."""
    flat = np.full((8, 8, 3), 255, np.uint8)
    wood, dark = _pick(rng, _WOODS), _pick(rng, _WOODS)
    return Palette(
        wood=t.add(textures.veneer(rng, wood), 0.7),
        dark_wood=t.add(textures.veneer(rng, tuple(0.55 * c for c in dark)), 0.7),
        paint=t.add(textures.plaster(rng, (226, 224, 216)), 0.8),
        cloth=t.add(textures.fabric(rng, _pick(rng, _CLOTHS)), 0.5),
        cloth_two=t.add(textures.fabric(rng, _pick(rng, _CLOTHS)), 0.35),
        metal=t.add(textures.plaster(rng, (70, 70, 74)), 0.5),
        ceramic=t.add(textures.stone(rng, _pick(rng, _CLOTHS)), 0.4),
        shade=t.add((flat * np.array([1.0, 0.86, 0.62])).astype(np.uint8), 0.0, emission=1.6),
        screen=t.add(textures.plaster(rng, (22, 22, 26)), 0.5),
        leaf=t.add(textures.foliage(rng), 0.0),
        soil=t.add(textures.carpet(rng, (62, 46, 34)), 0.3),
        art=tuple(t.add(textures.art(rng), 0.0) for _ in range(3)),
        spines=tuple(t.add(x, 0.0) for x in textures.book_spines(rng, count=14)),
    )


def surfaces(rng: np.random.Generator, t: Textures, p: Palette) -> Surfaces:
    """Draw the materials of floor, ceiling, walls, doors and curtains."""
    kind = rng.random()
    if kind < 0.5:
        floor = t.add(textures.planks(rng, _pick(rng, _WOODS)), 1.1)
    elif kind < 0.75:
        floor = t.add(textures.tiles(rng, _pick(rng, _WALL_COLORS)), 1.6)
    else:
        floor = t.add(textures.carpet(rng, _pick(rng, _CLOTHS)), 0.9)
    color = _pick(rng, _WALL_COLORS)
    main = t.add(textures.wallpaper(rng, color) if rng.random() < 0.4 else textures.plaster(rng, color), 1.1)
    accent = main
    choice = rng.random()
    if choice < 0.3:
        accent = t.add(textures.brick(rng, (150, 88, 68)), 1.0, ratio=0.96)
    elif choice < 0.65:
        accent = t.add(textures.wallpaper(rng, tuple(0.8 * c for c in color)), 1.1)
    walls = [main] * 4
    walls[int(rng.integers(4))] = accent
    return Surfaces(
        floor=floor,
        ceiling=t.add(textures.plaster(rng, (232, 230, 224)), 1.4),
        walls=tuple(walls),
        trim=p.paint if rng.random() < 0.7 else p.wood,
        door=t.add(textures.panelled_door(rng, (222, 218, 206) if rng.random() < 0.6 else _pick(rng, _WOODS)), 0.0),
        curtain=t.add(textures.fabric(rng, _pick(rng, _WALL_COLORS)), 0.5),
        metal=p.metal,
    )

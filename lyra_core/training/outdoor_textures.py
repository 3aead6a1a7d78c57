# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural textures of outdoor things: soil and grass, leaves, water, house fronts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lyra_core.training.textures import fractal

__all__ = ["crown", "facade", "ground", "water"]

_SIZE = 256
# dark and light tone of each kind of ground, sRGB
_GROUNDS = (
    ((52, 70, 30), (112, 130, 62)),  # grass
    ((92, 78, 60), (158, 140, 112)),  # soil, gravel
    ((198, 205, 214), (250, 252, 255)),  # snow
    ((168, 140, 98), (222, 198, 152)),  # sand
    ((70, 72, 74), (128, 128, 126)),  # asphalt, scree
    ((120, 100, 50), (180, 165, 90)),  # dry grass
)


def _mix(
    rng: np.random.Generator, dark: NDArray[np.float64], light: NDArray[np.float64], slope: float
) -> NDArray[np.float64]:
    size = (_SIZE, _SIZE)
    level = 0.5 + 0.22 * fractal(rng, size, slope=slope) + 0.16 * fractal(rng, size, slope=0.2)
    return dark + (light - dark) * np.clip(level, 0, 1)[..., None]


def ground(rng: np.random.Generator) -> NDArray[np.uint8]:
    """(256, 256, 3) soil, grass, sand, snow or scree."""
    dark, light = (
        np.array(tone, np.float64) * rng.normal(1, 0.08, 3) for tone in _GROUNDS[rng.integers(len(_GROUNDS))]
    )
    return np.clip(_mix(rng, dark, light, rng.uniform(0.7, 1.3)), 0, 255).astype(np.uint8)


def crown(rng: np.random.Generator) -> NDArray[np.uint8]:
    """(256, 256, 4) leaves with gaps: green, now and then autumn colours or snow."""
    kind = rng.uniform()
    light = (
        np.array([95.0, 125, 55])
        if kind < 0.7
        else np.array([190.0, 120, 45])
        if kind < 0.88
        else np.array([215.0, 220, 225])
    )
    light = light * rng.uniform(0.6, 1.15) * rng.normal(1, 0.1, 3)
    rgb = _mix(rng, light * 0.25, light, 0.8)
    gaps = fractal(rng, (_SIZE, _SIZE), slope=0.75) > rng.uniform(0.9, 2.2)
    return np.dstack([np.clip(rgb, 0, 255).astype(np.uint8), np.where(gaps, 0, 255).astype(np.uint8)])


def water(rng: np.random.Generator) -> NDArray[np.uint8]:
    """(256, 256, 3) ripples between a deep and a sky-like tone."""
    deep = np.array([20.0, 60, 75]) * rng.uniform(0.5, 1.5) * rng.normal(1, 0.15, 3)
    bright = np.array([150.0, 185, 205]) * rng.uniform(0.5, 1.15)
    ripples = fractal(rng, (_SIZE, _SIZE), slope=rng.uniform(0.8, 1.4), stretch=(1.0, 2.5))
    return np.clip(deep + (bright - deep) * np.clip(0.3 + 0.2 * ripples, 0, 1)[..., None], 0, 255).astype(np.uint8)


def facade(rng: np.random.Generator) -> NDArray[np.uint8]:
    """(256, 256, 3) one 3 m bay of a house front with a window."""
    wall = np.array([rng.uniform(110, 235)] * 3) * rng.uniform(0.8, 1.05, 3)
    page = wall * (1 + 0.05 * fractal(rng, (_SIZE, _SIZE), slope=1.0))[..., None]
    left, right = int(rng.uniform(0.15, 0.35) * _SIZE), int(rng.uniform(0.65, 0.85) * _SIZE)
    top, bottom = int(rng.uniform(0.12, 0.3) * _SIZE), int(rng.uniform(0.62, 0.9) * _SIZE)
    page[top - 8 : bottom + 8, left - 8 : right + 8] = wall * rng.uniform(0.6, 1.15)
    glass = np.array([50.0, 62, 75]) * rng.uniform(0.4, 2.2)
    pane = glass * (1 + 0.25 * fractal(rng, (bottom - top, right - left), slope=1.8))[..., None]
    page[top:bottom, left:right] = pane
    bars = int(rng.integers(1, 4))
    for i in range(1, bars + 1):
        x = left + (right - left) * i // (bars + 1)
        page[top:bottom, x - 3 : x + 3] = wall * 0.9
    page[(top + bottom) // 2 - 3 : (top + bottom) // 2 + 3, left:right] = wall * 0.9
    return np.clip(page, 0, 255).astype(np.uint8)

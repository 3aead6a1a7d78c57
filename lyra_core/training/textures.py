# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural textures: (h, w, 3 or 4) uint8 sRGB, seamless unless they are pictures. All from a numpy Generator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "art",
    "book_spines",
    "brick",
    "carpet",
    "fabric",
    "foliage",
    "fractal",
    "hills_sky",
    "panelled_door",
    "planks",
    "plaster",
    "rug",
    "stone",
    "tiles",
    "veneer",
    "wallpaper",
]

_Image = NDArray[np.uint8]
_F = NDArray[np.float64]
_SIZE = 256


def fractal(
    rng: np.random.Generator, size: tuple[int, int], *, slope: float = 1.0, stretch: tuple[float, float] = (1.0, 1.0)
) -> _F:
    """Seamless noise (h, w), mean 0, deviation 1: amplitude falls as frequency**-slope.

    stretch: > 1 makes features longer along (y, x).
    """
    height, width = size
    fy = np.fft.fftfreq(height)[:, None] * height * stretch[0]
    fx = np.fft.rfftfreq(width)[None] * width * stretch[1]
    radius = np.hypot(fy, fx)
    radius[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal(size)) * np.maximum(radius, 1.0) ** -slope
    noise = np.fft.irfft2(spectrum, s=size)
    return noise / max(float(noise.std()), 1e-12)


def _grid(size: tuple[int, int] = (_SIZE, _SIZE)) -> tuple[_F, _F]:
    """Pixel centres (y, x) in 0..1."""
    y, x = np.meshgrid((np.arange(size[0]) + 0.5) / size[0], (np.arange(size[1]) + 0.5) / size[1], indexing="ij")
    return y, x


def _image(rgb: _F) -> _Image:
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def _muted(rng: np.random.Generator, low: float, high: float, count: int) -> _F:
    """Random colours (count, 3), drawn half-way to their grey: dyes are never pure."""
    colors = rng.uniform(low, high, (count, 3))
    return 0.5 * colors + 0.5 * colors.mean(axis=1, keepdims=True)


def _tint(shade: _F, color: Sequence[float]) -> _F:
    return shade[..., None] * np.asarray(color, dtype=np.float64)


def plaster(rng: np.random.Generator, color: Sequence[float]) -> _Image:
    """Painted wall: roller texture, faint stains."""
    size = (_SIZE, _SIZE)
    shade = 1 + 0.022 * fractal(rng, size, slope=1.6) + 0.02 * fractal(rng, size, slope=0.5)
    return _image(_tint(shade, color))


def wallpaper(rng: np.random.Generator, color: Sequence[float]) -> _Image:
    """Striped, dotted or damask paper; one repeat is 1 m wide."""
    y, x = _grid()
    kind = rng.integers(3)
    count = int(rng.integers(4, 8))
    if kind == 0:
        wave = np.cos(2 * np.pi * x * count)
        pattern = np.tanh(6 * wave) * 0.5 + 0.4 * (np.abs(wave) < 0.25)
    elif kind == 1:
        u, v = (x * count + 0.5 * (np.floor(y * count) % 2)) % 1 - 0.5, (y * count) % 1 - 0.5
        petals = 0.24 + 0.07 * np.cos(5 * np.arctan2(v, u))
        radius = np.hypot(u, v)
        pattern = np.tanh(30 * (petals - radius)) - 1.2 * np.exp(-((radius / 0.07) ** 2))
    else:
        a, b = 2 * np.pi * count * x, 2 * np.pi * count * y
        pattern = np.tanh(2.5 * (np.cos(a) * np.cos(b) + 0.6 * np.cos(2 * a) - 0.5 * np.cos(2 * b)))
    other = np.asarray(color, dtype=np.float64) * rng.uniform(0.62, 0.85) + rng.uniform(-12, 12, 3)
    mix = (0.5 + 0.4 * np.clip(pattern, -1.2, 1.2))[..., None]
    shade = 1 + 0.025 * fractal(rng, (_SIZE, _SIZE), slope=0.6)
    return _image((mix * np.asarray(color) + (1 - mix) * other) * shade[..., None])


def _grain(rng: np.random.Generator, size: tuple[int, int]) -> _F:
    """Wood figure along x: rings bent by slow noise, and fine pores."""
    y, _ = _grid(size)
    bend = fractal(rng, size, slope=2.0, stretch=(1.0, 5.0))
    rings = np.cos(2 * np.pi * (y * 7 + 0.8 * bend))
    pores = fractal(rng, size, slope=0.35, stretch=(1.0, 14.0))
    return 1 + 0.075 * rings + 0.05 * pores + 0.05 * bend


def veneer(rng: np.random.Generator, color: Sequence[float]) -> _Image:
    """Furniture wood; the grain runs along x."""
    return _image(_tint(_grain(rng, (_SIZE, _SIZE)), color))


def planks(rng: np.random.Generator, color: Sequence[float], *, rows: int = 8) -> _Image:
    """Floor boards along x with staggered joints; each board its own tone and figure."""
    size = 2 * _SIZE
    y, x = _grid((size, size))
    row = np.floor(y * rows).astype(int)
    offset = rng.uniform(0, 1, rows)[row]
    per_row = 2
    along = (x + offset) * per_row
    board = (np.floor(along).astype(int) % per_row) + per_row * row
    tone = rng.normal(1.0, 0.10, (rows * per_row, 1)) + rng.normal(0, 0.02, (rows * per_row, 3))
    figure = _grain(rng, (size, size))
    # Each board takes its figure from elsewhere, else the rings would run on over the joints.
    jump = rng.integers(0, size, rows * per_row)[board]
    columns = (np.arange(size)[None] + jump) % size
    figure = np.take_along_axis(figure, columns, axis=1)
    gap_y = np.abs((y * rows) % 1 - 0.5) > 0.5 - 0.022 * rows / 8
    gap_x = np.abs(along % 1 - 0.5) > 0.5 - 0.0035
    shade = figure * np.where(gap_y | gap_x, 0.5, 1.0)
    return _image(shade[..., None] * tone[board] * np.asarray(color, dtype=np.float64))


def tiles(rng: np.random.Generator, color: Sequence[float], *, count: int = 4) -> _Image:
    """Square floor tiles with grout; sometimes a chequer of two tones."""
    y, x = _grid((2 * _SIZE, 2 * _SIZE))
    cell = (np.floor(y * count) * count + np.floor(x * count)).astype(int)
    tone = rng.normal(1.0, 0.035, count * count)[cell]
    if rng.random() < 0.4:
        tone = tone * np.where((np.floor(y * count) + np.floor(x * count)) % 2 > 0, 0.55, 1.0)
    size = (2 * _SIZE, 2 * _SIZE)
    shade = tone * (1 + 0.05 * fractal(rng, size, slope=1.3) + 0.02 * fractal(rng, size, slope=0.3))
    edge = np.maximum(np.abs((y * count) % 1 - 0.5), np.abs((x * count) % 1 - 0.5))
    grout = np.clip((edge - 0.483) / 0.006, 0, 1)[..., None]
    return _image(_tint(shade, color) * (1 - grout) + grout * np.array([128.0, 124, 118]))


def stone(rng: np.random.Generator, color: Sequence[float]) -> _Image:
    """Veined stone."""
    size = (_SIZE, _SIZE)
    veins = np.exp(-((fractal(rng, size, slope=1.7) / 0.09) ** 2))
    shade = 1 + 0.06 * fractal(rng, size, slope=1.2) - 0.22 * veins
    return _image(_tint(shade, color))


def brick(rng: np.random.Generator, color: Sequence[float]) -> _Image:
    """Running bond; one repeat is 1 m by 0.96 m: 4 stretchers by 12 courses."""
    size = 2 * _SIZE
    y, x = _grid((size, size))
    course = np.floor(y * 12).astype(int)
    along = x * 4 + 0.5 * (course % 2)
    cell = course * 4 + np.floor(along).astype(int) % 4
    tone = rng.normal(1, 0.13, (48, 1)) + rng.normal(0, 0.03, (48, 3))
    shade = 1 + 0.10 * fractal(rng, (size, size), slope=0.8)
    gap = (np.abs((y * 12) % 1 - 0.5) > 0.43) | (np.abs(along % 1 - 0.5) > 0.476)
    body = shade[..., None] * tone[cell] * np.asarray(color, dtype=np.float64)
    return _image(np.where(gap[..., None], _tint(shade, (172.0, 166, 156)), body))


def fabric(rng: np.random.Generator, color: Sequence[float]) -> _Image:
    """Woven cloth: plain, striped or checked."""
    y, x = _grid()
    weave = np.sin(2 * np.pi * 64 * x) * np.sin(2 * np.pi * 64 * y)
    shade = 1 + 0.07 * weave + 0.05 * fractal(rng, (_SIZE, _SIZE), slope=0.4)
    body = _tint(shade, color)
    kind = rng.integers(4)
    if kind >= 2:
        other = np.asarray(color) * rng.uniform(0.45, 0.75) + rng.uniform(-15, 25, 3)
        bands = int(rng.integers(4, 9))
        across = np.clip(3 * np.sin(2 * np.pi * bands * x) - 1.2, 0, 1)
        along = np.clip(3 * np.sin(2 * np.pi * bands * y) - 1.2, 0, 1) if kind == 3 else 0
        mix = (0.5 * (across + along) if kind == 3 else across)[..., None]
        body = body * (1 - mix) + mix * shade[..., None] * other
    return _image(body)


def carpet(rng: np.random.Generator, color: Sequence[float]) -> _Image:
    """Cut pile, mottled."""
    size = (_SIZE, _SIZE)
    shade = 1 + 0.10 * fractal(rng, size, slope=0.2) + 0.05 * fractal(rng, size, slope=1.4)
    return _image(_tint(shade, color))


def rug(rng: np.random.Generator) -> _Image:
    """A whole woven rug with border and medallions (3:2, not seamless)."""
    height, width = 256, 384
    y, x = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
    palette = _muted(rng, 20, 225, 5) * np.array([1.08, 0.92, 0.8])
    edge = np.minimum(np.minimum(x, width - x), np.minimum(y, height - y))
    u, v = np.abs(x - width / 2), np.abs(y - height / 2)
    diamond = u / 150 + v / 100
    index = (np.floor(diamond * rng.uniform(4, 8)).astype(int) % 2) * 2
    lattice = (np.abs(((x + y) / 16) % 2 - 1) < 0.22) | (np.abs(((x - y) / 16) % 2 - 1) < 0.22)
    index = np.where(lattice & (diamond > 0.5), 3, index)
    tooth = np.abs((np.where(v / 100 > u / 150, x, y) / 12) % 2 - 1) * 8
    index = np.where(edge < 30, np.where(np.abs(edge - 18) < tooth, 4, 1), index)
    index = np.where((edge < 8) | (np.abs(edge - 31) < 2), 3, index)
    shade = 1 + 0.10 * fractal(rng, (height, width), slope=0.25) + 0.05 * np.sin(y * np.pi / 1.5)
    return _image(palette[index] * shade[..., None])


def book_spines(rng: np.random.Generator, *, count: int = 16) -> list[_Image]:
    """Spines (96 by 24) with bands and title strokes."""
    out = []
    for _ in range(count):
        color = _muted(rng, 20, 220, 1)[0] * rng.uniform(0.5, 1.1)
        ink = np.where(color.mean() > 110, 25.0, 225.0) + rng.uniform(-25, 25, 3)
        page = np.tile(color, (96, 24, 1))
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(4, 88))
            page[at : at + int(rng.integers(1, 5))] = ink * rng.uniform(0.5, 1)
        strokes = rng.random((10, 3)) < 0.6
        page[28:68, 8:17] = np.where(np.kron(strokes, np.ones((4, 3)))[..., None] > 0, ink, page[28:68, 8:17])
        page *= (0.72 + 0.28 * np.sin(np.linspace(0.25, np.pi - 0.25, 24)))[None, :, None]
        out.append(_image(page * (1 + 0.03 * rng.standard_normal((96, 24, 1)))))
    return out


def panelled_door(rng: np.random.Generator, color: Sequence[float]) -> _Image:
    """A door leaf (1:2) with raised panels."""
    height, width = 384, 192
    y, x = _grid((height, width))
    shade = 1 + 0.03 * fractal(rng, (height, width), slope=0.5, stretch=(12.0, 1.0))
    rows = ((0.06, 0.34), (0.40, 0.60), (0.66, 0.94)) if rng.random() < 0.5 else ((0.06, 0.48), (0.56, 0.94))
    for top, low in rows:
        for left, right in ((0.10, 0.46), (0.54, 0.90)):
            d = np.minimum(np.minimum(x - left, right - x), np.minimum(y - top, low - y) * 2)
            shade = np.where((d > 0) & (d < 0.022), np.where((x - left < 0.03) | (y - top < 0.02), 0.72, 1.1), shade)
            shade = np.where((d > 0.022) & (d < 0.04), 0.9, shade)
    return _image(_tint(shade, color))


def art(rng: np.random.Generator) -> _Image:
    """A picture for a wall: landscape, abstract or still life of discs."""
    size = (192, 256)
    y, x = _grid(size)
    kind = rng.integers(3)
    palette = _muted(rng, 20, 240, 6)
    if kind == 0:
        horizon = rng.uniform(0.35, 0.6)
        page = (1 - y[..., None] / horizon) * np.array([90.0, 140, 205]) + y[..., None] / horizon * palette[0]
        for k in range(4):
            ridge = horizon + 0.14 * k - (0.10 - 0.015 * k) * fractal(rng, (1, 256), slope=1.4)
            depth = 0.5 + 0.15 * k
            hill = np.array([55.0, 85, 45]) * depth + 0.35 * palette[k] + (1 - depth) * np.array([70.0, 80, 120])
            page = np.where((y > ridge)[..., None], hill, page)
        page *= (1 + 0.08 * fractal(rng, size, slope=0.7))[..., None]
    elif kind == 1:
        field = fractal(rng, size, slope=1.8) + 0.7 * fractal(rng, size, slope=1.2)
        page = (
            palette[np.digitize(field, [-1.2, -0.5, 0.1, 0.7, 1.4])]
            * (1 + 0.06 * fractal(rng, size, slope=0.5))[..., None]
        )
    else:
        page = np.tile(palette[0], (*size, 1)) * (1 + 0.1 * fractal(rng, size, slope=1.0))[..., None]
        for k in range(9):
            cx, cy, radius = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.06, 0.22)
            d = np.hypot(x - cx, (y - cy) * 0.75) / radius
            light = (1.15 - 0.5 * d)[..., None]
            page = np.where((d < 1)[..., None], palette[1 + k % 5] * light, page)
    return _image(page)


def foliage(rng: np.random.Generator) -> _Image:
    """One leafy twig with alpha (stem at the lower middle)."""
    size = 128
    y, x = _grid((size, size))
    up, side = 1 - y, x - 0.5
    color = np.zeros((size, size, 3))
    alpha = np.abs(side) < 0.008 + 0.012 * (1 - up)
    green = np.array([rng.uniform(62, 95), rng.uniform(92, 118), rng.uniform(48, 66)])
    color[:] = green * 0.6
    for k in range(11):
        base, sign = 0.12 + 0.075 * k, 1 if k % 2 else -1
        angle = np.deg2rad(rng.uniform(28, 55))
        length = 0.42 * (1 - 0.06 * k)
        if k == 10:
            angle, length = np.pi / 2, 0.2
        along = (side * sign * np.cos(angle) + (up - base) * np.sin(angle)) / length
        across = (-side * sign * np.sin(angle) + (up - base) * np.cos(angle)) / length
        half = 0.20 * np.sqrt(np.clip(np.sin(np.pi * np.clip(along, 0, 1)), 0, 1)) * (1.1 - 0.5 * along)
        leaf = (along > 0) & (along < 1) & (np.abs(across) < half)
        vein = np.abs(across) < 0.015
        shade = rng.uniform(0.75, 1.25) * np.where(vein, 1.35, 1 - 0.25 * (across > 0))
        color = np.where(leaf[..., None], green * shade[..., None], color)
        alpha = alpha | leaf
    return np.dstack([_image(color), np.where(alpha, 255, 0).astype(np.uint8)])


def hills_sky(rng: np.random.Generator) -> _Image:
    """Equirectangular outside: clouds above, far trees and meadow below the horizon."""
    height, width = 256, 512
    y, _ = _grid((height, width))
    elevation = (0.5 - y) * np.pi
    up = np.clip(np.sin(elevation), 0, 1)[..., None] ** 0.5
    sky = (1 - up) * np.array([214.0, 226, 238]) + up * np.array([96.0, 150, 216])
    cloud = fractal(rng, (height, width), slope=1.5, stretch=(0.5, 1.2))
    mix = np.clip(0.55 * cloud - 0.1, 0, 0.9)[..., None] * np.clip(up * 3, 0, 1)
    sky = sky * (1 - mix) + mix * 250.0
    meadow = np.array([104.0, 126, 74]) * (1 + 0.15 * fractal(rng, (height, width), slope=0.9))[..., None]
    line = 0.05 + 0.03 * fractal(rng, (1, width), slope=0.9) + 0.02
    trees = np.array([52.0, 74, 46]) * (1 + 0.25 * fractal(rng, (height, width), slope=0.7))[..., None]
    # Soft edges: the picture is magnified about three times on screen, hard ones would show its pixels.
    wood = np.clip((line - elevation) * height / np.pi + 0.5, 0, 1)[..., None]
    far = wood * (trees * 0.8 + np.array([22.0, 26, 30])) + (1 - wood) * sky
    near = np.clip((-0.03 - elevation) * height / np.pi + 0.5, 0, 1)[..., None]
    return _image(near * meadow + (1 - near) * far)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""NumPy twin of the surface renderer: short, slow, the specification of the kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lyra_core.ops.surface_data import Surface, SurfaceView, view_matrices
from lyra_core.types import Camera

__all__ = ["render"]

_F32 = NDArray[np.float32]
_NEAR = 0.02
_SLACK = 2.0e-3


def render(
    sources: Sequence[Surface], target: Camera, *, tolerance: float, finer: float, sky: bool, bicubic: bool
) -> SurfaceView:
    """As lyra_core.ops.surface.render_surface."""
    size = (target.height, target.width)
    depth, owner = np.zeros(size, np.float32), np.full(size, -1, np.int32)
    xy, rgb, is_sky = np.full((*size, 2), np.nan, np.float32), np.zeros((*size, 3), np.float32), np.zeros(size, bool)
    row, column = np.indices(size)
    pixel = np.stack([column + 0.5, row + 0.5, np.ones(size)], axis=-1)
    footprints = []
    for number, source in enumerate(sources):
        back, back_t = view_matrices(target, source.camera)
        footprints.append((back[2] / source.camera.intrinsics[0, 0], back_t[2] / source.camera.intrinsics[0, 0]))
        for y, x, z in _fragments(source, target):
            held, holder = depth[y, x], owner[y, x]
            take = holder < 0 or (z < held if holder == number else z < held * (1 - tolerance))
            if not take and holder != number and finer > 0 and z <= held * (1 + tolerance):
                ray = pixel[y, x]
                ours, theirs = footprints[number], footprints[holder]
                take = (z * (ours[0] @ ray) + ours[1]) * finer < held * (theirs[0] @ ray) + theirs[1]
            if take:
                depth[y, x], owner[y, x] = z, number
    shaded = bool(sources) and all(s.rgb is not None for s in sources)
    for number, source in enumerate(sources):
        back, back_t = view_matrices(target, source.camera)
        mine = owner == number
        q = depth[mine][:, None] * (pixel[mine] @ back.T) + back_t
        xy[mine] = q[:, :2] / q[:, 2:]
        slope = np.linalg.norm(back[:2, 0] - xy[mine] * back[2, 0], axis=1) * depth[mine] / q[:, 2]
        if shaded:
            rgb[mine] = _minified(source, xy[mine], slope, bicubic)
        if sky and source.sky is not None:
            hit, place = _sky(source, (owner < 0) & ~is_sky, pixel @ back.T)
            is_sky |= hit
            owner[hit], xy[hit] = number, place[hit]
            if shaded:
                rgb[hit] = _sample(source.rgb, place[hit], _sky_levels(source.sky, place[hit]))
    return SurfaceView(depth, owner, xy, owner >= 0, rgb if shaded else None, is_sky if sky else None)


def _fragments(source: Surface, target: Camera) -> Iterator[tuple[int, int, np.float32]]:
    """(row, column, z) of every pixel centre inside a triangle of source that faces the target."""
    forward, offset = view_matrices(source.camera, target)

    def vertex(x: float, y: float, z: float) -> NDArray[np.float64]:
        p = z * (forward @ (x, y, 1.0)) + offset
        return np.array([p[0] / p[2], p[1] / p[2], 1 / p[2]]) if p[2] >= _NEAR and z > 0 else np.array([0, 0, -1.0])

    for i, j in np.argwhere(source.code):
        if source.code[i, j] == 16:
            corners = [
                (j - 0.5 + dx, i - 0.5 + dy, float(source.depth[i - 1 + dy, j - 1 + dx]))
                for dy in (0, 1)
                for dx in (0, 1)
            ]
            a, b, c, d = (vertex(*corner) for corner in corners)
            straight = abs(corners[0][2] - corners[3][2]) <= abs(corners[1][2] - corners[2][2])
            triangles = ((a, b, d), (a, d, c)) if straight else ((a, b, c), (b, d, c))
            if min(v[2] for v in (a, b, c, d)) > 0:
                for triangle in triangles:
                    yield from _triangle(*triangle, target)
            continue
        for bit in range(4):
            if source.code[i, j] >> bit & 1:
                px, py = j - 1 + (bit & 1), i - 1 + (bit >> 1)
                xs, ys = sorted((px + 0.5, px + 1.0 - (bit & 1))), sorted((py + 0.5, py + 1.0 - (bit >> 1)))
                a, b, c, d = (vertex(x, y, float(source.depth[py, px])) for y in ys for x in xs)
                if min(v[2] for v in (a, b, c, d)) > 0:
                    yield from _triangle(a, b, d, target)
                    yield from _triangle(a, d, c, target)


def _triangle(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], target: Camera
) -> Iterator[tuple[int, int, np.float32]]:
    ab, ac = b[:2] - a[:2], c[:2] - a[:2]
    area = ab[0] * ac[1] - ab[1] * ac[0]
    if area <= 1e-6:
        return
    corners = np.stack([a, b, c])[:, :2]
    low = np.maximum(np.ceil(corners.min(0) - 0.5 - _SLACK), 0).astype(int)
    high = np.minimum(np.floor(corners.max(0) - 0.5 + _SLACK), (target.width - 1, target.height - 1)).astype(int)
    slack = _SLACK / area * (np.abs(ab).sum() + np.abs(ac).sum())
    for y in range(low[1], high[1] + 1):
        for x in range(low[0], high[0] + 1):
            dx, dy = x + 0.5 - a[0], y + 0.5 - a[1]
            wb, wc = (dx * ac[1] - dy * ac[0]) / area, (ab[0] * dy - ab[1] * dx) / area
            if wb >= -slack and wc >= -slack and wb + wc <= 1 + slack:
                yield y, x, np.float32(1 / (a[2] + wb * (b[2] - a[2]) + wc * (c[2] - a[2])))


def _sky(
    source: Surface, wanted: NDArray[np.bool_], ray: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Wanted target pixels whose direction (H, W, 3, in source pixels) falls on source's sky, and where."""
    assert source.sky is not None
    height, width = source.sky.shape
    with np.errstate(divide="ignore", invalid="ignore"):
        place = ray[..., :2] / ray[..., 2:]
    hit = wanted & (ray[..., 2] > 1e-6)
    hit &= ((place >= -1e-3) & (place < (width + 1e-3, height + 1e-3))).all(-1)
    at = np.clip(place[hit].astype(int), 0, (width - 1, height - 1))
    hit[hit] = source.sky[at[:, 1], at[:, 0]] > 0
    return hit, place


def _levels(code: NDArray[np.uint8], xy: _F32, bicubic: bool) -> NDArray[np.int64]:
    """(N,) 2 bicubic, 1 bilinear, 0 nearest: the widest filter whose taps stay on one surface."""
    j, i = (np.clip(np.floor(xy - 0.5).astype(int) + 1, 0, np.array(code.shape)[::-1] - 1)).T
    whole = np.pad(code == 16, 1)
    i, j = i + 1, j + 1
    around = whole[i - 1, j] & whole[i + 1, j] & whole[i, j - 1] & whole[i, j + 1]
    return np.where(whole[i, j], 1 + (around & bicubic), 0)


def _sky_levels(sky: NDArray[np.uint8], xy: NDArray[np.floating]) -> NDArray[np.int64]:
    """(N,) 1 bilinear if the four taps are sky, else 0 nearest."""
    j, i = np.floor(xy - 0.5).astype(int).T
    rows, columns = sky.shape
    taps = [sky[np.clip(i + dy, 0, rows - 1), np.clip(j + dx, 0, columns - 1)] > 0 for dy in (0, 1) for dx in (0, 1)]
    return np.logical_and.reduce(taps).astype(np.int64)


def _minified(source: Surface, xy: _F32, spread: NDArray[np.float64], bicubic: bool) -> _F32:
    """Colours (N, 3); where a target pixel spans several source pixels, the mean of a grid of samples."""
    level = _levels(source.code, xy, bicubic)
    out = _sample(source.rgb, xy, level)
    taps = np.clip(np.ceil(spread - 0.25), 1, 4).astype(int)
    for count in range(2, 5):
        some = (taps == count) & (level > 0)
        offset = (np.arange(count) + 0.5) / count - 0.5
        grid = np.stack(np.meshgrid(offset, offset), -1).reshape(-1, 2)
        points = xy[some][:, None] + spread[some][:, None, None] * grid
        bilinear = np.ones(points.shape[0] * count * count, np.int64)
        out[some] = _sample(source.rgb, points.reshape(-1, 2), bilinear).reshape(-1, count * count, 3).mean(1)
    return out


def _sample(rgb: NDArray[np.uint8] | None, xy: NDArray[np.floating], level: NDArray[np.int64]) -> _F32:
    """Catmull-Rom (Keys 1981, a = -0.5; level 2), bilinear (1) or nearest (0) colour 0..1 at pixels (N, 2)."""
    assert rgb is not None
    height, width = rgb.shape[:2]
    corner = np.floor(xy - 0.5)
    t = xy - 0.5 - corner
    on_pixel = (np.minimum(t, 1 - t) < 2e-3).all(-1)  # copies stay exact
    t[on_pixel] = np.round(t[on_pixel])
    nearest = np.clip(np.floor(xy).astype(int), 0, (width - 1, height - 1))
    linear = np.pad(np.stack([1 - t, t], -1), ((0, 0), (0, 0), (1, 1)))
    weights, offsets = np.where((level == 2)[:, None, None], _cubic(t), linear), range(-1, 3)
    total = np.zeros((len(xy), 3))
    for n, dy in enumerate(offsets):
        for m, dx in enumerate(offsets):
            x = np.clip(corner[:, 0].astype(int) + dx, 0, width - 1)
            y = np.clip(corner[:, 1].astype(int) + dy, 0, height - 1)
            total += (weights[:, 0, m] * weights[:, 1, n])[:, None] * rgb[y, x]
    total = np.where((level == 0)[:, None], rgb[nearest[:, 1], nearest[:, 0]], total)
    return (np.clip(total, 0, 255) / 255).astype(np.float32)


def _cubic(t: NDArray[np.floating]) -> NDArray[np.floating]:
    s, c = t * t, t * t * t
    taps = (-t + 2 * s - c, 2 - 5 * s + 3 * c, t + 4 * s - 3 * c, c - s)
    return 0.5 * np.stack(taps, axis=-1)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Where one Gaussian may stand for a block of pixels: flat colour on a plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.reconstruction.surface import Links

__all__ = ["Samples", "quadtree"]

_F = NDArray[np.float32]
_B = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Places of a picture that get one Gaussian each.

    Attributes
    ----------
    rows, columns: (M,) float32 pixel coordinates of the centre (centres of pixels at +0.5).
    at: (M,) int64 flat index of a pixel in the block, for look-ups.
    size: (M,) float32 side of the block [px].
    inverse_depth: (M,) float32 at the centre [1/m].
    rgb: (M, 3) float32 mean colour.
    """

    rows: _F
    columns: _F
    at: NDArray[np.int64]
    size: _F
    inverse_depth: _F
    rgb: _F


def quadtree(
    inverse_depth: _F,
    rgb: _F,
    keep: _B,
    links: Links,
    slope: tuple[_F, _F],
    *,
    largest: int,
    flat_color: float,
    flat_depth: float,
) -> Samples:
    """Split the kept pixels into blocks of 1, 2, .. largest that are linked, planar and of one colour."""
    free = keep.copy()
    parts = []
    size = largest
    while size > 1:
        chosen = _flat_blocks(inverse_depth, rgb, free, links, slope, size, flat_color, flat_depth)
        parts.append(_block_samples(inverse_depth, rgb, chosen, size))
        height, width = chosen.shape[0] * size, chosen.shape[1] * size
        free[:height, :width] &= ~np.repeat(np.repeat(chosen, size, axis=0), size, axis=1)
        size //= 2
    rows, columns = np.nonzero(free)
    parts.append(
        Samples(
            (rows + 0.5).astype(np.float32),
            (columns + 0.5).astype(np.float32),
            rows * keep.shape[1] + columns,
            np.ones(len(rows), np.float32),
            inverse_depth[free],
            rgb[free],
        )
    )
    fields = ("rows", "columns", "at", "size", "inverse_depth", "rgb")
    return Samples(*(np.concatenate([getattr(p, name) for p in parts]) for name in fields))


def _blocks(array: NDArray, size: int) -> NDArray:
    """(H, W, ...) to (H // size, W // size, size, size, ...); remainders are cut."""
    h, w = array.shape[0] // size, array.shape[1] // size
    cut = array[: h * size, : w * size]
    return cut.reshape(h, size, w, size, *array.shape[2:]).swapaxes(1, 2)


def _flat_blocks(
    w: _F, rgb: _F, free: _B, links: Links, slope: tuple[_F, _F], size: int, flat_color: float, flat_depth: float
) -> _B:
    """(H // size, W // size) blocks that one Gaussian can stand for."""
    right = np.zeros(free.shape, bool)
    right[:, :-1] = links.right
    down = np.zeros(free.shape, bool)
    down[:-1] = links.down
    good = np.asarray(_blocks(free, size).all(axis=(2, 3)))
    good &= _blocks(right, size)[:, :, :, :-1].all(axis=(2, 3))
    good &= _blocks(down, size)[:, :, :-1].all(axis=(2, 3))
    at = np.nonzero(good)
    if not len(at[0]):
        return good
    color = _blocks(rgb, size)[at].reshape(len(at[0]), -1, 3)
    passed = (color.max(axis=1) - color.min(axis=1)).max(axis=1) < flat_color
    depth = _blocks(w, size)[at].reshape(len(at[0]), -1)
    step = np.arange(size, dtype=np.float32) - 0.5 * (size - 1)
    along_x = _blocks(slope[0], size)[at].mean(axis=(1, 2))[:, None] * np.tile(step, size)
    along_y = _blocks(slope[1], size)[at].mean(axis=(1, 2))[:, None] * np.repeat(step, size)
    middle = depth.mean(axis=1, keepdims=True)
    passed &= (np.abs(depth - middle - along_x - along_y) < flat_depth * middle).all(axis=1)
    good[at] = passed
    return good


def _block_samples(w: _F, rgb: _F, chosen: _B, size: int) -> Samples:
    rows, columns = np.nonzero(chosen)
    middle = size // 2
    return Samples(
        (rows * size + 0.5 * size).astype(np.float32),
        (columns * size + 0.5 * size).astype(np.float32),
        (rows * size + middle) * w.shape[1] + columns * size + middle,
        np.full(len(rows), size, np.float32),
        _blocks(w, size)[chosen].mean(axis=(1, 2)),
        _blocks(rgb, size)[chosen].mean(axis=(1, 2)),
    )

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
"""From the small filled view back to full size: known pixels as they are, holes upsampled, feathered, with grain.

A hole shows what the network made of it, enlarged. At its rim the difference to the known pixels goes on into the hole
and fades, so no seam shows. What the network cannot draw at its size (grain, joints, edges) is taken from a patch fill of
the same hole that the network guides: its fine part replaces the network's.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["detail_of", "enlarge", "even_relief", "feathered", "hole_box", "rim_correction", "rim_samples"]

_F32 = NDArray[np.float32]


def enlarge(small: _F32, size: tuple[int, int]) -> _F32:
    """Bicubic enlargement to (width, height)."""
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.float32)


def feathered(full: _F32, known: NDArray[np.bool_], guess: _F32, reach: float) -> _F32:
    """Known values of `full` kept, `guess` elsewhere, without a seam.

    Parameters
    ----------
    full, guess: (H, W, 3) or (H, W) float32. known: (H, W) bool. reach: [px] how far a difference at the rim goes on.
    """
    if known.all():
        return np.array(full, np.float32)
    at = rim_samples(reach)
    made = cv2.add(guess, rim_correction(full[at, at] - guess[at, at], known, reach))
    return np.asarray(cv2.copyTo(full, known.astype(np.uint8), made), np.float32)


Box = tuple[slice, slice]
"""Rows and columns of a picture."""


def hole_box(known: NDArray[np.bool_], small: tuple[int, int], reach: float) -> tuple[Box, Box]:
    """The part of a picture that holds all its holes and what is needed around them, and the same part of a small one.

    Parameters
    ----------
    known: (H, W) bool with at least one hole. small: (h, w) of the small picture. reach: [px], see `feathered`.

    Both parts begin and end at the same places, and where a sample of `rim_samples` does, so that what is enlarged and
    joined in the box is what it is in the whole picture.
    """
    hole = ~known
    rows, columns = (_span(hole.any(axis=1 - axis), small[axis], rim_samples(reach).step, reach) for axis in (0, 1))
    return (rows[0], columns[0]), (rows[1], columns[1])


def _span(hole: NDArray[np.bool_], small: int, step: int, reach: float) -> tuple[slice, slice]:
    """Pixels of one side, (N,) bool, that hold its holes with four cells to spare, and the cells they are."""
    length = len(hole)
    common = math.gcd(length, small)
    pixels, cells = length // common, small // common
    times = math.lcm(pixels, step) // pixels
    pixels, cells = pixels * times, cells * times
    at = np.flatnonzero(hole)
    margin = 4 * max(reach, length / small)
    first = max(0, int((at[0] - margin) // pixels))
    last = int(-(-(at[-1] + 1 + margin) // pixels))
    if last * pixels >= length:
        return slice(first * pixels, length), slice(first * cells, small)
    return slice(first * pixels, last * pixels), slice(first * cells, last * cells)


def rim_samples(reach: float) -> slice:
    """Every which pixel of a side the differences at the rim are worked out on: odd steps, the middles of whole cells."""
    step = max(1, (int(reach / 2) - 1) // 2 * 2 + 1)
    return slice(step // 2, None, step)


def rim_correction(difference: _F32, known: NDArray[np.bool_], reach: float) -> _F32:
    """What is added to a guess (H, W[, C]) so that it joins the known pixels.

    Parameters
    ----------
    difference: (h, w[, C]) known values less the guess at `rim_samples` of each side, anything where unknown.
    known: (H, W) bool. reach: [px] how far a difference at the rim goes on.
    """
    at = rim_samples(reach)
    step = at.step
    weight = known[at, at].astype(np.float32)
    plain = difference.ndim == 2
    spread = _blur((difference * (weight if plain else weight[..., None])).astype(np.float32), reach / step)
    near = _blur(weight, reach / step)
    # Half of the window is known at a straight rim: there the whole difference holds, and it fades with the known share.
    gain = np.clip(2 * near, 0, 1) / np.maximum(near, 1e-3)
    small = (spread * (gain if plain else gain[..., None])).astype(np.float32)
    if step == 1:
        return small
    height, width = known.shape
    # Samples end before the lower and right rim: what lies beyond them repeats the last, as resizing does at a border.
    short = -(-height // step) - small.shape[0], -(-width // step) - small.shape[1]
    if any(short):
        small = cv2.copyMakeBorder(small, 0, short[0], 0, short[1], cv2.BORDER_REPLICATE)
    whole = cv2.resize(small, (small.shape[1] * step, small.shape[0] * step), interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole[:height, :width], np.float32)


def even_relief(made: _F32, base: _F32, known: NDArray[np.bool_], sigma: float) -> _F32:
    """Depth (H, W) of a made view whose difference to the classical base is blurred within the holes.

    The network works on patches of four pixels and leaves their grid in walls, faint in depth and plain in a mesh. The
    error of depth on held-out views is the same with and without (README.md of lyra_core/training).

    sigma: [px of the network].
    """
    if known.all():
        return made
    hole = (~known).astype(np.float32)
    change = cv2.GaussianBlur((made - base) * hole, (0, 0), sigma) / np.maximum(
        cv2.GaussianBlur(hole, (0, 0), sigma), 1e-3
    )
    return np.where(known, made, base + change).astype(np.float32)


def detail_of(patches: _F32, cell: float) -> _F32:
    """What of a picture is finer than a cell [px]: the picture less its own blur."""
    return (patches - _blur(patches, cell)).astype(np.float32)


def _blur(image: _F32, sigma: float) -> _F32:
    """Blur of deviation sigma [px] by two box filters: constant cost."""
    side = max(3, 2 * round(sigma * 1.2) + 1)
    once = cv2.blur(image, (side, side), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.blur(once, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
"""Colours of things that are set into views."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lyra_core.training.depth_augment import noise_field

__all__ = ["paint", "shade_floor"]

_BORROWED = 0.5  # chance of a plain colour from the picture, where there is one
_LOW = 0.08  # [m] from the level of the foot: what a shadow falls on


def paint(shape: tuple[int, int], rng: np.random.Generator, picture: NDArray[np.uint8] | None) -> NDArray[np.float32]:
    """(*shape, 3) colours in about [0, 1] of a part: plain, streaked like metal, or a piece of a picture (H, W, 3).

    A picture lends its colours to plain parts, too: things of a place often have the colours of its walls.
    """
    tone = rng.random(3, dtype=np.float32) if rng.uniform() < 0.5 else np.full(3, rng.uniform(0.02, 0.95), np.float32)
    if picture is not None and rng.uniform() < _BORROWED:
        row, column = (int(rng.integers(0, max(1, side - 8))) for side in picture.shape[:2])
        tone = picture[row : row + 8, column : column + 8].mean(axis=(0, 1)).astype(np.float32) / np.float32(255)
    plain = np.broadcast_to(tone, (*shape, 3)).astype(np.float32)
    choice = rng.uniform()
    if picture is not None and choice < 0.45:
        height, width = picture.shape[:2]
        side = int(rng.integers(min(height, width) // 6, min(height, width) // 2 + 1))
        top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
        piece = cv2.resize(picture[top : top + side, left : left + side], shape[::-1]).astype(np.float32) / 255
        return (piece + np.float32(rng.uniform(0, 0.8)) * (plain - piece)).astype(np.float32)
    if choice < 0.75:
        noise = noise_field(*shape, int(rng.integers(1, 9)), rng)[..., None]
        return (plain + np.float32(rng.uniform(0.1, 1.0)) * (noise - np.float32(0.5))).astype(np.float32)
    return plain


def shade_floor(
    image: NDArray[np.float32],
    offset: NDArray[np.float32],
    solid: NDArray[np.bool_],
    around: NDArray[np.floating],
    strength: float,
) -> None:
    """Darken the surface about a thing in image (H, W, 3), in place: a soft shadow.

    offset: (H, W) height of a pixel's surface over the thing's foot [m]. solid: (H, W) where there is a surface.
    around: (H, W) distance from the thing in widths of the shadow. strength: 0..1 under the thing.
    """
    dark = strength * np.exp(-(around**2)) * (np.abs(offset) < _LOW) * solid
    np.copyto(image, (image * (1 - dark[..., None])).astype(np.float32))

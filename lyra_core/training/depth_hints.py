# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Known depth for the depth model to learn completion from: what other views of the same scene would have seen.

A sample's own surface is looked at from a camera drawn near by. What that camera sees is known, what it does not see
(hidden behind an edge, or outside its picture) is not: holes have the shape that reprojection gives them. The
known part then gets the faults of a world made of estimates: it bends by a few percent, lies a pixel off, and is plainly
wrong in places.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lyra_core.training.depth_augment import Sample, noise_field

__all__ = ["Hint", "HintSettings", "seen_from_elsewhere", "with_hint"]

_CELL = 3  # source pixels of a cell of the visibility test
_SLACK = 1.06  # a point this much farther than the nearest in its cell is still the same surface
_FAR = 300.0  # metres; where the sky stands for the visibility test


@dataclass(frozen=True, slots=True)
class HintSettings:
    """How often and how badly depth is known.

    Attributes
    ----------
    share: of the samples that get a hint. blind: of these, those whose picture is grey where depth is unknown, so
        that geometry can be continued before colour is. sparse: of these, those known at scattered points alone.
    """

    share: float = 0.5
    blind: float = 0.3
    sparse: float = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Hint:
    """A sample and the part of its depth that is given away.

    Attributes
    ----------
    sample: with its depth in the hint's unit of length, and grey where the hint is blind.
    depth: (H, W) float32 [m], 0 where unknown.
    """

    sample: Sample
    depth: NDArray[np.float32]


def _turn(yaw: float, pitch: float) -> NDArray[np.float64]:
    """(3, 3) rotation about y by yaw, then about x by pitch [rad], of camera axes."""
    c, s = np.cos(yaw), np.sin(yaw)
    about_y = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    c, s = np.cos(pitch), np.sin(pitch)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ about_y


def seen_from_elsewhere(
    depth: NDArray[np.float32],
    focal: float,
    center: tuple[float, float],
    rotation: NDArray[np.float64],
    translation: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """(H, W) bool: pixels whose point a second camera with the same lens sees too.

    depth: (H, W) [m], inf = sky, 0 unknown (never seen). A point p of this camera's frame is rotation @ p + translation
    in the other's. Hiding is judged among this view's own points.
    """
    height, width = depth.shape
    z = np.where(np.isinf(depth), np.float32(_FAR), depth).astype(np.float32)
    x = ((np.arange(width, dtype=np.float32) + 0.5 - center[0]) / focal)[None] * z
    y = ((np.arange(height, dtype=np.float32) + 0.5 - center[1]) / focal)[:, None] * z
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3) @ rotation.T.astype(np.float32) + translation.astype(
        np.float32
    )
    ahead = points[:, 2]
    safe = np.maximum(ahead, 1e-3)
    column = np.floor((points[:, 0] / safe * focal + center[0]) / _CELL)
    row = np.floor((points[:, 1] / safe * focal + center[1]) / _CELL)
    across, down = -(-width // _CELL), -(-height // _CELL)
    inside = (z.reshape(-1) > 0) & (ahead > 0.05) & (column >= 0) & (column < across) & (row >= 0) & (row < down)
    cell = np.where(inside, row * across + column, 0).astype(np.intp)
    nearest = np.full(across * down, np.inf, np.float32)
    np.minimum.at(nearest, cell[inside], ahead[inside])
    return (inside & (ahead < nearest[cell] * _SLACK)).reshape(height, width)


def _known(sample: Sample, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Pixels that one or two other cameras near by have seen."""
    surface = np.isfinite(sample.depth) & (sample.depth > 0)
    typical = float(np.median(sample.depth[surface]))
    known = np.zeros(sample.depth.shape, bool)
    for _ in range(1 + int(rng.uniform() < 0.4)):
        rotation = _turn(np.radians(rng.normal(0, 14)), np.radians(rng.normal(0, 4)))
        shift = typical * np.array([rng.normal(0, 0.2), rng.normal(0, 0.04), rng.normal(0, 0.25)])
        seen = seen_from_elsewhere(sample.depth, sample.focal, sample.center, rotation, shift)
        known |= cv2.medianBlur(seen.astype(np.uint8), 3) > 0
    return known


def _faults(log_depth: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Log depth (H, W) as a world made of estimates would give it."""
    height, width = log_depth.shape
    amount = np.float32(min(0.12, rng.exponential(0.025)))
    out = log_depth + amount * (2 * noise_field(height, width, int(rng.integers(1, 5)), rng) - 1)
    if rng.uniform() < 0.5:  # edges lie beside those of the picture
        out = np.roll(out, (int(rng.integers(-2, 3)), int(rng.integers(-2, 3))), axis=(0, 1))
    for _ in range(int(rng.integers(0, 5)) if rng.uniform() < 0.35 else 0):
        h, w = int(rng.integers(2, 1 + height // 6)), int(rng.integers(2, 1 + width // 6))
        top, left = int(rng.integers(0, height - h)), int(rng.integers(0, width - w))
        out[top : top + h, left : left + w] += np.float32(rng.normal(0, 0.4))
    return np.asarray(out + rng.normal(0, rng.uniform(0, 0.01), out.shape), np.float32)


def with_hint(sample: Sample, settings: HintSettings, rng: np.random.Generator) -> Hint:
    """Give a part of the sample's depth away, or none; same generator state, same hint.

    The unit of length varies freely (a generated world's is a guess), in the hint and in the target alike.
    """
    nothing = np.zeros(sample.depth.shape, np.float32)
    surface = np.isfinite(sample.depth) & (sample.depth > 0)
    if rng.uniform() >= settings.share or surface.mean() < 0.05:
        return Hint(sample, nothing)
    known = _known(sample, rng)
    if (known & surface).mean() < 0.02:
        return Hint(sample, nothing)
    unit = np.float32(np.exp(rng.normal(0, 0.2)))
    scaled = replace(sample, depth=(sample.depth * unit).astype(np.float32))
    if rng.uniform() < settings.sparse:
        known &= rng.random(known.shape) < np.exp(rng.uniform(np.log(0.002), np.log(0.1)))
    elif rng.uniform() < settings.blind:
        scaled = replace(scaled, image=np.where(known[..., None], sample.image, np.float32(0.5)))
    log_depth = np.log(np.where(surface, np.maximum(scaled.depth, 0.05), 1.0)).astype(np.float32)
    given = np.where(known & surface, np.exp(_faults(log_depth, rng)), 0).astype(np.float32)
    return Hint(scaled, given)

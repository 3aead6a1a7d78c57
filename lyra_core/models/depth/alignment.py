# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Bringing one depth map to the unit of another: as Lyra 2.0 does, and robustly with a confidence.

The reference's factor is a least-squares fit of inverse depths, which a few wrong near pixels decide. Ours is a median of
log ratios with its spread; where a model gives inverse depth only up to scale and shift, a robust line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ScaleFit", "ShiftFit", "reference_scale", "robust_scale", "robust_shift"]

_F32 = NDArray[np.float32]
_TINY = 1e-6
_GOOD = 0.25  # spread of log ratios at which a factor is worth nothing
_MANY = 500  # pixels from which on their number does not matter
_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class ScaleFit:
    """depth * factor is in the unit of the other map.

    factor: as said. spread: half of the middle half of the log ratios. pixels: compared. confidence: 0..1.
    """

    factor: float
    spread: float
    pixels: int
    confidence: float


@dataclass(frozen=True, slots=True)
class ShiftFit:
    """1 / depth = slope * value + shift, for values that grow towards the camera.

    spread: half of the middle half of the relative error of inverse depth. confidence: 0..1.
    """

    slope: float
    shift: float
    spread: float
    pixels: int
    confidence: float


def reference_scale(depth: _F32, other: _F32, valid: NDArray[np.bool_]) -> float | None:
    """The number that Lyra 2.0 divides depth (H, W) by to bring it to other (H, W); None: it leaves depth as it is.

    Least squares of 1 / other against 1 / depth over the valid pixels, at least eleven of them.
    """
    if int(valid.sum()) <= 10:
        return None
    own = 1.0 / (depth[valid].astype(np.float64) + _TINY)
    wanted = 1.0 / (other[valid].astype(np.float64) + _TINY)
    length = float(own @ own)
    scale = float(own @ wanted) / length if length > 1e-8 else 0.0
    return scale if scale > 1e-6 else None


def _confidence(spread: float, pixels: int) -> float:
    return float(np.clip(1 - spread / _GOOD, 0, 1) * min(1.0, pixels / _MANY))


def robust_scale(
    depth: _F32, other: _F32, valid: NDArray[np.bool_] | None = None, *, weight: _F32 | None = None
) -> ScaleFit | None:
    """The factor that brings depth (H, W) to other (H, W): a weighted median of their ratios.

    Parameters
    ----------
    valid: (H, W) bool; where both are positive by default. weight: (H, W) >= 0, e.g. a model's confidence.

    Returns None with fewer than ten pixels to compare.
    """
    both = (depth > 0) & (other > 0) & np.isfinite(depth) & np.isfinite(other)
    both = both if valid is None else both & valid
    share = np.ones(int(both.sum())) if weight is None else np.maximum(weight[both].astype(np.float64), 0)
    if len(share) < 10 or share.sum() <= 0:
        return None
    ratio = np.log(other[both].astype(np.float64)) - np.log(depth[both].astype(np.float64))
    order = np.argsort(ratio)
    total = np.cumsum(share[order])
    low, middle, high = (float(ratio[order][np.searchsorted(total, q * total[-1])]) for q in (0.25, 0.5, 0.75))
    spread = 0.5 * (high - low)
    return ScaleFit(float(np.exp(middle)), spread, len(share), _confidence(spread, len(share)))


def robust_shift(value: _F32, depth: _F32, valid: NDArray[np.bool_] | None = None) -> ShiftFit | None:
    """The line from value (H, W), which grows towards the camera, to inverse depth.

    Reweighted least squares (Tukey's biweight, from a least-absolute start) of 1 / depth; relative errors count, so that
    the far half of a picture weighs as much as the near one. None with fewer than ten pixels, or if values that grow
    away from the camera fit better.
    """
    both = (depth > 0) & np.isfinite(depth) & np.isfinite(value)
    both = both if valid is None else both & valid
    pixels = int(both.sum())
    if pixels < 10:
        return None
    x, y = value[both].astype(np.float64), 1.0 / depth[both].astype(np.float64)
    a = np.stack([x, np.ones_like(x)], axis=1) / y[:, None]  # relative error of inverse depth
    b = np.ones_like(y)
    weight = np.ones_like(y)
    line = np.zeros(2)
    for i in range(_ROUNDS):
        root = np.sqrt(weight)[:, None]
        line = np.linalg.lstsq(a * root, b * root[:, 0], rcond=None)[0]
        error = np.abs(a @ line - b)
        scale = max(1.4826 * float(np.median(error)), 1e-9)
        if i < _ROUNDS // 2:
            weight = 1.0 / np.maximum(error, 1e-3 * scale + 1e-12)
        else:
            weight = np.clip(1 - (error / (4.7 * scale)) ** 2, 0, None) ** 2
    if line[0] <= 0:
        return None
    low, high = np.quantile(a @ line - b, [0.25, 0.75])
    spread = 0.5 * float(high - low)
    return ShiftFit(float(line[0]), float(line[1]), spread, pixels, _confidence(spread, pixels))

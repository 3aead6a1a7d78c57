# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Smooth continuation of what is known: averages of ever coarser levels (Gortler et al. 1996, "The Lumigraph")."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["push_pull"]

_F32 = NDArray[np.float32]


def push_pull(values: _F32, known: NDArray[np.bool_], *, empty: float = 0.5) -> _F32:
    """Values (H, W) or (H, W, C) with the unknown ones filled; known ones stay as they are.

    empty: what everything becomes where nothing is known.
    """
    if min(known.shape) <= 1 or known.all():
        mean = values[known].mean(axis=0) if known.any() else empty
        return np.where(_spread(known, values), values, mean).astype(np.float32)
    size = (max(1, known.shape[1] // 2), max(1, known.shape[0] // 2))
    weight = known.astype(np.float32)
    share = np.asarray(cv2.resize(weight, size, interpolation=cv2.INTER_AREA), np.float32)
    taken = (values * _spread(weight, values)).astype(np.float32)
    small = np.asarray(cv2.resize(taken, size, interpolation=cv2.INTER_AREA), np.float32).reshape(
        *share.shape, *values.shape[2:]
    )
    coarse = push_pull((small / _spread(np.maximum(share, 1e-6), small)).astype(np.float32), share > 0, empty=empty)
    up = np.asarray(cv2.resize(coarse, known.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    return np.where(_spread(known, values), values, up.reshape(values.shape)).astype(np.float32)


def _spread(mask: NDArray, values: _F32) -> NDArray:
    """A mask (H, W) in a form that goes with values (H, W) or (H, W, C)."""
    return mask if values.ndim == 2 else mask[..., None]

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Forward reprojection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lyra_core.types import Camera

__all__ = ["Source", "reliability_mask"]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A view to reproject: rgb (H, W, 3) f32, depth (H, W) f32 [m], valid (H, W) bool, camera."""

    rgb: NDArray[np.float32]
    depth: NDArray[np.float32]
    valid: NDArray[np.bool_]
    camera: Camera


def _window(values, pick, fill, radius=2):
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (radius, radius)
        padded = np.pad(values, pad, constant_values=fill)
        out = None
        for k in range(2 * radius + 1):
            part = np.take(padded, np.arange(k, k + values.shape[axis]), axis=axis)
            out = part if out is None else pick(out, part)
        values = out
    return values


def reliability_mask(depth: NDArray[np.float32], *, ratio: float = 0.05, device: str = "cpu", compat="default") -> NDArray[np.bool_]:
    """(H, W) bool: the depth range in the 5x5 window is below ratio times its mean."""
    high = _window(depth, np.maximum, -np.inf)
    low = _window(depth, np.minimum, np.inf)
    total = _window(depth, np.add, 0.0)
    count = 25.0 if compat == "reference" else _window(np.ones_like(depth), np.add, 0.0)
    return (high - low) / (total / count + 1e-6) < ratio

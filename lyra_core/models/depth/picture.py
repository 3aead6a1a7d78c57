# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A depth map as a picture for people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["depth_picture"]

_STOPS = np.array(  # far to near: a hand-made ramp in the manner of turbo, monotone in hue
    [[48, 18, 59], [62, 73, 190], [40, 140, 240], [24, 200, 180], [110, 240, 80], [220, 220, 40], [250, 140, 30],
     [215, 50, 15], [122, 4, 3]], dtype=np.float64
)  # fmt: skip


def depth_picture(depth: NDArray[np.float32], sky: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 picture of z-depth (H, W) [m]: red near, blue far on a disparity scale; sky and 0 light grey."""
    known = depth > 0
    if sky is not None:
        known &= ~sky
    out = np.full((*depth.shape, 3), 225, np.uint8)
    if known.any():
        disparity = 1.0 / np.maximum(depth, 1e-3)
        low, high = np.percentile(disparity[known], [1, 99])
        t = np.clip((disparity - low) / max(float(high - low), 1e-9), 0, 1) ** 0.7
        positions = np.linspace(0, 1, len(_STOPS))
        ramp = np.stack([np.interp(t, positions, _STOPS[:, c]) for c in range(3)], axis=-1)
        out[known] = np.round(ramp[known]).astype(np.uint8)
    return out

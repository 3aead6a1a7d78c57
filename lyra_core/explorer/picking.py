# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The seen point under a ray."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["nearest_point"]

_WIDEST = 0.05  # rad between the ray and a point that still counts as clicked
_LEAST = 0.003  # rad: points this near to the ray are all under the pointer


def nearest_point(
    points: NDArray[np.floating], origin: NDArray[np.floating], direction: NDArray[np.floating]
) -> tuple[float, float, float] | None:
    """The one of points (N, 3) [m] under a ray (3,), (3,); of several the one in front; None if none is near."""
    if len(points) == 0:
        return None
    ahead = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    offset = np.asarray(points, np.float64) - np.asarray(origin, np.float64)
    along = offset @ ahead
    gap = np.linalg.norm(offset - along[:, None] * ahead, axis=1)
    angle = np.where(along > 0.05, gap / np.maximum(along, 1e-9), np.inf)
    least = float(angle.min())
    if not least <= _WIDEST:
        return None
    under = angle <= max(1.5 * least, _LEAST)
    x, y, z = (float(v) for v in points[int(np.argmin(np.where(under, along, np.inf)))])
    return x, y, z

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Where a page looks from: behind the photo's camera, and from above."""

from __future__ import annotations

import math

import numpy as np

from lyra_core.types import Camera

__all__ = ["seed_view", "top_view"]


def seed_view(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """(position, look-at) of a view from behind and above the photo's camera."""
    ahead = np.array([camera.forward[0], camera.forward[1], 0.0])
    ahead /= max(float(np.linalg.norm(ahead)), 1e-6)
    # A little to the right, because the panel covers the right of the page.
    right = np.array([ahead[1], -ahead[0], 0.0])
    return camera.center - 1.5 * ahead + [0, 0, 0.8], camera.center + 3.0 * ahead + 0.7 * right - [0, 0, 0.4]


def top_view(points: np.ndarray, fov: float = math.radians(60.0)) -> tuple[np.ndarray, np.ndarray]:
    """(position, look-at) of a view from above that holds nearly all points (N, 3) [m] left of the page's panel."""
    low, high = np.percentile(np.asarray(points, np.float64)[:, :2], (2, 98), axis=0)
    # Of a page of usual shape, about as much as its height is left beside the panel.
    height = max(6.0, 0.55 * float((high - low).max()) / math.tan(fov / 2))
    look = np.array([*(low + high) / 2, 0.0]) + [0.25 * height * math.tan(fov / 2), 0.0, 0.0]
    return look + [0.0, -0.01, height], look

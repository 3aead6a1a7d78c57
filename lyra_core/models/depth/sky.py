# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
"""Sky mask of a photo from colour, texture and position; no training.

Sky is a smooth region that reaches the top border, is blue or brighter than what is below it, and has no straight
lines inside. White walls and ceilings are smooth and bright too: they fail because what bounds them is seen on their
own side as well (lamps, edges) and because they are hardly brighter than the rest of the room.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["refine_mask", "sky_mask"]

_WIDTH = 416  # working width; the mask is refined at full size
_LEAST = 0.012  # a smaller region is more likely a window or a lamp
_SMOOTH = 0.030  # mean gradient of sky in sRGB units per working pixel; clouds included


def sky_mask(rgb: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(H, W) bool, True where rgb (H, W, 3) float32 sRGB in [0, 1] shows sky."""
    import cv2

    height, width = rgb.shape[:2]
    small = cv2.resize(rgb, (_WIDTH, max(16, round(height * _WIDTH / width))), interpolation=cv2.INTER_AREA)
    candidate = _grow(small)
    if candidate.mean() < _LEAST or not _is_sky(small, candidate):
        return np.zeros((height, width), bool)
    return _without_islands(refine_mask(rgb, candidate))


def _gradient(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    import cv2

    dx = cv2.Sobel(gray, cv2.CV_32F, 1, 0, ksize=3) / 8
    dy = cv2.Sobel(gray, cv2.CV_32F, 0, 1, ksize=3) / 8
    return np.sqrt(dx * dx + dy * dy)


def _plausible(small: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels whose colour and texture a sky may have."""
    import cv2

    r, g, b = small[..., 0], small[..., 1], small[..., 2]
    value, low = small.max(axis=-1), small.min(axis=-1)
    texture = cv2.blur(_gradient(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)), (5, 5))
    blue = (b >= g - 0.02) & (b >= r + 0.02) & (value > 0.18)
    bright = (value > 0.55) & (value - low < 0.35)
    dusk = (value > 0.45) & (r >= g) & (g >= b - 0.05) & (value - low < 0.55)
    green = (g > b + 0.04) & (g > r)
    return (blue | bright | dusk) & ~green & (texture < _SMOOTH)


def _grow(small: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Union of the plausible regions that reach the top border, holes closed."""
    import cv2

    mask = _plausible(small).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(mask, connectivity=4)
    top = np.bincount(labels[:3].ravel(), minlength=count)
    rows = np.arange(len(small))[:, None] / len(small)
    area = np.bincount(labels.ravel(), minlength=count)
    mean_row = np.bincount(labels.ravel(), weights=np.broadcast_to(rows, labels.shape).ravel(), minlength=count)
    mean_row = mean_row / np.maximum(area, 1)
    # A region behind a roof need not touch the border itself: high, large and smooth is enough to be looked at.
    good = ((top > 0.01 * small.shape[1]) | ((mean_row < 0.3) & (area > 0.02 * labels.size))) & (area > 40)
    good[0] = False
    region = good[labels]
    # Clouds and wires leave small holes.
    outside, holes = cv2.connectedComponents((~region).astype(np.uint8), connectivity=4)
    size = np.bincount(holes.ravel(), minlength=outside)
    return region | ((size < 0.004 * labels.size)[holes] & ~region)


def _is_sky(small: NDArray[np.float32], region: NDArray[np.bool_]) -> bool:
    """Whether the region is sky rather than a ceiling or a wall: bluer or clearly brighter than the rest."""
    inside, rest = small[region], small[~region]
    if len(rest) == 0:
        return False
    # A sky ends high in the picture or is wide at the top; a region that hugs the floor is a wall or a lake.
    rows = np.nonzero(region)[0]
    if np.median(rows) > 0.6 * len(small):
        return False
    value, other = inside.mean(axis=-1), rest.mean(axis=-1)
    blueness = float(np.median(inside[:, 2] - inside[:, 0]))
    brighter = float(np.median(value) - np.median(other))
    wide = float(region[:2].any(axis=0).mean()) > 0.3
    # Lamp light on a ceiling is yellow; an overcast or evening sky is the brightest, widest thing in the picture.
    clouded = blueness > -0.1 and brighter > 0.25 and float(np.median(value)) > 0.6 and wide
    sea = float(np.median(value)) < 0.5 and brighter < 0.22  # water seen from above
    return (blueness > 0.04 and not sea) or clouded


def refine_mask(rgb: NDArray[np.float32], region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Full-size mask: near the coarse border each pixel goes to the side whose local mean colour is nearer."""
    import cv2

    height, width = rgb.shape[:2]
    scale = width / region.shape[1]
    size = (width, height)
    sky = cv2.resize(region.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
    reach = int(3 * scale) | 1
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    unsure = cv2.dilate(sky.astype(np.uint8), kernel).astype(bool) & ~cv2.erode(sky.astype(np.uint8), kernel).astype(
        bool
    )
    sure_sky, sure_rest = sky & ~unsure, ~sky & ~unsure
    window = (8 * reach + 1, 8 * reach + 1)

    def local_mean(sure: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        weight = cv2.blur(sure.astype(np.float32), window)
        mean = cv2.blur(rgb * sure[..., None], window) / np.maximum(weight, 1e-6)[..., None]
        return mean, weight

    mean_sky, weight_sky = local_mean(sure_sky)
    mean_rest, weight_rest = local_mean(sure_rest)
    nearer = ((rgb - mean_sky) ** 2).sum(-1) < 0.6 * ((rgb - mean_rest) ** 2).sum(-1)
    decided = unsure & (weight_sky > 1e-4) & (weight_rest > 1e-4)
    out = np.where(decided, nearer, sky)
    return cv2.medianBlur(out.astype(np.uint8), 3).astype(bool)


def _without_islands(sky: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Clouds that hang free in the sky, not larger than 4 % of the picture, are sky."""
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats((~sky).astype(np.uint8), connectivity=8)
    loose = stats[:, cv2.CC_STAT_AREA] < 0.04 * sky.size
    loose &= stats[:, cv2.CC_STAT_TOP] + stats[:, cv2.CC_STAT_HEIGHT] < len(sky)
    loose[0] = False
    return sky | (loose[labels] if count > 1 else False)

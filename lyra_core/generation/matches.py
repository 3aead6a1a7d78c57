# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The same points in two pictures: SIFT (Lowe 2004) with the ratio test in both directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Features", "find_features", "match_features"]

_COUNT = 1500
_RATIO = 0.8
_SMALL = 700  # [px]; narrower pictures are enlarged before the search


class Features:
    """Points of interest of a picture: `points` (N, 2) float64 pixels (x, y; centres at +0.5), `words` (N, 128)."""

    def __init__(self, points: NDArray[np.float64], words: NDArray[np.float32]) -> None:
        self.points, self.words = points, words

    def __len__(self) -> int:
        return len(self.points)


def find_features(rgb: NDArray[np.float32]) -> Features:
    """Features of a picture (H, W, 3) float32 sRGB in [0, 1]."""
    import cv2

    grey = np.rint(255 * np.clip(rgb.mean(axis=2), 0, 1)).astype(np.uint8)
    zoom = 2 if grey.shape[1] < _SMALL else 1
    if zoom > 1:
        grey = cv2.resize(grey, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)
    keys, words = cv2.SIFT_create(nfeatures=_COUNT, contrastThreshold=0.01).detectAndCompute(grey, None)  # type: ignore[attr-defined]
    if words is None or not len(keys):
        return Features(np.zeros((0, 2)), np.zeros((0, 128), np.float32))
    points = (np.array([key.pt for key in keys], dtype=np.float64) + 0.5) / zoom
    return Features(points, np.asarray(words, dtype=np.float32))


def match_features(a: Features, b: Features) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices into a and b of points that are each other's clear best match; (M,) and (M,)."""
    import cv2

    if min(len(a), len(b)) < 2:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    matcher = cv2.BFMatcher()

    def clear(first: Features, second: Features) -> dict[int, int]:
        pairs = matcher.knnMatch(first.words, second.words, k=2)
        return {p[0].queryIdx: p[0].trainIdx for p in pairs if len(p) == 2 and p[0].distance < _RATIO * p[1].distance}

    there, back = clear(a, b), clear(b, a)
    mutual = sorted((i, j) for i, j in there.items() if back.get(j) == i)
    pairs = np.array(mutual, dtype=np.intp).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of columns and posts made no deeper than such things are wide.

The depth that one picture gives of a post before a far wall is torn: neighbouring pixels of it lie metres apart along
the ray. The mesher takes such steps for the curtains they usually are, and what is left of the post are shreds that see
each other edge-on and do not fuse.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lyra_core.types import Camera

__all__ = ["mend_posts"]

_REACH = 0.1  # a post takes less than this share of the picture's width
_LEAST = 0.015  # and more than this, or it is too thin to be torn
_STANDS_OUT = 1.15  # what is behind a post, on both sides, is this many times as far
_BESIDE = 3  # px beyond its ends at which that is looked up: ramps are this wide
_TORN_ROWS = 12  # px; so many rows above and below a good one may be torn
_SLENDER = 2.0  # a post is this many times as tall as wide
_FILLED = 0.5  # of the box around it: several things behind each other fill less
_DEEP = 1.5  # times as deep as wide is torn; a square column seen over its corner is as deep as wide
_UPRIGHT = 0.3  # least cosine of the rays to the horizon; steeper ones do not see that a thing is upright
_ROUNDS = 5  # of reweighting

_F32 = NDArray[np.float32]
_F64 = NDArray[np.float64]


def mend_posts(depth: _F32, sky: NDArray[np.bool_], camera: Camera) -> _F32:
    """depth (H, W) z [m], 0 = unknown, with every torn post on an upright plane that faces the camera.

    A post is slender and stands out before what is seen on both of its sides in a row. It is torn if half of its
    pixels do not lie within 1.5 times its width [m] along the best plane through it (any plane: a board seen from its
    edge is smooth). camera: level pose, world Z up. All other depth is returned as it is.
    """
    import cv2

    valid = (depth > 0) & ~sky
    inverse = np.zeros(depth.shape, np.float32)
    np.divide(1.0, depth, out=inverse, where=valid)
    stands, run = _standing_out(inverse, valid)
    count, label, boxes, _ = cv2.connectedComponentsWithStats(stands.astype(np.uint8), connectivity=8)
    out = depth.copy()
    for part in range(1, count):
        left, top, across, tall, area = (int(v) for v in boxes[part])
        if tall < _SLENDER * across or area < max(_FILLED * across, _LEAST * depth.shape[1]) * tall:
            continue
        y, x = np.nonzero(label[top : top + tall, left : left + across] == part)
        y, x = y + top, x + left
        # Torn rows are too narrow: the width is that of most rows.
        wide = float(np.median(run[y, x]) * np.median(depth[y, x])) / float(camera.intrinsics[0, 0])
        flat = _upright(x, y, inverse[y, x].astype(np.float64), wide, camera)
        if flat is not None:
            out[y, x] = flat
    return out


def _standing_out(inverse: _F32, valid: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], _F32]:
    """(H, W) pixels of narrow runs that are near before both neighbours in the row; length [px] of each pixel's run."""
    import cv2

    reach = max(3, round(_REACH * inverse.shape[1]))
    behind = cv2.morphologyEx(inverse, cv2.MORPH_OPEN, np.ones((1, reach), np.uint8))
    before = valid & (inverse > np.float32(_STANDS_OUT) * behind)
    edge = np.diff(np.pad(before, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edge == 1)
    stop = np.nonzero(edge == -1)[1]  # the same rows, in the same order
    last = inverse.shape[1] - 1
    total = np.cumsum(np.pad(inverse, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    mean = (total[row, stop] - total[row, start]) / (stop - start)
    # At the border, and where a side has no depth, nobody knows whether the thing ends there.
    ends = (start >= _BESIDE) & (stop - 1 + _BESIDE <= last)
    for beside in (np.maximum(start - _BESIDE, 0), np.minimum(stop - 1 + _BESIDE, last)):
        ends &= valid[row, beside] & (mean > _STANDS_OUT * inverse[row, beside])
    # Every pixel gets the length of its run, and whether it ends: added at the start, taken away after the end.
    length, ended = np.zeros(total.shape, np.int32), np.zeros(total.shape, np.int32)
    for image, value in ((length, stop - start), (ended, ends.astype(np.int32))):
        image[row, start] += value
        image[row, stop] -= value
    good = np.cumsum(ended, axis=1)[:, :-1].astype(np.uint8)
    # A few torn rows must not cut a post in two.
    good = cv2.dilate(good, np.ones((2 * _TORN_ROWS + 1, 1), np.uint8))
    return before & (good > 0), np.cumsum(length, axis=1)[:, :-1].astype(np.float32)


def _upright(x: NDArray[np.int64], y: NDArray[np.int64], inverse: _F64, wide: float, camera: Camera) -> _F32 | None:
    """Depth [m] (N,) of the pixels of a post on its plane; None if it is not torn. wide: its width [m]."""
    k = camera.intrinsics
    rays = np.stack([(x + 0.5 - k[0, 2]) / k[0, 0], (y + 0.5 - k[1, 2]) / k[1, 1], np.ones(len(x))], axis=1)
    slanted = np.maximum(_plane(inverse, rays), 0.5 * inverse)
    low, high = np.percentile(1 / inverse - 1 / slanted, (25, 75))
    if high - low <= _DEEP * wide:
        return None
    # Of what is torn no slope can be told: it stands upright and faces the camera.
    up = camera.world_from_camera[2, :3]
    facing = rays.mean(axis=0) - up * (rays.mean(axis=0) @ up)
    along = rays @ (facing / max(float(np.linalg.norm(facing)), 1e-6))
    if float(along.min()) < _UPRIGHT:
        return None
    flat = np.clip(_plane(inverse, along[:, None]), inverse.min(), inverse.max())
    return (1 / flat).astype(np.float32)


def _plane(inverse: _F64, terms: _F64) -> _F64:
    """(N,) inverse depth on the plane that fits most of inverse (N,): planes are linear in the rays. terms: (N, K)."""
    weight, fit = np.ones(len(inverse)), inverse
    for _ in range(_ROUNDS):
        weighted = terms * weight[:, None]
        fit = terms @ np.linalg.lstsq(weighted.T @ terms, weighted.T @ inverse, rcond=None)[0]
        error = np.abs(inverse - fit)
        weight = 1 / np.maximum(error / max(float(np.median(error)), 1e-9), 1)
    return fit

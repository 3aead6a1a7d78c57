# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false
"""Figures of merit of a depth map."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["affine_r2", "depth_errors", "edge_sharpness", "flying_share", "mean_errors"]

_JUMP = 0.25  # of log depth across two pixels: an occlusion edge


def depth_errors(
    estimate: NDArray[np.float32], truth: NDArray[np.float32], *, scale: bool = True
) -> dict[str, float] | None:
    """AbsRel, delta1 and root mean square of log depth where truth is finite; after median scaling if `scale`.

    Returns None where the view has no surface to compare.
    """
    valid = np.isfinite(truth) & (truth > 0) & np.isfinite(estimate) & (estimate > 0)
    if valid.sum() < 100:
        return None
    e, t = estimate[valid].astype(np.float64), truth[valid].astype(np.float64)
    raw = float(np.mean(np.abs(e - t) / t))
    if scale:
        e = e * np.exp(np.median(np.log(t) - np.log(e)))
    ratio = np.maximum(e / t, t / e)
    return {
        "absrel": float(np.mean(np.abs(e - t) / t)),
        "delta1": float(np.mean(ratio < 1.25)),
        "rmslog": float(np.sqrt(np.mean((np.log(e) - np.log(t)) ** 2))),
        "metric_absrel": raw,
    }


def mean_errors(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each figure over views."""
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]} if rows else {}


def affine_r2(estimate_disparity: NDArray[np.floating], truth_disparity: NDArray[np.floating]) -> float:
    """Share of the variance of true disparity that an affine map of the estimated disparity explains (0..1)."""
    valid = np.isfinite(truth_disparity) & np.isfinite(estimate_disparity)
    if np.ptp(estimate_disparity[valid]) == 0 or np.ptp(truth_disparity[valid]) == 0:
        return 0.0  # a constant explains nothing
    return float(np.corrcoef(estimate_disparity[valid], truth_disparity[valid])[0, 1] ** 2)


def edge_sharpness(estimate: NDArray[np.float32], truth: NDArray[np.float32], *, reach: int = 2) -> float | None:
    """Share of a true occlusion edge's jump in log depth that the estimate makes within `reach` pixels to each side.

    1 = as crisp as the truth; soft edges give less. None where the view has too few edges.
    """
    surface = np.isfinite(truth) & (truth > 0) & (estimate > 0)
    true_log, own_log = (np.log(np.where(surface, depth, 1.0)) for depth in (truth, estimate))
    true_jump = true_log[:, reach + 1 :] - true_log[:, : -reach - 1]
    own_jump = own_log[:, reach + 1 :] - own_log[:, : -reach - 1]
    ok = surface[:, reach + 1 :] & surface[:, : -reach - 1] & (np.abs(true_jump) > _JUMP)
    if ok.sum() < 50:
        return None
    return float(np.clip(np.median(own_jump[ok] / true_jump[ok]), 0, 1.5))


def flying_share(
    estimate: NDArray[np.float32], truth: NDArray[np.float32], *, reach: int | None = None
) -> float | None:
    """Share of the pixels beside true occlusion edges whose estimated depth hangs between a near and a far surface.

    A pixel counts as hanging if it keeps more than a quarter of the span of log depth around it from both of its ends.
    As geometry such pixels are skirts that tie a column to the wall behind it. 0 is right; the truth itself gives a few
    hundredths (slanted surfaces beside edges). None where the view has too few edges.

    reach: [px] distance from an edge, and half of the window that is looked at; None: 1/130 of the picture's width, at
        least 3.
    """
    reach = max(3, round(truth.shape[1] / 130)) if reach is None else reach
    surface = np.isfinite(truth) & (truth > 0) & (estimate > 0)
    true_log = np.log(np.where(surface, truth, 1e3)).astype(np.float32)
    own_log = np.log(np.maximum(estimate, 1e-3)).astype(np.float32)
    side, window = np.ones((3, 3), np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    edge = cv2.dilate(true_log, side) - cv2.erode(true_log, side) > _JUMP
    beside = (cv2.dilate(edge.astype(np.uint8), window) > 0) & surface
    high, low = cv2.dilate(own_log, window), cv2.erode(own_log, window)
    span = high - low
    looked_at = beside & (span > 0.15)  # below it the estimate shows no edge at all: edge_sharpness tells that
    if looked_at.sum() < 50:
        return None
    hanging = np.minimum(own_log - low, high - own_log) > 0.25 * span
    return float(hanging[looked_at].mean())

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
"""Which pixels show the ground: colours of the bottom centre, grown by graph cut below the horizon."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ground_mask"]


def ground_mask(
    rgb: NDArray[np.float32], drop: NDArray[np.float32], sky: NDArray[np.bool_], *, rounds: int = 4
) -> NDArray[np.bool_]:
    """(H, W) bool, True where the picture shows the ground the camera stands on.

    rgb (H, W, 3) float32; drop (H, W) is how far each ray goes down per metre forward (0 at the horizon). GrabCut
    (Rother et al., SIGGRAPH 2004) separates colours of the bottom centre from colours above the horizon.
    """
    import cv2

    height, width = drop.shape
    below = drop > 0.02
    lowest = float(np.max(drop))
    if lowest < 0.06:  # no ground in view to speak of
        return below
    trimap = np.where(below, cv2.GC_PR_BGD, cv2.GC_BGD).astype(np.uint8)
    across = np.abs((np.arange(width) + 0.5) / width - 0.5)[None, :]
    down = np.arange(height)[:, None] / height
    start = float(np.clip(np.argmax(below.mean(axis=1) > 0.5) / height, 0.0, 0.9))
    share = (down - start) / (1 - start)  # 0 at the horizon, 1 at the bottom
    trimap[below & (share > 0.30) & (across < 0.15 + 0.35 * share)] = cv2.GC_PR_FGD
    trimap[below & (share > 0.90) & (across < 0.22)] = cv2.GC_FGD
    trimap[sky] = cv2.GC_BGD
    picture = cv2.bilateralFilter((rgb * 255).astype(np.uint8), 7, 40, 5)
    cv2.setRNGSeed(1)  # its k-means start draws from a global generator
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(picture, trimap, None, models[0], models[1], rounds, cv2.GC_INIT_WITH_MASK)
    mask = (trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)
    return _tidy(mask, below, share)


def _tidy(mask: NDArray[np.bool_], below: NDArray[np.bool_], share: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Keep what hangs together with the bottom centre, close small holes, and fall back to a plain ramp."""
    import cv2

    height = len(mask)
    mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(bool)
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    bottom = labels[int(0.93 * height) :]
    touching = np.bincount(bottom.ravel(), minlength=count) > 0.02 * bottom.size
    size = np.bincount(labels.ravel(), minlength=count)
    keep = touching | (size > 0.02 * mask.size)
    keep[0] = False
    mask = keep[labels]
    count, holes = cv2.connectedComponents((~mask).astype(np.uint8), connectivity=4)
    size = np.bincount(holes.ravel(), minlength=count)
    mask |= (size < 0.003 * mask.size)[holes]
    if mask.mean() < 0.04:  # the cut found nothing: trust position alone
        return below & (share > 0.35)
    return mask & below

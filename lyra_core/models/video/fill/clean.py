# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
"""Remove what reprojection leaves over holes: crumbs, spurs and foreground fringes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lyra_core.types import Guide

__all__ = ["trusted"]

_CRUMB = 48  # [px] a known island that small, in a hole, is a crumb of a torn surface
_CROWD = 0.34  # a known pixel with less known company in a 7x7 window is a spur


def trusted(guide: Guide) -> NDArray[np.bool_]:
    """(H, W) bool, the known pixels of a guide worth keeping."""
    import cv2

    known = guide.known.astype(np.uint8)
    if known.all():
        return guide.known.copy()
    company = cv2.blur(known.astype(np.float32), (7, 7), borderType=cv2.BORDER_REPLICATE)
    keep = (known > 0) & (company > _CROWD)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(keep.astype(np.uint8), connectivity=4)
    crumbs = stats[:, cv2.CC_STAT_AREA] < _CRUMB
    crumbs[0] = False
    if crumbs.any():
        keep &= ~crumbs[labels]
    return keep

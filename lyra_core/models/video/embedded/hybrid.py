# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
"""From the small filled view back to full size: known pixels as they are, holes upsampled, feathered, with grain.

A hole shows what the network made of it, enlarged. At its rim the difference to the known pixels goes on into the hole
and fades, so no seam shows. What the network cannot draw at its size (grain, joints, edges) is taken from a classical
patch fill of the same hole: its fine part is added, its coarse part is not used.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["detail_of", "enlarge", "feathered", "rim_blend"]

_F32 = NDArray[np.float32]


def enlarge(small: _F32, size: tuple[int, int]) -> _F32:
    """Bicubic enlargement to (width, height)."""
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.float32)


def feathered(full: _F32, known: NDArray[np.bool_], guess: _F32, reach: float) -> _F32:
    """Known values of `full` kept, `guess` elsewhere, without a seam.

    Parameters
    ----------
    full, guess: (H, W, 3) or (H, W) float32. known: (H, W) bool. reach: [px] how far a difference at the rim goes on.
    """
    if known.all():
        return np.array(full, np.float32)
    made = cv2.add(guess, _correction(full, known, guess, reach))
    return np.asarray(cv2.copyTo(full, known.astype(np.uint8), made), np.float32)


def _correction(full: _F32, known: NDArray[np.bool_], guess: _F32, reach: float) -> _F32:
    """What `feathered` adds to the guess: smooth, so it is worked out on every third or so pixel each way."""
    step = max(1, (int(reach / 2) - 1) // 2 * 2 + 1)  # odd: the pixels taken are the middles of whole cells
    at = slice(step // 2, None, step)
    weight = known[at, at].astype(np.float32)
    cover = weight if full.ndim == 2 else weight[..., None]
    spread = _blur(((full[at, at] - guess[at, at]) * cover).astype(np.float32), reach / step)
    near = _blur(weight, reach / step)
    # Half of the window is known at a straight rim: there the whole difference holds, and it fades with the known share.
    gain = np.clip(2 * near, 0, 1) / np.maximum(near, 1e-3)
    small = (spread * (gain if full.ndim == 2 else gain[..., None])).astype(np.float32)
    if step == 1:
        return small
    whole = cv2.resize(small, (small.shape[1] * step, small.shape[0] * step), interpolation=cv2.INTER_LINEAR)
    height, width = known.shape  # fewer rows than pixels at the lower and right rim: they repeat the last
    short = max(0, height - whole.shape[0]), max(0, width - whole.shape[1])
    if any(short):
        whole = cv2.copyMakeBorder(whole, 0, short[0], 0, short[1], cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(whole[:height, :width], np.float32)


def rim_blend(made: _F32, base: _F32, known: NDArray[np.bool_], reach: float) -> _F32:
    """A made view (H, W, C) that starts at the rim of its holes as the classical base, which joins the known pixels.

    reach: [px] distance over which the base's share falls to 37 %. A network that errs in brightness leaves no edge.
    """
    if known.all() or not known.any() or reach <= 0:
        return made
    distance = cv2.distanceTransform((~known).astype(np.uint8), cv2.DIST_L2, 5)
    share = np.exp(-distance / np.float32(reach))[..., None].astype(np.float32)
    return np.where(known[..., None], made, made + share * (base - made)).astype(np.float32)


def detail_of(patches: _F32, cell: float) -> _F32:
    """What of a picture is finer than a cell [px]: the picture less its own blur."""
    return (patches - _blur(patches, cell)).astype(np.float32)


def _blur(image: _F32, sigma: float) -> _F32:
    """Blur of deviation sigma [px] by two box filters: constant cost."""
    side = max(3, 2 * round(sigma * 1.2) + 1)
    once = cv2.blur(image, (side, side), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.blur(once, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
"""Depth of a picture of which a part is known already, whatever the depth model can do with that.

A model that completes (DepthCompleter) is told what is known; one that does not estimates from the picture alone. Either
result is brought to the unit of the known depth and bent towards it at its borders, and the known pixels themselves stay
as they are where the two roughly agree: a new view cannot move what the memory has seen.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lyra_core.models.protocols import DepthCompleter, DepthEstimate, DepthModel

__all__ = ["complete_depth", "join_known"]

_F32 = NDArray[np.float32]
_TRUST = 0.25  # of log depth: beyond it, known and estimated depth are of different things
_LEAST = 10  # known pixels to fix a scale by
_REACHES = (1 / 160, 1 / 40, 1 / 10)  # of the picture's width: how far a known pixel bends the unknown around it
_DOUBT = 0.05  # share of known company below which the wider reach decides


def _spread(value: _F32, given: NDArray[np.bool_]) -> _F32:
    """(H, W) value carried from the given pixels to the others: nearest first, fading to 0 far away."""
    import cv2

    weight = given.astype(np.float32)
    source, width = np.where(given, value, 0).astype(np.float32), value.shape[1]
    out = np.zeros_like(source)
    for reach in reversed(_REACHES):
        sigma = max(1.0, reach * width)
        step = max(1, int(sigma / 3))  # a wide blur of a smaller picture is the same and cheap
        size = (max(1, width // step), max(1, value.shape[0] // step))
        small = [cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in (source, weight)]
        total, company = (cv2.resize(cv2.GaussianBlur(a, (0, 0), sigma / step), (width, value.shape[0])) for a in small)
        belief = company / (company + _DOUBT)
        out = belief * total / np.maximum(company, 1e-6) + (1 - belief) * out
    return out.astype(np.float32)


def join_known(depth: _F32, known: _F32, *, trust: float = _TRUST) -> tuple[_F32, NDArray[np.bool_]]:
    """Bring an estimate to known depth.

    Parameters
    ----------
    depth: (H, W) estimate, up to one factor; 0 = sky. known: (H, W) z-depth [m], 0 = unknown.
    trust: difference of log depth after scaling up to which a known pixel counts.

    Returns
    -------
    depth (H, W) in metres, equal to `known` wherever the mask (H, W) says so, and that mask. With fewer than ten pixels
    to compare, the estimate itself and an empty mask.
    """
    both = (known > 0) & (depth > 0)
    if both.sum() < _LEAST:
        return np.array(depth, np.float32), np.zeros(depth.shape, bool)
    residual = np.zeros(depth.shape, np.float32)
    residual[both] = np.log(known[both]) - np.log(depth[both])
    scale = np.float32(np.median(residual[both]))
    residual[both] -= scale
    trusted = both & (np.abs(residual) < trust)
    out = depth * np.exp(scale + _spread(residual, trusted))
    out[trusted] = known[trusted]
    return out.astype(np.float32), trusted


def complete_depth(
    model: DepthModel,
    rgb: _F32,
    *,
    intrinsics: NDArray[np.float64],
    known: _F32,
    sky: NDArray[np.bool_] | None = None,
) -> tuple[DepthEstimate, NDArray[np.bool_]]:
    """Depth of rgb (H, W, 3) that agrees with known z-depth (H, W) [m], 0 = unknown.

    Returns the estimate, in the unit of `known`, and which pixels are exactly the known ones; see join_known.
    """
    if isinstance(model, DepthCompleter) and model.completes:
        estimate = model.complete(rgb, intrinsics=intrinsics, known=known, sky=sky)
    else:
        estimate = model.estimate(rgb, intrinsics=intrinsics, sky=sky)
    depth, trusted = join_known(np.asarray(estimate.depth), known)
    height = estimate.camera_height
    if height is not None and trusted.any():
        height *= float(np.median(depth[trusted] / estimate.depth[trusted]))
    return replace(estimate, depth=depth, camera_height=height), trusted

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Picture quality: PSNR and SSIM."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError

__all__ = ["psnr", "ssim"]


def _same_size(a: NDArray[np.floating], b: NDArray[np.floating]) -> None:
    if a.shape != b.shape:
        raise InputError(
            "Pictures to compare must have one size", got=f"{a.shape} and {b.shape}", do="Resize one of them"
        )


def psnr(a: NDArray[np.floating], b: NDArray[np.floating], *, mask: NDArray[np.bool_] | None = None) -> float:
    """Peak signal-to-noise ratio [dB] of pictures (..., 3) in 0..1, clamped to it; inf if equal.

    mask: (...,) bool, the pixels that count. An empty mask gives nan.
    """
    _same_size(a, b)
    squared = (np.clip(a, 0, 1).astype(np.float64) - np.clip(b, 0, 1)) ** 2
    if mask is not None:
        squared = squared[mask]
    if squared.size == 0:
        return math.nan
    error = float(squared.mean())
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Structural similarity (Wang et al. 2004; Gaussian window of sigma 1.5) of pictures (H, W, 3) in 0..1."""
    from skimage.metrics import structural_similarity

    _same_size(a, b)
    score: Any = structural_similarity(
        np.clip(a, 0, 1).astype(np.float64),
        np.clip(b, 0, 1).astype(np.float64),
        channel_axis=-1,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(score)

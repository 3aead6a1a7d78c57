# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""How near pictures are to the truth and to each other: PSNR, SSIM, reprojection error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import project, unproject
from lyra_core.types import Camera

__all__ = ["PSNR_CAP", "psnr", "reprojection_error", "ssim"]

_F32 = NDArray[np.float32]

PSNR_CAP = 60.0
"""dB; equal pictures count as this, so that means stay finite."""


def psnr(image: _F32, truth: _F32) -> float:
    """Peak signal-to-noise ratio [dB] of (H, W, 3) pictures in 0..1, at most PSNR_CAP."""
    error = float(np.mean((image.astype(np.float64) - truth) ** 2))
    return float(min(PSNR_CAP, -10.0 * np.log10(max(error, 1e-12))))


def ssim(image: _F32, truth: _F32) -> float:
    """Structural similarity of (H, W, 3) pictures in 0..1 (Wang et al. 2004: Gaussian window, sigma 1.5).

    The same value as scikit-image gives with gaussian_weights=True, use_sample_covariance=False, at a tenth of the time.
    """
    import cv2

    def blur(x: _F32) -> _F32:
        return np.asarray(cv2.GaussianBlur(x, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT), np.float32)

    a, b = image.astype(np.float32), truth.astype(np.float32)
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    cov = blur(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    value = (2 * mean_a * mean_b + c1) * (2 * cov + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    rim = 5  # where the window would leave the picture
    return float(value[rim:-rim, rim:-rim].mean(dtype=np.float64))


def reprojection_error(
    first: _F32,
    first_depth: _F32,
    first_camera: Camera,
    again: _F32,
    again_depth: _F32,
    again_camera: Camera,
    *,
    tolerance: float = 0.02,
) -> float:
    """Mean colour difference (0..255) between two visits of the same surfaces.

    Each pixel of the second picture is looked up in the first one through the true depths (H, W) [m]; pixels that the
    first view does not show (depth off by more than tolerance, relative) do not count. NaN if none is left.
    """
    import cv2

    points = unproject(again_depth, again_camera)
    pixel, z = project(points, first_camera)
    x = np.nan_to_num(pixel[..., 0] - 0.5, nan=-9.0).astype(np.float32)
    y = np.nan_to_num(pixel[..., 1] - 0.5, nan=-9.0).astype(np.float32)
    seen = (again_depth > 0) & (x >= 0) & (y >= 0) & (x <= first_camera.width - 1) & (y <= first_camera.height - 1)
    depth = cv2.remap(np.ascontiguousarray(first_depth), x, y, cv2.INTER_NEAREST)
    seen &= np.abs(depth - z) < tolerance * np.maximum(z, 1e-6)
    if not seen.any():
        return float("nan")
    color = cv2.remap(np.ascontiguousarray(first), x, y, cv2.INTER_LINEAR)
    return float(255.0 * np.abs(color - again)[seen].mean(dtype=np.float64))

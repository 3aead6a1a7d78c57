# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""How good a filled picture is: errors in holes, sharpness, and distances of ImageNet features.

The feature distances are not LPIPS and not FID, and compare only with themselves. They use the EfficientNet-Lite0 that is
frozen inside the video model, as it came from ImageNet: training either model does not change the measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lyra_core.models.depth.encoder import Encoder

__all__ = [
    "bootstrap",
    "depth_error",
    "feature_distance",
    "frechet_distance",
    "hole_psnr",
    "picture_features",
    "sharpness",
    "style_distance",
    "verdict",
]

_F32 = NDArray[np.float32]
_TAPS = 4  # features at 1/2 to 1/16


@cache
def _encoder() -> Encoder:
    from lyra_core.models.video.embedded.weights import default_folder, read_network

    return read_network(default_folder()).encoder


def _taps(rgb: _F32) -> list[torch.Tensor]:
    return _taps_of(np.ascontiguousarray(rgb, np.float32).tobytes(), rgb.shape[0], rgb.shape[1])


@lru_cache(maxsize=48)  # a picture is compared by several figures, and the truth with every method's
def _taps_of(pixels: bytes, height: int, width: int) -> list[torch.Tensor]:
    rgb = np.frombuffer(pixels, np.float32).reshape(height, width, 3)
    tensor = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))[None] * 2 - 1
    tensor = torch.nn.functional.pad(tensor, (0, -width % 32, 0, -height % 32), mode="replicate")
    with torch.inference_mode():
        return _encoder()(tensor)[:_TAPS]


def feature_distance(rgb: _F32, truth: _F32, where: NDArray[np.bool_]) -> float:
    """Perceptual distance of two pictures (H, W, 3) in [0, 1] inside `where` (H, W), 0 for equal ones.

    Mean over four depths of the encoder of the squared difference of feature vectors of unit length.
    """
    total, count = 0.0, 0
    for a, b in zip(_taps(rgb), _taps(truth), strict=True):
        step = round(rgb.shape[1] / (a.shape[-1] * rgb.shape[1] / (rgb.shape[1] + -rgb.shape[1] % 32)))
        height, width = (rgb.shape[0] + step - 1) // step, (rgb.shape[1] + step - 1) // step
        a, b = (torch.nn.functional.normalize(x, dim=1)[0, :, :height, :width] for x in (a, b))
        weight = torch.from_numpy(
            np.asarray(cv2.resize(where.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA))
        )
        if weight.sum() > 0:
            total += float(((a - b).square().sum(dim=0) * weight).sum() / weight.sum())
            count += 1
    return total / max(count, 1)


def picture_features(rgb: _F32) -> NDArray[np.float64]:
    """(40 + 112,) mean features of a picture at 1/8 and 1/16."""
    taps = _taps(rgb)
    return np.concatenate([taps[i][0].mean(dim=(1, 2)).double().numpy() for i in (2, 3)])


def frechet_distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Frechet distance of Gaussians fitted to two sets of features (N, C): as FID, but of these features."""
    from scipy.linalg import sqrtm

    def fit(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return x.mean(axis=0), np.cov(x, rowvar=False) + 1e-6 * np.eye(x.shape[1])

    (mean_a, cov_a), (mean_b, cov_b) = fit(first), fit(second)
    root = np.real(np.asarray(sqrtm(cov_a @ cov_b)))
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root))


def style_distance(rgb: _F32, other: _F32) -> float:
    """Difference of style: means and deviations of features at 1/2 to 1/16, relative to their size."""
    total = 0.0
    for a, b in zip(_taps(rgb), _taps(other), strict=True):
        for pick in (lambda x: x[0].mean(dim=(1, 2)), lambda x: x[0].std(dim=(1, 2))):
            total += float((pick(a) - pick(b)).abs().sum() / pick(b).abs().sum().clamp_min(1e-6))
    return total / (2 * _TAPS)


def hole_psnr(rgb: _F32, truth: _F32, where: NDArray[np.bool_]) -> float:
    """PSNR [dB] inside `where`; at most 60."""
    error = float(np.mean((rgb[where].astype(np.float64) - truth[where]) ** 2)) if where.any() else 0.0
    return float(min(60.0, -10 * np.log10(max(error, 1e-12))))


def sharpness(rgb: _F32, truth: _F32, where: NDArray[np.bool_]) -> float:
    """Mean gradient of the picture inside `where` over that of the truth: 1 is as sharp, 0 is flat."""

    def strength(image: _F32) -> float:
        grey = image.mean(axis=2)
        across, down = (
            np.abs(np.diff(grey, axis=1, append=grey[:, -1:])),
            np.abs(np.diff(grey, axis=0, append=grey[-1:])),
        )
        return float((across + down)[where].mean()) if where.any() else 0.0

    return strength(rgb) / max(strength(truth), 1e-4)


def depth_error(depth: _F32, truth: _F32, where: NDArray[np.bool_]) -> float:
    """Median of |log(depth / truth)| where both are surfaces inside `where`; NaN if there is none. 0.1 is about 10 %."""
    both = where & (depth > 0) & (truth > 0) & np.isfinite(depth) & np.isfinite(truth)
    return float(np.median(np.abs(np.log(depth[both] / truth[both])))) if both.any() else float("nan")


def bootstrap(values: Sequence[float] | NDArray[np.float64], *, rounds: int = 2000) -> tuple[float, float, float]:
    """Mean and its 95 % interval by resampling the values (one per scene); NaNs do not count."""
    found = np.asarray([v for v in values if np.isfinite(v)], np.float64)
    if len(found) == 0:
        return float("nan"), float("nan"), float("nan")
    rng = np.random.default_rng(0)
    means = found[rng.integers(0, len(found), (rounds, len(found)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(found.mean()), float(low), float(high)


def verdict(differences: Sequence[float] | NDArray[np.float64], *, higher_is_better: bool) -> str:
    """ "better", "worse" or "tie" of paired differences (one per scene): a tie if the 95 % interval holds 0."""
    _, low, high = bootstrap(differences)
    if not (low > 0 or high < 0):
        return "tie"
    return "better" if (low > 0) == higher_is_better else "worse"

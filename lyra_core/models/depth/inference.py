# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Run the depth network on one picture at its working resolution."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lyra_core.models.depth.network import DepthNetwork

__all__ = ["NetworkOutput", "run_mirrored", "run_network", "working_size"]

_STRIDE = 32


@dataclass(frozen=True, slots=True, eq=False)
class NetworkOutput:
    """What the network says, at its working resolution (h, w).

    Attributes
    ----------
    log_depth: (h, w) float32, log of z-depth [m]. sky: (h, w) float32 probability.
    up: (3,) float64 unit direction against gravity in the OpenCV camera frame.
    up_spread: mean deviation of the elevations that voted for `up` [rad].
    """

    log_depth: NDArray[np.float32]
    sky: NDArray[np.float32]
    up: NDArray[np.float64]
    up_spread: float


def working_size(width: int, height: int, pixels: int) -> tuple[int, int]:
    """(width, height) in multiples of 32 with about `pixels` pixels and nearly the picture's aspect."""
    scale = (pixels / (width * height)) ** 0.5
    return tuple(max(_STRIDE, round(side * scale / _STRIDE) * _STRIDE) for side in (width, height))  # type: ignore


def fit_up(
    elevation: NDArray[np.float32], focal: tuple[float, float], center: tuple[float, float]
) -> tuple[NDArray, float]:
    """Unit up direction (3,) whose angles to the cells' rays best match the predicted sines, and the mean misfit.

    elevation: (h, w) sines at cells of 16 pixels; focal, center: pixels.
    """
    height, width = elevation.shape
    x = ((np.arange(width) + 0.5) * 16 - center[0]) / focal[0]
    y = ((np.arange(height) + 0.5) * 16 - center[1]) / focal[1]
    rays = np.stack([*np.meshgrid(x, y), np.ones((height, width))], axis=-1).reshape(-1, 3)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    sines = elevation.reshape(-1).astype(np.float64)
    weight = np.ones(len(sines))
    up = np.array([0.0, -1.0, 0.0])
    for _ in range(6):  # least absolute deviations by reweighting
        up = np.linalg.lstsq(rays * weight[:, None], sines * weight, rcond=None)[0]
        weight = 1.0 / np.sqrt(np.maximum(np.abs(rays @ up - sines), 1e-3))
    norm = float(np.linalg.norm(up))
    up = up / norm if norm > 1e-6 else np.array([0.0, -1.0, 0.0])
    return up, float(np.abs(rays @ up - sines).mean())


def run_network(
    network: DepthNetwork,
    rgb: NDArray[np.float32],
    intrinsics: NDArray[np.float64],
    *,
    pixels: int,
    flip: bool = False,
    hint: NDArray[np.float32] | None = None,
) -> NetworkOutput:
    """Estimate one picture.

    Parameters
    ----------
    rgb: (H, W, 3) float32 sRGB in [0, 1]. intrinsics: (3, 3) in its pixels.
    pixels: working resolution. flip: also run the mirrored picture and average, for steadier depth at twice the time.
    hint: (H, W) z-depth that is known already [m], 0 where it is not; None: nothing is known.
    """
    height, width = rgb.shape[:2]
    size = working_size(width, height, pixels)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if size[0] < width else cv2.INTER_LINEAR)
    zoom = np.array([size[0] / width, size[1] / height])
    focal = np.array([intrinsics[0, 0], intrinsics[1, 1]]) * zoom
    center = intrinsics[:2, 2] * zoom
    device = next(network.parameters()).device
    image = (torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1))[None]) * 2 - 1).to(device)
    lens = torch.tensor(focal[None], dtype=torch.float32, device=device)
    middle = torch.tensor(center[None], dtype=torch.float32, device=device)
    told = None
    if hint is not None:  # nearest: a mean over an edge, or with unknown pixels, is the depth of nothing
        told = torch.from_numpy(cv2.resize(hint, size, interpolation=cv2.INTER_NEAREST_EXACT)[None]).to(device)
    with torch.inference_mode():
        log_depth, sky, tilt = network(image.contiguous(memory_format=torch.channels_last), lens, middle, told)
        if flip:
            middle = torch.tensor([[size[0] - center[0], center[1]]], dtype=torch.float32, device=device)
            turned = None if told is None else told.flip(2)
            mirrored = network(image.flip(3).contiguous(memory_format=torch.channels_last), lens, middle, turned)
            log_depth, sky, tilt = ((a + b.flip(2)) / 2 for a, b in zip((log_depth, sky, tilt), mirrored, strict=True))
    log_depth, sky, tilt = log_depth.cpu(), sky.cpu(), tilt.cpu()
    up, spread = fit_up(tilt[0].numpy(), (focal[0], focal[1]), (center[0], center[1]))
    return NetworkOutput(log_depth[0].numpy(), torch.sigmoid(sky[0]).numpy(), up, spread)


def run_mirrored(
    network: DepthNetwork,
    rgb: NDArray[np.float32],
    intrinsics: NDArray[np.float64],
    *,
    pixels: int,
    hint: NDArray[np.float32] | None = None,
) -> NetworkOutput:
    """What the network says of the mirrored picture, mirrored back; parameters as in `run_network`."""
    turned = intrinsics.copy()
    turned[0, 2] = rgb.shape[1] - intrinsics[0, 2]
    told = None if hint is None else np.ascontiguousarray(hint[:, ::-1])
    found = run_network(network, np.ascontiguousarray(rgb[:, ::-1]), turned, pixels=pixels, hint=told)
    log_depth, sky = (np.ascontiguousarray(each[:, ::-1]) for each in (found.log_depth, found.sky))
    return NetworkOutput(log_depth, sky, found.up * [-1.0, 1.0, 1.0], found.up_spread)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Buffers and launches around lyra_core.kernels.reproject."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import warp as wp
from numpy.typing import NDArray

from lyra_core.kernels import reproject as kernels
from lyra_core.kernels.launch import load_module, run_bands, worker_count

__all__ = ["Pixels", "forward_splat", "range_mask"]

_F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """A source on the host: rgb (H, W, 3), valid (H, W) uint8, and either depth with matrices or points (H, W, 3).

    matrices is (forward, offset), or in reference mode (ray, world, camera, pixel); see kernels.reproject.Image.
    """

    rgb: _F32
    valid: NDArray[np.uint8]
    depth: _F32 | None
    points: _F32 | None
    matrices: tuple[NDArray[np.floating], ...]
    phantom: float
    half: float


def _image(pixels: Pixels, first: int, device: str) -> kernels.Image:
    image = kernels.Image()
    image.rgb = wp.array(pixels.rgb, dtype=wp.vec3f, device=device, copy=False)
    image.valid = wp.array(pixels.valid, dtype=wp.uint8, device=device, copy=False)
    if pixels.depth is not None:
        image.depth = wp.array(pixels.depth, dtype=wp.float32, device=device, copy=False)
    if pixels.points is not None:
        image.points = wp.array(pixels.points, dtype=wp.vec3f, device=device, copy=False)
    image.exact = int(len(pixels.matrices) == 4)
    if len(pixels.matrices) == 4:
        ray, world, camera, pixel = (m.ravel().tolist() for m in pixels.matrices)
        image.ray, image.pixel = wp.mat33(*ray), wp.mat33(*pixel)
        image.world, image.camera = wp.mat44(*world), wp.mat44(*camera)
    elif pixels.matrices:
        forward, offset = pixels.matrices
        image.forward, image.offset = wp.mat33(*forward.ravel().tolist()), wp.vec3(*offset.tolist())
    image.phantom = pixels.phantom
    image.first = first
    image.half = pixels.half
    return image


def forward_splat(
    sources: Sequence[Pixels],
    size: tuple[int, int],
    *,
    device: str,
    log_maximum: float | None,
    all_pixels: bool,
    double_integers: bool,
    coverage: float,
    hole: float,
    index: bool,
) -> tuple[_F32, _F32, NDArray[np.uint8], NDArray[np.int32] | None, float]:
    """rgb, depth, mask, index (number of the source pixel, all sources in turn; -1 none) and the log-depth maximum used."""
    load_module(kernels.__name__, device)
    serial = device == "cpu"
    workers = worker_count() if serial else 1
    height, width = size
    firsts = np.cumsum([0, *(s.valid.size for s in sources[:-1])]).tolist()
    images = wp.array(
        [_image(s, first, device) for s, first in zip(sources, firsts, strict=True)], dtype=kernels.Image, device=device
    )
    tall = max(s.rgb.shape[0] for s in sources)
    ranges = wp.zeros((len(sources), tall), dtype=wp.vec3f, device=device)
    for i, source in enumerate(sources):
        wp.launch(
            kernels.scan, dim=source.rgb.shape[0], inputs=[images, i, int(all_pixels)], outputs=[ranges], device=device
        )
    if log_maximum is None:
        log_maximum = math.log1p(float(ranges.numpy()[..., 2].max()))
    scale = float(np.float32(50.0) / np.float32(log_maximum + 1e-7))
    sums = wp.zeros(size, dtype=kernels.vec5, device=device)
    indexed = size if index else (1, 1)
    near = wp.full(indexed, 1.0e9, dtype=wp.float32, device=device)
    names = wp.full(indexed, -1 if serial else 2**31 - 1, dtype=wp.int32, device=device)
    rgb = wp.empty(size, dtype=wp.vec3f, device=device)
    depth = wp.empty(size, dtype=wp.float32, device=device)
    mask = wp.empty(size, dtype=wp.uint8, device=device)
    stages = [1 if index else 0] if serial else [2 if index else 0, *([3] if index else [])]

    def band(start: int, stop: int) -> None:
        for stage in stages:
            for i, source in enumerate(sources):
                rows, columns = source.rgb.shape[:2]
                wp.launch(
                    kernels.splat, dim=rows * (1 if serial else columns), device=device,
                    inputs=[images, ranges, i, start, stop, columns if serial else 1, scale, int(double_integers), stage],
                    outputs=[sums, near, names],
                )  # fmt: skip
        wp.launch(
            kernels.finish, dim=stop - start, device=device,
            inputs=[start, scale, coverage, hole, sums], outputs=[rgb, depth, mask],
        )  # fmt: skip

    run_bands(band, height, workers=workers)
    found = names.numpy() if index else None
    if found is not None and not serial:
        found = np.where(found == 2**31 - 1, -1, found)
    return rgb.numpy(), depth.numpy(), mask.numpy(), found, log_maximum


def range_mask(depth: _F32, ratio: float, *, full_count: bool, device: str) -> NDArray[np.bool_]:
    """(H, W) bool of `lyra_core.ops.reproject.reliability_mask` on a CUDA device."""
    load_module(kernels.__name__, device)
    mask = wp.empty(depth.shape, dtype=wp.uint8, device=device)
    wp.launch(
        kernels.range_mask, dim=depth.shape, device=device,
        inputs=[wp.array(depth, dtype=wp.float32, device=device), ratio, int(full_count)], outputs=[mask],
    )  # fmt: skip
    return mask.numpy().astype(bool)

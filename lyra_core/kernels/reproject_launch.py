# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Buffers and launches around lyra_core.kernels.reproject."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from lyra_core.kernels import reproject as kernels
from lyra_core.kernels.launch import load_module, run_bands, worker_count

__all__ = ["Pixels", "Placed", "Splatted", "forward_splat", "place_pixels", "range_mask", "splat_placed"]

_F32 = NDArray[np.float32]
_TABLE = 16384

Splatted = tuple[_F32, _F32, NDArray[np.uint8], NDArray[np.int32] | None, _F32 | None, float]
"""rgb (H, W, 3), depth (H, W), mask (H, W), source (H, W), source_xy (H, W, 2), log-depth maximum used."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Sources whose pixels have their places in a target, and the largest log1p(depth) among them."""

    sources: Sequence[Pixels]
    images: Any
    points: Any
    ranges: Any
    log_maximum: float
    device: str


def _upload(array: np.ndarray, dtype: Any, device: str, held: dict[int, Any]) -> Any:
    """The array on the device; the same one again if it was sent before. held keeps the host's array alive too."""
    key = id(array)
    if key not in held:
        held[key] = (wp.array(array, dtype=dtype, device=device, copy=False), array)
    return held[key][0]


def _image(pixels: Pixels, first: int, device: str, held: dict[int, Any]) -> kernels.Image:
    image = kernels.Image()
    image.rgb = _upload(pixels.rgb, wp.vec3f, device, held)
    image.valid = _upload(pixels.valid, wp.uint8, device, held)
    if pixels.depth is not None:
        image.depth = _upload(pixels.depth, wp.float32, device, held)
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


def _weights(scale: float) -> _F32:
    """Depth weights at _TABLE equal steps of 1 / (1 + z), see kernels.reproject.depth_weight."""
    t = np.arange(_TABLE, dtype=np.float64) / (_TABLE - 1)
    with np.errstate(divide="ignore"):
        return (1 / (np.exp(np.minimum(-scale * np.log(t), 80.0)) + 1e-7)).astype(np.float32)


def forward_splat(
    sources: Sequence[Pixels],
    size: tuple[int, int],
    *,
    device: str,
    log_maximum: float | None,
    rules: Mapping[str, float],
    hole: float,
    index: bool,
) -> Splatted:
    """Splat sources into an image of this size (H, W); see lyra_core.ops.reproject.

    rules: double_integers (a landing on an integer counts on both sides), all_pixels (masked ones count in the depth
    maximum), exact_weight (no table of depth weights), coverage (bilinear weight that covers a pixel).
    """
    placed = place_pixels(sources, device=device, rules=rules, held={})
    return splat_placed(placed, size, log_maximum=log_maximum, rules=rules, hole=hole, index=index)


def place_pixels(sources: Sequence[Pixels], *, device: str, rules: Mapping[str, float], held: dict[int, Any]) -> Placed:
    """Place all source pixels in their target. held keeps what was sent to the device from one target to the next."""
    load_module(kernels.__name__, device)
    workers = worker_count() if device == "cpu" else 1
    firsts = np.cumsum([0, *(s.valid.size for s in sources)]).tolist()
    images = wp.array(
        [_image(s, first, device, held) for s, first in zip(sources, firsts[:-1], strict=True)],
        dtype=kernels.Image,
        device=device,
    )
    ranges = wp.zeros((len(sources), max(s.rgb.shape[0] for s in sources)), dtype=wp.vec3f, device=device)
    points = wp.empty(firsts[-1], dtype=wp.vec3f, device=device)
    for i, source in enumerate(sources):

        def place(start: int, stop: int, i: int = i) -> None:
            inputs = [images, i, start, int(rules["all_pixels"])]
            wp.launch(kernels.scan, dim=stop - start, inputs=inputs, outputs=[ranges, points], device=device)

        run_bands(place, source.rgb.shape[0], workers=workers)
    return Placed(sources, images, points, ranges, math.log1p(float(ranges.numpy()[..., 2].max())), device)


def splat_placed(
    placed: Placed, size: tuple[int, int], *, log_maximum: float | None, rules: Mapping[str, float], hole: float,
    index: bool,
) -> Splatted:  # fmt: skip
    """Splat placed pixels into an image of this size (H, W)."""
    sources, images, points, ranges = placed.sources, placed.images, placed.points, placed.ranges
    device, serial = placed.device, placed.device == "cpu"
    workers, coverage, double = worker_count() if serial else 1, rules["coverage"], int(rules["double_integers"])
    log_maximum = placed.log_maximum if log_maximum is None else log_maximum
    scale = float(np.float32(50.0) / np.float32(log_maximum + 1e-7))
    exact = bool(rules["exact_weight"])
    table = wp.array(np.zeros(1, np.float32) if exact else _weights(scale), dtype=wp.float32, device=device)
    indexed = size if index else (1, 1)
    sums = wp.zeros(size, dtype=kernels.vec5, device=device)
    near = wp.full(indexed, 1.0e9, dtype=wp.float32, device=device)
    names = wp.full(indexed, -1 if serial else 2**31 - 1, dtype=wp.int32, device=device)
    outputs = [
        wp.empty(shape, dtype=dtype, device=device)
        for shape, dtype in (
            (size, wp.vec3f), (size, wp.float32), (size, wp.uint8), (indexed, wp.int32), (indexed, wp.vec2f)
        )
    ]  # fmt: skip
    stages = [int(index)] if serial else [2, 3] if index else [0]

    def band(start: int, stop: int) -> None:
        for stage in stages:
            for i, source in enumerate(sources):
                rows, columns = source.rgb.shape[:2]
                strip = columns if serial else 1
                wp.launch(
                    kernels.splat, dim=rows * (columns // strip), device=device,
                    inputs=[images, points, ranges, table, i, start, stop, strip, scale, double, stage],
                    outputs=[sums, near, names],
                )  # fmt: skip
        wp.launch(
            kernels.finish, dim=stop - start, device=device,
            inputs=[images, table, start, scale, coverage, hole, sums, names], outputs=outputs,
        )  # fmt: skip

    run_bands(band, size[0], workers=workers)
    rgb, depth, mask, source, source_xy = (array.numpy() for array in outputs)
    return rgb, depth, mask, source if index else None, source_xy if index else None, log_maximum


def range_mask(depth: _F32, ratio: float, *, full_count: bool, device: str) -> NDArray[np.bool_]:
    """(H, W) bool of `lyra_core.ops.reproject.reliability_mask` on a CUDA device."""
    load_module(kernels.__name__, device)
    mask = wp.empty(depth.shape, dtype=wp.uint8, device=device)
    wp.launch(
        kernels.range_mask, dim=depth.shape, device=device,
        inputs=[wp.array(depth, dtype=wp.float32, device=device), ratio, int(full_count)], outputs=[mask],
    )  # fmt: skip
    return mask.numpy().astype(bool)

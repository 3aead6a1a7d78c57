# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Buffers and launches around lyra_core.kernels.surface and shade."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import warp as wp
from numpy.typing import NDArray

from lyra_core.kernels import shade as shading
from lyra_core.kernels import surface as kernels
from lyra_core.kernels.launch import load_module, run_bands, worker_count

__all__ = ["render"]

_F32 = NDArray[np.float32]


class _Camera(Protocol):
    @property
    def intrinsics(self) -> NDArray[np.float64]: ...


class _Surface(Protocol):
    """What lyra_core.ops.surface.Surface holds."""

    @property
    def depth(self) -> _F32: ...
    @property
    def code(self) -> NDArray[np.uint8]: ...
    @property
    def words(self) -> NDArray[np.int32]: ...
    @property
    def bounds(self) -> _F32: ...
    @property
    def rgb(self) -> NDArray[np.uint8] | None: ...
    @property
    def sky(self) -> NDArray[np.uint8] | None: ...
    @property
    def camera(self) -> _Camera: ...


def _patch(surface: _Surface, matrices: tuple[NDArray[np.float64], ...], device: str) -> kernels.Patch:
    patch = kernels.Patch()
    patch.depth = wp.array(surface.depth, dtype=wp.float32, device=device, copy=False)
    patch.code = wp.array(surface.code, dtype=wp.uint8, device=device, copy=False)
    patch.word = wp.array(surface.words, dtype=wp.vec2i, device=device, copy=False)
    patch.bounds = wp.array(surface.bounds, dtype=wp.vec2f, device=device, copy=False)
    if surface.rgb is not None:
        patch.rgb = wp.array(surface.rgb, dtype=wp.vec3ub, device=device, copy=False)
    if surface.sky is not None:
        patch.sky = wp.array(surface.sky, dtype=wp.uint8, device=device, copy=False)
    forward, forward_t, back, back_t = matrices
    patch.forward = wp.mat33(*forward.ravel().tolist())
    patch.forward_t = wp.vec3(*forward_t.tolist())
    patch.back = wp.mat33(*back.ravel().tolist())
    patch.back_t = wp.vec3(*back_t.tolist())
    patch.focal = float(surface.camera.intrinsics[0, 0])
    return patch


def render(
    surfaces: Sequence[_Surface],
    matrices: Sequence[tuple[NDArray[np.float64], ...]],
    size: tuple[int, int],
    *,
    device: str,
    tolerance: float,
    finer: float,
    shaded: bool,
    sky: bool,
    bicubic: bool,
) -> tuple[_F32, NDArray[np.int32], _F32, _F32, NDArray[np.bool_]]:
    """depth, source, source_xy, rgb, sky of `lyra_core.ops.surface.render_surface`; matrices as its _matrices."""
    load_module(kernels.__name__, device)
    load_module(shading.__name__, device)
    height, width = size
    colored = size if shaded else (1, 1)
    if not surfaces:
        nowhere = np.full((height, width, 2), np.nan, np.float32)
        empty = np.zeros(size, np.float32)
        return empty, np.full(size, -1, np.int32), nowhere, np.zeros((*size, 3), np.float32), np.zeros(size, bool)
    patches = wp.array(
        [_patch(s, m, device) for s, m in zip(surfaces, matrices, strict=True)], dtype=kernels.Patch, device=device
    )
    depth = wp.zeros(size, dtype=wp.float32, device=device)
    source = wp.full(size, -1, dtype=wp.int32, device=device)
    source_xy = wp.empty(size, dtype=wp.vec2f, device=device)
    rgb = wp.zeros(colored, dtype=wp.vec3f, device=device)
    is_sky = wp.zeros(size if sky else (1, 1), dtype=wp.uint8, device=device)

    def color(start: int, stop: int) -> None:
        wp.launch(
            shading.shade, dim=stop - start, device=device,
            inputs=[patches, depth, source, start, int(shaded), int(bicubic), int(sky)],
            outputs=[source_xy, rgb, is_sky],
        )  # fmt: skip

    active = [i for i, s in enumerate(surfaces) if len(s.words)]
    if device == "cpu":

        def band(start: int, stop: int) -> None:
            for i in active:
                wp.launch(
                    kernels.raster, dim=1, device=device,
                    inputs=[patches, i, 1, start, stop, tolerance, finer], outputs=[depth, source],
                )  # fmt: skip
            color(start, stop)

        run_bands(band, height, workers=worker_count())
    else:
        own = wp.full(size, 1.0e9, dtype=wp.float32, device=device)
        for i in active:
            wp.launch(
                kernels.raster, dim=len(surfaces[i].words), device=device,
                inputs=[patches, i, 0, 0, height, tolerance, finer], outputs=[own, source],
            )  # fmt: skip
            wp.launch(
                kernels.resolve_owner, dim=size, device=device,
                inputs=[patches, i, own, tolerance, finer], outputs=[depth, source],
            )  # fmt: skip
        color(0, height)
    return depth.numpy(), source.numpy(), source_xy.numpy(), rgb.numpy(), is_sky.numpy().astype(bool)

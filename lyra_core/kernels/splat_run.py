# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Host side of Gaussian splatting with Warp: buffers, ordering and launches for the CPU and for CUDA."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from lyra_core.kernels import splat as k
from lyra_core.kernels.launch import initialise, load_module, run_bands, worker_count

__all__ = ["CpuSplats", "DeviceSplats", "make_view"]

CPU_TILE = 32  # colour, depth and transmittance of a tile stay in the first-level cache
PIXEL_TILE = 16
_CHUNK = 1024


def make_view(
    rotation: NDArray[np.float64],
    translation: NDArray[np.float64],
    intrinsics: NDArray[np.float64],
    size: tuple[int, int],
    limits: tuple[NDArray[np.float64], NDArray[np.float64]],
    *,
    near: float,
    low_pass: float,
    compensate: bool,
    tile: int,
) -> k.View:
    """Fill a View from camera_from_world, K [px], (width, height) and the settings."""
    view = k.View()
    view.rotation = wp.mat33(*rotation.ravel().tolist())
    view.translation = wp.vec3(*translation.tolist())
    view.center = wp.vec3(*(-rotation.T @ translation).tolist())
    view.fx, view.skew, view.cx = intrinsics[0].tolist()
    view.fy, view.cy = intrinsics[1, 1:].tolist()
    view.low, view.high = wp.vec2(*limits[0].tolist()), wp.vec2(*limits[1].tolist())
    view.near, view.low_pass, view.compensate = near, low_pass, int(compensate)
    view.width, view.height = size
    view.tile = tile
    view.tiles_x, view.tiles_y = -(-size[0] // tile), -(-size[1] // tile)
    return view


class _Splats:
    """Gaussians on a device, with the arrays that a projection writes."""

    def __init__(self, arrays: dict[str, NDArray[np.float32]], device: str) -> None:
        initialise()
        self.device = device
        self.count = len(arrays["means"])

        def load(name: str, dtype: Any) -> Any:
            data = np.ascontiguousarray(arrays[name], dtype=np.float32)
            return wp.array(data, dtype=dtype, device=device, copy=device != "cpu")

        self.inputs = [
            load("means", wp.vec3),
            load("quats_wxyz", wp.vec4),
            load("scales", wp.vec3),
            load("opacities", wp.float32),
            load("sh", wp.vec3),
        ]
        self._keep = arrays  # on the CPU the device arrays are views of these
        self.records = wp.empty((self.count, k.record_size), dtype=wp.float32, device=device)
        self.bounds = wp.empty(self.count, dtype=wp.vec4i, device=device)

    def footprints(self) -> NDArray[np.float32]:
        """(N,) integral of alpha over the plane [px^2] in the view drawn last; 0 if it was not drawn."""
        drawn = self.bounds.numpy()[:, 2] > 0
        xx, xy, yy, peak = self.records.numpy()[drawn, 2:6].T
        out = np.zeros(self.count, np.float32)
        out[drawn] = 2 * np.pi * peak / np.sqrt(np.maximum(xx * yy - xy * xy, np.float32(1e-12)))
        return out


class CpuSplats(_Splats):
    """Depth sort in NumPy, tile lists and row spans in Warp, one thread per band."""

    def __init__(self, arrays: dict[str, NDArray[np.float32]]) -> None:
        super().__init__(arrays, "cpu")
        load_module(k.__name__, "cpu")  # once, here: two threads that launch first would both compile
        self.seconds: dict[str, float] = {}
        self._lists: tuple[NDArray[np.int32], Any] = (np.zeros(1, np.int32), None)

    def draw(
        self, view: k.View, background: tuple[float, float, float]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """rgb (H, W, 3), depth (H, W), alpha (H, W)."""
        clock = [time.perf_counter()]
        self._project(view)
        clock.append(time.perf_counter())
        order = self._depth_order()
        clock.append(time.perf_counter())
        self._lists = offsets, hits = self._bin(view, order)
        clock.append(time.perf_counter())
        out = self._blend(view, background, offsets, hits)
        clock.append(time.perf_counter())
        stages = ("project", "sort", "bin", "blend")
        self.seconds = {name: b - a for name, a, b in zip(stages, clock, clock[1:], strict=False)}
        return out

    def spread(self, view: k.View, residual: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of the view drawn last: (N, 4) sums of weight * residual (H, W, 3) and of weight, per Gaussian."""
        offsets, hits = self._lists
        shares = np.zeros((len(hits), 4), np.float32)
        trans = np.ones(residual.shape[:2], np.float32)
        residual_in = wp.array(np.ascontiguousarray(residual), dtype=wp.vec3, device="cpu", copy=False)
        outputs = [
            wp.array(trans, dtype=wp.float32, device="cpu", copy=False),
            wp.array(shares, dtype=wp.vec4, device="cpu", copy=False),
        ]
        self._over_tiles(k.spread_tiles, [view, residual_in], offsets, hits, outputs)
        index = hits.numpy()[: offsets[-1]]
        sums = [np.bincount(index, shares[: len(index), c], minlength=self.count) for c in range(4)]
        return np.stack(sums, axis=1).astype(np.float32)

    def _project(self, view: k.View) -> None:
        def task(start: int, stop: int) -> None:
            wp.launch(
                k.project,
                dim=-(-(stop - start) // _CHUNK),
                inputs=[start, stop, _CHUNK, view, *self.inputs],
                outputs=[self.records, self.bounds],
                device="cpu",
            )

        if self.count:
            run_bands(task, self.count)

    def _depth_order(self) -> NDArray[np.int32]:
        """Indices of the drawn Gaussians, near to far, equal depths by index: one sort of (depth bits, index)."""
        drawn = np.flatnonzero(self.bounds.numpy()[:, 2])
        bits = self.records.numpy()[drawn, 9].view(np.uint32)  # positive floats sort as integers
        keys = np.sort((bits.astype(np.uint64) << np.uint64(32)) | drawn.astype(np.uint64))
        return keys.astype(np.uint32).astype(np.int32)

    def _bin(self, view: k.View, order: NDArray[np.int32]) -> tuple[NDArray[np.int32], Any]:
        """Offsets (tiles + 1,) and the lists of Gaussians of all tiles, near to far."""
        tiles = view.tiles_x * view.tiles_y
        counts = np.zeros(tiles, np.int32)
        order_in = wp.array(order, dtype=wp.int32, device="cpu", copy=False)

        def launch(kernel: Any, tail: list[Any]) -> None:
            def task(start: int, stop: int) -> None:
                wp.launch(kernel, dim=1, inputs=[start, stop, view, order_in, self.bounds, *tail], device="cpu")

            run_bands(task, view.tiles_y)

        launch(k.count_tiles, [wp.array(counts, dtype=wp.int32, device="cpu", copy=False)])
        offsets = np.zeros(tiles + 1, np.int32)
        np.cumsum(counts, out=offsets[1:])
        hits = wp.empty(max(1, int(offsets[-1])), dtype=wp.int32, device="cpu")
        cursor = offsets[:-1].copy()
        launch(k.fill_tiles, [wp.array(cursor, dtype=wp.int32, device="cpu", copy=False), hits])
        return offsets, hits

    def _blend(
        self, view: k.View, background: tuple[float, float, float], offsets: NDArray[np.int32], hits: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        rgb = np.zeros((view.height, view.width, 3), np.float32)
        depth = np.zeros((view.height, view.width), np.float32)
        alpha = np.ones((view.height, view.width), np.float32)
        outputs = [
            wp.array(rgb, dtype=wp.vec3, device="cpu", copy=False),
            wp.array(depth, dtype=wp.float32, device="cpu", copy=False),
            wp.array(alpha, dtype=wp.float32, device="cpu", copy=False),
        ]
        self._over_tiles(k.blend_tiles, [view, wp.vec3(*background)], offsets, hits, outputs)
        return rgb, depth, alpha

    def _over_tiles(
        self, kernel: Any, inputs: list[Any], offsets: NDArray[np.int32], hits: Any, outputs: list[Any]
    ) -> None:
        """Launch a tile kernel, one thread per band of tiles."""
        offsets_in = wp.array(offsets, dtype=wp.int32, device="cpu", copy=False)
        # Bands of equal work, not of equal area: sky is empty, the floor is dense.
        workers = worker_count()
        work = offsets + 64 * np.arange(len(offsets))
        edges = np.searchsorted(work, np.linspace(0, work[-1], workers + 1))
        edges[-1] = len(offsets) - 1

        def task(start: int, stop: int) -> None:
            first, last = int(edges[start]), int(edges[stop])
            if last > first:
                wp.launch(
                    kernel,
                    dim=last - first,
                    inputs=[first, *inputs, offsets_in, hits, self.records],
                    outputs=outputs,
                    device="cpu",
                )

        run_bands(task, workers)


class DeviceSplats(_Splats):
    """Keys per (tile, depth), one radix sort, one thread per pixel: CUDA."""

    def draw(
        self, view: k.View, background: tuple[float, float, float]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """rgb (H, W, 3), depth (H, W), alpha (H, W)."""
        from lyra_core.kernels import splat_pixels as p

        size = (view.height, view.width)
        offsets = wp.zeros(view.tiles_x * view.tiles_y + 1, dtype=wp.int32, device=self.device)
        hits = wp.zeros(1, dtype=wp.int32, device=self.device)
        if self.count:
            wp.launch(
                k.project,
                dim=self.count,
                inputs=[0, self.count, 1, view, *self.inputs],
                outputs=[self.records, self.bounds],
                device=self.device,
            )
            hits = self._sorted_hits(view, offsets)
        rgb = wp.empty(size, dtype=wp.vec3, device=self.device)
        depth = wp.empty(size, dtype=wp.float32, device=self.device)
        alpha = wp.empty(size, dtype=wp.float32, device=self.device)
        wp.launch(
            p.blend_pixels,
            dim=size,
            inputs=[view, wp.vec3(*background), offsets, hits, self.records],
            outputs=[rgb, depth, alpha],
            device=self.device,
        )
        return rgb.numpy(), depth.numpy(), alpha.numpy()

    def _sorted_hits(self, view: k.View, offsets: Any) -> Any:
        """Gaussian indices by tile and depth; fills offsets."""
        from lyra_core.kernels import splat_pixels as p

        device = self.device
        ends = wp.empty(self.count, dtype=wp.int32, device=device)
        wp.launch(p.count_hits, dim=self.count, inputs=[view, self.bounds], outputs=[ends], device=device)
        wp.utils.array_scan(ends, ends, inclusive=True)
        total = int(ends[-1:].numpy()[0])
        keys = wp.empty(max(2, 2 * total), dtype=wp.int64, device=device)  # the sort needs twice the room
        values = wp.empty(max(2, 2 * total), dtype=wp.int32, device=device)
        if total:
            inputs = [view, self.bounds, self.records, ends]
            wp.launch(p.emit_keys, dim=self.count, inputs=inputs, outputs=[keys, values], device=device)
            wp.utils.radix_sort_pairs(keys, values, total)
            wp.launch(p.find_ranges, dim=total, inputs=[total, keys], outputs=[offsets], device=device)
        return values

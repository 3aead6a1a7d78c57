# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0

"""Which target cells the points of each stored view reach, and how near."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from lyra_core.kernels.launch import load_module, run_bands, worker_count

__all__ = ["EMPTY", "mark", "nearest", "reach"]

wp.set_module_options({"enable_backward": False, "max_unroll": 2})

EMPTY = 3.0e38

_Depth = NDArray[np.floating]


@wp.struct
class View:
    """One entry as seen from one target; matrices act on (column, row, 1) of the entry's thinned grid."""

    half: wp.array2d(dtype=wp.float16)  # depth, in one of the two
    full: wp.array2d(dtype=wp.float32)
    rows: int
    columns: int
    forward: wp.mat33
    offset: wp.vec3
    phantom: wp.vec3  # where points without depth land (reference mode: the world origin); z <= 0: nowhere


@wp.func
def landing(view: View, row: int, column: int, round_cells: int, width: int, height: int):
    """(cell, z) of one point: cell is row * width + column in the target grid, -1 outside or behind."""
    depth = float(0.0)
    if view.full.shape[0] > 0:
        depth = view.full[row, column]
    else:
        depth = float(view.half[row, column])
    p = view.phantom
    if depth > 0.0:
        p = depth * (view.forward * wp.vec3(float(column), float(row), 1.0)) + view.offset
    cell = int(-1)
    if p[2] > 0.0:
        u = p[0] / p[2]
        v = p[1] / p[2]
        if wp.abs(u) < 1.0e6 and wp.abs(v) < 1.0e6:
            i = int(wp.floor(u))
            j = int(wp.floor(v))
            if round_cells == 1:
                i = int(wp.rint(u))
                j = int(wp.rint(v))
            if i >= 0 and j >= 0 and i < width and j < height:
                cell = j * width + i
    return cell, p[2]


@wp.kernel
def nearest(
    views: wp.array(dtype=View),
    first: int,
    width: int,
    height: int,
    round_cells: int,
    nearest_out: wp.array(dtype=wp.float32),
):
    """Smallest depth per cell. CPU: a serial launch over the views of one band, with its own buffer."""
    index = first + wp.tid()
    for row in range(views[index].rows):
        for column in range(views[index].columns):
            cell, z = landing(views[index], row, column, round_cells, width, height)
            if cell >= 0 and z < nearest_out[cell]:
                wp.atomic_min(nearest_out, cell, z)


@wp.kernel
def mark(
    views: wp.array(dtype=View),
    first: int,
    width: int,
    height: int,
    round_cells: int,
    absolute: float,
    relative: float,
    nearest_depth: wp.array(dtype=wp.float32),
    bits_out: wp.array2d(dtype=wp.uint32),
):
    """Set the bits of the cells that a view shows: its point is within the tolerance of the nearest one."""
    index = first + wp.tid()
    for row in range(views[index].rows):
        for column in range(views[index].columns):
            cell, z = landing(views[index], row, column, round_cells, width, height)
            if cell >= 0:
                limit = nearest_depth[cell]
                if z <= limit + absolute + relative * limit:
                    bits_out[index, cell >> 5] = bits_out[index, cell >> 5] | (wp.uint32(1) << wp.uint32(cell & 31))


def _view(depth: _Depth, matrices: tuple[NDArray[np.float64], ...], device: str) -> Any:
    forward, offset, phantom = matrices
    view = View()
    view.rows, view.columns = depth.shape
    if depth.dtype == np.float16:
        view.half = wp.array(depth, dtype=wp.float16, device=device, copy=False)
    else:
        view.full = wp.array(depth, dtype=wp.float32, device=device, copy=False)
    view.forward = wp.mat33(*forward.ravel().tolist())
    view.offset = wp.vec3(*offset.tolist())
    view.phantom = wp.vec3(*phantom.tolist())
    return view


def reach(
    depths: Sequence[_Depth],
    matrices: Sequence[tuple[NDArray[np.float64], ...]],
    grid: tuple[int, int],
    *,
    round_cells: bool,
    absolute: float,
    relative: float,
    device: str,
) -> NDArray[np.uint32]:
    """(N, ceil(cells / 32)) bits of `lyra_core.ops.coverage.reach` for one target; matrices as in View."""
    load_module(__name__, device)
    height, width = grid
    count = len(depths)
    views = wp.array([_view(d, m, device) for d, m in zip(depths, matrices, strict=True)], dtype=View, device=device)
    bits = wp.zeros((count, (width * height + 31) // 32), dtype=wp.uint32, device=device)
    workers = worker_count() if device == "cpu" else 1
    zone = [width, height, int(round_cells)]
    buffers: dict[int, NDArray[np.float32]] = {}

    def first_pass(start: int, stop: int) -> None:
        own = wp.full(width * height, EMPTY, dtype=wp.float32, device=device)
        wp.launch(nearest, dim=stop - start, inputs=[views, start, *zone], outputs=[own], device=device)
        buffers[start] = own.numpy()

    run_bands(first_pass, count, workers=workers)
    merged = np.minimum.reduce(list(buffers.values()))
    nearest_depth = wp.array(merged, dtype=wp.float32, device=device, copy=False)

    def second_pass(start: int, stop: int) -> None:
        wp.launch(
            mark, dim=stop - start, device=device,
            inputs=[views, start, *zone, absolute, relative, nearest_depth], outputs=[bits],
        )  # fmt: skip

    run_bands(second_pass, count, workers=workers)
    return bits.numpy()

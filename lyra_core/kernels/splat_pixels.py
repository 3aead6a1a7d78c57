# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Gaussian splatting with one thread per pixel, for CUDA: keys (tile, depth), one radix sort, blend.

The same functions also run on the CPU device, where they serve to test this path without a GPU.
"""

import warp as wp

from lyra_core.kernels.launch import initialise
from lyra_core.kernels.splat import MIN_ALPHA, MIN_TRANSMITTANCE, View

__all__ = ["blend_pixels", "count_hits", "emit_keys", "find_ranges"]

initialise()
wp.set_module_options({"enable_backward": False})


@wp.kernel
def count_hits(view: View, bounds: wp.array(dtype=wp.vec4i), counts_out: wp.array(dtype=wp.int32)):
    """Tiles touched by each Gaussian."""
    i = wp.tid()
    b = bounds[i]
    counts_out[i] = 0
    if b[2] > b[0]:
        columns = (b[2] - 1) / view.tile - b[0] / view.tile + 1
        counts_out[i] = columns * ((b[3] - 1) / view.tile - b[1] / view.tile + 1)


@wp.kernel
def emit_keys(
    view: View,
    bounds: wp.array(dtype=wp.vec4i),
    records: wp.array2d(dtype=wp.float32),
    ends: wp.array(dtype=wp.int32),
    keys_out: wp.array(dtype=wp.int64),
    values_out: wp.array(dtype=wp.int32),
):
    """Key = tile * 2^32 + depth bits (positive floats sort as integers); ends is the inclusive sum of counts."""
    i = wp.tid()
    b = bounds[i]
    if b[2] > b[0]:
        at = int(0)
        if i > 0:
            at = ends[i - 1]
        bits = wp.int64(wp.cast(records[i, 9], wp.int32))
        for ty in range(b[1] / view.tile, (b[3] - 1) / view.tile + 1):
            for tx in range(b[0] / view.tile, (b[2] - 1) / view.tile + 1):
                keys_out[at] = wp.int64(ty * view.tiles_x + tx) * wp.int64(4294967296) + bits
                values_out[at] = i
                at += 1


@wp.kernel
def find_ranges(count: wp.int32, keys: wp.array(dtype=wp.int64), offsets_out: wp.array(dtype=wp.int32)):
    """First sorted hit of each tile; offsets_out has one entry more than there are tiles and starts as zeros."""
    n = wp.tid()
    here = wp.int32(keys[n] / wp.int64(4294967296))
    before = wp.int32(-1)
    if n > 0:
        before = wp.int32(keys[n - 1] / wp.int64(4294967296))
    for t in range(before + 1, here + 1):
        offsets_out[t] = n
    if n == count - 1:
        for t in range(here + 1, offsets_out.shape[0]):
            offsets_out[t] = count


@wp.kernel
def blend_pixels(
    view: View,
    background: wp.vec3,
    offsets: wp.array(dtype=wp.int32),
    hits: wp.array(dtype=wp.int32),
    records: wp.array2d(dtype=wp.float32),
    rgb_out: wp.array2d(dtype=wp.vec3),
    depth_out: wp.array2d(dtype=wp.float32),
    alpha_out: wp.array2d(dtype=wp.float32),
):
    """Front-to-back compositing of one pixel; the same cut-offs as splat.blend_tiles."""
    y, x = wp.tid()
    t = (y / view.tile) * view.tiles_x + x / view.tile
    trans = float(1.0)
    color = wp.vec3(0.0, 0.0, 0.0)
    depth = float(0.0)
    for h in range(offsets[t], offsets[t + 1]):
        if trans < MIN_TRANSMITTANCE:
            break
        i = hits[h]
        dx = float(x) + 0.5 - records[i, 0]
        dy = float(y) + 0.5 - records[i, 1]
        power = (records[i, 2] * dx + 2.0 * records[i, 3] * dy) * dx + records[i, 4] * dy * dy
        if power <= records[i, 10]:
            weight = trans * records[i, 5] * wp.exp(-0.5 * power)
            color += weight * wp.vec3(records[i, 6], records[i, 7], records[i, 8])
            depth += weight * records[i, 9]
            trans -= weight
    rgb_out[y, x] = color + trans * background
    alpha_out[y, x] = 1.0 - trans
    if trans < 1.0 - MIN_ALPHA:
        depth_out[y, x] = depth / (1.0 - trans)
    else:
        depth_out[y, x] = 0.0

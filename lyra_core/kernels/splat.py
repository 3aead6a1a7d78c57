# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Gaussian splatting on the CPU: project, bin, blend row spans (EWA splatting, Zwicker et al. 2001; Kerbl et al. 2023).

Gaussians are sorted once by depth; tile lists are filled in that order, so that no list needs a sort of
its own. That suits millions of splats of one or two pixels, where the usual key per (tile, splat) costs
more than the blending. A thread owns whole tiles, so no output is shared.
"""

import warp as wp

from lyra_core.kernels.launch import initialise

__all__ = ["View", "blend_tiles", "count_tiles", "fill_tiles", "project", "record_size", "spread_tiles"]

initialise()
wp.set_module_options({"enable_backward": False})

record_size = 12
"""Floats of a projected Gaussian: u v | conic xx xy yy | peak alpha | r g b | z | reach | half height [px]."""

MIN_ALPHA = wp.constant(wp.float32(1.0 / 255.0))
MAX_ALPHA = wp.constant(wp.float32(0.999))
MIN_TRANSMITTANCE = wp.constant(wp.float32(1.0e-4))
SUPPORT = wp.constant(wp.float32(9.0))  # squared Mahalanobis radius: three sigma


@wp.struct
class View:
    """A pinhole camera and the settings of one rendering."""

    rotation: wp.mat33  # camera from world
    translation: wp.vec3
    center: wp.vec3  # camera centre in the world
    fx: wp.float32
    fy: wp.float32
    skew: wp.float32
    cx: wp.float32
    cy: wp.float32
    low: wp.vec2  # bounds of x/z and y/z where the perspective is linearised
    high: wp.vec2
    near: wp.float32
    low_pass: wp.float32  # variance added on both axes [px^2]
    compensate: wp.int32
    width: wp.int32
    height: wp.int32
    tile: wp.int32
    tiles_x: wp.int32
    tiles_y: wp.int32


@wp.func
def sh_color(sh: wp.array2d(dtype=wp.vec3), i: wp.int32, d: wp.vec3):
    """0.5 + sum of coefficients times basis, clamped below at 0 (signs as in 3DGS)."""
    color = wp.vec3(0.5, 0.5, 0.5) + 0.28209479177387814 * sh[i, 0]
    terms = sh.shape[1]
    x = d[0]
    y = d[1]
    z = d[2]
    if terms > 1:
        color += 0.4886025119029199 * (z * sh[i, 2] - y * sh[i, 1] - x * sh[i, 3])
    if terms > 4:
        color += 1.0925484305920792 * (x * y * sh[i, 4] - y * z * sh[i, 5] - x * z * sh[i, 7])
        color += 0.31539156525252005 * (2.0 * z * z - x * x - y * y) * sh[i, 6]
        color += 0.5462742152960396 * (x * x - y * y) * sh[i, 8]
    if terms > 9:
        color += -0.5900435899266435 * y * (3.0 * x * x - y * y) * sh[i, 9]
        color += 2.890611442640554 * x * y * z * sh[i, 10]
        color += -0.4570457994644658 * y * (4.0 * z * z - x * x - y * y) * sh[i, 11]
        color += 0.3731763325901154 * z * (2.0 * z * z - 3.0 * x * x - 3.0 * y * y) * sh[i, 12]
        color += -0.4570457994644658 * x * (4.0 * z * z - x * x - y * y) * sh[i, 13]
        color += 1.445305721320277 * z * (x * x - y * y) * sh[i, 14]
        color += -0.5900435899266435 * x * (x * x - 3.0 * y * y) * sh[i, 15]
    return wp.vec3(wp.max(color[0], 0.0), wp.max(color[1], 0.0), wp.max(color[2], 0.0))


@wp.func
def project_one(
    i: wp.int32,
    view: View,
    means: wp.array(dtype=wp.vec3),
    quats: wp.array(dtype=wp.vec4),
    scales: wp.array(dtype=wp.vec3),
    opacities: wp.array(dtype=wp.float32),
    sh: wp.array2d(dtype=wp.vec3),
    records_out: wp.array2d(dtype=wp.float32),
    bounds_out: wp.array(dtype=wp.vec4i),
):
    """Footprint of Gaussian i; an empty bound marks one that is not drawn."""
    bounds_out[i] = wp.vec4i(0, 0, 0, 0)
    p = view.rotation * means[i] + view.translation
    if p[2] > view.near:
        rz = 1.0 / p[2]
        # Far outside the picture the linearised perspective blows up; its slope is held (Kerbl et al. 2023).
        tx = wp.clamp(p[0] * rz, view.low[0], view.high[0])
        ty = wp.clamp(p[1] * rz, view.low[1], view.high[1])
        q = quats[i]
        s = scales[i]
        axes = view.rotation * wp.quat_to_matrix(wp.normalize(wp.quat(q[1], q[2], q[3], q[0])))
        xx = float(0.0)
        xy = float(0.0)
        yy = float(0.0)
        for k in range(3):
            ax = s[k] * (axes[0, k] - tx * axes[2, k])
            ay = s[k] * (axes[1, k] - ty * axes[2, k])
            gx = (view.fx * ax + view.skew * ay) * rz
            gy = view.fy * ay * rz
            xx += gx * gx
            xy += gx * gy
            yy += gy * gy
        before = wp.max(xx * yy - xy * xy, 0.0)
        xx += view.low_pass
        yy += view.low_pass
        det = xx * yy - xy * xy
        alpha = wp.min(opacities[i], MAX_ALPHA)
        if view.compensate != 0 and det > 0.0:
            alpha *= wp.sqrt(wp.max(before / det, 0.000025))
        if det > 0.0 and alpha > MIN_ALPHA:
            reach = wp.min(SUPPORT, 2.0 * wp.log(alpha / MIN_ALPHA))
            u = (view.fx * p[0] + view.skew * p[1]) * rz + view.cx
            v = view.fy * p[1] * rz + view.cy
            hx = wp.sqrt(reach * xx)
            hy = wp.sqrt(reach * yy)
            # clamp before the cast: a float beyond the int range has no defined value
            x0 = int(wp.clamp(wp.ceil(u - hx - 0.5), 0.0, float(view.width)))
            x1 = int(wp.clamp(wp.floor(u + hx - 0.5) + 1.0, 0.0, float(view.width)))
            y0 = int(wp.clamp(wp.ceil(v - hy - 0.5), 0.0, float(view.height)))
            y1 = int(wp.clamp(wp.floor(v + hy - 0.5) + 1.0, 0.0, float(view.height)))
            if x1 > x0 and y1 > y0:
                bounds_out[i] = wp.vec4i(x0, y0, x1, y1)
                color = sh_color(sh, i, wp.normalize(means[i] - view.center))
                records_out[i, 0] = u
                records_out[i, 1] = v
                records_out[i, 2] = yy / det
                records_out[i, 3] = -xy / det
                records_out[i, 4] = xx / det
                records_out[i, 5] = alpha
                records_out[i, 6] = color[0]
                records_out[i, 7] = color[1]
                records_out[i, 8] = color[2]
                records_out[i, 9] = p[2]
                records_out[i, 10] = reach
                records_out[i, 11] = hy


@wp.kernel
def project(
    first: wp.int32,
    last: wp.int32,
    chunk: wp.int32,
    view: View,
    means: wp.array(dtype=wp.vec3),
    quats: wp.array(dtype=wp.vec4),
    scales: wp.array(dtype=wp.vec3),
    opacities: wp.array(dtype=wp.float32),
    sh: wp.array2d(dtype=wp.vec3),
    records_out: wp.array2d(dtype=wp.float32),
    bounds_out: wp.array(dtype=wp.vec4i),
):
    """Project Gaussians first..last-1, chunk of them per task."""
    start = first + wp.tid() * chunk
    for i in range(start, wp.min(start + chunk, last)):
        project_one(i, view, means, quats, scales, opacities, sh, records_out, bounds_out)


@wp.kernel
def count_tiles(
    first_row: wp.int32,
    last_row: wp.int32,
    view: View,
    order: wp.array(dtype=wp.int32),
    bounds: wp.array(dtype=wp.vec4i),
    counts_out: wp.array(dtype=wp.int32),
):
    """One task: how many Gaussians touch each tile of tile rows first_row..last_row-1."""
    for n in range(order.shape[0]):
        b = bounds[order[n]]
        x1 = (b[2] - 1) / view.tile + 1
        for ty in range(wp.max(b[1] / view.tile, first_row), wp.min((b[3] - 1) / view.tile + 1, last_row)):
            for tx in range(b[0] / view.tile, x1):
                t = ty * view.tiles_x + tx
                counts_out[t] = counts_out[t] + 1


@wp.kernel
def fill_tiles(
    first_row: wp.int32,
    last_row: wp.int32,
    view: View,
    order: wp.array(dtype=wp.int32),
    bounds: wp.array(dtype=wp.vec4i),
    cursor: wp.array(dtype=wp.int32),
    hits_out: wp.array(dtype=wp.int32),
):
    """One task: append the Gaussians, near to far, to the lists of its tiles; cursor ends at each list's end."""
    for n in range(order.shape[0]):
        i = order[n]
        b = bounds[i]
        x1 = (b[2] - 1) / view.tile + 1
        for ty in range(wp.max(b[1] / view.tile, first_row), wp.min((b[3] - 1) / view.tile + 1, last_row)):
            for tx in range(b[0] / view.tile, x1):
                t = ty * view.tiles_x + tx
                hits_out[cursor[t]] = i
                cursor[t] = cursor[t] + 1


@wp.kernel
def blend_tiles(
    first_tile: wp.int32,
    view: View,
    background: wp.vec3,
    offsets: wp.array(dtype=wp.int32),
    hits: wp.array(dtype=wp.int32),
    records: wp.array2d(dtype=wp.float32),
    rgb_out: wp.array2d(dtype=wp.vec3),
    depth_out: wp.array2d(dtype=wp.float32),
    trans_out: wp.array2d(dtype=wp.float32),
):
    """One task per tile: front-to-back compositing, row span by row span; trans_out must hold 1, the others 0."""
    t = first_tile + wp.tid()
    left = (t % view.tiles_x) * view.tile
    top = (t / view.tiles_x) * view.tile
    right = wp.min(left + view.tile, view.width)
    bottom = wp.min(top + view.tile, view.height)
    live = (right - left) * (bottom - top)
    for h in range(offsets[t], offsets[t + 1]):
        if live == 0:
            break
        i = hits[h]
        u = records[i, 0]
        v = records[i, 1]
        a = records[i, 2]
        b = records[i, 3]
        c = records[i, 4]
        peak = records[i, 5]
        color = wp.vec3(records[i, 6], records[i, 7], records[i, 8])
        z = records[i, 9]
        reach = records[i, 10]
        inv_a = 1.0 / a
        half = records[i, 11]
        y0 = wp.max(top, int(wp.max(wp.ceil(v - half - 0.5), 0.0)))
        y1 = wp.min(bottom, int(wp.min(wp.floor(v + half - 0.5) + 1.0, float(view.height))))
        for y in range(y0, y1):
            dy = float(y) + 0.5 - v
            root = (b * b - a * c) * dy * dy + a * reach
            if root >= 0.0:
                width = wp.sqrt(root) * inv_a
                middle = u - b * dy * inv_a - 0.5
                x0 = wp.max(left, int(wp.max(wp.ceil(middle - width), 0.0)))
                x1 = wp.min(right, int(wp.min(wp.floor(middle + width) + 1.0, float(view.width))))
                base = c * dy * dy
                slope = 2.0 * b * dy
                for x in range(x0, x1):
                    trans = trans_out[y, x]
                    if trans >= MIN_TRANSMITTANCE:
                        dx = float(x) + 0.5 - u
                        alpha = peak * wp.exp(-0.5 * ((a * dx + slope) * dx + base))
                        weight = trans * alpha
                        rgb_out[y, x] = rgb_out[y, x] + weight * color
                        depth_out[y, x] = depth_out[y, x] + weight * z
                        trans -= weight
                        trans_out[y, x] = trans
                        if trans < MIN_TRANSMITTANCE:
                            live -= 1
    for y in range(top, bottom):
        for x in range(left, right):
            trans = trans_out[y, x]
            rgb_out[y, x] = rgb_out[y, x] + trans * background
            if trans < 1.0 - MIN_ALPHA:
                depth_out[y, x] = depth_out[y, x] / (1.0 - trans)
            else:
                depth_out[y, x] = 0.0
            trans_out[y, x] = 1.0 - trans


@wp.kernel
def spread_tiles(
    first_tile: wp.int32,
    view: View,
    residual: wp.array2d(dtype=wp.vec3),
    offsets: wp.array(dtype=wp.int32),
    hits: wp.array(dtype=wp.int32),
    records: wp.array2d(dtype=wp.float32),
    trans_out: wp.array2d(dtype=wp.float32),
    shares_out: wp.array(dtype=wp.vec4),
):
    """The transpose of blend_tiles: for each hit, the weighted sum of residual and the sum of weights.

    One task per tile; each hit has a slot of its own, so tiles do not meet. trans_out must hold 1.
    """
    t = first_tile + wp.tid()
    left = (t % view.tiles_x) * view.tile
    top = (t / view.tiles_x) * view.tile
    right = wp.min(left + view.tile, view.width)
    bottom = wp.min(top + view.tile, view.height)
    for h in range(offsets[t], offsets[t + 1]):
        i = hits[h]
        u = records[i, 0]
        v = records[i, 1]
        a = records[i, 2]
        b = records[i, 3]
        c = records[i, 4]
        reach = records[i, 10]
        inv_a = 1.0 / a
        half = records[i, 11]
        share = wp.vec4(0.0, 0.0, 0.0, 0.0)
        y0 = wp.max(top, int(wp.max(wp.ceil(v - half - 0.5), 0.0)))
        y1 = wp.min(bottom, int(wp.min(wp.floor(v + half - 0.5) + 1.0, float(view.height))))
        for y in range(y0, y1):
            dy = float(y) + 0.5 - v
            root = (b * b - a * c) * dy * dy + a * reach
            if root >= 0.0:
                width = wp.sqrt(root) * inv_a
                middle = u - b * dy * inv_a - 0.5
                x0 = wp.max(left, int(wp.max(wp.ceil(middle - width), 0.0)))
                x1 = wp.min(right, int(wp.min(wp.floor(middle + width) + 1.0, float(view.width))))
                for x in range(x0, x1):
                    trans = trans_out[y, x]
                    if trans >= MIN_TRANSMITTANCE:
                        dx = float(x) + 0.5 - u
                        weight = trans * records[i, 5] * wp.exp(-0.5 * ((a * dx + 2.0 * b * dy) * dx + c * dy * dy))
                        r = residual[y, x]
                        share += weight * wp.vec4(r[0], r[1], r[2], 1.0)
                        trans_out[y, x] = trans - weight
        shares_out[h] = share

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0

"""Colour of a rasterised view, sampled backward from the owners of its pixels, and sky by direction."""

from __future__ import annotations

import warp as wp

from lyra_core.kernels.surface import Patch

__all__ = ["shade"]

wp.set_module_options({"enable_backward": False, "max_unroll": 2})


@wp.func
def cubic(t: float):
    """Catmull-Rom weights of the four taps around fraction t (Keys 1981, a = -0.5)."""
    s = t * t
    c = s * t
    return wp.vec4(
        0.5 * (-t + 2.0 * s - c),
        0.5 * (2.0 - 5.0 * s + 3.0 * c),
        0.5 * (t + 4.0 * s - 3.0 * c),
        0.5 * (c - s),
    )


@wp.func
def tap(rgb: wp.array2d(dtype=wp.vec3ub), x: int, y: int):
    """Colour 0..255 of the nearest pixel inside the image."""
    i = wp.clamp(y, 0, rgb.shape[0] - 1)
    j = wp.clamp(x, 0, rgb.shape[1] - 1)
    c = rgb[i, j]
    return wp.vec3(float(c[0]), float(c[1]), float(c[2]))


@wp.func
def level_on_surface(code: wp.array2d(dtype=wp.uint8), x: float, y: float, best: int):
    """2 bicubic, 1 bilinear, 0 nearest: the widest filter (at most best) whose taps stay on one surface.

    Taps across a silhouette would carry the colour of one surface onto the other, and leave its outline
    wherever frames meet. Whole quads (16) join pixels of one surface.
    """
    i = wp.clamp(int(wp.floor(y - 0.5)) + 1, 0, code.shape[0] - 1)
    j = wp.clamp(int(wp.floor(x - 0.5)) + 1, 0, code.shape[1] - 1)
    level = int(0)
    if int(code[i, j]) == 16:
        level = 1
        if best == 2 and i > 0 and j > 0 and i < code.shape[0] - 1 and j < code.shape[1] - 1:
            if (
                int(code[i - 1, j]) == 16
                and int(code[i + 1, j]) == 16
                and int(code[i, j - 1]) == 16
                and int(code[i, j + 1]) == 16
            ):
                level = 2
    return level


@wp.func
def level_in_sky(sky: wp.array2d(dtype=wp.uint8), x: float, y: float):
    """1 bilinear if the four taps are sky, else 0 nearest."""
    i = int(wp.floor(y - 0.5))
    j = int(wp.floor(x - 0.5))
    level = int(1)
    for corner in range(4):
        a = wp.clamp(i + (corner >> 1), 0, sky.shape[0] - 1)
        b = wp.clamp(j + (corner & 1), 0, sky.shape[1] - 1)
        if int(sky[a, b]) == 0:
            level = 0
    return level


@wp.func
def sample(rgb: wp.array2d(dtype=wp.vec3ub), x: float, y: float, level: int):
    """Colour 0..1 at pixel coordinates (centres at +0.5), see level_on_surface; an exact centre returns that pixel."""
    if level == 0:
        return tap(rgb, int(wp.floor(x)), int(wp.floor(y))) / 255.0
    left = wp.floor(x - 0.5)
    top = wp.floor(y - 0.5)
    tx = x - 0.5 - left
    ty = y - 0.5 - top
    i = int(left)
    j = int(top)
    # Coordinates within float32 rounding of a centre are that pixel: copies stay byte-exact.
    near_x = wp.min(tx, 1.0 - tx) < 2.0e-3
    near_y = wp.min(ty, 1.0 - ty) < 2.0e-3
    if near_x and near_y:
        return tap(rgb, i + int(tx + 0.5), j + int(ty + 0.5)) / 255.0
    total = wp.vec3(0.0, 0.0, 0.0)
    if level == 2:
        wx = cubic(tx)
        wy = cubic(ty)
        for n in range(4):
            line = wp.vec3(0.0, 0.0, 0.0)
            for m in range(4):
                line += wx[m] * tap(rgb, i - 1 + m, j - 1 + n)
            total += wy[n] * line
        total = wp.vec3(wp.clamp(total[0], 0.0, 255.0), wp.clamp(total[1], 0.0, 255.0), wp.clamp(total[2], 0.0, 255.0))
    else:
        upper = (1.0 - tx) * tap(rgb, i, j) + tx * tap(rgb, i + 1, j)
        lower = (1.0 - tx) * tap(rgb, i, j + 1) + tx * tap(rgb, i + 1, j + 1)
        total = (1.0 - ty) * upper + ty * lower
    return total / 255.0


@wp.func
def sky_color(patches: wp.array(dtype=Patch), x: float, y: float):
    """(x, y, source) of the first source whose sky mask shows the direction of target pixel x, y; source -1 if none."""
    found = wp.vec3(0.0, 0.0, -1.0)
    for source in range(patches.shape[0]):
        if found[2] < 0.0 and patches[source].sky.shape[0] > 0:
            ray = patches[source].back * wp.vec3(x, y, 1.0)
            if ray[2] > 1.0e-6:
                u = ray[0] / ray[2]
                v = ray[1] / ray[2]
                height = patches[source].sky.shape[0]
                width = patches[source].sky.shape[1]
                if u >= -1.0e-3 and v >= -1.0e-3 and u < float(width) + 1.0e-3 and v < float(height) + 1.0e-3:
                    j = wp.clamp(int(u), 0, width - 1)
                    i = wp.clamp(int(v), 0, height - 1)
                    if int(patches[source].sky[i, j]) > 0:
                        found = wp.vec3(u, v, float(source))
    return found


@wp.kernel
def shade(
    patches: wp.array(dtype=Patch),
    depth: wp.array2d(dtype=wp.float32),
    source_out: wp.array2d(dtype=wp.int32),
    first_row: int,
    color: int,
    bicubic: int,
    use_sky: int,
    source_xy_out: wp.array2d(dtype=wp.vec2f),
    rgb_out: wp.array2d(dtype=wp.vec3f),
    sky_out: wp.array2d(dtype=wp.uint8),
):
    """Per target row: where the owner saw the surface (exact: the point is projected back), and its colour there."""
    row = first_row + wp.tid()
    y = float(row) + 0.5
    for column in range(depth.shape[1]):
        x = float(column) + 0.5
        owner = source_out[row, column]
        px = wp.nan
        py = wp.nan
        level = int(0)
        spread = float(1.0)
        if owner >= 0:
            z = depth[row, column]
            q = z * (patches[owner].back * wp.vec3(x, y, 1.0)) + patches[owner].back_t
            inverse = 1.0 / q[2]
            px = q[0] * inverse
            py = q[1] * inverse
            # Source pixels per target pixel: >1 where the view moved back.
            slope_x = patches[owner].back[0, 0] - px * patches[owner].back[2, 0]
            slope_y = patches[owner].back[1, 0] - py * patches[owner].back[2, 0]
            spread = z * inverse * wp.sqrt(slope_x * slope_x + slope_y * slope_y)
        elif use_sky == 1:
            hit = sky_color(patches, x, y)
            owner = int(hit[2])
            if owner >= 0:
                px = hit[0]
                py = hit[1]
                level = level_in_sky(patches[owner].sky, px, py)
                sky_out[row, column] = wp.uint8(1)
                source_out[row, column] = owner
        source_xy_out[row, column] = wp.vec2(px, py)
        if color == 1 and owner >= 0:
            taps = wp.clamp(int(spread + 0.75), 1, 4)
            if sky_out.shape[0] == 1 or sky_out[row, column] == wp.uint8(0):
                level = level_on_surface(patches[owner].code, px, py, 1 + bicubic)
            if taps == 1 or level == 0:
                rgb_out[row, column] = sample(patches[owner].rgb, px, py, level)
            else:
                total = wp.vec3(0.0, 0.0, 0.0)
                step = spread / float(taps)
                start = -0.5 * spread + 0.5 * step
                for n in range(taps):
                    for m in range(taps):
                        total += sample(
                            patches[owner].rgb, px + start + float(m) * step, py + start + float(n) * step, 1
                        )
                rgb_out[row, column] = total / float(taps * taps)

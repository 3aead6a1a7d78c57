# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: UP018, RUF046  (Warp makes a variable mutable only by float(...) or int(...))
"""Rasterise depth maps as triangulated grids into a target view, and sample colour backward.

One source is a Patch. Its grid has a vertex at every pixel centre; cell (i, j) of `code` is the quad
whose lower right corner is pixel (j, i) (so the border cells hang half outside the image):

    0      nothing is drawn
    16     the whole quad: two triangles
    1..15  bits of the corners (1 upper left, 2 upper right, 4 lower left, 8 lower right) that may
           fill their own quarter of the cell, at their own depth (silhouettes and image borders)

`word` lists the blocks of WORD cells in a row that hold anything, `bounds` their depth range.
"""

from __future__ import annotations

import warp as wp

__all__ = ["WORD", "Patch", "raster", "resolve_owner", "shade"]

wp.set_module_options({"enable_backward": False, "max_unroll": 2})

WORD = wp.constant(32)
_NEAR = wp.constant(0.02)  # metres; nearer vertices are dropped with their quad
_SLACK = wp.constant(2.0e-3)  # pixels; shared edges belong to both neighbours, so that no crack opens


@wp.struct
class Patch:
    """A source view on the device; matrices act on homogeneous pixels (x, y, 1)."""

    depth: wp.array2d(dtype=wp.float32)
    code: wp.array2d(dtype=wp.uint8)
    word: wp.array(dtype=wp.vec2i)
    bounds: wp.array(dtype=wp.vec2f)
    rgb: wp.array2d(dtype=wp.vec3ub)
    sky: wp.array2d(dtype=wp.uint8)
    forward: wp.mat33  # z * forward @ (x, y, 1) + forward_t = target (u z', v z', z')
    forward_t: wp.vec3
    back: wp.mat33  # the same from target to source
    back_t: wp.vec3
    focal: wp.float32


@wp.func
def footprint(patch: Patch, x: float, y: float, z: float):
    """Width [m] of a source pixel at the point that target pixel (x, y) sees at depth z."""
    row = patch.back[2, 0] * x + patch.back[2, 1] * y + patch.back[2, 2]
    return (z * row + patch.back_t[2]) / patch.focal


@wp.func
def wins(
    patches: wp.array(dtype=Patch),
    owner: int,
    held: float,
    source: int,
    z: float,
    x: float,
    y: float,
    tolerance: float,
    finer: float,
):
    """Whether source may take a pixel (centre x, y) that owner holds at depth held."""
    if owner == source:
        return z < held
    if z < held * (1.0 - tolerance):
        return True
    if z > held * (1.0 + tolerance) or finer <= 0.0:
        return False
    return footprint(patches[source], x, y, z) * finer < footprint(patches[owner], x, y, held)


@wp.func
def quad(
    patches: wp.array(dtype=Patch),
    source: int,
    p: wp.vec3,
    q: wp.vec3,
    r: wp.vec3,
    s: wp.vec3,
    row_start: int,
    row_stop: int,
    tolerance: float,
    finer: float,
    atomic: int,
    depth_out: wp.array2d(dtype=wp.float32),
    source_out: wp.array2d(dtype=wp.int32),
):
    """Draw triangles p q r and p r s of vertices (u, v, 1/z), counted clockwise on the screen.

    Triangles counted the other way are seen from behind and skipped. All four vertices must be in front.
    """
    # Casts instead of ceil and floor, which are calls on the CPU; coordinates are clamped before.
    width = float(depth_out.shape[1])
    low_x = int(wp.clamp(wp.min(wp.min(p[0], q[0]), wp.min(r[0], s[0])) + 0.5 - _SLACK, 0.0, width))
    high_x = int(wp.clamp(wp.max(wp.max(p[0], q[0]), wp.max(r[0], s[0])) + 0.5 + _SLACK, 0.0, width))
    top = float(row_start)
    bottom = float(row_stop)
    low_y = int(wp.clamp(wp.min(wp.min(p[1], q[1]), wp.min(r[1], s[1])) + 0.5 - _SLACK, top, bottom))
    high_y = int(wp.clamp(wp.max(wp.max(p[1], q[1]), wp.max(r[1], s[1])) + 0.5 + _SLACK, top, bottom))
    if low_x < high_x and low_y < high_y:
        pqx = q[0] - p[0]
        pqy = q[1] - p[1]
        prx = r[0] - p[0]
        pry = r[1] - p[1]
        psx = s[0] - p[0]
        psy = s[1] - p[1]
        first = pqx * pry - pqy * prx
        second = prx * psy - pry * psx
        if first > 1.0e-6 or second > 1.0e-6:
            slack = _SLACK * (wp.abs(prx) + wp.abs(pry) + wp.abs(pqx) + wp.abs(pqy) + wp.abs(psx) + wp.abs(psy))
            for row in range(low_y, high_y):
                y = float(row) + 0.5
                dy = y - p[1]
                for column in range(low_x, high_x):
                    x = float(column) + 0.5
                    dx = x - p[0]
                    side = prx * dy - pry * dx
                    # Weights times twice the area of: the vertex off the diagonal, and r.
                    area = first
                    off = -side
                    along = pqx * dy - pqy * dx
                    other = q[2]
                    if side > 0.0:
                        area = second
                        off = side
                        along = dx * psy - dy * psx
                        other = s[2]
                    if area > 1.0e-6 and along >= -slack and off + along <= area + slack:
                        z = area / (area * p[2] + off * (other - p[2]) + along * (r[2] - p[2]))
                        if atomic == 1:
                            wp.atomic_min(depth_out, row, column, z)
                        else:
                            owner = source_out[row, column]
                            take = owner < 0
                            if owner == source:
                                take = z < depth_out[row, column]
                            elif owner >= 0:
                                take = wins(patches, owner, depth_out[row, column], source, z, x, y, tolerance, finer)
                            if take:
                                depth_out[row, column] = z
                                source_out[row, column] = source


@wp.func
def vertex(patch: Patch, x: float, y: float, depth: float):
    """Screen position and inverse depth of source pixel coordinates at a depth; 1/z <= 0 if too near."""
    m = patch.forward
    t = patch.forward_t
    z = depth * (m[2, 0] * x + m[2, 1] * y + m[2, 2]) + t[2]
    if z < _NEAR or depth <= 0.0:
        return wp.vec3(0.0, 0.0, -1.0)
    inverse = 1.0 / z
    u = depth * (m[0, 0] * x + m[0, 1] * y + m[0, 2]) + t[0]
    v = depth * (m[1, 0] * x + m[1, 1] * y + m[1, 2]) + t[1]
    return wp.vec3(u * inverse, v * inverse, inverse)


@wp.func
def visible(patch: Patch, word: int, row_start: int, row_stop: int, width: int):
    """False only if no cell of this block can touch the band: its corners bound it, depth being linear."""
    cell = patch.word[word]
    bound = patch.bounds[word]
    low = wp.vec2(1.0e9, 1.0e9)
    high = wp.vec2(-1.0e9, -1.0e9)
    behind = int(0)
    for corner in range(8):
        x = float(cell[0]) - 0.5 + float(WORD) * float(corner & 1)
        y = float(cell[1]) - 0.5 + float((corner >> 1) & 1)
        depth = bound[0]
        if (corner >> 2) == 1:
            depth = bound[1]
        p = vertex(patch, x, y, depth)
        if p[2] <= 0.0:
            behind += 1
        else:
            low = wp.min(low, wp.vec2(p[0], p[1]))
            high = wp.max(high, wp.vec2(p[0], p[1]))
    if behind == 8:
        return False
    if behind > 0:  # the block crosses the camera plane: its projection has no bound
        return True
    return (
        high[0] >= -1.0
        and low[0] <= float(width) + 1.0
        and high[1] >= float(row_start) - 1.0
        and low[1] <= float(row_stop) + 1.0
    )


@wp.func
def corner_cell(
    patches: wp.array(dtype=Patch),
    source: int,
    x: float,
    y: float,
    depth: float,
    sx: float,
    sy: float,
    row_start: int,
    row_stop: int,
    tolerance: float,
    finer: float,
    atomic: int,
    depth_out: wp.array2d(dtype=wp.float32),
    source_out: wp.array2d(dtype=wp.int32),
):
    """Draw the quarter pixel between the centre (x, y) and (x + sx, y + sy) at the centre's depth."""
    patch = patches[source]
    x0 = wp.min(x, x + sx)
    x1 = wp.max(x, x + sx)
    y0 = wp.min(y, y + sy)
    y1 = wp.max(y, y + sy)
    a = vertex(patch, x0, y0, depth)
    b = vertex(patch, x1, y0, depth)
    c = vertex(patch, x0, y1, depth)
    d = vertex(patch, x1, y1, depth)
    if wp.min(wp.min(a[2], b[2]), wp.min(c[2], d[2])) > 0.0:
        quad(patches, source, a, b, d, c, row_start, row_stop, tolerance, finer, atomic, depth_out, source_out)


@wp.kernel
def raster(
    patches: wp.array(dtype=Patch),
    source: int,
    whole: int,
    row_start: int,
    row_stop: int,
    tolerance: float,
    finer: float,
    depth_out: wp.array2d(dtype=wp.float32),
    source_out: wp.array2d(dtype=wp.int32),
):
    """Draw one source into target rows row_start..row_stop.

    whole = 1 (CPU): one task draws all blocks in order, straight into the owner buffers.
    whole = 0 (CUDA): one thread per block, atomic minimum of this source alone; resolve_owner merges.
    """
    patch = patches[source]
    first = wp.tid()
    last = first + 1
    atomic = 1
    if whole == 1:
        first = 0
        last = patch.word.shape[0]
        atomic = 0
    height = patch.depth.shape[0]
    width = patch.depth.shape[1]
    for index in range(first, last):
        if visible(patch, index, row_start, row_stop, depth_out.shape[1]):
            cell = patch.word[index]
            row = cell[1]
            up = wp.max(row - 1, 0)
            down = wp.min(row, height - 1)
            ready = int(-2)  # column whose pair of vertices is held in right_up, right_down
            right_up = wp.vec3(0.0, 0.0, -1.0)
            right_down = wp.vec3(0.0, 0.0, -1.0)
            for column in range(cell[0], wp.min(cell[0] + WORD, width + 1)):
                code = int(patch.code[row, column])
                if code == 16:
                    xl = float(column) - 0.5
                    yu = float(row) - 0.5
                    a = right_up
                    c = right_down
                    da = patch.depth[up, column - 1]
                    dc = patch.depth[down, column - 1]
                    if ready != column - 1:
                        a = vertex(patch, xl, yu, da)
                        c = vertex(patch, xl, yu + 1.0, dc)
                    db = patch.depth[up, column]
                    dd = patch.depth[down, column]
                    b = vertex(patch, xl + 1.0, yu, db)
                    d = vertex(patch, xl + 1.0, yu + 1.0, dd)
                    right_up = b
                    right_down = d
                    ready = column
                    if wp.min(wp.min(a[2], b[2]), wp.min(c[2], d[2])) > 0.0:
                        # Cut along the diagonal whose ends are nearer in depth.
                        p = b
                        q = d
                        r = c
                        t = a
                        if wp.abs(da - dd) <= wp.abs(db - dc):
                            p = a
                            q = b
                            r = d
                            t = c
                        quad(
                            patches, source, p, q, r, t, row_start, row_stop, tolerance, finer, atomic,
                            depth_out, source_out,
                        )  # fmt: skip
                elif code > 0:
                    for corner in range(4):
                        if (code >> corner) & 1 == 1:
                            px = column - 1 + (corner & 1)
                            py = row - 1 + (corner >> 1)
                            corner_cell(
                                patches, source, float(px) + 0.5, float(py) + 0.5, patch.depth[py, px],
                                0.5 - float(corner & 1), 0.5 - float(corner >> 1),
                                row_start, row_stop, tolerance, finer, atomic, depth_out, source_out,
                            )  # fmt: skip


@wp.kernel
def resolve_owner(
    patches: wp.array(dtype=Patch),
    source: int,
    depth: wp.array2d(dtype=wp.float32),
    tolerance: float,
    finer: float,
    depth_out: wp.array2d(dtype=wp.float32),
    source_out: wp.array2d(dtype=wp.int32),
):
    """Merge one source's own z-buffer (1e9 where empty, cleared on the way) into the owner buffers (CUDA)."""
    row, column = wp.tid()
    z = depth[row, column]
    if z < 1.0e8:
        depth[row, column] = 1.0e9
        owner = source_out[row, column]
        take = owner < 0
        if owner >= 0:
            take = wins(
                patches, owner, depth_out[row, column], source, z, float(column) + 0.5, float(row) + 0.5,
                tolerance, finer,
            )  # fmt: skip
        if take:
            depth_out[row, column] = z
            source_out[row, column] = source


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
def sample(rgb: wp.array2d(dtype=wp.vec3ub), x: float, y: float, bicubic: int):
    """Colour 0..1 at pixel coordinates (centres at +0.5); an exact centre returns that pixel."""
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
    if bicubic == 1:
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
                sky_out[row, column] = wp.uint8(1)
                source_out[row, column] = owner
        source_xy_out[row, column] = wp.vec2(px, py)
        if color == 1 and owner >= 0:
            taps = wp.clamp(int(spread + 0.75), 1, 4)
            if taps == 1:
                rgb_out[row, column] = sample(patches[owner].rgb, px, py, bicubic)
            else:
                total = wp.vec3(0.0, 0.0, 0.0)
                step = spread / float(taps)
                start = -0.5 * spread + 0.5 * step
                for n in range(taps):
                    for m in range(taps):
                        total += sample(
                            patches[owner].rgb, px + start + float(m) * step, py + start + float(n) * step, 0
                        )
                rgb_out[row, column] = total / float(taps * taps)

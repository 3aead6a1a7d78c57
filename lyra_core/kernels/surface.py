# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0

"""Rasterise depth maps as triangulated grids into a target view (colour: lyra_core.kernels.shade).

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

__all__ = ["WORD", "Patch", "raster", "resolve_owner"]

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

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0

"""Patch search and patch voting for filling holes (PatchMatch; Barnes et al., SIGGRAPH 2009, in Jacobi form).

Every target reads the field of the previous sweep and writes its own cell, so bands of targets run in any order with
the same result, on the CPU and on CUDA.
"""

from __future__ import annotations

import warp as wp

from lyra_core.kernels.launch import initialise, run_bands

__all__ = ["improve", "vote"]

wp.set_module_options({"enable_backward": False})

_NONE = wp.constant(255)  # offered by cells that cannot be copied from


@wp.struct
class _Weights:
    """What differences count; see TextureSettings."""

    scale: float
    near: float
    guess: float
    seam: float
    kind: float


@wp.func
def _cost(
    image: wp.array3d(dtype=wp.float32),
    weight: wp.array2d(dtype=wp.float32),
    scale: wp.array2d(dtype=wp.float32),
    guess: wp.array3d(dtype=wp.float32),
    tx: int,
    ty: int,
    sx: int,
    sy: int,
    radius: int,
    scale_weight: float,
    near_weight: float,
    guess_weight: float,
    habit: float,
    limit: float,
):
    """Weighted mean squared colour difference of two patches plus habit and penalties on scale, distance and what is
    expected in their middles; stops above limit."""
    height = image.shape[0]
    width = image.shape[1]
    step = scale[ty, tx] - scale[sy, sx]
    away = (float(tx - sx) * float(tx - sx) + float(ty - sy) * float(ty - sy)) / float(width * width)
    extra = scale_weight * step * step + near_weight * away + habit
    if guess_weight > 0.0:
        p = guess[ty, tx, 0] - guess[sy, sx, 0]
        q = guess[ty, tx, 1] - guess[sy, sx, 1]
        r = guess[ty, tx, 2] - guess[sy, sx, 2]
        extra += guess_weight * (p * p + q * q + r * r)
    total = float(0.0)
    norm = float(1.0e-6)
    # The full weight is known only at the end; the partial mean over the largest possible weight is a lower bound.
    bound = (limit - extra) * float((2 * radius + 1) * (2 * radius + 1))
    if bound <= 0.0:
        return limit
    for dy in range(-radius, radius + 1):
        y = ty + dy
        if y >= 0 and y < height:
            for dx in range(-radius, radius + 1):
                x = tx + dx
                if x >= 0 and x < width:
                    w = weight[y, x]
                    a = image[y, x, 0] - image[sy + dy, sx + dx, 0]
                    b = image[y, x, 1] - image[sy + dy, sx + dx, 1]
                    c = image[y, x, 2] - image[sy + dy, sx + dx, 2]
                    k = image[y, x, 3] - image[sy + dy, sx + dx, 3]
                    total += w * (a * a + b * b + c * c + k * k)
                    norm += w
        if total > bound:
            return limit
    return wp.min(total / norm + extra, limit)


@wp.func
def _habit(
    field: wp.array3d(dtype=wp.int32),
    usage: wp.array2d(dtype=wp.float32),
    wanted: wp.array2d(dtype=wp.int32),
    offered: wp.array2d(dtype=wp.int32),
    tx: int,
    ty: int,
    sx: int,
    sy: int,
    seam_weight: float,
    kind_weight: float,
):
    """What a source costs whatever it looks like: how much is copied from it already, the share of neighbours that are
    copied from elsewhere, and whether it is of another kind."""
    apart = float(0.0)
    count = float(1.0e-6)
    for side in range(4):
        ny = ty + wp.where(side == 0, -1, wp.where(side == 1, 1, 0))
        nx = tx + wp.where(side == 2, -1, wp.where(side == 3, 1, 0))
        if ny >= 0 and ny < field.shape[0] and nx >= 0 and nx < field.shape[1]:
            if field[ny, nx, 0] >= 0:
                count += 1.0
                if field[ny, nx, 0] + ty - ny != sy or field[ny, nx, 1] + tx - nx != sx:
                    apart += 1.0
    other = wp.where(offered[sy, sx] == wanted[ty, tx], 0.0, kind_weight)
    return usage[sy, sx] + seam_weight * apart / count + other


@wp.func
def _price(
    image: wp.array3d(dtype=wp.float32),
    weight: wp.array2d(dtype=wp.float32),
    scale: wp.array2d(dtype=wp.float32),
    guess: wp.array3d(dtype=wp.float32),
    field: wp.array3d(dtype=wp.int32),
    usage: wp.array2d(dtype=wp.float32),
    wanted: wp.array2d(dtype=wp.int32),
    offered: wp.array2d(dtype=wp.int32),
    tx: int,
    ty: int,
    sx: int,
    sy: int,
    radius: int,
    weights: _Weights,
    limit: float,
):
    """What it costs to copy a patch from a place; limit where nothing is offered there or it costs more."""
    if sy < 0 or sy >= image.shape[0] or sx < 0 or sx >= image.shape[1]:
        return limit
    if offered[sy, sx] == _NONE:
        return limit
    habit = _habit(field, usage, wanted, offered, tx, ty, sx, sy, weights.seam, weights.kind)
    return _cost(
        image, weight, scale, guess, tx, ty, sx, sy, radius, weights.scale, weights.near, weights.guess, habit, limit
    )


@wp.kernel
def _improve(
    image: wp.array3d(dtype=wp.float32),
    weight: wp.array2d(dtype=wp.float32),
    scale: wp.array2d(dtype=wp.float32),
    guess: wp.array3d(dtype=wp.float32),
    usage: wp.array2d(dtype=wp.float32),
    wanted: wp.array2d(dtype=wp.int32),
    offered: wp.array2d(dtype=wp.int32),
    targets: wp.array2d(dtype=wp.int32),
    field: wp.array3d(dtype=wp.int32),
    start: int,
    radius: int,
    reach: int,
    samples: int,
    weights: _Weights,
    seed: int,
    field_out: wp.array3d(dtype=wp.int32),
    cost_out: wp.array2d(dtype=wp.float32),
):
    i = start + wp.tid()
    ty = targets[i, 0]
    tx = targets[i, 1]
    height = image.shape[0]
    width = image.shape[1]
    by = field[ty, tx, 0]
    bx = field[ty, tx, 1]
    best = _price(image, weight, scale, guess, field, usage, wanted, offered, tx, ty, bx, by, radius, weights, 1.0e6)
    # Neighbours at two distances: their source, moved along.
    for k in range(8):
        step = wp.where(k < 4, 1, reach)
        side = k % 4
        ny = ty + wp.where(side == 0, -step, wp.where(side == 1, step, 0))
        nx = tx + wp.where(side == 2, -step, wp.where(side == 3, step, 0))
        if ny >= 0 and ny < height and nx >= 0 and nx < width:
            if field[ny, nx, 0] >= 0:
                sy = field[ny, nx, 0] + ty - ny
                sx = field[ny, nx, 1] + tx - nx
                c = _price(
                    image, weight, scale, guess, field, usage, wanted, offered, tx, ty, sx, sy, radius, weights, best
                )
                if c < best:
                    best = c
                    by = sy
                    bx = sx
    # Random search around the best, from the whole picture down to a pixel.
    state = wp.rand_init(seed, i)
    span = float(wp.max(height, width))
    for _k in range(samples):
        sy = by + int((2.0 * wp.randf(state) - 1.0) * span)
        sx = bx + int((2.0 * wp.randf(state) - 1.0) * span)
        c = _price(image, weight, scale, guess, field, usage, wanted, offered, tx, ty, sx, sy, radius, weights, best)
        if c < best:
            best = c
            by = sy
            bx = sx
        span = wp.max(span * 0.6, 2.0)
    field_out[ty, tx, 0] = by
    field_out[ty, tx, 1] = bx
    cost_out[ty, tx] = best


@wp.kernel
def _vote(
    image: wp.array3d(dtype=wp.float32),
    field: wp.array3d(dtype=wp.int32),
    cost: wp.array2d(dtype=wp.float32),
    holes: wp.array2d(dtype=wp.int32),
    start: int,
    radius: int,
    sharpness: float,
    colour_out: wp.array2d(dtype=wp.float32),
):
    i = start + wp.tid()
    y = holes[i, 0]
    x = holes[i, 1]
    height = image.shape[0]
    width = image.shape[1]
    r = float(0.0)
    g = float(0.0)
    b = float(0.0)
    norm = float(0.0)
    for dy in range(-radius, radius + 1):
        ty = y + dy
        if ty >= 0 and ty < height:
            for dx in range(-radius, radius + 1):
                tx = x + dx
                if tx >= 0 and tx < width:
                    if field[ty, tx, 0] >= 0:
                        sy = field[ty, tx, 0] - dy
                        sx = field[ty, tx, 1] - dx
                        w = wp.exp(-cost[ty, tx] * sharpness) + 1.0e-6
                        r += w * image[sy, sx, 0]
                        g += w * image[sy, sx, 1]
                        b += w * image[sy, sx, 2]
                        norm += w
    colour_out[i, 0] = r / norm
    colour_out[i, 1] = g / norm
    colour_out[i, 2] = b / norm


def improve(
    fields,
    targets,
    *,
    radius,
    reach,
    samples,
    scale_weight,
    near_weight,
    guess_weight=0.0,
    seam_weight=0.0,
    kind_weight=1e3,
    seed,
    device,
):
    """One sweep. fields: dict of arrays image (H,W,4) f32 (colour, kind), weight, scale, usage (H,W) f32, wanted, offered (H,W) i32, field
    (H,W,2) i32 (y, x of the source, -1 outside the targets), and guess (H,W,3) f32 where guess_weight > 0: colours that
    are expected there, coarsely; targets (N,2) i32 (y, x). Returns new field and cost."""
    import numpy as np

    initialise()
    guess = fields["guess"] if guess_weight > 0 else np.zeros((1, 1, 3), np.float32)
    inputs = [wp.array(np.ascontiguousarray(fields[n]), device=device) for n in ("image", "weight", "scale")]
    inputs += [wp.array(np.ascontiguousarray(a), dtype=wp.float32, device=device) for a in (guess, fields["usage"])]
    inputs += [wp.array(np.ascontiguousarray(fields[n]), device=device) for n in ("wanted", "offered")]
    inputs += [wp.array(targets, device=device), wp.array(fields["field"], device=device)]
    field_out = wp.array(fields["field"], device=device)
    cost_out = wp.zeros(fields["weight"].shape, dtype=wp.float32, device=device)

    weights = _Weights()
    weights.scale, weights.near, weights.guess = scale_weight, near_weight, guess_weight
    weights.seam, weights.kind = seam_weight, kind_weight

    def band(start, stop):
        wp.launch(
            _improve,
            dim=stop - start,
            inputs=[*inputs, start, radius, reach, samples, weights, seed],
            outputs=[field_out, cost_out],
            device=device,
        )

    run_bands(band, len(targets), workers=None if device == "cpu" else 1)
    return field_out.numpy(), cost_out.numpy()


def vote(image, field, cost, holes, *, radius, sharpness, device):
    """Colours (N,3) f32 of the hole pixels (N,2) i32 from the patches that overlap them."""
    initialise()
    inputs = [wp.array(a, device=device) for a in (image, field, cost, holes)]
    out = wp.zeros((len(holes), 3), dtype=wp.float32, device=device)

    def band(start, stop):
        wp.launch(_vote, dim=stop - start, inputs=[*inputs, start, radius, sharpness], outputs=[out], device=device)

    run_bands(band, len(holes), workers=None if device == "cpu" else 1)
    return out.numpy()

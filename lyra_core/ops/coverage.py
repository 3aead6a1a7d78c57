# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Which stored views together see most of a target view: coverage and exact greedy selection.

Depth maps thinned by 4 are projected into the target's grid of 4-pixel cells. A view covers a cell if
one of its points there lies within a tolerance of the nearest point of all views. Greedy selection
takes the view with the most cells not covered yet, ties to the first. (Lyra 2's retrieval.)

compat="reference" keeps its habits: integer pixel coordinates, an absolute tolerance, points without
depth at the world origin and not masked, and the newest view left out with its cells taken as covered. Each has a
switch: lyra_core.ops.quirks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.ops.device import resolve_device
from lyra_core.ops.quirks import Compat, quirks_of
from lyra_core.ops.surface_data import view_matrices
from lyra_core.types import Camera

__all__ = [
    "STRIDE",
    "Compat",
    "View",
    "frustum_hull",
    "greedy",
    "in_view",
    "make_view",
    "most_owned",
    "owner_counts",
    "reach",
]

STRIDE = 4
"""Pixels per cell, and per kept depth sample."""

_TILE = 16  # thinned samples along one side of a tile with its own depth bounds


@dataclass(frozen=True, eq=False)
class View:
    """A stored view thinned for retrieval.

    Attributes
    ----------
    index: frame number (negative for views given by the user).
    depth: (ceil(H/4), ceil(W/4)) float16 (or float32) z-depth [m]; 0 where there is none.
    camera: the full-size view.
    hull: (M, 8, 3) float64 world corners [m] of frusta that hold all points, one for each tile.
    """

    index: int
    depth: NDArray[np.floating]
    camera: Camera
    hull: NDArray[np.float64]


def make_view(
    index: int,
    depth: NDArray[np.float32],
    camera: Camera,
    *,
    valid: NDArray[np.bool_] | None = None,
    dtype: type[np.float16] | type[np.float32] = np.float16,
) -> View:
    """Thin a depth map (H, W) [m] to every fourth pixel; pixels outside valid (H, W) count as empty."""
    thin = depth[::STRIDE, ::STRIDE]
    if valid is not None:
        thin = np.where(valid[::STRIDE, ::STRIDE], thin, 0)
    # Depth beyond float16 is as good as sky for coverage: drop it rather than let it become inf.
    small = np.where(np.isfinite(thin) & (thin < 6.0e4), thin, 0).astype(dtype)
    return View(index, small, camera, frustum_hull(small, camera))


def frustum_hull(depth: NDArray[np.floating], camera: Camera) -> NDArray[np.float64]:
    """(M, 8, 3) world corners [m] of the tiles of a thinned depth map: pixel tile times depth range."""
    rows, columns = depth.shape
    tall, wide = -(-rows // _TILE), -(-columns // _TILE)
    low = np.full((tall * _TILE, wide * _TILE), np.inf, np.float32)
    high = np.zeros((tall * _TILE, wide * _TILE), np.float32)
    low[:rows, :columns] = np.where(depth > 0, depth, np.inf)
    high[:rows, :columns] = depth
    low = low.reshape(tall, _TILE, wide, _TILE).min(axis=(1, 3))
    high = high.reshape(tall, _TILE, wide, _TILE).max(axis=(1, 3))
    row, column = np.nonzero(high > 0)
    span = _TILE * STRIDE
    # One cell of margin: the target rounds to cells, and float32 projection rounds too.
    corner = np.array([(x, y) for y in (-STRIDE, span) for x in (-STRIDE, span)], np.float64)
    pixels = np.stack([column, row], axis=1)[:, None] * span + corner
    rays = np.concatenate([pixels, np.ones((*pixels.shape[:2], 1))], axis=2) @ np.linalg.inv(camera.intrinsics).T
    near, far = (bound[row, column].astype(np.float64)[:, None, None] for bound in (low, high))
    local = np.concatenate([rays * near, rays * far], axis=1)
    return local @ camera.world_from_camera[:3, :3].T + camera.center


def in_view(hull: NDArray[np.float64], target: Camera, *, margin: float = 2.0 * STRIDE) -> NDArray[np.bool_]:
    """(M,) bool: False where all 8 corners of a tile lie outside one plane of target's frustum (so it is unseen).

    margin [px] widens the frustum. Never False for a tile that holds a visible point, because the tile
    is inside the convex hull of its corners.
    """
    local = (hull - target.center) @ target.world_from_camera[:3, :3]
    image = local @ target.intrinsics.T
    z = image[..., 2]
    outside = [
        z <= 0,
        image[..., 0] < -margin * z,
        image[..., 0] > (target.width + margin) * z,
        image[..., 1] < -margin * z,
        image[..., 1] > (target.height + margin) * z,
    ]
    return ~np.logical_or.reduce([side.all(axis=-1) for side in outside])


def _grid(target: Camera) -> tuple[int, int]:
    return -(-target.height // STRIDE), -(-target.width // STRIDE)


def _matrices(view: View, target: Camera, compat: Compat) -> tuple[NDArray[np.float64], ...]:
    """forward (3, 3), offset (3,), phantom (3,): thinned (column, row, 1) of view to target cells."""
    forward, offset = view_matrices(view.camera, target)
    shrink = np.diag([1 / STRIDE, 1 / STRIDE, 1.0])
    # The sample at (column, row) sits at the centre of pixel (4 column, 4 row); the reference forgets the half.
    quirks = quirks_of(compat)
    half = 0.0 if quirks.integer_pixels else 0.5
    place = np.array([[STRIDE, 0, half], [0, STRIDE, half], [0, 0, 1.0]])
    phantom = np.zeros(3)
    if quirks.phantom_points:
        phantom = shrink @ target.intrinsics @ target.camera_from_world[:3, 3]
    return shrink @ forward @ place, shrink @ offset, phantom


def reach(
    views: Sequence[View],
    targets: Sequence[Camera],
    *,
    absolute: float = 0.0,
    relative: float = 0.03,
    compat: Compat = "default",
    device: str = "cpu",
) -> NDArray[np.uint32]:
    """(N, words) bit sets of the target cells, of all targets in turn, that each view covers.

    absolute [m], relative: a point counts if z <= nearest * (1 + relative) + absolute.
    """
    device = resolve_device(device)
    parts = []
    for target in targets:
        matrices = [_matrices(view, target, compat) for view in views]
        arguments = {"round_cells": quirks_of(compat).integer_pixels, "absolute": absolute, "relative": relative}
        if device == "numpy":
            parts.append(_reach(views, matrices, _grid(target), **arguments))
        else:
            from lyra_core.kernels import coverage

            parts.append(coverage.reach([v.depth for v in views], matrices, _grid(target), device=device, **arguments))
    return np.concatenate(parts, axis=1)


def _reach(
    views: Sequence[View],
    matrices: Sequence[tuple[NDArray[np.float64], ...]],
    grid: tuple[int, int],
    *,
    round_cells: bool,
    absolute: float,
    relative: float,
) -> NDArray[np.uint32]:
    height, width = grid
    nearest = np.full(height * width, np.inf, np.float32)
    landings = []
    for view, (forward, offset, phantom) in zip(views, matrices, strict=True):
        row, column = np.indices(view.depth.shape)
        pixel = np.stack([column, row, np.ones_like(row)], axis=-1).astype(np.float32)
        depth = view.depth.astype(np.float32)[..., None]
        point = depth * (pixel @ forward.T.astype(np.float32)) + offset.astype(np.float32)
        point = np.where(depth > 0, point, phantom.astype(np.float32)).reshape(-1, 3)
        point = point[point[:, 2] > 0]
        place = point[:, :2] / point[:, 2:]
        place = np.rint(place) if round_cells else np.floor(place)
        inside = ((place >= 0) & (place < (width, height))).all(axis=1)
        cell = place[inside].astype(np.int64) @ np.array([1, width])
        z = point[inside, 2]
        np.minimum.at(nearest, cell, z)
        landings.append((cell, z))
    shown = np.zeros((len(views), -(-height * width // 32) * 32), bool)
    for i, (cell, z) in enumerate(landings):
        limit = nearest[cell]
        shown[i, cell[z <= limit + np.float32(absolute) + np.float32(relative) * limit]] = True
    return np.packbits(shown, axis=1, bitorder="little").view(np.uint32)


def greedy(  # noqa: PLR0913 - keyword options of one choice
    views: Sequence[View],
    targets: Sequence[Camera],
    *,
    count: int = 5,
    absolute: float | None = None,
    relative: float = 0.03,
    skip_newest: bool | None = None,
    cull: bool = True,
    compat: Compat = "default",
    device: str = "cpu",
) -> tuple[int, ...]:
    """Positions in views of at most count views that cover most cells of the targets, best **last**.

    Parameters
    ----------
    absolute: depth tolerance [m]; default 0, in reference mode 0.1.
    relative: depth tolerance as a part of the depth (not used in reference mode).
    skip_newest: leave out the view with the largest index and take its cells as covered, if that index
        is > 0. Default: only in reference mode.
    cull: first drop views that provably touch no target (same result, faster; not in reference mode,
        where stray points at the world origin may touch anything).
    """
    if count < 1:
        raise InputError("At least one view must be asked for", got=str(count), do="Use 1 or more")
    quirks = quirks_of(compat)
    if not views or not targets:
        return ()
    if cull and not quirks.phantom_points:
        keep = [i for i, view in enumerate(views) if any(in_view(view.hull, t).any() for t in targets)]
    else:
        keep = list(range(len(views)))
    if not keep:
        return ()
    bits = reach(
        [views[i] for i in keep], targets, compat=compat, device=device,
        absolute=(0.1 if quirks.absolute_tolerance else 0.0) if absolute is None else absolute,
        relative=0.0 if quirks.absolute_tolerance else relative,
    )  # fmt: skip
    newest = -1
    if quirks.newest_covers if skip_newest is None else skip_newest:
        newest = max(range(len(views)), key=lambda i: (views[i].index, -i))
        newest = -1 if views[newest].index <= 0 else newest
    picked = _pick(bits, count, keep.index(newest) if newest in keep else -1)
    return tuple(keep[i] for i in reversed(picked))


def _pick(bits: NDArray[np.uint32], count: int, excluded: int) -> list[int]:
    """Exact greedy cover of bit sets (N, words), first pick first; ties to the lowest row, stops at no gain."""
    missing = np.full(bits.shape[1], 0xFFFFFFFF, np.uint32)
    if excluded >= 0:
        missing &= ~bits[excluded]
    picked: list[int] = []
    while len(picked) < count:
        gain = np.bitwise_count(bits & missing).sum(axis=1, dtype=np.int64)
        gain[picked] = 0
        if excluded >= 0:
            gain[excluded] = 0
        best = int(np.argmax(gain))
        if gain[best] == 0:
            break
        picked.append(best)
        missing &= ~bits[best]
    return picked


def owner_counts(
    views: Sequence[View],
    targets: Sequence[Camera],
    *,
    absolute: float = 1e-6,
    compat: Compat = "reference",
    device: str = "cpu",
) -> NDArray[np.int64]:
    """(N,) cells that each view owns: the first view within absolute [m] of the nearest point owns the cell."""
    bits = reach(views, targets, absolute=absolute, relative=0.0, compat=compat, device=device)
    counts = np.zeros(len(views), np.int64)
    free = np.full(bits.shape[1], 0xFFFFFFFF, np.uint32)
    for i, row in enumerate(bits):
        counts[i] = int(np.bitwise_count(row & free).sum())
        free &= ~row
    return counts


def most_owned(counts: NDArray[np.int64], count: int = 5) -> tuple[int, ...]:
    """Positions of the count views that own most cells, best last; ties to the first."""
    return tuple(reversed(np.argsort(-counts, kind="stable")[:count].tolist()))

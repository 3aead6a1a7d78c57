# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Ground between the floor and ground at another height: no camera saw into the crack, but nothing may fall through it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lyra_core.meshing.columns import vertical_hits
from lyra_core.meshing.floor import FloorPlan, disc, enclosed_holes, grid_mesh
from lyra_core.types import Mesh

__all__ = ["crack_patch"]

_FINE = 0.025  # [m] cells at most this wide: nothing falls between two of them
_GROUND = 0.3  # least z of the normal of what carries (73 degrees)
_RAISED = 0.15  # [m] ground up to this far above the floor is walked on (and floor to the drop test)
_SUNK = 0.15  # [m] ground farther below the floor than this, in a trench as narrow as a gap, is a gap
_BRIDGE = 0.15  # [m] gaps up to twice this are closed even where they lead out of the world
_UNDER = 0.002  # [m] below what it joins, so that the joined surface stays on top
_RELAX = 60  # rounds of averaging: the ground in a crack slopes from one side to the other


def crack_patch(body: Mesh, plan: FloorPlan, *, max_area: float) -> Mesh | None:
    """Squares that close the cracks beside the slab, sloping from the heights around them; None where there are none.

    body: the collider without its floor [world frame]. max_area: enclosed gaps up to this area are closed [m^2].
    A gap beside the floor alone is the slab's business: `plan` has decided on it already.
    """
    split = max(1, int(np.ceil(plan.cell / _FINE)))
    cell = plan.cell / split
    solid = np.repeat(np.repeat(plan.solid, split, axis=0), split, axis=1)
    lowest = _ground(body, plan, cell, solid.shape)
    ground = np.isfinite(lowest) & ~solid
    covered = solid | ground
    closed = np.asarray(ndimage.binary_closing(covered, disc(_BRIDGE, cell)), np.bool_) | covered
    closed |= enclosed_holes(closed, int(max_area / cell**2))
    # Sheets that fall away between two that carry: what rolls in follows them out of the world.
    sunk = ground & (lowest < plan.height - _SUNK)
    wide = ndimage.binary_dilation(ndimage.binary_opening(sunk, disc(_BRIDGE, cell)), disc(_BRIDGE, cell))
    trench = sunk & ~np.asarray(wide, np.bool_)
    gaps = (closed & ~covered) | trench
    parts = np.zeros(gaps.shape, np.int32)
    ndimage.label(gaps, output=parts)
    beside = np.zeros(int(parts.max()) + 1, np.bool_)
    beside[parts[np.asarray(ndimage.binary_dilation(ground, iterations=2), np.bool_)]] = True
    beside[0] = False
    gaps &= beside[parts]
    if not gaps.any():
        return None
    beneath = np.where(lowest < plan.height - _SUNK, plan.height, np.minimum(lowest, plan.height))
    known = np.where(solid, beneath, lowest)  # a sheet far under the floor is not what a patch joins
    heights = _interpolated(np.where(gaps, np.inf, known), gaps)
    cells = np.asarray(ndimage.binary_dilation(gaps, np.ones((3, 3))), np.bool_) & (gaps | covered)
    # A corner takes the lowest of its cells, so that no edge of the patch stands above what it joins.
    field = np.where(cells, heights, np.inf)
    padded = np.pad(field, 1, constant_values=np.inf)
    corner = np.minimum.reduce([padded[:-1, :-1], padded[1:, :-1], padded[:-1, 1:], padded[1:, 1:]])
    return grid_mesh(cells, corner - _UNDER, plan.origin, cell)


def _ground(body: Mesh, plan: FloorPlan, cell: float, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(shape) lowest surface in the middle of each cell that carries and is hardly higher than the floor [m], inf where there is none."""
    out = np.full(shape[0] * shape[1], np.inf)
    corners = body.vertices[body.faces].astype(np.float64)
    top = plan.height + max(plan.band, _RAISED)
    corners = corners[corners[..., 2].min(axis=1) <= top]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    corners = corners[normal[:, 2] > _GROUND * np.linalg.norm(normal, axis=1)]
    # At the middle of a cell, not anywhere in it: a crack between two sheets may run through cells that both reach into.
    middle = [low + cell * (np.arange(size) + 0.5) for low, size in zip(plan.origin, shape, strict=True)]
    xy = np.stack(np.meshgrid(*middle, indexing="ij"), axis=-1).reshape(-1, 2)
    lines = np.arange(len(xy)).reshape(shape)
    for line, z in vertical_hits(corners, lines, xy, origin=plan.origin, cell=cell):
        np.minimum.at(out, line[z <= top], z[z <= top])
    return out.reshape(shape)


def _interpolated(known: NDArray[np.float64], gaps: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Heights of the gaps that run smoothly between the finite values of known around them."""
    nearest = np.asarray(
        ndimage.distance_transform_edt(~np.isfinite(known), return_distances=False, return_indices=True)
    )
    out = known[tuple(nearest)]
    kernel = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]) / 4
    for _ in range(_RELAX):
        out = np.where(gaps, ndimage.convolve(out, kernel, mode="nearest"), out)
    return out

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
"""Things of boxes set into a rendered view, with exact depth.

Upright cutouts have no top and no side. What a robot has to drive around does: a bench is a plane of its own half a metre
over the floor. A thing here is a few boxes on a surface of the view, met by the rays of its pixels (slab test, Kay and
Kajiya 1986, "Ray Tracing Complex Scenes"), four a pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from lyra_core.training.box_shapes import BOX_SHAPES, Box, build_shape
from lyra_core.training.cutout_paint import paint, shade_floor

__all__ = ["set_boxes_in"]

_F32 = NDArray[np.float32]
_KINDS = tuple(BOX_SHAPES)
_WEIGHTS = np.array([BOX_SHAPES[kind][1] for kind in _KINDS]) / sum(share for _, share in BOX_SHAPES.values())
_LEAST = 30  # pixels that a thing has to cover
_MOST = 0.45  # share of the picture that it may cover
_NEAREST = 0.2  # [m] along the axis of the view; what reaches nearer is not set in
_TILE, _TILE_SIDE = 2.0, 128  # [m] and pixels of the picture that covers a face


def set_boxes_in(
    image: _F32, depth: _F32, rays: _F32, foot: _F32, up: _F32, rng: np.random.Generator,
    texture: Callable[[], NDArray[np.uint8]],
) -> None:  # fmt: skip
    """Draw one thing whose foot is at a point [m, camera frame] into image (H, W, 3) and depth (H, W), in place.

    rays: (H, W, 3) with z = 1. up: (3,) unit. texture: gives a picture (H, W, 3) uint8 to cut colours from.
    """
    boxes = build_shape(_KINDS[int(rng.choice(len(_KINDS), p=_WEIGHTS))], rng)
    turn = rng.uniform(0, 2 * np.pi)
    side = np.cross(up, [0.0, 0.0, 1.0])
    side /= max(float(np.linalg.norm(side)), 1e-9)
    ahead = np.cross(up, side)
    along = np.cos(turn) * side + np.sin(turn) * ahead
    frame = np.stack([along, np.cross(up, along), up]).astype(np.float32)  # rows: axes of the thing, camera frame
    window = _window(boxes, frame, foot, rays)
    if window is None or min(s.stop - s.start for s in window) < 3:
        return
    nearest, which, axis, start, directions = _met(boxes, frame, foot, _quarters(rays[window]))
    scene = np.repeat(np.repeat(np.where(depth[window] > 0, depth[window], np.inf), 2, 0), 2, 1)
    hit = nearest < scene
    if not 4 * _LEAST < hit.sum() < 4 * _MOST * depth.size:
        return
    colours = _colours(boxes, nearest, which, axis, start, directions, rng, texture)
    _shade(image[window], depth[window], rays[window], frame, foot, boxes, rng)
    share = _mean(hit.astype(np.float32))[..., None]
    mixed = _mean(np.where(hit[..., None], colours, 0)) + (1 - share) * image[window]
    image[window] = mixed
    own = np.where(hit, nearest, np.float32(np.inf))
    own = np.minimum(np.minimum(own[::2, ::2], own[1::2, ::2]), np.minimum(own[::2, 1::2], own[1::2, 1::2]))
    np.copyto(depth[window], own, where=share[..., 0] > 0.5)


def _window(boxes: Sequence[Box], frame: _F32, foot: _F32, rays: _F32) -> tuple[slice, slice] | None:
    """The part of the picture (rays (H, W, 3)) that may show the boxes; None where that is not simple."""
    corners = np.array([list(product(*zip(box.low, box.high, strict=True))) for box in boxes]).reshape(-1, 3)
    points = corners @ frame + foot
    if points[:, 2].min() < _NEAREST:
        return None
    seen = points[:, :2] / points[:, 2:]
    low, high = seen.min(axis=0), seen.max(axis=0)
    columns = np.flatnonzero((rays[0, :, 0] > low[0]) & (rays[0, :, 0] < high[0]))
    rows = np.flatnonzero((rays[:, 0, 1] > low[1]) & (rays[:, 0, 1] < high[1]))
    if not len(columns) or not len(rows):
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _quarters(rays: _F32) -> _F32:
    """(2H, 2W, 3) rays of quarters of pixels from rays (H, W, 3) of pixels with z = 1."""
    step = float(rays[0, 1, 0] - rays[0, 0, 0])
    ends = np.array([-0.25, 0.25], np.float32) * step
    x, y = (np.add.outer(line, ends).ravel() for line in (rays[0, :, 0], rays[:, 0, 1]))
    return np.stack([*np.meshgrid(x, y), np.ones((len(y), len(x)))], axis=-1).astype(np.float32)


def _met(
    boxes: Sequence[Box], frame: _F32, foot: _F32, rays: _F32
) -> tuple[_F32, NDArray[np.int8], NDArray[np.int8], _F32, _F32]:
    """What rays (H, W, 3) meet first: depth (H, W) [m], number of the box, axis of the face; and start (3,) and
    directions (3, H, W) of the rays in the frame of the thing."""
    directions = np.ascontiguousarray((rays @ frame.T).transpose(2, 0, 1))
    start = (frame @ -foot).astype(np.float32)
    inverse = 1 / np.where(np.abs(directions) < 1e-6, np.float32(1e-6), directions)
    nearest = np.full(rays.shape[:2], np.inf, np.float32)
    which, axis = (np.zeros(rays.shape[:2], np.int8) for _ in range(2))
    for index, box in enumerate(boxes):
        window = _window([box], frame, foot, rays)
        if window is None:
            continue
        enters, leaves = [], []
        for k in range(3):
            inside = inverse[k][window]
            one, other = (box.low[k] - start[k]) * inside, (box.high[k] - start[k]) * inside
            enters.append(np.minimum(one, other))
            leaves.append(np.maximum(one, other))
        first = np.maximum(np.maximum(enters[0], enters[1]), enters[2])
        last = np.minimum(np.minimum(leaves[0], leaves[1]), leaves[2])
        better = (first < last) & (first < nearest[window])
        np.copyto(nearest[window], first, where=better)
        np.copyto(which[window], index, where=better)
        np.copyto(
            axis[window],
            np.where(first == enters[0], 0, np.where(first == enters[1], 1, 2)),
            where=better,
            casting="unsafe",
        )
    return nearest, which, axis, start, directions


def _colours(
    boxes: Sequence[Box], nearest: _F32, which: NDArray[np.int8], axis: NDArray[np.int8], start: _F32, directions: _F32,
    rng: np.random.Generator, texture: Callable[[], NDArray[np.uint8]],
) -> _F32:  # fmt: skip
    """(H, W, 3) lit colours where something is met, anything elsewhere."""
    reach = np.where(np.isinf(nearest), np.float32(0), nearest)
    x, y, z = (start[k] + directions[k] * reach for k in range(3))
    light = rng.normal(size=3)
    light[2] = abs(light[2])  # from above
    light /= np.linalg.norm(light)
    strength = np.float32(rng.uniform(0.1, 0.7))
    lit = np.ones_like(nearest)
    for k in range(3):
        facing = np.maximum(-np.sign(directions[k]) * np.float32(light[k]), 0)
        np.copyto(lit, 1 - strength + strength * facing, where=axis == k)
    # Coordinates on the face: the two that are not the axis'.
    scale = np.float32(_TILE_SIDE / _TILE)
    u, v = np.where(axis == 0, y, x) * scale, np.where(axis == 2, y, z) * scale
    picture = texture() if rng.uniform() < 0.7 else None
    out = np.zeros((*nearest.shape, 3), np.float32)
    paints = np.array([box.paint for box in boxes], np.int8)[which]
    for number in sorted({box.paint for box in boxes}):
        tile = paint((_TILE_SIDE, _TILE_SIDE), rng, picture)
        there = paints == number
        if there.any():
            drawn = cv2.remap(tile, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            np.copyto(out, drawn, where=there[..., None])
    # A little darker towards the floor, as light from above leaves it.
    low = np.float32(1) - np.float32(rng.uniform(0, 0.35)) * np.exp(-np.maximum(z, 0) / np.float32(0.25))
    return np.clip(out * (lit * low)[..., None], 0, 1)


def _shade(
    image: _F32, depth: _F32, rays: _F32, frame: _F32, foot: _F32, boxes: Sequence[Box], rng: np.random.Generator
) -> None:
    """Darken the surface under and around the thing: a soft shadow."""
    low, high = (np.array([getattr(box, end) for box in boxes]) for end in ("low", "high"))
    reach = np.maximum(np.maximum(-low.min(axis=0), high.max(axis=0))[:2], 0.05)
    solid = np.isfinite(depth) & (depth > 0)
    local = (rays * np.where(solid, depth, np.float32(0))[..., None] - foot) @ frame.T
    outside = np.maximum(np.abs(local[..., :2]) - reach, 0)
    around = np.linalg.norm(outside, axis=-1) / rng.uniform(0.08, 0.4)
    shade_floor(image, local[..., 2], solid, around, rng.uniform(0, 0.65))


def _mean(values: NDArray) -> _F32:
    """Mean of blocks of two by two pixels."""
    return (values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]) * np.float32(0.25)

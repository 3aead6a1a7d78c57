# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
"""Things set into a rendered view: upright cutouts, and things of boxes, that stand on its floor with their true depth.

Rendered scenes have few things close to the camera, and those of few colours. On photographs the network then paints a
motorcycle's depth onto the wall behind it. Copy and paste (Dwibedi et al. 2017, "Cut, Paste and Learn") costs nothing and
is exact here: a cutout is a plane through a point of the floor, so its depth and what it hides follow from the lens. Its
parts bulge, are lit and coloured apart, by plain colours or pieces of other views.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from lyra_core.training.cutout_boxes import set_boxes_in
from lyra_core.training.cutout_paint import paint, shade_floor
from lyra_core.training.cutout_shapes import SHAPES, SIDE, draw_shape
from lyra_core.training.depth_augment import Sample

__all__ = ["add_cutouts"]

_F32 = NDArray[np.float32]
_NEAR, _FAR = 0.5, 25.0  # [m] how far away the foot of a thing may be
_ASIDE, _REACH = (
    0.4,
    0.5,
)  # share of things of boxes that are moved from their place, by up to this part of its distance
_ALIKE = 0.35  # share of things that have the colours of the view that they are set into
_LEVEL = 0.85  # least cosine between a surface and the horizontal for things to stand on it
_LEAST_ROWS, _MOST_ROWS = 12, 1.3  # height in the picture: pixels, and in pictures
_SHARES = {
    "machine": 3, "cycle": 3, "seat": 2, "railing": 1, "plant": 1, "person": 2, "post": 1, "stack": 2, "shelf": 2, "table": 2, "lump": 2,
}  # fmt: skip
_WIDE = {"machine": 1.4, "cycle": 1.6, "railing": 1.4, "table": 1.4}
_KINDS = tuple(_SHARES)
_WEIGHTS = np.array([_SHARES[kind] for kind in _KINDS], np.float64) / sum(_SHARES.values())
assert set(_KINDS) == set(SHAPES)


def add_cutouts(
    sample: Sample,
    rng: np.random.Generator,
    texture: Callable[[], NDArray[np.uint8]],
    *,
    most: int = 4,
    boxes: float = 0.0,
) -> Sample:
    """The sample with one to `most` flat things that stand on its level surfaces; as it is where there is no such place.

    texture: gives a picture (H, W, 3) to cut colours from. boxes: chance of each of `most` things of boxes
    beside them.
    """
    image, depth = np.array(sample.image, np.float32), np.array(sample.depth, np.float32)
    own = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)

    def colours() -> NDArray[np.uint8]:
        """Of another view, or of this one: a column is often painted as the wall behind it is."""
        return own if rng.uniform() < _ALIKE else texture()

    rays = _rays(sample)
    standing = _standing(depth, rays, np.asarray(sample.up, np.float32))
    rows, columns = np.nonzero(standing)
    if not len(rows):
        return sample
    flat = 1 + int(rng.integers(most))
    built = int(rng.binomial(most, boxes))
    of_boxes = np.arange(flat + built) >= flat
    # The far floor fills few pixels, yet what stands on it melts most: places of most things of boxes and of some flat
    # ones are drawn by their depth, those of the others by pixels, which are near.
    by_depth = rng.uniform(size=len(of_boxes)) < np.where(of_boxes, 0.7, 0.3)
    far = np.cumsum(depth[rows, columns], dtype=np.float64)
    share = rng.uniform(size=len(of_boxes))
    picks = np.where(by_depth, np.searchsorted(far, share * far[-1]), (share * len(rows)).astype(int)).clip(
        max=len(rows) - 1
    )
    order = np.argsort(-depth[rows[picks], columns[picks]])  # far ones first: near ones hide them
    up = np.asarray(sample.up, np.float32)
    for pick, boxy in zip(picks[order], of_boxes[order], strict=True):
        foot = rays[rows[pick], columns[pick]] * float(depth[rows[pick], columns[pick]])
        if boxy:
            if rng.uniform() < _ASIDE:  # what stands at the rim is cut by it: its foot may lie outside the picture
                foot = foot + _level_step(up, _REACH * float(np.linalg.norm(foot)), rng)
            set_boxes_in(image, depth, rays, foot, up, rng, colours)
        else:
            _set_in(image, depth, rays, foot, up, sample.focal, rng, colours)
    return Sample(image, depth, sample.focal, sample.center, sample.up)


def _level_step(up: _F32, most: float, rng: np.random.Generator) -> _F32:
    """(3,) a step of up to `most` [m] in a random direction across `up` (3,) unit."""
    step = rng.normal(size=3)
    step -= (step @ up) * up
    return (most * rng.uniform() / max(float(np.linalg.norm(step)), 1e-9) * step).astype(np.float32)


def _rays(sample: Sample) -> _F32:
    height, width = sample.depth.shape
    x = (np.arange(width) + 0.5 - sample.center[0]) / sample.focal
    y = (np.arange(height) + 0.5 - sample.center[1]) / sample.focal
    return np.stack([*np.meshgrid(x, y), np.ones((height, width))], axis=-1).astype(np.float32)


def _standing(depth: _F32, rays: _F32, up: _F32) -> NDArray[np.bool_]:
    """(H, W) bool, level surface near enough and below the camera."""
    solid = np.isfinite(depth) & (depth > 0)
    points = rays * np.where(solid, depth, np.float32(0))[..., None]
    across, down = np.zeros_like(points), np.zeros_like(points)
    across[:, 1:-1] = points[:, 2:] - points[:, :-2]
    down[1:-1] = points[2:] - points[:-2]
    normal = np.cross(across, down)
    norm = np.maximum(np.linalg.norm(normal, axis=-1), 1e-9)
    level = np.abs(normal @ up) / norm > _LEVEL
    inside = cv2.erode(solid.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return level & inside & (points @ up < -0.1) & (depth > _NEAR) & (depth < _FAR)


def _set_in(
    image: _F32, depth: _F32, rays: _F32, foot: _F32, up: _F32,
    focal: float, rng: np.random.Generator, texture: Callable[[], NDArray[np.uint8]],
) -> None:  # fmt: skip
    """Draw one cutout whose foot is at a point [m, camera frame] into image and depth."""
    kind = _KINDS[int(rng.choice(len(_KINDS), p=_WEIGHTS))]
    _, least, largest = SHAPES[kind]
    high = float(np.exp(rng.uniform(np.log(least), np.log(largest))))
    shown = focal * high / foot[2]
    if not _LEAST_ROWS < shown < _MOST_ROWS * image.shape[0]:
        return
    wide = high * float(np.exp(rng.normal(0, 0.25))) * _WIDE.get(kind, 1.0)
    # Horizontal direction across the line of sight, turned by up to 60 degrees.
    sight = foot / np.linalg.norm(foot)
    across = np.cross(sight, up)
    across /= max(float(np.linalg.norm(across)), 1e-9)
    ahead = np.cross(up, across)
    turn = rng.uniform(-1, 1) * np.radians(60)
    along = np.cos(turn) * across + np.sin(turn) * ahead
    normal = np.cross(along, up)
    towards = rays @ normal
    distance = float(foot @ normal) / np.where(np.abs(towards) < 1e-6, 1e-6, towards)
    points = rays * distance[..., None] - foot
    u, v = points @ along / wide + 0.5, points @ up / high
    there = (distance > 0.1) & (u > 0) & (u < 1) & (v > 0) & (v < 1)
    if there.sum() < 30:
        return
    cover, relief, colours = _drawn(kind, rng, texture)
    map_x, map_y = (u * SIDE - 0.5).astype(np.float32), ((1 - v) * SIDE - 0.5).astype(np.float32)

    def on_plane(value: _F32) -> _F32:
        return cv2.remap(value, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)

    share = np.where(there, on_plane(cover), 0)
    own = (distance - on_plane(relief) * 0.5 * wide).astype(np.float32)
    share = np.where(own < np.where(depth > 0, depth, np.inf), share, 0).astype(np.float32)
    _shade(image, depth, rays, foot, up, wide, rng)
    np.copyto(image, image + share[..., None] * (on_plane(colours) - image))
    np.copyto(depth, own, where=share > 0.5)


def _drawn(kind: str, rng: np.random.Generator, texture: Callable[[], NDArray[np.uint8]]) -> tuple[_F32, _F32, _F32]:
    """Cover (S, S) 0..1, relief (S, S) [half widths of the thing], and lit colours (S, S, 3) of a thing."""
    cover, relief = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), np.float32)
    colours = np.zeros((SIDE, SIDE, 3), np.float32)
    round_ = rng.uniform(0.2, 1.0)
    flat = kind in ("railing", "post", "shelf", "table")
    picture = texture() if rng.uniform() < 0.7 else None
    light = rng.normal(size=2)
    for whole in draw_shape(kind, rng):
        left, top, columns, rows = cv2.boundingRect(whole)
        if not columns:
            continue
        at = slice(top, top + rows), slice(left, left + columns)
        mask = np.ascontiguousarray(whole[at])
        part = mask.astype(np.float32) / np.float32(255)
        # With a rim of nothing: a part that fills its rectangle has no other pixel to measure from.
        solid = np.pad((mask > 127).astype(np.uint8), 1)
        inner = cv2.distanceTransform(solid, cv2.DIST_L2, 3)[1:-1, 1:-1] * np.float32(2 / SIDE)
        # A bulge like that of a round body: steep at the rim, flat in the middle.
        middle = max(float(inner.max()), 1e-3)
        bulge = np.sqrt(np.maximum(inner * (2 * middle - inner), 0)) * np.float32(round_)
        offset = np.float32(0 if flat else rng.uniform(-0.04, 0.08))
        colour = paint((rows, columns), rng, picture)
        slopes = [cv2.Sobel(bulge, cv2.CV_32F, 1 - axis, axis, ksize=3) * np.float32(SIDE / 16) for axis in (0, 1)]
        lit = 1 + np.float32(0.35) * np.tanh(np.float32(light[0]) * slopes[0] + np.float32(light[1]) * slopes[1])
        colours[at] += part[..., None] * (colour * lit[..., None] - colours[at])
        relief[at] += part * (bulge + offset - relief[at])
        cover[at] = np.maximum(cover[at], part)
    return cover, relief, np.clip(colours, 0, 1).astype(np.float32)


def _shade(
    image: _F32, depth: _F32, rays: _F32, foot: _F32, up: _F32,
    wide: float, rng: np.random.Generator,
) -> None:  # fmt: skip
    """A soft shadow around the foot, mostly under the thing."""
    strength = rng.uniform(0, 0.6)
    solid = np.isfinite(depth) & (depth > 0)
    offset = rays * np.where(solid, depth, np.float32(0))[..., None] - foot
    rise = offset @ up
    around = np.linalg.norm(offset - rise[..., None] * up, axis=-1) / (rng.uniform(0.3, 0.7) * wide)
    shade_floor(image, rise, solid, around, strength)

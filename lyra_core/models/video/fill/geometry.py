# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
"""Depth of the unseen: planes continued from the background side of every hole.

Where a hole was torn open by parallax, only its far side knows what is behind; where the picture simply ended, what
was there goes on. Inverse depth is linear in the image on any plane, so a plane is continued by evaluating it. Floor
and ceiling are horizontal planes known over the whole picture; the rest stands upright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry.projection import pixel_rays
from lyra_core.types import Camera, Guide

__all__ = ["CEILING", "FLOOR", "SKY", "WALL", "Completed", "complete_geometry", "snapped_geometry"]

FLOOR, WALL, SKY, CEILING = 0, 1, 2, 3

_STEP = 4  # planes are assigned on a grid this coarse and evaluated on full pixels
_NEARER = 1.2  # a side of a torn hole this much nearer than the other is the foreground
_REACH = 25  # [grid cells] how far the two sides of a torn hole are compared
_FLOOR_SLACK = 0.05  # [m], plus 2 % of the depth
_SNAP = (0.4, 0.7)  # |log ratio| up to which expected depth is drawn onto a plane, and from which it stays as it is
_F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Completed:
    """Geometry without holes.

    Attributes
    ----------
    depth: (H, W) float32 z-depth [m]; 0 where sky.
    sky: (H, W) bool.
    kind: (H, W) uint8 FLOOR, WALL, SKY or CEILING.
    """

    depth: _F32
    sky: NDArray[np.bool_]
    kind: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """The guide, sampled every _STEP pixels."""

    inverse: _F32  # 1/m, 0 for sky and unknown
    known: NDArray[np.bool_]
    kind: NDArray[np.uint8]
    edge: NDArray[np.bool_]  # comes from the border of its source picture
    rays: _F32
    plane: _F32  # (h, w, 3): inverse depth of a ray r is plane . r


def _frame_edge(guide: Guide) -> NDArray[np.bool_]:
    xy = np.nan_to_num(guide.source_xy, nan=1e6)
    width, height, near = guide.camera.width, guide.camera.height, 2.0 * _STEP
    return (xy[..., 0] < near) | (xy[..., 1] < near) | (xy[..., 0] > width - near) | (xy[..., 1] > height - near)


def _ceiling_height(height: _F32, rise: _F32, usable: NDArray[np.bool_]) -> float | None:
    """World z [m] of a ceiling: a level above the camera that many pixels share."""
    above = height[usable & (rise > 0.08)]
    if len(above) < 60:
        return None
    low, high = float(above.min()), float(above.max())
    if high - low < 1e-3:
        return float(np.median(above))
    counts, edges = np.histogram(above, bins=np.arange(low, high + 0.1, 0.06))
    best = int(np.argmax(counts))
    return float(edges[best] + 0.03) if counts[best] > 0.35 * len(above) else None


def _upright_planes(inverse: _F32, wall: NDArray[np.bool_], rays: _F32, gravity: NDArray[np.float64]) -> _F32:
    """(h, w, 3) vertical plane through each wall cell, fitted in a window; facing the camera where no fit holds."""
    import cv2

    up = gravity.astype(np.float32)
    ahead = np.array([0, 0, 1], np.float32) - up * up[2]
    ahead /= max(float(np.linalg.norm(ahead)), 1e-6)
    aside = np.cross(up, ahead)
    u, v = rays @ aside, rays @ ahead
    w = wall.astype(np.float32)

    def box(values: _F32) -> _F32:
        return cv2.blur(values * w, (13, 13), borderType=cv2.BORDER_CONSTANT)

    uu, uv, vv, ud, vd = box(u * u), box(u * v), box(v * v), box(u * inverse), box(v * inverse)
    determinant = uu * vv - uv * uv
    sound = determinant > 1e-7
    safe = np.where(sound, determinant, 1)
    alpha, beta = (vv * ud - uv * vd) / safe, (uu * vd - uv * ud) / safe
    fitted = alpha * u + beta * v
    good = sound & (np.abs(fitted - inverse) < 0.04 * inverse)
    # Shift the fit through the cell itself, or stand a board there.
    alpha = np.where(good, alpha, 0)
    beta = np.where(good, beta + (inverse - fitted) / np.maximum(v, 0.2), inverse / np.maximum(v, 0.2))
    return (alpha[..., None] * aside + beta[..., None] * ahead).astype(np.float32)


def _level_plane(up: NDArray[np.float64], offset: float) -> _F32:
    """plane such that plane . ray is the inverse depth of a level plane offset [m] above the camera."""
    return (up / offset).astype(np.float32)


def _grid(
    guide: Guide, known: NDArray[np.bool_], kind: NDArray[np.uint8], up: NDArray[np.float64],
    levels: tuple[float, float | None],
) -> _Grid:  # fmt: skip
    at = slice(_STEP // 2, None, _STEP)
    depth, seen, sky, kind = guide.depth[at, at], known[at, at], guide.sky[at, at], kind[at, at]
    rays = pixel_rays(guide.camera)[at, at]
    solid = seen & ~sky & (depth > 0)
    inverse = np.where(solid, 1.0 / np.maximum(depth, 1e-3), 0).astype(np.float32)
    plane = _upright_planes(inverse, solid & (kind == WALL), rays, up)
    plane[kind == FLOOR] = _level_plane(up, -levels[0])
    if levels[1] is not None:
        plane[kind == CEILING] = _level_plane(up, levels[1] - levels[0])
    plane[kind == SKY] = 0
    return _Grid(inverse, solid | (sky & seen), kind, _frame_edge(guide)[at, at], rays, plane)


def _foreground(grid: _Grid) -> NDArray[np.bool_]:
    """Known cells beside a torn hole that are nearer than its other side."""
    import cv2

    hole = (~grid.known).astype(np.uint8)
    beside = grid.known & (cv2.dilate(hole, np.ones((3, 3), np.uint8)) > 0)
    torn = beside & ~grid.edge
    far = np.where(torn, grid.inverse, np.float32(1e6))
    far = cv2.erode(far, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_REACH, _REACH)))
    near = torn & (grid.inverse > far * _NEARER + 1e-3) & (grid.kind != FLOOR)
    # The mixed cells behind the rim of a foreground belong to it.
    rim = cv2.dilate(near.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return near | (rim & beside & (grid.kind == WALL) & (grid.inverse > far * _NEARER))


def _nearest(sources: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], _F32]:
    """Row, column and distance of the nearest source cell for every cell; distance inf where there is none."""
    import cv2

    if not sources.any():
        zero = np.zeros(sources.shape, np.int64)
        return zero, zero, np.full(sources.shape, np.inf, np.float32)
    distance, label = cv2.distanceTransformWithLabels(
        (~sources).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(sources)
    table = np.zeros(int(label.max()) + 1, np.int64)
    table[label[rows, columns]] = np.arange(len(rows))
    return rows[table[label]], columns[table[label]], distance


def _up(camera: Camera) -> NDArray[np.float64]:
    return camera.world_from_camera[2, :3].copy()  # world Z in camera axes: the last row of the rotation


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """What a guide says of the surfaces around.

    Attributes
    ----------
    grid: the guide on coarse cells. rays (H, W, 3), rise (H, W): of the full pixels; rise is their z in the world.
    levels: height of the camera over the floor and of a ceiling over it [m], None where there is none.
    seen: (H, W) uint8 kind of the known pixels. far: inverse depth [1/m] below which nothing is told from the sky.
    """

    grid: _Grid
    rays: _F32
    rise: _F32
    levels: tuple[float, float | None]
    seen: NDArray[np.uint8]
    far: float


def _scene(guide: Guide, known: NDArray[np.bool_]) -> _Scene:
    up = _up(guide.camera)
    level = float(guide.camera.center[2])
    level = level if abs(level) > 0.05 else 0.05
    rays = pixel_rays(guide.camera)
    rise = rays @ up.astype(np.float32)
    solid = known & ~guide.sky & (guide.depth > 0)
    coarse = slice(None, None, _STEP)
    ceiling = None
    if (guide.sky & known).mean() < 0.002:
        height = rise * guide.depth + np.float32(level)
        ceiling = _ceiling_height(height[coarse, coarse], rise[coarse, coarse], solid[coarse, coarse])
        ceiling = ceiling if ceiling is not None and ceiling > level + 0.3 else None
    seen = _seen_kind(guide, solid, rise, (level, ceiling))
    grid = _grid(guide, known, seen, up, (level, ceiling))
    far = 1.0 / (1.5 * max(float(guide.depth.max(initial=0.0)), 4.0))
    return _Scene(grid, rays, rise, (level, ceiling), seen, far)


def _completed(
    guide: Guide, known: NDArray[np.bool_], scene: _Scene, inverse: _F32, kind: NDArray[np.uint8]
) -> Completed:
    depth = np.where(kind == SKY, 0, 1.0 / np.maximum(inverse, scene.far)).astype(np.float32)
    kind = np.where(known, scene.seen, kind).astype(np.uint8)
    depth = np.where(known, np.where(guide.sky, 0, guide.depth), depth)
    sky = np.where(known, guide.sky, kind == SKY)
    return Completed(depth, sky, kind)


def complete_geometry(guide: Guide, known: NDArray[np.bool_]) -> Completed:
    """Depth, sky and kind of surface of every pixel; known pixels keep the guide's depth."""
    scene = _scene(guide, known)
    inverse, kind = _extend(scene)
    return _completed(guide, known, scene, inverse, kind)


def snapped_geometry(guide: Guide, known: NDArray[np.bool_], depth: _F32, sky: NDArray[np.bool_]) -> Completed:
    """As complete_geometry, from an expected depth (H, W) [m] and sky of the holes, which may be soft and wavy.

    Where the floor, a ceiling or the wall that goes on from the rim is about where a surface is expected, the surface is
    drawn onto it; elsewhere it stays as it is. Planes alone continue whatever stands at the picture's rim, a bollard as a
    wall, across all that is unseen. Nothing is below the floor.
    """
    scene = _scene(guide, known)
    expected = np.maximum(np.where(sky, 0, 1.0 / np.maximum(depth, 1e-3)), 0.5 * scene.far).astype(np.float32)
    floor, ceiling = _level_planes(scene)
    wall, _ = _continued(scene, _background(scene.grid))
    planes = np.stack([floor, wall, ceiling])
    away = np.log(np.maximum(planes, 1e-6) / expected)
    away = np.where(planes > 0.67 * scene.far, away, np.inf)
    best = np.argmin(np.abs(away), axis=0)
    step = np.take_along_axis(away, best[None], axis=0)[0]
    near, beyond = _SNAP
    part = np.clip((beyond - np.abs(step)) / (beyond - near), 0, 1)
    part = part * part * (3 - 2 * part)
    inverse = expected * np.exp(np.where(part > 0, step, 0) * part)
    kind = np.where(part < 0.5, WALL, np.array([FLOOR, WALL, CEILING], np.uint8)[best])
    kind = np.where(inverse <= floor, FLOOR, kind)
    inverse = np.maximum(inverse, floor)
    kind = np.where(inverse < 0.67 * scene.far, SKY, kind)
    if not (scene.grid.kind == SKY).any():  # no sky where none was seen: a wall far away
        kind = np.where(kind == SKY, WALL, kind)
    return _completed(guide, known, scene, inverse.astype(np.float32), kind.astype(np.uint8))


def _seen_kind(
    guide: Guide, solid: NDArray[np.bool_], rise: _F32, levels: tuple[float, float | None]
) -> NDArray[np.uint8]:
    """Kind of every known pixel: level and near the height of the floor or ceiling, sky, or wall.

    The foot of a wall is near the floor's height too, but climbs from row to row.
    """
    import cv2

    height = rise * guide.depth + np.float32(levels[0])
    weight = cv2.blur(solid.astype(np.float32), (5, 5))
    smooth = cv2.blur(np.where(solid, height, 0), (5, 5)) / np.maximum(weight, 1e-3)
    climb = np.zeros_like(smooth)
    climb[2:-2] = np.abs(smooth[4:] - smooth[:-4])
    level = climb < 0.5 * 4.0 * guide.depth / np.float32(guide.camera.intrinsics[1, 1])
    slack = _FLOOR_SLACK + 0.02 * guide.depth
    kind = np.where((np.abs(height) < slack) & level, FLOOR, WALL)
    if levels[1] is not None:
        kind = np.where((np.abs(height - levels[1]) < slack) & level, CEILING, kind)
    return np.where(guide.sky, SKY, kind).astype(np.uint8)


def _background(grid: _Grid) -> NDArray[np.bool_]:
    """Known cells beside holes that are not the near side of a torn one: what goes on behind them."""
    import cv2

    hole = (~grid.known).astype(np.uint8)
    beside = grid.known & (cv2.dilate(hole, np.ones((3, 3), np.uint8)) > 0)
    sources = beside & ~_foreground(grid)
    return sources if sources.any() else grid.known


def _full(scene: _Scene) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row (H, 1) and column (1, W) of the coarse cell of every full pixel."""
    height, width = scene.rise.shape
    rows = np.minimum(np.arange(height) // _STEP, len(scene.grid.kind) - 1)[:, None]
    return rows, np.minimum(np.arange(width) // _STEP, scene.grid.kind.shape[1] - 1)[None, :]


def _level_planes(scene: _Scene) -> tuple[_F32, _F32]:
    """Inverse depth (H, W) of the floor and of the ceiling; 0 where a pixel does not look at them."""
    level, ceiling = scene.levels
    floor = np.where(scene.rise < -1e-3, -scene.rise / np.float32(level), 0)
    if ceiling is None:
        return floor, np.zeros_like(floor)
    return floor, np.where(scene.rise > 1e-3, scene.rise / np.float32(ceiling - level), 0)


def _continued(scene: _Scene, sources: NDArray[np.bool_]) -> tuple[_F32, _F32]:
    """Inverse depth (H, W) of the nearest wall among the source cells, gone on with, and how far it is [cells] (h, w).

    0 and inf where there is no wall."""
    y, x, reach = _nearest(sources & (scene.grid.kind == WALL))
    if not np.isfinite(reach).any():
        return np.zeros_like(scene.rise), reach
    return _wall_inverse(scene.grid, y, x, *_full(scene), scene.rays), reach


def _extend(scene: _Scene) -> tuple[_F32, NDArray[np.uint8]]:
    """Inverse depth and kind of all full pixels from the background cells nearest to them."""
    grid, far = scene.grid, scene.far
    sources = _background(grid)
    y1, x1, r1 = _nearest(sources)
    continued, r2 = _continued(scene, sources)
    rows, columns = _full(scene)
    kind = grid.kind[y1, x1][rows, columns]
    # A wall takes part where it is what is nearest, or hardly farther than the floor or ceiling that is.
    usable = np.isfinite(r2) & (r2 < 2.5 * r1 + 8)
    wall = np.where(usable[rows, columns] | ((kind == WALL) & np.isfinite(r2)[rows, columns]), continued, 0)
    floor, ceiling = _level_planes(scene)
    wall = np.where(kind == SKY, 0, wall)
    inverse = np.maximum(np.maximum(wall, floor), ceiling)
    out = np.where(inverse == floor, FLOOR, np.where(inverse == ceiling, CEILING, WALL)).astype(np.uint8)
    nothing = inverse < far * 0.67
    if (grid.kind == SKY).any():
        out[nothing] = SKY
    elif np.isfinite(r2).any():
        inverse, out = np.where(nothing, continued, inverse), np.where(nothing, WALL, out)
    return np.maximum(inverse, far).astype(np.float32), out.astype(np.uint8)


def _wall_inverse(grid: _Grid, y: NDArray, x: NDArray, rows: NDArray, columns: NDArray, rays: _F32) -> _F32:
    """Inverse depth of each pixel on the plane of its nearest wall cell, kept within bounds of that cell's own."""
    plane = grid.plane[y, x][rows, columns]
    own = grid.inverse[y, x][rows, columns]
    value = np.einsum("hwc,hwc->hw", plane, rays)
    # A plane seen edge-on runs away within a few pixels: past 2.5 times its own nearness it is a board.
    return np.clip(value, own / 3, own * 2.5)

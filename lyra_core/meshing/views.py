# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Frames made ready for fusion: depth edges dropped, thinned, the useful ones chosen, the scale found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.meshing.config import MeshConfig
from lyra_core.ops.tsdf import BLOCK, TsdfVolume
from lyra_core.types import Camera, Frame

__all__ = ["View", "choose_range", "choose_views", "choose_voxel_size", "make_view", "make_views", "trusted_depth"]

_STEEP = 14.0  # tangent of the incidence angle (86 degrees)
_RAMP = 0.1  # a step in depth is clean if those beside it are smaller than this share of it
_FINER = 1.4  # the fused surface has this many times the triangles asked for: flat parts lose theirs afterwards
_COPY_WEIGHT = 0.3  # pixels copied from earlier frames against pixels that this frame invented
_STREET = 60.0  # m; nothing farther is a collider


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A thinned frame: depth (h, w) float32 [m] with edges dropped, free (h, w) float32 [m] the depth as it was given
    (the rays of dropped pixels meet nothing much nearer), rgb (h, w, 3) uint8, sky (h, w) bool,
    weight (h, w) float32, camera of the thinned pixels, share of pixels that the frame invented."""

    depth: NDArray[np.float32]
    free: NDArray[np.float32]
    rgb: NDArray[np.uint8]
    sky: NDArray[np.bool_]
    weight: NDArray[np.float32]
    camera: Camera
    owned: float


def trusted_depth(depth: NDArray[np.float32], sky: NDArray[np.bool_], camera: Camera) -> NDArray[np.float32]:
    """depth (H, W) with 0 at depth edges, flying pixels and next to sky.

    A pixel goes when the surface towards a neighbour would be seen at more than 86 degrees, unless inverse
    depth is straight over a longer stretch: a floor near the horizon is, a ramp from a box to the wall
    behind it (which becomes a curtain) is not. Where depth jumps at once, without a ramp, the near side stays:
    it is all that there is of a chair leg or a lamp pole.
    """
    import cv2

    valid = (depth > 0) & ~sky
    inverse = np.where(valid, 1.0 / np.where(valid, depth, 1.0), 0.0).astype(np.float32)
    drop, behind = np.zeros(depth.shape, np.bool_), np.zeros(depth.shape, np.bool_)
    for axis in (0, 1):
        focal = camera.intrinsics[1 - axis, 1 - axis]
        size = depth.shape[axis]
        span = max(3, min(depth.shape) // 40)

        def at(shift: int, axis: int = axis, size: int = size) -> NDArray[np.float32]:
            return np.take(inverse, np.clip(np.arange(size) + shift, 0, size - 1), axis=axis)

        ahead = at(1)
        step = ahead - inverse
        both = np.minimum(inverse, ahead)
        slope = np.where(both > 0, np.abs(step) / np.maximum(0.5 * (ahead + inverse), 1e-9), 0) * focal
        # Straight when the stretch before or after has the same slope: one side, for the rims of real floors.
        before, after = (inverse - at(-span)) / span, (at(1 + span) - ahead) / span
        bend = np.minimum(np.abs(step - before), np.abs(step - after)) > 0.2 * np.abs(step)
        edge = (slope > 4 * _STEEP) | ((slope > _STEEP) & bend)
        # Edge i lies between pixels i and i + 1. Clean: no step in the same direction next to it on either side.
        last, next_ = inverse - at(-1), at(2) - ahead
        sharp = edge & (both > 0)
        for beside in (last, next_):
            sharp &= (beside * step <= 0) | (np.abs(beside) < _RAMP * np.abs(step))
        ramp = edge & ~sharp
        drop |= ramp | np.roll(ramp, 1, axis)
        # step > 0: the far side is pixel i, else pixel i + 1.
        behind |= (sharp & (step > 0)) | np.roll(sharp & (step <= 0), 1, axis)
    # One more pixel around: the colour and depth of edge pixels are mixtures.
    radius = 1 if min(depth.shape) < 400 else 2
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    drop = (cv2.dilate(drop.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) | behind
    near_sky = cv2.dilate(sky.astype(np.uint8), kernel) > 0
    return np.where(valid & ~drop & ~near_sky, depth, 0).astype(np.float32)


def make_view(frame: Frame, config: MeshConfig) -> View:
    """Filter at full resolution, then keep every n-th pixel (never a mean of depths: means fly)."""
    import cv2

    stride = max(1, frame.camera.width // config.work_width)
    depth = trusted_depth(frame.depth, frame.sky, frame.camera)
    start = (stride - 1) // 2
    pick = (slice(start, None, stride), slice(start, None, stride))
    thin = np.ascontiguousarray(depth[pick])
    free = np.ascontiguousarray(np.where(frame.sky, 0, frame.depth)[pick])
    height, width = thin.shape
    k = frame.camera.intrinsics.copy()
    # Thinned pixel i lies at full-resolution x = stride i + start + 0.5.
    k[0] /= stride
    k[1] /= stride
    k[0, 2] += 0.5 - (start + 0.5) / stride
    k[1, 2] += 0.5 - (start + 0.5) / stride
    camera = Camera(k, frame.camera.world_from_camera, width, height)
    blurred = cv2.blur(np.asarray(frame.rgb), (stride, stride)) if stride > 1 else frame.rgb
    rgb = (np.clip(blurred[pick], 0, 1) * 255 + 0.5).astype(np.uint8)
    sky = cv2.erode(frame.sky.astype(np.uint8), np.ones((5, 5), np.uint8))[pick] > 0
    weight = np.where(frame.owned[pick], np.float32(1), np.float32(_COPY_WEIGHT))
    return View(thin, free, rgb, sky, weight, camera, float(frame.owned.mean()))


def make_views(frames: Iterable[Frame], config: MeshConfig) -> list[View]:
    """Views of the chosen frames.

    A sequence is chosen from before anything is filtered; of a generator every frame is thinned at once
    (a hundred of them stay below 100 MB). The result is the same.
    """
    if isinstance(frames, Sequence):
        chosen = choose_views([float(frame.owned.mean()) for frame in frames], config.max_views)
        views = [make_view(frames[i], config) for i in chosen]
    else:
        views = [make_view(frame, config) for frame in frames]
        views = [views[i] for i in choose_views([view.owned for view in views], config.max_views)]
    if not views:
        raise InputError("A mesh needs at least one frame", got="none", do="Generate the world first")
    if not any((view.depth > 0).any() for view in views):
        raise InputError(
            "No frame has usable depth",
            got=f"{len(views)} frames of sky, unknown or edge pixels only",
            do="Check the depth model and the sky mask",
        )
    return views


def choose_views(owned: Sequence[float], count: int) -> list[int]:
    """Indices of at most count views: bins of equal invented area, and in each the view that invented most.

    owned: per view the share of pixels that it invented, in path order.
    """
    if len(owned) <= count:
        return list(range(len(owned)))
    mass = np.cumsum(np.asarray(owned) + 0.5 / len(owned))
    bins = np.minimum((mass / mass[-1] * count).astype(int), count - 1)
    best: dict[int, int] = {}
    for i, b in enumerate(bins):
        if b not in best or owned[i] > owned[best[b]]:
            best[b] = i
    return sorted(best.values())


def choose_range(views: list[View]) -> float:
    """Depth cap [m] from the depth itself: four medians, within 4 m and 60 m."""
    sample = np.concatenate([view.depth[::4, ::4][view.depth[::4, ::4] > 0] for view in views])
    return float(np.clip(4.0 * np.median(sample), 4.0, _STREET)) if len(sample) else _STREET


def choose_voxel_size(views: list[View], config: MeshConfig, max_range: float) -> float:
    """Voxel edge [m] at which the seen surface has about config.triangles triangles, within 1.5 and 20 cm."""
    if config.voxel_size is not None:
        return config.voxel_size
    coarse = TsdfVolume(max_range / 250, device="numpy")
    for view in views:
        coarse.allocate(np.where(view.depth < max_range, view.depth, 0).astype(np.float32), view.camera)
    # Measured on rooms, streets and photos: blocks meet 2.2 to 2.9 times the area; a voxel face makes two triangles.
    area = len(coarse) * (BLOCK * coarse.voxel_size) ** 2 / 2.4
    return float(np.clip(np.sqrt(2.0 * area / (_FINER * config.triangles)), 0.015, 0.20))

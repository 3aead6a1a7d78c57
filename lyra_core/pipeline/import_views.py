# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Where to look at imported splats from, and what is seen there: cameras in free space, frames with depth."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import intrinsics_from_fov, look_at
from lyra_core.ops.splat import splatter
from lyra_core.types import Camera, CameraPath, Frame, Gaussians

__all__ = ["camera_clear", "free_positions", "render_frames", "views_around", "views_that_see"]

EYE_HEIGHT = 1.2
"""[m] over the floor at which views are put when no cameras are given."""

_CLEAR = 0.35  # [m] wanted around a camera
_SOLID_OPACITY = 0.3
_SEEN = 0.5  # least alpha of a pixel with depth
_MIXED = 0.06  # relative depth to both sides that makes a pixel a mixture of two surfaces
_THIN = 0.5  # factor on the extent of the Gaussians that depth is taken from
_GAP = 0.1
_CELLS = 500


def _bodies(gaussians: Gaussians) -> NDArray[np.float32]:
    """(M, 3) points that stand for the solid Gaussians: centres, and one sigma to both sides of each axis."""
    from lyra_core.geometry import matrix_from_quat

    solid = gaussians.subset(gaussians.opacities >= _SOLID_OPACITY)
    axes = matrix_from_quat(solid.quats_wxyz.astype(np.float64)) * solid.scales[:, None, :]
    points = [solid.means] + [solid.means + sign * axes[:, :, i] for i in range(3) for sign in (-1.0, 1.0)]
    return np.concatenate(points).astype(np.float32)


def free_positions(gaussians: Gaussians, *, count: int = 6, eye: float = EYE_HEIGHT) -> NDArray[np.float64]:
    """(P, 3) places eye metres over the floor z = 0, clear of the Gaussians, spread out; at least one.

    Floor must be near on several sides, or floors seen through a window would attract cameras.
    """
    from scipy import ndimage

    points = _bodies(gaussians)
    low, high = np.quantile(points[:, :2], [0.005, 0.995], axis=0)
    cell = max(0.05, float((high - low).max()) / _CELLS)
    shape = np.maximum(np.ceil((high - low) / cell).astype(int), 1) + 1

    def grid(chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        index = np.floor((points[chosen, :2] - low) / cell).astype(int)
        inside = ((index >= 0) & (index < shape)).all(axis=1)
        out = np.zeros(tuple(shape), bool)
        out[index[inside, 0], index[inside, 1]] = True
        return out

    reach = max(1, round(0.25 / cell))
    floor = np.asarray(ndimage.binary_closing(np.pad(grid(np.abs(points[:, 2]) < 0.12), reach), iterations=reach), bool)
    floor = floor[reach:-reach, reach:-reach]
    blocked = grid((points[:, 2] > 0.3 * eye) & (points[:, 2] < 1.5 * eye))
    clear = np.asarray(ndimage.distance_transform_edt(np.pad(~blocked, 1)), float)[1:-1, 1:-1] * cell
    room = np.where(floor, clear, 0.0)
    if not (room > 0).any():
        room = np.where(blocked, 0.0, clear)
    wanted = min(_CLEAR, 0.8 * float(room.max()))
    cells = np.argwhere(room >= max(wanted, 1e-9))
    if not len(cells):
        center = np.median(points, axis=0)
        return np.array([[center[0], center[1], eye]])
    xy = low + (cells + 0.5) * cell
    value = room[cells[:, 0], cells[:, 1]]
    chosen = [int(np.argmax(np.minimum(value, 2.0) - 0.05 * np.linalg.norm(xy - np.median(xy, axis=0), axis=1)))]
    spread = np.linalg.norm(xy - xy[chosen[0]], axis=1)
    while len(chosen) < count:
        best = int(np.argmax(spread))
        if spread[best] < 2 * _CLEAR:
            break
        chosen.append(best)
        spread = np.minimum(spread, np.linalg.norm(xy - xy[best], axis=1))
    return np.concatenate([xy[chosen], np.full((len(chosen), 1), eye)], axis=1).astype(np.float64)


def views_around(
    positions: NDArray[np.float64], *, size: tuple[int, int], turns: int = 6, fov: float = 84.0, fps: float = 16.0
) -> CameraPath:
    """All views from positions: turns level looks around, and half as many 40 degrees down for the floor nearby."""
    width, height = size
    poses = []
    for place in positions:
        for count, pitch in ((turns, -8.0), ((turns + 1) // 2, -42.0)):
            for k in range(count):
                yaw = 2 * math.pi * k / count
                lift = math.radians(pitch)
                ahead = np.array([math.sin(yaw) * math.cos(lift), math.cos(yaw) * math.cos(lift), math.sin(lift)])
                poses.append(look_at(place, place + ahead))
    intrinsics = np.repeat(intrinsics_from_fov(fov, width, height)[None], len(poses), axis=0)
    return CameraPath(np.stack(poses), intrinsics, width, height, fps)


def views_that_see(solid: Gaussians, path: CameraPath, *, device: str, least: float = 0.15) -> CameraPath:
    """The views in which at least this share of the picture is a surface (judged small); all if none is."""
    shape = splatter(solid, device=device)
    small = path.resized(max(32, path.width // 5), max(32, path.height // 5))
    shares = np.array([float((shape.draw(camera).alpha >= _SEEN).mean()) for camera in small])
    keep = shares >= least if (shares >= least).any() else np.ones(len(path), bool)
    return CameraPath(path.world_from_camera[keep], path.intrinsics[keep], path.width, path.height, path.fps)


def render_frames(solid: Gaussians, every: Gaussians, path: CameraPath, *, device: str) -> Iterator[Frame]:
    """Frames of path: colour from all Gaussians, z-depth [m] from the solid ones, 0 where they are not opaque.

    Compositing front to back pulls the mean depth of overlapping Gaussians towards the eye (4 % on a coarse floor
    seen at a slant). Thinner ones overlap less: depth comes from Gaussians of half the size, and from the full ones
    only where those leave gaps.
    """
    thin = Gaussians(solid.means, solid.quats_wxyz, solid.scales * _THIN, solid.opacities, solid.sh)
    fine, shape, looks = (splatter(part, device=device) for part in (thin, solid, every))
    same = len(solid) == len(every)
    for i, camera in enumerate(path):
        sharp, image = fine.draw(camera), shape.draw(camera)
        rgb = np.clip((image if same else looks.draw(camera)).rgb, 0, 1)
        # Much deeper than the full ones say: seen through a gap.
        fits = (sharp.alpha >= _SEEN) & (sharp.depth <= image.depth * (1 + _GAP))
        depth = np.where(fits, sharp.depth, np.where(image.alpha >= _SEEN, image.depth, 0))
        nothing = np.zeros(depth.shape, bool)
        yield Frame(i, rgb.astype(np.float32), _unmixed(depth.astype(np.float32)), nothing, camera, ~nothing)


def _unmixed(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Depth without the pixels in which a near and a far surface were averaged."""
    from scipy import ndimage

    far = ndimage.maximum_filter(depth, 3)
    near = ndimage.minimum_filter(np.where(depth > 0, depth, np.inf), 3)
    between = (far > depth * (1 + _MIXED)) & (near < depth * (1 - _MIXED))
    return np.where(between, 0, depth).astype(np.float32)


def camera_clear(camera: Camera, gaussians: Gaussians, radius: float) -> bool:
    """True if no solid Gaussian's centre is nearer than radius [m] to the camera."""
    distance = np.linalg.norm(gaussians.means - camera.center, axis=1)
    return not bool((distance[gaussians.opacities >= _SOLID_OPACITY] < radius).any())

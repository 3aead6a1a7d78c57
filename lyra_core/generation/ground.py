# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A floor that a learned depth map bends becomes flat, and what stands on it moves along.

The error of such a map is smooth: far from the camera a street rises by a decimetre or two over many metres. Where the
ground is known to be a plane, the plane tells the error there, and its continuation tells the error of what stands there.
On held-out views this leaves AbsRel as it is (all differences within their intervals); it is the robot that gains.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry.projection import pixel_rays
from lyra_core.ops.push_pull import push_pull
from lyra_core.types import Camera

__all__ = ["flatten_ground", "plane_depth"]

_STEP = 4  # [px] the error is smooth: worked out on every fourth pixel
_SETTLED = 0.05  # |log ratio| to the plane of what is floor without doubt
_LEAST_SETTLED = 0.3  # share of a piece of ground that must be
_LARGEST = 0.02  # of the picture; a piece with more settled floor than this counts even if it is not the largest
_SMOOTH = 1.5  # [steps] blur of the correction


def plane_depth(camera: Camera) -> NDArray[np.float32]:
    """(H, W) z-depth [m] at which each ray meets the plane z = 0, inf where it does not."""
    rise = pixel_rays(camera) @ camera.world_from_camera[2, :3].astype(np.float32)
    down = rise < -1e-3
    return np.where(down, camera.center[2] / np.where(down, -rise, 1), np.inf).astype(np.float32)


def flatten_ground(
    depth: NDArray[np.float32], camera: Camera, *, steep: float = 0.25, most: float = 0.3
) -> NDArray[np.float32]:
    """Bring bent ground near the plane z = 0 onto it by a smooth factor that holds for the whole picture.

    Ground is what hangs together with pixels on the plane without a step or a steep place.

    Parameters
    ----------
    depth: (H, W) float32 z-depth [m], 0 where none. camera: level view over the plane.
    steep: slope from which a surface is no ground: change of the log ratio of depth to the plane's as a share of what
        an upright surface shows. Seen at a low angle a real ramp exceeds it, a bent floor does not. At 0.45 more
        floor becomes flat, and so do benches whose depth is soft (data/photos/square.jpg, hall.jpg): a robot would drive
        into what the collider lacks.
    most: largest log ratio that counts as an error of depth.
    """
    height, width = depth.shape
    at = slice(_STEP // 2, None, _STEP)
    thin, plane = depth[at, at], plane_depth(camera)[at, at]
    known = (thin > 0) & np.isfinite(plane)
    ratio = np.where(known, np.log(np.where(known, thin, 1) / np.where(known, plane, 1)), 0).astype(np.float32)
    # The horizon is where the plane is infinitely far: [steps] below it.
    below = np.where(known, camera.intrinsics[1, 1] / _STEP * camera.center[2] / plane, 0)
    ground = _ground(ratio, known, below, steep, most)
    if not ground.any():
        return depth
    error = cv2.GaussianBlur(push_pull(ratio, ground), (0, 0), _SMOOTH)
    whole = np.asarray(cv2.resize(error, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return (depth * np.exp(-whole)).astype(np.float32)


def _ground(
    ratio: NDArray[np.float32],
    known: NDArray[np.bool_],
    below: NDArray[np.floating],
    steep: float,
    most: float,
) -> NDArray[np.bool_]:
    """(h, w) bool of the pieces of smooth surface that contain enough of the settled floor."""
    # An upright surface's log ratio changes by 1 / below per pixel: the plane recedes so fast there.
    slope = np.hypot(cv2.Sobel(ratio, cv2.CV_32F, 1, 0, ksize=3), cv2.Sobel(ratio, cv2.CV_32F, 0, 1, ksize=3)) / 8
    smooth = known & (np.abs(ratio) < most) & (slope * below < steep)
    smooth = cv2.morphologyEx(smooth.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(smooth, connectivity=4)
    area = np.bincount(labels.ravel(), minlength=count)
    settled = np.bincount(labels[(smooth > 0) & (np.abs(ratio) < _SETTLED)], minlength=count)
    settled[0] = 0
    keep = (settled > _LEAST_SETTLED * area) & (settled > _LARGEST * labels.size) | (settled == settled.max())
    keep &= settled > 0
    return keep[labels]

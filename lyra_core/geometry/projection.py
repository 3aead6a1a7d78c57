# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Pixels, rays and points of pinhole cameras. Pixel centres are at +0.5."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lyra_core.types import Camera

__all__ = ["focal_from_fov", "fov_from_focal", "intrinsics_from_fov", "pixel_rays", "project", "unproject"]


def focal_from_fov(fov_deg: float, size: int) -> float:
    """Focal length [px] for a field of view [deg] across size pixels."""
    return 0.5 * size / math.tan(math.radians(fov_deg) / 2)


def fov_from_focal(focal: float, size: int) -> float:
    """Field of view [deg] across size pixels."""
    return 2 * math.degrees(math.atan(0.5 * size / focal))


def intrinsics_from_fov(fov_deg: float, width: int, height: int) -> NDArray[np.float64]:
    """(3, 3) K with square pixels, centred, from the horizontal field of view [deg]."""
    f = focal_from_fov(fov_deg, width)
    return np.array([[f, 0, width / 2], [0, f, height / 2], [0, 0, 1.0]])


def pixel_rays(camera: Camera) -> NDArray[np.float32]:
    """(H, W, 3) camera-frame directions with z = 1, so that point = depth * ray."""
    k = camera.intrinsics
    x = (np.arange(camera.width) + 0.5 - k[0, 2]) / k[0, 0]
    y = (np.arange(camera.height) + 0.5 - k[1, 2]) / k[1, 1]
    out = np.ones((camera.height, camera.width, 3), np.float32)
    out[..., 0] = x[None, :] - k[0, 1] / k[0, 0] * y[:, None]
    out[..., 1] = y[:, None]
    return out


def unproject(depth: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """z-depth (H, W) [m] to world points (H, W, 3) [m]; depth 0 gives the camera centre."""
    points = pixel_rays(camera) * depth[..., None]
    rotation = camera.world_from_camera[:3, :3].astype(np.float32)
    return np.asarray(points @ rotation.T + camera.center.astype(np.float32), dtype=np.float32)


def project(points: NDArray[np.floating], camera: Camera) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """World points (..., 3) [m] to pixels (..., 2) and z-depth (...) [m].

    Points with z <= 0 are behind the camera; their pixels are NaN.
    """
    m = camera.camera_from_world
    local = points @ m[:3, :3].T.astype(points.dtype) + m[:3, 3].astype(points.dtype)
    z = local[..., 2]
    safe = np.where(z > 0, z, np.nan)
    k = camera.intrinsics.astype(points.dtype)
    u = (k[0, 0] * local[..., 0] + k[0, 1] * local[..., 1]) / safe + k[0, 2]
    v = k[1, 1] * local[..., 1] / safe + k[1, 2]
    return np.stack([u, v], axis=-1), z

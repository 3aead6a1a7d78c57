# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A small exact room for tests: a box with boxes in it, ray-cast, open or closed at the top."""

from __future__ import annotations

import numpy as np

from lyra_core.geometry import intrinsics_from_fov, look_at, pixel_rays
from lyra_core.types import Camera

LOW, HIGH = np.array([-3.0, -3.0, 0.0]), np.array([3.0, 4.0, 2.6])
BOXES = (((-0.4, 1.2, 0.0), (0.4, 1.8, 0.8)), ((1.2, 0.5, 0.0), (1.8, 1.1, 1.6)), ((-2.2, 2.0, 0.0), (-1.2, 2.6, 0.5)))


def camera(center, target, width=208, height=120, fov=77.0) -> Camera:
    pose = look_at(np.array(center, float), np.array(target, float))
    return Camera(intrinsics_from_fov(fov, width, height), pose, width, height)


def render(view: Camera, *, ceiling: bool = False, boxes=BOXES) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rgb (H, W, 3) f32, z-depth (H, W) f32 [m], 0 in the sky, sky (H, W) bool) of the room."""
    ray = pixel_rays(view).astype(float) @ view.world_from_camera[:3, :3].T
    origin = view.center
    best, normal = np.full(ray.shape[:2], np.inf), np.zeros(ray.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(ray > 0, (HIGH - origin) / ray, (LOW - origin) / ray)  # inside: the first wall left through
        axis = np.where(np.isfinite(t), t, np.inf).argmin(-1)
        best = np.take_along_axis(t, axis[..., None], -1)[..., 0]
        np.put_along_axis(normal, axis[..., None], -np.sign(np.take_along_axis(ray, axis[..., None], -1)), -1)
        if not ceiling:
            best = np.where((axis == 2) & (ray[..., 2] > 0), np.inf, best)
        for low, high in boxes:
            one, two = (np.array(low) - origin) / ray, (np.array(high) - origin) / ray
            enter, leave = np.minimum(one, two), np.maximum(one, two)
            hit = (enter.max(-1) < leave.min(-1)) & (enter.max(-1) > 1e-4) & (enter.max(-1) < best)
            side = np.zeros(ray.shape)
            np.put_along_axis(side, enter.argmax(-1)[..., None], 1.0, -1)
            best = np.where(hit, enter.max(-1), best)
            normal[hit] = (-np.sign(ray) * side)[hit]
    sky = ~np.isfinite(best)
    depth = np.where(sky, 0, best)
    point = origin + depth[..., None] * ray
    direction = ray / np.linalg.norm(ray, axis=-1, keepdims=True)
    above = np.stack([0.5 + 0.2 * direction[..., 0], 0.7 + 0.1 * direction[..., 1], np.full(sky.shape, 0.9)], -1)
    rgb = np.where(sky[..., None], above, paint(point, normal))
    return rgb.astype(np.float32), depth.astype(np.float32), sky


def paint(point: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Smooth colours that tell places and walls apart."""
    a = np.where(np.abs(normal[..., 0]) > 0.5, point[..., 1], point[..., 0])
    b = np.where(np.abs(normal[..., 2]) > 0.5, point[..., 1], point[..., 2])
    waves = (np.sin(2 * a + normal[..., 2]), np.sin(3 * b + 1 + 2 * normal[..., 0]), np.cos(a + b + 2 * normal[..., 1]))
    return 0.5 + 0.3 * np.stack(waves, -1) + 0.08 * (np.sin(9 * a) * np.sin(9 * b))[..., None]

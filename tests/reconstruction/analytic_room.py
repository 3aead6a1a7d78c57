# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Ground truth for reconstruction tests: a ray-cast textured room (or yard with sky) with exact depth and ownership."""

from __future__ import annotations

import numpy as np

from lyra_core.geometry import intrinsics_from_fov, look_at, pixel_rays, project, unproject
from lyra_core.types import CameraPath, Frame

ROOM = np.array([[-3.0, -2.0, 0.0], [3.0, 5.0, 2.6]])
BOXES = np.array(
    [
        [[-1.6, 2.2, 0.0], [-0.7, 3.0, 0.8]],
        [[0.6, 1.6, 0.0], [1.1, 2.1, 1.5]],
        [[1.4, 3.4, 0.0], [2.4, 4.2, 0.6]],
    ]
)


def _texture(points, face):
    """Smooth shading, soft stripes and some fine grain, different on each face."""
    p = points + face[:, None] * 1.7
    phase = 6.0 * p @ np.array([[0.9, 0.3, 0.2], [0.2, 1.1, 0.5], [0.4, 0.1, 0.8]])
    base = 0.5 + 0.18 * np.sin(phase)
    stripes = 0.12 * np.tanh(4.0 * np.sin(9.0 * (p[:, 0] + p[:, 1] + p[:, 2])))
    grain = 0.06 * np.sin(41.0 * p[:, 0]) * np.sin(37.0 * p[:, 1] + 1.0) * np.cos(43.0 * p[:, 2])
    tint = 0.15 * np.sin(np.stack([face, 2.1 * face + 1, 3.3 * face + 2], axis=1))
    contrast = 1.0 / (1.0 + (np.hypot(points[:, 0], points[:, 1]) / 6.0) ** 3)  # far ground would alias
    detail = base - 0.5 + stripes[:, None] + grain[:, None]
    return np.clip(0.5 + tint + contrast[:, None] * detail, 0.02, 0.98)


def _slabs(origin, direction, box):
    with np.errstate(divide="ignore", invalid="ignore"):
        a = (box[0] - origin) / direction
        b = (box[1] - origin) / direction
    near, far = np.fmin(a, b), np.fmax(a, b)
    return near.max(axis=1), far.min(axis=1), near.argmax(axis=1), far.argmin(axis=1)


def ray_cast(camera, *, outdoors=False):
    """rgb (H, W, 3), z-depth (H, W) with 0 for sky, sky (H, W)."""
    rays = pixel_rays(camera).reshape(-1, 3).astype(np.float64) @ camera.world_from_camera[:3, :3].T
    origin = camera.center
    _, t, _, axis = _slabs(origin, rays, ROOM)
    face = axis * 2.0 + (np.take_along_axis(rays, axis[:, None], 1)[:, 0] > 0)
    if outdoors:  # no walls and no ceiling: the floor goes on, the rest is sky
        with np.errstate(divide="ignore"):
            t = np.where(rays[:, 2] < 0, -origin[2] / rays[:, 2], np.inf)
        t[t > 40.0] = np.inf
        face = np.full(len(rays), 4.0)
    for n, box in enumerate(BOXES):
        near, far, near_axis, _ = _slabs(origin, rays, box)
        hit = (near > 1e-6) & (near <= far) & (near < t)
        t = np.where(hit, near, t)
        face = np.where(hit, 7.0 + 3 * n + near_axis, face)
    sky = np.isinf(t)
    rgb = _texture(origin + rays * np.where(sky, 0, t)[:, None], face)
    up = np.clip(rays[:, 2] / np.linalg.norm(rays, axis=1), 0, 1)[:, None]
    rgb = np.where(sky[:, None], np.array([0.75, 0.85, 0.95]) - up * np.array([0.4, 0.3, 0.1]), rgb)
    size = (camera.height, camera.width)
    depth = np.where(sky, 0, t).astype(np.float32).reshape(size)
    return rgb.astype(np.float32).reshape(*size, 3), depth, sky.reshape(size)


def render_truth(camera, *, outdoors=False, supersample=2):
    """Box-filtered rgb; depth and sky at pixel centres."""
    big = ray_cast(camera.resized(camera.width * supersample, camera.height * supersample), outdoors=outdoors)[0]
    rgb = big.reshape(camera.height, supersample, camera.width, supersample, 3).mean(axis=(1, 3))
    _, depth, sky = ray_cast(camera, outdoors=outdoors)
    return rgb, depth, sky


def walk(width, height, frames, *, fov=75.0, advance=1.2, sway=0.6):
    """A camera that walks forward and swings to the side, at 1.4 m."""
    s = np.linspace(0, 1, frames)
    centers = np.stack([sway * np.sin(1.5 * np.pi * s), -1.6 + advance * s, np.full(frames, 1.4)], axis=1)
    targets = np.stack([0.5 * np.sin(np.pi * s), np.full(frames, 3.5), np.full(frames, 0.9)], axis=1)
    poses = np.stack([look_at(c, t) for c, t in zip(centers, targets, strict=True)])
    return CameraPath(poses, np.repeat(intrinsics_from_fov(fov, width, height)[None], frames, axis=0), width, height)


def seen_before(points, depths, cameras, *, slack=0.05):
    """(N,) bool: some earlier view shows this point."""
    seen = np.zeros(len(points), bool)
    for depth, camera in zip(depths, cameras, strict=True):
        uv, z = project(points, camera)
        inside = (z > 0) & (uv >= 0).all(axis=1) & (uv < [camera.width, camera.height]).all(axis=1)
        x, y = (np.where(inside[:, None], uv, 0)).astype(int).T
        seen |= inside & (np.abs(depth[y, x] - z) < slack * z)
    return seen


def room_frames(path, *, outdoors=False, depth_noise=0.0, seed=0):
    """Frames with exact depth whose owned pixels are those that no earlier frame showed."""
    rng = np.random.default_rng(seed)
    frames, depths = [], []
    for i, camera in enumerate(path):
        rgb, depth, sky = render_truth(camera, outdoors=outdoors)
        points = np.where(sky[..., None], camera.center + 1e4 * (unproject(np.ones_like(depth), camera) - camera.center),
                          unproject(depth, camera)).reshape(-1, 3)  # fmt: skip
        seen_depths = [np.where(f.sky, 1e4, f.depth) for f in frames]
        owned = ~seen_before(points, seen_depths, [f.camera for f in frames]).reshape(depth.shape)
        if depth_noise:
            depth = (depth * (1 + depth_noise * rng.standard_normal(depth.shape))).astype(np.float32)
        frames.append(Frame(i, rgb, depth, sky, camera, owned))
        depths.append(depth)
    return frames

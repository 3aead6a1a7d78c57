# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A box room with a striped floor, seen by exact ray intersection: guides whose truth is known."""

from __future__ import annotations

import numpy as np

from lyra_core.generation.floor import level_pose
from lyra_core.geometry.projection import intrinsics_from_fov, pixel_rays
from lyra_core.models.depth.horizon import up_from_angles
from lyra_core.types import Camera, Guide

WALL = 5.0
WIDTH, HEIGHT = 208, 120


def camera(x=0.0, y=0.0, yaw=0.0, pitch=-8.0, size=(WIDTH, HEIGHT)):
    pose = np.array(level_pose(up_from_angles(pitch, 0.0), 1.4, yaw_deg=yaw))
    pose[0, 3], pose[1, 3] = x, y
    return Camera(intrinsics_from_fov(65.0, *size), pose, *size)


def render(view: Camera, *, roofless=False):
    """rgb, depth, sky: floor z = 0 (red checks), a wall 5 m ahead (blue stripes), 3 m high if roofless, else endless."""
    rays = pixel_rays(view) @ view.world_from_camera[:3, :3].T.astype(np.float32)
    o = view.center
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = np.where(rays[..., 2] < -1e-6, -o[2] / rays[..., 2], np.inf)
        wall = np.where(rays[..., 1] > 1e-6, (WALL - o[1]) / rays[..., 1], np.inf)
    wall_z = o[2] + np.where(np.isfinite(wall), wall, 0) * rays[..., 2]
    if roofless:
        wall = np.where(wall_z > 3.0, np.inf, wall)
    depth = np.minimum(floor, wall)
    sky = ~np.isfinite(depth) | (depth > 80)
    point = o + np.where(sky, 0, depth)[..., None] * rays
    check = (np.floor(point[..., 0] * 2) + np.floor(point[..., 1] * 2)) % 2
    stripe = np.floor(point[..., 0] * 4) % 2
    on_floor = floor < wall
    rgb = np.where(on_floor[..., None], np.stack([0.5 + 0.4 * check, 0.1 + 0 * check, 0.1 + 0 * check], -1),
                   np.stack([0.1 + 0 * stripe, 0.1 + 0 * stripe, 0.5 + 0.4 * stripe], -1))  # fmt: skip
    rgb[sky] = (0.7, 0.9, 1.0)
    return rgb.astype(np.float32), np.where(sky, 0, depth).astype(np.float32), sky


def guide(view: Camera, hole: np.ndarray, *, edge=True, roofless=False) -> Guide:
    """Truth with a hole cut out; edge: the hole is where the source picture ended, else parallax tore it open."""
    rgb, depth, sky = render(view, roofless=roofless)
    known = ~hole
    xy = np.full((*hole.shape, 2), 1.0 if edge else 60.0, np.float32)
    xy[hole] = np.nan
    return Guide(
        np.where(known[..., None], rgb, 0), np.where(known, depth, 0), known, sky & known,
        np.where(known, 0, -1).astype(np.int32), xy, view,
    )  # fmt: skip

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A sampled box room with a table, and a photo's camera in it."""

from __future__ import annotations

import numpy as np

from lyra_core.geometry import intrinsics_from_fov, look_at
from lyra_core.trajectory import SeedScene
from lyra_core.types import Camera

ROOM = np.array([[-2.5, -1.5, 0.0], [2.5, 4.5, 2.6]])
TABLE = np.array([[-0.5, 1.4, 0.0], [0.9, 2.2, 1.0]])


def box_points(corners, step=0.04):
    low, high = corners
    faces = []
    for axis in range(3):
        others = [a for a in range(3) if a != axis]
        grid = np.meshgrid(*[np.arange(low[a], high[a] + 1e-6, step) for a in others], indexing="ij")
        for level in (low[axis], high[axis]):
            face = np.empty((grid[0].size, 3))
            face[:, axis] = level
            face[:, others[0]], face[:, others[1]] = grid[0].ravel(), grid[1].ravel()
            faces.append(face)
    return np.concatenate(faces).astype(np.float32)


def room_scene(step=0.04):
    return SeedScene(2.4, 0.0, np.concatenate([box_points(ROOM, step), box_points(TABLE, step)]))


def photo_camera(center=(0.0, 0.0, 1.4), target=(0.0, 3.0, 1.1), width=832, height=480):
    pose = look_at(np.array(center), np.array(target))
    return Camera(intrinsics_from_fov(65.0, width, height), pose, width, height)


def inside(box, points, margin=0.0):
    """Which points lie in the box grown by margin [m]."""
    return ((points > box[0] - margin) & (points < box[1] + margin)).all(axis=-1)

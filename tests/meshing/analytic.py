# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Exact depth of boxes, spheres and planes: the ground truth of the mesh tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lyra_core.geometry import intrinsics_from_fov, look_at, pixel_rays
from lyra_core.types import Camera, Frame


@dataclass(frozen=True)
class Scene:
    """Solid boxes (low, high), solid spheres (centre, radius), an optional hollow room box, an optional ground."""

    boxes: tuple = ()
    spheres: tuple = ()
    room: tuple | None = None
    ground: bool = False

    def distance(self, points):
        """Unsigned distance [m] of points (N, 3) to the nearest surface."""
        best = np.full(len(points), np.inf)
        for low, high in self.boxes:
            best = np.minimum(best, np.abs(_box_distance(points, low, high)))
        for center, radius in self.spheres:
            best = np.minimum(best, np.abs(np.linalg.norm(points - center, axis=1) - radius))
        if self.room is not None:
            best = np.minimum(best, np.abs(_box_distance(points, *self.room)))
        if self.ground:
            best = np.minimum(best, np.abs(points[:, 2]))
        return best

    def cast(self, origins, directions):
        """Ray parameter (inf = none) and surface id of the first hit."""
        t = np.full(len(directions), np.inf)
        which = np.zeros(len(directions), int)

        def keep(candidate, name):
            nearer = candidate < t
            t[nearer] = candidate[nearer]
            which[nearer] = name

        with np.errstate(divide="ignore", invalid="ignore"):
            for i, (low, high) in enumerate(self.boxes):
                near, far = _slabs(origins, directions, low, high)
                keep(np.where((near <= far) & (near > 1e-6), near, np.inf), 1 + i)
            if self.room is not None:
                keep(_slabs(origins, directions, *self.room)[1], 100)
            if self.ground:
                down = -origins[:, 2] / directions[:, 2]
                keep(np.where(down > 1e-6, down, np.inf), 101)
            for i, (center, radius) in enumerate(self.spheres):
                oc = origins - center
                a, b = (directions**2).sum(1), (oc * directions).sum(1)
                disc = b * b - a * ((oc**2).sum(1) - radius**2)
                hit = (-b - np.sqrt(np.maximum(disc, 0))) / a
                keep(np.where((disc > 0) & (hit > 1e-6), hit, np.inf), 50 + i)
        return t, which


def _slabs(origins, directions, low, high):
    a, b = (low - origins) / directions, (high - origins) / directions
    return np.minimum(a, b).max(axis=1), np.maximum(a, b).min(axis=1)


def _box_distance(points, low, high):
    center, half = (np.asarray(low) + high) / 2, (np.asarray(high) - low) / 2
    q = np.abs(points - center) - half
    return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0)


def render(scene, camera, index=0, *, max_depth=80.0, noise=0.0, rng=None):
    """A Frame with exact z-depth; rays with z = 1 make the ray parameter the z-depth."""
    rays = pixel_rays(camera).reshape(-1, 3).astype(np.float64) @ camera.world_from_camera[:3, :3].T
    origins = np.broadcast_to(camera.center, rays.shape)
    t, which = scene.cast(origins, rays)
    sky = ~np.isfinite(t) | (t > max_depth)
    depth = np.where(sky, 0, t)
    if noise:
        depth = depth * (1 + noise * rng.standard_normal(depth.shape))
    points = origins + rays * np.where(sky, 0, t)[:, None]
    checker = (np.floor(points * 2).sum(axis=1) % 2)[:, None]
    tint = 0.35 + 0.5 * np.stack([np.sin(which * k + 1.0) ** 2 for k in (1.3, 2.1, 3.7)], axis=1)
    rgb = np.where(sky[:, None], [0.6, 0.75, 0.95], tint * (0.75 + 0.25 * checker))
    shape = (camera.height, camera.width)
    return Frame(
        index,
        rgb.reshape(*shape, 3).astype(np.float32),
        depth.reshape(shape).astype(np.float32),
        sky.reshape(shape),
        camera,
        np.ones(shape, bool),
    )


def camera_at(center, target, *, width=416, height=240, fov=75.0):
    return Camera(intrinsics_from_fov(fov, width, height), look_at(np.array(center), np.array(target)), width, height)


ROOM = Scene(
    room=((0.0, 0.0, 0.0), (5.0, 4.0, 2.6)),
    boxes=(
        ((1.0, 2.6, 0.0), (2.0, 3.2, 0.8)),
        ((3.6, 0.6, 0.0), (4.2, 1.2, 0.5)),
        ((3.2, 2.4, 0.68), (4.4, 3.2, 0.72)),
    ),
    spheres=((np.array([2.6, 1.2, 0.35]), 0.35),),
)
STREET = Scene(ground=True, boxes=(((6.0, -8.0, 0.0), (20.0, -4.0, 6.0)), ((10.0, 3.0, 0.0), (13.0, 6.0, 3.0))))


def room_cameras(count, **kwargs):
    """A walk along an ellipse in the room that looks around."""
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return [
        camera_at(
            (2.5 + 1.6 * np.cos(a), 2.0 + 0.9 * np.sin(a), 1.2),
            (2.5 - 2 * np.cos(a + 0.4), 2 - 2 * np.sin(a + 0.4), 0.7),
            **kwargs,
        )
        for a in turn
    ]


def street_cameras(count, **kwargs):
    """A straight walk along +x."""
    return [camera_at((x, 0.0, 1.4), (x + 10, 0.3, 0.9), **kwargs) for x in np.linspace(0, 8, count)]

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Places in a level where a person or a small robot could hold a camera, and views worth learning from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.training.levels import Level
from lyra_core.training.renderer import TexturedScene, render
from lyra_core.types import Camera

__all__ = ["ViewRange", "camera_at", "sample_view", "worth_it"]


@dataclass(frozen=True, slots=True)
class ViewRange:
    """Ranges that views are drawn from.

    Attributes
    ----------
    eye_height: camera above the floor [m]. fov: horizontal field of view of the longer side [degrees].
    pitch: upward angle of the view [degrees]. roll: standard deviation [degrees].
    clearance: free space around the camera [m]. wander: distance from a spawn point or item [m].
    """

    eye_height: tuple[float, float] = (0.4, 1.9)
    fov: tuple[float, float] = (45.0, 100.0)
    pitch: tuple[float, float] = (-25.0, 15.0)
    roll: float = 1.5
    clearance: float = 0.3
    wander: float = 7.0


def camera_at(
    position: NDArray[np.float64],
    *,
    yaw: float,
    pitch: float,
    roll: float = 0.0,
    size: tuple[int, int],
    focal: float,
) -> Camera:
    """Pinhole view from `position` [m]; yaw about +z from +x, pitch up, roll clockwise, all in radians; focal in pixels."""
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    down = np.cross(forward, right)
    turned = np.cos(roll) * right + np.sin(roll) * down
    pose = np.eye(4)
    pose[:3, :3] = np.stack([turned, np.cross(forward, turned), forward], axis=1)
    pose[:3, 3] = position
    width, height = size
    intrinsics = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    return Camera(intrinsics, pose, width, height)


def _distance(scene: TexturedScene, position: NDArray[np.float64], yaw: float, pitch: float) -> float:
    """Free distance [m] along one direction; inf where it leads to the sky."""
    camera = camera_at(position, yaw=yaw, pitch=pitch, size=(1, 1), focal=50.0)
    _, depth, sky = render(scene, camera, supersample=1, exposure=1.0)
    return float("inf") if sky[0, 0] else float(depth[0, 0])


def _ring(scene: TexturedScene, position: NDArray[np.float64]) -> NDArray[np.float64]:
    """(32,) free horizontal distance [m] at yaw = i * 2 pi / 32, sky counted as 60 m."""
    out = []
    for quarter in range(4):
        # Eight pixels of a 90 degree view; their yaw differs from an even ring by a few degrees, which is near enough.
        camera = camera_at(position, yaw=quarter * np.pi / 2 + np.pi / 4, pitch=0.0, size=(8, 1), focal=4.0)
        _, depth, sky = render(scene, camera, supersample=1, exposure=1.0)
        stretch = np.hypot(1.0, (np.arange(8) + 0.5 - 4.0) / 4.0)
        out.append(np.where(sky, 60.0, depth)[0][::-1] * stretch[::-1])
    return np.concatenate(out)


def _stand(level: Level, spans: ViewRange, rng: np.random.Generator) -> NDArray[np.float64] | None:
    """A free camera position above walkable floor, or None if this throw hit something."""
    eye = level.places[rng.integers(len(level.places))] + np.array([0.0, 0.0, 0.6])
    yaw, walk = rng.uniform(0, 2 * np.pi), spans.wander * np.sqrt(rng.uniform())
    walk = min(walk, _distance(level.scene, eye, yaw, 0.0) - spans.clearance - 0.05)
    if walk < 0:
        return None
    eye = eye + walk * np.array([np.cos(yaw), np.sin(yaw), 0.0])
    drop = _distance(level.scene, eye, 0.0, -np.pi / 2 + 1e-4)
    if drop > 3.5:
        return None
    height = rng.uniform(*spans.eye_height)
    eye = eye + np.array([0.0, 0.0, height - drop])
    if height > drop and _distance(level.scene, eye - [0, 0, height - drop], 0.0, np.pi / 2 - 1e-4) < (
        height - drop + spans.clearance
    ):
        return None
    return eye


def sample_view(
    level: Level, size: tuple[int, int], rng: np.random.Generator, spans: ViewRange | None = None
) -> Camera | None:
    """Draw one view of a level; None if the throw is not worth rendering (blocked, flat, mostly sky).

    Parameters
    ----------
    size: (width, height) in pixels.
    """
    spans = spans or ViewRange()
    eye = _stand(level, spans, rng)
    if eye is None:
        return None
    ring = _ring(level.scene, eye)
    if ring.min() < spans.clearance:
        return None
    weight = np.minimum(ring, 12.0) ** 1.5
    yaw = (rng.choice(32, p=weight / weight.sum()) + rng.uniform()) * np.pi / 16 + rng.normal(0, np.radians(12))
    focal = 0.5 * max(size) / np.tan(np.radians(rng.uniform(*spans.fov)) / 2)
    pitch = np.radians(np.clip(rng.normal(-4.0, 9.0), *spans.pitch))
    camera = camera_at(
        eye, yaw=yaw, pitch=pitch, roll=np.radians(rng.normal(0, spans.roll)), size=size, focal=float(focal)
    )
    return camera if worth_it(level.scene, camera) else None


def worth_it(scene: TexturedScene, camera: Camera, *, least_range: float = 1.9) -> bool:
    """A quick look: enough surface and range of depth, nothing right before the lens, no void below the horizon."""
    small = camera.resized(32, max(8, round(32 * camera.height / camera.width)))
    rgb, depth, sky = render(scene, small, supersample=1, exposure="auto")
    if sky.mean() > 0.6 or rgb[~sky].std() < 0.05:
        return False
    x, y = np.meshgrid(np.arange(small.width) + 0.5, np.arange(small.height) + 0.5)
    rays = np.stack([x, y, np.ones_like(x)], -1) @ (small.world_from_camera[:3, :3] @ np.linalg.inv(small.intrinsics)).T
    below = rays[..., 2] < -0.06
    if below.any() and sky[below].mean() > 0.06:
        return False  # an arena that floats in a void: no photograph looks like this
    near, middle, far = np.percentile(depth[~sky], [4, 50, 94])
    return bool(near > 0.4 and middle > 1.2 and far / near > least_range)

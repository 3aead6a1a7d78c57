# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The floor plane of a depth map and the level pose of its camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.generation.ground import plane_depth
from lyra_core.geometry.se3 import rigid
from lyra_core.types import Camera

__all__ = ["TILT", "FloorFit", "fit_floor", "level_pose", "pitch_roll", "settle_floor"]

_F = NDArray[np.float64]
TILT = math.radians(20.0)  # how far the floor may lean against the gravity that the lines of the photo suggest


@dataclass(frozen=True, slots=True, eq=False)
class FloorFit:
    """Floor plane in the camera frame.

    Attributes
    ----------
    up: (3,) unit normal, away from the floor.
    height: distance of the camera over the floor, in the unit of the depth.
    inliers: share of the candidate points that lie on the plane.
    rms: spread of the inliers [unit of depth].
    method: how it was found, for the manifest and the report.
    """

    up: _F
    height: float
    inliers: float
    rms: float
    method: str = "RANSAC plane through the lower part of the picture"


def fit_floor(
    points: _F, up_hint: _F, rng: np.random.Generator, *, tries: int = 300, tilt: float = TILT
) -> FloorFit | None:
    """RANSAC plane through camera-frame points (N, 3) that lies below the camera and within tilt [rad] of level.

    Of the planes with support the one is taken that most points lie on or above; None if no plane has 12 % of them.
    """
    if len(points) < 50:
        return None
    sample = points[rng.choice(len(points), min(len(points), 6000), replace=False)]
    tolerance = 0.02 * np.linalg.norm(sample, axis=1)
    best: tuple[float, _F, float] | None = None
    for _ in range(tries):
        a, b, c = sample[rng.choice(len(sample), 3, replace=False)]
        normal = np.cross(b - a, c - a)
        length = float(np.linalg.norm(normal))
        if length < 1e-12:
            continue
        normal = normal / length * (1.0 if normal @ up_hint > 0 else -1.0)
        height = -float(normal @ a)
        if normal @ up_hint < math.cos(tilt) or height <= 0:
            continue
        above = sample @ normal + height
        score = float((np.abs(above) < tolerance).mean()) - 1.5 * float((above < -2 * tolerance).mean())
        if best is None or score > best[0]:
            best = (score, normal, height)
    return None if best is None else _polish(sample, tolerance, best[1], best[2], up_hint, tilt)


def _within(normal: _F, up: _F, tilt: float) -> _F:
    """The unit normal, or where it leans against unit `up` by more than tilt [rad] the nearest that does not."""
    cosine = float(normal @ up)
    if cosine >= math.cos(tilt):
        return normal
    side = normal - cosine * up
    return math.cos(tilt) * up + math.sin(tilt) / max(float(np.linalg.norm(side)), 1e-12) * side


def _polish(sample: _F, tolerance: _F, normal: _F, height: float, up: _F, tilt: float) -> FloorFit | None:
    """Least squares on the inliers, with a band that shrinks to the noise: feet of walls would tilt a wide one.

    The plane stays within tilt [rad] of level against `up`: bent ground would draw it away step by step.
    """
    band = tolerance
    for _ in range(6):
        error = sample @ normal + height
        near = np.abs(error) < band
        if near.sum() < 20:
            return None
        centre = sample[near].mean(axis=0)
        axis = np.linalg.svd(sample[near] - centre, full_matrices=False)[2][2]
        normal = _within(axis * (1.0 if axis @ normal > 0 else -1.0), up, tilt)
        height = -float(normal @ centre)
        noise = 1.48 * float(np.median(np.abs(sample[near] @ normal + height)))
        band = np.clip(0.5 * band, min(3 * noise, 0.5 * float(band.max())), tolerance)
    error = sample @ normal + height
    near = np.abs(error) < tolerance
    share = float(near.mean())
    if share < 0.12 or height <= 0:
        return None
    return FloorFit(normal, height, share, float(np.sqrt((error[near] ** 2).mean())))


def level_pose(up: _F, height: float, *, yaw_deg: float = 0.0) -> _F:
    """(4, 4) world_from_camera: Z up, floor at z = 0, camera over the origin, looking along +y turned left by yaw."""
    forward = np.array([0.0, 0.0, 1.0]) - up * float(up[2])
    if np.linalg.norm(forward) < 1e-6:  # straight up or down: the top of the picture points ahead
        forward = np.array([0.0, -1.0, 0.0]) - up * float(-up[1])
    forward /= np.linalg.norm(forward)
    level = np.stack([np.cross(forward, up), forward, up])
    c, s = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return rigid(turn @ level, np.array([0.0, 0.0, height]))


def pitch_roll(up: _F) -> tuple[float, float]:
    """Elevation of the optical axis (negative looks down) and roll of a camera with this up direction [deg]."""
    pitch = math.degrees(math.asin(float(np.clip(up[2], -1, 1))))
    return pitch, math.degrees(math.atan2(-float(up[0]), -float(up[1])))


def settle_floor(
    depth: NDArray[np.float32], camera: Camera, *, sure: float = 0.05, doubtful: float = 0.10, below: float = 0.3
) -> NDArray[np.float32]:
    """Put what is nearly floor on the floor plane z = 0: a learned depth map has waves there, a robot needs none.

    Parameters
    ----------
    depth: (H, W) float32 z-depth [m], 0 where none. camera: level view over the plane.
    sure: pixels whose depth is this near (relative) to the plane's take the plane's depth.
    doubtful: from sure to here the correction fades out, so that the feet of things stay joined to the floor.
    below: pixels that lie under the floor by up to this much take the plane's depth too.
    """
    plane = plane_depth(camera)
    down = np.isfinite(plane)
    short = 1 - depth / plane  # > 0: in front of the plane, < 0: under the floor
    weight = np.where(
        short >= 0, np.clip((doubtful - short) / (doubtful - sure), 0, 1), np.clip((below + short) / (below / 3), 0, 1)
    )
    weight = np.where(down & (depth > 0), weight, 0)
    out = np.where(weight > 0, depth + weight * (np.where(down, plane, 0) - depth), depth)
    return out.astype(np.float32)

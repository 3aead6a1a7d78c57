# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Rigid (SE3) and similarity (Sim3) transforms as 4x4 matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry.rotation import matrix_from_rotvec, rotvec_from_matrix

__all__ = ["compose", "interpolate", "inverse", "look_at", "rigid", "transform_points", "umeyama"]

_F = NDArray[np.float64]


def rigid(rotation: _F, translation: _F) -> _F:
    """(..., 3, 3) and (..., 3) to (..., 4, 4)."""
    rotation = np.asarray(rotation, dtype=np.float64)
    out = np.zeros((*rotation.shape[:-2], 4, 4))
    out[..., :3, :3] = rotation
    out[..., :3, 3] = translation
    out[..., 3, 3] = 1.0
    return out


def compose(a_from_b: _F, b_from_c: _F) -> _F:
    """a_from_c = a_from_b @ b_from_c; neighbouring names cancel."""
    return np.asarray(a_from_b) @ np.asarray(b_from_c)


def inverse(a_from_b: _F) -> _F:
    """b_from_a of rigid transforms (..., 4, 4)."""
    a_from_b = np.asarray(a_from_b, dtype=np.float64)
    rotation = np.swapaxes(a_from_b[..., :3, :3], -1, -2)
    return rigid(rotation, -(rotation @ a_from_b[..., :3, 3:])[..., 0])


def transform_points(a_from_b: _F, points_b: _F) -> _F:
    """(4, 4) applied to (..., 3) points."""
    a_from_b = np.asarray(a_from_b)
    return points_b @ a_from_b[:3, :3].T.astype(points_b.dtype) + a_from_b[:3, 3].astype(points_b.dtype)


def interpolate(start: _F, end: _F, t: float) -> _F:
    """Rigid transform at t in [0, 1]: straight line of the origin, geodesic of the rotation."""
    delta = rotvec_from_matrix(end[:3, :3] @ start[:3, :3].T)
    rotation = matrix_from_rotvec(t * delta) @ start[:3, :3]
    return rigid(rotation, (1 - t) * start[:3, 3] + t * end[:3, 3])


def look_at(center: _F, target: _F, up: _F = np.array([0.0, 0.0, 1.0])) -> _F:  # noqa: B008 - constant
    """world_from_camera of an OpenCV camera at center that looks at target with the horizon level."""
    center = np.asarray(center, dtype=np.float64)
    forward = np.asarray(target, dtype=np.float64) - center
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, up)
    if np.linalg.norm(right) < 1e-8:  # looks along the up axis: any right will do
        right = np.cross(forward, np.eye(3)[int(np.argmin(np.abs(forward)))])
    right = right / np.linalg.norm(right)
    axes = np.stack([right, np.cross(forward, right), forward], axis=1)
    return rigid(np.asarray(axes, dtype=np.float64), center)


def umeyama(source: _F, target: _F, *, with_scale: bool = True) -> tuple[float, _F, _F]:
    """Least-squares similarity target = s R source + t (Umeyama 1991). Points (N, 3).

    Returns (s, R (3, 3), t (3,)).
    """
    mean_s, mean_t = source.mean(axis=0), target.mean(axis=0)
    a, b = source - mean_s, target - mean_t
    u, d, vt = np.linalg.svd(b.T @ a / len(source))
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = (u * sign) @ vt
    scale = float((d * sign).sum() / (a**2).sum(axis=1).mean()) if with_scale else 1.0
    return scale, rotation, mean_t - scale * rotation @ mean_s

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""From samples of one view to Gaussians in the world: flat ellipses that lie in the surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import SH_C0, quat_from_matrix
from lyra_core.reconstruction.density import Samples
from lyra_core.reconstruction.scene import GaussianConfig
from lyra_core.types import Camera, Gaussians

__all__ = ["back_project"]

_F = NDArray[np.float32]

_LOW_PASS = 0.3  # [px^2] what 3DGS viewers add to a footprint


def back_project(
    samples: Samples, slope: _F, sigma: _F, camera: Camera, origin: NDArray[np.int64], config: GaussianConfig
) -> Gaussians:
    """Gaussians of samples of one view.

    slope: (M, 2) change of inverse depth per pixel, divided by the inverse depth.
    sigma: (M,) footprint as a share of the sample's block.
    origin: (2,) column and row of the samples' window in the picture.
    """
    inverse_k = np.linalg.inv(camera.intrinsics).astype(np.float32)
    pixel = np.stack([samples.columns + origin[0], samples.rows + origin[1], np.ones_like(samples.rows)], axis=1)
    ray = pixel.astype(np.float32) @ inverse_k.T
    depth = np.reciprocal(samples.inverse_depth)
    focal = np.diag(camera.intrinsics)[:2].astype(np.float32)
    steepness = np.linalg.norm(slope * focal, axis=1, keepdims=True)
    slope = slope * np.minimum(1, config.max_slant / np.maximum(steepness, 1e-9)).astype(np.float32)
    reach = (depth * sigma * _widen(samples.size, config))[:, None]
    du = (reach * (inverse_k[:, 0] - slope[:, :1] * ray)).astype(np.float32)
    dv = (reach * (inverse_k[:, 1] - slope[:, 1:] * ray)).astype(np.float32)
    axes, scales = _principal_axes(du, dv, config.thickness)
    rotation = camera.world_from_camera[:3, :3].astype(np.float32)
    means = (ray * depth[:, None]) @ rotation.T + camera.center.astype(np.float32)
    return Gaussians(
        means.astype(np.float32),
        quat_from_matrix((rotation @ axes).astype(np.float64)).astype(np.float32),
        scales,
        np.full(len(means), config.opacity, np.float32),
        ((samples.rgb - 0.5) / np.float32(SH_C0))[:, None, :],
    )


def _widen(size: _F, config: GaussianConfig) -> _F:
    """Footprint of a block in units of sigma [px].

    The low-pass of the viewer widens small splats relatively more; blocks make up for it, so that they overlap as
    single pixels do and let nothing shine through.
    """
    share = _LOW_PASS / config.sigma**2
    return size * np.sqrt(1 + share - share / size**2)


def _principal_axes(du: _F, dv: _F, thickness: float) -> tuple[_F, _F]:
    """Axes (M, 3, 3) in columns (long, short, normal) and scales (M, 3) of du du^T + dv dv^T, made thin."""
    # In the plane of du and dv, the ellipse a(t) = du cos t + dv sin t has its axes at tan 2t = 2 du.dv / (du^2 - dv^2).
    uu, vv, uv = (np.einsum("ij,ij->i", a, b) for a, b in ((du, du), (dv, dv), (du, dv)))
    t = 0.5 * np.arctan2(2 * uv, uu - vv)
    cosine, sine = np.cos(t)[:, None], np.sin(t)[:, None]
    long, short = cosine * du + sine * dv, cosine * dv - sine * du
    lengths = np.stack([np.linalg.norm(long, axis=1), np.linalg.norm(short, axis=1)], axis=1)
    first = long / lengths[:, :1]
    normal = np.cross(long, short)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    axes = np.stack([first, np.cross(normal, first), normal], axis=2)
    scales = np.concatenate([lengths, thickness * lengths[:, 1:]], axis=1)
    return axes.astype(np.float32), scales.astype(np.float32)

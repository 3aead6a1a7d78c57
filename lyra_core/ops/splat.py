# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Draw 3D Gaussians into a pinhole view: EWA projection, depth order, front-to-back compositing.

Sources: Zwicker et al. 2001 (EWA splatting); Kerbl et al. 2023 (3DGS: three-sigma support, 0.3 px
low-pass, alpha floor 1/255, stop at transmittance 1e-4); Yu et al. 2024 (Mip-Splatting: the low-pass
keeps each Gaussian's energy by lowering its peak).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import evaluate_sh, matrix_from_quat
from lyra_core.ops.device import resolve_device
from lyra_core.ops.splat_values import SplatImage, SplatSettings, slope_limits
from lyra_core.types import Camera, Gaussians

__all__ = ["SplatImage", "SplatSettings", "Splatter", "splat", "splatter"]

MIN_ALPHA = 1.0 / 255.0
MAX_ALPHA = 0.999
MIN_TRANSMITTANCE = 1e-4
SUPPORT = 9.0  # squared Mahalanobis radius: three sigma


class Splatter(Protocol):
    """Draws one set of Gaussians into many views; keeps what can be kept between them."""

    def draw(self, camera: Camera) -> SplatImage:
        """The view of this camera."""
        ...


def splatter(gaussians: Gaussians, settings: SplatSettings | None = None, *, device: str = "cpu") -> Splatter:
    """Prepare gaussians for drawing on device ('numpy', 'cpu', 'cuda:N', 'auto')."""
    settings = settings or SplatSettings()
    device = resolve_device(device)
    if device == "numpy":
        return _NumpySplatter(gaussians, settings)
    from lyra_core.ops import splat_warp

    return splat_warp.make_splatter(gaussians, settings, device)


def splat(
    gaussians: Gaussians,
    camera: Camera,
    *,
    background: tuple[float, float, float] = (0.0, 0.0, 0.0),
    device: str = "cpu",
    settings: SplatSettings | None = None,
) -> SplatImage:
    """Draw gaussians into camera.

    Equal depths are drawn in index order, so the picture does not depend on threads or device.
    For many views of one set, prepare it once with splatter().
    """
    settings = replace(settings or SplatSettings(), background=tuple(background))
    return splatter(gaussians, settings, device=device).draw(camera)


class _NumpySplatter:
    """The plain twin: float64 projection, one Gaussian after another. For tests."""

    def __init__(self, gaussians: Gaussians, settings: SplatSettings) -> None:
        self._gaussians = gaussians
        self._settings = settings

    def draw(self, camera: Camera) -> SplatImage:
        settings = self._settings
        center, covariance, depth = _project(self._gaussians, camera, settings)
        conic, alpha = _conic_and_alpha(covariance, self._gaussians.opacities, settings)
        direction = self._gaussians.means - camera.center
        direction = direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-30)
        color = np.maximum(evaluate_sh(self._gaussians.sh.astype(np.float64), direction), 0.0)
        rgb = np.zeros((camera.height, camera.width, 3))
        weighted_depth = np.zeros((camera.height, camera.width))
        trans = np.ones((camera.height, camera.width))
        drawn = np.flatnonzero((depth > settings.near) & (alpha > MIN_ALPHA))
        for i in drawn[np.argsort(depth[drawn].astype(np.float32), kind="stable")]:
            reach = min(SUPPORT, 2 * np.log(alpha[i] / MIN_ALPHA))
            box = _box(center[i], np.sqrt(reach * np.diag(covariance[i])), camera)
            if box is None:
                continue
            rows, columns = box
            dy = np.arange(rows.start, rows.stop)[:, None] + 0.5 - center[i, 1]
            dx = np.arange(columns.start, columns.stop)[None, :] + 0.5 - center[i, 0]
            power = conic[i, 0, 0] * dx * dx + 2 * conic[i, 0, 1] * dx * dy + conic[i, 1, 1] * dy * dy
            inside = (power <= reach) & (trans[box] >= MIN_TRANSMITTANCE)
            weight = np.where(inside, trans[box] * alpha[i] * np.exp(-0.5 * power), 0.0)
            rgb[box] += weight[..., None] * color[i]
            weighted_depth[box] += weight * depth[i]
            trans[box] -= weight
        rgb += trans[..., None] * np.asarray(settings.background)
        seen = trans < 1 - MIN_ALPHA
        expected = np.where(seen, weighted_depth / np.where(seen, 1 - trans, 1.0), 0.0)
        return SplatImage(rgb.astype(np.float32), expected.astype(np.float32), (1 - trans).astype(np.float32))


def _project(
    gaussians: Gaussians, camera: Camera, settings: SplatSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Pixel centres (N, 2), covariances with low-pass (N, 2, 2) [px^2] and z-depths (N,)."""
    view = camera.camera_from_world
    points = gaussians.means.astype(np.float64) @ view[:3, :3].T + view[:3, 3]
    depth = points[:, 2]
    safe = np.where(depth > settings.near, depth, 1.0)
    slope = points[:, :2] / safe[:, None]
    focal = camera.intrinsics[:2, :2]
    center = slope @ focal.T + camera.intrinsics[:2, 2]
    low, high = slope_limits(camera)
    slope = np.clip(slope, low, high)
    axes = (
        view[:3, :3]
        @ matrix_from_quat(gaussians.quats_wxyz.astype(np.float64))
        * gaussians.scales[:, None, :].astype(np.float64)
    )
    flat = focal @ (axes[:, :2] - slope[:, :, None] * axes[:, 2:]) / safe[:, None, None]
    return center, flat @ np.swapaxes(flat, 1, 2) + settings.low_pass * np.eye(2), depth


def _conic_and_alpha(
    covariance: NDArray[np.float64], opacities: NDArray[np.float32], settings: SplatSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inverse covariances (N, 2, 2) and peak alphas (N,)."""
    det = np.linalg.det(covariance)
    alpha = np.minimum(opacities.astype(np.float64), MAX_ALPHA)
    if settings.compensate:
        before = np.linalg.det(covariance - settings.low_pass * np.eye(2))
        alpha = alpha * np.sqrt(np.maximum(np.maximum(before, 0.0) / np.maximum(det, 1e-30), 0.000025))
    alpha = np.where(det > 0, alpha, 0.0)
    return np.linalg.inv(np.where(det[:, None, None] > 0, covariance, np.eye(2))), alpha


def _box(center: NDArray[np.float64], half: NDArray[np.float64], camera: Camera) -> tuple[slice, slice] | None:
    """Rows and columns of the pixels whose centres may be inside; None if there are none."""
    size = np.array([camera.width, camera.height], dtype=np.float64)
    start = np.clip(np.ceil(center - half - 0.5), 0, size).astype(int)
    stop = np.clip(np.floor(center + half - 0.5) + 1, 0, size).astype(int)
    if (stop <= start).any():
        return None
    return slice(start[1], stop[1]), slice(start[0], stop[0])

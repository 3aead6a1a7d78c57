# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The Warp side of ops.splat; loaded only when a Warp device is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import ConfigError
from lyra_core.kernels import splat_run
from lyra_core.ops.splat_values import SplatImage, SplatSettings, slope_limits
from lyra_core.types import Camera, Gaussians

__all__ = ["WarpSplatter", "make_splatter"]


class WarpSplatter:
    """Gaussians held on a Warp device.

    Attributes
    ----------
    seconds: wall time of each stage of the last draw (CPU only).
    """

    def __init__(self, gaussians: Gaussians, settings: SplatSettings, device: str, *, per_pixel: bool) -> None:
        names = ("means", "quats_wxyz", "scales", "opacities", "sh")
        arrays = {name: getattr(gaussians, name) for name in names}
        self._splats = splat_run.DeviceSplats(arrays, device) if per_pixel else splat_run.CpuSplats(arrays)
        self._tile = splat_run.PIXEL_TILE if per_pixel else splat_run.CPU_TILE
        self._settings = settings

    @property
    def seconds(self) -> dict[str, float]:
        """Wall time of each stage of the last draw [s]; empty on CUDA."""
        return getattr(self._splats, "seconds", {})

    def draw(self, camera: Camera) -> SplatImage:
        """The view of this camera."""
        return SplatImage(*self._splats.draw(self._view(camera), self._settings.background))

    def spread(self, camera: Camera, residual: NDArray[np.float32]) -> NDArray[np.float32]:
        """The transpose of drawing, for the camera drawn last (CPU only).

        residual: (H, W, 3). Returns (N, 4) float32: per Gaussian the sum over pixels of blending weight times
        residual, and the sum of the weights.
        """
        if not isinstance(self._splats, splat_run.CpuSplats):
            raise ConfigError("Colour correction runs on the CPU", got="a CUDA splatter", do="Use device='cpu'")
        return self._splats.spread(self._view(camera), residual)

    def visible_share(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,) of each Gaussian's whole footprint in the view drawn last, the share that was seen.

        weights: (N,) sums of blending weights, as spread() returns them.
        """
        whole = self._splats.footprints()
        return (weights / np.maximum(whole, 1e-6)).astype(np.float32)

    def _view(self, camera: Camera) -> Any:
        pose = camera.camera_from_world
        return splat_run.make_view(
            pose[:3, :3],
            pose[:3, 3],
            camera.intrinsics,
            (camera.width, camera.height),
            slope_limits(camera),
            near=self._settings.near,
            low_pass=self._settings.low_pass,
            compensate=self._settings.compensate,
            tile=self._tile,
        )


def make_splatter(gaussians: Gaussians, settings: SplatSettings, device: str) -> WarpSplatter:
    """A splatter on 'cpu' or 'cuda:N'."""
    return WarpSplatter(gaussians, settings, device, per_pixel=device != "cpu")

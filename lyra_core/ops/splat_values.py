# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What both splatters share: settings, the picture, and how far outside it slopes are followed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.types import Camera

__all__ = ["SplatImage", "SplatSettings", "slope_limits"]


@dataclass(frozen=True, slots=True)
class SplatSettings:
    """How Gaussians are drawn.

    Attributes
    ----------
    background: sRGB colour behind everything, 0..1.
    low_pass: variance added to every footprint [px^2]; 0.3 as in 3DGS.
    compensate: lower the peak so that the low-pass keeps each Gaussian's energy (Mip-Splatting, Yu et al. 2024).
        Viewers in the 3DGS tradition do not.
    near: Gaussians whose centre is nearer than this [m] are not drawn.
    """

    background: tuple[float, float, float] = (0.0, 0.0, 0.0)
    low_pass: float = 0.3
    compensate: bool = False
    near: float = 0.05

    def __post_init__(self) -> None:
        if not (self.low_pass >= 0 and self.near > 0):
            raise InputError(
                "low_pass must be >= 0 px^2 and near > 0 m", got=f"{self.low_pass}, {self.near}", do="Use the defaults"
            )


@dataclass(frozen=True, slots=True, eq=False)
class SplatImage:
    """A rendered view.

    Attributes
    ----------
    rgb: (H, W, 3) float32 sRGB, composited over the background; not clamped above 1.
    depth: (H, W) float32 expected z-depth [m] of the Gaussians' centres, divided by alpha; 0 where alpha <= 1/255.
    alpha: (H, W) float32 in [0, 1]; 1 - alpha is what remains of the background.
    """

    rgb: NDArray[np.float32]
    depth: NDArray[np.float32]
    alpha: NDArray[np.float32]


def slope_limits(camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(2,) low and high bounds of x/z and y/z: the picture with a margin of 15 % on each side, as in 3DGS."""
    size = np.array([camera.width, camera.height], dtype=np.float64)
    focal = np.diag(camera.intrinsics)[:2]
    principal = camera.intrinsics[:2, 2]
    margin = 0.15 * size
    return (-principal - margin) / focal, (size - principal + margin) / focal

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Frame and Guide: an image with geometry, and what the memory knows of a view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.types.camera import Camera
from lyra_core.types.checks import frozen_array

__all__ = ["Frame", "Guide"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One view of the world with its own geometry.

    Attributes
    ----------
    index: frame number on the path (>= 0).
    rgb: (H, W, 3) float32 in [0, 1], sRGB.
    depth: (H, W) float32 z-depth [m]; 0 where there is no surface (sky, unknown).
    sky: (H, W) bool, True where the view goes to infinity.
    camera: the view.
    owned: (H, W) bool, True for the pixels that this frame was the first to see
        (it invented them); the rest are copies of earlier frames.
    """

    index: int
    rgb: NDArray[np.float32]
    depth: NDArray[np.float32]
    sky: NDArray[np.bool_]
    camera: Camera
    owned: NDArray[np.bool_]

    def __post_init__(self) -> None:
        size = (self.camera.height, self.camera.width)
        object.__setattr__(self, "rgb", frozen_array(self.rgb, (*size, 3), np.float32, "Frame.rgb"))
        object.__setattr__(self, "depth", frozen_array(self.depth, size, np.float32, "Frame.depth"))
        object.__setattr__(self, "sky", frozen_array(self.sky, size, np.bool_, "Frame.sky"))
        object.__setattr__(self, "owned", frozen_array(self.owned, size, np.bool_, "Frame.owned"))
        if not np.isfinite(self.depth).all() or (self.depth < 0).any():
            raise InputError(
                "Depth must be finite metres, 0 where unknown",
                got=f"{int((~np.isfinite(self.depth)).sum())} non-finite, {int((self.depth < 0).sum())} negative",
                do="Replace inf and NaN by 0 and mark them in the sky mask",
            )


@dataclass(frozen=True, slots=True, eq=False)
class Guide:
    """What past frames show of a target view; the input of a video model for that view.

    Attributes
    ----------
    rgb: (H, W, 3) float32 in [0, 1]; undefined where not known.
    depth: (H, W) float32 z-depth [m] in the target view; 0 where not known or sky.
    known: (H, W) bool, True where a past frame shows this pixel (surface or sky).
    sky: (H, W) bool, True where the known pixel is sky.
    source: (H, W) int32 index of the frame that owns the pixel; -1 where not known.
    source_xy: (H, W, 2) float32 pixel coordinates (x, y; centres at +0.5) in that frame; NaN where not known.
    camera: the target view.
    """

    rgb: NDArray[np.float32]
    depth: NDArray[np.float32]
    known: NDArray[np.bool_]
    sky: NDArray[np.bool_]
    source: NDArray[np.int32]
    source_xy: NDArray[np.float32]
    camera: Camera

    def __post_init__(self) -> None:
        size = (self.camera.height, self.camera.width)
        object.__setattr__(self, "rgb", frozen_array(self.rgb, (*size, 3), np.float32, "Guide.rgb"))
        object.__setattr__(self, "depth", frozen_array(self.depth, size, np.float32, "Guide.depth"))
        object.__setattr__(self, "known", frozen_array(self.known, size, np.bool_, "Guide.known"))
        object.__setattr__(self, "sky", frozen_array(self.sky, size, np.bool_, "Guide.sky"))
        object.__setattr__(self, "source", frozen_array(self.source, size, np.int32, "Guide.source"))
        object.__setattr__(self, "source_xy", frozen_array(self.source_xy, (*size, 2), np.float32, "Guide.source_xy"))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What is drawn as a connected surface, and what comes of it; made and drawn by `surface`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.types import Camera

__all__ = ["Surface", "SurfaceView", "view_matrices"]

_F32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Surface:
    """One view, ready to be drawn from anywhere. Made by `prepare_surface`.

    Attributes
    ----------
    depth: (H, W) float32 z-depth [m], 0 where there is no surface.
    code: (H+1, W+1) uint8 cells: 16 a whole quad, 1..15 quarter cells of corners, 0 nothing
        (see lyra_core.kernels.surface).
    words: (N, 2) int32 first column and row of each block of WORD cells that draws anything.
    bounds: (N, 2) float32 smallest and largest depth [m] in the block.
    camera: the view.
    rgb: (H, W, 3) uint8 sRGB, or None where only geometry is wanted.
    sky: (H, W) uint8 1 where this view may show sky, or None.
    """

    depth: _F32
    code: NDArray[np.uint8]
    words: NDArray[np.int32]
    bounds: _F32
    camera: Camera
    rgb: NDArray[np.uint8] | None = None
    sky: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceView:
    """What the sources show of a target view.

    Attributes
    ----------
    depth: (H, W) float32 z-depth [m] in the target; 0 where no surface (or sky).
    source: (H, W) int32 position in the list of sources; -1 where nothing is known.
    source_xy: (H, W, 2) float32 pixel coordinates (centres +0.5) in that source; NaN where not known.
    known: (H, W) bool, a surface or (if asked for) sky.
    rgb: (H, W, 3) float32 0..1 sRGB, 0 where not known; None if no source has colour.
    sky: (H, W) bool, True where known as sky; None unless asked for.
    """

    depth: _F32
    source: NDArray[np.int32]
    source_xy: _F32
    known: NDArray[np.bool_]
    rgb: _F32 | None = None
    sky: NDArray[np.bool_] | None = None


def view_matrices(source: Camera, target: Camera) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(3, 3) M and (3,) t with z' (u', v', 1) = z M (u, v, 1) + t from source to target pixels (centres +0.5)."""
    rotation = target.world_from_camera[:3, :3].T @ source.world_from_camera[:3, :3]
    offset = target.world_from_camera[:3, :3].T @ (source.center - target.center)
    return target.intrinsics @ rotation @ np.linalg.inv(source.intrinsics), target.intrinsics @ offset

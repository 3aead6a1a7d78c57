# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""SeedScene: what a camera path may know of the place before anything is generated."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.geometry import unproject
from lyra_core.types import Camera

__all__ = ["SeedScene"]


def _no_points() -> NDArray[np.float32]:
    return np.zeros((0, 3), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class SeedScene:
    """The seen surroundings of the photo's camera, in the Z-up world.

    Attributes
    ----------
    center_depth: distance [m] of the subject; the 0.25 quantile of the seed depth, as Lyra 2 takes it.
    floor_z: height of the floor [m], or None where no floor was found.
    points: (N, 3) float32 surface points seen so far [m], floor and ceiling included, sky not.
    """

    center_depth: float
    floor_z: float | None = 0.0
    points: NDArray[np.float32] = field(default_factory=_no_points)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.center_depth) and self.center_depth > 0):
            raise InputError(
                "The scene's centre depth must be a positive number of metres",
                got=f"{self.center_depth!r}",
                do="Check the seed depth, it may be empty or all sky",
            )
        if self.floor_z is not None and not math.isfinite(self.floor_z):
            raise InputError(
                "The floor height must be finite metres", got=f"{self.floor_z!r}", do="Use None if unknown"
            )
        points = np.asarray(self.points, dtype=np.float32)
        if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
            raise InputError(
                "Scene points must be finite and of shape (N, 3)",
                got=f"shape {points.shape}",
                do="Drop pixels without depth before making the scene",
            )
        view = points.view()
        view.setflags(write=False)
        object.__setattr__(self, "points", view)

    @staticmethod
    def from_depth(
        depth: NDArray[np.float32],
        camera: Camera,
        *,
        valid: NDArray[np.bool_] | None = None,
        floor_z: float | None = 0.0,
        max_points: int = 200_000,
    ) -> SeedScene:
        """The scene that a depth map shows.

        Parameters
        ----------
        depth: (H, W) float32 z-depth [m], 0 where there is no surface.
        camera: the view of the depth map.
        valid: (H, W) bool, pixels to use (default: all with depth > 0).
        floor_z: height of the floor [m] or None.
        max_points: the grid is strided (same step in x and y) to at most about this many points.

        Raises
        ------
        InputError: no valid pixel.
        """
        good = np.isfinite(depth) & (depth > 0)
        if valid is not None:
            good &= valid
        if not good.any():
            raise InputError(
                "The seed depth has no surface", got="0 valid pixels", do="Check the depth file and the sky mask"
            )
        center_depth = float(np.quantile(depth[good], 0.25))
        step = max(1, math.ceil(math.sqrt(depth.size / max_points)))
        clean = np.where(good, depth, 0).astype(np.float32)
        points = unproject(clean, camera)[::step, ::step][good[::step, ::step]]
        return SeedScene(center_depth, floor_z, points)

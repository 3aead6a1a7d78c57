# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Distances from camera centres to a point cloud whose points stand for pieces of surface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Obstacles", "build_obstacles"]

_F = NDArray[np.float64]

_VOXEL = 0.04  # m, one point is kept per voxel
_MAX_PATCH = 0.3  # m, largest gap between neighbours that is taken for a closed surface


@dataclass(frozen=True, slots=True, eq=False)
class Obstacles:
    """Seen surfaces near a path.

    Attributes
    ----------
    points: (N, 3) float64 thinned surface points [m].
    patch: (N,) float64 radius [m] of the piece of surface that a point stands for (its spacing to its neighbours),
        so that nothing slips between samples.
    tree: k-d tree of the points, None where there are none.
    """

    points: _F
    patch: _F
    tree: Any

    def distances(self, centers: _F) -> _F:
        """(M,) distance [m] of centres (M, 3) to the nearest point; inf without points."""
        if self.tree is None:
            return np.full(len(centers), np.inf)
        return self.tree.query(centers)[0]

    def nearest(self, center: _F) -> _F:
        """(3,) the point nearest to a centre."""
        return self.points[self.tree.query(center)[1]]

    def margins(self, centers: _F, clearance: float, allowance: _F) -> _F:
        """(M,) smallest of distance minus needed distance [m] over the points; negative = too close or through.

        A point needs max(clearance, min(patch, allowance)); allowance (N,) caps the patches near the photo, where
        the camera is known to fit.
        """
        if self.tree is None:
            return np.full(len(centers), np.inf)
        solid = np.minimum(self.patch, allowance)
        margin = self.tree.query(centers)[0] - clearance
        large = solid > clearance
        if large.any():
            radius = float(solid[large].max())
            near = self.tree.query_ball_point(centers, radius)
            for i, found in enumerate(near):
                chosen = np.asarray(found, dtype=np.int64)
                chosen = chosen[large[chosen]]
                if len(chosen):
                    gaps = np.linalg.norm(self.points[chosen] - centers[i], axis=1) - solid[chosen]
                    margin[i] = min(margin[i], float(gaps.min()))
        return margin


def build_obstacles(points: NDArray[np.floating], low: _F, high: _F) -> Obstacles:
    """Obstacles from points (N, 3) [m] inside the box low..high (3,) [m]."""
    from scipy.spatial import KDTree

    cloud = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    cloud = cloud[((cloud >= low) & (cloud <= high)).all(axis=1)]
    if len(cloud) == 0:
        return Obstacles(cloud, np.zeros(0), None)
    cells = np.floor((cloud - low) / _VOXEL).astype(np.int64)
    spread = np.ceil((high - low) / _VOXEL).astype(np.int64) + 1
    keys = (cells[:, 0] * spread[1] + cells[:, 1]) * spread[2] + cells[:, 2]
    cloud = cloud[np.unique(keys, return_index=True)[1]]
    tree = KDTree(cloud)
    count = min(4, len(cloud))
    # In a regular sampling the third neighbour is one spacing away: balls of that radius overlap by 0.7 spacings where
    # they meet, at the middle of a cell, so that a test position hits them. Thinning widens gaps to two voxels at most.
    spacing = tree.query(cloud, k=count)[0].reshape(len(cloud), count)[:, -1] if count > 1 else np.zeros(1)
    return Obstacles(cloud, np.clip(spacing, 2 * _VOXEL, _MAX_PATCH), tree)

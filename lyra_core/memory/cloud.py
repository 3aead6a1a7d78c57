# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""One fused coloured point cloud of all frames: the memory that ours is compared with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import project, unproject
from lyra_core.ops.surface import Surface
from lyra_core.types import Guide

__all__ = ["PointCloud"]

_VOXEL = 0.02  # metres: about two pixels at 5 m with a 500 px focal length


@dataclass(frozen=True, slots=True, eq=False)
class PointCloud:
    """Voxel averages of all frames' points.

    Attributes
    ----------
    points: (N, 3) float32 world [m], the mean of the points in each voxel.
    colors: (N, 3) float32 0..1 sRGB, their mean colour.
    """

    points: NDArray[np.float32]
    colors: NDArray[np.float32]

    @staticmethod
    def fuse(frames: Iterable[tuple[Surface, NDArray[np.bool_]]], *, voxel: float = _VOXEL) -> PointCloud:
        """Fuse surfaces where their masks (H, W) hold. Frames must come in one fixed order (sums are rounded)."""
        keys, sums, colors, counts = [], [], [], []
        for surface, mask in frames:
            mask = mask & (surface.depth > 0)
            points = unproject(surface.depth, surface.camera)[mask].astype(np.float64)
            rgb = surface.rgb[mask] if surface.rgb is not None else np.zeros((len(points), 3), np.uint8)
            cell = np.floor(points / voxel).astype(np.int64) + (1 << 20)
            key = (cell[:, 0] << 42) | (cell[:, 1] << 21) | cell[:, 2]
            unique, inverse = np.unique(key, return_inverse=True)
            keys.append(unique)
            counts.append(np.bincount(inverse).astype(np.float64))
            sums.append(_totals(inverse, points))
            colors.append(_totals(inverse, rgb / 255.0))
        if not keys:
            return PointCloud(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32))
        _, inverse = np.unique(np.concatenate(keys), return_inverse=True)
        count = np.bincount(inverse, weights=np.concatenate(counts))[:, None]
        points = _totals(inverse, np.concatenate(sums)) / count
        return PointCloud(
            points.astype(np.float32), (_totals(inverse, np.concatenate(colors)) / count).astype(np.float32)
        )

    def over(self, guide: Guide, *, voxel: float = _VOXEL) -> Guide:
        """The guide with the cloud drawn in front of what it shows: each point a square of its voxel's size."""
        camera = guide.camera
        pixel, z = project(self.points, camera)
        seen = z > 0.05
        pixel, z, color = pixel[seen], z[seen], self.colors[seen]
        radius = np.clip(np.ceil(voxel * camera.intrinsics[0, 0] / z / 2 - 0.5), 0, 8).astype(int)
        depth = np.full(camera.height * camera.width, np.inf, np.float32)
        best = np.full(len(depth), -1, np.int64)
        column, row = np.floor(pixel).astype(np.int64).T
        order = np.argsort(-z, kind="stable")  # far to near: the last writer is the nearest
        for step in range(int(radius.max(initial=0)) + 1):
            use = order[radius[order] >= step]
            for dy in range(-step, step + 1):
                for dx in range(-step, step + 1):
                    if max(abs(dx), abs(dy)) != step:
                        continue
                    x, y = column[use] + dx, row[use] + dy
                    inside = (x >= 0) & (x < camera.width) & (y >= 0) & (y < camera.height)
                    cell, point = y[inside] * camera.width + x[inside], use[inside]
                    first = np.full(len(depth), -1, np.int64)
                    first[cell] = point
                    nearer = first >= 0
                    nearer[nearer] &= z[first[nearer]] < depth[nearer]
                    depth[nearer] = z[first[nearer]]
                    best[nearer] = first[nearer]
        hit = (best >= 0).reshape(camera.height, camera.width)
        rgb, out = guide.rgb.copy(), guide.depth.copy()
        rgb[hit] = color[best[best >= 0]]
        out[hit] = depth.reshape(out.shape)[hit]
        source, source_xy = guide.source.copy(), guide.source_xy.copy()
        source[hit] = -1
        source_xy[hit] = np.nan
        return Guide(rgb, out, guide.known | hit, guide.sky & ~hit, source, source_xy, camera)


def _totals(inverse: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of rows of values (N, K) with the same number in inverse (N,)."""
    sums = [np.bincount(inverse, weights=values[:, i]) for i in range(values.shape[1])]
    return np.stack(sums, axis=1).astype(np.float64)

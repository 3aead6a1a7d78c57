# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Loose textured triangles for outdoor scenes: boxes, gable roofs, posts, blobs and grids, textured in metres."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["TriangleSoup", "unit_sphere"]

_F = NDArray[np.float64]


@cache
def unit_sphere(subdivisions: int) -> tuple[_F, NDArray[np.int64]]:
    """Vertices (V, 3) and faces (F, 3) of a geodesic sphere of radius 1 (20 * 4**subdivisions faces)."""
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=subdivisions)
    return np.asarray(ball.vertices, np.float64), np.asarray(ball.faces, np.int64)


@dataclass
class TriangleSoup:
    """Collects triangles: corners (F, 3, 3) [m], uvs (F, 3, 2), texture (F,), smooth normals (F, 3, 3)."""

    _corners: list[_F] = field(default_factory=list)
    _uvs: list[_F] = field(default_factory=list)
    _textures: list[NDArray[np.int32]] = field(default_factory=list)
    _normals: list[_F] = field(default_factory=list)

    def add(self, corners: _F, uvs: _F, texture: int | NDArray[np.int32], normals: _F | None = None) -> None:
        """Add triangles; without normals they are flat."""
        if normals is None:
            flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
            normals = np.repeat(flat[:, None], 3, axis=1)
        self._corners.append(corners)
        self._uvs.append(uvs)
        self._textures.append(np.broadcast_to(np.asarray(texture, np.int32), len(corners)).copy())
        self._normals.append(normals)

    def quads(self, corners: _F, texture: int, *, tile: float) -> None:
        """(N, 4, 3) planar quads, counter-clockwise; u runs along the first edge, v along the last, one repeat a tile."""
        width = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1) / tile
        height = np.linalg.norm(corners[:, 3] - corners[:, 0], axis=1) / tile
        zero = np.zeros_like(width)
        uv = np.stack([np.stack(p, -1) for p in ((zero, height), (width, height), (width, zero), (zero, zero))], axis=1)
        for pick in ([0, 1, 2], [0, 2, 3]):
            self.add(corners[:, pick], uv[:, pick], texture)

    def box(self, center: _F, half: _F, yaw: float, side: int, top: int, *, tile: float, top_tile: float = 2.0) -> None:
        """Upright box: `center` (3,) of its body [m], half sizes (3,); four sides of one texture, a top of another."""
        signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
        turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
        ring = (signs * half[:2]) @ turn.T + center[:2]
        low = np.column_stack([ring, np.full(4, center[2] - half[2])])
        high = np.column_stack([ring, np.full(4, center[2] + half[2])])
        after = np.roll(np.arange(4), -1)
        self.quads(np.stack([low, low[after], high[after], high], axis=1), side, tile=tile)
        self.quads(high[None], top, tile=top_tile)
        self.quads(low[None, ::-1], top, tile=top_tile)

    def gable(self, center: _F, half: _F, yaw: float, rise: float, roof: int, side: int) -> None:
        """Gable roof over a rectangle at height center z; the ridge runs along the rectangle's x axis."""
        turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])

        def at(x: float, y: float, z: float) -> _F:
            return np.array([*(turn @ [x * half[0], y * half[1]] + center[:2]), center[2] + z])

        over = 1.08
        ridge = [at(-over, 0, rise), at(over, 0, rise)]
        eaves = [at(-over, -over, -0.1), at(over, -over, -0.1), at(over, over, -0.1), at(-over, over, -0.1)]
        self.quads(
            np.array([[eaves[0], eaves[1], ridge[1], ridge[0]], [eaves[2], eaves[3], ridge[0], ridge[1]]]),
            roof,
            tile=2.0,
        )
        for x in (-1, 1):
            corners = np.array([[at(x, -1, 0), at(x, 1, 0), at(x, 0, rise)]])
            self.add(corners, corners[..., 1:] / 2.0, side)

    def post(self, low: _F, high: _F, radii: tuple[float, float], texture: int, *, sides: int = 8) -> None:
        """Tapered post from `low` to `high` (3,) [m], with a lid."""
        axis = (high - low) / max(float(np.linalg.norm(high - low)), 1e-9)
        first = np.cross(axis, [0.0, 1.0, 0.0] if abs(axis[1]) < 0.9 else [1.0, 0.0, 0.0])
        first /= np.linalg.norm(first)
        angle = np.arange(sides + 1) * 2 * np.pi / sides
        around = np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * np.cross(axis, first)
        a, b = low + radii[0] * around, high + radii[1] * around
        length = float(np.linalg.norm(high - low))
        u, v = angle / np.pi, np.array([length, 0.0])
        corners = np.concatenate([np.stack([a[:-1], a[1:], b[1:]], 1), np.stack([a[:-1], b[1:], b[:-1]], 1)])
        uvs = np.concatenate(
            [
                np.stack(
                    [
                        np.column_stack([u[:-1], 0 * u[1:] + v[0]]),
                        np.column_stack([u[1:], 0 * u[1:] + v[0]]),
                        np.column_stack([u[1:], 0 * u[1:]]),
                    ],
                    1,
                ),
                np.stack(
                    [
                        np.column_stack([u[:-1], 0 * u[1:] + v[0]]),
                        np.column_stack([u[1:], 0 * u[1:]]),
                        np.column_stack([u[:-1], 0 * u[1:]]),
                    ],
                    1,
                ),
            ]
        )
        normals = np.concatenate(
            [np.stack([around[:-1], around[1:], around[1:]], 1), np.stack([around[:-1], around[1:], around[:-1]], 1)]
        )
        self.add(corners, uvs, texture, normals)
        lid = np.stack([np.repeat(high[None], sides, 0), b[:-1], b[1:]], 1)
        self.add(lid, np.zeros((sides, 3, 2)), texture)

    def blob(
        self,
        center: _F,
        radii: _F,
        texture: int,
        rng: np.random.Generator,
        *,
        rough: float,
        tile: float,
        detail: int = 2,
    ) -> None:
        """Lumpy ball: crowns of trees, bushes, rocks. rough: displacement relative to the radius."""
        ball, faces = unit_sphere(detail)
        waves = rng.normal(0, 1, (12, 3)) * rng.uniform(1.5, 6.0, (12, 1))
        bumps = np.sin(ball @ waves.T + rng.uniform(0, 2 * np.pi, 12)).sum(axis=1) / np.sqrt(12)
        points = ball * (1 + rough * bumps[:, None]) * radii + center
        uv = np.column_stack([np.arctan2(ball[:, 1], ball[:, 0]) * radii[0], -ball[:, 2] * radii[2] * 1.5]) / tile
        uvs = uv[faces]
        wrap = np.ptp(uvs[..., 0], axis=1) > np.pi * radii[0] / tile  # triangles across the seam
        seam = uvs[wrap]
        seam[..., 0] = np.where(seam[..., 0] < 0, seam[..., 0] + 2 * np.pi * radii[0] / tile, seam[..., 0])
        uvs[wrap] = seam
        normals = (ball / radii) / np.linalg.norm(ball / radii, axis=1, keepdims=True)
        self.add(points[faces], uvs, texture, normals[faces])

    def finish(self) -> tuple[_F, _F, NDArray[np.int32], _F]:
        """All triangles: corners (F, 3, 3), uvs (F, 3, 2), texture (F,), normals (F, 3, 3)."""
        return (
            np.concatenate(self._corners),
            np.concatenate(self._uvs),
            np.concatenate(self._textures),
            np.concatenate(self._normals),
        )

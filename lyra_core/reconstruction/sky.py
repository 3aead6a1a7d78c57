# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The sky as one far shell: each direction is drawn once, by the first frame that owns it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import pixel_rays
from lyra_core.reconstruction.scene import GaussianConfig, concatenate
from lyra_core.types import Frame, Gaussians

__all__ = ["SkyShell"]

_B = NDArray[np.bool_]

_NEAREST = 60.0  # [m] smallest radius of the shell
_BEYOND = 3.0  # radius as a multiple of the largest depth
_UNDERLAP = 3  # pixels by which the sky goes on behind silhouettes, against dark rims
_LARGEST_BLOCK = 8  # the sky is smooth: fewer Gaussians than on surfaces


class SkyShell:
    """Gathers the sky pixels of frames on a sphere around the mean camera centre.

    First look_at() every frame, then ask for gaussians().
    """

    def __init__(self, config: GaussianConfig) -> None:
        self._config = config
        self._centers: list[NDArray[np.float64]] = []
        self._with_sky: list[int] = []
        self._deepest = 0.0
        self._center = np.zeros(3)
        self._side = 1
        self.radius = 0.0

    def look_at(self, frame: Frame) -> None:
        """Note where the camera stands, how far it sees, and whether it owns sky."""
        if (frame.sky & frame.owned).any():
            self._with_sky.append(len(self._centers))
        self._centers.append(frame.camera.center)
        self._deepest = max(self._deepest, float(frame.depth.max(initial=0)))

    def gaussians(self, frames: Sequence[Frame]) -> Gaussians | None:
        """The shell, or None if no frame owns sky. frames: those looked at, in the same order."""
        if not self._with_sky:
            return None
        centers = np.array(self._centers)
        self._center = centers.mean(axis=0)
        travel = float(np.linalg.norm(centers - self._center, axis=1).max())
        self.radius = self._config.sky_distance or max(_NEAREST, _BEYOND * self._deepest, _BEYOND * travel)
        # At the centre of a cube face a cell is about 1.5 pixels wide.
        self._side = int(np.ceil(4 / 3 * frames[self._with_sky[0]].camera.intrinsics[0, 0]))
        taken = np.zeros((6, self._side, self._side), bool)
        parts = [part for i in self._with_sky if (part := self._part(frames[i], taken)) is not None]
        return concatenate(parts) if parts else None

    def _part(self, frame: Frame, taken: _B) -> Gaussians | None:
        from scipy.ndimage import binary_dilation, distance_transform_edt

        from lyra_core.reconstruction.density import quadtree
        from lyra_core.reconstruction.lift import back_project
        from lyra_core.reconstruction.surface import link_neighbours, slopes

        nearest: Any = distance_transform_edt(~frame.sky, return_distances=False, return_indices=True)
        near = tuple(nearest)
        region = np.asarray(binary_dilation(frame.sky, iterations=_UNDERLAP), dtype=bool)
        owned = (frame.owned & frame.sky)[near] & region
        if not owned.any():
            return None
        z, cell = self._place(frame)
        keep = owned & ~_inside(taken).reshape(-1)[cell]
        if not keep.any():
            return None
        taken.reshape(-1)[cell[keep]] = True
        w = np.where(region, 1 / z, 0).astype(np.float32)
        rgb = frame.rgb[near]
        links = link_neighbours(w, region, self._config.edge)
        slope = slopes(w, links)
        config = self._config
        largest = _LARGEST_BLOCK if config.merge > 1 else 1
        samples = quadtree(
            w, rgb, keep, links, slope, largest=largest, flat_color=config.flat_color, flat_depth=config.flat_depth
        )
        relative = np.stack([s.ravel()[samples.at] / samples.inverse_depth for s in slope], axis=1)
        sigma = np.full(len(samples.size), config.sigma, np.float32)
        return back_project(samples, relative, sigma, frame.camera, np.zeros(2, np.int64), config)

    def _place(self, frame: Frame) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """z-depth (H, W) of the shell in this view, and the cell (H, W) of each pixel's direction."""
        rays = pixel_rays(frame.camera)
        length = np.linalg.norm(rays, axis=2, keepdims=True)
        direction = (rays / length) @ frame.camera.world_from_camera[:3, :3].T.astype(np.float32)
        offset = (frame.camera.center - self._center).astype(np.float32)
        along = direction @ offset
        distance = -along + np.sqrt(along**2 - offset @ offset + np.float32(self.radius) ** 2)
        unit = (direction * distance[..., None] + offset) / np.float32(self.radius)
        return distance / length[..., 0], _cube_cell(unit, self._side)


def _inside(taken: _B) -> _B:
    """Cells well inside the drawn sky: gaps between pixels closed, then one cell off the outline, so that parts overlap."""
    from scipy.ndimage import binary_dilation, binary_erosion

    out = np.zeros_like(taken)
    for face, inner in zip(taken, out, strict=True):
        if face.any():
            inner[:] = binary_erosion(binary_dilation(face), iterations=2, border_value=1)
    return out


def _cube_cell(unit: NDArray[np.float32], side: int) -> NDArray[np.int64]:
    """Flat index into (6, side, side) of unit directions (..., 3)."""
    axis = np.abs(unit).argmax(axis=-1)
    major = np.take_along_axis(unit, axis[..., None], axis=-1)[..., 0]
    others = np.array([[1, 2], [0, 2], [0, 1]])[axis]
    uv = np.take_along_axis(unit, others, axis=-1) / np.abs(major)[..., None]
    ij = np.clip(((uv + 1) * 0.5 * side).astype(np.int64), 0, side - 1)
    return ((axis * 2 + (major > 0)) * side + ij[..., 0]) * side + ij[..., 1]

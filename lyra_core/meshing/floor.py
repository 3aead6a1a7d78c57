# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The floor: found, flattened, and closed, so that a robot rolls and never falls through a crack."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import unproject
from lyra_core.meshing.config import MeshConfig
from lyra_core.meshing.topology import face_normals
from lyra_core.meshing.views import View
from lyra_core.types import Mesh

__all__ = ["FloorPlan", "disc", "enclosed_holes", "find_floor", "flatten", "grid_mesh", "is_floor", "slab"]

_UP = 0.8  # least z of the normal of a floor face (37 degrees)
_MAX_CELLS = 14_000  # of the slab; two triangles each
_MOUTH = 0.2  # [m] half the width of the mouth of an inlet of the floor that is closed
_LEAST_DROP = 0.3  # [m^2] of lower ground that count as a drop beside the floor
_STEP = 0.08  # [m] ground this far below the floor is another floor; waves of a learned depth are not


@dataclass(frozen=True, slots=True, eq=False)
class FloorPlan:
    """The floor on a grid in world xy.

    Attributes
    ----------
    height: z of the plane [m].
    band: surfaces within this distance of the plane [m] are floor noise.
    origin: xy of the corner of cell (0, 0) [m]; cell: edge [m].
    observed: (nx, ny) bool, a camera saw floor here.
    solid: (nx, ny) bool, where the slab is: observed, closed holes, under the cameras, margin.
    rms: of the observed floor about the plane before flattening [m].
    """

    height: float
    band: float
    origin: tuple[float, float]
    cell: float
    observed: NDArray[np.bool_]
    solid: NDArray[np.bool_]
    rms: float

    @property
    def hole_area(self) -> float:
        """Area of floor that no camera saw and that was closed [m^2]."""
        return float((self.solid & ~self.observed).sum()) * self.cell**2

    @property
    def area(self) -> float:
        """Area of the slab [m^2]."""
        return float(self.solid.sum()) * self.cell**2


def _grid_of(
    points: NDArray[np.floating], origin: NDArray[np.float64], cell: float, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    index = np.floor((points[:, :2] - origin) / cell).astype(np.int64)
    inside = ((index >= 0) & (index < shape)).all(axis=1)
    grid = np.zeros(shape, np.bool_)
    grid[index[inside, 0], index[inside, 1]] = True
    return grid


def disc(radius: float, cell: float) -> NDArray[np.bool_]:
    """Structuring element of a radius [m] on a grid of cells [m]."""
    n = max(1, int(np.ceil(radius / cell)))
    x, y = np.mgrid[-n : n + 1, -n : n + 1]
    return np.hypot(x, y) * cell <= radius + 0.5 * cell


def enclosed_holes(mask: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    """Parts of the complement of mask that do not reach the border and have at most `most` cells."""
    from scipy import ndimage

    parts = np.zeros(mask.shape, np.int32)
    ndimage.label(~mask, output=parts)
    size = np.bincount(parts.reshape(-1))
    good = size <= most
    good[0] = False
    good[np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))] = False
    return good[parts]


def _without_inlets(solid: NDArray[np.bool_], cell: float, most: int) -> NDArray[np.bool_]:
    """Holes of up to `most` cells filled, and inlets whose mouth is narrower than twice _MOUTH: a wheel goes over it."""
    from scipy import ndimage

    closed = np.asarray(ndimage.binary_closing(solid, disc(_MOUTH, cell)), np.bool_) | solid
    return closed | enclosed_holes(closed, most)


def _large_parts(mask: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """Without connected parts of fewer than least cells: noise of far floor is no stairwell."""
    from scipy import ndimage

    labels = np.zeros(mask.shape, np.int32)
    ndimage.label(mask, output=labels)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return (sizes >= least)[labels]


def find_floor(mesh: Mesh, views: list[View], *, floor_z: float, voxel: float, config: MeshConfig) -> FloorPlan | None:
    """The floor near z = floor_z, or None if no surface there looks up."""
    from scipy import ndimage

    normal = face_normals(mesh.vertices, mesh.faces)
    up = normal[:, 2] > _UP * np.maximum(np.linalg.norm(normal, axis=1), 1e-20)
    height = mesh.vertices[mesh.faces][..., 2] - floor_z
    near = up & (np.abs(height).max(axis=1) < max(0.15, 3 * voxel))
    if normal[near, 2].sum() / 2 < 0.05:
        return None
    spread = 1.4826 * np.median(np.abs(height[near].mean(axis=1)))
    band = float(np.clip(3 * spread, max(0.02, 0.75 * voxel), max(0.10, 1.5 * voxel)))
    floor = up & (np.abs(height).max(axis=1) <= band)
    if not floor.any():
        return None

    cell, margin = 2 * voxel, config.floor_margin
    feet = np.array([v.camera.center for v in views])
    pad = margin + config.close_gap + 1.0
    corners = mesh.vertices[mesh.faces[floor]]
    low = np.minimum(corners.min(axis=(0, 1))[:2], feet.min(axis=0)[:2]) - pad
    high = np.maximum(corners.max(axis=(0, 1))[:2], feet.max(axis=0)[:2]) + pad
    cell = max(cell, float(np.sqrt(normal[floor, 2].sum() / 2 / (0.6 * _MAX_CELLS))))
    low = np.floor(low / cell) * cell
    shape = (int(np.ceil((high[0] - low[0]) / cell)), int(np.ceil((high[1] - low[1]) / cell)))

    samples = np.concatenate([corners.reshape(-1, 3), corners.mean(axis=1)])
    observed = _grid_of(samples, low, cell, shape)
    lower = up & (height.max(axis=1) < -max(2 * band, _STEP))
    below = _grid_of(mesh.vertices[mesh.faces[lower]].reshape(-1, 3), low, cell, shape) & ~observed
    below = _large_parts(np.asarray(ndimage.binary_opening(below), np.bool_), int(np.ceil(_LEAST_DROP / cell**2)))

    ground = observed | (_under_cameras(views, floor_z, band, low, cell, shape) & ~below)
    closed = np.asarray(ndimage.binary_closing(ground, disc(0.5 * config.close_gap, cell)), np.bool_) | ground
    # Enclosed by floor, then by floor and what stands on it (a corner behind a cupboard), then what that encloses.
    standing = (height.min(axis=1) < 1.5) & (height.max(axis=1) > band)
    barrier = _grid_of(mesh.vertices[mesh.faces[standing]].reshape(-1, 3), low, cell, shape)
    most = int(config.max_hole_area / cell**2)
    closed |= enclosed_holes(closed, most)
    closed |= enclosed_holes(closed | barrier, most)
    closed |= enclosed_holes(closed, most)
    solid = np.asarray(ndimage.binary_dilation(closed, disc(margin, cell)), np.bool_) & ~below
    solid = _without_inlets(solid, cell, most) & ~below  # the margin itself can close a ring, or nearly
    rms = float(np.sqrt(np.average(height[floor].mean(axis=1) ** 2, weights=normal[floor, 2])))
    return FloorPlan(floor_z, band, (float(low[0]), float(low[1])), cell, observed, solid, rms)


def _under_cameras(
    views: list[View], floor_z: float, band: float, low: NDArray[np.float64], cell: float, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Floor between a camera's foot and the nearest floor it sees: free by construction, yet below the picture."""
    found = []
    for view in views:
        foot = np.array([view.camera.center[0], view.camera.center[1], floor_z])
        if not 0.1 < view.camera.center[2] - floor_z < 3.0:
            continue
        bottom = view.depth[-3:]
        points = unproject(view.depth, view.camera)[-3:][bottom > 0]
        points = points[np.abs(points[:, 2] - floor_z) <= 2 * band]
        points = points[np.hypot(*(points[:, :2] - foot[:2]).T) < 6.0]
        if not len(points):
            continue
        steps = np.linspace(0, 1, int(6.0 / cell) + 2)[:, None, None]
        found.append((foot + steps * (points[None, ::2] - foot)).reshape(-1, 3))
        ring = np.stack(np.meshgrid(*[np.arange(-0.3, 0.31, 0.5 * cell)] * 2), axis=-1).reshape(-1, 2)
        ring = ring[np.hypot(ring[:, 0], ring[:, 1]) <= 0.3]
        found.append(np.concatenate([foot[:2] + ring, np.full((len(ring), 1), floor_z)], axis=1))
    return _grid_of(np.concatenate(found), low, cell, shape) if found else np.zeros(shape, np.bool_)


def flatten(mesh: Mesh, plan: FloorPlan) -> Mesh:
    """Vertices within the band go onto the plane; from there to twice the band heights are stretched back.

    The map of heights is continuous and monotone, so no face turns over. Only where the slab is.
    """
    from scipy import ndimage

    z = mesh.vertices[:, 2] - np.float32(plan.height)
    magnitude = np.abs(z)
    flat = np.where(magnitude <= plan.band, 0.0, np.minimum(2 * (magnitude - plan.band), magnitude)) * np.sign(z)
    # Height and place both fade, so that the rim of the floor has no step.
    solid = ndimage.gaussian_filter(plan.solid.astype(np.float32), 0.05 / plan.cell)
    index = np.floor((mesh.vertices[:, :2] - np.array(plan.origin)) / plan.cell).astype(np.int64)
    inside = ((index >= 0) & (index < plan.solid.shape)).all(axis=1)
    share = np.zeros(len(z), np.float32)
    share[inside] = solid[index[inside, 0], index[inside, 1]]
    share = np.where(share > 0.9, 1.0, share)
    vertices = mesh.vertices.copy()
    vertices[:, 2] = plan.height + (z + share * (flat - z))
    return Mesh(vertices, mesh.faces, None, mesh.colors)


def is_floor(mesh: Mesh, plan: FloorPlan) -> NDArray[np.bool_]:
    """(F,) faces of a flattened mesh that lie in the plane."""
    flat = np.abs(mesh.vertices[:, 2] - plan.height) < 1e-6
    return np.all(flat[mesh.faces], axis=1)


def slab(plan: FloorPlan, cells: NDArray[np.bool_] | None = None, *, drop: float = 0.0) -> Mesh:
    """The cells (default: all solid ones) as squares of two triangles that look up, drop [m] below the plane."""
    nx, ny = plan.solid.shape
    level = np.full((nx + 1, ny + 1), plan.height - drop)
    return grid_mesh(plan.solid if cells is None else cells, level, plan.origin, plan.cell)


def grid_mesh(
    cells: NDArray[np.bool_], corners: NDArray[np.floating], origin: tuple[float, float], cell: float
) -> Mesh:
    """The chosen cells of a grid as squares of two triangles that look up and share their corners.

    cells: (nx, ny). corners: (nx + 1, ny + 1) heights [m]. origin: xy of the first corner [m]. cell: edge [m].
    """
    chosen = np.argwhere(cells)
    ny = cells.shape[1] + 1
    corner = chosen[:, 0] * ny + chosen[:, 1]
    a, b, c, d = corner, corner + ny, corner + ny + 1, corner + 1
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    used, faces = np.unique(faces, return_inverse=True)
    xy = np.stack([used // ny, used % ny], axis=1) * cell + np.array(origin)
    vertices = np.concatenate([xy, corners.reshape(-1)[used, None]], axis=1)
    return Mesh(vertices.astype(np.float32), faces.reshape(-1, 3).astype(np.int32))

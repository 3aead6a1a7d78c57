# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Flat parts of a mesh become planes: walls straight, creases sharp, no second sheet behind a wall.

The floor is known before; other planes are found one after the other by a vote of face normals and offsets, refined on
their faces, and grown into connected regions. Vertices of a region go onto their plane; those of two or three regions onto the line or point
where these meet; a collar fades the move out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lyra_core.meshing.topology import compact, face_normals
from lyra_core.types import Mesh

__all__ = ["Plane", "PlaneSet", "find_planes", "hidden_sheets", "snap_to_planes", "straighten"]

_F = NDArray[np.float64]
_TILT = np.cos(np.radians(14.0))  # faces of a plane lean less than this against it
_UPRIGHT = np.sin(np.radians(1.5))  # planes this near to upright or level become so exactly
_MOST = 40


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """normal . x = offset; normal (3,) unit, towards free space. band: half width [m] of its noise.
    area: of its faces [m^2]. low, high: bounds (3,) of its faces [m]."""

    normal: _F
    offset: float
    band: float
    area: float
    low: _F
    high: _F

    def height(self, points: NDArray[np.floating]) -> _F:
        """(N,) signed distance [m] of points, positive on the free side."""
        return np.asarray(points, np.float64) @ self.normal - self.offset


@dataclass(frozen=True, slots=True, eq=False)
class PlaneSet:
    """planes, the largest first; owner: (F,) int32 plane of each face of the mesh they were found in, -1 = none."""

    planes: tuple[Plane, ...] = ()
    owner: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))


def _vote(normals: _F, offsets: _F, area: _F, cell: float) -> int:
    """Index of a face in the fullest cell of (normal, offset)."""
    key = np.round(normals * 6).astype(np.int64)
    code = ((key[:, 0] + 8) * 17 + key[:, 1] + 8) * 17 + key[:, 2] + 8
    code = code * 100_000 + np.round(offsets / cell).astype(np.int64) + 50_000
    unique, inverse = np.unique(code, return_inverse=True)
    weight = np.bincount(inverse, area, len(unique))
    members = np.flatnonzero(inverse == int(np.argmax(weight)))
    return int(members[np.argmax(area[members])])


def _refine(normal: _F, at: _F, centers: _F, normals: _F, area: _F, voxel: float) -> tuple[_F, float, float]:
    """Least squares on the faces near a seed, with a shrinking band; normal, offset and noise [m]."""
    offset, mean, noise = float(normal @ at), at, voxel
    for band in (3 * voxel, 3 * voxel, 2.5 * voxel, 2.5 * voxel):
        on = (np.abs(centers @ normal - offset) < band) & (normals @ normal > _TILT)
        if on.sum() < 20:
            break
        weight = area[on] / area[on].sum()
        mean = weight @ centers[on]
        spread = centers[on] - mean
        axis = np.linalg.eigh((spread * weight[:, None]).T @ spread)[1][:, 0]
        normal = axis * (1.0 if axis @ normal > 0 else -1.0)
        offset = float(normal @ mean)
        noise = float(np.sqrt(weight @ (spread @ normal) ** 2))
    if abs(normal[2]) < _UPRIGHT or np.hypot(normal[0], normal[1]) < _UPRIGHT:
        # The plane turns about the middle of its faces.
        normal = normal * [1, 1, 0] if abs(normal[2]) < 0.5 else np.array([0, 0, np.sign(normal[2])])
        normal = normal / np.linalg.norm(normal)
        offset = float(normal @ mean)
    return normal, offset, noise


def _largest_parts(mesh: Mesh, faces: NDArray[np.int64], area: _F, least: float) -> NDArray[np.int64]:
    """Of the faces of a plane those in connected parts of at least this area [m^2]."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    used, local = np.unique(mesh.faces[faces], return_inverse=True)
    local = local.reshape(-1, 3)
    ends = np.concatenate([local[:, [0, 1]], local[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(len(used), len(used)))
    count, part = connected_components(graph, directed=False)
    size = np.bincount(part[local[:, 0]], area[faces], count)
    return faces[size[part[local[:, 0]]] >= least]


def find_planes(mesh: Mesh, voxel: float, *, floor: tuple[float, float] | None = None, least: float = 0.35) -> PlaneSet:
    """Planes of a mesh whose connected parts have at least `least` m^2.

    voxel: edge of the mesh's voxels [m]. floor: height of the floor and half width of its noise [m]. It is the first plane
    then: where a floor swells towards a wall, the best plane leans, and would tip the floor beside its own faces.
    """
    owner = np.full(len(mesh.faces), -1, np.int32)
    scaled = face_normals(mesh.vertices, mesh.faces)
    area = 0.5 * np.linalg.norm(scaled, axis=1)
    normals = scaled / np.maximum(2 * area, 1e-20)[:, None]
    centers = mesh.vertices[mesh.faces].mean(axis=1, dtype=np.float64)
    free = np.flatnonzero(area > 1e-9)
    planes: list[Plane] = []
    failures = 0

    def keep(normal: _F, offset: float, band: float, kept: NDArray[np.int64]) -> NDArray[np.int64]:
        owner[kept] = len(planes)
        corners = mesh.vertices[mesh.faces[kept]].reshape(-1, 3)
        planes.append(Plane(normal, offset, band, float(area[kept].sum()), corners.min(axis=0), corners.max(axis=0)))
        return free[owner[free] < 0]

    if floor is not None:
        height, band = floor[0], float(np.clip(floor[1], 0.75 * voxel, 2.5 * voxel))
        on = (np.abs(centers[free, 2] - height) < band) & (normals[free, 2] > _TILT)
        kept = _largest_parts(mesh, free[on], area, least) if on.any() else free[:0]
        if len(kept):
            free = keep(np.array([0.0, 0.0, 1.0]), height, band, kept)
    while len(free) > 100 and len(planes) < _MOST and failures < 12 and area[free].sum() > least:
        n, c, a = normals[free], centers[free], area[free]
        seed = _vote(n, (c * n).sum(axis=1), a, 2 * voxel)
        normal, offset, noise = _refine(n[seed], c[seed], c, n, a, voxel)
        band = float(np.clip(3 * noise, 0.75 * voxel, 2.5 * voxel))
        on = (np.abs(c @ normal - offset) < band) & (n @ normal > _TILT)
        kept = _largest_parts(mesh, free[on], area, least) if on.any() else free[:0]
        if not len(kept):
            # This direction at this place is done; what remains of it must not be voted for again.
            failures += 1
            near = (np.abs(c @ normal - offset) < band) & (n @ normal > _TILT)
            near[seed] = True
            free = free[~near]
            continue
        free = keep(normal, offset, band, kept)
    return PlaneSet(tuple(planes), owner)


def _membership(mesh: Mesh, found: PlaneSet, voxel: float) -> NDArray[np.bool_]:
    """(V, P) bool: the vertex belongs to the plane: it is on a face of it, or one edge away and close to it."""
    count = len(found.planes)
    direct = np.zeros((len(mesh.vertices), count), np.bool_)
    for corner in range(3):
        rows = found.owner >= 0
        direct[mesh.faces[rows, corner], found.owner[rows]] = True
    ring = direct.copy()
    any_of = direct[mesh.faces].any(axis=1)  # (F, P)
    for corner in range(3):
        np.logical_or.at(ring, mesh.faces[:, corner], any_of)
    for i, plane in enumerate(found.planes):
        ring[:, i] &= np.abs(plane.height(mesh.vertices)) < max(1.2 * voxel, plane.band)
    return direct | ring


def snap_to_planes(mesh: Mesh, found: PlaneSet, voxel: float) -> Mesh:
    """Vertices of planes moved onto them; where planes meet, onto all of them. No face turns over."""
    if not found.planes:
        return mesh
    member = _membership(mesh, found, voxel)
    rows = np.flatnonzero(member.any(axis=1))
    points = mesh.vertices[rows].astype(np.float64)
    normals = np.stack([p.normal for p in found.planes])
    bands = np.array([p.band for p in found.planes])
    heights = points @ normals.T - np.array([p.offset for p in found.planes])
    weight = member[rows] * np.clip(2 - np.abs(heights) / np.maximum(bands, 1.2 * voxel), 0, 1)
    # Least move with all heights zero: three regularised steps of weighted projection.
    move = np.zeros_like(points)
    system = np.einsum("np,pi,pj->nij", weight, normals, normals) + 1e-3 * np.eye(3)
    right = -np.einsum("np,np,pi->ni", weight, heights, normals)
    for _ in range(3):
        move = np.linalg.solve(system, (right + 1e-3 * move)[..., None])[..., 0]
    length = np.linalg.norm(move, axis=1, keepdims=True)
    most = 3.0 * voxel
    move *= np.minimum(1, most / np.maximum(length, 1e-12))
    return _without_folds(mesh, rows, move)


def _without_folds(mesh: Mesh, rows: NDArray[np.int64], move: _F) -> Mesh:
    """The move applied, taken back at vertices of faces that it would turn over."""
    before = face_normals(mesh.vertices, mesh.faces)
    start = mesh.vertices.astype(np.float64)
    shift = np.zeros_like(start)
    shift[rows] = move
    for _ in range(4):
        moved = (start + shift).astype(np.float32)
        after = face_normals(moved, mesh.faces)
        bad = (before * after).sum(axis=1) < -1e-18
        if not bad.any():
            break
        shift[np.unique(mesh.faces[bad])] *= 0.3
    return Mesh((start + shift).astype(np.float32), mesh.faces, None, mesh.colors)


def hidden_sheets(mesh: Mesh, found: PlaneSet, voxel: float, *, reach: float = 0.15) -> NDArray[np.bool_]:
    """(F,) faces of a plane that lie closely behind another plane facing the same way: a wall seen twice.

    What is behind a surface is inside something; frames that disagree leave such sheets. Judged on a grid in the
    front plane, and only where the front one is the larger of the two.
    """
    hidden = np.zeros(len(mesh.faces), np.bool_)
    centers = mesh.vertices[mesh.faces].mean(axis=1, dtype=np.float64)
    normals = face_normals(mesh.vertices, mesh.faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    cell = 2.5 * voxel
    for i, plane in enumerate(found.planes):
        height = plane.height(centers)
        behind = (height < -0.8 * plane.band) & (height > -reach) & (normals @ plane.normal > 0.7) & (found.owner != i)
        behind &= ~hidden
        if not behind.any():
            continue
        a = np.cross(plane.normal, [0.0, 0.0, 1.0] if abs(plane.normal[2]) < 0.9 else [1.0, 0.0, 0.0])
        a /= np.linalg.norm(a)
        axes = np.stack([a, np.cross(plane.normal, a)], axis=1)
        front = np.floor(centers[found.owner == i] @ axes / cell).astype(np.int64)
        rear = np.floor(centers[behind] @ axes / cell).astype(np.int64)
        low = np.minimum(front.min(axis=0), rear.min(axis=0))
        shape = np.maximum(front.max(axis=0), rear.max(axis=0)) - low + 1
        cover = np.zeros(tuple(shape), np.bool_)
        cover[tuple((front - low).T)] = True
        hidden[np.flatnonzero(behind)[cover[tuple((rear - low).T)]]] = True
    return hidden


def straighten(mesh: Mesh, voxel: float, *, floor: tuple[float, float] | None = None) -> tuple[Mesh, PlaneSet]:
    """find_planes, snap_to_planes and the removal of hidden_sheets in one go; planes with the faces of the result."""
    found = find_planes(mesh, voxel, floor=floor)
    if not found.planes:
        return mesh, found
    hidden = hidden_sheets(mesh, found, voxel)
    if hidden.any():
        mesh = compact(mesh.vertices, mesh.faces[~hidden], mesh.colors)
        found = PlaneSet(found.planes, found.owner[~hidden])
    return snap_to_planes(mesh, found, voxel), found

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Distances between triangle meshes and a known surface: accuracy, completeness, F-score, double walls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import project, unproject
from lyra_core.training.renderer import TexturedScene, render_faces
from lyra_core.types import Camera, Frame

__all__ = ["SeenSurface", "Surface", "in_seen_space", "sample_mesh", "score_surface", "seen_surface"]

THRESHOLDS = (0.02, 0.05, 0.10)
"""[m] at which precision, recall and F-score are given."""

_F = NDArray[np.float64]
_CANDIDATES = 6


def sample_mesh(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], spacing: float, rng: np.random.Generator
) -> tuple[_F, NDArray[np.int64]]:
    """Points (N, 3) spread over the area, about one per spacing^2 [m^2] and at least one a face, and their faces."""
    corners = np.asarray(vertices, np.float64)[faces]
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    wanted = area / spacing**2
    count = np.floor(wanted).astype(np.int64)
    count = np.maximum(1, count + (rng.random(len(count)) < wanted - count))
    owner = np.repeat(np.arange(len(faces)), count)
    u, v = np.sqrt(rng.random(len(owner))), rng.random(len(owner))
    weight = np.stack([1 - u, u * (1 - v), u * v], axis=1)
    return np.einsum("nk,nkd->nd", weight, corners[owner]), owner


def _to_triangles(points: _F, corners: _F) -> _F:
    """Distance of points (N, 3) to triangles (N, 3, 3) one by one."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    length = np.linalg.norm(normal, axis=1)
    unit = normal / np.maximum(length, 1e-15)[:, None]
    height = ((points - a) * unit).sum(axis=1)
    foot = points - height[:, None] * unit
    inside = length > 1e-14
    edge = np.full(len(points), np.inf)
    for p, q in ((a, b), (b, c), (c, a)):
        along = q - p
        inside &= (np.cross(along, foot - p) * unit).sum(axis=1) >= 0
        t = np.clip(((points - p) * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), 1e-18), 0, 1)
        edge = np.minimum(edge, np.linalg.norm(points - p - t[:, None] * along, axis=1))
    return np.where(inside, np.abs(height), edge)


class Surface:
    """A triangle mesh that can be asked for the distance of points.

    spacing: of the samples [m] that find the triangles; the distance itself is exact to the triangles near by.
    """

    def __init__(
        self,
        vertices: NDArray[np.floating],
        faces: NDArray[np.integer],
        rng: np.random.Generator,
        *,
        spacing: float = 0.02,
    ) -> None:
        from scipy.spatial import KDTree

        self.corners = np.asarray(vertices, np.float64)[faces]
        self.points, self.owner = sample_mesh(vertices, faces, spacing, rng)
        normal = np.cross(self.corners[:, 1] - self.corners[:, 0], self.corners[:, 2] - self.corners[:, 0])
        self.normals = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-15)
        self._tree = KDTree(self.points)

    def nearest(self, points: NDArray[np.floating], *, most: float = 1.0) -> tuple[_F, NDArray[np.int64]]:
        """Distance [m] (N,) and face (N,) of the nearest surface; beyond `most` the distance is that of a sample."""
        p = np.asarray(points, np.float64)
        rough, near = self._tree.query(p, k=min(_CANDIDATES, len(self.points)), workers=-1)
        rough, near = np.asarray(rough).reshape(len(p), -1), np.asarray(near).reshape(len(p), -1)
        best, face = rough[:, 0].copy(), self.owner[near[:, 0]].copy()
        row = np.flatnonzero(best < most)
        for k in range(near.shape[1]):
            candidate = self.owner[near[row, k]]
            distance = _to_triangles(p[row], self.corners[candidate])
            better = distance < best[row]
            best[row[better]], face[row[better]] = distance[better], candidate[better]
        return best, face


@dataclass(frozen=True, eq=False)
class SeenSurface:
    """The part of a known scene that cameras saw, spread evenly over its area.

    points: (N, 3) [m]; face: (N,) index of the scene's face; cameras and depths: the exact views.
    """

    points: _F
    face: NDArray[np.int32]
    frames: tuple[Frame, ...]


def seen_surface(scene: TexturedScene, frames: list[Frame], *, spacing: float = 0.025) -> SeenSurface:
    """Surface points under the pixels of exact frames, one per cube of this edge [m]."""
    points, faces = [], []
    for frame in frames:
        face = render_faces(scene, frame.camera)
        keep = (face >= 0) & (frame.depth > 0)
        keep[1::2] = keep[:, 1::2] = False
        points.append(unproject(frame.depth, frame.camera)[keep])
        faces.append(face[keep])
    all_points, all_faces = np.concatenate(points).astype(np.float64), np.concatenate(faces)
    cube = np.floor(all_points / spacing).astype(np.int64) + (1 << 20)
    _, first = np.unique((cube[:, 0] << 42) | (cube[:, 1] << 21) | cube[:, 2], return_index=True)
    return SeenSurface(all_points[first], all_faces[first], tuple(frames))


def in_seen_space(points: NDArray[np.floating], frames: tuple[Frame, ...], *, slack: float = 0.1) -> NDArray[np.bool_]:
    """(N,) bool: the point lies in space that a camera looked into, up to slack [m] behind the surface seen there.

    What lies behind surfaces or outside of all pictures can be neither right nor wrong.
    """
    seen = np.zeros(len(points), np.bool_)
    for frame in frames:
        camera: Camera = frame.camera
        pixel, z = project(np.asarray(points, np.float32), camera)
        with np.errstate(invalid="ignore"):
            inside = (z > 0.1) & (pixel >= 0).all(axis=1) & (pixel < [camera.width, camera.height]).all(axis=1)
        row = np.flatnonzero(inside)
        at = pixel[row].astype(np.int64)
        depth = np.where(frame.sky, np.inf, frame.depth)[at[:, 1], at[:, 0]]
        seen[row] |= z[row] < depth + slack
    return seen


def score_surface(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    truth: Surface,
    seen: SeenSurface,
    rng: np.random.Generator,
) -> tuple[dict[str, float], dict[str, Any]]:
    """Figures of a mesh against the truth where the cameras looked, and the samples they come from.

    accuracy_cm, completeness_cm: mean distance mesh to truth, truth to mesh (each capped at 50 cm).
    precision_N, recall_N, f_N: shares within N cm and their harmonic mean. normal_consistency: mean cosine.
    double_wall: share of the mesh area that runs 2 to 25 cm beside a surface that is already there.
    curtain: share farther than 10 cm from every surface.
    """
    mesh = Surface(vertices, faces, rng, spacing=0.03)
    keep = in_seen_space(mesh.points, seen.frames)
    points, owner = mesh.points[keep], mesh.owner[keep]
    error, face = truth.nearest(points)
    missing, _ = mesh.nearest(seen.points)
    out = {
        "accuracy_cm": 100 * float(np.minimum(error, 0.5).mean()),
        "completeness_cm": 100 * float(np.minimum(missing, 0.5).mean()),
    }
    for limit in THRESHOLDS:
        precision, recall = float((error <= limit).mean()), float((missing <= limit).mean())
        name = f"{round(100 * limit)}cm"
        out |= {f"precision_{name}": precision, f"recall_{name}": recall}
        out[f"f_{name}"] = 2 * precision * recall / max(precision + recall, 1e-9)
    normal = mesh.normals[owner]
    close = error < 0.1
    out["normal_consistency"] = float(np.abs((normal[close] * truth.normals[face[close]]).sum(axis=1)).mean())
    out["double_wall"] = _double(mesh, truth, points, normal, error, face)
    out["curtain"] = float((error > 0.1).mean())
    return out, {"points": points, "owner": owner, "error": error, "face": face, "missing": missing}


def _double(mesh: Surface, truth: Surface, points: _F, normal: _F, error: _F, face: NDArray[np.int64]) -> float:
    """Share of points beside a surface of the truth that the mesh has already, facing the same way."""
    off = np.flatnonzero((error > 0.02) & (error < 0.25))
    if not len(off):
        return 0.0
    plane = truth.normals[face[off]]
    foot = points[off] - ((points[off] - truth.corners[face[off], 0]) * plane).sum(axis=1)[:, None] * plane
    gap, there = mesh.nearest(foot)
    same = (mesh.normals[there] * normal[off]).sum(axis=1) > 0.7
    flat = np.abs((plane * normal[off]).sum(axis=1)) > 0.7
    return float(((gap < 0.02) & same & flat).sum() / max(len(points), 1))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers about a mesh that a user can act on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import project
from lyra_core.meshing.topology import edge_counts, face_areas, face_normals, labels
from lyra_core.meshing.views import View
from lyra_core.types import Mesh

__all__ = ["facing", "mesh_figures", "winding_agreement"]


def mesh_figures(mesh: Mesh) -> dict[str, float]:
    """Triangles, connected parts, boundary and non-manifold edges, edges with inconsistent winding, area."""
    counts = edge_counts(mesh.faces)
    used = np.unique(mesh.faces)
    parts = labels(mesh.faces, len(mesh.vertices))[1] if len(mesh.faces) else np.zeros(0, np.int32)
    a = np.concatenate([mesh.faces[:, i] for i in range(3)]).astype(np.int64)
    b = np.concatenate([mesh.faces[:, (i + 1) % 3] for i in range(3)]).astype(np.int64)
    # Two neighbours that run along their edge in the same direction disagree about inside and outside.
    directed, repeats = np.unique(a * (len(mesh.vertices) + 1) + b, return_counts=True)
    return {
        "triangles": float(len(mesh.faces)),
        "components": float(len(np.unique(parts[used])) if len(mesh.faces) else 0),
        "boundary_edges": float((counts == 1).sum()),
        "nonmanifold_edges": float((1.0 / counts[counts > 2]).sum()) if len(counts) else 0.0,
        "inconsistent_edges": float((repeats > 1).sum()) if len(directed) else 0.0,
        "area_m2": float(face_areas(mesh.vertices, mesh.faces).sum()),
    }


def facing(mesh: Mesh, views: list[View], *, tolerance: float) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Per face, how many views saw its front and how many its back.

    A view sees a face when the depth at the projected centroid agrees within tolerance [m] and the face is
    turned by more than six degrees from edge-on.
    """
    center = mesh.vertices[mesh.faces].mean(axis=1).astype(np.float32)
    normal = face_normals(mesh.vertices, mesh.faces)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-20)
    front = np.zeros(len(center), np.int32)
    back = np.zeros(len(center), np.int32)
    for view in views:
        pixel, z = project(center, view.camera)
        with np.errstate(invalid="ignore"):
            inside = (
                (z > 0.05) & (pixel >= 0).all(axis=1) & (pixel < [view.camera.width, view.camera.height]).all(axis=1)
            )
        row = np.flatnonzero(inside)
        at = pixel[row].astype(np.int64)
        depth = view.depth[at[:, 1], at[:, 0]]
        row = row[(depth > 0) & (np.abs(depth - z[row]) < tolerance)]
        ray = view.camera.center - center[row]
        cosine = (normal[row] * ray).sum(axis=1) / np.maximum(np.linalg.norm(ray, axis=1), 1e-9)
        front[row] += cosine > 0.1
        back[row] += cosine < -0.1
    return front, back


def winding_agreement(mesh: Mesh, views: list[View], *, tolerance: float) -> tuple[float, float]:
    """Share of the seen area whose front the cameras saw (1 = every face looks at free space), and the seen share."""
    front, back = facing(mesh, views, tolerance=tolerance)
    area = face_areas(mesh.vertices, mesh.faces)
    seen = front + back > 0
    if not seen.any():
        return 0.0, 0.0
    return float(area[seen & (front >= back)].sum() / area[seen].sum()), float(area[seen].sum() / area.sum())

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""PyMeshLab as an optional cleaner. It is GPL-3; the default path neither needs nor imports it."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from lyra_core.errors import MissingDependencyError
from lyra_core.meshing.topology import drop_degenerate, drop_nonmanifold
from lyra_core.types import Mesh

__all__ = ["clean_with_pymeshlab"]


def clean_with_pymeshlab(mesh: Mesh, *, max_hole_edges: int = 30) -> Mesh:
    """The mesh with duplicates gone, non-manifold edges split, and of the holes up to max_hole_edges edges those filled
    that PyMeshLab finds a fill for.

    Winding and colours are kept. Raises MissingDependencyError with the command that installs PyMeshLab.
    """
    try:
        library: Any = importlib.import_module("pymeshlab")  # its stubs do not name its classes
    except ImportError as error:
        raise MissingDependencyError(
            "This cleaner needs PyMeshLab, which is GPL-3",
            got=f"it cannot be imported: {error}",
            do="pip install 'lyra-worldgen[clean]', or leave build.cleaner at none",
        ) from error
    given: dict[str, Any] = {
        "vertex_matrix": np.asarray(mesh.vertices, np.float64),
        "face_matrix": np.asarray(mesh.faces, np.int32),
    }
    if mesh.colors is not None:
        color = np.ones((len(mesh.vertices), 4))
        color[:, :3] = mesh.colors / 255.0
        given["v_color_matrix"] = color
    meshes = library.MeshSet()
    meshes.add_mesh(library.Mesh(**given))
    meshes.meshing_remove_duplicate_vertices()
    meshes.meshing_remove_duplicate_faces()
    meshes.meshing_remove_null_faces()
    meshes.meshing_repair_non_manifold_edges()
    meshes.meshing_close_holes(maxholesize=max_hole_edges, selfintersection=False)
    done = meshes.current_mesh()
    colors = None
    if mesh.colors is not None:
        colors = np.rint(np.clip(done.vertex_color_matrix()[:, :3], 0, 1) * 255).astype(np.uint8)
    out = Mesh(done.vertex_matrix().astype(np.float32), done.face_matrix().astype(np.int32), None, colors)
    return drop_nonmanifold(drop_degenerate(out))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A triangle mesh seen from a camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.types import Camera, Mesh

__all__ = ["MeshView", "view_mesh"]


@dataclass(frozen=True, slots=True, eq=False)
class MeshView:
    """What a camera sees of a mesh.

    Attributes
    ----------
    face: (H, W) int32 index of the nearest triangle, -1 where there is none.
    depth: (H, W) float32 z-depth [m], 0 where there is none.
    front: (H, W) bool, True where the triangle shows its outward (counter-clockwise) side.
    rgb: (H, W, 3) float32 in [0, 1], vertex colours (or grey) lit from the camera; background white.
    """

    face: NDArray[np.int32]
    depth: NDArray[np.float32]
    front: NDArray[np.bool_]
    rgb: NDArray[np.float32]


def view_mesh(mesh: Mesh, camera: Camera, *, lit: bool = True, device: str = "cpu") -> MeshView:
    """Ray-cast mesh from camera. lit=False shows plain vertex colours.

    Back sides (which PhysX does not collide with) are drawn in magenta.
    """
    from lyra_core.kernels.mesh_view import cast_view

    if len(mesh.faces) == 0:
        size = (camera.height, camera.width)
        empty = np.zeros(size, np.float32)
        return MeshView(np.full(size, -1, np.int32), empty, empty > 0, np.ones((*size, 3), np.float32))
    face, depth, side = cast_view(
        mesh.vertices,
        mesh.faces,
        camera.intrinsics,
        camera.world_from_camera,
        (camera.width, camera.height),
        device,
    )
    hit = face >= 0
    front = hit & (side > 0)
    corners = mesh.vertices[mesh.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    if mesh.colors is None:
        color = np.full((len(mesh.faces), 3), 0.72, np.float32)
    else:
        color = mesh.colors[mesh.faces].astype(np.float32).mean(axis=1) / 255.0
    if lit:
        light = np.array([0.35, -0.45, 0.82], np.float32)
        color = color * (0.55 + 0.45 * np.clip(normal @ light, 0, 1))[:, None]
    rgb = np.ones((*face.shape, 3), np.float32)
    rgb[hit] = color[face[hit]]
    rgb[hit & ~front] = (0.85, 0.1, 0.7)
    return MeshView(face, depth, front, rgb)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Ray-cast a triangle mesh from a pinhole camera (Warp BVH): nearest face, depth, side."""

from __future__ import annotations

import numpy as np
import warp as wp
from numpy.typing import NDArray

from lyra_core.kernels.launch import initialise, run_bands

__all__ = ["cast_view"]

wp.set_module_options({"enable_backward": False})


@wp.kernel
def cast_rows(
    # In:
    mesh: wp.uint64,
    origin: wp.vec3,
    axis_x: wp.vec3,
    axis_y: wp.vec3,
    axis_z: wp.vec3,
    lens: wp.vec4,
    width: int,
    first_row: int,
    # Out:
    face_out: wp.array2d(dtype=wp.int32),
    depth_out: wp.array2d(dtype=wp.float32),
    front_out: wp.array2d(dtype=wp.float32),
):
    """One row per task. lens = (fx, fy, cx, cy); front_out is > 0 where the counter-clockwise side is seen."""
    row = first_row + wp.tid()
    y = (float(row) + 0.5 - lens[3]) / lens[1]
    for col in range(width):
        x = (float(col) + 0.5 - lens[2]) / lens[0]
        ray = x * axis_x + y * axis_y + axis_z
        # The ray is not normalised, so the hit parameter is z-depth.
        hit = wp.mesh_query_ray(mesh, origin, ray, 1.0e6)
        face_out[row, col] = -1
        depth_out[row, col] = 0.0
        front_out[row, col] = 0.0
        if hit.result:
            face_out[row, col] = hit.face
            depth_out[row, col] = hit.t
            front_out[row, col] = hit.sign


def cast_view(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    intrinsics: NDArray[np.float64],
    world_from_camera: NDArray[np.float64],
    size: tuple[int, int],
    device: str,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Face index (H, W), -1 where none; z-depth (H, W) [m]; side (H, W). size is (width, height)."""
    initialise()
    width, height = size
    points = wp.array(np.ascontiguousarray(vertices, np.float32), dtype=wp.vec3, device=device)
    indices = wp.array(np.ascontiguousarray(faces, np.int32).reshape(-1), dtype=wp.int32, device=device)
    mesh = wp.Mesh(points=points, indices=indices)
    face = wp.zeros((height, width), dtype=wp.int32, device=device)
    depth = wp.zeros((height, width), dtype=wp.float32, device=device)
    front = wp.zeros((height, width), dtype=wp.float32, device=device)
    rotation, center = world_from_camera[:3, :3], world_from_camera[:3, 3]
    lens = wp.vec4(*(float(intrinsics[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2))))
    axes = [wp.vec3(*map(float, rotation[:, i])) for i in range(3)]

    def task(start: int, stop: int) -> None:
        wp.launch(
            cast_rows,
            dim=stop - start,
            inputs=[mesh.id, wp.vec3(*map(float, center)), *axes, lens, width, start],
            outputs=[face, depth, front],
            device=device,
        )

    run_bands(task, height, workers=None if device == "cpu" else 1)
    return face.numpy(), depth.numpy(), front.numpy()

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Upload and launch of the ray-cast kernel: row bands on the CPU, one launch on CUDA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from lyra_core.kernels import raycast as kernels
from lyra_core.kernels.launch import initialise, load_module, run_bands

__all__ = ["RaycastScene", "raycast"]


@dataclass(frozen=True)
class RaycastScene:
    """Arrays of one scene on one device; keeps the Warp mesh alive."""

    arrays: Any
    mesh: Any
    device: str

    @staticmethod
    def build(data: dict[str, NDArray[Any]], *, sky_texture: int, sky_scale: float, device: str) -> RaycastScene:
        """Upload.

        data: vertices (V, 3) f32, faces (F, 3) i32, atlas (T,) i32, table (N, 3 + levels) i32 (width, height, levels, offsets), uvs (3F, 2) f32,
        textures (F,) i32, density (F,) f32 texels per metre, flags (F,) i32, emission (F,) f32, light_uvs (3F, 2) f32,
        light_ids (F,) i32, light_table (L, 3) i32, lights (M, 3) f32, corner_light (3F, 3) f32.
        """
        initialise()
        kinds = {"uvs": wp.vec2, "light_uvs": wp.vec2, "lights": wp.vec3, "corner_light": wp.vec3}
        mesh = wp.Mesh(
            wp.array(data["vertices"], dtype=wp.vec3, device=device),
            wp.array(data["faces"].reshape(-1), dtype=wp.int32, device=device),
        )
        arrays = kernels.RaycastArrays()
        arrays.mesh = mesh.id
        for name, value in data.items():
            if name not in ("vertices", "faces"):
                kind = kinds.get(name, wp.float32 if value.dtype == np.float32 else wp.int32)
                setattr(arrays, name, wp.array(value, dtype=kind, device=device))
        arrays.sky_texture = sky_texture
        arrays.sky_scale = sky_scale
        return RaycastScene(arrays, mesh, device)


def raycast(
    scene: RaycastScene,
    *,
    origin: NDArray[np.float64],
    ray_from_pixel: NDArray[np.float64],
    size: tuple[int, int],
    samples: int,
    pixel_angle: float,
    gain: tuple[float, float, float],
    linear: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    """Render one view.

    origin: (3,) camera centre [m]. ray_from_pixel: (3, 3) pixel (x, y, 1) to a world direction whose camera z is 1.
    size: (width, height). samples: sub-samples per axis. pixel_angle: width of one sub-sample [rad].
    gain: exposure per channel. linear: leave out exposure, tone curve and sRGB coding.
    Returns rgb (H, W, 3), z-depth (H, W) [m] at pixel centres, 0 = sky, and face (H, W), -1 = sky.
    """
    width, height = size
    rgb = wp.empty((height, width), dtype=wp.vec3, device=scene.device)
    depth = wp.empty((height, width), dtype=wp.float32, device=scene.device)
    face = wp.empty((height, width), dtype=wp.int32, device=scene.device)

    def band(start: int, stop: int) -> None:
        wp.launch(
            kernels.raycast_kernel,
            dim=(stop - start, width),
            inputs=[
                scene.arrays,
                start,
                samples,
                wp.vec3(*origin.tolist()),
                wp.mat33(*ray_from_pixel.reshape(-1).tolist()),
                pixel_angle,
                wp.vec3(*gain),
                rgb,
                depth,
                face,
                int(linear),
            ],
            device=scene.device,
        )

    load_module(kernels.__name__, scene.device)
    run_bands(band, height, workers=None if scene.device == "cpu" else 1)
    return rgb.numpy(), depth.numpy(), face.numpy()

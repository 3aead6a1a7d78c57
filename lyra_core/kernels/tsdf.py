# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Block-sparse truncated signed distances on Warp; the NumPy twin is lyra_core.ops.tsdf.HostBlocks."""

from __future__ import annotations

import numpy as np
import warp as wp

from lyra_core.kernels.launch import initialise, run_bands

__all__ = ["BLOCK", "DeviceBlocks"]

BLOCK = 8
_CELLS = BLOCK**3
_ROWS = BLOCK * BLOCK

wp.set_module_options({"enable_backward": False})


@wp.kernel
def integrate_rows(
    active: wp.array(dtype=wp.int32),
    coords: wp.array(dtype=wp.vec3i),
    planes: wp.array(dtype=wp.vec4),
    weights: wp.array(dtype=wp.float32),
    rgb: wp.array(dtype=wp.vec3),
    rotation: wp.mat33,
    translation: wp.vec3,
    lens: wp.vec4,
    size: wp.vec2i,
    scale: wp.vec4,
    first: wp.int32,
    rows: wp.int32,
    distance_out: wp.array(dtype=wp.float32),
    weight_out: wp.array(dtype=wp.float32),
    color_out: wp.array(dtype=wp.vec4),
):
    """One task updates `rows` rows of eight voxels of one block; scale = voxel, truncation, growth, cap [m]."""
    item, part = wp.tid()
    slot = active[first + item]
    voxel = scale[0]
    truncation = scale[1]
    corner = coords[slot]
    for row in range(part * rows, part * rows + rows):
        x = float(corner[0] * 8 + row / 8) + 0.5
        y = float(corner[1] * 8 + row % 8) + 0.5
        z = float(corner[2] * 8) + 0.5
        p0 = rotation * (wp.vec3(x, y, z) * voxel) + translation
        step = wp.vec3(rotation[0, 2], rotation[1, 2], rotation[2, 2]) * voxel
        for i in range(8):
            p = p0 + step * float(i)
            if p[2] > 0.05:
                u = int(wp.floor(lens[0] * p[0] / p[2] + lens[2]))
                v = int(wp.floor(lens[1] * p[1] / p[2] + lens[3]))
                if u >= 0 and v >= 0 and u < size[0] and v < size[1]:
                    pixel = v * size[0] + u
                    given = weights[pixel]
                    w = wp.abs(given)
                    if w > 0.0:
                        m = planes[pixel]
                        q = m[0] * p[0] + m[1] * p[1] + m[2] * p[2]
                        s = (1.0 - q) * m[3]
                        reach = wp.min(wp.max(truncation, scale[2] * p[2]), scale[3])
                        if given < 0.0 and s <= truncation:
                            w = 0.0  # it carves only
                        elif s < 0.0:
                            # Behind the surface: the foot of the perpendicular must not be seen off the surface; where it
                            # is unknown the voxel must be near along the ray too, or a slanted rim grows a shelf.
                            f = p + wp.vec3(m[0], m[1], m[2]) * (m[3] * s)
                            w = w * wp.max(0.0, 1.0 + s / reach)
                            if w > 0.0 and f[2] > 0.05:
                                u = int(wp.floor(lens[0] * f[0] / f[2] + lens[2]))
                                v = int(wp.floor(lens[1] * f[1] / f[2] + lens[3]))
                                if u >= 0 and v >= 0 and u < size[0] and v < size[1]:
                                    other = v * size[0] + u
                                    n = planes[other]
                                    t = (1.0 - n[0] * f[0] - n[1] * f[1] - n[2] * f[2]) * n[3]
                                    if weights[other] > 0.0:
                                        if t > voxel or t < -reach:
                                            w = 0.0
                                    elif p[2] * (1.0 - 1.0 / q) > truncation:
                                        w = 0.0
                                else:
                                    w = 0.0
                        elif s > truncation:
                            w = w * 0.35
                        if w > 0.0:
                            k = slot * 512 + row * 8 + i
                            before = weight_out[k]
                            value = wp.clamp(s / truncation, -1.0, 1.0)
                            distance_out[k] = (distance_out[k] * before + value * w) / (before + w)
                            weight_out[k] = before + w
                            if rgb.shape[0] > 0 and wp.abs(s) < 1.5 * voxel:
                                c = color_out[k]
                                d = rgb[pixel]
                                total = c[3] + w
                                a = w / total
                                color_out[k] = wp.vec4(
                                    c[0] + (d[0] - c[0]) * a, c[1] + (d[1] - c[1]) * a, c[2] + (d[2] - c[2]) * a, total
                                )


class DeviceBlocks:
    """Voxel storage of a block-sparse volume on one Warp device.

    Slots are blocks of 8x8x8 voxels, z fastest. CPU launches are split by block, so that each
    thread owns its voxels and the result does not depend on the number of threads.
    """

    def __init__(self, device: str) -> None:
        initialise()
        self._device = device
        self._capacity = 0
        self._distance = wp.empty(0, dtype=wp.float32, device=device)
        self._weight = wp.empty(0, dtype=wp.float32, device=device)
        self._color = wp.empty(0, dtype=wp.vec4, device=device)

    def reserve(self, count: int) -> None:
        """Make room for count blocks; new voxels are unobserved (weight 0)."""
        if count <= self._capacity:
            return
        capacity = max(1024, count, int(1.5 * self._capacity))
        for name, dtype in (("_distance", wp.float32), ("_weight", wp.float32), ("_color", wp.vec4)):
            old = getattr(self, name)
            new = wp.zeros(capacity * _CELLS, dtype=dtype, device=self._device)
            if self._capacity:
                wp.copy(new, old, count=self._capacity * _CELLS)
            setattr(self, name, new)
        self._capacity = capacity

    def integrate(self, active, coords, planes, weights, rgb, rotation, translation, lens, size, scale) -> None:
        """Update the active slots with one view; arguments as HostBlocks.integrate."""
        device = self._device

        def array(data, dtype):
            return wp.array(np.ascontiguousarray(data), dtype=dtype, device=device, copy=device != "cpu")

        fixed = [
            array(active.astype(np.int32), wp.int32),
            array(coords.astype(np.int32), wp.vec3i),
            array(planes.reshape(-1, 4), wp.vec4),
            array(weights.reshape(-1), wp.float32),
            array(np.zeros((0, 3), np.float32) if rgb is None else rgb.reshape(-1, 3), wp.vec3),
            wp.mat33(*(float(v) for v in rotation.reshape(-1))),
            wp.vec3(*(float(v) for v in translation)),
            wp.vec4(*(float(v) for v in lens)),
            wp.vec2i(*size),
            wp.vec4(*(float(v) for v in scale)),
        ]
        outputs = [self._distance, self._weight, self._color]

        def band(start: int, stop: int) -> None:
            # A CUDA thread takes one row of a block, a CPU task a whole block.
            rows = _ROWS if device == "cpu" else 1
            shape = (stop - start, _ROWS // rows)
            wp.launch(integrate_rows, dim=shape, inputs=[*fixed, start, rows], outputs=outputs, device=device)

        if not len(active):
            return
        if device == "cpu":
            run_bands(band, len(active))
        else:
            band(0, len(active))

    def to_host(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distance (count, 512), weight (count, 512) and colour+weight (count, 512, 4) as NumPy arrays."""
        if self._capacity == 0:
            return (
                np.zeros((0, _CELLS), np.float32),
                np.zeros((0, _CELLS), np.float32),
                np.zeros((0, _CELLS, 4), np.float32),
            )
        n = count * _CELLS
        return (
            self._distance.numpy()[:n].reshape(count, _CELLS),
            self._weight.numpy()[:n].reshape(count, _CELLS),
            self._color.numpy()[:n].reshape(count, _CELLS, 4),
        )

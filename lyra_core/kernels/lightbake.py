# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0

"""Light that falls on sample points of a closed scene: windows, sun, lamps, then one gathered bounce.

All values are irradiance over pi, so that a picture is texture times light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from lyra_core.kernels.launch import initialise, load_module, run_bands

wp.set_module_options({"enable_backward": False})

__all__ = ["BakeMesh", "bake_direct", "bake_gather"]

_PI = wp.constant(3.14159265)


@wp.func
def blocked(mesh: wp.uint64, start: wp.vec3, direction: wp.vec3, reach: float) -> float:
    """1 if the way is free, 0 if something is closer than reach."""
    if wp.mesh_query_ray_anyhit(mesh, start, direction, reach):
        return 0.0
    return 1.0


@wp.func
def sky_light(direction: wp.vec3, zenith: wp.vec3, horizon: wp.vec3, ground: wp.vec3) -> wp.vec3:
    if direction[2] < 0.0:
        return ground
    up = wp.sqrt(direction[2])
    return horizon * (1.0 - up) + zenith * up


@wp.kernel
def direct_kernel(
    mesh: wp.uint64,
    offset: int,
    positions: wp.array(dtype=wp.vec3),
    normals: wp.array(dtype=wp.vec3),
    portals: wp.array2d(dtype=wp.vec3),
    lamps: wp.array2d(dtype=wp.vec3),
    sky: wp.array(dtype=wp.vec3),
    sun_direction: wp.vec3,
    sun_colour: wp.vec3,
    side: int,
    light_out: wp.array(dtype=wp.vec3),
):
    i = offset + wp.tid()
    p = positions[i]
    n = normals[i]
    state = wp.rand_init(9781, i)
    total = wp.vec3(0.0, 0.0, 0.0)
    share = 1.0 / float(side * side)
    for k in range(portals.shape[0]):
        corner = portals[k, 0]
        edge_u = portals[k, 1]
        edge_v = portals[k, 2]
        facing = portals[k, 3]
        area = wp.length(wp.cross(edge_u, edge_v))
        jitter_u = wp.randf(state)
        jitter_v = wp.randf(state)
        if wp.dot(p - corner, facing) > 0.0:
            for j in range(side * side):
                s = (float(j % side) + jitter_u) / float(side)
                t = (float(j // side) + jitter_v) / float(side)
                to = corner + edge_u * s + edge_v * t - p
                square = wp.max(wp.dot(to, to), 0.02)
                distance = wp.sqrt(square)
                d = to / distance
                weight = wp.dot(n, d) * -wp.dot(facing, d)
                if weight > 0.0:
                    # Past the opening as well: reveals and frames block the slanted rays.
                    free = blocked(mesh, p, d, distance + 0.5)
                    total = total + sky_light(d, sky[0], sky[1], sky[2]) * (
                        weight * free * area * share / (square * _PI)
                    )
    lean = wp.dot(n, sun_direction)
    if lean > 0.0:
        for _j in range(4):
            spread = wp.sample_unit_sphere(state) * 0.012
            total = total + sun_colour * (
                0.25 * lean * blocked(mesh, p, wp.normalize(sun_direction + spread), 1000.0) / _PI
            )
    for k in range(lamps.shape[0]):
        radius = lamps[k, 2][0]
        for _j in range(3):
            to = lamps[k, 0] + wp.sample_unit_sphere(state) * radius - p
            square = wp.max(wp.dot(to, to), 0.04)
            distance = wp.sqrt(square)
            d = to / distance
            lean_lamp = wp.dot(n, d)
            if lean_lamp > 0.0:
                total = total + lamps[k, 1] * (lean_lamp * blocked(mesh, p, d, distance - 0.01) / (3.0 * square * _PI))
    light_out[i] = total


@wp.kernel
def gather_kernel(
    mesh: wp.uint64,
    offset: int,
    positions: wp.array(dtype=wp.vec3),
    normals: wp.array(dtype=wp.vec3),
    face_quads: wp.array(dtype=wp.int32),
    quads: wp.array2d(dtype=wp.int32),
    radiosity: wp.array(dtype=wp.vec3),
    side: int,
    light_out: wp.array(dtype=wp.vec3),
    inside_out: wp.array(dtype=wp.float32),
):
    i = offset + wp.tid()
    p = positions[i]
    n = normals[i]
    state = wp.rand_init(4241, i)
    turn_u = wp.randf(state)
    turn_v = wp.randf(state)
    helper = wp.vec3(0.0, 0.0, 1.0)
    if wp.abs(n[2]) > 0.8:
        helper = wp.vec3(1.0, 0.0, 0.0)
    tangent = wp.normalize(wp.cross(helper, n))
    other = wp.cross(n, tangent)
    total = wp.vec3(0.0, 0.0, 0.0)
    back = float(0.0)
    for j in range(side * side):
        # Stratified cosine-weighted hemisphere (Malley's method).
        s = (float(j % side) + turn_u) / float(side)
        angle = (float(j // side) + turn_v) / float(side) * 2.0 * _PI
        r = wp.sqrt(s)
        d = tangent * (r * wp.cos(angle)) + other * (r * wp.sin(angle)) + n * wp.sqrt(wp.max(1.0 - s, 0.0))
        query = wp.mesh_query_ray(mesh, p, d, 1000.0)
        if query.result:
            if wp.dot(query.normal, d) > 0.0:
                back += 1.0
            else:
                quad = face_quads[query.face]
                w = 1.0 - query.u - query.v
                # Corners of the two halves: (0,0) (1,0) (1,1) and (0,0) (1,1) (0,1).
                a = query.v + w
                b = w
                if query.face % 2 == 1:
                    a = query.v
                    b = query.v + w
                wide = quads[quad, 1]
                high = quads[quad, 2]
                x = int(a * float(wide - 1) + 0.5)
                y = int(b * float(high - 1) + 0.5)
                total = total + radiosity[quads[quad, 0] + y * wide + x]
    rays = float(side * side)
    light_out[i] = total / wp.max(rays - back, 1.0)
    inside_out[i] = back / rays


@dataclass(frozen=True)
class BakeMesh:
    """Occluders: two faces per quad, in quad order; keeps the Warp mesh alive."""

    mesh: Any
    device: str

    @staticmethod
    def build(vertices: NDArray[np.float32], faces: NDArray[np.int32], *, device: str) -> BakeMesh:
        """vertices (V, 3) [m], faces (F, 3)."""
        initialise()
        mesh = wp.Mesh(
            wp.array(vertices, dtype=wp.vec3, device=device), wp.array(faces.reshape(-1), dtype=wp.int32, device=device)
        )
        return BakeMesh(mesh, device)


def _launch(kernel: Any, scene: BakeMesh, positions: NDArray[np.float32], inputs: list[Any]) -> None:
    points, rest = inputs[0], inputs[1:]

    def band(start: int, stop: int) -> None:
        wp.launch(kernel, dim=stop - start, inputs=[scene.mesh.id, start, points, *rest], device=scene.device)

    load_module(__name__, scene.device)
    run_bands(band, len(positions), workers=None if scene.device == "cpu" else 1)


def bake_direct(
    scene: BakeMesh,
    positions: NDArray[np.float32],
    normals: NDArray[np.float32],
    *,
    portals: NDArray[np.float32],
    lamps: NDArray[np.float32],
    sky: NDArray[np.float32],
    sun: NDArray[np.float32],
    side: int,
) -> NDArray[np.float32]:
    """Light from outside and from lamps at (N, 3) points.

    portals: (P, 4, 3) corner, two edges, direction into the room. lamps: (L, 3, 3) position, power, (radius, 0, 0).
    sky: (3, 3) zenith, horizon, ground radiance. sun: (2, 3) direction to the sun, irradiance. side: samples per axis.
    Returns (N, 3) linear light.
    """
    device = scene.device
    out = wp.zeros(len(positions), dtype=wp.vec3, device=device)
    inputs = [
        wp.array(positions, dtype=wp.vec3, device=device),
        wp.array(normals, dtype=wp.vec3, device=device),
        wp.array(portals.reshape(-1, 4, 3), dtype=wp.vec3, ndim=2, device=device),
        wp.array(lamps.reshape(-1, 3, 3), dtype=wp.vec3, ndim=2, device=device),
        wp.array(sky, dtype=wp.vec3, device=device),
        wp.vec3(*sun[0].tolist()),
        wp.vec3(*sun[1].tolist()),
        side,
        out,
    ]
    _launch(direct_kernel, scene, positions, inputs)
    return out.numpy()


def bake_gather(
    scene: BakeMesh,
    positions: NDArray[np.float32],
    normals: NDArray[np.float32],
    *,
    face_quads: NDArray[np.int32],
    quads: NDArray[np.int32],
    radiosity: NDArray[np.float32],
    side: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One bounce at (N, 3) points, seen as side**2 cosine-weighted rays.

    face_quads: (F,) quad of a face. quads: (Q, 3) first sample, width, height of the quad's sample grid.
    radiosity: (M, 3) light that leaves each sample. Returns light (N, 3) and the share of rays (N,) that met a back
    face, which tells points inside solids.
    """
    device = scene.device
    out = wp.zeros(len(positions), dtype=wp.vec3, device=device)
    inside = wp.zeros(len(positions), dtype=wp.float32, device=device)
    inputs = [
        wp.array(positions, dtype=wp.vec3, device=device),
        wp.array(normals, dtype=wp.vec3, device=device),
        wp.array(face_quads, dtype=wp.int32, device=device),
        wp.array(quads, dtype=wp.int32, device=device),
        wp.array(radiosity, dtype=wp.vec3, device=device),
        side,
        out,
        inside,
    ]
    _launch(gather_kernel, scene, positions, inputs)
    return out.numpy(), inside.numpy()

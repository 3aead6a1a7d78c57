# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A 6 x 4 m furnished room as arrays: floor with 6 mm noise, walls, ceiling, a table and two boxes."""

from __future__ import annotations

import numpy as np

from lyra_core.geometry import intrinsics_from_fov, look_at
from lyra_core.types import CameraPath, Gaussians, Mesh


def _patch(origin, u, v, nu, nv, noise=None):
    """A grid of triangles; counter-clockwise seen from u x v."""
    s, t = np.meshgrid(np.linspace(0, 1, nu + 1), np.linspace(0, 1, nv + 1), indexing="ij")
    points = np.asarray(origin) + s[..., None] * np.asarray(u) + t[..., None] * np.asarray(v)
    if noise is not None:
        normal = np.cross(u, v)
        points = points + noise[..., None] * (normal / np.linalg.norm(normal))
    i = np.arange((nu + 1) * (nv + 1)).reshape(nu + 1, nv + 1)
    a, b, c, d = i[:-1, :-1].ravel(), i[1:, :-1].ravel(), i[1:, 1:].ravel(), i[:-1, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return points.reshape(-1, 3), faces


def _box(low, high, n=4):
    (x0, y0, z0), (x1, y1, z1) = low, high
    dx, dy, dz = [x1 - x0, 0, 0], [0, y1 - y0, 0], [0, 0, z1 - z0]
    return [
        _patch([x0, y0, z1], dx, dy, n, n),
        _patch([x0, y0, z0], dy, dx, n, n),
        _patch([x0, y0, z0], dx, dz, n, n),
        _patch([x0, y1, z0], dz, dx, n, n),
        _patch([x0, y0, z0], dz, dy, n, n),
        _patch([x1, y0, z0], dy, dz, n, n),
    ]


def join(parts) -> Mesh:
    vertices, faces, base = [], [], 0
    for points, index in parts:
        vertices.append(points)
        faces.append(index + base)
        base += len(points)
    return Mesh(np.concatenate(vertices).astype(np.float32), np.concatenate(faces).astype(np.int32))


def room_tiles(*, step=0.05, noise=0.006, seed=0, ceiling=True):
    """Collider tiles: two floor halves, and one tile with everything else."""
    rng = np.random.default_rng(seed)
    nx, ny = round(3 / step), round(4 / step)
    left = rng.uniform(-noise, noise, (nx + 1, ny + 1))
    right = rng.uniform(-noise, noise, (nx + 1, ny + 1))
    right[0] = left[-1]  # tiles share their border
    floors = [_patch([x, 0, 0], [3, 0, 0], [0, 4, 0], nx, ny, h) for x, h in ((0, left), (3, right))]
    walls = [
        _patch([0, 0, -0.02], [0, 4, 0], [0, 0, 2.5], 8, 5),
        _patch([6, 0, -0.02], [0, 0, 2.5], [0, 4, 0], 5, 8),
        _patch([0, 0, -0.02], [0, 0, 2.5], [6, 0, 0], 5, 12),
        _patch([0, 4, -0.02], [6, 0, 0], [0, 0, 2.5], 12, 5),
    ]
    if ceiling:
        walls.append(_patch([0, 0, 2.48], [0, 4, 0], [6, 0, 0], 8, 12))
    table = _box([4.0, 1.0, 0.70], [5.2, 1.8, 0.74])
    boxes = _box([1.0, 2.8, 0.0], [1.6, 3.4, 0.5]) + _box([2.8, 0.1, 0.0], [3.3, 0.6, 1.2])
    return [
        ("tile_0_0", join([floors[0]])),
        ("tile_1_0", join([floors[1]])),
        ("tile_rest", join(walls + table + boxes)),
    ]


def colored(mesh: Mesh) -> Mesh:
    rng = np.random.default_rng(1)
    return Mesh(mesh.vertices, mesh.faces, None, rng.integers(0, 256, (len(mesh.vertices), 3)).astype(np.uint8))


def some_gaussians(count=200, coefficients=1, seed=0) -> Gaussians:
    rng = np.random.default_rng(seed)
    quats = rng.normal(size=(count, 4))
    return Gaussians(
        rng.uniform([0, 0, 0], [6, 4, 2.5], (count, 3)),
        quats / np.linalg.norm(quats, axis=1, keepdims=True),
        rng.uniform(0.005, 0.05, (count, 3)),
        rng.uniform(0, 1, count),
        rng.normal(0, 0.4, (count, coefficients, 3)),
    )


def some_path(frames=6, width=320, height=180) -> CameraPath:
    """Off-centre principal point, non-square pixels, turning view."""
    k = intrinsics_from_fov(70, width, height)
    k[1, 1] *= 1.07
    k[0, 2] += 11.5
    k[1, 2] -= 7.25
    poses = [look_at([1 + 0.2 * i, 1.5, 1.2], [5, 2 + 0.3 * i, 0.8]) for i in range(frames)]
    return CameraPath(np.stack(poses), np.repeat(k[None], frames, 0), width, height, 16.0)

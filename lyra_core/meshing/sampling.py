# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Points spread over triangles, dense enough that a grid of cells misses none of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lyra_core.types import Mesh

__all__ = ["surface_samples"]

_CHUNK = 2_000_000  # sample points per chunk; bounds memory to some 100 MB


def surface_samples(mesh: Mesh, spacing: float) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Points (N, 3) on all triangles, no more than spacing [m] apart, with |z| of the face normal (N,); in chunks."""
    corners = mesh.vertices[mesh.faces]
    edges = corners[:, [1, 2, 0]] - corners
    cross = np.cross(edges[:, 0], -edges[:, 2])
    length = np.linalg.norm(cross, axis=1)
    steep = np.abs(cross[:, 2]) / np.maximum(length, 1e-20)
    splits = np.maximum(1, np.ceil(np.linalg.norm(edges, axis=2).max(axis=1, initial=0) / spacing)).astype(np.int64)
    for n in np.unique(splits):
        members = np.flatnonzero(splits == n)
        i, j = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
        keep = i + j <= n
        u, v = (i[keep] / n).astype(np.float32), (j[keep] / n).astype(np.float32)
        block = max(1, _CHUNK // len(u))
        for start in range(0, len(members), block):
            part = members[start : start + block]
            a, e1, e2 = corners[part, :1], edges[part, :1], -edges[part, 2:3]
            points = a + u[None, :, None] * e1 + v[None, :, None] * e2
            yield points.reshape(-1, 3), np.repeat(steep[part], len(u)).astype(np.float32)

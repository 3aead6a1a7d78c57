# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Edges, components, normals and small repairs of triangle meshes, vectorised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.types import Mesh

__all__ = [
    "boundary_edges",
    "check_collider",
    "compact",
    "drop_degenerate",
    "drop_nonmanifold",
    "drop_small_parts",
    "edge_counts",
    "face_areas",
    "face_normals",
    "fill_small_holes",
    "join",
    "labels",
    "with_normals",
]

_V = NDArray[np.float32]
_I = NDArray[np.int32]


def face_normals(vertices: _V, faces: _I) -> NDArray[np.float64]:
    """(F, 3) normals whose length is twice the area."""
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    return np.cross(b - a, c - a)


def face_areas(vertices: _V, faces: _I) -> NDArray[np.float64]:
    """(F,) areas [m^2]."""
    return 0.5 * np.linalg.norm(face_normals(vertices, faces), axis=1)


def compact(vertices: _V, faces: _I, colors: NDArray[np.uint8] | None = None) -> Mesh:
    """A mesh without unreferenced vertices."""
    used = np.zeros(len(vertices), np.bool_)
    used[faces] = True
    renumber = np.cumsum(used, dtype=np.int64) - 1
    return Mesh(vertices[used], renumber[faces].astype(np.int32), None, None if colors is None else colors[used])


def with_normals(mesh: Mesh) -> Mesh:
    """The mesh with area-weighted unit vertex normals."""
    normals = face_normals(mesh.vertices, mesh.faces)
    total = np.zeros((len(mesh.vertices), 3))
    for axis in range(3):
        for corner in range(3):
            total[:, axis] += np.bincount(mesh.faces[:, corner], normals[:, axis], len(total))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    unit = np.where(length > 1e-20, total / np.maximum(length, 1e-20), [0.0, 0.0, 1.0])
    return Mesh(mesh.vertices, mesh.faces, unit.astype(np.float32), mesh.colors)


def join(first: Mesh, second: Mesh) -> Mesh:
    """Both meshes as one; colours are kept if both have them."""
    colors = (
        np.concatenate([first.colors, second.colors])
        if first.colors is not None and second.colors is not None
        else None
    )
    return Mesh(
        np.concatenate([first.vertices, second.vertices]),
        np.concatenate([first.faces, second.faces + np.int32(len(first.vertices))]),
        None,
        colors,
    )


def _half_edges(faces: _I) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and ends of the directed edges, (3 F,), edge j of face i at i + j F."""
    return (
        np.concatenate([faces[:, 0], faces[:, 1], faces[:, 2]]).astype(np.int64),
        np.concatenate([faces[:, 1], faces[:, 2], faces[:, 0]]).astype(np.int64),
    )


def edge_counts(faces: _I) -> NDArray[np.int64]:
    """(3 F,) number of faces at the undirected edge of every half edge."""
    if not len(faces):
        return np.zeros(0, np.int64)
    a, b = _half_edges(faces)
    key = np.minimum(a, b) * (int(faces.max()) + 1) + np.maximum(a, b)
    _, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
    return counts[inverse]


def boundary_edges(faces: _I) -> NDArray[np.int64]:
    """(B, 2) directed edges with one face only."""
    a, b = _half_edges(faces)
    open_ = edge_counts(faces) == 1
    return np.stack([a[open_], b[open_]], axis=1)


def labels(faces: _I, count: int) -> tuple[int, NDArray[np.int32]]:
    """Number of connected parts and the part of every vertex (count,)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    a, b = _half_edges(faces)
    graph = coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(count, count))
    return connected_components(graph, directed=False)


def drop_small_parts(mesh: Mesh, *, share: float, least: float, long: float = np.inf) -> Mesh:
    """Without parts smaller than both share of the largest part's area and least [m^2]; the largest stays.

    long: parts that reach this far [m] stay too, if they have a tenth of that area: a pole is thin, dust is not long.
    """
    if not len(mesh.faces):
        return mesh
    count, label = labels(mesh.faces, len(mesh.vertices))
    owner = label[mesh.faces[:, 0]]
    area = np.bincount(owner, face_areas(mesh.vertices, mesh.faces), count)
    least = min(share * area.max(), least)
    keep = area >= least
    if np.isfinite(long):
        used = np.unique(mesh.faces)
        low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
        np.minimum.at(low, label[used], mesh.vertices[used])
        np.maximum.at(high, label[used], mesh.vertices[used])
        keep |= ((high - low).max(axis=1) >= long) & (area >= 0.1 * least)
    return compact(mesh.vertices, mesh.faces[keep[owner]], mesh.colors)


def drop_degenerate(mesh: Mesh, *, min_area: float = 1e-9) -> Mesh:
    """Without repeated vertices in a face, duplicate faces (whatever their winding) and faces below min_area [m^2]."""
    faces = mesh.faces
    ordered = np.sort(faces, axis=1).astype(np.int64)
    keep = (ordered[:, 0] != ordered[:, 1]) & (ordered[:, 1] != ordered[:, 2])
    keep &= face_areas(mesh.vertices, faces) >= min_area
    n = len(mesh.vertices) + 1
    _, first = np.unique((ordered[:, 0] * n + ordered[:, 1]) * n + ordered[:, 2], return_index=True)
    unique = np.zeros(len(faces), np.bool_)
    unique[first] = True
    return compact(mesh.vertices, faces[keep & unique], mesh.colors)


def drop_nonmanifold(mesh: Mesh) -> Mesh:
    """Without the smaller faces where two run through an edge in the same direction.

    What is left has at most two faces at every edge, and neighbours agree on inside and outside.
    """
    n = len(mesh.vertices) + 1
    a, b = _half_edges(mesh.faces)
    area = np.tile(face_areas(mesh.vertices, mesh.faces), 3)
    owner = np.tile(np.arange(len(mesh.faces)), 3)
    key = a * n + b
    order = np.lexsort((owner, -area, key))
    smaller = np.concatenate([[False], key[order][1:] == key[order][:-1]]) if len(key) else np.zeros(0, np.bool_)
    keep = np.ones(len(mesh.faces), np.bool_)
    keep[owner[order][smaller]] = False
    return mesh if keep.all() else compact(mesh.vertices, mesh.faces[keep], mesh.colors)


def fill_small_holes(mesh: Mesh, *, max_edges: int = 10) -> Mesh:
    """With boundary loops of at most max_edges edges closed by a fan around their mean."""
    open_ = boundary_edges(mesh.faces)
    starts, count = np.unique(open_[:, 0], return_counts=True)
    forked = set(starts[count > 1].tolist())  # several loops meet here: leave them
    after = dict(zip(open_[:, 0].tolist(), open_[:, 1].tolist(), strict=True))
    seen: set[int] = set()
    faces, centers, tints = [], [], []
    for first in after:
        if first in seen:
            continue
        loop, v = [first], after[first]
        while v in after and v != first and len(loop) <= max_edges and v not in forked:
            loop.append(v)
            v = after[v]
        seen.update(loop)
        if v != first or not 3 <= len(loop) <= max_edges or forked & set(loop):
            continue
        if len(loop) == 3:
            faces.append((loop[2], loop[1], loop[0]))
            continue
        hub = len(mesh.vertices) + len(centers)
        centers.append(mesh.vertices[loop].mean(axis=0))
        if mesh.colors is not None:
            tints.append(mesh.colors[loop].mean(axis=0).astype(np.uint8))
        faces += [(b, a, hub) for a, b in zip(loop, [*loop[1:], loop[0]], strict=True)]
    if not faces:
        return mesh
    vertices = np.concatenate([mesh.vertices, np.array(centers, np.float32).reshape(-1, 3)])
    colors = None if mesh.colors is None else np.concatenate([mesh.colors, np.array(tints, np.uint8).reshape(-1, 3)])
    return Mesh(vertices, np.concatenate([mesh.faces, np.array(faces, np.int32)]), None, colors)


def check_collider(vertices: NDArray[np.floating], faces: NDArray[np.integer], name: str = "collider") -> None:
    """Raise InputError for arrays that PhysX would cook into nothing, or wrongly, without a word.

    Checked: empty, NaN or inf, indices out of range, repeated corners, zero area, duplicate faces.
    """

    def fail(what: str, got: str) -> None:
        raise InputError(f"The {name} mesh {what}", got=got, do="Clean the mesh before it becomes a collider")

    if not len(faces) or not len(vertices):
        fail("must have triangles", f"{len(vertices)} vertices, {len(faces)} faces")
    if not np.isfinite(vertices).all():
        fail("must have finite vertices", f"{int((~np.isfinite(vertices)).any(axis=1).sum())} with NaN or inf")
    if faces.min() < 0 or faces.max() >= len(vertices):
        fail("must index existing vertices", f"indices {faces.min()}..{faces.max()} for {len(vertices)} vertices")
    ordered = np.sort(np.asarray(faces, np.int64), axis=1)
    repeated = int(((ordered[:, 0] == ordered[:, 1]) | (ordered[:, 1] == ordered[:, 2])).sum())
    if repeated:
        fail("must not repeat a vertex within a face", f"{repeated} faces")
    flat = int((face_areas(np.asarray(vertices, np.float32), np.asarray(faces, np.int32)) < 1e-12).sum())
    if flat:
        fail("must not have faces without area", f"{flat} faces")
    n = len(vertices)
    double = len(faces) - len(np.unique((ordered[:, 0] * n + ordered[:, 1]) * n + ordered[:, 2]))
    if double:
        fail("must not have duplicate faces", f"{double} faces")

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Zero level set of a block-sparse volume by dual marching cubes (Nielson 2004), vectorised in NumPy.

One vertex per surface patch of a cell (not per cell), so that two sheets through one cell stay apart and
edges are shared by two faces; quads across block borders come from the same lookup as inside, hence no seams.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from lyra_core.types import Mesh

__all__ = ["dual_surface"]

_B = 8
_F32 = NDArray[np.float32]
_I64 = NDArray[np.int64]

# Corner c of a cell is at (c & 1, c >> 1 & 1, c >> 2 & 1); edges are (corner, axis) with that bit clear.
_EDGES = [(c, axis) for axis in range(3) for c in range(8) if not c >> axis & 1]
_EDGE_INDEX = {edge: i for i, edge in enumerate(_EDGES)}


@cache
def _patches() -> NDArray[np.int8]:
    """(256, 12) patch number of each cell edge for each sign pattern; -1 where the edge has no crossing.

    Bit c of the pattern is set when corner c is inside. On a face with four crossings the inside
    corners are cut off one by one; the rule depends on the face alone, so neighbours agree.
    """
    table = np.full((256, 12), -1, np.int8)
    for case in range(256):
        inside = [bool(case >> c & 1) for c in range(8)]
        crossing = [i for i, (c, axis) in enumerate(_EDGES) if inside[c] != inside[c | 1 << axis]]
        parent = {i: i for i in crossing}

        def root(i: int, parent: dict[int, int] = parent) -> int:
            while parent[i] != i:
                i = parent[i]
            return i

        for axis in range(3):
            for side in (0, 1):
                corners = [c for c in range(8) if (c >> axis & 1) == side]
                rim = [i for i in crossing if _EDGES[i][1] != axis and _EDGES[i][0] in corners]
                if len(rim) == 2:
                    parent[root(rim[0])] = root(rim[1])
                elif len(rim) == 4:
                    for corner in (c for c in corners if inside[c]):
                        pair = [i for i in rim if corner in (_EDGES[i][0], _EDGES[i][0] | 1 << _EDGES[i][1])]
                        parent[root(pair[0])] = root(pair[1])
        roots = sorted({root(i) for i in crossing})
        for i in crossing:
            table[case, i] = roots.index(root(i))
    return table


def _neighbours(coords: NDArray[np.int32]) -> _I64:
    """(N, 27) index of the block at each offset (dx, dy, dz) in -1..1, code 9 (dx + 1) + 3 (dy + 1) + dz + 1; -1 = none.

    coords must be in lexicographic order.
    """

    def pack(c: NDArray[np.int32]) -> _I64:
        s = c.astype(np.int64) + (1 << 20)
        return (s[:, 0] << 42) | (s[:, 1] << 21) | s[:, 2]

    keys = pack(coords)
    out = np.full((len(coords), 27), -1, np.int64)
    for code in range(27):
        offset = np.array([code // 9 - 1, code // 3 % 3 - 1, code % 3 - 1], np.int32)
        wanted = pack(coords + offset)
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        out[:, code] = np.where(keys[at] == wanted, at, -1)
    return out


def _active_cells(
    distance: _F32, observed: NDArray[np.bool_], neighbours: _I64
) -> tuple[_I64, NDArray[np.uint8], _I64]:
    """Cells that the surface crosses and whose eight corners are observed.

    Returns flat cell ids (block * 512 + local, ascending), sign patterns (M,), and the flat voxel ids of
    the corners (M, 8).
    """
    ids, cases, corner_ids = [], [], []
    grid = np.arange(_B**3).reshape(_B, _B, _B)
    for start in range(0, len(distance), 1024):
        block = np.arange(start, min(start + 1024, len(distance)))
        # 9^3 voxel ids per block: its own and the first layer of the upper neighbours; -1 = unknown.
        padded = np.full((len(block), _B + 1, _B + 1, _B + 1), -1, np.int64)
        for corner in range(8):
            bits = [corner >> axis & 1 for axis in range(3)]
            code = 9 * (bits[0] + 1) + 3 * (bits[1] + 1) + bits[2] + 1
            owner = neighbours[block, code]
            to = tuple(slice(_B, _B + 1) if b else slice(0, _B) for b in bits)
            source = tuple(slice(0, 1) if b else slice(0, _B) for b in bits)
            voxel = owner[:, None, None, None] * _B**3 + grid[source]
            padded[(slice(None), *to)] = np.where(owner[:, None, None, None] >= 0, voxel, -1)
        known = np.where(padded >= 0, observed.reshape(-1)[padded], False)
        inside = distance.reshape(-1)[padded] < 0
        case = np.zeros((len(block), _B, _B, _B), np.uint8)
        valid = np.ones(case.shape, np.bool_)
        shifts = []
        for corner in range(8):
            window = (slice(None), *(slice(corner >> axis & 1, (corner >> axis & 1) + _B) for axis in range(3)))
            shifts.append(window)
            case |= inside[window].astype(np.uint8) << np.uint8(corner)
            valid &= known[window]
        hit = np.flatnonzero((valid & (case != 0) & (case != 255)).reshape(-1))
        ids.append(hit + start * _B**3)
        cases.append(case.reshape(-1)[hit])
        corner_ids.append(np.stack([padded[w].reshape(-1)[hit] for w in shifts], axis=1))
    return np.concatenate(ids), np.concatenate(cases), np.concatenate(corner_ids)


def _vertices(distance: _F32, cases: NDArray[np.uint8], corner_ids: _I64, base: _F32) -> tuple[_F32, _I64, _I64]:
    """Mean of the edge crossings of each patch, in voxels; (V, 3), its cell (V,), and id of (cell, patch) (M * 4,)."""
    table = _patches()[cases]
    values = distance.reshape(-1)[corner_ids]
    total = np.zeros((len(cases) * 4, 3), np.float32)
    count = np.zeros(len(cases) * 4, np.float32)
    for i, (corner, axis) in enumerate(_EDGES):
        row = np.flatnonzero(table[:, i] >= 0)
        a, b = values[row, corner], values[row, corner | 1 << axis]
        point = np.tile(np.array([corner >> k & 1 for k in range(3)], np.float32), (len(row), 1))
        point[:, axis] = a / (a - b)
        at = row * 4 + table[row, i]
        total[at] += point
        count[at] += 1
    used = np.flatnonzero(count > 0)
    vertex_of = np.full(len(count), -1, np.int64)
    vertex_of[used] = np.arange(len(used))
    points = base[used // 4] + total[used] / count[used, None]
    return points.astype(np.float32), used // 4, vertex_of


def _quads(ids: _I64, cases: NDArray[np.uint8], vertex_of: _I64, neighbours: _I64) -> _I64:
    """(Q, 4) vertex ids, counter-clockwise seen from the outside, one per crossed voxel edge inside the volume."""
    table = _patches()
    cell_at = np.full(len(neighbours) * _B**3, -1, np.int64)
    cell_at[ids] = np.arange(len(ids))
    block, local = ids // _B**3, ids % _B**3
    position = np.stack([local // 64, local // 8 % 8, local % 8], axis=1)
    quads = []
    for axis in range(3):
        b, c = (axis + 1) % 3, (axis + 2) % 3
        own = _EDGE_INDEX[0, axis]
        row = np.flatnonzero(table[cases, own] >= 0)
        corners = []
        for back_b, back_c in ((0, 0), (1, 0), (1, 1), (0, 1)):
            moved = position[row].copy()
            moved[:, b] -= back_b
            moved[:, c] -= back_c
            step = moved >> 3
            owner = neighbours[block[row], 9 * (step[:, 0] + 1) + 3 * (step[:, 1] + 1) + step[:, 2] + 1]
            moved &= 7
            flat = owner * _B**3 + moved[:, 0] * 64 + moved[:, 1] * 8 + moved[:, 2]
            cell = np.where(owner >= 0, cell_at[np.maximum(flat, 0)], -1)
            edge = _EDGE_INDEX[back_b << b | back_c << c, axis]
            vertex = vertex_of[np.maximum(cell, 0) * 4 + np.maximum(table[cases[cell], edge], 0)]
            corners.append(np.where(cell >= 0, vertex, -1))
        quad = np.stack(corners, axis=1)
        # (0,0) -> (1,0) -> (1,1) -> (0,1) turns positively about +axis: outward when the lower end is inside.
        quad = np.where((cases[row] & 1).astype(np.bool_)[:, None], quad, quad[:, ::-1])
        quads.append(quad[(quad >= 0).all(axis=1)])
    return np.concatenate(quads)


def dual_surface(
    coords: NDArray[np.int32], distance: _F32, weight: _F32, color: _F32, voxel_size: float, min_weight: float
) -> Mesh:
    """Mesh of the zero level set; distance > 0 is free space.

    coords: (N, 3) int32 block coordinates in lexicographic order; distance, weight: (N, 512) float32, z fastest;
    color: (N, 512, 4) float32 (sRGB 0..1, weight). Cells with an unobserved corner (weight <= min_weight) are
    left open. Vertices are in metres, colours uint8.
    """
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), None, np.zeros((0, 3), np.uint8))
    if not len(coords):
        return empty
    neighbours = _neighbours(coords)
    ids, cases, corner_ids = _active_cells(distance, weight > min_weight, neighbours)
    if not len(ids):
        return empty
    local = ids % _B**3
    base = coords[ids // _B**3] * _B + np.stack([local // 64, local // 8 % 8, local % 8], axis=1) + 0.5
    points, cell, vertex_of = _vertices(distance, cases, corner_ids, base.astype(np.float32))
    quads = _quads(ids, cases, vertex_of, neighbours)
    tint = color.reshape(-1, 4)[corner_ids]
    share = tint[..., 3:] + 1e-30
    rgb = (tint[..., :3] * share).sum(axis=1) / share.sum(axis=1)
    faces = _split(points, quads)
    used = np.unique(faces)
    renumber = np.zeros(len(points), np.int32)
    renumber[used] = np.arange(len(used), dtype=np.int32)
    return Mesh(
        (points[used] * np.float32(voxel_size)).astype(np.float32),
        renumber[faces],
        None,
        (np.clip(rgb[cell[used]], 0, 1) * 255 + 0.5).astype(np.uint8),
    )


def _split(points: _F32, quads: _I64) -> _I64:
    """Two triangles per quad along its shorter diagonal."""
    q = points[quads]
    first = ((q[:, 0] - q[:, 2]) ** 2).sum(axis=1) <= ((q[:, 1] - q[:, 3]) ** 2).sum(axis=1)
    a = np.where(first[:, None], quads[:, [0, 1, 2]], quads[:, [0, 1, 3]])
    b = np.where(first[:, None], quads[:, [0, 2, 3]], quads[:, [1, 2, 3]])
    return np.concatenate([a, b])

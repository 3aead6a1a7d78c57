# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Where pixels land in another view, with the arithmetic of the reference: float32, term by term."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["pixel_landings"]

_F32 = NDArray[np.float32]


def _apply(matrix: NDArray[np.float32], *columns: _F32 | np.float32) -> list[_F32]:
    """Rows of matrix times columns, added in order and without fused multiply-add."""
    rows = []
    for row in matrix:
        total = np.asarray(row[0] * columns[0])
        for factor, column in zip(row[1:], columns[1:], strict=True):
            total = total + factor * column
        rows.append(total)
    return rows


def pixel_landings(depth: _F32, matrices: tuple[NDArray[np.floating], ...]) -> _F32:
    """(H, W, 3) homogeneous (u z, v z, z) in the target of all source pixels; matrices from view_chain."""
    row, column = np.indices(depth.shape, dtype=np.float32)
    one = np.float32(1)
    if len(matrices) == 4:
        ray, world, camera, pixel = (m.astype(np.float32) for m in matrices)
        local = [depth * part for part in _apply(ray, column, row, one)]
        seen = _apply(camera, *_apply(world, *local, one))
        return np.stack(_apply(pixel, *seen[:3]), axis=-1)
    forward, offset = (m.astype(np.float32) for m in matrices)
    half = np.float32(0.5)
    return np.stack(
        [depth * part + o for part, o in zip(_apply(forward, column + half, row + half, one), offset, strict=True)], -1
    )

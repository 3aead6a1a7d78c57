# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Curved surfaces of Quake III levels: biquadratic Bezier patches to triangle grids."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["patch_index_grid", "tessellate_patch"]

_STEPS = 5  # segments of a 3x3 patch along each axis: 18 degrees a segment on a quarter circle


def _basis(count: int) -> NDArray[np.float64]:
    """(segments + 1, count) weights of `count` (odd) control points chained as quadratic Bezier curves."""
    pieces = (count - 1) // 2
    out = np.zeros((pieces * _STEPS + 1, count))
    t = np.arange(_STEPS + 1) / _STEPS
    local = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], axis=1)
    for piece in range(pieces):
        out[piece * _STEPS : (piece + 1) * _STEPS + 1, 2 * piece : 2 * piece + 3] = local
    return out


def tessellate_patch(control: NDArray) -> tuple[NDArray, tuple[int, int]]:
    """Evaluate a grid of control vertices on a finer grid.

    Parameters
    ----------
    control: (R, C) structured vertices (any float or uint8 fields), R and C odd (an even last row or column is cut).

    Returns
    -------
    (r * c,) vertices of the same dtype, row by row, and (r, c).
    """
    control = control[: (control.shape[0] - 1) // 2 * 2 + 1, : (control.shape[1] - 1) // 2 * 2 + 1]
    down, across = _basis(control.shape[0]), _basis(control.shape[1])
    shape = (len(down), len(across))
    out = np.zeros(shape[0] * shape[1], control.dtype)
    for field in control.dtype.names or ():
        fine = np.einsum("ir,jc,rck->ijk", down, across, control[field].astype(np.float64), optimize=True)
        out[field] = fine.reshape(len(out), -1)
    return out, shape


def patch_index_grid(rows: int, columns: int) -> NDArray[np.int64]:
    """(2 * (rows - 1) * (columns - 1), 3) corners of the triangles of a vertex grid stored row by row."""
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    below = first + columns
    return np.concatenate([np.stack([first, below, first + 1], 1), np.stack([first + 1, below, below + 1], 1)])

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Quaternions (wxyz) and rotation matrices."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "matrix_from_quat",
    "matrix_from_rotvec",
    "quat_from_matrix",
    "quat_multiply",
    "rotation_between",
    "rotvec_from_matrix",
]

_F = NDArray[np.float64]


def matrix_from_quat(quats_wxyz: _F) -> _F:
    """(..., 4) quaternions, any length > 0, to (..., 3, 3) rotation matrices."""
    q = np.asarray(quats_wxyz, dtype=np.float64)
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quat_from_matrix(matrices: _F) -> _F:
    """(..., 3, 3) rotation matrices to (..., 4) unit quaternions with w >= 0 (Shepperd's method)."""
    m = np.asarray(matrices, dtype=np.float64)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    # Four candidate quaternions; the one with the largest leading term is well conditioned.
    squares = np.stack([1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz], axis=-1)
    a = m[..., 2, 1] - m[..., 1, 2]
    b = m[..., 0, 2] - m[..., 2, 0]
    c = m[..., 1, 0] - m[..., 0, 1]
    d = m[..., 1, 0] + m[..., 0, 1]
    e = m[..., 0, 2] + m[..., 2, 0]
    f = m[..., 2, 1] + m[..., 1, 2]
    candidates = np.stack(
        [
            np.stack([squares[..., 0], a, b, c], axis=-1),
            np.stack([a, squares[..., 1], d, e], axis=-1),
            np.stack([b, d, squares[..., 2], f], axis=-1),
            np.stack([c, e, f, squares[..., 3]], axis=-1),
        ],
        axis=-2,
    )
    best = np.argmax(squares, axis=-1)
    q = np.take_along_axis(candidates, best[..., None, None], axis=-2)[..., 0, :]
    q /= np.linalg.norm(q, axis=-1, keepdims=True)
    return np.where(q[..., :1] < 0, -q, q)


def quat_multiply(left_wxyz: _F, right_wxyz: _F) -> _F:
    """Hamilton product: rotate by right, then by left."""
    aw, ax, ay, az = np.moveaxis(np.asarray(left_wxyz, dtype=np.float64), -1, 0)
    bw, bx, by, bz = np.moveaxis(np.asarray(right_wxyz, dtype=np.float64), -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def matrix_from_rotvec(rotvec: _F) -> _F:
    """(..., 3) axis times angle [rad] to (..., 3, 3) (Rodrigues' formula)."""
    v = np.asarray(rotvec, dtype=np.float64)
    angle = np.linalg.norm(v, axis=-1, keepdims=True)
    half = 0.5 * angle
    # sin(half)/angle with its limit at zero; np.sinc is sin(pi x)/(pi x).
    q = np.concatenate([np.cos(half), 0.5 * np.sinc(half / np.pi) * v], axis=-1)
    return matrix_from_quat(q)


def rotvec_from_matrix(matrices: _F) -> _F:
    """(..., 3, 3) to (..., 3) axis times angle [rad], angle in [0, pi]."""
    q = quat_from_matrix(matrices)
    sine = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, q[..., :1])
    factor = np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 2.0)
    return q[..., 1:] * factor


def rotation_between(source: _F, target: _F) -> _F:
    """(3, 3) smallest rotation that turns direction source into direction target."""
    a = np.asarray(source, dtype=np.float64)
    b = np.asarray(target, dtype=np.float64)
    a = a / np.linalg.norm(a)
    b = b / np.linalg.norm(b)
    axis = np.cross(a, b)
    sine, cosine = float(np.linalg.norm(axis)), float(a @ b)
    if sine < 1e-12:
        if cosine > 0:
            return np.eye(3)
        other = np.eye(3)[int(np.argmin(np.abs(a)))]
        axis = np.cross(a, other)
        return matrix_from_rotvec(np.asarray(axis / np.linalg.norm(axis) * np.pi, dtype=np.float64))
    return matrix_from_rotvec(np.asarray(axis / sine * math.atan2(sine, cosine), dtype=np.float64))

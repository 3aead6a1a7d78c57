# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Real spherical harmonics as 3D Gaussian Splatting uses them (Kerbl et al. 2023), degrees 0 to 3."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["SH_C0", "evaluate_sh", "rotate_sh", "sh_basis"]

SH_C0 = 0.28209479177387814

_F = NDArray[np.float64]


def sh_basis(directions: _F, degree: int) -> _F:
    """(..., 3) unit directions to (..., (degree + 1)**2) basis values, signs as in 3DGS."""
    x, y, z = np.moveaxis(np.asarray(directions, dtype=np.float64), -1, 0)
    basis = [np.full_like(x, SH_C0)]
    if degree >= 1:
        c1 = 0.4886025119029199
        basis += [-c1 * y, c1 * z, -c1 * x]
    if degree >= 2:
        xx, yy, zz = x * x, y * y, z * z
        basis += [
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.31539156525252005 * (2 * zz - xx - yy),
            -1.0925484305920792 * x * z,
            0.5462742152960396 * (xx - yy),
        ]
    if degree >= 3:
        xx, yy, zz = x * x, y * y, z * z
        basis += [
            -0.5900435899266435 * y * (3 * xx - yy),
            2.890611442640554 * x * y * z,
            -0.4570457994644658 * y * (4 * zz - xx - yy),
            0.3731763325901154 * z * (2 * zz - 3 * xx - 3 * yy),
            -0.4570457994644658 * x * (4 * zz - xx - yy),
            1.445305721320277 * z * (xx - yy),
            -0.5900435899266435 * x * (xx - 3 * yy),
        ]
    return np.stack(basis, axis=-1)


def evaluate_sh(sh: _F, directions: _F) -> _F:
    """Colour (..., 3) = 0.5 + sum of sh (..., K, 3) times the basis at directions (..., 3)."""
    degree = int(np.sqrt(sh.shape[-2])) - 1
    return 0.5 + np.einsum("...k,...kc->...c", sh_basis(directions, degree), sh)


def _fibonacci_sphere(count: int) -> _F:
    i = np.arange(count) + 0.5
    polar = np.arccos(1 - 2 * i / count)
    azimuth = np.pi * (1 + 5**0.5) * i
    return np.stack([np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)], axis=-1)


def rotate_sh(sh: _F, rotation: _F) -> _F:
    """Coefficients (..., K, 3) of the same colours after the Gaussians turn by rotation (3, 3).

    The band matrices come from a least-squares fit over well-spread directions, which is exact
    to rounding because rotations map each band into itself.
    """
    degree = int(np.sqrt(sh.shape[-2])) - 1
    if degree == 0:
        return np.array(sh, copy=True)
    directions = _fibonacci_sphere(64)
    # colour_new(d) = colour_old(R^T d):  B(d) new = B(R^T d) old
    old = sh_basis(directions @ np.asarray(rotation, dtype=np.float64), degree)
    matrix = np.linalg.lstsq(sh_basis(directions, degree), old, rcond=None)[0]
    return np.einsum("jk,...kc->...jc", matrix, sh).astype(np.asarray(sh).dtype)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Gaussians and Mesh: the reconstructed world as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.types.checks import frozen_array

__all__ = ["Gaussians", "Mesh"]


@dataclass(frozen=True, slots=True, eq=False)
class Gaussians:
    """A set of 3D Gaussians in the Z-up world.

    Attributes
    ----------
    means: (N, 3) float32 centres [m].
    quats_wxyz: (N, 4) float32 unit quaternions, real part first; rotate the local axes into the world.
    scales: (N, 3) float32 standard deviations [m], linear, > 0.
    opacities: (N,) float32 in [0, 1].
    sh: (N, K, 3) float32 spherical-harmonic coefficients, coefficient-major, K in {1, 4, 9, 16};
        colour = 0.5 + 0.28209479 * sh[:, 0] + ... in sRGB.
    """

    means: NDArray[np.float32]
    quats_wxyz: NDArray[np.float32]
    scales: NDArray[np.float32]
    opacities: NDArray[np.float32]
    sh: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(np.asarray(self.means))
        object.__setattr__(self, "means", frozen_array(self.means, (n, 3), np.float32, "Gaussians.means"))
        object.__setattr__(
            self, "quats_wxyz", frozen_array(self.quats_wxyz, (n, 4), np.float32, "Gaussians.quats_wxyz")
        )
        object.__setattr__(self, "scales", frozen_array(self.scales, (n, 3), np.float32, "Gaussians.scales"))
        object.__setattr__(self, "opacities", frozen_array(self.opacities, (n,), np.float32, "Gaussians.opacities"))
        object.__setattr__(self, "sh", frozen_array(self.sh, (n, None, 3), np.float32, "Gaussians.sh"))
        if self.sh.shape[1] not in (1, 4, 9, 16):
            raise InputError(
                "Gaussians.sh must hold 1, 4, 9 or 16 coefficients",
                got=str(self.sh.shape[1]),
                do="Pad the coefficients with zeros to degree 0, 1, 2 or 3",
            )

    def __len__(self) -> int:
        return len(self.means)

    @property
    def sh_degree(self) -> int:
        """Degree of the spherical harmonics, 0..3."""
        return {1: 0, 4: 1, 9: 2, 16: 3}[self.sh.shape[1]]

    def subset(self, keep: NDArray[np.bool_] | NDArray[np.integer]) -> Gaussians:
        """The Gaussians chosen by a boolean mask or an index array."""
        return Gaussians(
            self.means[keep], self.quats_wxyz[keep], self.scales[keep], self.opacities[keep], self.sh[keep]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A triangle mesh in the Z-up world.

    Attributes
    ----------
    vertices: (V, 3) float32 [m].
    faces: (F, 3) int32, counter-clockwise seen from the free side (outward winding).
    normals: (V, 3) float32 unit vertex normals, or None.
    colors: (V, 3) uint8 sRGB, or None.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    normals: NDArray[np.float32] | None = None
    colors: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "vertices", frozen_array(self.vertices, (None, 3), np.float32, "Mesh.vertices"))
        object.__setattr__(self, "faces", frozen_array(self.faces, (None, 3), np.int32, "Mesh.faces"))
        n = len(self.vertices)
        if self.normals is not None:
            object.__setattr__(self, "normals", frozen_array(self.normals, (n, 3), np.float32, "Mesh.normals"))
        if self.colors is not None:
            object.__setattr__(self, "colors", frozen_array(self.colors, (n, 3), np.uint8, "Mesh.colors"))
        if not np.isfinite(self.vertices).all():
            raise InputError("Mesh vertices must be finite", got="NaN or inf", do="Clean the mesh before use")
        if len(self.faces) and (int(self.faces.min()) < 0 or int(self.faces.max()) >= n):
            raise InputError(
                "Mesh faces must index existing vertices",
                got=f"indices {int(self.faces.min())}..{int(self.faces.max())} for {n} vertices",
                do="Drop or renumber the faces",
            )

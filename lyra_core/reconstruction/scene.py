# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""GaussianScene: what reconstruction returns, and GaussianConfig: how it is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lyra_core.errors import ConfigError
from lyra_core.types import Gaussians

__all__ = ["GaussianConfig", "GaussianScene", "concatenate"]


@dataclass(frozen=True, slots=True)
class GaussianConfig:
    """How frames become Gaussians.

    Attributes
    ----------
    sigma: standard deviation of a Gaussian in pixels of the frame that owns it.
    thickness: standard deviation along the normal, as a share of the smaller one in the surface.
    opacity: of every Gaussian.
    max_slant: tangent of the largest angle between view ray and normal that is followed.
    merge: largest block of pixels, a power of two, that one Gaussian may stand for; 1 turns merging off.
    flat_color: largest colour range (0..1) inside a merged block.
    flat_depth: largest departure from a plane inside a merged block, as a share of its depth.
    edge: relative jump of depth between neighbours that ends a surface.
    edge_shrink: factor on sigma on the near side of a depth edge.
    seam: pixels by which owned regions are grown, so that neighbours of two owners meet.
    sky: make the far shell.
    sky_distance: radius of the shell [m]; 0 means three times the largest depth, at least 60 m.
    color_passes: closed-form colour corrections against the frames; 0 turns them off.
    color_views: how many frames each correction looks at.
    """

    sigma: float = 0.55
    thickness: float = 0.15
    opacity: float = 0.98
    max_slant: float = 5.0
    merge: int = 4
    flat_color: float = 0.03
    flat_depth: float = 0.004
    edge: float = 0.03
    edge_shrink: float = 0.7
    seam: int = 1
    sky: bool = True
    sky_distance: float = 0.0
    color_passes: int = 2
    color_views: int = 8

    def __post_init__(self) -> None:
        if self.merge not in (1, 2, 4, 8):
            raise ConfigError("merge must be 1, 2, 4 or 8 pixels", got=str(self.merge), do="Use 4")
        for name in ("sigma", "thickness", "max_slant", "edge", "edge_shrink"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be > 0", got=str(getattr(self, name)), do="Use the default")
        if not 0 < self.opacity <= 1:
            raise ConfigError("opacity must be in (0, 1]", got=str(self.opacity), do="Use 0.98")


@dataclass(frozen=True, slots=True, eq=False)
class GaussianScene:
    """The reconstructed world.

    Attributes
    ----------
    surface: Gaussians on surfaces; the only ones that geometry may be made from.
    sky: Gaussians of the far shell, or None.
    surface_owner: (N,) int32 index of the frame that each surface Gaussian comes from.
    """

    surface: Gaussians
    sky: Gaussians | None
    surface_owner: np.ndarray

    @property
    def all(self) -> Gaussians:
        """Surface first, then sky; for drawing and for files."""
        return self.surface if self.sky is None else concatenate([self.surface, self.sky])


def concatenate(parts: list[Gaussians]) -> Gaussians:
    """One set from many; all must have the same number of SH coefficients. An empty list gives an empty set."""
    if not parts:
        shapes = ((0, 3), (0, 4), (0, 3), (0,), (0, 1, 3))
        return Gaussians(*(np.zeros(shape, np.float32) for shape in shapes))
    names = ("means", "quats_wxyz", "scales", "opacities", "sh")
    return Gaussians(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What a physics engine must offer to prove a world."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["BodyState", "EngineFactory", "PhysicsEngine", "RayHits"]


@dataclass(frozen=True, slots=True, eq=False)
class BodyState:
    """Poses and velocities of N rigid bodies, in the order of PhysicsEngine.body_paths.

    Attributes
    ----------
    positions: (N, 3) float32 [m], world.
    quats_wxyz: (N, 4) float32 unit quaternions, body to world.
    velocities: (N, 3) float32 linear velocity [m/s].
    """

    positions: NDArray[np.float32]
    quats_wxyz: NDArray[np.float32]
    velocities: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class RayHits:
    """Nearest hits of M rays.

    Attributes
    ----------
    distance: (M,) float32 [m], inf where nothing was hit.
    normal_z: (M,) float32 z part of the surface normal at the hit, 0 where nothing was hit.
    """

    distance: NDArray[np.float32]
    normal_z: NDArray[np.float32]


class PhysicsEngine(Protocol):
    """One engine with one open stage at a time. All lengths in metres, Z up, times in seconds."""

    name: str
    """Name and version for reports."""

    def open(self, stage: Path, *, step: float) -> AbstractContextManager[None]:
        """Load a USD stage, cook its colliders; close it on leaving. Errors: SimulationError."""
        ...

    @property
    def body_paths(self) -> tuple[str, ...]:
        """Prim paths of the rigid bodies of the open stage, sorted."""
        ...

    def place(self, positions: NDArray[np.float32], quats_wxyz: NDArray[np.float32]) -> None:
        """Move all bodies (N, 3), (N, 4), in the order of body_paths, and stop them."""
        ...

    def step(self, count: int) -> None:
        """Advance by count steps."""
        ...

    def bodies(self) -> BodyState:
        """Current state of all bodies."""
        ...

    def raycast(self, origins: NDArray[np.float32], directions: NDArray[np.float32], reach: float) -> RayHits:
        """Nearest one-sided hits of rays (M, 3), unit directions (M, 3), within reach [m]; dynamic bodies count."""
        ...


EngineFactory = Callable[[], PhysicsEngine]

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What a build has in its hands while it makes a world; the report reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.meshing import WorldMesh
from lyra_core.navigation import OccupancyGrid, Spawn
from lyra_core.pipeline.prove import Proof
from lyra_core.reconstruction import GaussianScene

__all__ = ["Product"]


@dataclass
class Product:
    """What a build has made so far; handed from step to step and at last to the report."""

    scene: GaussianScene | None = None
    mesh: WorldMesh | None = None
    grid: OccupancyGrid | None = None
    spawns: tuple[Spawn, ...] = ()
    proof: Proof | None = None
    splat_psnr: list[float] = field(default_factory=list)
    shown: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

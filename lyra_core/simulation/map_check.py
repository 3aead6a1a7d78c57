# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The occupancy map against the physics engine: a box over each decided cell, and a ray onto its floor.

A free cell must have floor at the height that layers.npz promises and nothing in the box over it; an occupied cell must
have something in that box, or floor that is too steep for the robot. Unknown cells decide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lyra_core.navigation.columns import TOUCH
from lyra_core.navigation.occupancy import FREE, OCCUPIED, MapLayers, floor_slope, read_layers
from lyra_core.simulation.protocol import RayHits

__all__ = ["MIN_AGREEMENT", "MapReport", "compare_map", "compare_world_map"]

MIN_AGREEMENT = 0.99
_MOST_CELLS = 20_000  # an overlap query costs some 50 us
_FLOOR_BAND = 0.02  # [m] between the promised floor and the one that the ray meets: it may stand on a slope


class MapEngine(Protocol):
    """What this check needs of a physics engine; see OvPhysxEngine."""

    name: str

    def overlaps_box(self, centers: NDArray[np.float64], half_extents: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(N,) whether anything is in upright boxes (N, 3), (N, 3) [m]."""
        ...

    def raycast(self, origins: NDArray[np.float32], directions: NDArray[np.float32], reach: float) -> RayHits:
        """Nearest one-sided hits."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class MapReport:
    """Cells compared.

    Attributes
    ----------
    engine: name and version. decided: free and occupied cells of the map.
    free, free_agree: free cells compared, and those in which the engine found floor and nothing over it.
    occupied, occupied_agree: occupied cells compared, and those in which it found something.
    disputed: (D, 2) row and column of the others.
    """

    engine: str
    decided: int
    free: int
    free_agree: int
    occupied: int
    occupied_agree: int
    disputed: NDArray[np.int64]

    @property
    def agreement(self) -> float:
        """Share of the compared cells; 0 if there were none."""
        return (self.free_agree + self.occupied_agree) / max(1, self.free + self.occupied)

    @property
    def passed(self) -> bool:
        """True from MIN_AGREEMENT on."""
        return self.agreement >= MIN_AGREEMENT

    def to_json(self) -> dict[str, Any]:
        """Plain values for report.json."""
        return {
            "agreement": round(self.agreement, 5),
            "passed": self.passed,
            "decided_cells": self.decided,
            "compared_cells": self.free + self.occupied,
            "free": self.free,
            "free_agree": self.free_agree,
            "occupied": self.occupied,
            "occupied_agree": self.occupied_agree,
        }


def compare_map(engine: MapEngine, layers: MapLayers, *, seed: int = 0) -> MapReport:
    """Ask the open stage of engine about the decided cells of a map; at most 20,000 of them, drawn by seed."""
    grid = layers.grid
    cells = np.argwhere((grid.state == FREE) | (grid.state == OCCUPIED))
    decided = len(cells)
    if decided > _MOST_CELLS:
        rng = np.random.default_rng(seed)
        cells = cells[np.sort(rng.choice(decided, _MOST_CELLS, replace=False))]
    row, column = cells[:, 0], cells[:, 1]
    is_free = grid.state[row, column] == FREE
    height = grid.height[row, column].astype(np.float64)
    ground = np.where(np.isfinite(height), height, 0.0)
    xy = grid.center_of(cells)
    low, high = ground + layers.step, ground + layers.robot_height
    half = np.column_stack([np.full((len(cells), 2), grid.resolution / 2), (high - low) / 2]) + TOUCH
    full = engine.overlaps_box(np.column_stack([xy, (low + high) / 2]), half)
    start = np.column_stack([xy, low]).astype(np.float32)
    down = np.tile(np.array([0, 0, -1], np.float32), (len(cells), 1))
    hits = engine.raycast(start, down, 2 * layers.step + _FLOOR_BAND)
    carried = np.abs((low - hits.distance) - height) <= _FLOOR_BAND
    agrees = np.where(is_free, carried & ~full, full | _steep(layers)[row, column])
    return MapReport(
        engine.name,
        decided,
        int(is_free.sum()),
        int((agrees & is_free).sum()),
        int((~is_free).sum()),
        int((agrees & ~is_free).sum()),
        cells[~agrees],
    )


def _steep(layers: MapLayers) -> NDArray[np.bool_]:
    """Cells that are occupied for their slope alone; no box can find that."""
    rise = floor_slope(layers.grid.height.astype(np.float64), layers.grid.resolution)
    return rise > np.tan(np.radians(layers.slope_deg))


def compare_world_map(folder: Path, *, seed: int = 0) -> MapReport | None:
    """compare_map of a world folder in PhysX; None for worlds without layers.npz.

    Errors: MissingDependencyError without ovphysx, WorldError or SimulationError for a broken world.
    """
    import tempfile

    from lyra_core.simulation.ovphysx_engine import OvPhysxEngine
    from lyra_core.usd import STEPS_PER_SECOND, write_check_stage

    layers = read_layers(folder)
    if layers is None:
        return None
    engine = OvPhysxEngine()
    with tempfile.TemporaryDirectory(prefix="lyra-map-") as scratch:
        stage = write_check_stage(Path(scratch) / "map.usda", (), world=folder)
        with engine.open(stage, step=1 / STEPS_PER_SECOND):
            return compare_map(engine, layers, seed=seed)

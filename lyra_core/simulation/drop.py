# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Drop spheres and boxes onto the free floor and count those that fall through it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lyra_core.errors import SimulationError
from lyra_core.simulation.floor import FloorMap
from lyra_core.simulation.probe import SINK, lowest_around
from lyra_core.simulation.protocol import PhysicsEngine
from lyra_core.usd import TestBody

__all__ = ["DropPlan", "DropReport", "plan_drops", "run_drops", "test_bodies"]

_RADII = (0.02, 0.10)  # [m]
_HEIGHTS = (0.3, 2.2)  # [m] above the floor
_HEADROOM = 0.15  # [m] between the start of a body and the lowest surface above it, and around it
_MARGINS = (0.30, 0.20, 0.10)  # [m] from the edge of the free floor; the widest that leaves room is taken
_MIN_FLOOR = 0.5  # [m^2] of free floor, below which a drop test says nothing of a world
_LOOK_EVERY = 10  # steps between two looks at all bodies: 83 ms at 120 Hz
FELL, LEFT, LANDED = 1, 2, 0


@dataclass(frozen=True, slots=True, eq=False)
class DropPlan:
    """Where bodies start: positions (N, 3) [m] and orientations (N, 4) wxyz, and the margin [m] to the floor's edge."""

    positions: NDArray[np.float32]
    quats_wxyz: NDArray[np.float32]
    margin: float


@dataclass(frozen=True, slots=True, eq=False)
class DropReport:
    """What happened to N dropped bodies.

    Attributes
    ----------
    starts, ends: (N, 3) float32 [m] positions before and after.
    outcome: (N,) uint8: 0 landed (on the floor or on furniture), 1 fell through the floor, 2 left over the edge.
    radii: (N,) float32 [m].
    seconds_simulated, seconds_stepping: simulated time of all batches, and the wall time that the engine took for it.
    steps: number of steps of all batches.
    """

    starts: NDArray[np.float32]
    ends: NDArray[np.float32]
    outcome: NDArray[np.uint8]
    radii: NDArray[np.float32]
    seconds_simulated: float
    seconds_stepping: float
    steps: int

    @property
    def dropped(self) -> int:
        """How many bodies were dropped."""
        return len(self.outcome)

    @property
    def fell(self) -> int:
        """How many fell through the floor."""
        return int((self.outcome == FELL).sum())

    @property
    def left(self) -> int:
        """How many left the world sideways."""
        return int((self.outcome == LEFT).sum())

    @property
    def realtime_factor(self) -> float:
        """Simulated seconds per wall second, with one batch of bodies in the world."""
        return self.seconds_simulated / max(self.seconds_stepping, 1e-9)


def test_bodies(count: int, rng: np.random.Generator) -> tuple[TestBody, ...]:
    """count bodies, spheres and boxes in turn, radius or half edge 2 to 10 cm."""
    radii = rng.uniform(*_RADII, count)
    return tuple(TestBody("box" if i % 2 else "sphere", round(float(r), 4)) for i, r in enumerate(radii))


test_bodies.__test__ = False  # type: ignore[attr-defined]  # not a pytest function


def plan_drops(floor: FloorMap, count: int, rng: np.random.Generator) -> DropPlan:
    """Random starts over the free floor, below the ceiling, clear of obstacles and of the floor's edge.

    Errors: SimulationError if the world has less than half a square metre of free floor.
    """
    around = max(1, round(_HEADROOM / floor.cell))
    ceiling = ndimage.minimum_filter(floor.overhead, size=2 * around + 1)
    room = np.minimum(ceiling - floor.height - _HEADROOM, _HEIGHTS[1])
    distance = np.asarray(ndimage.distance_transform_edt(np.pad(floor.free, 1)))[1:-1, 1:-1] * floor.cell
    rows = columns = np.zeros(0, np.intp)
    margin = 0.0
    for margin in _MARGINS:
        rows, columns = np.nonzero((distance > margin) & (room > _HEIGHTS[0]))
        if len(rows) * floor.cell**2 >= 0.25:  # a quarter square metre
            break
    if len(rows) == 0 or floor.free_area < _MIN_FLOOR:
        raise SimulationError(
            "The colliders promise no free floor to test",
            got=f"{floor.free_area:.2f} m2 of free floor at z = {floor.floor_z:g} m",
            do="Check the floor height, or mesh the world again",
        )
    pick = rng.integers(0, len(rows), count)
    rows, columns = rows[pick], columns[pick]
    xy = floor.centers(rows, columns) + rng.uniform(-0.5, 0.5, (count, 2)) * floor.cell
    z = floor.height[rows, columns] + rng.uniform(_HEIGHTS[0], room[rows, columns])
    quats = rng.normal(size=(count, 4))
    quats /= np.linalg.norm(quats, axis=1, keepdims=True)
    return DropPlan(np.column_stack([xy, z]).astype(np.float32), quats.astype(np.float32), margin)


def run_drops(
    engine: PhysicsEngine, floor: FloorMap, plan: DropPlan, radii: NDArray[np.floating], *, seconds: float, step: float
) -> DropReport:
    """Drop the bodies of the open stage again and again until the plan is done.

    radii: (B,) of the B bodies of the stage, in the order of engine.body_paths; a batch uses all of them, the last
    one perhaps not. seconds: simulated per batch. A body counts as fallen as soon as its lowest inscribed point is
    SINK below the floor around it.
    """
    batch, count = len(radii), len(plan.positions)
    outcome = np.zeros(count, np.uint8)
    ends = np.array(plan.positions)
    looks = max(1, round(seconds / step / _LOOK_EVERY))
    low, inside = lowest_around(floor.base), ndimage.binary_erosion(floor.inside)
    spent, batches = 0.0, 0
    for start in range(0, count, batch):
        index = np.arange(start, start + batch) % count  # a short last batch repeats the first drops, uncounted
        own = np.arange(batch) < count - start
        engine.place(plan.positions[index], plan.quats_wxyz[index])
        state = np.zeros(batch, np.uint8)
        for _ in range(looks):
            began = time.perf_counter()
            engine.step(_LOOK_EVERY)
            spent += time.perf_counter() - began
            positions = engine.bodies().positions
            rows, columns = floor.cells_of(positions[:, :2])
            below = ~(positions[:, 2] - radii >= low[rows, columns] - SINK)  # NaN counts as fallen
            new = below & (state == LANDED)
            state[new] = np.where(inside[rows, columns] | ~np.isfinite(positions[:, 2]), FELL, LEFT)[new]
        outcome[index[own]], ends[index[own]] = state[own], positions[own]
        batches += 1
    steps = batches * looks * _LOOK_EVERY
    all_radii = np.resize(np.asarray(radii, np.float32), count)
    return DropReport(plan.positions, ends, outcome, all_radii, steps * step, spent, steps)

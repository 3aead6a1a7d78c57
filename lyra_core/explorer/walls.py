# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Seen geometry that a walker cannot pass, seen from above; what nobody has seen yet holds nobody back."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import WorldError
from lyra_core.navigation.occupancy import FREE, OCCUPIED, OccupancyGrid
from lyra_core.navigation.planner import read_map

__all__ = ["BODY", "Walls", "walls_of"]

BODY = 0.25  # m from the walker's middle to what it bumps into
_LOW, _OVER = 0.10, 0.15  # m over the floor that is stepped over; m over the eye that still bumps
_CELL = 0.05  # m of the columns in which points are counted: a lone one is a fault of the depth, not a wall
_PUSHES = 4
_STRIDE = 0.4  # share of BODY of one test step, so that no step leaps over a wall


class Walls:
    """Upright obstacles as places (x, y) of the floor.

    Parameters
    ----------
    points: (N, 3) seen surface points [m], Z up, floor at z = 0.
    height: of the eye over the floor [m]; what hangs higher is walked under.
    grid: the map of a built world: its free cells overrule points in them, its occupied ones are obstacles.
    body: radius of the walker [m].
    """

    def __init__(
        self, points: NDArray[np.floating], height: float, grid: OccupancyGrid | None = None, *, body: float = BODY
    ) -> None:
        from scipy.spatial import KDTree

        cloud = np.asarray(points, np.float64).reshape(-1, 3)
        places = _columns(cloud[(cloud[:, 2] > _LOW) & (cloud[:, 2] < height + _OVER), :2])
        if grid is not None:
            occupied = grid.center_of(np.argwhere(grid.state == OCCUPIED))
            places = np.concatenate([places[~_free(grid, places)], occupied])
        self.body = body
        self._grid = grid
        self.places = places
        self._tree = KDTree(places) if len(places) else None

    def room(self, spot: NDArray[np.floating]) -> float:
        """Distance [m] from (x, y) to the nearest obstacle; inf where there is none."""
        return math.inf if self._tree is None else float(self._tree.query(spot)[0])

    def floor_at(self, spot: NDArray[np.floating]) -> bool:
        """True where the map of a built world shows free floor and a walker fits."""
        free = self._grid is not None and bool(_free(self._grid, np.asarray(spot, np.float64)[None])[0])
        return free and self.room(spot) >= self.body

    def walked(self, start: NDArray[np.floating], end: NDArray[np.floating]) -> NDArray[np.float64]:
        """(2,) where someone arrives who walks from start to end, both (2,) [m], and slides along what is in the way.

        Who already stands too near to an obstacle may step away from it, and along it, but no nearer.
        """
        here, way = np.array(start, np.float64), np.subtract(end, start).astype(np.float64)
        if self._tree is None:
            return here + way
        count = max(1, math.ceil(float(np.linalg.norm(way)) / (_STRIDE * self.body)))
        for _ in range(count):
            here = self._step(here, way / count)
        return here

    def settled(self, spot: NDArray[np.floating], reach: float = 3.0) -> NDArray[np.float64]:
        """(2,) the nearest place within reach [m] of spot (2,) where a walker fits; spot itself if there is none."""
        spot = np.array(spot, np.float64)
        if self.room(spot) >= self.body:
            return spot
        for radius in np.arange(_CELL, reach, _CELL):
            angles = np.linspace(0, 2 * np.pi, max(8, int(2 * np.pi * radius / _CELL)), endpoint=False)
            ring = spot + radius * np.column_stack([np.cos(angles), np.sin(angles)])
            rooms = np.array([self.room(p) for p in ring])
            if rooms.max() >= self.body:
                return ring[int(rooms.argmax())]
        return spot

    def _step(self, here: NDArray[np.float64], way: NDArray[np.float64]) -> NDArray[np.float64]:
        """One short step: pushed out of what is nearest, a few times for corners and rough walls, or not made."""
        need = min(self.body, self.room(here))
        there = here + way
        for _ in range(_PUSHES):
            gap, away = self._nearest(there)
            if gap >= need:
                return there
            there = there + (need - gap + 1e-6) * away
        return there if self._nearest(there)[0] >= need else here

    def _nearest(self, spot: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        assert self._tree is not None
        gap, index = self._tree.query(spot)
        away = spot - self.places[int(index)]
        return float(gap), away / max(float(np.linalg.norm(away)), 1e-9)


def walls_of(folder: Path, points: NDArray[np.floating], height: float) -> Walls:
    """The walls of a world: its seen points (N, 3) [m], and its map where it is built. height: of the eye [m]."""
    try:
        grid = read_map(folder)
    except WorldError:
        grid = None
    return Walls(points, height, grid)


def _columns(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """One place for every column of _CELL whose neighbourhood holds two points or more: (M, 2)."""
    from scipy.spatial import KDTree

    if len(places) < 2:
        return places[:0]
    cells, counts = np.unique(np.floor(places / _CELL).astype(np.int64), axis=0, return_counts=True)
    if len(cells) > 1:
        counts = counts + (KDTree(cells).query(cells, k=2)[0][:, 1] < 1.5)
    return np.asarray((cells[counts >= 2] + 0.5) * _CELL, np.float64)


def _free(grid: OccupancyGrid, places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(M,) True where the map says that a robot can stand."""
    cells = grid.cell_of(places)
    inside = ((cells >= 0) & (cells < grid.state.shape)).all(axis=1)
    out = np.zeros(len(places), bool)
    out[inside] = grid.state[tuple(cells[inside].T)] == FREE
    return out

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A* over the cells of a map.

Source: Hart, Nilsson, Raphael, A Formal Basis for the Heuristic Determination of Minimum Cost Paths, 1968. The
estimate is the octile distance times the smallest cost: it never exceeds what is left, and never falls by more than a
step costs, so that the first time a cell leaves the queue its cost is the least.
"""

from __future__ import annotations

import heapq
import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["cheapest_path"]


def cheapest_path(
    cost: NDArray[np.floating], start: tuple[int, int], goal: tuple[int, int]
) -> tuple[NDArray[np.int64], float]:
    """The cheapest way between two cells over their eight neighbours.

    Parameters
    ----------
    cost: (rows, columns) per length of a cell, > 0; inf where there is no way. A step costs the mean of its two cells
        times its length, 1 or sqrt(2).
    start, goal: (row, column) of finite cost.

    Returns (N, 2) cells, start to goal, and what they cost; no cells and inf if no way leads there.
    """
    padded = np.pad(np.asarray(cost, np.float64), 1, constant_values=np.inf)
    columns = padded.shape[1]
    price: list[float] = padded.ravel().tolist()
    begin, end = ((row + 1) * columns + column + 1 for row, column in (start, goal))
    diagonal = math.sqrt(2.0)
    steps = ((-columns, 0.5), (columns, 0.5), (-1, 0.5), (1, 0.5))
    steps += tuple((a * columns + b, 0.5 * diagonal) for a in (-1, 1) for b in (-1, 1))
    left = _estimates(padded, goal)
    best = [math.inf] * len(price)
    came = [-1] * len(price)
    closed = bytearray(len(price))
    best[begin] = 0.0
    queue = [(left[begin], begin)]
    while queue:
        _, here = heapq.heappop(queue)
        if closed[here]:
            continue
        closed[here] = 1
        if here == end:
            return _traced(came, here, columns), best[here]
        spent, own = best[here], price[here]
        for offset, half in steps:
            there = here + offset
            reached = spent + half * (own + price[there])
            if reached < best[there] and not closed[there]:
                best[there], came[there] = reached, here
                heapq.heappush(queue, (reached + left[there], there))
    return np.zeros((0, 2), np.int64), math.inf


def _estimates(padded: NDArray[np.float64], goal: tuple[int, int]) -> list[float]:
    """For every cell the least that the way to the goal can cost."""
    rows, columns = np.ogrid[: padded.shape[0], : padded.shape[1]]
    down, across = np.abs(rows - goal[0] - 1), np.abs(columns - goal[1] - 1)
    least = float(padded.min())
    octile = np.maximum(down, across) + (math.sqrt(2.0) - 1.0) * np.minimum(down, across)
    return (least * octile).ravel().tolist()


def _traced(came: list[int], here: int, columns: int) -> NDArray[np.int64]:
    cells = []
    while here >= 0:
        cells.append((here // columns - 1, here % columns - 1))
        here = came[here]
    return np.array(cells[::-1], np.int64)

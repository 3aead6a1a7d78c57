# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A* costs what scikit-image's exhaustive search costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import label
from skimage.graph import MCP_Geometric

from lyra_core.navigation.search import cheapest_path


def price_of(cost, cells):
    steps = np.diff(cells, axis=0)
    assert np.abs(steps).max() == 1
    values = cost[cells[:, 0], cells[:, 1]]
    return float((0.5 * (values[1:] + values[:-1]) * np.hypot(*steps.T)).sum())


@pytest.mark.parametrize("seed", range(8))
def test_the_path_costs_what_an_exhaustive_search_costs(seed):
    rng = np.random.default_rng(seed)
    cost = np.where(rng.random((40, 55)) < 0.3, np.inf, rng.uniform(1.0, 4.0, (40, 55)))
    parts, _ = label(np.isfinite(cost), np.ones((3, 3)))
    cells = np.argwhere(parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1)
    start, goal = (tuple(int(v) for v in cells[i]) for i in (0, -1))
    path, price = cheapest_path(cost, start, goal)
    search = MCP_Geometric(cost, fully_connected=True)
    costs, _ = search.find_costs([start], [goal])
    assert (tuple(path[0]), tuple(path[-1])) == (start, goal)
    assert price == pytest.approx(price_of(cost, path), abs=1e-9)
    assert price == pytest.approx(float(costs[goal]), abs=1e-9)


def test_it_looks_at_far_fewer_cells_than_there_are(monkeypatch):
    import lyra_core.navigation.search as module

    taken = []
    pop = module.heapq.heappop
    monkeypatch.setattr(module.heapq, "heappop", lambda queue: taken.append(1) or pop(queue))
    cheapest_path(np.ones((100, 100)), (50, 10), (50, 90))
    assert len(taken) < 1000


def test_no_way_is_no_cells_and_endless_cost():
    cost = np.ones((5, 5))
    cost[2] = np.inf
    path, price = cheapest_path(cost, (0, 0), (4, 4))
    assert len(path) == 0
    assert math.isinf(price)


def test_a_way_from_a_cell_to_itself_is_that_cell():
    path, price = cheapest_path(np.ones((3, 3)), (1, 1), (1, 1))
    assert path.tolist() == [[1, 1]]
    assert price == 0.0

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The map agrees with PhysX, and a map that lies is caught."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pxr")

from lyra_core.navigation import FREE, OCCUPIED, build_grid, write_map
from lyra_core.simulation import is_available
from lyra_core.simulation.map_check import compare_world_map
from tests.simulation.test_drive import house
from tests.usd.conftest import write_room
from tests.usd.synthetic import join

pytestmark = [
    pytest.mark.physics,
    pytest.mark.skipif(not is_available(), reason="ovphysx is not installed (physics extra)"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    write_room(folder, tiles=house(), labels={})
    return folder


def save(folder: Path, grid) -> None:
    (folder / "navigation").mkdir(exist_ok=True)
    for name, data in write_map(folder / "navigation", grid).items():
        Path(name).write_bytes(data)


@pytest.fixture(scope="module")
def grid():
    return build_grid(join([(mesh.vertices, mesh.faces) for _, mesh in house()]))


def test_the_map_of_a_furnished_house_agrees_with_overlap_queries(world, grid):
    save(world, grid)
    report = compare_world_map(world)
    assert report is not None
    assert report.agreement >= 0.99, report.to_json()
    assert min(report.free, report.occupied) > 500


def test_a_wall_that_the_map_leaves_out_is_caught(world, grid):
    state = grid.state.copy()
    wall = grid.cell_of(np.array([[2.85, 0.1], [3.15, 1.4]]))
    part = state[wall[0, 0] : wall[1, 0], wall[0, 1] : wall[1, 1] + 1]
    left_out = int((part == OCCUPIED).sum())
    part[part == OCCUPIED] = FREE
    save(world, replace(grid, state=state))
    report = compare_world_map(world)
    assert report.free - report.free_agree >= 0.9 * left_out > 15


def test_floor_that_is_not_there_is_caught(world, grid):
    save(world, replace(grid, height=(grid.height - 0.05).astype(np.float32)))
    report = compare_world_map(world)
    assert not report.passed
    assert report.free_agree < 0.05 * report.free


def test_a_world_without_layers_is_not_compared(tmp_path):
    assert compare_world_map(tmp_path) is None

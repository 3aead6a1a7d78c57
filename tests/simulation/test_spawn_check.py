# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A robot stands at the spawn poses of a sound world, and bad poses and broken worlds are told from good ones."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("pxr")

from lyra_core.errors import WorldError
from lyra_core.navigation import SPAWN_HEIGHT, Spawn, build_grid, spawn_poses
from lyra_core.navigation.spawn import read_spawns
from lyra_core.pipeline.spawns import checked_spawns
from lyra_core.simulation import is_available
from lyra_core.simulation.spawn_check import drop_at_spawns, drop_at_world_spawns
from lyra_core.types import Mesh
from tests.simulation.test_drive import house
from tests.usd.conftest import write_room
from tests.usd.synthetic import join, some_path

physics = pytest.mark.physics
needs_physx = pytest.mark.skipif(not is_available(), reason="ovphysx is not installed (physics extra)")


def at(x, y, z=SPAWN_HEIGHT, yaw=0.3):
    return Spawn((x, y, z), yaw, 0.3)


@pytest.fixture(scope="module")
def grid():
    return build_grid(join([(mesh.vertices, mesh.faces) for _, mesh in house()]))


def test_poses_hang_over_the_highest_floor_around_them(grid):
    for spawn in spawn_poses(grid, some_path()):
        row, column = grid.cell_of(np.array(spawn.position[:2]))
        over = spawn.position[2] - grid.height[row, column]
        assert SPAWN_HEIGHT - 1e-4 <= over < SPAWN_HEIGHT + 0.02, "the floor has 6 mm of noise"


@physics
@needs_physx
def test_the_robot_stands_at_every_chosen_pose(grid):
    report = drop_at_spawns(house(), spawn_poses(grid, some_path()))
    assert len(report.tests) == 5
    assert report.passed, report.to_json()
    assert all(abs(test.height) < 0.02 and test.tilt_deg < 3 for test in report.tests)
    assert "5 of 5" in report.line


@physics
@needs_physx
def test_poses_in_a_wall_in_the_air_and_beside_the_floor_are_told_apart():
    poses = [at(1.2, 0.8), at(3.0, 0.7), at(1.2, 0.8, z=1.0), at(9.0, 9.0)]
    report = drop_at_spawns(house(), poses)
    assert report.standing[0] == 0
    assert report.tests[1].outcome != "stands", "the partition stands there"
    assert report.tests[2].outcome != "stands", "its floor is a metre below"
    assert report.tests[3].outcome == "falls"
    assert not report.passed
    assert report.line.startswith("problem")


@physics
@needs_physx
def test_on_a_flipped_floor_it_falls():
    flipped = [(name, Mesh(mesh.vertices, mesh.faces[:, ::-1])) for name, mesh in house()]
    (test,) = drop_at_spawns(flipped, [at(1.2, 0.8)]).tests
    assert test.outcome == "falls"


@physics
@needs_physx
def test_a_build_keeps_only_poses_that_stand(grid):
    kept, said = checked_spawns(grid, some_path(), house(), check=True)
    assert (len(kept), said) == (5, "")
    flipped = [(name, Mesh(mesh.vertices, mesh.faces[:, ::-1])) for name, mesh in house()]
    kept, said = checked_spawns(grid, some_path(), flipped, check=True)
    assert kept == ()
    assert "did not stand" in said
    assert len(checked_spawns(grid, some_path(), flipped, check=False)[0]) == 5, "the map alone decides"


@physics
@needs_physx
def test_the_poses_of_a_world_folder_are_tried_and_a_damaged_file_is_refused(tmp_path):
    write_room(tmp_path, tiles=house(), labels={})
    assert drop_at_world_spawns(tmp_path) is None
    file = tmp_path / "navigation" / "spawn.json"
    file.parent.mkdir()
    file.write_text(json.dumps([{"position": [1.2, 0.8, 0.04], "yaw": 0.5, "clearance": 0.5}]))
    report = drop_at_world_spawns(tmp_path)
    assert report is not None
    assert report.passed
    file.write_text('[{"position": [1]}]')
    with pytest.raises(WorldError, match="damaged"):
        read_spawns(tmp_path)

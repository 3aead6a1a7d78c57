# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Drives in PhysX: a house of two rooms with a door, and the same house broken on purpose."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("pxr")

from lyra_core.errors import ConfigError, InputError
from lyra_core.navigation import build_grid
from lyra_core.navigation.planner import Planner, StartGoal
from lyra_core.navigation.robots import load_robot
from lyra_core.simulation import is_available
from lyra_core.simulation.drive import FELL, REACHED, STUCK, drive_world
from lyra_core.types import Mesh
from tests.usd.synthetic import _box, join, room_tiles

pytestmark = [
    pytest.mark.physics,
    pytest.mark.skipif(not is_available(), reason="ovphysx is not installed (physics extra)"),
]

DOOR = _box([2.9, 1.5, -0.05], [3.1, 2.5, 2.0])
THROUGH = StartGoal((1.2, 0.8), 2.0, (4.9, 3.0))


def house(*, closed=False):
    """The furnished room of 6 x 4 m with a wall at x = 3 m and a door 1 m wide."""
    walls = _box([2.9, -0.02, -0.05], [3.1, 1.5, 2.4]) + _box([2.9, 2.5, -0.05], [3.1, 4.02, 2.4])
    tiles = [t for t in room_tiles(step=0.05, ceiling=False)]
    return [*tiles, ("partition", join(walls + DOOR if closed else walls))]


@pytest.fixture(scope="module")
def robot():
    return load_robot("lyra_bot")


@pytest.fixture(scope="module")
def planner(robot):
    vertices, faces, base = [], [], 0
    for _, mesh in house():
        vertices.append(mesh.vertices)
        faces.append(mesh.faces + base)
        base += len(mesh.vertices)
    return Planner(build_grid(Mesh(np.concatenate(vertices), np.concatenate(faces))), robot.footprint_radius)


@pytest.fixture(scope="module")
def report(planner, robot):
    tasks = (THROUGH, *planner.random_tasks(5, np.random.default_rng(1)))
    return drive_world(house(), [planner.plan(task) for task in tasks], robot)


def test_the_robot_reaches_every_goal_without_touching_anything(report):
    assert [run.outcome for run in report.runs] == [REACHED] * 6
    assert [run.collisions for run in report.runs] == [0] * 6
    for run in report.runs:
        assert np.hypot(*(run.positions[-1, :2] - run.plan.task.goal)) < 0.1
        # Corners are cut a little, and the last centimetres are within the tolerance.
        assert run.driven == pytest.approx(run.plan.length, abs=0.25)
        assert run.deviation < 0.06


def test_it_goes_through_the_door_and_stays_on_the_floor(report):
    path = report.runs[0].positions
    at_wall = path[np.argmin(np.abs(path[:, 0] - 3.0))]
    assert 1.5 < at_wall[1] < 2.5
    # The floor has 6 mm of noise; wheels and caster ride on its peaks.
    assert np.abs(path[:, 2]).max() < 0.02


def test_it_keeps_up_with_real_time_and_its_figures_are_plain_values(report):
    # Ten times less than measured on a loaded machine.
    assert report.realtime_factor > 1.0
    figures = json.loads(json.dumps(report.to_json()))
    assert (figures["reached"], figures["runs"], figures["collisions"]) == (6, 6, 0)
    assert figures["outcomes"] == {"reached": 6}
    assert len(figures["drives"]) == 6


def test_the_same_drive_gives_the_same_bytes(report, robot):
    again = drive_world(house(), [report.runs[0].plan], robot)
    np.testing.assert_array_equal(again.runs[0].positions, report.runs[0].positions)


def test_a_closed_door_stops_the_robot_and_counts_as_a_collision(planner, robot):
    (run,) = drive_world(house(closed=True), [planner.plan(THROUGH)], robot).runs
    assert run.outcome == STUCK
    assert run.collisions >= 1
    assert run.strongest > 5
    assert run.positions[:, 0].max() < 2.9


def test_on_a_flipped_floor_the_robot_falls(planner, robot):
    flipped = [(name, Mesh(mesh.vertices, mesh.faces[:, ::-1])) for name, mesh in house()]
    (run,) = drive_world(flipped, [planner.plan(THROUGH)], robot).runs
    assert run.outcome == FELL
    assert not run.reached


def test_what_cannot_be_driven_is_refused_before_any_work(planner, robot):
    plan = planner.plan(THROUGH)
    with pytest.raises(InputError, match="nothing to drive"):
        drive_world(house(), [], robot)
    with pytest.raises(ConfigError, match="walks"):
        drive_world(house(), [plan], load_robot("spot"))
    with pytest.raises(ConfigError, match="Isaac Sim"):
        drive_world(house(), [plan], load_robot("jetbot"))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Paths on hand-made maps: two rooms and a door."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyra_core.errors import InputError, PathError, WorldError
from lyra_core.navigation import FREE, OCCUPIED, UNKNOWN, OccupancyGrid, write_map
from lyra_core.navigation.planner import Planner, StartGoal, read_map

RADIUS = 0.2


def two_rooms(door=(1.5, 2.5), cell=0.05):
    """6 x 4 m with a wall at x = 3 m and a door between these y."""
    state = np.full((80, 120), FREE, np.uint8)
    state[[0, -1]] = OCCUPIED
    state[:, [0, -1]] = OCCUPIED
    state[:, 59:61] = OCCUPIED
    if door:
        state[round(door[0] / cell) : round(door[1] / cell), 59:61] = FREE
    return OccupancyGrid(state, cell, (0.0, 0.0))


def true_room(grid, points):
    """Distance from points to the nearest part of a cell that is not free (cells are squares)."""
    blocked = np.argwhere(grid.state != FREE)
    low = blocked[:, ::-1] * grid.resolution + np.array(grid.origin)
    gap = np.maximum(np.maximum(low[None] - points[:, None], points[:, None] - low[None] - grid.resolution), 0)
    return np.linalg.norm(gap, axis=-1).min(axis=1)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_every_point_of_every_random_path_keeps_the_robots_radius_free(seed):
    grid = two_rooms()
    planner = Planner(grid, RADIUS)
    (task,) = planner.random_tasks(1, np.random.default_rng(seed))
    plan = planner.plan(task)
    assert planner.holds(plan.points)
    # The map's rule is met at cell centres: a point may lie half a diagonal nearer than its cell's centre.
    assert true_room(grid, plan.points).min() >= RADIUS
    np.testing.assert_allclose(plan.points[[0, -1]], [task.start, task.goal], atol=1e-12)
    assert np.linalg.norm(np.diff(plan.points, axis=0), axis=1).max() <= 0.05 + 1e-9
    assert plan.length >= np.hypot(*np.subtract(task.goal, task.start)) - 1e-9


def test_the_path_between_the_rooms_goes_through_the_door_and_is_hardly_longer_than_it_must_be():
    plan = Planner(two_rooms(), RADIUS).plan(StartGoal((1.0, 0.6), 0.0, (5.0, 0.6)))
    at_wall = plan.points[np.argmin(np.abs(plan.points[:, 0] - 3.0))]
    assert 1.5 + RADIUS < at_wall[1] < 2.5 - RADIUS
    # Taut string around the door's corner at the robot's radius.
    shortest = 2 * np.hypot(2.0, 1.5 + RADIUS - 0.6)
    assert shortest * 0.98 < plan.length < shortest * 1.15
    assert plan.smoothed


def test_open_floor_gives_a_straight_line():
    plan = Planner(two_rooms(), RADIUS).plan(StartGoal((0.6, 1.0), 0.0, (2.4, 3.2)))
    assert plan.length == pytest.approx(np.hypot(1.8, 2.2), rel=1e-6)


def test_a_path_turns_gently_where_there_is_room():
    plan = Planner(two_rooms(), RADIUS).plan(StartGoal((1.0, 0.6), 0.0, (5.0, 0.6)))
    step = np.diff(plan.points, axis=0)
    heading = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
    assert np.abs(np.diff(heading)).max() < np.radians(35)


@pytest.mark.parametrize(
    ("goal", "reason"),
    [
        ((9.0, 1.0), "outside the map"),
        ((3.0, 1.0), "something stands there"),
        ((2.85, 1.0), "are free around it"),
        ((5.0, 2.0), "no way that is wide enough"),
    ],
)
def test_an_unreachable_goal_is_refused_with_the_reason_and_a_point_that_can_be_reached(goal, reason):
    planner = Planner(two_rooms(door=None), RADIUS)
    with pytest.raises(PathError, match=reason) as caught:
        planner.plan(StartGoal((1.0, 1.0), 0.0, goal))
    nearest = tuple(float(v) for v in caught.value.do.rsplit(" ", 1)[-1].split(","))
    again = planner.plan(StartGoal((1.0, 1.0), 0.0, nearest))
    assert again.points[-1, 0] < 3.0


def test_unknown_floor_is_no_floor():
    grid = two_rooms()
    state = grid.state.copy()
    state[20:60, 90:110] = UNKNOWN
    with pytest.raises(PathError, match="no floor is known there"):
        Planner(OccupancyGrid(state, 0.05, (0, 0)), RADIUS).plan(StartGoal((1.0, 1.0), 0.0, (5.0, 2.0)))


def test_a_door_narrower_than_the_robot_is_no_door():
    planner = Planner(two_rooms(door=(1.8, 2.2)), RADIUS)
    with pytest.raises(PathError, match="no way that is wide enough"):
        planner.plan(StartGoal((1.0, 2.0), 0.0, (5.0, 2.0)))


def test_a_world_without_floor_says_so():
    empty = OccupancyGrid(np.full((5, 5), UNKNOWN, np.uint8), 0.05, (0, 0))
    with pytest.raises(PathError, match="no floor"):
        Planner(empty, RADIUS)
    with pytest.raises(PathError, match="wide enough for this robot"):
        Planner(two_rooms(), 5.0)
    with pytest.raises(InputError, match="radius"):
        Planner(two_rooms(), 0.0)


def test_random_tasks_repeat_with_their_seed_keep_their_distance_and_can_all_be_planned():
    planner = Planner(two_rooms(), RADIUS)
    tasks = planner.random_tasks(12, np.random.default_rng(3), min_distance=2.5)
    assert tasks == planner.random_tasks(12, np.random.default_rng(3), min_distance=2.5)
    assert tasks != planner.random_tasks(12, np.random.default_rng(4), min_distance=2.5)
    assert all(np.hypot(*np.subtract(t.goal, t.start)) >= 2.5 for t in tasks)
    for task in tasks:
        planner.plan(task)


def test_random_tasks_stay_in_the_largest_region():
    grid = two_rooms(door=None)
    state = grid.state.copy()
    state[:, :20] = OCCUPIED  # the left room is now the smaller one
    tasks = Planner(OccupancyGrid(state, 0.05, (0, 0)), RADIUS).random_tasks(10, np.random.default_rng(0))
    assert all(t.start[0] > 3 and t.goal[0] > 3 for t in tasks)
    with pytest.raises(PathError, match="too small for random drives"):
        Planner(grid, RADIUS).random_tasks(1, np.random.default_rng(0), min_distance=20.0)


def test_a_written_map_comes_back_as_it_was(tmp_path):
    grid = two_rooms()
    state = grid.state.copy()
    state[:10, :7] = UNKNOWN
    grid = OccupancyGrid(state, 0.05, (-1.25, 2.5))
    folder = tmp_path / "navigation"
    folder.mkdir()
    for name, data in write_map(folder, grid).items():
        (folder / name.rsplit("/", 1)[-1]).write_bytes(data)
    back = read_map(tmp_path)
    np.testing.assert_array_equal(back.state, grid.state)
    assert (back.resolution, back.origin) == (grid.resolution, grid.origin)
    (folder / "map.png").unlink()
    with pytest.raises(WorldError, match=r"image of the map"):
        read_map(tmp_path)
    with pytest.raises(WorldError, match=r"map\.yaml"):
        read_map(tmp_path / "elsewhere")

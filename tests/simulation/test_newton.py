# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Newton drives the same stage and plans as PhysX. Needs Newton's own environment, named by LYRA_NEWTON_PYTHON."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pxr")

from lyra_core.navigation import build_grid
from lyra_core.navigation.planner import Planner
from lyra_core.navigation.robots import load_robot
from lyra_core.simulation import is_available
from lyra_core.simulation.drive import DriveReport, DriveRun, drive_world
from lyra_core.simulation.newton_engine import PYTHON_VARIABLE, cross_check, drive_in_newton
from tests.simulation.test_drive import THROUGH, house
from tests.usd.synthetic import join


def made(engine, end, outcome="reached"):
    grid = build_grid(join([(mesh.vertices, mesh.faces) for _, mesh in house()]))
    plan = Planner(grid, 0.2).plan(THROUGH)
    track = np.linspace([1.0, 0, 0], end, 31)
    times, upright = np.arange(31) / 30, np.tile([1.0, 0, 0, 0], (31, 1))
    run = DriveRun(plan, outcome, times, track, upright, np.zeros((31, 2)), 0, 0.0, 0.01, 2.0)
    return DriveReport(engine, "lyra_bot", (run,), 0.0)


def test_the_cross_check_says_how_far_the_engines_part():
    check = cross_check(made("a", [3.0, 0, 0]), made("b", [3.0, 0.3, 0], "stuck"))
    assert (check.engine, check.runs, check.reached, check.same_outcome) == ("b", 1, 0, 0)
    figures = check.to_json()
    assert figures["largest_end_distance_m"] == pytest.approx(0.3)
    assert 0.2 < figures["largest_path_distance_m"] <= 0.3
    assert figures["realtime_factor"] == pytest.approx(0.5)
    same = cross_check(made("a", [3.0, 0, 0]), replace(made("b", [3.0, 0, 0])))
    assert same.to_json()["largest_path_distance_m"] < 1e-9


@pytest.mark.slow
@pytest.mark.physics
@pytest.mark.skipif(not is_available(), reason="ovphysx is not installed (physics extra)")
@pytest.mark.skipif(not os.environ.get(PYTHON_VARIABLE), reason=f"{PYTHON_VARIABLE} names no environment with Newton")
def test_newton_and_physx_take_the_robot_through_the_same_door():
    grid = build_grid(join([(mesh.vertices, mesh.faces) for _, mesh in house()]))
    robot = load_robot("lyra_bot")
    plans = [Planner(grid, robot.footprint_radius).plan(THROUGH)]
    first = drive_world(house(), plans, robot)
    *_, second = drive_in_newton(house(), plans, robot, grounds=[float(first.runs[0].positions[0, 2])])
    check = cross_check(first, second)
    assert check.reached == check.same_outcome == 1
    assert check.end_distances[0] < 0.1
    assert check.path_distances[0] < 0.15

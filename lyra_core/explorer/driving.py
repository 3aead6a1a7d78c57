# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A drive from one clicked place to another, and the recorded robot as poses that a page can play."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.navigation.planner import Plan, Planner, StartGoal, read_map
from lyra_core.navigation.robots import load_robot
from lyra_core.pipeline.events import Event, Finished, Note, Progress, StageStarted
from lyra_core.world import write_text
from lyra_core.world.atomic import atomic_path

__all__ = ["DRIVE_FILE", "drive_between", "plan_between", "read_drive"]

DRIVE_FILE = "navigation/explorer_drive.npz"
_XY = tuple[float, float]


def plan_between(folder: Path, start: _XY, goal: _XY, robot: str = "lyra_bot") -> Plan:
    """The path of a robot over the map of a world. Raises PathError with the reason and the nearest reachable point."""
    planner = Planner(read_map(folder), load_robot(robot).footprint_radius)
    yaw = math.atan2(goal[1] - start[1], goal[0] - start[0])
    return planner.plan(StartGoal((float(start[0]), float(start[1])), yaw, (float(goal[0]), float(goal[1]))))


def drive_between(folder: Path, start: _XY, goal: _XY, robot: str = "lyra_bot") -> Iterator[Event]:
    """Plan, drive in PhysX, and write navigation/explorer_drive.npz (times, positions, quats_wxyz, path) and .json."""
    from lyra_core.simulation.drive import drive_one_by_one

    yield StageStarted("drive", 1)
    plan = plan_between(folder, start, goal, robot)
    *_, report = drive_one_by_one(folder, [plan], load_robot(robot))
    yield Progress("drive", 1, 1)
    run = report.runs[0]
    with atomic_path(folder / DRIVE_FILE) as temporary, temporary.open("wb") as stream:
        np.savez(stream, times=run.times, positions=run.positions, quats_wxyz=run.quats_wxyz, path=plan.points)
    write_text((folder / DRIVE_FILE).with_suffix(".json"), json.dumps(report.to_json(), indent=1) + "\n")
    yield Note(
        f"The robot {'reached the goal' if run.reached else 'did not reach the goal: ' + run.outcome}: "
        f"{run.driven:.1f} m in {run.seconds:.1f} s, {run.collisions} collision(s), {report.engine}."
    )
    yield Finished(str(folder), run.reached, {"files": [DRIVE_FILE]})


def read_drive(folder: Path) -> dict[str, NDArray[Any]] | None:
    """The last drive of a world, or None."""
    file = folder / DRIVE_FILE
    if not file.is_file():
        return None
    with np.load(file, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}

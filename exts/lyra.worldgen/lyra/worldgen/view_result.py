# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The display of a finished world, robots, recent worlds and the worker's environment."""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import Any

from lyra.worldgen.model import APPEARANCES, Model, Spawn
from lyra.worldgen.phrases import busy, button, index_of, words
from lyra.worldgen.state import Choice, Fact, Recent, Text

__all__ = ["result", "worlds"]

_NOT_YET = {
    "none": "Spawn a robot first",
    "placing": "The robot is being placed",
    "picking": "Choose the goal first",
    "planning": "Planning the way",
}


def result(model: Model) -> dict[str, Any]:
    """Facts, loading, appearance."""
    world, scene = model.world, model.scene
    facts = (Fact("Folder", world.folder), *(Fact(words(k), v) for k, v in world.facts)) if world else ()
    missing = "" if world and world.complete else "The world is not finished"
    loading = "The world is being loaded" if scene.loading else ""
    return {
        "result_facts": facts,
        "load_mode": Choice(("Reference into the stage", "Open as the stage"), int(scene.open_stage)),
        "load": button(
            "Loading" if scene.loading else "Load into stage",
            "Bring the world into the stage; one step of undo",
            missing or loading,
            primary=world is not None and not scene.prim,
        ),
        "appearance": Choice(("Splats", "Mesh", "Both"), index_of(APPEARANCES, scene.appearance)),
        **_robot(model),
    }


def _robot(model: Model) -> dict[str, Any]:
    world, scene = model.world, model.scene
    robots = tuple(r.name for r in model.catalog.robots)
    robot = next((r for r in model.catalog.robots if r.name == scene.robot), None)
    spawns = world.spawns if world else ()
    note = scene.drive_note or ("Comes from Isaac Sim's asset server" if robot and robot.isaac_asset else "")
    there = "" if scene.prim else "Load the world into the stage first"
    room = "" if spawns else "No free floor is large enough for a robot"
    driving = scene.drive == "driving"
    return {
        "robot": Choice(tuple(map(words, robots)), index_of(robots, scene.robot), enabled=bool(robots)),
        "spawn_pose": Choice(
            tuple(_pose(number, spawn) for number, spawn in enumerate(spawns, 1)), scene.spawn, enabled=len(spawns) > 1
        ),
        "robot_note": Text(note, visible=bool(note)),
        "spawn": button(
            "Spawn",
            "Put the robot on the chosen place of the free floor",
            there or room,
            primary=bool(scene.prim) and not scene.robot_prim,
        ),
        "play": button("Stop" if scene.playing else "Play", "Start or stop physics", there),
        "drive": button(
            "Stop driving" if driving else "Drive to picked point",
            "Drives to the selected prim; with nothing selected it puts a marker that you move to the goal",
            there or ("" if driving else _NOT_YET.get(scene.drive, "")),
            primary=bool(scene.robot_prim),
        ),
    }


def _pose(number: int, spawn: Spawn) -> str:
    x, y, _ = spawn.position
    return f"{number}: x {x:.1f} m, y {y:.1f} m, facing {math.degrees(spawn.yaw):.0f}°"


def worlds(model: Model) -> dict[str, Any]:
    """Recent worlds and the worker's environment."""
    environment = model.environment
    status = {
        "unchecked": "Not started; it starts with the next job",
        "checking": "Starting this Python",
        "ready": environment.summary,
    }
    problem = environment.problem or model.run.problem or model.problem
    note = status.get(environment.status, "")
    if environment.problem:
        said = environment.status == "broken" and model.run.status != "failed" and not model.problem  # by the banner
        lacks = f": {environment.problem.got} {environment.problem.do}"
        note = environment.problem.what + ("" if said else lacks)
    return {
        "recent": tuple(Recent(PurePath(r).name, str(PurePath(r).parent), r) for r in model.recents),
        "interpreter": Text(environment.interpreter, enabled=not model.run.busy),
        "interpreter_note": Text(note),
        "browse_interpreter": button("…", "Choose the Python of the worker environment", busy(model)),
        "check_interpreter": button("Check", "Start this Python and say what is missing", busy(model)),
        "log_tail": Text("\n".join(problem.log) if problem else "", visible=bool(problem and problem.log)),
    }

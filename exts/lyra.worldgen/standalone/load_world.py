# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Open a finished world in Isaac Sim and, with --goal, drive a robot through it.

./python.sh exts/lyra.worldgen/standalone/load_world.py WORLD --robot lyra_bot --goal 1.5,2.0 --headless --test
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import flow

__all__ = ["load_and_drive", "main"]


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("world", help="A world folder.")


def load_and_drive(app: Any, worker: Any, world: str, given: Any) -> dict[str, Any]:
    """Open the world's stage in the running app; drive if a goal is given. Returns figures for the result line."""
    import omni.timeline
    import omni.usd

    from lyra.worldgen import stage_edits
    from lyra.worldgen.requests import catalog_of, world_of

    described = flow.ask_worker(worker, {"id": 2, "request": "describe", "world": world}, update=app.update, tell=_say)[
        "world"
    ]
    if not described["complete"]:
        raise RuntimeError(f"{world} is not finished: {described['frames']} of {described['planned']} frames")
    opened, reason = app.run_coroutine(omni.usd.get_context().open_stage_async(f"{world}/world_physics.usda"))
    stage = omni.usd.get_context().get_stage()
    if not opened or stage is None or not stage_edits.has_physics_scene(stage):
        raise RuntimeError(f"{world}/world_physics.usda could not be opened: {reason}")
    figures: dict[str, Any] = {"world": world, "prims": sum(1 for _ in stage.Traverse()), "drive": None}
    if given.goal is None:
        return figures
    from lyra.worldgen.robot import RobotDriver

    spawn = world_of(described).spawns[0]
    hello = flow.ask_worker_hello(worker, app.update)
    robot = next((r for r in catalog_of(hello["catalog"]).robots if r.name == given.robot), None)
    if robot is None:
        raise RuntimeError(f"There is no robot {given.robot}")
    request = {
        "id": 3,
        "request": "plan",
        "world": world,
        "robot": given.robot,
        "start": list(spawn.position[:2]),
        "yaw": spawn.yaw,
        "goal": list(given.goal),
    }
    plan = flow.ask_worker(worker, request, update=app.update, tell=_say)
    timeline = omni.timeline.get_timeline_interface()
    driver = RobotDriver()
    try:
        figures["drive"] = flow.drive_in_stage(
            driver,
            {"update": app.update, "play": timeline.play, "stop": timeline.stop},
            plan=plan,
            place={"robot": robot, "world_prim": "/World", "position": spawn.position, "yaw": spawn.yaw},
        )
    finally:
        driver.close()
    return figures


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the script; the exit code goes to close(), because Kit ends the process there."""
    given = flow.options(__doc__ or "", _add, arguments)
    return flow.run(given, lambda app, worker: load_and_drive(app, worker, str(Path(given.world).resolve()), given))


if __name__ == "__main__":
    sys.exit(main())

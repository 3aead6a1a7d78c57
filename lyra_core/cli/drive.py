# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""lyra drive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lyra_core.cli.console import DONE, FAILED, Console, follow, guarded
from lyra_core.cli.options import DeviceName, Json, World
from lyra_core.errors import InputError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(drive)


def _goal(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError("--goal needs two numbers in metres", got=text, do="For example --goal 1.5,2.0") from error
    return x, y


def drive(
    world: World,
    goal: Annotated[
        str | None, typer.Option("--goal", metavar="X,Y", help="Drive here [m] from the first spawn pose.")
    ] = None,
    random: Annotated[int, typer.Option("--random", help="Drives between random free places.")] = 0,
    robot: Annotated[str, typer.Option("--robot", help="A robot of config/robots.")] = "lyra_bot",
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random places.")] = 0,
    video: Annotated[bool, typer.Option("--video/--no-video", help="Write navigation/drive.mp4.")] = True,
    engine: Annotated[
        str, typer.Option("--engine", help="ovphysx; or newton: the same drives in Newton too, compared.")
    ] = "ovphysx",
    newton_python: Annotated[
        Path | None,
        typer.Option("--newton-python", envvar="LYRA_NEWTON_PYTHON", help="Interpreter of Newton's own environment."),
    ] = None,
    device: DeviceName = "auto",
    json_: Json = False,
) -> None:
    """Let a robot drive through a world in PhysX; without --goal and --random, 20 random drives."""

    def task(console: Console) -> int:
        from lyra_core.pipeline.drive import drive as run

        target = _goal(goal)
        count = 20 if target is None and random == 0 else random
        options: dict[str, Any] = {"robot": robot, "seed": seed, "video": video, "device": device}
        events = run(
            Path(world), goal=target, random=count, engine=engine, newton_python=newton_python, **options
        )  # fmt: skip
        finished = follow(console, events)
        console.say(
            f"\n{finished.world}: {'the robot got there' if finished.passed else 'THE ROBOT DID NOT GET THERE'}"
        )
        for name, value in finished.figures.get("summary", {}).items():
            console.say(f"  {name:<26} {value}")
        console.say(f"  picture                    {Path(finished.world) / 'navigation' / 'drive.png'}")
        code = DONE if finished.passed else FAILED
        console.result({"ok": finished.passed, "world": finished.world, "exit_code": code, **finished.figures})
        return code

    raise typer.Exit(guarded(json_, task))

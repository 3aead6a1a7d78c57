# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What both scripts share: options, waiting for the worker, driving, the result line. Kit is imported after it runs."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["EXTENSION", "ask_worker", "ask_worker_hello", "drive_in_stage", "launch", "options", "result", "run"]

EXTENSION = Path(__file__).resolve().parent.parent
_DRIVE_LIMIT = 180.0  # [s] of wall time

for _place in (EXTENSION, EXTENSION.parent.parent):
    if (_place / "lyra_core").is_dir() or _place == EXTENSION:
        sys.path.append(str(_place))


def numbers(text: str) -> tuple[float, float]:
    """X,Y in metres. Raises argparse.ArgumentTypeError."""
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"needs two numbers in metres such as 1.5,2.0; got {text!r}") from error
    return x, y


def options(description: str, add: Callable[[argparse.ArgumentParser], None], given: Sequence[str] | None) -> Any:
    """The options of a script; those that Kit knows are left alone."""
    parser = argparse.ArgumentParser(description=description)
    add(parser)
    parser.add_argument("--robot", default="lyra_bot", help="A robot of config/robots.")
    parser.add_argument("--goal", type=numbers, metavar="X,Y", help="Where to drive [m]; without it nothing drives.")
    parser.add_argument("--interpreter", default="", help="Python of the worker (default: .venv beside the extension).")
    parser.add_argument("--headless", action="store_true", help="No window.")
    parser.add_argument("--test", action="store_true", help="End when done, with exit code 1 on failure.")
    return parser.parse_known_args(given)[0]


def launch(headless: bool) -> Any:
    """SimulationApp, before anything of omni, pxr or isaacsim is imported."""
    from isaacsim import SimulationApp

    folders = ["--ext-folder", str(EXTENSION.parent), "--enable", "lyra.worldgen"]
    return SimulationApp({"headless": headless, "renderer": "RealTimePathTracing", "extra_args": folders})


def result(**figures: Any) -> str:
    """The one line for machines."""
    return "LYRA_RESULT " + json.dumps(figures, sort_keys=True)


def ask_worker(
    worker: Any, request: Mapping[str, Any], *, update: Callable[[], None], tell: Callable[[str], None]
) -> dict[str, Any]:
    """Send a request and keep Kit alive until it is answered; returns the last line. Raises RuntimeError on failure."""
    from lyra.worldgen.messages import WorkerSaid

    worker.ask(request)
    stage = ""
    while True:
        update()
        for event in worker.poll():
            if not isinstance(event, WorkerSaid):
                problem = event.problem  # type: ignore[union-attr]  # a worker reports nothing else
                raise RuntimeError(" ".join(filter(None, (f"{problem.what}.", problem.got, problem.do))))
            line = dict(event.line)
            if line["event"] == "hello" and line["missing"]:
                raise RuntimeError(f"The worker lacks {', '.join(line['missing'])}. {line['do']}")
            if line["event"] == "progress" and line["stage"] != stage:
                stage = line["stage"]
                tell(f"{line['fraction']:4.0%}  {stage}")
            if line.get("id") != request["id"]:
                continue
            if line["event"] == "failed":
                raise RuntimeError(" ".join(filter(None, (f"{line['what']}.", line["got"], line["do"]))))
            if line["event"] == "done":
                return line
        time.sleep(0.01)


def drive_in_stage(
    driver: Any, ports: Mapping[str, Callable[[], None]], *, plan: Mapping[str, Any], place: Mapping[str, Any]
) -> dict[str, Any]:
    """Place the robot, play, follow the plan, stop; returns figures. ports: update, play, stop."""
    from lyra.worldgen.messages import DriveEnded, DriveMoved, PortFailed, RobotPlaced

    events: list[Any] = []
    driver.place(post=events.append, **place)

    def wait_for(kinds: tuple[type, ...]) -> Any:
        end = time.monotonic() + _DRIVE_LIMIT
        while time.monotonic() < end:
            ports["update"]()
            found = next((event for event in events if isinstance(event, (*kinds, PortFailed))), None)
            if found is not None:
                return found
        return None

    placed = wait_for((RobotPlaced,))
    if not isinstance(placed, RobotPlaced):
        why = placed.problem.what + ". " + placed.problem.got if placed else "the robot was not placed in time"
        return {"reached": False, "reason": why}
    ports["play"]()
    driver.drive(tuple((float(x), float(y)) for x, y in plan["points"]), events.append)
    ended = wait_for((DriveEnded,))
    driver.halt()
    ports["stop"]()
    travelled = max((event.travelled for event in events if isinstance(event, DriveMoved)), default=0.0)
    reached = isinstance(ended, DriveEnded) and ended.reached
    reason = ended.reason if isinstance(ended, DriveEnded) else "the time is over"
    return {"reached": reached, "reason": reason, "travelled_m": round(travelled, 2), "planned_m": plan["length"]}


def ask_worker_hello(worker: Any, update: Callable[[], None]) -> dict[str, Any]:
    """The worker's hello with its catalog, asked for again."""
    from lyra.worldgen.messages import WorkerSaid

    worker.ask({"id": -1, "request": "check"})
    while True:
        update()
        for event in worker.poll():
            if not isinstance(event, WorkerSaid):
                raise RuntimeError(event.problem.what)
            if event.line["event"] == "hello":
                return dict(event.line)
        time.sleep(0.01)


def run(given: Any, body: Callable[[Any, Any], dict[str, Any]]) -> int:
    """SimulationApp first; then body(app, worker); then one result line, the window until it is closed, and close()."""
    app = launch(given.headless)
    from lyra.worldgen.worker import WorkerProcess

    worker = WorkerProcess(EXTENSION)
    worker.start(given.interpreter)
    try:
        figures = body(app, worker)
        good = figures["drive"] is None or figures["drive"]["reached"]
        line, code = result(ok=good, **figures), 0 if good else 1
    except (RuntimeError, OSError, ValueError) as error:
        line, code = result(ok=False, error=str(error)), 1
    finally:
        worker.close()
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    while not (given.test or given.headless) and app.is_running():
        app.update()
    app.close(exit_code=code)
    return code

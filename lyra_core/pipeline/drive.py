# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A robot drives through a finished world: plan, drive in PhysX, record figures, picture and video."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError, did_you_mean
from lyra_core.navigation.planner import Planner, StartGoal, read_map
from lyra_core.navigation.robots import RobotSpec, load_robot
from lyra_core.navigation.spawn import read_spawns
from lyra_core.pipeline.clock import StageClock
from lyra_core.pipeline.events import Event, Finished, Note, Progress
from lyra_core.world import read_manifest, write_text
from lyra_core.world.atomic import write_bytes

if TYPE_CHECKING:
    from lyra_core.simulation.drive import DriveReport
    from lyra_core.simulation.newton_engine import CrossCheck

__all__ = ["ENGINES", "PASS_SHARE", "drive"]

ENGINES = ("ovphysx", "newton")

PASS_SHARE = 0.95
"""Share of random drives that must reach their goal."""


def drive(  # noqa: PLR0913 - the options of one command
    folder: Path,
    *,
    goal: tuple[float, float] | None = None,
    random: int = 0,
    robot: str = "lyra_bot",
    seed: int = 0,
    video: bool = True,
    device: str = "auto",
    engine: str = "ovphysx",
    newton_python: Path | None = None,
) -> Iterator[Event]:
    """Drive to a goal, or between random pairs of the largest free region, and write navigation/drive.*.

    Parameters
    ----------
    folder: a finished world. goal: (x, y) [m], from the first spawn pose; or random: how many random drives.
    robot: a name in config/robots. seed: of the random pairs. video: also write navigation/drive.mp4 of one drive.
    engine: ovphysx; or newton, which drives the same plans again in Newton and compares. newton_python: interpreter
    of Newton's own environment, or the variable LYRA_NEWTON_PYTHON.

    The last event is Finished: passed if the goal was reached, or at least PASS_SHARE of the random drives, in each
    engine.
    Errors: WorldError for no world, PathError where no path leads (with the nearest reachable point),
    ConfigError for an unknown robot or one that needs Isaac Sim, MissingDependencyError without ovphysx.
    """
    from lyra_core.simulation.drive import drive_one_by_one

    if (goal is None) == (random == 0) or random < 0:
        raise InputError(
            "Say where to drive: one goal, or a number of random drives",
            got=f"goal {goal}, random {random}",
            do="Use --goal X,Y or --random 20",
        )
    if engine not in ENGINES:
        raise InputError("Unknown physics engine", got=engine, do=did_you_mean(engine, ENGINES))
    read_manifest(folder)
    if engine == "newton":
        from lyra_core.simulation.newton_engine import newton_python as find

        newton_python = find(newton_python)  # refuses before any work
    spec = load_robot(robot)
    _ = spec.asset_file  # refuses robots of Isaac Sim before any work
    clock = StageClock()
    yield clock.start("plan", max(1, random))
    planner = Planner(read_map(folder), spec.footprint_radius)
    tasks = _tasks(folder, planner, goal, random, seed)
    plans = []
    for task in tasks:
        plans.append(planner.plan(task))
        yield Progress("plan", len(plans), len(tasks))
    yield clock.stop("plan")
    yield clock.start("drive", len(plans))
    report: DriveReport | None = None
    for report in drive_one_by_one(folder, plans, spec):
        yield Progress("drive", len(report.runs), len(plans))
    assert report is not None  # there is at least one plan
    yield clock.stop("drive")
    other: CrossCheck | None = None
    if newton_python is not None and engine == "newton":
        other = yield from _in_newton(folder, report, spec, newton_python, clock)
    yield from _record(folder, report, other, planner, spec, seed, clock, video=video, device=device)


def _in_newton(
    folder: Path, first: DriveReport, spec: RobotSpec, python: Path, clock: StageClock
) -> Generator[Event, None, CrossCheck]:
    """The same plans in Newton, on the floor that PhysX found under each start."""
    from lyra_core.simulation.newton_engine import cross_check, drive_in_newton

    plans = [run.plan for run in first.runs]
    grounds = [float(run.positions[0, 2]) for run in first.runs]
    yield clock.start("newton", len(plans))
    yield Note("Newton compiles its kernels before the first drive: minutes, once per machine")
    second = first
    for second in drive_in_newton(folder, plans, spec, grounds=grounds, python=python):
        yield Progress("newton", len(second.runs), len(plans))
    yield clock.stop("newton")
    return cross_check(first, second)


def _tasks(
    folder: Path, planner: Planner, goal: tuple[float, float] | None, random: int, seed: int
) -> tuple[StartGoal, ...]:
    if goal is None:
        rng = np.random.default_rng(seed)
        # Far enough to be a drive, near enough that a small room has such pairs.
        distance = min(2.0, 0.5 * float(np.sqrt(planner.area)))
        return planner.random_tasks(random, rng, min_distance=distance)
    start, yaw = _first_spawn(folder, planner)
    return (StartGoal(start, yaw, goal),)


def _first_spawn(folder: Path, planner: Planner) -> tuple[tuple[float, float], float]:
    """The first spawn pose of the world, moved to where this robot fits; without one, the middle of the floor."""
    spawns = read_spawns(folder)
    if spawns:
        at, yaw = spawns[0].position[:2], spawns[0].yaw
    else:
        row, column = np.unravel_index(int(np.argmax(planner.room)), planner.room.shape)
        center = planner.grid.center_of(np.array([row, column]))
        at, yaw = (float(center[0]), float(center[1])), 0.0
    row, column = (int(v) for v in planner.grid.cell_of(np.array(at)))
    rows, columns = planner.open.shape
    fits = 0 <= row < rows and 0 <= column < columns and planner.open[row, column]
    return (at if fits else planner.nearest_reachable(at)), yaw


def _record(  # noqa: PLR0913 - all that was found out
    folder: Path,
    report: DriveReport,
    other: CrossCheck | None,
    planner: Planner,
    spec: RobotSpec,
    seed: int,
    clock: StageClock,
    *,
    video: bool,
    device: str,
) -> Iterator[Event]:
    """drive.json, drive.png and drive.mp4; then the last event."""
    from lyra_core.pipeline.drive_picture import drive_picture
    from lyra_core.pipeline.drive_video import choose_run, drive_frames
    from lyra_core.pipeline.report.drive_report import record_drives

    target = folder / "navigation"
    shown = choose_run(folder, report.runs)
    write_bytes(target / "drive.png", drive_picture(planner, report, shown))
    figures: dict[str, Any] = {
        **report.to_json(),
        "seed": seed,
        "footprint_radius_m": spec.footprint_radius,
        "reachable_m2": round(planner.area, 2),
        "shown_run": shown,
        "video": None,
        "cross_check": None if other is None else other.to_json(),
    }
    for number, run in enumerate(report.runs):
        if not run.reached:
            goal = ", ".join(f"{v:.2f}" for v in run.plan.task.goal)
            yield Note(f"drive {number} to ({goal}): {run.outcome} after {run.seconds:.1f} s", "warning")
    if video and not (folder / "splats.ply").is_file():
        yield Note("no video: this world has no splats.ply (lyra rebuild WORLD makes it)", "warning")
        video = False
    share = PASS_SHARE if len(report.runs) > 1 else 1.0
    passed = report.success >= share and (other is None or other.reached >= share * other.runs)
    figures["passed"] = passed
    pictures: list[NDArray[np.uint8]] = []
    (target / "drive.mp4").unlink(missing_ok=True)  # of an earlier drive
    if video:
        # The drives may have taken an hour in Newton: a video that is stopped must not lose them.
        write_text(target / "drive.json", json.dumps(figures, indent=1) + "\n")
        from lyra_core.reconstruction.video import write_video

        frames = drive_frames(folder, report.runs[shown], planner.grid, spec, device=device)
        yield clock.start("video", frames.count)
        for picture in frames:
            pictures.append(picture)
            yield Progress("video", len(pictures), frames.count)
        write_video(target / "drive.mp4", pictures, fps=frames.fps)
        figures["video"] = {"file": "navigation/drive.mp4", "frames": frames.count, "speed": frames.speed}
        yield clock.stop("video")
    write_text(target / "drive.json", json.dumps(figures, indent=1) + "\n")
    record_drives(folder, figures, pictures)
    yield Finished(str(folder), passed, {**figures, "summary": _summary(report, other), "stages": dict(clock.timings)})


def _summary(report: DriveReport, other: CrossCheck | None) -> dict[str, str]:
    figures = report.to_json()
    rows = {
        "reached": f"{figures['reached']} of {figures['runs']}",
        "driven": f"{figures['driven_m']:.1f} m (planned {figures['planned_m']:.1f} m)",
        "collisions": str(figures["collisions"]),
        "largest deviation": f"{100 * figures['largest_deviation_m']:.1f} cm",
        "real-time factor": f"{figures['realtime_factor']:.1f} ({figures['engine']})",
    }
    if other is not None:
        apart = f"end poses at most {100 * max(other.end_distances):.1f} cm apart"
        rows["in Newton"] = f"{other.reached} of {other.runs} reached, {apart} ({other.engine})"
    return rows

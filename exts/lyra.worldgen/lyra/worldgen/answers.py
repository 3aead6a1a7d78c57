# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What each event of worker and ports changes: handlers (model, event) -> (model, effects)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lyra.worldgen import messages as m
from lyra.worldgen.model import KEYFRAMES, Environment, Model, Preview, Problem, Reading, Run, Scene
from lyra.worldgen.requests import ask, catalog_of, preview_wanted, problem_of, world_of

__all__ = ["RECENT_LIMIT", "answer"]

Answer = tuple[Model, list[m.Effect]]
RECENT_LIMIT = 8
_THUMBNAILS = 5


def answer(model: Model, event: m.Event) -> Answer:
    """The model after an event, and what is to be done."""
    return _HANDLERS[type(event)](model, event)


def _opened(model: Model, event: m.Opened) -> Answer:
    model = replace(
        model,
        environment=Environment(event.interpreter, "checking"),
        recipe=replace(model.recipe, worlds_folder=event.worlds_folder),
        recents=event.recents[:RECENT_LIMIT],
    )
    return model, [m.StartWorker(event.interpreter)]


def _broken(model: Model, event: m.WorkerBroken) -> Answer:
    environment = replace(model.environment, status="broken", problem=event.problem)
    run = replace(model.run, status="failed", problem=event.problem) if model.run.busy else model.run
    return replace(model, environment=environment, run=run, preview=Preview(), describe=0), []


def _gone(model: Model, event: m.WorkerGone) -> Answer:
    """The worker ended: by us (cancel), or by itself (crash, kill)."""
    status = "unchecked" if event.asked else "broken"
    environment = replace(model.environment, problem=None if event.asked else event.problem)
    if model.environment.status == "checking" and not event.asked:
        environment = replace(environment, status=status)
    elif not event.asked:
        environment = replace(environment, problem=None)  # it started well before; the run carries the problem
    drive = "ready" if model.scene.drive == "planning" else model.scene.drive
    model = replace(
        model, environment=environment, preview=Preview(), describe=0, scene=replace(model.scene, drive=drive, job=0)
    )
    if not model.run.busy:
        lost = None if event.asked or environment.status == "broken" else event.problem
        return replace(model, problem=lost or model.problem), []
    if event.asked or model.run.status == "cancelling":
        return replace(model, run=replace(model.run, status="cancelled", eta=None)), []
    failed = replace(model.run, status="failed", eta=None, problem=event.problem)
    return replace(model, run=failed), [m.Notify(event.problem.what, "error")]


def _picture(model: Model, event: m.PictureRead) -> Answer:
    if event.purpose == "thumbnail":
        kept = (*model.run.thumbnails, event.picture)[-_THUMBNAILS:]
        return (replace(model, run=replace(model.run, thumbnails=kept)), []) if event.picture.width else (model, [])
    if event.file != model.photo.file:
        return model, []
    photo = replace(model.photo, size=event.size, picture=event.picture, problem=event.problem)
    return preview_wanted(replace(model, photo=photo))


def _sketch(model: Model, event: m.SketchRead) -> Answer:
    path = replace(model.path, kind=KEYFRAMES, keyframes=event.keyframes)
    return preview_wanted(replace(model, path=path))


def _imported(model: Model, event: m.WorldImported) -> Answer:
    scene = replace(model.scene, prim=event.prim, folder=event.folder, loading=False)
    if not event.prim:
        return replace(model, scene=replace(scene, robot_prim="", drive="none")), []
    return replace(model, scene=scene), [m.Notify("The world is in the stage")]


def _closed(model: Model, _event: m.StageClosed) -> Answer:
    kept = model.scene
    scene = Scene(kept.open_stage, kept.appearance, robot=kept.robot)
    effects: list[m.Effect] = [m.HaltRobot()] if kept.robot_prim else []
    return replace(model, scene=scene), effects


def _placed(model: Model, event: m.RobotPlaced) -> Answer:
    scene = replace(model.scene, robot_prim=event.prim, drive="ready", drive_note="The robot stands in the world")
    return replace(model, scene=scene), []


def _goal(model: Model, event: m.GoalPicked) -> Answer:
    if event.point is None or model.world is None:
        note = event.note or "Select a prim where the robot shall go, then press Drive again"
        drive = "ready" if model.scene.robot_prim else "none"
        return replace(model, scene=replace(model.scene, drive=drive, drive_note=note)), []
    model, job, request = ask(
        model,
        "plan",
        world=model.scene.folder or model.world.folder,
        robot=model.scene.robot,
        start=list(event.start[:2]),
        yaw=event.start[2],
        goal=list(event.point),
    )
    return replace(model, scene=replace(model.scene, drive="planning", job=job, drive_note="Planning the way")), [
        request
    ]


def _moved(model: Model, event: m.DriveMoved) -> Answer:
    note = f"Driving: {event.travelled:.1f} of {event.length:.1f} m"
    return replace(model, scene=replace(model.scene, drive_note=note)), []


def _drive_ended(model: Model, event: m.DriveEnded) -> Answer:
    note = "The robot reached the point" if event.reached else f"The robot did not get there: {event.reason}"
    scene = replace(model.scene, drive="ready", drive_note=note)
    return replace(model, scene=scene), [m.Notify(note, "info" if event.reached else "warning")]


def _timeline(model: Model, event: m.TimelineChanged) -> Answer:
    scene = replace(model.scene, playing=event.playing)
    if scene.drive == "driving" and not event.playing:
        scene = replace(scene, drive="ready", drive_note="Stopped: the timeline does not play")
        return replace(model, scene=scene), [m.HaltRobot()]
    return replace(model, scene=scene), []


def _port_failed(model: Model, event: m.PortFailed) -> Answer:
    drive = "ready" if model.scene.robot_prim else "none"
    scene = replace(model.scene, loading=False, drive=drive)
    return replace(model, problem=event.problem, scene=scene), []


# -- lines of the worker --------------------------------------------------------------------------------------------


def _said(model: Model, event: m.WorkerSaid) -> Answer:
    handler = _LINES.get(str(event.line.get("event")))
    return handler(model, event.line) if handler else (model, [])


def _hello(model: Model, line: Mapping[str, Any]) -> Answer:
    if line["missing"]:
        problem = Problem(
            "This Python lacks packages that the worker needs", ", ".join(line["missing"]), str(line["do"])
        )
        return replace(model, environment=replace(model.environment, status="broken", problem=problem)), []
    summary = f"Ready: lyra-worldgen {line['version']} on {line['device']}, Python {line['python']}"
    catalog = catalog_of(line["catalog"])
    environment = replace(model.environment, status="ready", summary=summary, problem=None)
    fresh = not model.catalog.models
    model = replace(model, environment=environment, catalog=catalog)
    if fresh:
        frames = next((q.frames for q in catalog.qualities if q.name == model.recipe.quality), model.recipe.frames)
        model = replace(model, recipe=replace(model.recipe, frames=frames))
    return preview_wanted(model)


def _started(model: Model, line: Mapping[str, Any]) -> Answer:
    if line["id"] != model.run.job:
        return model, []
    return replace(model, run=replace(model.run, status="running", world=str(line["world"]))), []


def _progress(model: Model, line: Mapping[str, Any]) -> Answer:
    if line["id"] != model.run.job or model.run.status == "cancelling":
        return model, []
    run = replace(
        model.run,
        stage=str(line["stage"]),
        done=int(line["done"]),
        total=int(line["total"]),
        fraction=float(line["fraction"]),
        eta=line["eta"],
        elapsed=float(line["elapsed"]),
    )
    return replace(model, run=run), []


def _thumbnail(model: Model, line: Mapping[str, Any]) -> Answer:
    return model, [m.ReadPicture("thumbnail", str(line["file"]), 128)] if line["id"] == model.run.job else []


def _note(model: Model, line: Mapping[str, Any]) -> Answer:
    if line["id"] != model.run.job:
        return model, []
    return replace(model, run=replace(model.run, notes=(*model.run.notes, str(line["message"]))[-20:])), []


def _done(model: Model, line: Mapping[str, Any]) -> Answer:
    """A long job ended well, a world was described, a path saved, previewed or planned."""
    job, kind = line["id"], line["request"]
    if job == model.run.job and model.run.busy:
        world = world_of(line["world"])
        run = replace(model.run, status="done", fraction=1.0, eta=None, world=world.folder)
        model = replace(model, run=run, world=world)
        model, effects = with_recent(model, world.folder)
        text = "The world is ready" if world.passed is not False else "The world is made, but a check failed"
        return model, [*effects, m.Notify(text, "info" if world.passed is not False else "warning")]
    if kind == "preview" and job == model.preview.job:
        return _previewed(model, line)
    if kind == "describe" and job == model.describe:
        world = world_of(line["world"])
        scene = replace(model.scene, spawn=0)
        model = replace(model, world=world, describe=0, run=Run(world=world.folder), scene=scene)
        return with_recent(model, world.folder)
    if kind == "plan" and job == model.scene.job:
        points = tuple((float(x), float(y)) for x, y in line["points"])
        scene = replace(model.scene, drive="driving", job=0, drive_note=f"Driving {line['length']:.1f} m")
        play: list[m.Effect] = [] if model.scene.playing else [m.SetPlaying(on=True)]
        return replace(model, scene=scene), [*play, m.DriveRobot(points)]
    if kind == "save_path":
        return model, [m.Notify(f"Path saved: {line['file']}")]
    return model, []


def with_recent(model: Model, folder: str) -> Answer:
    """The folder at the head of the recent worlds."""
    recents = (folder, *(r for r in model.recents if r != folder))[:RECENT_LIMIT]
    return replace(model, recents=recents), [m.SaveRecents(recents)]


def _previewed(model: Model, line: Mapping[str, Any]) -> Answer:
    again = model.preview.wanted
    poses = tuple(tuple(tuple(float(v) for v in row) for row in pose) for pose in line["poses"])
    read = line.get("photo", {})
    preview = Preview(
        length=float(line["length"]),
        frames=int(line["frames"]),
        warnings=tuple(str(text) for text in line["warnings"]),
        poses=poses,
        reading=Reading(**read) if read else Reading(),
    )
    focal, height = line.get("lens", (1.0, 0.5625))
    drawn = m.SketchPath(
        poses, (float(focal), float(height)), float(line.get("fps", 16.0)), model.path.kind != KEYFRAMES
    )
    effects: list[m.Effect] = [drawn] if poses else []
    model = replace(model, preview=preview)
    if again:
        model, more = preview_wanted(model)
        effects += more
    return model, effects


def _failed(model: Model, line: Mapping[str, Any]) -> Answer:
    job, problem = line.get("id"), problem_of(line)
    if job == model.run.job and model.run.busy:
        status = "cancelled" if line.get("cancelled") else "failed"
        run = replace(model.run, status=status, eta=None, problem=None if status == "cancelled" else problem)
        return replace(model, run=run), []
    if job == model.preview.job:
        again = model.preview.wanted
        model = replace(model, preview=Preview(problem=problem, reading=model.preview.reading))
        return preview_wanted(model) if again else (model, [])
    if job == model.scene.job:
        scene = replace(model.scene, drive="ready", job=0, drive_note=f"{problem.what} {problem.do}")
        return replace(model, scene=scene), []
    if job == model.describe:
        model = replace(model, describe=0)
    return replace(model, problem=problem), []


_LINES: dict[str, Callable[[Model, Mapping[str, Any]], Answer]] = {
    "hello": _hello,
    "started": _started,
    "progress": _progress,
    "thumbnail": _thumbnail,
    "note": _note,
    "done": _done,
    "failed": _failed,
}
_HANDLERS: dict[type, Callable[[Model, Any], Answer]] = {
    m.Opened: _opened,
    m.WorkerSaid: _said,
    m.WorkerBroken: _broken,
    m.WorkerGone: _gone,
    m.PictureRead: _picture,
    m.SketchRead: _sketch,
    m.WorldImported: _imported,
    m.StageClosed: _closed,
    m.RobotPlaced: _placed,
    m.GoalPicked: _goal,
    m.DriveMoved: _moved,
    m.DriveEnded: _drive_ended,
    m.TimelineChanged: _timeline,
    m.PortFailed: _port_failed,
}

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The display State of a Model: all texts, enabled flags and tooltips of the panel."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from lyra.worldgen.intents import path_kinds, unfinished, world_name
from lyra.worldgen.model import APPEARANCES, FILE, KEYFRAMES, Model, Parameter, Problem
from lyra.worldgen.state import Action, Banner, Choice, Intent, Number, Option, Recent, Section, State, Text

__all__ = ["STAGES", "shown"]

STAGES = {
    "": "Starting the worker",
    "seed": "Reading the photo: lens, depth, floor",
    "plan": "Planning the path",
    "generate": "Generating frames",
    "gaussians": "Building Gaussians",
    "flythrough": "Rendering the fly-through",
    "video": "Writing the video",
    "mesh": "Building mesh, colliders and map",
    "usd": "Writing USD",
    "prove": "Proving the world in PhysX",
    "report": "Writing the report",
    "drive": "Driving",
}
_DONE = {
    "generate": "World made",
    "resume": "World made",
    "extend": "World extended",
    "revert": "Extension taken back",
}


def shown(model: Model) -> State:
    """What the panel shows."""
    return State(
        banner=_banner(model),
        **_sections(model),
        **_photo(model),
        **_settings(model),
        **_path(model),
        **_run(model),
        **_result(model),
        **_worlds(model),
    )


def _button(label: str, tooltip: str, why_not: str = "", *, visible: bool = True) -> Action:
    """A button that says what it does, or why it cannot be pressed."""
    return Action(label, why_not or tooltip, enabled=not why_not, visible=visible)


def _index(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else 0


def _words(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").capitalize()


def _seconds(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    )


def _sections(model: Model) -> dict[str, Section]:
    active = model.run.status != "idle"
    calm = not model.run.busy and model.run.status != "done"
    return {
        "photo_section": Section(open=calm or not model.photo.file),
        "settings_section": Section(open=calm),
        "path_section": Section(open=calm),
        "progress_section": Section(visible=active),
        "result_section": Section(visible=model.world is not None and not model.run.busy),
        "recent_section": Section(open=bool(model.recents) and not model.photo.file and model.world is None),
        "worker_section": Section(open=model.environment.status in ("broken", "unchecked")),
    }


def _banner(model: Model) -> Banner:
    run, environment = model.run, model.environment
    if run.status == "failed" and run.problem:
        can = bool(unfinished(model)) and environment.status != "broken"
        action = Action("Resume", "Go on after the last finished chunk", enabled=can, visible=can)
        return _error("The run stopped", run.problem, action, Intent("resume"))
    if model.problem:
        return _error("That did not work", model.problem, Action("Dismiss", "Close this message"), Intent("dismiss"))
    if environment.status == "broken" and environment.problem:
        action = Action("Check again", "Start this Python again and say what is missing")
        return _error("The worker cannot run", environment.problem, action, Intent("check_interpreter"))
    if model.photo.problem:
        return _error("This photo cannot be used", model.photo.problem, Action("", "", visible=False), Intent("none"))
    if run.status == "cancelled":
        can = bool(unfinished(model))
        return Banner(
            "info",
            "Cancelled",
            "Finished chunks are kept." if can else "",
            "Press Resume to go on." if can else "",
            Action("Resume", "Go on after the last finished chunk", visible=can),
            Intent("resume"),
            visible=True,
        )
    if run.status == "done" and model.world and model.world.passed is False:
        text = "The world is made, but a check failed."
        return Banner("warning", "Check failed", text, "Read report.html in the world folder.", visible=True)
    return Banner()


def _error(title: str, problem: Problem, action: Action, intent: Intent) -> Banner:
    text = f"{problem.what.rstrip('.')}." + (f" Got: {problem.got}" if problem.got else "")
    return Banner("error", title, text, problem.do, action, intent, visible=True)


def _photo(model: Model) -> dict[str, Any]:
    photo = model.photo
    width, height = photo.size
    note = f"{width} x {height} px" if width else ("Reading the photo" if photo.file and not photo.problem else "")
    return {
        "image_path": Text(photo.file, enabled=not model.run.busy),
        "image_note": Text(note),
        "image_preview": photo.picture,
        "image_hint": Text("Drop a photo here, or press Browse", visible=not photo.picture.width),
        "browse_image": _button("Browse…", "Choose the photo that becomes a world", _busy(model)),
    }


def _busy(model: Model) -> str:
    return "Wait until the run is over, or cancel it" if model.run.busy else ""


def _settings(model: Model) -> dict[str, Any]:
    catalog, recipe, free = model.catalog, model.recipe, not model.run.busy
    models, qualities = tuple(n.name for n in catalog.models), tuple(q.name for q in catalog.qualities)
    chosen = next((n for n in catalog.models if n.name == recipe.model), None)
    quality = next((q for q in catalog.qualities if q.name == recipe.quality), None)
    return {
        "model": Choice(tuple(map(_words, models)), _index(models, recipe.model), enabled=free and bool(models)),
        "model_note": Text(chosen.help if chosen else "", visible=chosen is not None),
        "preset": Choice(tuple(map(_words, qualities)), _index(qualities, recipe.quality), free and bool(qualities)),
        "frames": Number(recipe.frames, 1, 2001, enabled=free),
        "frames_note": Text(quality.help if quality else "", visible=quality is not None),
        "seed": Number(recipe.seed, 0, 2**31 - 1, enabled=free),
        "captions": Text(recipe.captions, enabled=free),
        "world_folder": Text(recipe.worlds_folder, enabled=free),
        "browse_world": _button("…", "Choose the folder that new worlds are written into", _busy(model)),
    }


def _path(model: Model) -> dict[str, Any]:
    path, preview, free = model.path, model.preview, not model.run.busy
    kinds = path_kinds(model)
    labels = (*(_words(p.name) for p in model.catalog.paths), "Keyframes from the viewport", "File")
    preset = next((p for p in model.catalog.paths if p.name == path.kind), None)
    summaries = {
        KEYFRAMES: f"{len(path.keyframes)} keyframe(s); the path starts at the photo",
        FILE: path.file or "Load a trajectory.npz, transforms.json or TUM .txt",
    }
    summary = preset.help.capitalize() if preset else summaries.get(path.kind, "")
    note = f"{preview.length:.2f} m over {preview.frames} frames" if preview.frames else ""
    note = "Planning the path" if preview.job else note
    why = preview.problem
    warnings = f"{why.what.rstrip('.')}. {why.do}" if why else " ".join(preview.warnings)
    keyed = path.kind == KEYFRAMES
    none = "" if path.keyframes else "There is no keyframe yet"
    return {
        "path_preset": Choice(labels, _index(kinds, path.kind), enabled=free and len(kinds) > 2),
        "path_summary": Text(summary),
        "path_options": _options(model) if free else (),
        "path_note": Text(note, visible=bool(note)),
        "clearance_note": Text(warnings, visible=bool(warnings)),
        "add_keyframe": _button("Add view", "Add the view of the active viewport as a keyframe", _busy(model)),
        "remove_keyframe": _button("Remove last", "Remove the last keyframe", _busy(model) or none, visible=keyed),
        "clear_keyframes": _button("Clear", "Remove all keyframes", _busy(model) or none, visible=keyed),
        "read_path": _button("Read edits", "Take over what was moved in the viewport", _busy(model), visible=keyed),
        "load_path": _button("Load…", "Load a path: trajectory.npz, transforms.json or TUM .txt", _busy(model)),
        "save_path": _button(
            "Save…",
            "Save the path as .npz, .json or .txt (TUM)",
            _busy(model) or ("" if preview.frames else "Choose a photo and a path first"),
        ),
    }


def _options(model: Model) -> tuple[Option, ...]:
    path = model.path
    given = dict(path.parameters)
    preset = next((p for p in model.catalog.paths if p.name == path.kind), None)
    rows = [
        Option("clearance", "Clearance", "Metres kept from everything seen; 0 = off", "number", path.clearance, 0, 2)
    ]
    if preset is None:
        return tuple(rows)
    rows.insert(0, Option("strength", "Strength", "How far the path goes; 1 is normal", "number", path.strength, 0, 3))
    rows += [_option(o, given.get(o.name, o.default)) for o in preset.parameters]
    return tuple(rows)


def _option(parameter: Parameter, value: float | str | bool | None) -> Option:
    shown_value: float | int | bool | None
    if parameter.kind == "choice":
        shown_value = _index(parameter.choices, str(value))
    elif parameter.kind == "switch":
        shown_value = bool(value)
    else:
        shown_value = None if value is None else float(value)  # None: the preset decides
    return Option(
        parameter.name,
        _words(parameter.name),
        parameter.help,
        parameter.kind,
        shown_value,
        parameter.least,
        parameter.most,
        parameter.choices,
    )


def _run(model: Model) -> dict[str, Any]:
    run, world = model.run, model.world
    photo = "" if model.photo.size[0] else "Choose a photo first"
    ready = {"ready": "", "checking": "The worker is starting"}.get(
        model.environment.status, "The worker cannot run: see Worker environment"
    )
    ready = "" if model.environment.status == "unchecked" and model.catalog.models else ready
    complete = "" if world and world.complete else "Make or open a finished world first"
    rest = "" if unfinished(model) else "There is no unfinished world"
    steps = "" if world and world.steps else "This world has no extension"
    return {
        "generate": _button("Generate", f"Make {world_name(model)} from the photo", _busy(model) or ready or photo),
        "cancel": _button(
            "Cancel",
            "Stop now; finished chunks are kept",
            "Nothing is running" if not run.busy else ("Stopping" if run.status == "cancelling" else ""),
        ),
        "resume": _button("Resume", "Go on with the unfinished world", _busy(model) or ready or rest),
        "extend": _button(
            "Extend", "Go on from the last camera along the path above", _busy(model) or ready or complete
        ),
        "revert": _button("Revert", "Take the last extension back", _busy(model) or ready or steps),
        **_progress(model),
    }


def _progress(model: Model) -> dict[str, Any]:
    run = model.run
    stage = STAGES.get(run.stage, _words(run.stage)) + (f" {run.done} / {run.total}" if run.total else "")
    texts = {
        "running": stage,
        "starting": STAGES[""],
        "cancelling": "Stopping",
        "cancelled": "Cancelled",
        "failed": "Stopped by an error",
        "done": _DONE.get(run.kind, "Done") + f" in {_seconds(run.elapsed)}",
    }
    left = f"about {_seconds(run.eta)} left" if run.eta is not None else "estimating the time left"
    eta = f"{run.fraction:.0%}, {left}" if run.busy and run.status != "cancelling" else ""
    latest = run.notes[-1] if run.notes and run.busy else ""
    return {
        "stage_text": Text(texts.get(run.status, "")),
        "progress": run.fraction,
        "eta": Text("\n".join(filter(None, (eta, latest)))),
        "thumbnails": run.thumbnails,
    }


def _result(model: Model) -> dict[str, Any]:
    world, scene = model.world, model.scene
    robots = tuple(r.name for r in model.catalog.robots)
    robot = next((r for r in model.catalog.robots if r.name == scene.robot), None)
    facts = "\n".join((world.folder, *world.facts)) if world else ""
    note = scene.drive_note or ("Comes from Isaac Sim's asset server" if robot and robot.isaac_asset else "")
    missing = "" if world and world.complete else "The world is not finished"
    there = "" if scene.prim else "Load the world into the stage first"
    room = "" if world and world.spawns else "No free floor is large enough for a robot"
    here = {"none": "Spawn a robot first", "placing": "The robot is being placed", "planning": "Planning the way"}
    return {
        "result_text": Text(facts, visible=bool(facts)),
        "load_mode": Choice(("Reference into the stage", "Open as the stage"), int(scene.open_stage)),
        "load": _button(
            "Loading" if scene.loading else "Load into stage",
            "Bring the world into the stage; one step of undo",
            missing or ("The world is being loaded" if scene.loading else ""),
        ),
        "appearance": Choice(("Splats", "Mesh", "Both"), _index(APPEARANCES, scene.appearance)),
        "robot": Choice(tuple(map(_words, robots)), _index(robots, scene.robot), enabled=bool(robots)),
        "robot_note": Text(note, visible=bool(note)),
        "spawn": _button("Spawn", "Put the robot on a free place of the floor", there or room),
        "play": _button("Stop" if scene.playing else "Play", "Start or stop physics", there),
        "drive": _button(
            "Stop driving" if scene.drive == "driving" else "Drive to picked point",
            "Select a prim or a point on the floor, then press this; press again to stop",
            there or here.get(scene.drive, ""),
        ),
    }


def _worlds(model: Model) -> dict[str, Any]:
    environment = model.environment
    status = {
        "unchecked": "Not started; it starts with the next job",
        "checking": "Starting this Python",
        "ready": environment.summary,
    }
    problem = environment.problem or model.run.problem or model.problem
    note = status.get(environment.status, "")
    if environment.problem:
        note = f"{environment.problem.what}: {environment.problem.got} {environment.problem.do}"
    return {
        "recent": tuple(Recent(PurePath(r).name, str(PurePath(r).parent), r) for r in model.recents),
        "interpreter": Text(environment.interpreter, enabled=not model.run.busy),
        "interpreter_note": Text(note),
        "browse_interpreter": _button("…", "Choose the Python of the worker environment", _busy(model)),
        "check_interpreter": _button("Check", "Start this Python and say what is missing", _busy(model)),
        "log_tail": Text("\n".join(problem.log) if problem else "", visible=bool(problem and problem.log)),
    }

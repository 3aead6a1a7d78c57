# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The display State of a Model: all texts, enabled flags and tooltips of the panel."""

from __future__ import annotations

from typing import Any

from lyra.worldgen import view_recipe, view_result
from lyra.worldgen.intents import unfinished, world_name
from lyra.worldgen.model import Model, Problem
from lyra.worldgen.phrases import busy, button, seconds, words
from lyra.worldgen.state import Action, Banner, Intent, Section, State, Text

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
        **view_recipe.photo(model),
        **view_recipe.settings(model),
        **view_recipe.path(model),
        **_run(model),
        **view_result.result(model),
        **view_result.worlds(model),
    )


def _sections(model: Model) -> dict[str, Section]:
    """Recipe parts are unfolded while a recipe is made, and out of the way while a run or its end is looked at."""
    status = model.run.status
    calm = status == "idle" and model.world is None
    log = bool(model.run.problem and model.run.problem.log)
    return {
        "photo_section": Section(open=calm),
        "settings_section": Section(open=calm),
        "path_section": Section(open=calm),
        "progress_section": Section(visible=status != "idle"),
        "result_section": Section(visible=model.world is not None and not model.run.busy),
        "recent_section": Section(open=bool(model.recents) and not model.photo.file and model.world is None),
        "worker_section": Section(open=model.environment.status in ("broken", "unchecked") or log),
    }


def _banner(model: Model) -> Banner:
    run, environment = model.run, model.environment
    if run.status == "failed" and run.problem:
        can = bool(unfinished(model)) and environment.status != "broken"
        action = Action("Resume", "Go on after the last finished chunk", enabled=can, visible=can, primary=True)
        return _error("The run stopped", run.problem, action, Intent("resume"))
    if model.problem:
        return _error("That did not work", model.problem, Action("Dismiss", "Close this message"), Intent("dismiss"))
    if environment.status == "broken" and environment.problem:
        action = Action("Check again", "Start this Python again and say what is missing", primary=True)
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
            Action("Resume", "Go on after the last finished chunk", visible=can, primary=True),
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
    stopping = "Stopping" if run.status == "cancelling" else ("" if run.busy else "Nothing is running")
    along = "Go on from the last camera of the world along the camera path above"
    fresh = bool(model.photo.size[0]) and world is None and not unfinished(model)
    return {
        "generate": button(
            "Generate",
            f"Make {world_name(model)} from the photo",
            busy(model) or ready or photo,
            visible=not run.busy,
            primary=fresh,
        ),
        "cancel": button("Cancel", "Stop now; finished chunks are kept", stopping, visible=run.busy),
        "resume": button("Resume", "Go on with the unfinished world", busy(model) or ready or rest),
        "extend": button("Extend", along, busy(model) or ready or complete),
        "revert": button("Revert", "Take the last extension back", busy(model) or ready or steps),
        "run_hint": Text(_hint(model, ready or photo)),
        **_progress(model),
    }


def _hint(model: Model, why_not: str) -> str:
    """The next step, or what keeps Generate from being pressed."""
    if model.run.busy or unfinished(model) or model.world is not None:
        return ""
    if why_not:
        return why_not
    return f"Makes {world_name(model)}"


def _progress(model: Model) -> dict[str, Any]:
    run = model.run
    stage = STAGES.get(run.stage, words(run.stage)) + (f" {run.done} / {run.total}" if run.total else "")
    texts = {
        "running": stage,
        "starting": STAGES[""],
        "cancelling": "Stopping",
        "cancelled": "Cancelled",
        "failed": "Stopped by an error",
        "done": _DONE.get(run.kind, "Done") + f" in {seconds(run.elapsed)}",
    }
    left = f"about {seconds(run.eta)} left" if run.eta is not None else "estimating the time left"
    eta = f"{run.fraction:.0%}, {left}" if run.busy and run.status != "cancelling" else ""
    latest = run.notes[-1] if run.notes and run.busy else ""
    return {
        "stage_text": Text(texts.get(run.status, "")),
        "progress": run.fraction,
        "eta": Text("\n".join(filter(None, (eta, latest)))),
        "thumbnails": run.thumbnails,
    }

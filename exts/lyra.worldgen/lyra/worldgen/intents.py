# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What each action of the user changes: handlers (model, value) -> (model, effects), by the name of the widget."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from lyra.worldgen import messages as m
from lyra.worldgen.model import APPEARANCES, FILE, KEYFRAMES, Environment, Matrix, Model, Run
from lyra.worldgen.photo_intents import PHOTO_INTENTS
from lyra.worldgen.requests import ask, preview_wanted, recipe_body
from lyra.worldgen.state import Intent

__all__ = ["INTENTS", "obey", "path_kinds", "unfinished", "world_name"]

Answer = tuple[Model, list[m.Effect]]


def obey(model: Model, intent: Intent) -> Answer:
    """The model after an action of the user, and what is to be done. KeyError for an unknown name."""
    return INTENTS[intent.name](model, intent.value)


def path_kinds(model: Model) -> tuple[str, ...]:
    """Choices of the camera path: the presets, then keyframes and file."""
    return (*(p.name for p in model.catalog.paths), KEYFRAMES, FILE)


def world_name(model: Model) -> str:
    """Folder that the next new world is written into; the worker numbers it if it is taken."""
    return str(PurePath(model.recipe.worlds_folder) / (PurePath(model.photo.file).stem or "world"))


def _chosen(names: tuple[str, ...], index: Any, now: str) -> str:
    return names[int(index)] if 0 <= int(index) < len(names) else now


def _model(model: Model, value: Any) -> Answer:
    name = _chosen(tuple(n.name for n in model.catalog.models), value, model.recipe.model)
    return preview_wanted(replace(model, recipe=replace(model.recipe, model=name)))


def _preset(model: Model, value: Any) -> Answer:
    name = _chosen(tuple(q.name for q in model.catalog.qualities), value, model.recipe.quality)
    frames = next((q.frames for q in model.catalog.qualities if q.name == name), model.recipe.frames)
    return preview_wanted(replace(model, recipe=replace(model.recipe, quality=name, frames=frames)))


def _frames(model: Model, value: Any) -> Answer:
    return preview_wanted(replace(model, recipe=replace(model.recipe, frames=max(1, int(value)))))


def _seed(model: Model, value: Any) -> Answer:
    return replace(model, recipe=replace(model.recipe, seed=max(0, int(value)))), []


def _captions(model: Model, value: Any) -> Answer:
    return replace(model, recipe=replace(model.recipe, captions=str(value))), []


def _worlds_folder(model: Model, value: Any) -> Answer:
    folder = str(value).strip()
    return replace(model, recipe=replace(model.recipe, worlds_folder=folder)), [m.SaveSetting("worlds_folder", folder)]


def _path_preset(model: Model, value: Any) -> Answer:
    kind = _chosen(path_kinds(model), value, model.path.kind)
    if kind == model.path.kind:
        return model, []
    model, effects = preview_wanted(replace(model, path=replace(model.path, kind=kind, parameters=())))
    return model, [m.Sketch("show", model.path.keyframes) if kind == KEYFRAMES else m.Sketch("hide"), *effects]


def _path_option(model: Model, value: Any) -> Answer:
    name, given = value
    if name in ("strength", "clearance"):
        if not math.isfinite(float(given)):
            return model, []
        return preview_wanted(replace(model, path=replace(model.path, **{name: max(0.0, float(given))})))
    preset = next((p for p in model.catalog.paths if p.name == model.path.kind), None)
    option = next((o for o in preset.parameters if o.name == name), None) if preset else None
    if option is None:
        return model, []
    kept = tuple(pair for pair in model.path.parameters if pair[0] != name)
    if given is None:  # the preset decides again
        return preview_wanted(replace(model, path=replace(model.path, parameters=kept)))
    setting: float | str | bool
    if option.kind == "choice":
        setting = _chosen(option.choices, given, str(option.default))
    else:
        setting = bool(given) if option.kind == "switch" else float(given)
    return preview_wanted(replace(model, path=replace(model.path, parameters=(*kept, (name, setting)))))


_EDITED = 6
"""Keyframes that a path is turned into: few enough to be moved by hand, enough to keep its shape."""


def _spread(poses: tuple[Matrix, ...], count: int) -> tuple[Matrix, ...]:
    """At most count poses, evenly spread, the first and the last among them."""
    if len(poses) <= count:
        return poses
    return tuple(poses[round(place * (len(poses) - 1) / (count - 1))] for place in range(count))


def _edit_path(model: Model, _value: Any) -> Answer:
    """The planned path becomes keyframes in the viewport."""
    if model.path.kind == KEYFRAMES or not model.preview.poses:
        return model, []
    keyframes = _spread(model.preview.poses, _EDITED)
    model = replace(model, path=replace(model.path, kind=KEYFRAMES, keyframes=keyframes, parameters=()))
    model, effects = preview_wanted(model)
    return model, [m.Sketch("show", keyframes), *effects]


def _sketch(what: str) -> Callable[[Model, Any], Answer]:
    return lambda model, _value: (model, [m.Sketch(what)])


def _load_path(model: Model, value: Any) -> Answer:
    return preview_wanted(replace(model, path=replace(model.path, kind=FILE, file=str(value))))


def _save_path(model: Model, value: Any) -> Answer:
    model, _, request = ask(model, "save_path", file=str(value), **recipe_body(model))
    return model, [request]


def _begin(model: Model, kind: str, **body: Any) -> Answer:
    """Start a long job."""
    if model.run.busy:
        return model, []
    model, job, request = ask(model, kind, **body)
    run = Run(kind=kind, status="starting", job=job, world=str(body.get("world", "")))
    model = replace(model, run=run, problem=None, preview=replace(model.preview, job=0, wanted=False))
    return model, [request]


def _generate(model: Model, _value: Any) -> Answer:
    if not model.photo.size[0] or model.environment.status != "ready":
        return model, []
    model = replace(model, world=None, scene=replace(model.scene, spawn=0))
    return _begin(model, "generate", out=world_name(model), **recipe_body(model))


def unfinished(model: Model) -> str:
    """Folder of the world that can be continued, or ''."""
    if model.run.status in ("cancelled", "failed") and model.run.world:
        return model.run.world
    return model.world.folder if model.world and not model.world.complete else ""


def _resume(model: Model, _value: Any) -> Answer:
    folder = unfinished(model)
    return _begin(model, "resume", world=folder, **recipe_body(model)) if folder else (model, [])


def _extend(model: Model, _value: Any) -> Answer:
    if model.world is None or not model.world.complete:
        return model, []
    return _begin(model, "extend", world=model.world.folder, **recipe_body(model))


def _revert(model: Model, _value: Any) -> Answer:
    if model.world is None or model.world.steps < 1:
        return model, []
    return _begin(model, "revert", world=model.world.folder, steps=1)


def _cancel(model: Model, _value: Any) -> Answer:
    if not model.run.busy:
        return model, []
    return replace(model, run=replace(model.run, status="cancelling")), [m.StopWorker()]


def _load_mode(model: Model, value: Any) -> Answer:
    return replace(model, scene=replace(model.scene, open_stage=int(value) == 1)), []


def _load(model: Model, _value: Any) -> Answer:
    if model.world is None or model.scene.loading:
        return model, []
    scene = replace(model.scene, loading=True)
    return replace(model, scene=scene, problem=None), [
        m.ImportWorld(model.world.folder, scene.open_stage, scene.appearance)
    ]


def _appearance(model: Model, value: Any) -> Answer:
    name = _chosen(APPEARANCES, value, model.scene.appearance)
    effects: list[m.Effect] = [m.SwitchAppearance(model.scene.prim, name)] if model.scene.prim else []
    return replace(model, scene=replace(model.scene, appearance=name)), effects


def _robot(model: Model, value: Any) -> Answer:
    name = _chosen(tuple(r.name for r in model.catalog.robots), value, model.scene.robot)
    return replace(model, scene=replace(model.scene, robot=name)), []


def _spawn_pose(model: Model, value: Any) -> Answer:
    known = len(model.world.spawns) if model.world else 0
    place = int(value) if 0 <= int(value) < known else model.scene.spawn
    return replace(model, scene=replace(model.scene, spawn=place)), []


def _spawn(model: Model, _value: Any) -> Answer:
    robot = next((r for r in model.catalog.robots if r.name == model.scene.robot), None)
    if robot is None or model.world is None or not model.scene.prim or not model.world.spawns:
        return model, []
    place = model.world.spawns[min(model.scene.spawn, len(model.world.spawns) - 1)]
    effects: list[m.Effect] = [m.HaltRobot()] if model.scene.robot_prim else []
    effects.append(m.PlaceRobot(robot, model.scene.prim, place.position, place.yaw))
    return replace(model, scene=replace(model.scene, drive="placing", drive_note="Placing the robot")), effects


def _play(model: Model, _value: Any) -> Answer:
    return model, [m.SetPlaying(on=not model.scene.playing)]


def _drive(model: Model, _value: Any) -> Answer:
    if model.scene.drive == "driving":
        return replace(model, scene=replace(model.scene, drive="ready", drive_note="Stopped")), [m.HaltRobot()]
    if model.scene.drive != "ready":
        return model, []
    return replace(model, scene=replace(model.scene, drive="picking", drive_note="")), [m.PickGoal()]


def _recent(model: Model, value: Any) -> Answer:
    if model.run.busy or not 0 <= int(value) < len(model.recents):
        return model, []
    model, job, request = ask(model, "describe", world=model.recents[int(value)])
    return replace(model, describe=job), [request]


def _interpreter(model: Model, value: Any) -> Answer:
    path = str(value).strip()
    model = replace(model, environment=Environment(path, "checking"))
    return model, [m.SaveSetting("interpreter", path), m.StartWorker(path)]


def _check(model: Model, _value: Any) -> Answer:
    if model.run.busy:
        return model, []
    environment = Environment(model.environment.interpreter, "checking")
    return replace(model, environment=environment), [m.StartWorker(environment.interpreter)]


def _dismiss(model: Model, _value: Any) -> Answer:
    run = replace(model.run, problem=None)
    return replace(model, problem=None, run=run), []


INTENTS: dict[str, Callable[[Model, Any], Answer]] = {
    **PHOTO_INTENTS,
    "model": _model,
    "preset": _preset,
    "frames": _frames,
    "seed": _seed,
    "captions": _captions,
    "world_folder": _worlds_folder,
    "browse_world": _worlds_folder,
    "path_preset": _path_preset,
    "path_option": _path_option,
    "add_keyframe": _sketch("add"),
    "remove_keyframe": _sketch("remove"),
    "clear_keyframes": _sketch("clear"),
    "read_path": _sketch("read"),
    "edit_path": _edit_path,
    "load_path": _load_path,
    "save_path": _save_path,
    "generate": _generate,
    "cancel": _cancel,
    "resume": _resume,
    "extend": _extend,
    "revert": _revert,
    "load_mode": _load_mode,
    "load": _load,
    "appearance": _appearance,
    "robot": _robot,
    "spawn_pose": _spawn_pose,
    "spawn": _spawn,
    "play": _play,
    "drive": _drive,
    "recent": _recent,
    "interpreter": _interpreter,
    "browse_interpreter": _interpreter,
    "check_interpreter": _check,
    "dismiss": _dismiss,
    "none": lambda model, _value: (model, []),
}

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Decisions of the panel: messages in, display State and effects out; no Kit, no worker, no widgets."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from lyra.worldgen import messages as m
from lyra.worldgen.intents import INTENTS
from lyra.worldgen.marks import marked
from lyra.worldgen.model import Model, Problem, Run
from lyra.worldgen.requests import captions_of
from lyra.worldgen.state import Action, Intent, Picture, State, Text
from lyra.worldgen.view import shown
from lyra.worldgen.view_model import update
from lyra_core.pipeline.worker_catalog import catalog

PICTURE = Picture(b"\x00" * 16, 2, 2, visible=True)


@pytest.fixture(scope="module")
def hello() -> dict[str, Any]:
    words = {"event": "hello", "id": 0, "version": "1", "python": "3.12", "device": "cpu", "missing": [], "do": ""}
    return {**words, "catalog": catalog()}


def run(model: Model, *messages: Any) -> tuple[Model, list[m.Effect]]:
    effects: list[m.Effect] = []
    for message in messages:
        model, more = update(model, message)
        effects += more
    return model, effects


def asked(effects: list[m.Effect], kind: str) -> list[dict[str, Any]]:
    return [dict(e.request) for e in effects if isinstance(e, m.AskWorker) and e.request["request"] == kind]


def said(event: str, **values: Any) -> m.WorkerSaid:
    return m.WorkerSaid({"event": event, **values})


@pytest.fixture
def ready(hello) -> Model:
    """A worker, a photo, a path preview in flight."""
    model, _ = run(
        Model(),
        m.Opened("/venv/bin/python", "/worlds", ("/worlds/old",)),
        m.WorkerSaid(hello),
        Intent("image_path", "/photos/hall.jpg"),
        m.PictureRead("photo", "/photos/hall.jpg", PICTURE, (1200, 800)),
    )
    return model


WORLD = {
    "folder": "/worlds/hall",
    "frames": 33,
    "planned": 33,
    "steps": 0,
    "complete": True,
    "passed": True,
    "spawns": [{"position": [1.0, 2.0, 0.04], "yaw": 0.5}, {"position": [-1.0, 3.0, 0.0], "yaw": -1.5}],
    "facts": [["frames", "33 of 33"], ["scale", "from depth"]],
}


@pytest.fixture
def done(ready) -> Model:
    model, effects = run(ready, Intent("generate"))
    job = asked(effects, "generate")[0]["id"]
    return run(
        model, said("started", id=job, world="/worlds/hall"), said("done", id=job, request="generate", world=WORLD)
    )[0]


def test_every_field_that_is_a_control_has_an_intent_and_every_intent_a_field():
    state = State()
    controls = {f.name for f in fields(State) if not isinstance(getattr(state, f.name), Text | Picture | tuple | float)}
    controls -= {"banner"} | {f.name for f in fields(State) if f.name.endswith("_section")}
    assert controls <= set(INTENTS)
    names = {f.name for f in fields(State)} | {"path_option", "photo_option", "dismiss", "none"}
    assert set(INTENTS) <= names


def test_an_empty_panel_says_why_nothing_can_be_pressed():
    state = shown(Model())
    for name in ("generate", "cancel", "resume", "extend", "revert", "spawn", "drive", "load", "play", "save_path"):
        action = getattr(state, name)
        assert isinstance(action, Action)
        assert not action.enabled, name
        assert len(action.tooltip) > 8, name
    assert not state.result_section.visible
    assert not state.progress_section.visible


def test_a_photo_and_a_ready_worker_enable_generate_and_ask_for_a_preview(ready):
    assert shown(ready).generate.enabled
    assert "/worlds/hall" in shown(ready).generate.tooltip
    assert ready.preview.job > 0
    assert shown(ready).image_note.text == "1200 x 800 px"


def test_every_model_says_what_it_needs_below_the_choice_and_as_its_tooltip(ready):
    names = [entry.name for entry in ready.catalog.models]
    assert {"reproject", "embedded", "frames", "lyra2", "sana-wm", "wan-vace"} <= set(names)
    seen = set()
    for place, name in enumerate(names):
        model, _ = run(ready, Intent("model", place))
        state = shown(model)
        assert model.recipe.model == name
        assert len(state.model_note.text) > 30, name
        assert state.model.tooltip == state.model_note.text
        seen.add(state.model.tooltip)
    assert len(seen) == len(names)


def test_previews_never_queue_up(ready):
    model, effects = run(ready, *(Intent("path_option", ("strength", 0.1 * i)) for i in range(1, 9)))
    assert not asked(effects, "preview")
    answer = {"id": model.preview.job, "request": "preview", "poses": [], "length": 2.0, "frames": 81}
    model, effects = run(model, said("done", **answer, warnings=["Frame 3 comes too close"]))
    assert [r["settings"]["path.strength"] for r in asked(effects, "preview")] == [pytest.approx(0.8)]
    assert shown(model).clearance_note.text == "Frame 3 comes too close"


def test_all_settings_reach_the_worker(ready):
    names = [p.name for p in ready.catalog.paths]
    _, effects = run(
        ready,
        Intent("preset", 0),
        Intent("frames", 12.0),
        Intent("seed", 7.0),
        Intent("captions", "a hall\n20: a door"),
        Intent("path_preset", names.index("orbit")),
        Intent("path_option", ("angle", 25.0)),
        Intent("path_option", ("direction", 0)),
        Intent("path_option", ("clearance", 0.2)),
        Intent("generate"),
    )
    (request,) = asked(effects, "generate")
    assert request["photo"] == "/photos/hall.jpg"
    assert request["preset"] == "quick"
    assert request["captions"] == {"0": "a hall", "20": "a door"}
    settings = request["settings"]
    assert (settings["path.frames"], settings["seed"], settings["path.name"]) == (12, 7, "orbit")
    assert settings["path.options"] == {"angle": 25.0, "direction": "left"}
    assert settings["path.clearance"] == 0.2
    from lyra_core.pipeline.config import load_config

    config = load_config(request["preset"], values=settings)
    assert (config.path.frames, config.path.options["angle"], config.seed) == (12, 25.0, 7)


def test_an_automatic_option_is_none_and_can_be_automatic_again(ready):
    names = [p.name for p in ready.catalog.paths]
    model, _ = run(ready, Intent("path_preset", names.index("zoom-in")))
    assert next(o for o in shown(model).path_options if o.name == "distance").value is None
    model, _ = run(model, Intent("path_option", ("distance", 1.5)))
    assert model.path.parameters == (("distance", 1.5),)
    model, _ = run(model, Intent("path_option", ("distance", None)))
    assert model.path.parameters == ()


def test_keyframes_of_the_viewport_become_the_path(ready):
    pose = ((1.0, 0, 0, 0), (0, 0, 1.0, 2.0), (0, -1.0, 0, 1.5), (0, 0, 0, 1.0))
    model, effects = run(ready, Intent("add_keyframe"))
    assert m.Sketch("add") in effects
    model, _ = run(model, m.SketchRead((pose,)), said("failed", id=model.preview.job, what="x"))
    model, effects = run(model, Intent("generate"))
    settings = asked(effects, "generate")[0]["settings"]
    assert settings["path.name"] == "keyframes"
    assert settings["path.keyframes"] == [[v for row in pose for v in row]]
    assert shown(model).remove_keyframe.visible


def test_progress_is_told_with_stage_and_time_left(ready):
    model, effects = run(ready, Intent("generate"))
    job = asked(effects, "generate")[0]["id"]
    words = {"stage": "generate", "done": 20, "total": 80, "fraction": 0.25, "eta": 125.0, "elapsed": 40.0}
    model, effects = run(
        model,
        said("started", id=job, world="/worlds/hall"),
        said("progress", id=job, **words),
        said("thumbnail", id=job, file="/t/1.jpg"),
        m.PictureRead("thumbnail", "/t/1.jpg", PICTURE, (2, 2)),
    )
    state = shown(model)
    assert state.stage_text.text == "Generating frames 20 / 80"
    assert state.eta.text == "25%, about 2 min 05 s left"
    assert state.progress == 0.25
    assert state.thumbnails == (PICTURE,)
    assert state.cancel.enabled
    assert not state.generate.enabled
    assert not state.settings_section.open


def test_a_second_generate_is_refused_while_one_runs(ready):
    model, _ = run(ready, Intent("generate"))
    again, effects = run(model, Intent("generate"), Intent("resume"), Intent("recent", 0))
    assert effects == []
    assert again == model


def test_a_crash_offers_to_resume_the_same_world(ready):
    model, effects = run(ready, Intent("generate"))
    job = asked(effects, "generate")[0]["id"]
    crash = m.WorkerGone(Problem("The worker ended unexpectedly", "signal SIGKILL", "Press Resume", ("last line",)))
    model, effects = run(model, said("started", id=job, world="/worlds/hall"), crash)
    state = shown(model)
    assert state.banner.visible
    assert state.banner.tone == "error"
    assert "SIGKILL" in state.banner.text
    assert state.log_tail.text == "last line"
    assert state.resume.enabled
    model, effects = run(model, state.banner.intent)
    assert asked(effects, "resume")[0]["world"] == "/worlds/hall"
    assert not shown(model).banner.visible


def test_cancel_stops_the_worker_and_keeps_what_is_finished(ready):
    model, effects = run(ready, Intent("generate"))
    job = asked(effects, "generate")[0]["id"]
    model, effects = run(model, said("started", id=job, world="/worlds/hall"), Intent("cancel"))
    assert m.StopWorker() in effects
    late, _ = run(model, said("progress", id=job, stage="mesh", done=0, total=0, fraction=1, eta=None, elapsed=1))
    assert late.run.status == "cancelling"
    model, _ = run(late, m.WorkerGone(Problem("stopped"), asked=True))
    state = shown(model)
    assert state.banner.title == "Cancelled"
    assert state.resume.enabled
    assert state.generate.enabled


def test_a_finished_world_can_be_loaded_driven_and_remembered(done):
    state = shown(done)
    assert state.result_section.visible
    assert state.load.enabled
    assert done.recents[0] == "/worlds/hall"
    assert not state.spawn.enabled
    model, effects = run(done, Intent("load"))
    assert effects == [m.ImportWorld("/worlds/hall", False, "splat")]
    model, _ = run(model, m.WorldImported("/worlds/hall", "/World/LyraWorld"))
    model, effects = run(model, Intent("appearance", 1), Intent("spawn"))
    assert m.SwitchAppearance("/World/LyraWorld", "mesh") in effects
    placed = next(e for e in effects if isinstance(e, m.PlaceRobot))
    assert placed.position == (1.0, 2.0, 0.04)
    assert placed.robot.name == "lyra_bot"
    model, effects = run(model, m.RobotPlaced("/World/bot"), Intent("drive"), m.GoalPicked((3.0, 1.0), (1.0, 2.0, 0.5)))
    (plan,) = asked(effects, "plan")
    assert (plan["goal"], plan["start"], plan["yaw"]) == ([3.0, 1.0], [1.0, 2.0], 0.5)
    line = said("done", id=plan["id"], request="plan", points=[[1, 2], [3, 1]], length=2.2)
    model, effects = run(model, line)
    assert effects == [m.SetPlaying(True), m.DriveRobot(((1.0, 2.0), (3.0, 1.0)))]
    model, _ = run(model, m.TimelineChanged(True), m.DriveMoved(1.0, 2.2))
    assert shown(model).robot_note.text == "Driving: 1.0 of 2.2 m"
    model, _ = run(model, m.DriveEnded(True))
    assert shown(model).drive.enabled


def test_undo_of_the_import_takes_robot_and_appearance_with_it(done):
    model, _ = run(done, m.WorldImported("/worlds/hall", "/LyraWorld"), m.RobotPlaced("/bot"), m.WorldImported("x", ""))
    assert not shown(model).spawn.enabled
    assert not shown(model).drive.enabled
    model, effects = run(done, m.WorldImported("/worlds/hall", "/LyraWorld"), m.RobotPlaced("/bot"), m.StageClosed())
    assert m.HaltRobot() in effects
    assert model.scene.prim == ""


def test_a_worker_that_lacks_packages_says_which_and_what_to_do(hello):
    line = {**hello, "missing": ["scipy", "usd-core"], "do": "Run python -m pip install x", "catalog": {}}
    model, _ = run(Model(), m.Opened("/p", "/w"), m.WorkerSaid(line))
    state = shown(model)
    assert "scipy, usd-core" in state.banner.text
    assert state.banner.next_step == "Run python -m pip install x"
    assert state.banner.intent == Intent("check_interpreter")
    assert not state.generate.enabled


def test_lines_of_other_jobs_change_nothing(ready):
    model, _ = run(ready, Intent("generate"))
    words = {"stage": "mesh", "done": 0, "total": 0, "fraction": 1, "eta": None, "elapsed": 1}
    for line in (said("progress", id=99, **words), said("note", id=99, message="x"), said("novelty", id=99)):
        assert run(model, line)[0] == model


def test_an_unreadable_photo_keeps_generate_off(ready):
    problem = Problem("The photo cannot be read", "truncated", "Choose another")
    model, _ = run(
        ready, Intent("image_path", "file:///x.jpg"), m.PictureRead("photo", "/x.jpg", Picture(), problem=problem)
    )
    assert shown(model).banner.title == "This photo cannot be used"
    assert not shown(model).generate.enabled


def test_captions_hold_for_a_chunk_a_line_and_a_frame_can_be_named():
    assert captions_of("") == {}
    assert captions_of("a hall\na door: open\n") == {"0": "a hall", "80": "a door: open"}
    assert captions_of("a hall\n\nthe yard", 40) == {"0": "a hall", "80": "the yard"}  # an empty line goes on as before
    assert captions_of("a hall\n 96 : a door: open\nthe yard") == {
        "0": "a hall",
        "96": "a door: open",
        "80": "the yard",
    }


def test_lens_height_and_a_marked_length_reach_the_worker(ready):
    model, effects = run(
        ready,
        said("failed", id=ready.preview.job, what="x"),
        Intent("photo_option", ("fov", 71.5)),
        Intent("photo_option", ("camera_height", 0.4)),
        Intent("mark_length"),
        Intent("image_preview", (0.25, 0.5)),
        Intent("image_preview", (0.25, 0.5)),  # the same point again is no second end
        Intent("image_preview", (1.4, 0.5)),  # beside the picture
    )
    assert model.photo.marking
    assert shown(model).mark_note.text == "Click its other end"
    assert "photo.known_length" not in asked(effects, "preview")[-1]["settings"]
    model, _ = run(model, Intent("image_preview", (0.75, 0.5)), Intent("photo_option", ("known_length", 2.1)))
    assert not model.photo.marking
    _, effects = run(model, Intent("image_preview", (0.1, 0.1)), Intent("generate"))
    (request,) = asked(effects, "generate")
    assert request["settings"]["photo.fov"] == 71.5
    assert request["settings"]["photo.camera_height"] == 0.4
    assert request["settings"]["photo.known_length"] == [299.8, 399.5, 899.2, 399.5, 2.1]  # [px] of a 1200 x 800 photo
    from lyra_core.pipeline.config import load_config

    assert load_config(request["preset"], values=request["settings"]).photo.fov == 71.5
    again, _ = run(model, Intent("mark_length"))
    assert again.photo.marks == ()
    assert [o.name for o in shown(again).photo_options] == ["fov", "camera_height"]
    for worthless in (("fov", float("nan")), ("fov", -3.0), ("camera_height", float("inf")), ("known_length", 0.0)):
        assert run(model, Intent("photo_option", worthless))[0] == model


def test_marks_are_drawn_into_the_preview_and_nowhere_else():
    plain = Picture(b"\x00" * 4 * 40 * 30, 40, 30, visible=True)
    drawn = marked(plain, ((20.0, 30.0), (60.0, 30.0)), (80, 60))
    changed = [i // 4 for i in range(0, len(drawn.rgba), 4) if drawn.rgba[i : i + 4] != plain.rgba[i : i + 4]]
    rows = {place // 40 for place in changed}
    assert {place % 40 for place in changed if place // 40 == 15} >= set(range(10, 31))  # the line between them
    assert min(rows) >= 15 - 8
    assert max(rows) <= 15 + 8
    assert marked(plain, (), (80, 60)) is plain
    assert marked(plain, ((-50.0, 900.0),), (80, 60)).rgba == plain.rgba  # outside of the picture


def test_what_was_read_from_the_photo_is_shown_beside_auto(ready):
    words = {"poses": [], "length": 2.0, "frames": 81, "warnings": []}
    read = {"fov": 68.2, "fov_source": "lines", "camera_height": 1.52, "scale_source": "depth", "guess": True}
    model, _ = run(ready, said("done", id=ready.preview.job, request="preview", photo=read, **words))
    fov, height = shown(model).photo_options
    assert (fov.value, fov.note, fov.start) == (None, "68°, from lines", 68.2)
    assert height.note == "1.52 m, from depth (a guess)"


def test_a_planned_path_is_drawn_and_can_be_turned_into_keyframes(ready):
    poses = [[[1.0, 0, 0, 0.1 * k], [0, 0, 1.0, 0.0], [0, -1.0, 0, 1.5], [0, 0, 0, 1.0]] for k in range(33)]
    words = {"length": 3.2, "frames": 33, "warnings": [], "lens": [0.8, 0.6], "fps": 16.0}
    model, effects = run(ready, said("done", id=ready.preview.job, request="preview", poses=poses, **words))
    drawn = next(e for e in effects if isinstance(e, m.SketchPath))
    assert (len(drawn.poses), drawn.lens, drawn.curve) == (33, (0.8, 0.6), True)
    model, effects = run(model, Intent("edit_path"))
    show = next(e for e in effects if isinstance(e, m.Sketch))
    assert show.what == "show"
    assert [round(pose[0][3], 1) for pose in show.matrices] == [0.0, 0.6, 1.3, 1.9, 2.6, 3.2]
    assert shown(model).read_path.visible
    assert not shown(model).edit_path.visible
    _, effects = run(model, said("done", id=model.preview.job, request="preview", poses=poses, **words))
    assert not next(e for e in effects if isinstance(e, m.SketchPath)).curve  # the keyframes' own curve stays


def test_the_chosen_place_is_where_the_robot_is_put(done):
    model, _ = run(done, m.WorldImported("/worlds/hall", "/LyraWorld"))
    assert shown(model).spawn_pose.labels == (
        "1: x 1.0 m, y 2.0 m, facing 29°",
        "2: x -1.0 m, y 3.0 m, facing -86°",
    )
    _, effects = run(model, Intent("spawn_pose", 1), Intent("spawn"))
    placed = next(e for e in effects if isinstance(e, m.PlaceRobot))
    assert (placed.position, placed.yaw) == ((-1.0, 3.0, 0.0), -1.5)
    _, effects = run(model, Intent("spawn_pose", 7), Intent("spawn"))
    assert next(e for e in effects if isinstance(e, m.PlaceRobot)).position == (1.0, 2.0, 0.04)


def test_one_button_at_a_time_is_the_next_step(ready, done):
    def primary(model: Model) -> list[str]:
        state = shown(model)
        actions = [(f.name, getattr(state, f.name)) for f in fields(State)]
        return [n for n, a in actions if isinstance(a, Action) and a.primary and a.visible]

    assert primary(Model()) == ["browse_image"]
    assert primary(ready) == ["generate"]
    assert primary(done) == ["load"]
    loaded, _ = run(done, m.WorldImported("/worlds/hall", "/LyraWorld"))
    assert primary(loaded) == ["spawn"]
    assert primary(run(loaded, m.RobotPlaced("/bot"))[0]) == ["drive"]
    assert primary(run(ready, Intent("generate"))[0]) == []


def test_another_photo_begins_another_world(done):
    model, effects = run(done, Intent("image_path", "/photos/yard.jpg"))
    assert m.ReadPicture("photo", "/photos/yard.jpg") in effects
    assert model.world is None
    assert not shown(model).result_section.visible
    assert shown(model).path_section.open
    assert "/worlds/hall" in model.recents


def test_update_is_pure(ready):
    first = update(ready, Intent("generate"))
    assert update(ready, Intent("generate")) == first
    assert ready.run == Run()
    with pytest.raises(KeyError):
        update(ready, Intent("no_such_widget"))


def test_the_display_follows_the_model_alone(done):
    assert shown(done) == shown(replace(done))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The cases of test_panel.py; each runs in its own process of the ovui environment: python -m tests.extension.panel_cases NAME."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import os
import shutil
import signal
import sys
import threading
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import omni.ui as ui

from tests.extension.panel_session import Session, in_session

__all__ = ["CASES"]

_FOLDER = Path(os.environ.get("LYRA_CASE_FOLDER", "."))
_FRAME = 0.1  # [s] of CPU time that one frame or one handler may take; typical are a few milliseconds
_PHOTO = Path(__file__).parents[2] / "data" / "photos" / "square.jpg"


def _settings() -> dict[str, object]:
    return {"interpreter": os.environ["LYRA_WORKER_PYTHON"], "worlds_folder": str(_FOLDER / "worlds")}


def _children() -> set[int]:
    """Process ids below this process."""
    found: set[int] = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            found.add(int(status.parent.name))
    return found


async def start_stop() -> None:
    """Ten times start, open, draw, stop: nothing is left."""
    async with in_session(_settings()) as session:
        session.stop()
        files = {p for p in _FOLDER.rglob("*")}
        base = None
        for round_number in range(10):
            session.start()
            session.open()
            await session.frames(6)
            session.stop()
            await asyncio.sleep(0)
            gc.collect()
            assert session.kit.left_behind() == {}, f"round {round_number}: {session.kit.left_behind()}"
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            assert not tasks, tasks
            assert not _children(), "a worker is still running"
            now = (threading.active_count(), len(list(Path("/proc/self/fd").iterdir())))
            base = base or now
            assert now[0] <= base[0], [thread.name for thread in threading.enumerate()]
            assert now[1] <= base[1] + 2, "files stay open"
            assert (
                not ui.Workspace.get_window("Photo to World") or not ui.Workspace.get_window("Photo to World").visible
            )
        # imgui.ini is where omni.ui outside of Kit keeps window positions; it is not the extension's.
        left = {p for p in _FOLDER.rglob("*") if p.name != "imgui.ini"} - files
        assert not left, left
        session.start()


def _everything(state: Any) -> Any:
    """A state in which every part of the panel is drawn."""
    from lyra.worldgen import state as st

    options = tuple(st.Option(kind, kind, "Help", kind, 0, 0, 1, ("a", "b")) for kind in ("number", "choice", "switch"))
    automatic = st.Option("free", "Free", "Help", "number", None, 0, 1, (), automatic=True, note="chosen")
    banner = st.Banner(
        "error", "Title", "Text", "Next step", st.Action("Go on", "Goes on"), st.Intent("none"), visible=True
    )
    picture = st.Picture(b"\x80" * 16, 2, 2, visible=True)
    changes: dict[str, Any] = {
        "banner": banner,
        "path_options": (*options, automatic),
        "photo_options": (*options, automatic),
        "result_facts": (st.Fact("Folder", "/a"), st.Fact("Frames", "33 of 33")),
        "recent": (st.Recent("hall", "/worlds", "/worlds/hall"), st.Recent("yard", "/worlds", "/worlds/yard")),
        "thumbnails": (picture,) * 4,
        "image_preview": picture,
    }
    for field in fields(state):
        value = getattr(state, field.name)
        if isinstance(value, st.Text):
            changes.setdefault(field.name, st.Text("Text"))
        elif isinstance(value, st.Action):
            changes.setdefault(field.name, replace(value, visible=True))
        elif isinstance(value, st.Section):
            changes.setdefault(field.name, st.Section())
        elif isinstance(value, st.Choice):
            changes.setdefault(field.name, st.Choice(("one", "two")))
    return replace(state, **changes)


async def identifiers() -> None:
    """The whole tree: everything that is no mere layout has an identifier of its own and a tooltip."""
    async with in_session(_settings()) as session:
        session.open()
        await session.frames(6)
        session.panel.window.show(_everything(session.state))
        await session.frames(4)
        layout = (ui.Stack, ui.Spacer, ui.Frame, ui.Rectangle)
        widgets = [w for w in session.widgets() if not isinstance(w, layout) or isinstance(w, ui.CollapsableFrame)]
        widgets += [session.find("image_drop")]
        titles = {w.title for w in widgets if isinstance(w, ui.CollapsableFrame)}
        # omni.ui draws the heads of sections itself: a label, an arrow and an invisible button.
        heads = [w for w in widgets if type(w) in (ui.Triangle, ui.InvisibleButton)]
        heads += [w for w in widgets if type(w) is ui.Label and w.text in titles and not w.identifier]
        assert len(heads) == 3 * len(titles), heads
        widgets = [w for w in widgets if w not in heads]
        kinds = {type(w).__name__ for w in widgets}
        for kind in (
            "Button",
            "StringField",
            "IntField",
            "ComboBox",
            "CheckBox",
            "FloatSlider",
            "ProgressBar",
            "Label",
        ):
            assert kind in kinds, kinds
        assert len(widgets) > 90, len(widgets)
        names = [w.identifier for w in widgets]
        assert all(names), [(type(w).__name__, w.tooltip) for w in widgets if not w.identifier]
        assert len(set(names)) == len(names), sorted(n for n in names if names.count(n) > 1)
        silent = [w.identifier for w in widgets if not w.tooltip.strip()]
        assert not silent, silent


async def _begin(session: Session) -> None:
    session.open()
    await session.frames(6)
    await session.until(lambda: session.state.model.labels != (), "the worker's catalogue")


async def _small(session: Session, frames: str) -> None:
    await session.until(lambda: session.state.image_preview.width > 0, "the preview")
    await session.choose("preset", session.state.preset.labels.index("Quick"))
    await session.write("frames", frames)
    assert session.state.frames.value == int(frames), session.state.frames


def _photo() -> Path:
    photo = _FOLDER / "square.jpg"
    shutil.copyfile(_PHOTO, photo)
    return photo


async def _planned(session: Session) -> None:
    """The path is planned and drawn."""
    await session.until(
        lambda: session.state.path_note.text.endswith("frames") and session.state.save_path.enabled,
        "the planned path",
    )


async def _undo_and_redo(session: Session, before: str) -> None:
    """The import is one step: undo gives the stage of before, and the panel notices."""
    import omni.kit.undo

    after = session.kit.stage.GetRootLayer().ExportToString()
    omni.kit.undo.undo()
    await session.until(lambda: not session.state.spawn.enabled, "the panel to notice the undo")
    assert session.kit.stage.GetRootLayer().ExportToString() == before
    omni.kit.undo.redo()
    await session.until(lambda: session.state.spawn.enabled, "the panel to notice the redo")
    assert session.kit.stage.GetRootLayer().ExportToString() == after


def _level_stage(session: Session) -> Any:
    """An empty stage in metres, Z up, open in the fake Kit."""
    from pxr import Usd, UsdGeom

    stage = session.kit.stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    return stage


async def _mark_a_length(session: Session) -> None:
    """Two clicks into the photo and a length set the scale of the world."""
    await _planned(session)
    guessed = session.panel.model.model.preview.reading.camera_height
    await session.click("mark_length")
    await session.click("image_preview", (0.40, 0.80))
    await session.click("image_preview", (0.60, 0.80))
    assert len(session.panel.model.model.photo.marks) == 2, session.panel.model.model.photo
    await session.until(lambda: session.panel.model.model.preview.job > 0, "the new plan")
    await _planned(session)
    reading = session.panel.model.model.preview.reading
    assert reading.scale_source == "known length", reading
    assert reading.camera_height != guessed
    await session.picture(_FOLDER / "length_marked.png")
    await session.click("mark_length")  # the marks are taken back,
    await session.click("mark_length")  # and no new ones are set
    assert not session.panel.model.model.photo.marking
    await _planned(session)


async def keyframes() -> None:
    """A dropped photo, marks, captions, views of the viewport as a path, files; nothing gets into the user's stage."""
    async with in_session(_settings()) as session:
        from pxr import Usd, UsdGeom

        stage = _level_stage(session)
        before = stage.GetRootLayer().ExportToString()
        with Usd.EditContext(stage, stage.GetSessionLayer()):
            camera = UsdGeom.XformCommonAPI(UsdGeom.Camera.Define(stage, session.kit.camera))
            camera.SetRotate((90, 0, 0))  # level, looking along +y
        await _begin(session)
        await session.drop("image_drop", str(_photo()))
        await _small(session, "17")
        await session.write("captions", "a square")
        assert session.panel.model.model.recipe.captions == "a square"
        await _mark_a_length(session)
        await session.click("edit_path")
        await session.until(lambda: session.state.path_summary.text.startswith("6 "), "the path as keyframes")
        await session.click("clear_keyframes")
        await session.until(lambda: session.state.path_summary.text.startswith("0 "), "no keyframes")
        for place in range(3):
            with Usd.EditContext(stage, stage.GetSessionLayer()):
                camera.SetTranslate((0.3 * place, 0.4 * place, 1.5))
            await session.click("add_keyframe")
        await session.until(lambda: session.state.path_summary.text.startswith("3 "), "three keyframes")
        assert len(UsdGeom.BasisCurves.Get(stage, "/LyraPath/Curve").GetPointsAttr().Get()) == 3
        await _planned(session)
        moving = UsdGeom.Xformable(stage.GetPrimAtPath("/LyraPath/Camera"))
        assert len(moving.GetTimeSamples()) == 17
        await session.picture(_FOLDER / "keyframes.png", "path_section")
        await session.click("remove_keyframe")
        await session.until(lambda: session.state.path_summary.text.startswith("2 "), "two keyframes")
        await session.click("read_path")
        files = [_FOLDER / f"path{ending}" for ending in (".npz", ".json", ".txt")]
        for file in files:
            await _planned(session)
            await session.pick_file("save_path", file)
            await session.until(file.is_file, f"the saved {file.name}: {session.state.banner}")
        for file in files:
            await session.pick_file("load_path", file)
            await session.until(
                lambda name=file.name: session.state.path_summary.text.endswith(name), "the loaded path"
            )
            await _planned(session)
            assert not session.state.banner.visible, session.state.banner
        assert stage.GetRootLayer().ExportToString() == before
        await session.click("generate")
        await session.until(lambda: session.state.cancel.enabled, "the run")
        _stop_in_the_middle(session, stage)
        assert not session.blocking, session.blocking


def _stop_in_the_middle(session: Session, stage: Any) -> None:
    """The extension is disabled while the worker runs."""
    session.stop()
    assert not stage.GetPrimAtPath("/LyraPath")
    assert not stage.GetSessionLayer().subLayerPaths
    assert not _children()
    assert session.kit.left_behind() == {}
    scratch = [p.name for p in (_FOLDER / "tmp").glob("lyra-*")]
    assert not scratch, scratch


def _beside(spawn: Any) -> tuple[float, float, float]:
    """A point half a metre ahead of a spawn pose."""
    x, y, z = spawn.position
    return x + 0.5 * math.cos(spawn.yaw), y + 0.5 * math.sin(spawn.yaw), z


async def _kill_and_resume(session: Session) -> None:
    """Kill the worker in the middle: the panel says so and resumes. Cancel, and resume once more, to the end."""
    await session.click("generate")
    await session.until(lambda: session.state.cancel.enabled, "the run")
    await session.until(lambda: len(session.state.thumbnails) >= 2, "thumbnails")
    await session.picture(_FOLDER / "running.png")
    for child in _children():
        os.kill(child, signal.SIGKILL)
    await session.until(lambda: session.state.banner.tone == "error", "the panel to say that the worker died")
    await session.picture(_FOLDER / "failed.png")
    await session.click("banner_action")
    # A run killed after its last chunk resumes without new frames, so no thumbnail is waited for.
    await session.until(lambda: session.state.cancel.enabled, "the resumed run")
    await session.click("cancel")
    await session.until(lambda: not session.state.cancel.visible, "the cancelled run")
    await session.until(lambda: not _children() or session.state.resume.enabled, "the worker to end")
    await session.picture(_FOLDER / "cancelled.png")
    assert session.find("thumbnails").visible == bool(session.state.thumbnails)  # no row of empty frames
    await session.click("resume")
    await session.until(lambda: session.state.result_section.visible, "the finished world")


async def _load_and_drive(session: Session) -> None:
    """Load, undo, redo, switch the appearance, spawn at another place, play, drive to a prim that was picked."""
    from pxr import UsdGeom

    stage = session.kit.stage
    before = stage.GetRootLayer().ExportToString()
    await session.click("load")
    await session.until(lambda: session.state.spawn.enabled, "the world in the stage")
    await _undo_and_redo(session, before)
    stage.GetRootLayer().Export(str(_FOLDER / "loaded.usda"))
    world = stage.GetPrimAtPath(session.panel.model.model.scene.prim)
    for index, name in ((1, "mesh"), (0, "splat")):
        await session.choose("appearance", index)
        assert world.GetVariantSets().GetVariantSelection("appearance") == name
    places = session.panel.model.model.world.spawns
    await session.choose("spawn_pose", len(places) - 1)
    await session.click("spawn")
    await session.until(lambda: session.state.drive.enabled, "the robot")
    await session.picture(_FOLDER / "robot_spawned.png", "result_section")
    await session.click("drive")  # nothing is picked yet: a marker to be moved
    await session.until(lambda: "marker" in session.state.robot_note.text, "the marker")
    await session.click("play")
    await session.until(lambda: session.state.play.label == "Stop", "the timeline to play")
    UsdGeom.Xform.Define(stage, "/Goal").AddTranslateOp().Set(_beside(places[-1]))
    session.kit.selection = ["/Goal"]
    await session.click("drive")
    await session.until(lambda: session.state.drive.label == "Stop driving", "the planned way")
    for _ in range(20):
        for step in list(session.kit.physics_callbacks.values()):
            step(1 / 60, None)
    commands = [args for name, args, _ in session.kit.calls if name == "apply_wheel_actions"]
    assert any(abs(float(wheel)) > 0.1 for args in commands for wheel in np.ravel(args[0])), commands[:3]
    await session.picture(_FOLDER / "driving.png", "result_section")
    await session.click("drive")
    await session.until(lambda: session.state.drive.label != "Stop driving", "the robot to stop")
    assert not session.kit.physics_callbacks


async def _extend_and_revert(session: Session) -> None:
    """On from the last camera, and back again."""
    frames = session.panel.model.model.world.frames
    await session.click("path_section", (0.1, 0.5))  # unfold
    await session.choose("path_preset", session.state.path_preset.labels.index("Dolly"))
    await session.click("settings_section", (0.1, 0.5))
    await session.write("frames", "5")
    assert session.state.frames.value == 5, session.state.frames
    await session.click("extend")
    await session.until(lambda: session.state.cancel.enabled, "the extension")
    await session.until(lambda: session.state.result_section.visible, "the extended world")
    assert session.state.stage_text.text.startswith("World extended"), session.state.stage_text
    assert session.panel.model.model.world.frames > frames
    await session.click("revert")
    await session.until(lambda: session.state.cancel.enabled, "the revert")
    await session.until(lambda: session.state.result_section.visible, "the world of before")
    assert session.panel.model.model.world.frames == frames
    assert not session.state.revert.enabled


async def _worlds_and_worker(session: Session) -> None:
    """Check the worker, open a recent world, open it as the stage."""
    await session.click("worker_section", (0.1, 0.5))
    await session.click("check_interpreter")
    await session.until(lambda: session.state.interpreter_note.text.startswith("Ready"), "the checked worker")
    await session.picture(_FOLDER / "checked.png", "worker_section")
    await session.click("recent_section", (0.1, 0.5))
    await session.click("recent_0")
    await session.until(lambda: not session.state.progress_section.visible, "the recent world")
    assert session.state.result_section.visible
    await session.choose("load_mode", 1)
    await session.click("load")
    await session.until(
        lambda: Path(session.kit.stage.GetRootLayer().identifier).name == "world_physics.usda", "the stage"
    )
    await session.until(lambda: session.state.spawn.enabled, "the opened world")
    assert session.panel.model.model.scene.prim == "/World"


async def photo_to_robot() -> None:
    """The whole way with real clicks and a real worker; a picture of each state."""
    async with in_session(_settings()) as session:
        _level_stage(session)
        await _begin(session)
        await session.picture(_FOLDER / "empty.png")
        await session.pick_file("browse_image", _photo())
        await _small(session, os.environ.get("LYRA_CASE_FRAMES", "9"))
        await _planned(session)
        await session.picture(_FOLDER / "image_chosen.png")
        await session.choose("path_preset", session.state.path_preset.labels.index("Orbit"))
        await _planned(session)
        await session.picture(_FOLDER / "path_edited.png", "path_section")
        await _kill_and_resume(session)
        await session.picture(_FOLDER / "done.png")
        await _load_and_drive(session)
        await _extend_and_revert(session)
        await _worlds_and_worker(session)
        assert not session.blocking, session.blocking
        slow = {name: round(1000 * seconds, 1) for name, seconds in session.slowest.items() if seconds > 0.004}
        print(json.dumps({"slowest_frame_ms": round(1000 * session.slowest_frame, 1), "slow_handlers_ms": slow}))
        assert session.slowest_frame < _FRAME, session.slowest_frame
        slow = {name: seconds for name, seconds in session.slowest.items() if seconds > _FRAME}
        assert set(slow) <= {"load", "appearance"}, slow  # USD composes in Kit's thread, as Kit wants it


async def bare_python() -> None:
    """An interpreter without our packages: the panel says what is missing and how to get it, and lets nothing be started."""
    bare = os.environ.get("LYRA_BARE_PYTHON", sys.executable)
    async with in_session({**_settings(), "interpreter": bare}) as session:
        session.open()
        await session.frames(6)
        await session.click("check_interpreter")
        await session.until(lambda: session.state.banner.tone == "error", "the panel to say what is missing")
        await session.picture(_FOLDER / "worker.png")
        assert session.state.banner.title == "The worker cannot run"
        assert "pip install" in session.state.banner.next_step
        assert not session.state.generate.enabled
        assert not session.blocking, session.blocking


CASES = {call.__name__: call for call in (start_stop, identifiers, keyframes, photo_to_robot, bare_python)}

if __name__ == "__main__":
    asyncio.run(CASES[sys.argv[1]]())

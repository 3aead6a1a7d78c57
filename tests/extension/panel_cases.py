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
from pathlib import Path

import numpy as np
import omni.ui as ui

from tests.extension.panel_session import Session, in_session

__all__ = ["CASES"]

_FOLDER = Path(os.environ.get("LYRA_CASE_FOLDER", "."))
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


async def identifiers() -> None:
    """Every widget that can be used has an identifier of its own and a tooltip."""
    async with in_session(_settings()) as session:
        session.open()
        await session.frames(6)
        usable = (ui.Button, ui.StringField, ui.IntField, ui.ComboBox, ui.CheckBox, ui.FloatSlider, ui.ProgressBar)
        usable += (ui.CollapsableFrame, ui.ImageWithProvider)
        widgets = [w for w in session.widgets() if isinstance(w, usable)]
        assert len(widgets) > 35, len(widgets)
        names = [w.identifier for w in widgets]
        assert all(names), [type(w).__name__ for w in widgets if not w.identifier]
        assert len(set(names)) == len(names), sorted(n for n in names if names.count(n) > 1)
        silent = [w.identifier for w in widgets if not w.tooltip.strip()]
        assert not silent, silent


async def _photo(session: Session) -> None:
    session.open()
    await session.frames(6)
    await session.until(lambda: session.state.model.labels != (), "the worker's catalogue", 90)
    await session.picture(_FOLDER / "empty.png", "photo_section")
    photo = _FOLDER / "square.jpg"
    shutil.copyfile(_PHOTO, photo)
    await session.pick_file("browse_image", photo)
    await session.until(lambda: session.state.image_preview.width > 0, "the preview")
    await session.choose("preset", session.state.preset.labels.index("Quick"))
    await session.write("frames", "33")


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


async def keyframes() -> None:
    """Views of the viewport become a path; edits are read back; nothing gets into the user's stage."""
    async with in_session(_settings()) as session:
        from pxr import Usd, UsdGeom

        stage = session.kit.stage = Usd.Stage.CreateInMemory()
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
        UsdGeom.SetStageMetersPerUnit(stage, 1.0)
        before = stage.GetRootLayer().ExportToString()
        with Usd.EditContext(stage, stage.GetSessionLayer()):
            camera = UsdGeom.XformCommonAPI(UsdGeom.Camera.Define(stage, session.kit.camera))
            camera.SetRotate((90, 0, 0))  # level, looking along +y
        await _photo(session)
        await session.choose("path_preset", len(session.state.path_preset.labels) - 2)
        for place in range(3):
            with Usd.EditContext(stage, stage.GetSessionLayer()):
                camera.SetTranslate((0.3 * place, 0.4 * place, 1.5))
            await session.click("add_keyframe")
        await session.until(lambda: session.state.path_summary.text.startswith("3 "), "three keyframes")
        curve = UsdGeom.BasisCurves.Get(stage, "/LyraPath/Curve")
        assert len(curve.GetPointsAttr().Get()) == 3
        await session.until(lambda: session.state.path_note.text.endswith("frames"), "the planned path")
        await session.picture(_FOLDER / "keyframes.png", "path_section")
        await session.click("remove_keyframe")
        await session.until(lambda: session.state.path_summary.text.startswith("2 "), "two keyframes")
        for name in ("path.npz", "path.json", "path.txt"):
            await session.until(lambda: session.state.save_path.enabled, "a path that can be saved")
            await session.pick_file("save_path", _FOLDER / name)
            await session.until((_FOLDER / name).is_file, f"the saved {name}: {session.state.banner}")
        await session.pick_file("load_path", _FOLDER / "path.txt")
        await session.until(lambda: session.state.path_summary.text.endswith("path.txt"), "the loaded path")
        assert stage.GetRootLayer().ExportToString() == before
        session.stop()
        assert not stage.GetPrimAtPath("/LyraPath")
        assert not _children()


def _beside(session: Session) -> tuple[float, float, float]:
    """A point half a metre ahead of the robot's spawn pose."""
    spawn = session.panel.model.model.world.spawns[0]
    x, y, z = spawn.position
    return x + 0.5 * math.cos(spawn.yaw), y + 0.5 * math.sin(spawn.yaw), z


async def photo_to_robot() -> None:
    """The whole way: photo, path, run, kill, resume, cancel, resume, load, undo, spawn, drive; a picture of each state."""
    async with in_session(_settings()) as session:
        from pxr import Usd, UsdGeom

        session.kit.stage = Usd.Stage.CreateInMemory()
        UsdGeom.SetStageUpAxis(session.kit.stage, UsdGeom.Tokens.z)
        UsdGeom.SetStageMetersPerUnit(session.kit.stage, 1.0)
        await _photo(session)
        await session.picture(_FOLDER / "image_chosen.png", "photo_section")
        await session.choose("path_preset", session.state.path_preset.labels.index("Orbit"))
        await session.until(lambda: session.state.path_note.text.endswith("frames"), "the planned path")
        await session.picture(_FOLDER / "path_edited.png", "path_section")
        await session.click("generate")
        await session.until(lambda: session.state.cancel.enabled, "the run")
        await session.until(lambda: len(session.state.thumbnails) >= 2, "thumbnails", 180)
        await session.picture(_FOLDER / "running.png")
        for child in _children():
            os.kill(child, signal.SIGKILL)
        await session.until(lambda: session.state.banner.tone == "error", "the panel to say that the worker died")
        await session.picture(_FOLDER / "failed.png")
        await session.click("banner_action")
        await session.until(lambda: session.state.cancel.enabled, "the resumed run")
        await session.until(lambda: len(session.state.thumbnails) >= 1, "thumbnails again", 180)
        await session.click("cancel")
        await session.until(lambda: not session.state.cancel.enabled, "the cancelled run")
        await session.until(lambda: not _children() or session.state.resume.enabled, "the worker to end")
        await session.picture(_FOLDER / "cancelled.png")
        await session.click("resume")
        await session.until(lambda: session.state.result_section.visible, "the finished world", 300)
        await session.picture(_FOLDER / "done.png")
        before = session.kit.stage.GetRootLayer().ExportToString()
        await session.click("load")
        await session.until(lambda: session.state.spawn.enabled, "the world in the stage")
        await _undo_and_redo(session, before)
        session.kit.stage.GetRootLayer().Export(str(_FOLDER / "loaded.usda"))
        await session.click("spawn")
        await session.until(lambda: session.state.drive.enabled, "the robot")
        await session.picture(_FOLDER / "robot_spawned.png", "result_section")
        await session.click("play")
        await session.until(lambda: session.state.play.label == "Stop", "the timeline to play")
        UsdGeom.Xform.Define(session.kit.stage, "/Goal").AddTranslateOp().Set(_beside(session))
        session.kit.selection = ["/Goal"]
        await session.click("drive")
        await session.until(lambda: session.state.drive.label == "Stop driving", "the planned way", 60)
        for _ in range(20):
            for step in list(session.kit.physics_callbacks.values()):
                step(1 / 60, None)
        commands = [args for name, args, _ in session.kit.calls if name == "apply_wheel_actions"]
        assert any(abs(float(wheel)) > 0.1 for args in commands for wheel in np.ravel(args[0])), commands[:3]
        print(json.dumps({"slowest_frame_ms": round(1000 * session.slowest_frame, 1)}))


CASES = {call.__name__: call for call in (start_stop, identifiers, keyframes, photo_to_robot)}

if __name__ == "__main__":
    asyncio.run(CASES[sys.argv[1]]())

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""The panel: draws a State with plain omni.ui and forwards what the user does. It computes nothing and decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import omni.ui as ui

from lyra.worldgen import widgets as bound
from lyra.worldgen.option_rows import OptionRows
from lyra.worldgen.picture_views import DropArea, PictureView, ThumbnailStrip
from lyra.worldgen.state import Intent, State
from lyra.worldgen.style import CAPTION_LINES, GAP, PANEL, PREVIEW_HEIGHT

__all__ = ["TITLE", "WorldWindow"]

TITLE = "Photo to World"

Pick = Callable[[str, Callable[[str], None]], None]
"""Opens a file picker for the named button and calls back with the chosen path."""


class WorldWindow:
    """The window and all its widgets; show(state) draws, send(intent) reports, pick(name, done) asks for a file."""

    def __init__(self, *, send: bound.Send, pick: Pick, visibility: Callable[[bool], None]) -> None:
        self._send, self._pick = send, pick
        self.parts: dict[str, Any] = {}
        self.window = ui.Window(TITLE, width=440, height=900)
        self.window.set_visibility_changed_fn(visibility)
        self.window.deferred_dock_in("Property", ui.DockPolicy.CURRENT_WINDOW_IS_ACTIVE)
        self.window.frame.set_style(PANEL)
        with self.window.frame, ui.ZStack():
            ui.Rectangle(name="ground")
            with ui.VStack(spacing=0):
                # The message and the buttons stay in view, whatever the parts between them need.
                self.parts["banner"] = bound.BannerView("banner", send=self._send)
                self._scrolled()
                ui.Rectangle(name="rule", height=1)
                with bound.margins():
                    self._run()

    def show(self, state: State) -> None:
        """Draw every part of the state."""
        for name, part in self.parts.items():
            part.show(getattr(state, name))

    def destroy(self) -> None:
        """Release the window and everything in it."""
        self.window.set_visibility_changed_fn(None)
        self.parts.clear()
        self.window.destroy()

    def _scrolled(self) -> None:
        policy = ui.ScrollBarPolicy.SCROLLBAR_ALWAYS_OFF
        with (
            ui.ScrollingFrame(identifier="scroll", tooltip="", horizontal_scrollbar_policy=policy),
            bound.margins(right=0, identifier="content"),
        ):
            self._photo()
            self._settings()
            self._path()
            self._progress()
            self._result()
            self._recent()
            self._worker()

    def _section(self, name: str, title: str, tooltip: str) -> ui.CollapsableFrame:
        section = bound.SectionFrame(name, title, tooltip=tooltip)
        self.parts[name] = section
        return section.widget

    def _line(self, name: str, tooltip: str, look: str = "dim") -> None:
        self.parts[name] = bound.Line(name, tooltip=tooltip, look=look)

    def _text(self, name: str, tooltip: str, lines: int = 1) -> None:
        self.parts[name] = bound.TextField(name, tooltip=tooltip, send=self._send, lines=lines)

    def _number(self, name: str, tooltip: str) -> None:
        self.parts[name] = bound.NumberField(name, tooltip=tooltip, send=self._send)

    def _choice(self, name: str, tooltip: str) -> None:
        self.parts[name] = bound.ChoiceBox(name, tooltip=tooltip, send=self._send)

    def _button(self, name: str, **size: Any) -> None:
        self.parts[name] = bound.Button(name, clicked=lambda: self._send(Intent(name)), **size)

    def _picker(self, name: str, **size: Any) -> None:
        def chosen(path: str) -> None:
            self._send(Intent(name, path))

        self.parts[name] = bound.Button(name, clicked=lambda: self._pick(name, chosen), **size)

    def _photo(self) -> None:
        with (
            self._section("photo_section", "Photo", "The photo that becomes a world"),
            ui.VStack(spacing=GAP, height=0),
        ):
            with ui.ZStack(height=PREVIEW_HEIGHT):
                ui.Rectangle(name="drop", identifier="image_ground", tooltip="Drop a photo here")
                with ui.VStack():
                    ui.Spacer()
                    self._line("image_hint", "Drop a photo here", "center")
                    ui.Spacer()
                self.parts["image_preview"] = PictureView(
                    "image_preview", tooltip="The chosen photo", height=PREVIEW_HEIGHT, send=self._send
                )
                DropArea("image_drop", tooltip="Drop a photo here", intent="image_path", send=self._send)
            with ui.HStack(height=0, spacing=GAP):
                self._text("image_path", "Path of the photo")
                self._picker("browse_image", width=84)
            with ui.HStack(height=0, spacing=GAP):
                self._line("image_note", "What is known about the photo")
                self._button("mark_length", width=160)
            self._line("mark_note", "What to do to mark a known length", "good")
            self.parts["photo_options"] = OptionRows("photo_option", send=self._send)

    def _settings(self) -> None:
        with (
            self._section("settings_section", "Settings", "Which model makes the world, how long and how good"),
            ui.VStack(spacing=GAP, height=0),
        ):
            with bound.labelled("Model", "The model that invents what the photo does not show"):
                self._choice("model", "The model that invents what the photo does not show")
            self._line("model_note", "What this model needs")
            with bound.labelled("Quality", "A preset of all other settings"):
                self._choice("preset", "Quick is a preview, balanced the default, quality takes longest")
            with bound.labelled("Frames", "Length of the camera path; 81, 161, …"):
                self._number("frames", "Frames of the camera path; more frames show more of the world")
                ui.Spacer(width=GAP)
                ui.Label("Seed", width=40, identifier="Seed label", tooltip="The same seed gives the same world")
                self._number("seed", "The same seed gives the same world")
            self._line("frames_note", "What this quality makes")
            with bound.labelled("Captions", "What the world shows along the way", lines=CAPTION_LINES):
                self._text("captions", "One line a chunk, or 120: text for a frame of your choice", CAPTION_LINES)
            self._line("captions_note", "How captions are read")
            with bound.labelled("Worlds folder", "Where new worlds are written"):
                self._text("world_folder", "New worlds get a folder of their own in here")
                self._picker("browse_world", width=32)

    def _path(self) -> None:
        with (
            self._section("path_section", "Camera path", "How the camera moves through the world"),
            ui.VStack(spacing=GAP, height=0),
        ):
            with bound.labelled("Path", "A preset, your own keyframes, or a file"):
                self._choice("path_preset", "A preset, the keyframes from the viewport, or a loaded file")
            self._line("path_summary", "What this path does")
            self.parts["path_options"] = OptionRows("path_option", send=self._send)
            self._line("clearance_note", "What the path comes too close to", "warn")
            with ui.HStack(height=0, spacing=GAP):
                for name in ("add_keyframe", "edit_path", "read_path", "remove_keyframe", "clear_keyframes"):
                    self._button(name)
            with ui.HStack(height=0, spacing=GAP):
                for name in ("load_path", "save_path"):
                    self._picker(name)
            self._line("path_note", "The path as it is now")

    def _run(self) -> None:
        self._line("run_hint", "The next step")
        for name in ("generate", "cancel"):
            self._button(name, height=36)
        with ui.HStack(height=0, spacing=GAP):
            for name in ("resume", "extend", "revert"):
                self._button(name)

    def _progress(self) -> None:
        with (
            self._section("progress_section", "Progress", "What is being made"),
            ui.VStack(spacing=GAP, height=0),
        ):
            self._line("stage_text", "The stage of work", "stage")
            self.parts["progress"] = bound.ProgressView("progress", tooltip="Share of the work that is done")
            self._line("eta", "Time that is left, from the time that was needed so far")
            self.parts["thumbnails"] = ThumbnailStrip("thumbnails", tooltip="The newest frames")

    def _result(self) -> None:
        with self._section("result_section", "Result", "The finished world"), ui.VStack(spacing=GAP, height=0):
            self.parts["result_facts"] = bound.FactRows("result_facts", tooltip="What was made")
            with bound.labelled("Load as", "Reference: into your stage; open: instead of it"):
                self._choice("load_mode", "Reference keeps your stage; open replaces it")
            self._button("load", height=30)
            with bound.labelled("Appearance", "What is drawn: Gaussians, mesh, or both"):
                self._choice("appearance", "What is drawn; colliders stay the same")
            with bound.labelled("Robot", "The robot that is put on the floor"):
                self._choice("robot", "The robot that is put on the floor")
            with bound.labelled("Place", "Free places of the floor, the roomiest first"):
                self._choice("spawn_pose", "Where the robot is put: a free place of the floor")
            self._line("robot_note", "What this robot needs")
            with ui.HStack(height=0, spacing=GAP):
                for name in ("spawn", "play", "drive"):
                    self._button(name)

    def _recent(self) -> None:
        with self._section("recent_section", "Recent worlds", "Worlds made before"):
            self.parts["recent"] = bound.RecentRows("recent", send=self._send)

    def _worker(self) -> None:
        with (
            self._section("worker_section", "Worker environment", "The Python that does the heavy work"),
            ui.VStack(spacing=GAP, height=0),
        ):
            with bound.labelled("Python", "Interpreter of an environment with lyra-worldgen"):
                self._text("interpreter", "Interpreter of an environment with lyra-worldgen; never Kit's own")
                self._picker("browse_interpreter", width=32)
                self._button("check_interpreter", width=64)
            self._line("interpreter_note", "Result of the check")
            self._line("log_tail", "The end of the worker's log", "log")

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The tab in which a path is planned."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import viser

from lyra_core.errors import LyraError
from lyra_core.explorer.plan import Key, key_camera, key_of
from lyra_core.explorer.preview import Coverage, clearance_along, make_memory, speed_warnings
from lyra_core.explorer.shell import Shell, tall
from lyra_core.geometry import look_at, matrix_from_quat, rigid
from lyra_core.trajectory import PRESETS, path_speed
from lyra_core.trajectory.presets import Option

__all__ = ["PathPanel"]

_SOURCES = {"Preset": "preset", "Keyframes": "keys", "Loaded file": "file"}


class PathPanel:
    """Draws the plan's controls and turns them into changes of the plan."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui = shell.gui
        self._filling = False
        self._extra: list[Any] = []
        self._memory: tuple[Any, Any] | None = None
        self._playing = threading.Event()
        self.source = gui.add_dropdown("Path from", tuple(_SOURCES), initial_value="Preset")
        self.frames = gui.add_number("Frames", 81, min=2, max=2001, step=1, hint="With the last frame of the world")
        with gui.add_folder("Preset") as self.preset_folder:
            self.preset = gui.add_dropdown("Motion", tuple(PRESETS), initial_value="walk")
            self.strength = gui.add_slider("Strength", 0.1, 3.0, 0.05, 1.0)
            self.preset_keys = gui.add_button("Edit as keyframes", icon=viser.Icon.PENCIL)
        with gui.add_folder("Keyframes") as self.keys_folder:
            self._key_controls(gui)
        self.summary = gui.add_markdown("")
        with gui.add_folder("Rules", expand_by_default=False):
            self.soft = gui.add_slider(
                "Easing", 0.0, 0.5, 0.05, 0.1, hint="Share of the time to speed up and slow down"
            )
            self.clearance = gui.add_number("Clearance m", 0.35, min=0, max=5, step=0.05, hint="0 = off")
            self.walk = gui.add_checkbox("Walk at robot height", False)
            self.height = gui.add_number("Robot height m", 0.6, min=0.05, max=3, step=0.05)
            self.watch = gui.add_button("Look at a point…", icon=viser.Icon.EYE, hint="Then click it")
            self.unwatch = gui.add_button("Look freely", visible=False)
        with gui.add_folder("Preview"):
            self.scrub = gui.add_slider("Frame", 0, 80, 1, 0)
            self.play = gui.add_button_group("", ("Play", "Reverse", "Stop", "Through lens"))
            self.cover = gui.add_button("How much is known?", icon=viser.Icon.CHART_BAR)
            self.cover_text = gui.add_markdown("", visible=False)
            self.cover_image = gui.add_image(np.zeros((4, 4, 3), np.uint8), label="Least known view", visible=False)
        with gui.add_folder("Files", expand_by_default=False):
            self.load = gui.add_upload_button(
                "Load path", icon=viser.Icon.UPLOAD, hint="Lyra npz, nerfstudio JSON, TUM"
            )
            self.save = gui.add_button_group("Save", ("Lyra", "Lyra viewer", "nerfstudio", "TUM"))
        self._connect()

    def _key_controls(self, gui: viser.GuiApi) -> None:
        self.add = gui.add_button("Add view", icon=viser.Icon.CAMERA_PLUS, hint="A keyframe where you are looking from")
        self.undo = gui.add_button_group("", ("Undo", "Redo"))
        self.number: Any = gui.add_dropdown("Selected", ("none",), initial_value="none")
        self.edit = gui.add_button_group("", ("Set here", "Go there", "Duplicate", "Split", "Delete"))
        self.position = gui.add_vector3("Position m", (0.0, 0.0, 0.0), step=0.01)
        self.heading = gui.add_vector2("Yaw, pitch °", (0.0, 0.0), step=0.5)
        self.fov = gui.add_number("View angle °", 0.0, min=0, max=120, step=0.5, hint="Vertical; 0 = the photo's lens")
        self.hold = gui.add_number("Hold s", 0.0, min=0, max=60, step=0.1)
        self.pace = gui.add_number("Time ×", 1.0, min=0.1, max=10, step=0.1, hint="2 = half the speed up to here")

    def _connect(self) -> None:
        do = self.shell.guarded
        for handle in (
            self.source,
            self.frames,
            self.preset,
            self.strength,
            self.soft,
            self.clearance,
            self.walk,
            self.height,
        ):
            handle.on_update(do(lambda _: None if self._filling else self._changed()))
        for handle in (self.position, self.heading, self.fov, self.hold, self.pace):
            handle.on_update(do(lambda _: None if self._filling else self._key_changed()))
        self.preset_keys.on_click(do(lambda _: self.studio.to_keys()))
        self.add.on_click(do(lambda e: self.studio.add_key(_view_key(e.client))))
        self.undo.on_click(do(lambda e: self.studio.undo() if e.target.value == "Undo" else self.studio.redo()))
        self.number.on_update(do(lambda _: None if self._filling else self._choose()))
        self.edit.on_click(do(self._edit))
        self.watch.on_click(do(lambda _: self.studio.pick_mode("target")))
        self.unwatch.on_click(do(lambda _: self.studio.plan(replace(self.studio.state.plan.now, target=None))))
        self.scrub.on_update(do(lambda _: self._scrub()))
        self.play.on_click(do(self._play))
        self.cover.on_click(do(lambda _: self._coverage()))
        self.load.on_upload(do(lambda e: self.studio.load_path_file(e.target.value.name, e.target.value.content)))
        self.save.on_click(do(self._save))
        self.shell.drawing.on_select = self.studio.select
        self.shell.drawing.on_move = self._moved

    # Changes by the person

    def _changed(self) -> None:
        now = self.studio.state.plan.now
        name = str(self.preset.value)
        options = now.options if name == now.preset else ()
        self.studio.plan(
            replace(
                now,
                source=_SOURCES[str(self.source.value)],
                frames=int(self.frames.value),
                preset=name,
                strength=float(self.strength.value),
                options=options,
                soft=float(self.soft.value),
                clearance=float(self.clearance.value),
                walk_height=float(self.height.value) if self.walk.value else None,
            )
        )

    def _option_changed(self, name: str, option: Option, value: Any) -> None:
        now = self.studio.state.plan.now
        kept = {k: v for k, v in now.options if k != name}
        if value not in ("", None):
            kept[name] = option.read(now.preset, name, value)
        self.studio.plan(replace(now, options=tuple(sorted(kept.items()))))

    def _key_changed(self) -> None:
        index = self.studio.state.selected
        if index is None:
            return
        x, y, z = (float(v) for v in self.position.value)
        yaw, pitch = (math.radians(float(v)) for v in self.heading.value)
        key = self.studio.state.plan.now.keys[index]
        pose = _level_pose(np.array([x, y, z]), yaw, pitch)
        old = _angles(key)
        turned = max(abs(a - b) for a, b in zip(old, self.heading.value, strict=True)) > 1e-3
        wxyz = key_of(pose).wxyz if turned else key.wxyz
        fov = float(self.fov.value) or None
        values = {"hold": float(self.hold.value), "pace": float(self.pace.value)}
        self.studio.plan(self.studio.state.plan.now.changed(index, position=(x, y, z), wxyz=wxyz, fov=fov, **values))

    def _moved(self, index: int, position: np.ndarray, wxyz: np.ndarray) -> None:
        x, y, z = (float(v) for v in position)
        w, i, j, k = (float(v) for v in wxyz)
        self.studio.plan(self.studio.state.plan.now.changed(index, position=(x, y, z), wxyz=(w, i, j, k)))

    def _choose(self) -> None:
        text = str(self.number.value)
        self.studio.select(int(text) - 1 if text.isdigit() else None)

    def _edit(self, event: Any) -> None:
        index, plan = self.studio.state.selected, self.studio.state.plan.now
        if index is None:
            self.shell.warn("Select a keyframe first: click its frustum.")
            return
        action = event.target.value
        if action == "Set here":
            key = _view_key(event.client)
            self.studio.plan(plan.changed(index, position=key.position, wxyz=key.wxyz))
        elif action == "Go there" and self.studio.anchor is not None:
            self.shell.look_through(event.client, key_camera(plan.keys[index], self.studio.anchor))
        elif action == "Duplicate":
            self.studio.plan(plan.duplicated(index), select=index + 1)
        elif action == "Split":
            self.studio.split_key(index)
        elif action == "Delete":
            self.studio.plan(plan.without(index))

    # Preview

    def _scrub(self) -> None:
        views = self.studio.views
        if views is not None:
            self.shell.drawing.ghost(views.path[min(int(self.scrub.value), len(views.path) - 1)])

    def _play(self, event: Any) -> None:
        self._playing.set()
        views = self.studio.views
        if views is None or event.target.value == "Stop":
            return
        if event.target.value == "Through lens":
            self.shell.look_through(event.client, views.path[min(int(self.scrub.value), len(views.path) - 1)])
            return
        self._playing = threading.Event()
        threading.Thread(target=self._run, args=(self._playing, event.target.value == "Reverse"), daemon=True).start()

    def _run(self, stop: threading.Event, backward: bool) -> None:
        views = self.studio.views
        if views is None:
            return
        count, fps, began = len(views.path), views.path.fps, time.monotonic()
        while not stop.wait(1 / 20):
            at = int((time.monotonic() - began) * fps)
            if at >= count:
                return
            self.scrub.value = count - 1 - at if backward else at

    def _coverage(self) -> None:
        studio = self.studio
        if studio.views is None or studio.frames is None:
            return
        self.cover_text.visible, self.cover_text.content = True, "Looking…"
        if self._memory is None or self._memory[0] is not studio.frames:
            self._memory = (studio.frames, make_memory(studio.frames))
        found = Coverage.of(self._memory[1], studio.views.path)
        self.cover_text.content = (
            f"`{found.bars()}` {100 * (1 - found.invented):.0f} % of what the path looks at is known. "
            f"The least known view is frame {found.frames[int(np.argmin(found.known))]} "
            f"({100 * min(found.known):.0f} %); what will be invented is pink."
        )
        self.cover_image.image, self.cover_image.visible = found.picture, True

    def _save(self, event: Any) -> None:
        name, data = self.studio.saved_path(
            {"Lyra": "lyra", "Lyra viewer": "gui", "nerfstudio": "nerfstudio", "TUM": "tum"}[event.target.value]
        )
        event.client.send_file_download(name, data)

    # The state to the controls

    def refresh(self) -> None:
        """Show the present plan."""
        plan, studio = self.studio.state.plan.now, self.studio
        self._filling = True
        try:
            names = {v: k for k, v in _SOURCES.items()}
            self.source.value = names[plan.source]
            self.frames.value, self.soft.value, self.clearance.value = plan.frames, plan.soft, plan.clearance
            self.strength.value = plan.strength
            if self.preset.value != plan.preset or not self._extra:
                self.preset.value = plan.preset
                self._options(plan.preset, dict(plan.options))
            self.walk.value = plan.walk_height is not None
            self.preset_folder.visible = plan.source == "preset"
            self.keys_folder.visible = plan.source == "keys"
            self.unwatch.visible = plan.target is not None
            self.height.visible = plan.walk_height is not None
            numbers = tuple(str(i + 1) for i in range(len(plan.keys)))
            if self.number.options != ("none", *numbers):
                self.number.options = ("none", *numbers)
            at = studio.state.selected
            self.number.value = "none" if at is None else str(at + 1)
            for handle in (self.edit, self.position, self.heading, self.fov, self.hold, self.pace):
                handle.visible = at is not None
            if at is not None:
                key = plan.keys[at]
                self.position.value, self.heading.value = key.position, _angles(key)
                self.fov.value, self.hold.value, self.pace.value = key.fov or 0.0, key.hold, key.pace
            if studio.views is not None:
                self.scrub.max = max(1, len(studio.views.path) - 1)
        finally:
            self._filling = False
        self.cover_text.visible = self.cover_image.visible = False
        self.summary.content = self._summary()

    def _options(self, name: str, values: dict[str, Any]) -> None:
        for handle in self._extra:
            handle.remove()
        self._extra = []
        gui = self.shell.gui
        with self.preset_folder:
            for key, option in PRESETS[name].options.items():
                if key == "clearance":
                    continue
                label, given = key.replace("_", " ").capitalize(), values.get(key, option.default)
                if option.choices:
                    handle: Any = gui.add_dropdown(label, option.choices, initial_value=str(given), hint=option.help)
                elif isinstance(option.default, bool):
                    handle = gui.add_checkbox(label, bool(given), hint=option.help)
                else:
                    handle = gui.add_text(label, "" if given is None else f"{given:g}", hint=tall(option.help))
                handle.on_update(
                    self.shell.guarded(
                        lambda e, k=key, o=option: None if self._filling else self._option_changed(k, o, e.target.value)
                    )
                )
                self._extra.append(handle)

    def _summary(self) -> str:
        studio = self.studio
        if studio.views is None:
            return studio.problem
        path = studio.views.path
        speed = path_speed(path)
        lines = [
            f"{len(path) - 1} new frames, {speed.length:.2f} m, {speed.turn_deg:.0f}° of turns, {len(path) / path.fps:.1f} s"
        ]
        if studio.scene is not None:
            gap = float(clearance_along(path, studio.scene.points).min())
            lines.append("nothing seen is near" if not math.isfinite(gap) else f"closest to anything seen: {gap:.2f} m")
        lines += [f"⚠ {text}" for text in speed_warnings(path)]
        lines += list(studio.views.messages)
        return "  \n".join(lines)


def _view_key(client: viser.ClientHandle) -> Key:
    """A keyframe at the view of a tab."""
    turn = matrix_from_quat(np.asarray(client.camera.wxyz, dtype=np.float64))
    return key_of(rigid(turn, np.asarray(client.camera.position, dtype=np.float64)))


def _angles(key: Key) -> tuple[float, float]:
    """Yaw and pitch [deg] of a keyframe; yaw 0 looks along +y, positive turns left."""
    forward = matrix_from_quat(np.asarray(key.wxyz, dtype=np.float64))[:, 2]
    yaw = math.degrees(math.atan2(-forward[0], forward[1]))
    return round(yaw, 3), round(math.degrees(math.asin(max(-1.0, min(1.0, float(forward[2]))))), 3)


def _level_pose(center: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    forward = np.array([-math.sin(yaw) * math.cos(pitch), math.cos(yaw) * math.cos(pitch), math.sin(pitch)])
    with contextlib.suppress(LyraError):
        return look_at(center, center + forward)
    return rigid(np.eye(3), center)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The keyframes of a path: add by looking, select by clicking, move with a gizmo or by numbers, retime, record a walk."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import viser

from lyra_core.errors import LyraError
from lyra_core.explorer.plan import Key, key_camera, key_of
from lyra_core.explorer.shell import Shell
from lyra_core.explorer.walk import Recorder
from lyra_core.geometry import look_at, matrix_from_quat, rigid

__all__ = ["KeysPanel", "view_key"]


class KeysPanel:
    """Draws the keyframes' controls; used inside a folder of the path's tab."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui = shell.gui
        self._filling = False
        self.recorder = Recorder(lambda key: self.studio.add_key(key))
        self.help = gui.add_markdown("Fly to a view with the mouse or W A S D Q E, then add it.")
        self.add = gui.add_button("Add this view", icon=viser.Icon.CAMERA_PLUS, hint="A keyframe where you look from")
        self.record = gui.add_button(
            "Record my way", icon=viser.Icon.PLAYER_RECORD, color="gray", hint="A keyframe every half metre or 25°"
        )
        self.number: Any = gui.add_dropdown("Keyframe", ("none",), initial_value="none", hint="Or click its frustum")
        self.edit = gui.add_button_group("", ("Set here", "Go there", "Duplicate"))
        self.edit_more = gui.add_button_group("", ("Split", "Delete"))
        self.position = gui.add_vector3("Position (m)", (0.0, 0.0, 0.0), step=0.01)
        self.heading = gui.add_vector2("Yaw, pitch (°)", (0.0, 0.0), step=0.5, hint="Yaw 0 is +y, left is positive")
        self.fov = gui.add_number("View angle (°)", 0.0, min=0, max=120, step=0.5, hint="Vertical; 0 = photo's lens")
        self.hold = gui.add_number("Rest here (s)", 0.0, min=0, max=60, step=0.1)
        self.pace = gui.add_number("Time ×", 1.0, min=0.1, max=10, step=0.1, hint="2 = half the speed up to here")
        self._connect()

    def _connect(self) -> None:
        do = self.shell.guarded
        for handle in (self.position, self.heading, self.fov, self.hold, self.pace):
            handle.on_update(do(lambda _: None if self._filling else self._changed()))
        self.add.on_click(do(lambda e: self.studio.add_key(view_key(e.client))))
        self.record.on_click(do(self._record))
        self.number.on_update(do(lambda _: None if self._filling else self._choose()))
        self.edit.on_click(do(self._edit))
        self.edit_more.on_click(do(self._edit))
        self.shell.drawing.on_select = self.studio.select
        self.shell.drawing.on_move = self._moved

    def _record(self, event: Any) -> None:
        if self.recorder.running:
            self.recorder.stop(view_key(event.client))
        else:
            self.studio.select(None)
            self.recorder.start(event.client, view_key)
        self.record.label = "Stop recording" if self.recorder.running else "Record my way"
        self.record.color = "red" if self.recorder.running else "gray"

    def _changed(self) -> None:
        index, now = self.studio.state.selected, self.studio.state.plan.now
        if index is None:
            return
        x, y, z = (float(v) for v in self.position.value)
        yaw, pitch = (math.radians(float(v)) for v in self.heading.value)
        key = now.keys[index]
        pose = _level_pose(np.array([x, y, z]), yaw, pitch)
        turned = max(abs(a - b) for a, b in zip(_angles(key), self.heading.value, strict=True)) > 1e-3
        wxyz = key_of(pose).wxyz if turned else key.wxyz
        fov = float(self.fov.value) or None
        values = {"hold": float(self.hold.value), "pace": float(self.pace.value)}
        self.studio.plan(now.changed(index, position=(x, y, z), wxyz=wxyz, fov=fov, **values))

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
            self.shell.warn("Select a keyframe first: click its frustum.", event.client)
            return
        action = event.target.value
        if action == "Set here":
            key = view_key(event.client)
            self.studio.plan(plan.changed(index, position=key.position, wxyz=key.wxyz))
        elif action == "Go there" and self.studio.anchor is not None:
            self.shell.look_through(event.client, key_camera(plan.keys[index], self.studio.anchor))
        elif action == "Duplicate":
            self.studio.plan(plan.duplicated(index), select=index + 1)
        elif action == "Split":
            self.studio.split_key(index)
        elif action == "Delete":
            self.studio.plan(plan.without(index))

    def refresh(self) -> None:
        """Show the selected keyframe."""
        plan, at = self.studio.state.plan.now, self.studio.state.selected
        if at is not None and at >= len(plan.keys):
            at = None
        self._filling = True
        try:
            numbers = ("none", *(str(i + 1) for i in range(len(plan.keys))))
            if self.number.options != numbers:
                self.number.options = numbers
            self.number.value = "none" if at is None else str(at + 1)
            self.number.visible = len(plan.keys) > 0
            for handle in (self.edit, self.edit_more, self.position, self.heading, self.fov, self.hold, self.pace):
                handle.visible = at is not None
            if at is not None:
                key = plan.keys[at]
                self.position.value, self.heading.value = key.position, _angles(key)
                self.fov.value, self.hold.value, self.pace.value = key.fov or 0.0, key.hold, key.pace
        finally:
            self._filling = False


def view_key(client: viser.ClientHandle) -> Key:
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

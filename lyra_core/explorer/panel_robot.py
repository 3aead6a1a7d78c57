# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The tabs for the robot and for the exports."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import viser

from lyra_core.explorer.shell import Shell
from lyra_core.pipeline.export import EXPORTS

__all__ = ["ExportPanel", "RobotPanel"]


class RobotPanel:
    """Start, goal, drive, watch."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui, do = shell.gui, shell.guarded
        self.pick = gui.add_button("Click start and goal", icon=viser.Icon.MAP_PIN)
        self.start = gui.add_vector2("Start m", (0.0, 0.0), step=0.05)
        self.goal = gui.add_vector2("Goal m", (0.0, 0.0), step=0.05)
        self.text = gui.add_markdown("")
        self.drive = gui.add_button("Drive in PhysX", icon=viser.Icon.ROBOT, color="blue")
        self.watch = gui.add_button("Watch again", icon=viser.Icon.PLAYER_PLAY)
        self._filling = False
        self.pick.on_click(do(lambda _: self._pick()))
        for handle in (self.start, self.goal):
            handle.on_update(do(lambda _: self._typed()))
        self.drive.on_click(do(lambda _: self.studio.drive()))
        self.watch.on_click(do(lambda _: shell.drawing.robot() or shell.warn("There is no drive yet.")))

    def _pick(self) -> None:
        if not self.shell.drawing.shown["Map"]:
            self.shell.drawing.show("Map", True)
        self.studio.pick_mode("start")

    def _typed(self) -> None:
        if not self._filling:
            x, y = self.start.value
            u, v = self.goal.value
            self.studio.start, self.studio.goal = (float(x), float(y)), (float(u), float(v))
            self.studio.pick_mode("")

    def refresh(self) -> None:
        """The picked places."""
        self._filling = True
        try:
            for handle, at in ((self.start, self.studio.start), (self.goal, self.studio.goal)):
                if at is not None:
                    handle.value = at
        finally:
            self._filling = False
        mode = self.studio.mode
        self.text.content = f"Click the {mode} on the floor." if mode in ("start", "goal") else self.studio.message


class ExportPanel:
    """One button for each export."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui, do = shell.gui, shell.guarded
        for kind, entry in EXPORTS.items():
            button = gui.add_button(kind, hint=entry.text)
            button.on_click(do(lambda _, k=kind: self.studio.export(k)))
        self.page = gui.add_button("Web page without a server", icon=viser.Icon.WORLD)
        self.page.on_click(do(lambda _: self.studio.embed()))
        self.files: Any = gui.add_dropdown("Files", ("none yet",), initial_value="none yet")
        self.download = gui.add_button("Download", icon=viser.Icon.DOWNLOAD)
        self.download.on_click(do(self._send))
        self._made: dict[str, Path] = {}

    def refresh_job(self) -> None:
        """Files of a finished export."""
        job = self.studio.job
        if job is None or job.status != "done" or job.request.get("job") not in ("export", "embed"):
            return
        for name in job.files:
            self._made[Path(name).name] = Path(name)
        self.files.options = tuple(self._made) or ("none yet",)
        self.files.value = next(reversed(self._made), "none yet")

    def _send(self, event: Any) -> None:
        file = self._made.get(str(self.files.value))
        if file is None:
            self.shell.warn("Export something first.")
            return
        folder = file.parent
        if folder.name == "exports":
            event.client.send_file_download(file.name, file.read_bytes())
            return
        with tempfile.TemporaryDirectory() as scratch:  # exports of several files go as one archive
            packed = Path(shutil.make_archive(str(Path(scratch) / folder.name), "zip", folder))
            event.client.send_file_download(packed.name, packed.read_bytes())

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The tab for the robot: start, goal, drive, watch."""

from __future__ import annotations

import viser

from lyra_core.explorer.content import read_spawns
from lyra_core.explorer.shell import Shell

__all__ = ["RobotPanel"]


class RobotPanel:
    """A drive from a clicked start to a clicked goal."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui, do = shell.gui, shell.guarded
        self.text = gui.add_markdown("")
        self.pick_start = gui.add_button("Click the start", icon=viser.Icon.MAP_PIN, color="gray")
        self.start = gui.add_vector2("Start (m)", (0.0, 0.0), step=0.05)
        self.pick_goal = gui.add_button("Click the goal", icon=viser.Icon.FLAG, color="gray")
        self.goal = gui.add_vector2("Goal (m)", (0.0, 0.0), step=0.05)
        self.drive = gui.add_button("Drive in PhysX", icon=viser.Icon.ROBOT, color="green")
        self.watch = gui.add_button("Watch again", icon=viser.Icon.PLAYER_PLAY, color="gray")
        self._filling = False
        self.pick_start.on_click(do(lambda _: self._pick("start")))
        self.pick_goal.on_click(do(lambda _: self._pick("goal")))
        self.start.on_update(do(lambda _: self._typed()))
        self.goal.on_update(do(lambda _: self._typed()))
        self.drive.on_click(do(lambda _: self.studio.orders.drive()))
        self.watch.on_click(do(lambda _: shell.drawing.robot() or shell.warn("There is no drive yet.")))

    def _pick(self, mode: str) -> None:
        if not self.shell.drawing.shown["Map"]:
            self.shell.drawing.show("Map", True)
        self.studio.clicks.want(mode)

    def _typed(self) -> None:
        if not self._filling:
            x, y = self.start.value
            u, v = self.goal.value
            self.studio.clicks.set_route((float(x), float(y)), (float(u), float(v)))

    def settle(self) -> None:
        """A world was opened: its first spawn pose is where a drive starts if nobody says otherwise."""
        clicks, folder = self.studio.clicks, self.studio.folder
        if folder is not None and clicks.start is None:
            spawns = read_spawns(folder)
            if spawns:
                clicks.start = (spawns[0][0], spawns[0][1])
        self.refresh()

    def refresh(self) -> None:
        """The picked places and the way between them."""
        clicks = self.studio.clicks
        self._filling = True
        try:
            for handle, at in ((self.start, clicks.start), (self.goal, clicks.goal)):
                if at is not None:
                    handle.value = at
        finally:
            self._filling = False
        ready = clicks.start is not None
        for handle in (self.pick_start, self.start, self.pick_goal, self.goal, self.watch):
            handle.disabled = not ready
        self.drive.disabled = self.shell.busy or clicks.start is None or clicks.goal is None
        self.text.content = self._hint()

    def _hint(self) -> str:
        clicks = self.studio.clicks
        if clicks.mode in ("start", "goal"):
            return f"**Click the {clicks.mode} on the floor.** Green is free, red is occupied."
        if clicks.start is None:
            return "A robot needs a world that is built: generate a path first."
        if clicks.goal is None:
            return "Click where the robot should go. It starts at the first spawn pose."
        return self.studio.message

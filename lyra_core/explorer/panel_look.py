# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The tab for what is drawn and from where."""

from __future__ import annotations

import numpy as np
import viser

from lyra_core.explorer.content import read_spawns
from lyra_core.explorer.drawing import LAYERS, seed_view
from lyra_core.explorer.shell import Shell
from lyra_core.explorer.walk import Walker

__all__ = ["LookPanel"]

_HINTS = {
    "Points": "What one frame saw",
    "Splats": "The world as Gaussians",
    "Mesh": "The surface with its colours",
    "Colliders": "What a robot can bump into",
    "Map": "Green is free, red is occupied, nothing is unknown",
    "Cameras": "Views that were made",
    "Spawn poses": "Where a robot can start",
}


class LookPanel:
    """Layers, viewpoints, walking, brightness of the page."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui, do = shell.gui, shell.guarded
        self.walker = Walker()
        self.home = gui.add_button_group("View", ("Overview", "Photo", "Top"))
        with gui.add_folder("Walk"):
            self.height = gui.add_number("Eye height (m)", 0.6, min=0.05, max=3.0, step=0.05, hint="0.6 is a robot's")
            self.walk = gui.add_button("Walk here", icon=viser.Icon.WALK)
            self.fly = gui.add_button("Fly again", icon=viser.Icon.PLANE, color="gray")
            gui.add_markdown("W A S D walk, dragging or the arrow keys look around. Each tab walks for itself.")
        with gui.add_folder("Layers"):
            self.layers = {}
            for name in LAYERS:
                box = gui.add_checkbox(name, shell.drawing.shown[name], hint=_HINTS[name])
                box.on_update(do(lambda e, n=name: self.show(n, bool(e.target.value))))
                self.layers[name] = box
            self.frame = gui.add_slider("Points of frame", 0, 1, 1, 0)
        self.dark = gui.add_checkbox("Dark page", True)
        self.frame.on_update(do(lambda _: self._frame()))
        self.home.on_click(do(lambda e: self._view(e.client, str(e.target.value))))
        self.walk.on_click(do(lambda e: self._walk(e.client)))
        self.fly.on_click(do(lambda e: self._view(e.client, "Overview")))

    def _frame(self) -> None:
        self.shell.drawing.cloud_frame = int(self.frame.value)
        self.shell.drawing.world()

    def show(self, layer: str, visible: bool) -> None:
        """Switch a layer, its checkbox with it."""
        if self.shell.drawing.shown[layer] != visible:
            self.shell.drawing.show(layer, visible)
        if self.layers[layer].value != visible:
            self.layers[layer].value = visible

    def _walk(self, client: viser.ClientHandle | None) -> None:
        frames, folder = self.studio.frames, self.studio.folder
        if client is None or not frames or folder is None:
            return
        here = np.asarray(client.camera.position[:2], np.float64)
        spots = [np.asarray(s[:2]) for s in read_spawns(folder)] or [frames[0].camera.center[:2]]
        nearest = min(spots, key=lambda s: float(np.linalg.norm(s - here)))
        spot = here if float(np.linalg.norm(nearest - here)) < 1.0 else nearest
        self.walker.start(client, float(self.height.value), spot)

    def _view(self, client: viser.ClientHandle | None, name: str) -> None:
        frames = self.studio.frames
        if client is None or not frames:
            return
        self.walker.stop(client)
        camera, first = client.camera, frames[0].camera
        if name == "Photo":
            self.shell.look_through(client, first)
            return
        position, look = seed_view(first)
        if name == "Top":
            look = first.center + 3.0 * first.forward
            position = np.array([look[0], look[1] - 0.01, 12.0])
        with client.atomic():
            camera.fov = np.radians(60.0)
            camera.up_direction = (0.0, 0.0, 1.0)
            camera.position, camera.look_at = position, look

    def refresh(self) -> None:
        """The number of frames."""
        if self.studio.frames is not None:
            self.frame.max = max(1, len(self.studio.frames) - 1)
            self.frame.visible = len(self.studio.frames) > 1

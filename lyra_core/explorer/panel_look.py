# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The tab for what is drawn and from where."""

from __future__ import annotations

import numpy as np
import viser

from lyra_core.explorer.content import read_spawns
from lyra_core.explorer.drawing import LAYERS
from lyra_core.explorer.shell import NEAR, Shell
from lyra_core.explorer.slicing import Slicer
from lyra_core.explorer.views import seed_view, top_view
from lyra_core.explorer.walk import Walker
from lyra_core.explorer.walls import Walls, walls_of

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
_OVER_CAMERAS = 0.3  # m that the top view shows over the highest camera; the ceiling is cut off
_DETAILS = {"Automatic": "auto", "Points": "points", "Few splats": "coarse", "All splats": "full"}


class LookPanel:
    """Layers, viewpoints, walking, brightness of the page."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui, do = shell.gui, shell.guarded
        self.walker = Walker(self._walls)
        self.slicer = Slicer(NEAR)
        self._seen: tuple[object, float, Walls] | None = None
        self.home = gui.add_button_group("View", ("Overview", "Photo", "Top"))
        with gui.add_folder("Walk"):
            self.height = gui.add_number("Eye height (m)", 0.6, min=0.05, max=3.0, step=0.05, hint="0.6 is a robot's")
            self.walk = gui.add_button("Walk here", icon=viser.Icon.WALK)
            self.fly = gui.add_button("Fly again", icon=viser.Icon.PLANE, color="gray")
            gui.add_markdown(
                "W A S D walk, dragging or the arrow keys look around. Walls that were seen stop you; places that nobody "
                "has seen do not. Each tab walks for itself."
            )
        with gui.add_folder("Layers"):
            self.layers = {}
            for name in LAYERS:
                box = gui.add_checkbox(name, shell.drawing.shown[name], hint=_HINTS[name])
                box.on_update(do(lambda e, n=name: self.show(n, bool(e.target.value))))
                self.layers[name] = box
            self.detail = gui.add_dropdown("Splats as", tuple(_DETAILS), hint="Automatic: points where a page is slow")
            self.frame = gui.add_slider("Points of frame", 0, 1, 1, 0)
        self.dark = gui.add_checkbox("Dark page", True)
        self.frame.on_update(do(lambda _: self._frame()))
        self.detail.on_update(do(lambda _: shell.drawing.splats.choose(_DETAILS[str(self.detail.value)])))
        self.home.on_click(do(lambda e: self._view(e.client, str(e.target.value))))
        self.walk.on_click(do(lambda e: self._walk(e.client)))
        self.fly.on_click(do(lambda e: self._view(e.client, "Overview")))

    def _frame(self) -> None:
        self.shell.drawing.cloud_frame = int(self.frame.value)
        self.shell.drawing.show("Points", self.shell.drawing.shown["Points"])

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
        walls = self._walls(float(self.height.value))
        stands = walls is not None and walls.floor_at(here)
        spot = here if stands or float(np.linalg.norm(nearest - here)) < 1.0 else nearest
        self.slicer.stop(client)
        client.camera.near = NEAR
        self.walker.start(client, float(self.height.value), spot)

    def _walls(self, height: float) -> Walls | None:
        """What an eye at this height [m] bumps into in the open world; worked out once."""
        frames, folder, scene = self.studio.frames, self.studio.folder, self.studio.scene
        if frames is None or folder is None or scene is None:
            return None
        if self._seen is None or self._seen[0] is not frames or self._seen[1] != height:
            self._seen = (frames, height, walls_of(folder, scene.points, height))
        return self._seen[2]

    def _highest(self) -> float:
        """Height [m] of the highest camera: of the photo, the last frame, and the planned path; at least a table's."""
        views, anchor, frames = self.studio.views, self.studio.anchor, self.studio.frames
        heights = [0.9] if views is None else [0.9, float(views.path.centers[:, 2].max())]
        heights += [float(camera.center[2]) for camera in (anchor, frames[0].camera if frames else None) if camera]
        return max(heights)

    def _view(self, client: viser.ClientHandle | None, name: str) -> None:
        frames = self.studio.frames
        if client is None or not frames:
            return
        self.walker.stop(client)
        self.slicer.stop(client)
        camera, first = client.camera, frames[0].camera
        if name == "Photo":
            self.shell.look_through(client, first)
            return
        position, look = seed_view(first)
        if name == "Top" and self.studio.scene is not None:
            position, look = top_view(self.studio.scene.points)
        with client.atomic():
            camera.near = NEAR
            camera.fov = np.radians(60.0)
            camera.up_direction = (0.0, 0.0, 1.0)
            camera.position, camera.look_at = position, look
        if name == "Top":
            self.slicer.start(client, self._highest() + _OVER_CAMERAS)

    def refresh(self) -> None:
        """The number of frames."""
        if self.studio.frames is not None:
            self.frame.max = max(1, len(self.studio.frames) - 1)
            self.frame.visible = len(self.studio.frames) > 1

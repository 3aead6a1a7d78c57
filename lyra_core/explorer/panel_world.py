# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The tabs for the photo, the run with its history, and what is drawn."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import viser

from lyra_core.explorer.drawing import LAYERS, seed_view
from lyra_core.explorer.shell import Shell
from lyra_core.explorer.tree import tree_lines
from lyra_core.world import read_manifest

__all__ = ["LookPanel", "MakePanel", "PhotoPanel", "StatusPanel"]

_BLANK = np.zeros((4, 4, 3), np.uint8)


class StatusPanel:
    """The strip above the tabs: which world this is, and what is being done."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui = shell.gui
        self.world = gui.add_markdown("**No world yet.** Start from a photo.")
        self.job = gui.add_markdown("", visible=False)
        self.bar = gui.add_progress_bar(0.0, visible=False)
        self.image = gui.add_image(_BLANK, label="Frame being made", visible=False)
        self.stop = gui.add_button("Cancel", icon=viser.Icon.PLAYER_STOP, color="red", visible=False)
        self.stop.on_click(shell.guarded(lambda _: self.studio.runner.cancel()))

    def refresh_world(self) -> None:
        """Name, frames, scale and height of the open world."""
        folder, frames = self.studio.folder, self.studio.frames
        if folder is None or frames is None:
            return
        view = read_manifest(folder).seed_view
        height = float(frames[0].camera.center[2])
        guess = " (a guess: measure a length)" if view.get("scale_is_a_guess") else f" ({view.get('scale_source', '')})"
        self.world.content = f"**{folder.name}** · {len(frames)} frame(s) · camera {height:.2f} m high{guess}"

    def refresh_job(self) -> None:
        """The running job, or how the last one ended."""
        job, waiting = self.studio.job, self.studio.runner.waiting
        if job is None:
            return
        busy = not job.ended
        self.bar.visible = self.stop.visible = busy
        self.image.visible = busy and self.studio.preview is not None
        self.job.visible = True
        more = f" · {len(waiting)} waiting" if waiting else ""
        if busy:
            share = f" {job.done}/{job.total}" if job.total else ""
            left = f" · {job.eta:.0f} s left" if job.eta is not None else ""
            self.job.content = f"{job.title}: {job.stage or 'starting'}{share}{left}{more}"
            self.bar.value = 100.0 * min(1.0, job.done / job.total) if job.total else 0.0
            self.bar.animated = not job.total
        else:
            words = {"done": "done" if job.passed else "done, but a check FAILED", "cancelled": "cancelled"}
            self.job.content = f"{job.title}: {words.get(job.status, '**' + job.error + '**')}{more}"

    def refresh_frame(self) -> None:
        """The newest frame."""
        if self.studio.preview is None:
            return
        index, jpeg = self.studio.preview
        self.image.image = _decoded(jpeg)
        self.image.label = f"Frame {index}"
        self.image.visible = True


def _decoded(jpeg: str) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(jpeg))) as image:
        return np.asarray(image.convert("RGB"))


class PhotoPanel:
    """Start from a photo; set the scale by a length; set gravity by the floor."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui, do = shell.gui, shell.guarded
        self.upload = gui.add_upload_button("Choose or drop a photo", icon=viser.Icon.PHOTO_UP, mime_type="image/*")
        self.path = gui.add_text("File on the server", "", hint="A photo or a world folder")
        self.open = gui.add_button("Open", icon=viser.Icon.FOLDER_OPEN)
        with gui.add_folder("Scale"):
            self.measure = gui.add_button("Click two points", icon=viser.Icon.RULER_MEASURE)
            self.length = gui.add_number("Their distance m", 1.0, min=0.001, step=0.01)
            self.apply = gui.add_button("Set the scale")
        with gui.add_folder("Gravity"):
            self.floor = gui.add_button("Click the floor", icon=viser.Icon.POINTER, hint="Three clicks, far apart")
            self.level = gui.add_button("Make it level")
        self.picked = gui.add_markdown("")
        self.upload.on_upload(do(lambda e: self.studio.upload_photo(e.target.value.name, e.target.value.content)))
        self.open.on_click(do(self._open))
        self.measure.on_click(do(lambda _: self.studio.pick_mode("measure")))
        self.floor.on_click(do(lambda _: self.studio.pick_mode("floor")))
        self.apply.on_click(do(lambda _: self.studio.measure(float(self.length.value))))
        self.level.on_click(do(lambda _: self.studio.level()))

    def _open(self, _: Any) -> None:
        file = Path(str(self.path.value)).expanduser()
        if file.is_dir():
            self.studio.open_world(file)
        else:
            self.studio.start_photo(file)

    def refresh(self) -> None:
        """How many points were clicked."""
        mode, picks = self.studio.mode, self.studio.picks
        text = {"measure": "Click two points of the photo's cloud", "floor": "Click floor points"}.get(mode, "")
        if mode == "measure" and len(picks) == 2:
            gap = float(np.linalg.norm(np.subtract(picks[0], picks[1])))
            text = f"{gap:.2f} m at the present scale"
        elif text:
            text = f"{text} ({len(picks)} so far)"
        self.picked.content = text


class MakePanel:
    """Generate, caption, history."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui, do = shell.gui, shell.guarded
        self.caption = gui.add_text("Caption", "", multiline=True, hint="For models that read text")
        self.generate = gui.add_button("Generate this path", icon=viser.Icon.PLAYER_PLAY, color="blue")
        self.resume = gui.add_button("Go on with the stopped run", visible=False)
        self.build = gui.add_button("Build splats and meshes", visible=False)
        self.check = gui.add_button("Check in PhysX", icon=viser.Icon.CHECKS)
        self.notes = gui.add_markdown("")
        with gui.add_folder("History"):
            self.tree = gui.add_markdown("")
            self.open: Any = gui.add_dropdown("Open", ("",), initial_value="")
            self.step: Any = gui.add_dropdown("Branch after", ("photo",), initial_value="photo")
            self.actions = gui.add_button_group("", ("Branch", "Take back", "Keep"))
        with gui.add_folder("First against return", expand_by_default=False):
            self.first = gui.add_slider("First", 0, 1, 1, 0)
            self.second = gui.add_slider("Return", 0, 1, 1, 1)
            self.blend = gui.add_slider("Wipe %", 0, 100, 1, 50)
            self.compare = gui.add_image(_BLANK, visible=False)
        self.caption.on_update(do(lambda _: self.studio.caption(str(self.caption.value))))
        self.generate.on_click(do(lambda _: self.studio.generate()))
        self.resume.on_click(do(lambda _: self.studio.resume()))
        self.build.on_click(do(lambda _: self.studio.rebuild()))
        self.check.on_click(do(lambda _: self.studio.check()))
        self.open.on_update(do(lambda _: self._open()))
        self.actions.on_click(do(self._act))
        for handle in (self.first, self.second, self.blend):
            handle.on_update(do(lambda _: self._compare()))
        self._filling = False

    def _open(self) -> None:
        folder = self.studio.folder
        if not self._filling and folder is not None and self.open.value not in ("", folder.name):
            self.studio.open_world(folder.parent / str(self.open.value))

    def _act(self, event: Any) -> None:
        if event.target.value == "Branch":
            self.studio.branch(self.step.options.index(str(self.step.value)) + 1)
        elif event.target.value == "Take back":
            self.studio.take_back()
        else:
            self.studio.keep(not self.studio.state.kept)

    def _compare(self) -> None:
        frames = self.studio.frames
        if self._filling or frames is None or len(frames) < 2:
            return
        a, b = (frames[min(int(h.value), len(frames) - 1)].rgb for h in (self.first, self.second))
        cut = int(a.shape[1] * int(self.blend.value) / 100)
        picture = np.rint(np.concatenate([a[:, :cut], b[:, cut:]], axis=1) * 255).astype(np.uint8)
        if 0 < cut < a.shape[1]:
            picture[:, max(0, cut - 1) : cut + 1] = 255
        self.compare.image, self.compare.visible = picture, True

    def refresh(self) -> None:
        """The tree and what can be done."""
        studio = self.studio
        if studio.folder is None or studio.frames is None:
            return
        self._filling = True
        try:
            nodes = studio.tree()
            self.tree.content = tree_lines(nodes, studio.folder.name)
            names = tuple(n.name for n in nodes) or ("",)
            if self.open.options != names:
                self.open.options = names
            self.open.value = studio.folder.name
            here = next((n for n in nodes if n.name == studio.folder.name), None)
            if here is not None:
                steps = ("photo", *(f"{i}: {s.path} to frame {s.stop - 1}" for i, s in enumerate(here.segments[1:], 1)))
                if self.step.options != steps:
                    self.step.options = steps
                self.step.value = steps[-1]
                self.build.visible = not here.built and here.frames > 1 and not studio.unfinished()
            self.resume.visible = studio.unfinished()
            self.caption.value = studio.state.caption
            last = len(studio.frames) - 1
            for handle in (self.first, self.second):
                handle.max = max(1, last)
            self.second.value = max(1, last)
        finally:
            self._filling = False

    def refresh_job(self) -> None:
        """What the last job said."""
        job = self.studio.job
        if job is not None:
            self.notes.content = "  \n".join(job.notes[-6:])


class LookPanel:
    """What is drawn, and from where."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui, do = shell.gui, shell.guarded
        self.layers = {}
        for name in LAYERS:
            box = gui.add_checkbox(name, shell.drawing.shown[name])
            box.on_update(do(lambda e, n=name: shell.drawing.show(n, bool(e.target.value))))
            self.layers[name] = box
        self.frame = gui.add_slider("Points of frame", 0, 1, 1, 0)
        self.frame.on_update(do(lambda _: self._frame()))
        self.home = gui.add_button_group("View", ("Overview", "Photo", "Robot height", "Top"))
        self.home.on_click(do(self._view))
        self.dark = gui.add_checkbox("Dark", True)

    def _frame(self) -> None:
        self.shell.drawing.cloud_frame = int(self.frame.value)
        self.shell.drawing.world()

    def _view(self, event: Any) -> None:
        frames, camera = self.studio.frames, event.client.camera
        if not frames:
            return
        first = frames[0].camera
        if event.target.value == "Photo":
            self.shell.look_through(event.client, first)
            return
        position, look = seed_view(first)
        if event.target.value == "Robot height":
            ahead = np.array([first.forward[0], first.forward[1], 0.0])
            position = np.array([*camera.position[:2], 0.6])
            look = position + ahead / max(float(np.linalg.norm(ahead)), 1e-6)
        elif event.target.value == "Top":
            look = first.center + 3.0 * first.forward
            position = np.array([look[0], look[1] - 0.01, 12.0])
        with event.client.atomic():
            camera.up_direction = (0.0, 0.0, 1.0)
            camera.position, camera.look_at = position, look

    def refresh(self) -> None:
        """The number of frames."""
        if self.studio.frames is not None:
            self.frame.max = max(1, len(self.studio.frames) - 1)

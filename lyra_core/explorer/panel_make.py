# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Generate the planned path, with a caption for each chunk; go on with a stopped run."""

from __future__ import annotations

import math
from typing import Any

import viser

from lyra_core.explorer.shell import Shell
from lyra_core.generation.plan import CHUNK_FRAMES
from lyra_core.models.registry import VIDEO_MODELS
from lyra_core.pipeline.worker_catalog import MODEL_HELP
from lyra_core.world import WorldFolder, read_manifest

__all__ = ["MakePanel"]

_OWN = "the world's own"
_MOST_CAPTIONS = 25  # chunks of the longest path


class MakePanel:
    """Used inside the path's tab."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui, do = shell.gui, shell.guarded
        self.generate = gui.add_button("Generate this path", icon=viser.Icon.PLAYER_PLAY, color="green")
        self.resume = gui.add_button("Go on with the stopped run", color="green", visible=False)
        self.undo = gui.add_button("Take the stopped run back", color="gray", visible=False)
        self.build = gui.add_button("Build splats and meshes", color="gray", visible=False)
        self.generate.on_click(do(lambda _: self.studio.orders.generate()))
        self.resume.on_click(do(lambda _: self.studio.orders.resume()))
        self.undo.on_click(do(lambda _: self.studio.orders.take_back()))
        self.build.on_click(do(lambda _: self.studio.orders.rebuild()))
        shell.idle_only += [self.resume, self.undo, self.build]
        self._filling = False
        self.captions: list[Any] = []
        self._folder: Any = None

    def add_model(self) -> None:
        """The choice of the video model with what it needs; called inside its folder."""
        gui = self.shell.gui
        self.model: Any = gui.add_dropdown(
            "Video model", (_OWN, *sorted(VIDEO_MODELS)), initial_value=self.studio.model or _OWN
        )
        self.model_note = gui.add_markdown("")
        self.model.on_update(self.shell.guarded(lambda _: self._chosen()))

    def _chosen(self) -> None:
        name = str(self.model.value)
        self.studio.model = "" if name == _OWN else name
        self._say_model()

    def _say_model(self) -> None:
        """What the model of the next frames does and needs, as a line and as the tooltip of the choice."""
        folder = self.studio.folder
        own = "" if folder is None else str(read_manifest(folder).models.get("video", ""))
        name = self.studio.model or own
        text = MODEL_HELP.get(name, "")
        self.model.hint = text or "What invents the frames"
        self.model_note.content = text if self.studio.model or not own else f"{own}: {text}"

    def add_captions(self) -> None:
        """The captions' fields; called inside their folder."""
        gui = self.shell.gui
        gui.add_markdown("What should be there? For video models that read text.")
        for chunk in range(_MOST_CAPTIONS):
            first, last = 1 + CHUNK_FRAMES * chunk, CHUNK_FRAMES * (chunk + 1)
            field = gui.add_text(f"Frames {first}–{last}", "", multiline=True, visible=chunk == 0)
            field.on_update(self.shell.guarded(lambda e, c=chunk: self._written(c, str(e.target.value))))
            self.captions.append(field)

    def _written(self, chunk: int, text: str) -> None:
        if not self._filling:
            self.studio.caption(chunk, text)

    def refresh(self) -> None:
        """What can be done now, and a field for each chunk of the path."""
        studio = self.studio
        stopped = studio.unfinished()
        self.generate.visible = not stopped
        self.resume.visible = self.undo.visible = stopped
        self.generate.disabled = self.shell.busy or studio.views is None
        # Who scrolled down to the button does not see the bar and Cancel at the top.
        self.generate.label = "At work: see the top of this panel" if self.shell.busy else "Generate this path"
        count = 0 if studio.views is None else len(studio.views.path) - 1
        chunks = max(1, math.ceil(count / CHUNK_FRAMES))
        self._filling = True
        try:
            for chunk, field in enumerate(self.captions):
                field.visible = chunk < chunks
                text = studio.state.captions[chunk] if chunk < len(studio.state.captions) else ""
                if field.value != text:
                    field.value = text
        finally:
            self._filling = False
        if studio.folder is not None:
            manifest = read_manifest(studio.folder)
            many = studio.frames is not None and len(studio.frames) > 1
            self._say_model()
            self.build.visible = many and not stopped and not WorldFolder(studio.folder, manifest).is_built

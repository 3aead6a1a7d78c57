# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Looking at a path before it is generated: scrub, play, through its lens, and how much of it is known."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import viser

from lyra_core.explorer.preview import Coverage, make_memory
from lyra_core.explorer.shell import Shell

__all__ = ["PreviewPanel"]


class PreviewPanel:
    """Used inside a folder of the path's tab."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui, do = shell.gui, shell.guarded
        self._memory: tuple[Any, Any] | None = None
        self._playing = threading.Event()
        self._lock = threading.Lock()
        self.cover = gui.add_button("How much is known?", icon=viser.Icon.CHART_BAR, color="gray")
        self.cover_text = gui.add_markdown("", visible=False)
        self.cover_image = gui.add_image(np.zeros((4, 4, 3), np.uint8), label="Least known view", visible=False)
        self.scrub = gui.add_slider("Frame", 0, 80, 1, 0)
        self.play = gui.add_button_group("", ("Play", "Reverse", "Stop", "Through lens"))
        self.scrub.on_update(do(lambda _: self._scrub()))
        self.play.on_click(do(self._play))
        self.cover.on_click(do(lambda _: self._coverage()))

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
            at = min(count - 1, int((time.monotonic() - began) * fps))
            self.scrub.value = count - 1 - at if backward else at
            if at == count - 1:
                return

    def _coverage(self) -> None:
        studio = self.studio
        views, frames = studio.views, studio.frames
        if views is None or frames is None:
            self.shell.warn("There is no path to look along.")
            return
        self.cover_text.visible, self.cover_text.content = True, "Looking along the path…"
        with self._lock:
            if self._memory is None or self._memory[0] is not frames:
                self._memory = (frames, make_memory(frames))
            found = Coverage.of(self._memory[1], views.path)
        self.cover_text.content = (
            f"**{100 * (1 - found.invented):.0f} %** of what the path sees is known; the rest will be invented.  \n"
            f"`{found.bars()}` from its first to its last frame"
        )
        least = found.frames[int(np.argmin(found.known))]
        self.cover_image.label = f"Frame {least}, the least known: {100 * min(found.known):.0f} %. Pink is invented."
        self.cover_image.image, self.cover_image.visible = found.picture, True

    def refresh(self) -> None:
        """Another plan: what was said of the old one goes."""
        if self.studio.views is not None:
            last = max(1, len(self.studio.views.path) - 1)
            self.scrub.max = last
            if self.scrub.value > last:
                self.scrub.value = last
        else:
            self.shell.drawing.ghost(None)
        self.cover_text.visible = self.cover_image.visible = False

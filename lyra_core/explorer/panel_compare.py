# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Two frames against each other: the first view against the return to it, or one branch against another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.explorer.shell import Shell
from lyra_core.pipeline.begin import read_plan
from lyra_core.world import FrameSequence

__all__ = ["ComparePanel", "joined", "return_frame"]

_WIPE, _BESIDE = "Wipe", "Side by side"
_LINE = 4  # px between pictures


class ComparePanel:
    """Used inside a folder of the history's tab."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui, do = shell.gui, shell.guarded
        self._filling = False
        self._seen: tuple[Any, int] = (None, 0)
        self._other: tuple[str, FrameSequence] | None = None
        self.first = gui.add_slider("This frame", 0, 1, 1, 0)
        self.world: Any = gui.add_dropdown("Against", ("this world",), initial_value="this world")
        self.second = gui.add_slider("Its frame", 0, 1, 1, 1)
        self.how: Any = gui.add_dropdown("How", (_WIPE, _BESIDE), initial_value=_WIPE)
        self.blend = gui.add_slider("Wipe (%)", 0, 100, 1, 50)
        self.image = gui.add_image(np.zeros((4, 4, 3), np.uint8), visible=False)
        self.find = gui.add_button(
            "Find the return", color="gray", hint="The later frame that looks most like this one"
        )
        for handle in (self.first, self.second, self.blend, self.how):
            handle.on_update(do(lambda _: self._draw()))
        self.world.on_update(do(lambda _: self._world()))
        self.find.on_click(do(lambda _: self._find()))

    def _frames(self) -> FrameSequence | None:
        folder, name = self.studio.folder, str(self.world.value)
        if folder is None or name in ("this world", folder.name):
            return self.studio.frames
        if self._other is None or self._other[0] != name:
            self._other = (name, self.studio.frames_of(name))
        return self._other[1]

    def _world(self) -> None:
        if self._filling:
            return
        frames = self._frames()
        if frames is not None:
            self.second.max = max(1, len(frames) - 1)
            self.second.value = min(int(self.first.value), len(frames) - 1)
        if self.world.value != "this world":
            self.how.value = _BESIDE
        self._draw()

    def _find(self) -> None:
        frames = self.studio.frames
        if frames is None or len(frames) < 3:
            self.shell.warn("Generate a path that comes back first.")
            return
        self.world.value = "this world"
        assert self.studio.folder is not None
        poses = read_plan(self.studio.folder).world_from_camera[: len(frames)]
        self.second.value = return_frame(poses, int(self.first.value))
        self._draw()

    def _draw(self) -> None:
        mine, other = self.studio.frames, self._frames()
        self.blend.visible = self.how.value == _WIPE
        if self._filling or mine is None or other is None or len(mine) < 2:
            return
        a = mine[min(int(self.first.value), len(mine) - 1)].rgb
        b = other[min(int(self.second.value), len(other) - 1)].rgb
        share = None if self.how.value == _BESIDE else int(self.blend.value) / 100
        self.image.image, self.image.visible = joined(a, b, share), True

    def refresh(self, names: tuple[str, ...]) -> None:
        """Another world or other frames."""
        studio = self.studio
        if studio.folder is None or studio.frames is None or self._seen == (studio.folder, len(studio.frames)):
            if self.world.options != self._names(names):
                self._fill(names)
            return
        self._seen, self._other = (studio.folder, len(studio.frames)), None
        self._fill(names)
        last = len(studio.frames) - 1
        self._filling = True
        try:
            self.first.max = self.second.max = max(1, last)
            self.first.value, self.second.value = 0, max(1, last)
        finally:
            self._filling = False
        for handle in (self.first, self.second, self.how, self.blend, self.find, self.world):
            handle.visible = last > 0
        self.image.visible = False
        self._draw()

    def _names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        here = None if self.studio.folder is None else self.studio.folder.name
        return ("this world", *(n for n in names if n != here))

    def _fill(self, names: tuple[str, ...]) -> None:
        self._filling = True
        try:
            self.world.options = self._names(names)
            self.world.value = "this world"
        finally:
            self._filling = False


def joined(a: NDArray[np.float32], b: NDArray[np.float32], share: float | None) -> NDArray[np.uint8]:
    """Two pictures (H, W, 3) in 0..1 as one, uint8: a up to share of the width and b from there, or side by side.

    share: 0..1, or None for side by side; a line parts them. b is brought to the size of a by nearest neighbours.
    """
    if a.shape != b.shape:
        rows = np.arange(a.shape[0]) * b.shape[0] // a.shape[0]
        columns = np.arange(a.shape[1]) * b.shape[1] // a.shape[1]
        b = b[rows][:, columns]
    if share is None:
        parts = [a, np.ones((a.shape[0], _LINE, 3), np.float32), b]
        return np.rint(np.concatenate(parts, axis=1) * 255).astype(np.uint8)
    cut = int(a.shape[1] * share)
    picture = np.rint(np.concatenate([a[:, :cut], b[:, cut:]], axis=1) * 255).astype(np.uint8)
    if 0 < cut < a.shape[1]:
        picture[:, max(0, cut - 1) : cut + 1] = (240, 140, 20)  # seen on white walls and on dark ones
    return picture


def return_frame(poses: NDArray[np.float64], first: int) -> int:
    """The frame after first that comes nearest to its view again once the camera was farthest from it.

    poses: (N, 4, 4) world from camera; a metre counts as much as a radian.
    """
    start, rest = poses[first], poses[first + 1 :]
    if len(rest) == 0:
        return first
    away = np.linalg.norm(rest[:, :3, 3] - start[:3, 3], axis=1) + np.arccos(
        np.clip(rest[:, :3, 2] @ start[:3, 2], -1.0, 1.0)
    )
    gone = int(np.argmax(away))
    return first + 1 + gone + int(np.argmin(away[gone:]))

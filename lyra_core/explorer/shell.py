# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What all panels share: the server, the studio, the drawing, notices, and calls that turn errors into notices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import viser

from lyra_core.errors import LyraError
from lyra_core.explorer.drawing import Drawing
from lyra_core.explorer.studio import Studio
from lyra_core.geometry import quat_from_matrix
from lyra_core.types import Camera

__all__ = ["NEAR", "Shell", "frames_text", "tall"]

NEAR, _PAST_PICTURE = 0.01, 0.45  # m from which a tab draws; so that the picture in a camera's frustum is not the view
_SLOW = ("Points stand in for the splats", "This page draws slowly (no graphics card?). Look, Splats as: changes it.")


class Shell:
    """Server, studio and drawing of one explorer. idle_only: controls that rest while a job changes the open world."""

    def __init__(self, server: viser.ViserServer, studio: Studio, drawing: Drawing) -> None:
        self.server, self.studio, self.drawing = server, studio, drawing
        self.gui = server.gui
        self.idle_only: list[Any] = []
        drawing.splats.told = lambda client: self.notice(client, *_SLOW, "blue")

    @property
    def busy(self) -> bool:
        """True while a job works on the open world."""
        return self.studio.busy_with(self.studio.folder)

    def rest(self) -> None:
        """Switch the idle-only controls off or on."""
        busy = self.busy
        for handle in self.idle_only:
            if handle.disabled != busy:
                handle.disabled = busy

    def guarded(self, action: Callable[[Any], Any]) -> Callable[[Any], None]:
        """A callback whose LyraErrors become notices in the tab that caused them."""

        def call(event: Any) -> None:
            try:
                action(event)
            except LyraError as error:
                got = f"Got: {error.got}" if error.got else ""
                self.notice(getattr(event, "client", None), error.what, f"{got}\n{error.do}".strip(), "red")

        return call

    def warn(self, text: str, client: viser.ClientHandle | None = None) -> None:
        """A yellow notice in one tab, or in all."""
        self.notice(client, text, "", "yellow")

    def notice(self, client: viser.ClientHandle | None, title: str, body: str, color: str) -> None:
        """A notice in one tab, or in all."""
        chosen = [client] if client is not None else list(self.server.get_clients().values())
        for one in chosen:
            one.add_notification(title, body, color=color, auto_close_seconds=8.0)  # pyright: ignore[reportArgumentType]

    @staticmethod
    def look_through(client: viser.ClientHandle | None, camera: Camera) -> None:
        """Put the view of a tab at a camera."""
        if client is None:
            return
        with client.atomic():
            client.camera.near = _PAST_PICTURE
            client.camera.position = camera.center
            client.camera.wxyz = quat_from_matrix(camera.world_from_camera[:3, :3])
            client.camera.fov = float(2 * np.arctan(0.5 * camera.height / camera.intrinsics[1, 1]))


def tall(text: str) -> str:
    """A hint with a capital letter."""
    return text[:1].upper() + text[1:]


def frames_text(count: int) -> str:
    """A number of frames in words."""
    return "photo only" if count == 1 else f"{count} frames"

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What all panels share: the server, the studio, the drawing, notices, and calls that turn errors into notices."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import viser

from lyra_core.errors import LyraError
from lyra_core.explorer.drawing import Drawing
from lyra_core.explorer.studio import Studio
from lyra_core.geometry import quat_from_matrix
from lyra_core.types import Camera

__all__ = ["Shell", "tall"]

_log = logging.getLogger(__name__)


class Shell:
    """Server, studio and drawing of one explorer."""

    def __init__(self, server: viser.ViserServer, studio: Studio, drawing: Drawing) -> None:
        self.server, self.studio, self.drawing = server, studio, drawing
        self.gui = server.gui

    def guarded(self, action: Callable[[Any], Any]) -> Callable[[Any], None]:
        """A callback whose LyraErrors become notices in the tab that caused them."""

        def call(event: Any) -> None:
            try:
                action(event)
            except LyraError as error:
                self.notice(getattr(event, "client", None), error.what, f"{error.got}\n{error.do}".strip(), "red")

        return call

    def warn(self, text: str) -> None:
        """A yellow notice in all tabs."""
        self.notice(None, text, "", "yellow")

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
            client.camera.position = camera.center
            client.camera.wxyz = quat_from_matrix(camera.world_from_camera[:3, :3])
            client.camera.fov = float(2 * np.arctan(0.5 * camera.height / camera.intrinsics[1, 1]))


def tall(text: str) -> str:
    """A hint with a capital letter."""
    return text[:1].upper() + text[1:]

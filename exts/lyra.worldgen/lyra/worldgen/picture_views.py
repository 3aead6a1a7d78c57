# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""Widgets that show pictures from bytes, take clicks into them, and take dropped files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import omni.ui as ui

from lyra.worldgen.state import Intent, Picture
from lyra.worldgen.style import GAP, THUMBNAIL_HEIGHT
from lyra.worldgen.widgets import Send

__all__ = ["DropArea", "PictureView", "ThumbnailStrip"]


class DropArea:
    """An invisible area that takes a dropped file or link and sends it."""

    def __init__(self, identifier: str, *, tooltip: str, intent: str, send: Send) -> None:
        self.widget = ui.Rectangle(name="clear", identifier=identifier, tooltip=tooltip, opaque_for_mouse_events=False)
        self.widget.set_accept_drop_fn(lambda _url: True)
        self.widget.set_drop_fn(lambda event: send(Intent(intent, event.mime_data)))


class PictureView:
    """A picture from bytes; an empty one is hidden. With send, a click into the picture tells where, (u, v) in 0..1."""

    def __init__(
        self, identifier: str, *, tooltip: str, height: int, width: Any = None, send: Send | None = None
    ) -> None:
        self._provider = ui.ByteImageProvider()
        self._last = Picture()
        self.widget = ui.ImageWithProvider(
            self._provider,
            identifier=identifier,
            tooltip=tooltip,
            height=height,
            width=ui.Fraction(1) if width is None else width,
            fill_policy=ui.IwpFillPolicy.IWP_PRESERVE_ASPECT_FIT,
        )
        self.widget.visible = False
        if send is not None:
            self.widget.set_mouse_pressed_fn(
                lambda x, y, button, _keys: send(Intent(identifier, self._inside(x, y))) if button == 0 else None
            )

    def show(self, value: Picture) -> None:
        """Draw value; bytes are uploaded only when they are others."""
        if value is not self._last and value.width:
            self._provider.set_bytes_data(bytearray(value.rgba), [value.width, value.height])
        self._last = value
        self.widget.visible = value.visible and value.width > 0

    def _inside(self, x: float, y: float) -> tuple[float, float]:
        """A point of the screen in the picture, which is fitted into the widget with its aspect kept."""
        wide, high = self.widget.computed_width, self.widget.computed_height
        scale = min(wide / max(self._last.width, 1), high / max(self._last.height, 1))
        left = self.widget.screen_position_x + 0.5 * (wide - scale * self._last.width)
        top = self.widget.screen_position_y + 0.5 * (high - scale * self._last.height)
        return (x - left) / max(scale * self._last.width, 1.0), (y - top) / max(scale * self._last.height, 1.0)


class ThumbnailStrip:
    """The newest frames in a row."""

    def __init__(self, identifier: str, *, tooltip: str, count: int = 4) -> None:
        self.widget = ui.HStack(spacing=GAP, height=0, identifier=identifier, tooltip=tooltip, visible=False)
        with self.widget:
            self.views = []
            for place in range(count):
                with ui.ZStack(height=THUMBNAIL_HEIGHT):
                    ui.Rectangle(name="slot")
                    self.views.append(PictureView(f"{identifier}_{place}", tooltip=tooltip, height=THUMBNAIL_HEIGHT))

    def show(self, value: Sequence[Picture]) -> None:
        """Draw the last pictures; without any the row takes no room."""
        self.widget.visible = len(value) > 0
        latest = [*value[-len(self.views) :]]
        for view, picture in zip(self.views, latest + [Picture()] * (len(self.views) - len(latest)), strict=True):
            view.show(picture)

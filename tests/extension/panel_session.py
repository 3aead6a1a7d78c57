# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A running panel for tests: real omni.ui with a display, real pxr, real worker; only the Kit shell around it is the fake.

Runs in the environment of make_ovui_environment.py (Python 3.12), not in that of the other tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import omni.ui as ui  # before the fake Kit: the real one would take it for Kit
from omni.ui import testing

from tests.extension.kit_fake import FakeKit, installed

__all__ = ["EXTENSION", "Session", "in_session"]

EXTENSION = Path(__file__).parents[2] / "exts" / "lyra.worldgen"
_WIDTH, _HEIGHT = 456, 1180
_EXT_ID = "lyra.worldgen-0.2.0"


class Session:
    """The extension in a fake Kit, with a window that can be looked at and clicked."""

    def __init__(self, kit: FakeKit) -> None:
        self.kit = kit
        self.extension: Any = None
        self.slowest_frame = 0.0

    @property
    def panel(self) -> Any:
        """The open panel."""
        return self.extension._panel

    @property
    def state(self) -> Any:
        """What it shows."""
        return self.panel.model.state

    def start(self) -> None:
        """on_startup of a new extension object."""
        from lyra.worldgen.extension import Extension

        self.extension = Extension()
        self.extension.on_startup(_EXT_ID)

    def stop(self) -> None:
        """on_shutdown."""
        self.extension.on_shutdown()
        self.extension = None

    def open(self) -> None:
        """Choose the menu item."""
        _, item = next((group, item) for group, item in self.kit.menus if group == "Window")
        extension_id, action_id = item.onclick_action
        self.kit.actions[(extension_id, action_id)]()
        window = self.panel.window.window
        window.position_x, window.position_y = 0, 0
        window.width, window.height = _WIDTH, _HEIGHT

    async def frames(self, count: int = 3) -> None:
        """Let Kit draw frames; the extension's own share of each is timed."""
        for _ in range(count):
            begin = time.thread_time()
            self.kit.dispatch("omni.kit.app:update")
            self.slowest_frame = max(self.slowest_frame, time.thread_time() - begin)
            await testing.next_frame()

    async def until(self, met: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        """Draw frames until met() or fail after so many seconds."""
        end = time.monotonic() + seconds
        while not met():
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds:g} s for: {what}; banner: {self.state.banner}")
            await self.frames(1)
            await asyncio.sleep(0.02)

    def find(self, identifier: str) -> Any:
        """The widget of this identifier, looked for in the real widget tree."""
        for widget in self.widgets():
            if widget.identifier == identifier:
                return widget
        raise LookupError(f"there is no widget '{identifier}'")

    def widgets(self) -> list[Any]:
        """All widgets of the panel."""
        found, todo = [], [self.panel.window.window.frame]
        while todo:
            widget = todo.pop()
            found.append(widget)
            todo += ui.Inspector.get_children(widget)
        return found

    async def click(self, identifier: str) -> None:
        """Scroll to the widget and click in its middle with the mouse."""
        widget = self.find(identifier)
        widget.scroll_here_y(0.5)
        await self.frames(4)
        x = widget.screen_position_x + widget.computed_width / 2
        y = widget.screen_position_y + widget.computed_height / 2
        await testing.mouse_click(x, y)
        await self.frames(2)

    async def write(self, identifier: str, text: str) -> None:
        """Put text into a field, as an edit that begins and ends."""
        model = self.find(identifier).model
        model.begin_edit()
        model.set_value(text)
        model.end_edit()
        await self.frames(3)

    async def choose(self, identifier: str, index: int) -> None:
        """Choose an entry of a drop-down list."""
        self.find(identifier).model.get_item_value_model(None, 0).set_value(index)
        await self.frames(3)

    async def pick_file(self, button: str, path: Path) -> None:
        """Click a button that opens a file picker, and apply this path in the picker."""
        before = len(self.kit.pickers)
        await self.click(button)
        assert len(self.kit.pickers) == before + 1, f"'{button}' opened no file picker"
        picker = self.kit.pickers[-1]
        assert not picker.destroyed
        picker.apply(path.name, str(path.parent))
        await self.frames(3)

    async def picture(self, path: Path, top: str = "banner") -> None:
        """Save what is on the screen, with the named widget in view."""
        with contextlib.suppress(LookupError):
            self.find(top).scroll_here_y(0.0)
        await testing.mouse_move(5, _HEIGHT / 2)  # over the margin: nothing is highlighted
        await self.frames(8)
        ui._ui._schedule_screenshot(str(path))
        await self.frames(3)
        if not path.is_file():
            raise AssertionError(f"no picture at {path}")


@contextlib.asynccontextmanager
async def in_session(settings: dict[str, Any]) -> AsyncIterator[Session]:
    """A started extension, shut down at the end."""
    if str(EXTENSION) not in sys.path:
        sys.path.insert(0, str(EXTENSION))
    ui.standalone.init("Isaac Sim (test)", _WIDTH, _HEIGHT)
    with installed(EXTENSION) as kit:
        kit.settings |= {f"/exts/lyra.worldgen/{key}": value for key, value in settings.items()}
        session = Session(kit)
        session.start()
        try:
            yield session
        finally:
            if session.extension is not None:
                session.stop()

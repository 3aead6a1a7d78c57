# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A running panel for tests: real omni.ui with a display, real pxr, real worker; only the Kit shell around it is the fake.

Runs in the environment of make_ovui_environment.py (Python 3.12), not in that of the other tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import omni.ui as ui  # before the fake Kit: the real one would take it for Kit
from omni.ui import testing
from PIL import Image

from tests.extension.kit_fake import FakeKit, installed

__all__ = ["EXTENSION", "Session", "in_session"]

EXTENSION = Path(__file__).parents[2] / "exts" / "lyra.worldgen"
_WIDTH, _HEIGHT = 456, 1300
_ASIDE = 170  # [px] beside the panel, for a window to drag from
_POPUP_ROW = 21.0  # [px] height of an entry of an open drop-down list
_POPUP_ROWS = 8
_BACKSPACE = 523  # ImGui's number of the key
_BLOCKING = {"open", "subprocess.Popen", "os.posix_spawn", "os.system", "os.fork", "socket.connect", "time.sleep"}
_BLOCKING |= {"os.listdir", "os.scandir", "shutil.rmtree", "shutil.copyfile", "tempfile.mkdtemp", "urllib.Request"}
_EXT_ID = "lyra.worldgen-0.2.0"


class Session:
    """The extension in a fake Kit, with a window that can be looked at and clicked."""

    def __init__(self, kit: FakeKit) -> None:
        self.kit = kit
        self.extension: Any = None
        self.slowest_frame = 0.0
        self.slowest: dict[str, float] = {}
        """CPU time [s] of the slowest handler by the name of its intent."""
        self.blocking: list[str] = []
        """Files opened, processes started and sleeps in Kit's thread while frames were drawn."""
        self._watching = False
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching or threading.current_thread() is not threading.main_thread():
            return
        name = str(arguments[0]) if arguments else ""
        code = event == "open" and name.endswith(
            (".py", ".pyc", ".so", ".json5")
        )  # a module imported when first needed
        if event in _BLOCKING and not code:
            self.blocking.append(f"{event} {name}")

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """In here only the extension and omni.ui run: what they do that may block is recorded."""
        before, self._watching = self._watching, True
        try:
            yield
        finally:
            self._watching = before

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
        self._time_handlers()

    def _time_handlers(self) -> None:
        from lyra.worldgen.view_model import ViewModel

        if not hasattr(ViewModel.send, "timed"):

            def send(model: Any, intent: Any, _send: Any = ViewModel.send) -> None:
                begin = time.thread_time()
                _send(model, intent)
                self.slowest[intent.name] = max(self.slowest.get(intent.name, 0.0), time.thread_time() - begin)

            send.timed = True  # type: ignore[attr-defined]
            ViewModel.send = send  # type: ignore[method-assign]

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
            with self.watched():
                begin = time.thread_time()
                self.kit.dispatch("omni.kit.app:update")
                self.slowest_frame = max(self.slowest_frame, time.thread_time() - begin)
                await testing.next_frame()

    async def until(self, met: Callable[[], bool], what: str, seconds: float = 600.0) -> None:
        """Draw frames until met() or fail after so many seconds."""
        end = time.monotonic() + seconds
        while not met():
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds:g} s for: {what}; banner: {self.state.banner}")
            await self.frames(1)
            await asyncio.sleep(0.25)  # the worker needs the machine more than the picture does

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

    async def in_view(self, identifier: str) -> tuple[float, float, float, float]:
        """Scroll to the widget; left, top, width, height on the screen."""
        widget = self.find(identifier)
        widget.scroll_here_y(0.5)
        await self.frames(4)
        return widget.screen_position_x, widget.screen_position_y, widget.computed_width, widget.computed_height

    async def click(self, identifier: str, at: tuple[float, float] = (0.5, 0.5)) -> None:
        """Scroll to the widget and click into it with the mouse; at: share of its width and height."""
        left, top, width, height = await self.in_view(identifier)
        with self.watched():
            await testing.mouse_click(left + at[0] * width, top + at[1] * height)
        await self.frames(2)

    async def write(self, identifier: str, text: str, leave: str = "seed") -> None:
        """Click into a field, delete what is there, type, and click into another field, which ends the edit."""
        await self.click(identifier, (0.9, 0.5))
        with self.watched():
            for _ in self.find(identifier).model.get_value_as_string():
                await testing.press_key(_BACKSPACE)
            await testing.type_text(text)
        await self.click(leave, (0.5, 0.5))

    async def choose(self, identifier: str, index: int) -> None:
        """Choose an entry of a drop-down list with the mouse, of a list too long to be shown at once by its model."""
        if len(getattr(self.state, identifier).labels) > _POPUP_ROWS:
            self.find(identifier).model.get_item_value_model(None, 0).set_value(index)
            await self.frames(3)
            return
        left, top, width, height = await self.in_view(identifier)
        with self.watched():
            await testing.mouse_click(left + 0.5 * width, top + 0.5 * height)
        await self.frames(3)
        with self.watched():
            await testing.mouse_click(left + 0.5 * width, top + height + (index + 0.5) * _POPUP_ROW)
        await self.frames(3)
        got = self.find(identifier).model.get_item_value_model(None, 0).get_value_as_int()
        assert got == index, f"'{identifier}': entry {got} was chosen, not {index}"

    async def drop(self, identifier: str, text: str) -> None:
        """Drag something that carries text from another window onto the widget."""
        window = ui.Window("Content", width=150, height=80)
        window.position_x, window.position_y = _WIDTH + 10, 60
        with window.frame:
            source = ui.Label("a file", height=40)
            source.set_drag_fn(lambda: text)
        left, top, width, height = await self.in_view(identifier)
        begin = (source.screen_position_x + 20, source.screen_position_y + 20)
        with self.watched():
            await testing.mouse_drag(*begin, left + 0.5 * width, top + 0.5 * height)
        await self.frames(3)
        window.destroy()

    async def pick_file(self, button: str, path: Path) -> None:
        """Click a button that opens a file picker, and apply this path in the picker."""
        before = len(self.kit.pickers)
        await self.click(button)
        assert len(self.kit.pickers) == before + 1, f"'{button}' opened no file picker"
        picker = self.kit.pickers[-1]
        assert not picker.destroyed
        picker.apply(path.name, str(path.parent))
        await self.frames(3)

    async def fit(self) -> None:
        """Make the window as high as what it shows, up to the screen."""
        window = self.panel.window.window
        window.height = _HEIGHT
        await self.frames(6)
        spare = self.find("scroll").computed_height - self.find("content").computed_height
        window.height = _HEIGHT - max(0.0, spare)
        await self.frames(6)

    async def picture(self, path: Path, top: str = "content") -> None:
        """Save the panel as it is on the screen, with the named widget in view."""
        await self.fit()
        with contextlib.suppress(LookupError):
            self.find(top).scroll_here_y(0.0)
        await testing.mouse_move(3, _HEIGHT / 2)  # over the margin: nothing is highlighted
        await self.frames(8)
        ui._ui._schedule_screenshot(str(path))
        await self.frames(3)
        if not path.is_file():
            raise AssertionError(f"no picture at {path}")
        window = self.panel.window.window
        with Image.open(path) as drawn:
            cut = drawn.convert("RGB").crop((0, 0, int(window.width), int(window.height)))
        cut.save(path)


@contextlib.asynccontextmanager
async def in_session(settings: dict[str, Any]) -> AsyncIterator[Session]:
    """A started extension, shut down at the end."""
    if str(EXTENSION) not in sys.path:
        sys.path.insert(0, str(EXTENSION))
    ui.standalone.init("Isaac Sim (test)", _WIDTH + _ASIDE, _HEIGHT)
    with installed(EXTENSION) as kit:
        kit.settings |= {f"/exts/lyra.worldgen/{key}": value for key, value in settings.items()}
        session = Session(kit)
        session.start()
        try:
            yield session
        finally:
            if session.extension is not None:
                session.stop()

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false, reportMissingImports=false
"""The open panel: ties view model, window and Kit's events together, and opens file pickers. Everything it holds it releases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import carb.eventdispatcher
import omni.kit.app
import omni.timeline
import omni.usd
from omni.kit.window.filepicker import FilePickerDialog

from lyra.worldgen.kit_ports import KitPorts
from lyra.worldgen.messages import StageClosed, TimelineChanged
from lyra.worldgen.state import State
from lyra.worldgen.view_model import ViewModel
from lyra.worldgen.window import WorldWindow

__all__ = ["Panel"]

_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_PATHS = (".npz", ".json", ".txt", ".tum")
_DIALOGS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "browse_image": ("Choose a photo", "Use photo", _PICTURES),
    "browse_world": ("Choose the folder for new worlds", "Use folder", ()),
    "load_path": ("Load a camera path", "Load", _PATHS),
    "save_path": ("Save the camera path", "Save", _PATHS),
    "browse_interpreter": ("Choose the Python of the worker environment", "Use Python", ()),
}
"""By button: title, label of the apply button, shown file endings (none: all)."""
_FOLDERS = ("browse_world",)


class Panel:
    """One open panel. close() leaves no window, subscription, picker, process or prim."""

    def __init__(self) -> None:
        self._pickers: dict[str, Any] = {}
        self._ports = KitPorts()
        self._model = ViewModel(self._ports)
        self._newest: State | None = self._model.state
        self._model.on_state = self._remember
        self._window = WorldWindow(send=self._model.send, pick=self._pick, visibility=lambda _shown: None)
        events = carb.eventdispatcher.get_eventdispatcher()
        context = omni.usd.get_context()
        closing = context.stage_event_name(omni.usd.StageEventType.CLOSING)
        handlers: dict[str, Callable[[Any], None]] = {
            omni.kit.app.GLOBAL_EVENT_UPDATE: self._update,
            closing: self._stage_closing,
            omni.timeline.GLOBAL_EVENT_PLAY: lambda _event: self._model.post(TimelineChanged(playing=True)),
            omni.timeline.GLOBAL_EVENT_STOP: lambda _event: self._model.post(TimelineChanged(playing=False)),
        }
        self._guards = [
            events.observe_event(order=0, event_name=name, on_event=call, observer_name="lyra.worldgen.panel")
            for name, call in handlers.items()
        ]
        self._model.open()

    @property
    def window(self) -> WorldWindow:
        """The window, for tests that click in it."""
        return self._window

    @property
    def model(self) -> ViewModel:
        """The view model behind it."""
        return self._model

    def toggle(self) -> None:
        """Show the window if it is hidden, else hide it; work goes on in both cases."""
        self._window.window.visible = not self._window.window.visible

    def close(self) -> None:
        """Worker first, then subscriptions, windows, what stands in the viewport."""
        self._model.close()
        for guard in self._guards:
            guard.reset()
        self._guards = []
        for picker in self._pickers.values():
            picker.destroy()
        self._pickers = {}
        self._window.destroy()
        self._ports.close()

    def _remember(self, state: State) -> None:
        self._newest = state

    def _update(self, _event: Any) -> None:
        """Once a frame: take in what the worker said, and draw the newest state if there is one."""
        self._model.tick()
        if self._newest is not None:
            state, self._newest = self._newest, None
            self._window.show(state)

    def _stage_closing(self, _event: Any) -> None:
        self._ports.forget_stage()
        self._model.post(StageClosed())

    def _pick(self, name: str, done: Callable[[str], None]) -> None:
        title, label, endings = _DIALOGS[name]

        def applied(filename: str, dirname: str) -> None:
            picker.hide()
            done(dirname if name in _FOLDERS else str(PurePath(dirname or "") / filename))

        def shown(item: Any) -> bool:
            return item is None or item.is_folder or str(item.path).lower().endswith(endings)

        if name in self._pickers:
            self._pickers.pop(name).destroy()
        picker = FilePickerDialog(
            title,
            apply_button_label=label,
            click_apply_handler=applied,
            click_cancel_handler=lambda _filename, _dirname: picker.hide(),
            item_filter_fn=shown if endings else None,
        )
        self._pickers[name] = picker

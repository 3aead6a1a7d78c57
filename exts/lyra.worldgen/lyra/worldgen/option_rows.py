# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""The live parameters of a path preset: one row each, rebuilt when the preset changes, not while a slider moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import omni.ui as ui

from lyra.worldgen.state import Intent, Option
from lyra.worldgen.style import GAP, ROW
from lyra.worldgen.widgets import Send, labelled

__all__ = ["OptionRows"]


class OptionRows:
    """The live parameters of a path preset; rebuilt when the preset changes, not while a slider moves."""

    def __init__(self, identifier: str, *, send: Send) -> None:
        self._identifier, self._send = identifier, send
        self._frame = ui.Frame(identifier=identifier, height=0)
        self._names: tuple[str, ...] = ()
        self._rows: dict[str, Any] = {}
        self._values: dict[str, Any] = {}

    def show(self, value: Sequence[Option]) -> None:
        """Draw the options."""
        names = tuple(f"{o.name}:{o.kind}:{o.least}:{o.most}:{o.automatic}" for o in value)
        self._values = {option.name: option.value for option in value}
        if names != self._names:
            self._names = names
            self._frame.clear()
            with self._frame, ui.VStack(spacing=GAP, height=0):
                self._rows = {option.name: self._row(option) for option in value}
        for option in value:
            self._rows[option.name].show(option)

    def _row(self, option: Option) -> Any:
        words = {"identifier": f"{self._identifier}_{option.name}", "tooltip": option.help}
        make = {"choice": _ChoiceRow, "switch": _SwitchRow}.get(option.kind, _NumberRow)
        with labelled(option.label, option.help, identifier=words["identifier"]):
            return make(option, words, self._changed)

    def _changed(self, name: str, value: Any) -> None:
        if self._values.get(name) != value:
            self._values[name] = value
            self._send(Intent(self._identifier, (name, value)))


class _ChoiceRow:
    def __init__(self, option: Option, words: dict[str, str], changed: Callable[[str, Any], None]) -> None:
        box = ui.ComboBox(int(option.value or 0), *option.labels, height=ROW, **words)
        self._model = box.model.get_item_value_model(None, 0)
        box.model.add_item_changed_fn(lambda *_: changed(option.name, self._model.get_value_as_int()))

    def show(self, option: Option) -> None:
        if self._model.get_value_as_int() != option.value:
            self._model.set_value(int(option.value or 0))


class _SwitchRow:
    def __init__(self, option: Option, words: dict[str, str], changed: Callable[[str, Any], None]) -> None:
        with ui.VStack():
            ui.Spacer(height=4)
            self._model = ui.CheckBox(height=16, width=16, **words).model
        self._model.set_value(bool(option.value))
        self._model.add_value_changed_fn(lambda model: changed(option.name, model.get_value_as_bool()))

    def show(self, option: Option) -> None:
        if self._model.get_value_as_bool() != option.value:
            self._model.set_value(bool(option.value))


class _NumberRow:
    """A slider; beside it a box "auto" where the number may be left to the program, with what it chose."""

    def __init__(self, option: Option, words: dict[str, str], changed: Callable[[str, Any], None]) -> None:
        self._start = option.start
        self._auto = self._auto_box(words["identifier"]) if option.automatic else None
        with ui.ZStack(height=ROW):
            self._slider = ui.FloatSlider(min=option.least, max=option.most, height=ROW, **words)
            self._note = ui.Label(
                "", name="dim", identifier=f"{words['identifier']}_note", tooltip=option.help, elided_text=True
            )
        self._slider.model.add_end_edit_fn(lambda model: changed(option.name, model.get_value_as_float()))
        if self._auto is not None:
            self._auto.add_value_changed_fn(
                lambda model: changed(option.name, None if model.get_value_as_bool() else self._start)
            )

    @staticmethod
    def _auto_box(identifier: str) -> Any:
        tooltip = "Leave this to the program"
        with ui.VStack(width=18):
            ui.Spacer(height=4)
            box = ui.CheckBox(height=16, width=16, identifier=f"{identifier}_auto", tooltip=tooltip)
        ui.Label("auto", width=36, name="dim", identifier=f"{identifier}_auto label", tooltip=tooltip)
        box.model.set_value(True)
        return box.model

    def show(self, option: Option) -> None:
        automatic = option.value is None
        self._start = option.start
        self._slider.visible = not automatic
        self._note.visible = automatic
        self._note.text = option.note
        if option.value is not None and self._slider.model.get_value_as_float() != option.value:
            self._slider.model.set_value(float(option.value))
        if self._auto is not None and self._auto.get_value_as_bool() != automatic:
            self._auto.set_value(automatic)

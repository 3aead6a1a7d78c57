# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""Small bound widgets: each shows one display value of state.py and reports what the user did. No decisions about worlds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import omni.ui as ui

from lyra.worldgen.state import Action, Banner, Choice, Fact, Intent, Number, Recent, Section, Text
from lyra.worldgen.style import GAP, LABEL_WIDTH, MARGIN, ROW

__all__ = [
    "BannerView",
    "Button",
    "ChoiceBox",
    "FactRows",
    "Line",
    "NumberField",
    "ProgressView",
    "RecentRows",
    "SectionFrame",
    "Send",
    "TextField",
    "labelled",
    "margins",
]

Send = Callable[[Intent], None]


def labelled(text: str, tooltip: str, lines: int = 1, identifier: str = "") -> ui.HStack:
    """A row with its label; the caller adds the field. Use as a context. identifier: of the label, default: its text."""
    row = ui.HStack(height=ROW * lines, spacing=GAP)
    with row, ui.VStack(width=LABEL_WIDTH):
        ui.Label(text, height=ROW, identifier=f"{identifier or text} label", tooltip=tooltip)
    return row


@contextmanager
def margins(*, right: int = MARGIN, top: int = GAP, bottom: int = GAP, **words: Any) -> Iterator[None]:
    """A column with the panel's margins around it."""
    with ui.VStack(height=0, **words):
        ui.Spacer(height=top)
        with ui.HStack(height=0):
            ui.Spacer(width=MARGIN)
            with ui.VStack(height=0, spacing=GAP):
                yield
            ui.Spacer(width=right)
        ui.Spacer(height=bottom)


class Line:
    """A label that wraps; the lines of a log are cut instead."""

    def __init__(self, identifier: str, *, tooltip: str, look: str = "dim") -> None:
        wraps = look != "log"
        self.widget = ui.Label(
            "", identifier=identifier, name=look, tooltip=tooltip, word_wrap=wraps, elided_text=not wraps, height=0
        )
        if look == "center":
            self.widget.alignment = ui.Alignment.CENTER

    def show(self, value: Text) -> None:
        """Draw value; an empty line takes no room."""
        self.widget.text = value.text
        self.widget.visible = value.visible and value.text != ""


class TextField:
    """A text field; sends when the edit ends."""

    def __init__(self, identifier: str, *, tooltip: str, send: Send, lines: int = 1) -> None:
        self.widget = ui.StringField(
            identifier=identifier, tooltip=tooltip, height=ROW * lines, multiline=lines > 1, allow_tab_input=False
        )
        self.widget.model.add_end_edit_fn(lambda model: send(Intent(identifier, model.get_value_as_string())))
        self._shown: str | None = None

    def show(self, value: Text) -> None:
        """Draw value; what the user is typing is only replaced by a new value."""
        if value.text != self._shown:
            self._shown = value.text
            self.widget.model.set_value(value.text)
        self.widget.enabled = value.enabled
        self.widget.visible = value.visible


class NumberField:
    """A whole number; sends when the edit ends."""

    def __init__(self, identifier: str, *, tooltip: str, send: Send, width: int = 96) -> None:
        self.widget = ui.IntField(identifier=identifier, tooltip=tooltip, width=width, height=ROW)
        self.widget.model.add_end_edit_fn(lambda model: send(Intent(identifier, float(model.get_value_as_int()))))

    def show(self, value: Number) -> None:
        """Draw value."""
        self.widget.model.set_value(int(value.value))
        self.widget.enabled = value.enabled


class ChoiceBox:
    """A drop-down list, rebuilt when its labels change."""

    def __init__(self, identifier: str, *, tooltip: str, send: Send) -> None:
        self._identifier, self._tooltip, self._send = identifier, tooltip, send
        self._frame = ui.Frame(height=ROW)
        self._labels: tuple[str, ...] | None = None
        self._index = -1
        self.widget: Any = None

    def show(self, value: Choice) -> None:
        """Draw value."""
        self._index = value.index
        if value.labels != self._labels:
            self._labels = value.labels
            self._frame.clear()
            with self._frame:
                self.widget = ui.ComboBox(
                    value.index, *value.labels, identifier=self._identifier, tooltip=self._tooltip, height=ROW
                )
            self.widget.model.add_item_changed_fn(self._changed)
        self.widget.tooltip = value.tooltip or self._tooltip
        model = self.widget.model.get_item_value_model(None, 0)
        if model.get_value_as_int() != value.index:
            model.set_value(value.index)
        self.widget.enabled = value.enabled

    def _changed(self, model: Any, _item: Any) -> None:
        index = model.get_item_value_model(None, 0).get_value_as_int()
        if index != self._index:
            self._index = index
            self._send(Intent(self._identifier, index))


class Button:
    """A button; its label, tooltip, weight and whether it can be pressed come with the state."""

    def __init__(self, identifier: str, *, clicked: Callable[[], None], width: Any = None, height: int = ROW) -> None:
        self.widget = ui.Button(
            " ",
            identifier=identifier,
            tooltip=" ",
            clicked_fn=clicked,
            height=height,
            width=ui.Fraction(1) if width is None else width,
        )

    def show(self, value: Action) -> None:
        """Draw value."""
        self.widget.text = value.label
        self.widget.tooltip = value.tooltip
        self.widget.enabled = value.enabled
        self.widget.visible = value.visible
        self.widget.name = "primary" if value.primary else "plain"


class FactRows:
    """What a world is: a label and a value a line."""

    def __init__(self, identifier: str, *, tooltip: str) -> None:
        self._tooltip = tooltip
        self._frame = ui.Frame(identifier=identifier, tooltip=tooltip, height=0)
        self._shown: tuple[Fact, ...] = ()

    def show(self, value: tuple[Fact, ...]) -> None:
        """Draw the list; a long path is cut, its whole text is the tooltip."""
        if value == self._shown:
            return
        self._shown = value
        self._frame.clear()
        with self._frame, ui.VStack(spacing=2, height=0):
            for fact in value:
                with ui.HStack(height=0, spacing=GAP):
                    with ui.VStack(width=LABEL_WIDTH + 40, height=0):
                        ui.Label(
                            fact.label,
                            name="dim",
                            height=0,
                            identifier=f"fact_{fact.label} label",
                            tooltip=self._tooltip,
                        )
                    wraps = " " in fact.value
                    ui.Label(
                        fact.value,
                        height=0,
                        identifier=f"fact_{fact.label}",
                        tooltip=fact.value,
                        word_wrap=wraps,
                        elided_text=not wraps,
                    )
            ui.Spacer(height=2)


class ProgressView:
    """A bar from 0 to 1."""

    def __init__(self, identifier: str, *, tooltip: str) -> None:
        self.widget = ui.ProgressBar(identifier=identifier, tooltip=tooltip, height=18)

    def show(self, value: float) -> None:
        """Draw value, 0..1."""
        self.widget.model.set_value(value)


class BannerView:
    """A message with its next step, over everything else."""

    def __init__(self, identifier: str, *, send: Send) -> None:
        self._identifier, self._send = identifier, send
        self._intent = Intent("none")
        self._shown: Banner | None = None
        self._frame = ui.Frame(identifier=identifier, height=0, visible=False)

    def show(self, value: Banner) -> None:
        """Draw value."""
        if value == self._shown:
            return
        self._shown, self._intent = value, value.intent
        self._frame.visible = value.visible
        self._frame.clear()
        if not value.visible:
            return
        with self._frame, margins(bottom=0), ui.ZStack(height=0):
            ui.Rectangle(name=f"card_{value.tone}")
            with ui.HStack(height=0):
                ui.Rectangle(name=f"bar_{value.tone}", width=4)
                ui.Spacer(width=8)
                with ui.VStack(spacing=3, height=0):
                    ui.Spacer(height=4)
                    for part, look in (("title", "title"), ("text", ""), ("next_step", "dim")):
                        line = Line(f"{self._identifier}_{part}", tooltip=value.title or value.text, look=look)
                        line.show(Text(getattr(value, part)))
                    button = Button(f"{self._identifier}_action", clicked=self._clicked, width=140)
                    button.show(value.action)
                    ui.Spacer(height=4)
                ui.Spacer(width=8)

    def _clicked(self) -> None:
        self._send(self._intent)


class SectionFrame:
    """A collapsable part of the panel. The state unfolds it when it changes its mind; the user may fold it in between."""

    def __init__(self, identifier: str, title: str, *, tooltip: str) -> None:
        self.widget = ui.CollapsableFrame(title, identifier=identifier, tooltip=tooltip, height=0)
        self._open: bool | None = None

    def show(self, value: Section) -> None:
        """Draw value."""
        self.widget.visible = value.visible
        if value.open != self._open:
            self._open = value.open
            self.widget.collapsed = not value.open


class RecentRows:
    """Worlds made before, one button each."""

    def __init__(self, identifier: str, *, send: Send) -> None:
        self._identifier, self._send = identifier, send
        self._frame = ui.Frame(identifier=identifier, height=0)
        self._shown: tuple[Recent, ...] | None = None

    def show(self, value: tuple[Recent, ...]) -> None:
        """Draw the list."""
        if value == self._shown:
            return
        self._shown = value
        self._frame.clear()
        with self._frame, ui.VStack(spacing=GAP, height=0):
            for place, world in enumerate(value):
                with ui.HStack(height=ROW, spacing=GAP):
                    ui.Button(
                        world.label,
                        identifier=f"{self._identifier}_{place}",
                        tooltip=world.path,
                        width=150,
                        clicked_fn=lambda place=place: self._send(Intent("recent", place)),
                    )
                    ui.Label(
                        world.detail,
                        name="dim",
                        identifier=f"{self._identifier}_{place}_folder",
                        tooltip=world.path,
                        elided_text=True,
                    )

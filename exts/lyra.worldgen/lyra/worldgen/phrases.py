# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Words and small values that the parts of the display share."""

from __future__ import annotations

from lyra.worldgen.model import Model
from lyra.worldgen.state import Action

__all__ = ["busy", "button", "index_of", "seconds", "words"]


def button(label: str, tooltip: str, why_not: str = "", *, visible: bool = True, primary: bool = False) -> Action:
    """A button that says what it does, or why it cannot be pressed."""
    return Action(label, why_not or tooltip, enabled=not why_not, visible=visible, primary=primary)


def index_of(names: tuple[str, ...], name: str) -> int:
    """Place of name, 0 if it is not among names."""
    return names.index(name) if name in names else 0


def words(name: str) -> str:
    """A name of the program as a label: lyra_bot becomes Lyra bot."""
    text = name.replace("_", " ").replace("-", " ")
    return text[:1].upper() + text[1:]


def seconds(value: float) -> str:
    """A duration [s] as people say it."""
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    )


def busy(model: Model) -> str:
    """Why nothing can be changed now, or ''."""
    return "Wait until the run is over, or cancel it" if model.run.busy else ""

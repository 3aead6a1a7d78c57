# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the fake Kit remembers, for tests to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["FakeKit"]


@dataclass
class FakeKit:
    """Everything that an extension may leave behind, in one place."""

    extension_folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    setting_watchers: dict[int, str] = field(default_factory=dict)
    observers: dict[int, tuple[str, Callable[[Any], None]]] = field(default_factory=dict)
    actions: dict[tuple[str, str], Callable[..., Any]] = field(default_factory=dict)
    menus: list[tuple[str, Any]] = field(default_factory=list)
    commands: dict[str, type] = field(default_factory=dict)
    undo_stack: list[Any] = field(default_factory=list)
    redo_stack: list[Any] = field(default_factory=list)
    notifications: list[tuple[str, Any]] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)
    pickers: list[Any] = field(default_factory=list)
    stage: Any = None
    selection: list[str] = field(default_factory=list)
    playing: bool = False
    stuck: bool = False
    on_update: list[Callable[[], None]] = field(default_factory=list)
    time: float = 0.0
    assets_root: str | None = None
    camera: str = "/OmniverseKit_Persp"
    articulations: dict[str, Any] = field(default_factory=dict)
    physics_callbacks: dict[int, Callable[..., Any]] = field(default_factory=dict)
    enabled_extensions: set[str] = field(default_factory=set)
    next_id: int = 0

    def number(self) -> int:
        """A fresh number for a subscription."""
        self.next_id += 1
        return self.next_id

    def dispatch(self, event_name: str, payload: Any = None) -> None:
        """Tell everybody who observes this event."""
        for name, call in list(self.observers.values()):
            if name == event_name:
                call(payload)

    def left_behind(self) -> dict[str, Any]:
        """What is still registered; all empty after a clean shutdown."""
        found = {
            "observers": [name for name, _ in self.observers.values()],
            "settings": list(self.setting_watchers.values()),
            "actions": list(self.actions),
            "menus": [f"{group}/{item.name}" for group, item in self.menus],
            "commands": list(self.commands),
            "pickers": [p for p in self.pickers if not p.destroyed],
            "physics": list(self.physics_callbacks),
        }
        return {key: value for key, value in found.items() if value}

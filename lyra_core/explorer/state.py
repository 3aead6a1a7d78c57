# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the explorer knows: one frozen state, changed by intents, with undo and redo of the planned path.

The state is stored as explorer.json in the world folder, so that a session survives a restart of the server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lyra_core.errors import WorldError
from lyra_core.explorer.plan import PathPlan, plan_from_json
from lyra_core.world import write_text

__all__ = ["STATE_FILE", "STATE_VERSION", "State", "Undoable", "load_state", "save_state"]

STATE_FILE = "explorer.json"
STATE_VERSION = 1
_MOST_STEPS = 100


@dataclass(frozen=True, slots=True)
class Undoable:
    """A plan with the plans before and after it."""

    now: PathPlan
    past: tuple[PathPlan, ...] = ()
    future: tuple[PathPlan, ...] = ()

    def do(self, plan: PathPlan) -> Undoable:
        """The next plan; the same plan again is no step."""
        return self if plan == self.now else Undoable(plan, (*self.past, self.now)[-_MOST_STEPS:], ())

    def undo(self) -> Undoable:
        """One step back, if there is one."""
        return Undoable(self.past[-1], self.past[:-1], (self.now, *self.future)) if self.past else self

    def redo(self) -> Undoable:
        """One step forward, if there is one."""
        return Undoable(self.future[0], (*self.past, self.now), self.future[1:]) if self.future else self


@dataclass(frozen=True, slots=True)
class State:
    """Everything that all tabs share.

    Attributes
    ----------
    plan: the planned path with its undo steps.
    selected: number of the selected keyframe, or None.
    captions: text of each chunk of the next segment (CHUNK_FRAMES new frames each); may be shorter than the path.
    made: first new frame of a generated segment to the plan that it was generated from; taking it back gives it again.
    base: pose (16 numbers) and median depth [m] of frame 0 when the plan was last stored: what keyframes refer to.
    parent, branched_at: folder name and last frame that this world was branched from, or "" and -1.
    kept: the person marked this branch to be kept.
    """

    plan: Undoable
    selected: int | None = None
    captions: tuple[str, ...] = ()
    made: tuple[tuple[int, PathPlan, tuple[str, ...]], ...] = ()
    base: tuple[float, ...] = ()
    parent: str = ""
    branched_at: int = -1
    kept: bool = False

    def planned(self, plan: PathPlan, *, select: int | None = None) -> State:
        """With a changed plan; the selection stays within it."""
        wanted = self.selected if select is None else select
        count = len(plan.keys)
        kept = None if wanted is None or count == 0 else max(0, min(wanted, count - 1))
        return replace(self, plan=self.plan.do(plan), selected=kept)

    def generated(self, first: int, default: PathPlan) -> State:
        """After the plan became the segment that begins at frame first: a new plan, the old one kept for going back."""
        made = (*(m for m in self.made if m[0] < first), (first, self.plan.now, self.captions))
        return replace(self, plan=Undoable(default), selected=None, made=made, captions=())

    def taken_back(self, count: int) -> State:
        """After frames from count on were taken back: the plan of the first segment that went, if it is known."""
        gone = [m for m in self.made if m[0] >= count]
        kept = tuple(m for m in self.made if m[0] < count)
        if not gone:
            return self
        _, plan, captions = gone[0]
        return replace(self, plan=self.plan.do(plan), selected=None, made=kept, captions=captions)

    def undone(self) -> State:
        """One step of the path back."""
        return replace(self, plan=self.plan.undo(), selected=None)

    def redone(self) -> State:
        """One step of the path forward."""
        return replace(self, plan=self.plan.redo(), selected=None)

    def to_json(self) -> dict[str, Any]:
        """Plain values with the version; undo steps are not stored."""
        return {
            "version": STATE_VERSION,
            "plan": self.plan.now.to_json(),
            "captions": list(self.captions),
            "made": [{"first": f, "plan": p.to_json(), "captions": list(c)} for f, p, c in self.made],
            "base": list(self.base),
            "parent": self.parent,
            "branched_at": self.branched_at,
            "kept": self.kept,
        }


def _texts(values: Any) -> tuple[str, ...]:
    texts = [str(v) for v in values]
    while texts and not texts[-1].strip():
        texts.pop()
    return tuple(texts)


def state_from_json(values: Mapping[str, Any]) -> State:
    """The inverse of to_json. Raises WorldError for a newer version, PathError for a broken plan."""
    version = values.get("version")
    if not isinstance(version, int) or version > STATE_VERSION:
        raise WorldError(
            "explorer.json is of another version", got=str(version), do="Upgrade lyra-worldgen, or delete the file"
        )
    return State(
        Undoable(plan_from_json(values["plan"])),
        None,
        _texts(values.get("captions") or [values.get("caption", "")]),
        tuple((int(m["first"]), plan_from_json(m["plan"]), _texts(m["captions"])) for m in values.get("made", ())),
        tuple(float(v) for v in values.get("base", ())),
        str(values.get("parent", "")),
        int(values.get("branched_at", -1)),
        bool(values.get("kept", False)),
    )


def load_state(folder: Path, default: PathPlan) -> State:
    """The state of a world folder; a new one where there is none. Raises WorldError if the file is damaged."""
    file = folder / STATE_FILE
    if not file.is_file():
        return State(Undoable(default))
    try:
        return state_from_json(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise WorldError(
            "explorer.json is damaged", got=str(error), do="Delete it; the world itself is whole"
        ) from error


def save_state(folder: Path, state: State) -> None:
    """Store the state in a world folder."""
    write_text(folder / STATE_FILE, json.dumps(state.to_json(), indent=1) + "\n")

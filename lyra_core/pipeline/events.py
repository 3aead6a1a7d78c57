# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What a run tells its caller. Frozen; a run is an iterator of these, and closing it cancels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lyra_core.types import Frame

__all__ = ["Event", "Finished", "FrameMade", "Note", "Progress", "StageFinished", "StageStarted"]


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins: its name, and how many steps it has (0 if unknown)."""

    stage: str
    total: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """done of total steps of a stage."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, eq=False)
class FrameMade:
    """A frame is ready to be shown."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the user should know; level is info or warning."""

    message: str
    level: str = "info"


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage is done after so many seconds."""

    stage: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is done. passed is False if a check of the product failed; figures are for machines."""

    world: str
    passed: bool
    figures: dict[str, Any] = field(default_factory=dict)


Event = StageStarted | Progress | FrameMade | Note | StageFinished | Finished

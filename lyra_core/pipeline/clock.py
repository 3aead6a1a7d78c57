# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Stages and their seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lyra_core.pipeline.events import StageFinished, StageStarted

__all__ = ["StageClock"]


class StageClock:
    """Times the stages of one run; stages do not nest."""

    def __init__(self) -> None:
        self.timings: dict[str, float] = {}
        self._started: dict[str, float] = {}
        self._begin = time.perf_counter()

    def start(self, stage: str, total: int = 0) -> StageStarted:
        """Begin a stage."""
        self._started[stage] = time.perf_counter()
        return StageStarted(stage, total)

    def stop(self, stage: str) -> StageFinished:
        """End a stage; its seconds add up if it ran before."""
        seconds = time.perf_counter() - self._started.pop(stage)
        self.timings[stage] = self.timings.get(stage, 0.0) + seconds
        return StageFinished(stage, seconds)

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Time a block without events."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - begin

    @property
    def total(self) -> float:
        """Seconds since the clock was made."""
        return time.perf_counter() - self._begin

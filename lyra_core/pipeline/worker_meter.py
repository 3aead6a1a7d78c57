# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Overall share of a run and the seconds left, from stage events."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from lyra_core.pipeline.events import Progress, StageFinished, StageStarted

__all__ = ["Meter"]

# Shares of a balanced run on two CPU cores; only the proportions matter, and only for the bar.
_WEIGHTS = {
    "seed": 4.0,
    "plan": 4.0,
    "generate": 45.0,
    "gaussians": 5.0,
    "flythrough": 12.0,
    "video": 12.0,
    "mesh": 15.0,
    "usd": 4.0,
    "prove": 12.0,
    "report": 4.0,
    "drive": 60.0,
}
_RUN = ("seed", "generate", "gaussians", "flythrough", "mesh", "usd", "prove", "report")
_LEAST = 2.0  # [s] before a rate is worth telling


class Meter:
    """Fed with the events of one run; stages: the expected ones in order (default: those of generate)."""

    def __init__(self, stages: tuple[str, ...] = _RUN, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begin = clock()
        self._left = {stage: _WEIGHTS.get(stage, 5.0) for stage in stages}
        self._passed = 0.0
        self._share = 0.0
        self._total_best = 0.0
        self._stage, self._done, self._total = "", 0, 0

    def feed(self, event: StageStarted | Progress | StageFinished) -> None:
        """Take an event."""
        match event:
            case StageStarted(stage, total):
                for name in list(self._left):  # stages before this one were skipped
                    if name == stage or stage not in self._left:
                        break
                    self._left.pop(name)
                self._stage, self._done, self._total = stage, 0, total
                self._share = self._left.pop(stage, 0.0)
            case Progress(stage, done, total):
                self._stage, self._done, self._total = stage, done, total
            case StageFinished():
                self._passed += self._share
                self._share, self._done, self._total = 0.0, 0, 0

    @property
    def fraction(self) -> float:
        """0..1, never falling."""
        inside = self._share * (self._done / self._total if self._total else 0.0)
        whole = self._passed + self._share + sum(self._left.values())
        self._total_best = max(self._total_best, (self._passed + inside) / whole if whole else 0.0)
        return min(self._total_best, 1.0)

    def line(self) -> dict[str, Any]:
        """stage, done, total, fraction, eta [s] or None, elapsed [s]."""
        fraction, elapsed = self.fraction, self._clock() - self._begin
        eta = elapsed * (1 - fraction) / fraction if fraction > 0.03 and elapsed > _LEAST else None
        return {
            "stage": self._stage,
            "done": self._done,
            "total": self._total,
            "fraction": round(fraction, 4),
            "eta": None if eta is None else round(eta, 1),
            "elapsed": round(elapsed, 1),
        }

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What clicks in the scene mean: points to measure between, floor points, a point to look at, start and goal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lyra_core.explorer.picking import nearest_point

__all__ = ["MODES", "Clicks"]

MODES = ("", "measure", "floor", "target", "start", "goal")
_Point = tuple[float, float, float]


class Clicks:
    """The clicks of one world.

    Attributes
    ----------
    mode: what the next click means, one of MODES; "" for nothing.
    picks: clicked points [m], at most 2 to measure between, at most 12 of the floor.
    start, goal: (x, y) on the floor [m], or None.
    """

    def __init__(self, on_change: Callable[[], None], on_target: Callable[[_Point], None]) -> None:
        self._on_change, self._on_target = on_change, on_target
        self.forget()

    def forget(self) -> None:
        """Nothing was clicked: another world is shown."""
        self.mode = ""
        self.picks: list[_Point] = []
        self.start: tuple[float, float] | None = None
        self.goal: tuple[float, float] | None = None

    def want(self, mode: str) -> None:
        """The next clicks mean this. Measuring and the floor begin anew."""
        self.mode = mode
        if mode in ("measure", "floor", ""):
            self.picks = []
        self._on_change()

    def set_route(self, start: tuple[float, float] | None, goal: tuple[float, float] | None) -> None:
        """Start and goal as typed numbers."""
        self.start, self.goal, self.mode = start, goal, ""
        self._on_change()

    def click(self, origin: NDArray[np.floating], direction: NDArray[np.floating], points: NDArray[np.floating]) -> str:
        """A click as a ray (3,), (3,) in the world, among points (N, 3) [m].

        Returns what a person should know of it if it meant nothing, or "".
        """
        if self.mode in ("start", "goal"):
            if direction[2] > -1e-3:
                return "That is no floor: click lower."
            at = origin - direction * (origin[2] / direction[2])
            setattr(self, self.mode, (float(at[0]), float(at[1])))
            self.mode = "goal" if self.mode == "start" and self.goal is None else ""
            self._on_change()
            return ""
        if not self.mode:
            return ""
        point = nearest_point(points, origin, direction)
        if point is None:
            return "Nothing is known there: click something that is drawn."
        if self.mode == "target":
            self.mode = ""
            self._on_target(point)
        else:
            self.picks = [*self.picks, point][-2 if self.mode == "measure" else -12 :]
        self._on_change()
        return ""

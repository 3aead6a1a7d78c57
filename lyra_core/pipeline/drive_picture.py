# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The drives over the occupancy map, as a picture for the report."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from lyra_core.navigation.occupancy import FREE, OCCUPIED
from lyra_core.navigation.planner import Planner

if TYPE_CHECKING:
    from lyra_core.simulation.drive import DriveReport

__all__ = ["drive_picture"]

_INK, _OTHER, _FREE, _ROOM, _WALL = "#1f2933", "#dfe3e8", "#f6f8f5", "#e3ecdf", "#39424e"
_REACHED, _FAILED, _SHOWN = "#2f7d4f", "#c0392b", "#e8710a"


def drive_picture(planner: Planner, report: DriveReport, shown: int, *, width: int = 900) -> bytes:
    """PNG bytes: the map, where the robot's centre may be, all driven paths, the shown run on top.

    shown: index of the run that is drawn thick. width: pixels; the height follows the map.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure

    grid = planner.grid
    ground = np.empty((*grid.state.shape, 3))
    ground[:] = to_rgb(_OTHER)
    ground[grid.state == FREE] = to_rgb(_FREE)
    ground[planner.open] = to_rgb(_ROOM)
    ground[grid.state == OCCUPIED] = to_rgb(_WALL)
    rows, columns = grid.state.shape
    size = width / 100
    figure = Figure(figsize=(size, max(3.0, size * min(rows / columns, 1.3) + 0.9)), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    (x, y), cell = grid.origin, grid.resolution
    extent = (x, x + columns * cell, y, y + rows * cell)
    axes.imshow(ground, origin="lower", extent=extent, interpolation="nearest")
    for index, run in enumerate(report.runs):
        color = _SHOWN if index == shown else _REACHED if run.reached else _FAILED
        top = 10 if index == shown else 3
        axes.plot(*run.plan.points.T, color=_INK, linewidth=0.7, linestyle=(0, (2, 3)), alpha=0.6, zorder=2)
        axes.plot(*run.positions[:, :2].T, color=color, linewidth=2.6 if index == shown else 1.3, zorder=top)
        axes.scatter(*run.plan.task.start, s=22, facecolor="white", edgecolor=color, linewidths=1.5, zorder=top + 1)
        marker = "o" if run.reached else "X"
        axes.scatter(*run.plan.task.goal, s=26 if run.reached else 60, c=color, marker=marker, zorder=top + 1)
    labels = (
        (_REACHED, "reached", any(r.reached for i, r in enumerate(report.runs) if i != shown)),
        (_FAILED, "did not reach", not all(r.reached for i, r in enumerate(report.runs) if i != shown)),
        (_SHOWN, "in the video", True),
    )
    for color, label, used in labels:
        if used:
            axes.plot([], [], color=color, linewidth=2.2, label=label)
    axes.plot([], [], color=_INK, linewidth=0.7, linestyle=(0, (2, 3)), label="planned")
    axes.scatter([], [], s=22, facecolor="white", edgecolor=_INK, label="start")
    axes.scatter([], [], s=26, c=_INK, label="goal")
    axes.set_xlabel("x [m]", color=_INK)
    axes.set_ylabel("y [m]", color=_INK)
    axes.tick_params(colors=_INK, labelsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
    reached = sum(run.reached for run in report.runs)
    touched = sum(run.collisions for run in report.runs)
    title = f"{report.robot}: {reached} of {len(report.runs)} goals reached, {touched} collisions"
    axes.set_title(title, loc="left", fontsize=12, color=_INK)
    figure.legend(loc="lower left", bbox_to_anchor=(0.03, 0), ncols=6, frameon=False, fontsize=9, labelcolor=_INK)
    figure.tight_layout(rect=(0, 0.32 / figure.get_figheight(), 1, 1))
    out = io.BytesIO()
    canvas.print_png(out)
    return out.getvalue()

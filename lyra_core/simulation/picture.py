# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A picture of the drop test from above, for the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.simulation.check import CheckReport
from lyra_core.simulation.drop import FELL, LANDED, LEFT

__all__ = ["drop_picture"]

_INK, _PAPER, _FREE, _OTHER = "#1f2933", "#ffffff", "#e8efe6", "#c5ccd3"
_STYLES = (
    (LANDED, "landed", "#2f7d4f", "o"),
    (LEFT, "left over the edge", "#d08a1d", "s"),
    (FELL, "fell through", "#c0392b", "X"),
)


def drop_picture(report: CheckReport, folder: Path | None = None, *, width: int = 900) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB: the world from above with the place where every body came to rest.

    Free floor is light green, other parts of the world grey. folder: where drop_test.png is written, if given.
    width: pixels; the height follows the shape of the world.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure

    floor, drops = report.floor, report.drops
    rows, columns = floor.free.shape
    used = np.argwhere(floor.inside | floor.free)
    (y0, x0), (y1, x1) = (used.min(axis=0), used.max(axis=0) + 1) if len(used) else ((0, 0), (rows, columns))
    aspect = (y1 - y0) / (x1 - x0)
    size = width / 100
    figure = Figure(figsize=(size, max(2.2, size * min(aspect, 1.2) + 0.9)), dpi=100, facecolor=_PAPER)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    ground = np.ones((rows, columns, 3))
    ground[floor.inside] = to_rgb(_OTHER)
    ground[floor.free] = to_rgb(_FREE)
    low = np.asarray(floor.origin)
    high = low + floor.cell * np.array([columns, rows])
    axes.imshow(ground, origin="lower", extent=(low[0], high[0], low[1], high[1]), interpolation="nearest")
    for code, label, color, marker in _STYLES:
        chosen = drops.outcome == code
        if not chosen.any() and code == LEFT:
            continue
        points = np.nan_to_num(drops.ends[chosen, :2])
        name = f"{label}: {int(chosen.sum())}"
        axes.scatter(*points.T, s=14 if code == LANDED else 46, c=color, marker=marker, label=name, linewidths=0)
    axes.set_xlim(low[0] + (x0 - 1) * floor.cell, low[0] + (x1 + 1) * floor.cell)
    axes.set_ylim(low[1] + (y0 - 1) * floor.cell, low[1] + (y1 + 1) * floor.cell)
    axes.set_xlabel("x [m]", color=_INK)
    axes.set_ylabel("y [m]", color=_INK)
    axes.tick_params(colors=_INK, labelsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
    title = f"{drops.dropped} bodies dropped at {round(1 / report.step)} Hz, {floor.free_area:.1f} m² of free floor"
    axes.set_title(title, loc="left", fontsize=11, color=_INK)
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.11), ncols=3, frameon=False, fontsize=9, labelcolor=_INK)
    figure.tight_layout()
    canvas.draw()
    image = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    if folder is not None:
        from PIL import Image

        path = Path(folder) / "drop_test.png"
        partial = path.with_name(".drop_test.partial.png")
        Image.fromarray(image).save(partial)
        partial.replace(path)
    return image

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The geometry table as text: one line a setting, with and without the step that makes planes, and the levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lyra_core.training.level_evaluation import level_table

__all__ = ["table"]

_COLUMNS = (
    ("accuracy_cm", "acc cm", "{:.2f}"),
    ("completeness_cm", "compl cm", "{:.2f}"),
    ("f_2cm", "F 2cm", "{:.3f}"),
    ("f_5cm", "F 5cm", "{:.3f}"),
    ("f_10cm", "F 10cm", "{:.3f}"),
    ("normal_consistency", "normals", "{:.3f}"),
    ("floor_rms_collision_mm", "floor mm", "{:.1f}"),
    ("floor_rms_visual_mm", "floor v.", "{:.1f}"),
    ("floor_fused_mm", "fused", "{:.1f}"),
    ("wall_rms_collision_mm", "wall mm", "{:.1f}"),
    ("double_wall", "double", "{:.4f}"),
    ("curtain", "curtain", "{:.4f}"),
    ("thin_recall_2cm", "thin 2", "{:.3f}"),
    ("thin_recall_5cm", "thin 5", "{:.3f}"),
    ("inconsistent_edges", "flipped", "{:.0f}"),
    ("nonmanifold_edges", "nonman", "{:.0f}"),
    ("splat_mesh_median_cm", "splat cm", "{:.2f}"),
    ("splat_mesh_within_5cm", "splat<5", "{:.3f}"),
    ("label_accuracy", "labels", "{:.3f}"),
    ("iou_floor", "iou flo", "{:.3f}"),
    ("iou_wall", "iou wal", "{:.3f}"),
    ("iou_ceiling", "iou cei", "{:.3f}"),
    ("iou_object", "iou obj", "{:.3f}"),
    ("mesh_cpu_s", "mesh cpu", "{:.1f}"),
)

_LEGEND = """Means over the rooms. exact: exact depth of every frame. noisy: depth times smooth noise, another draw a frame.
product: frame 0 and its exact depth, levelled, continued by the reprojecting video model; judged where frame 0 looked.
"no planes": the same without the step that puts flat parts on planes (meshing/planes.py).
acc, compl: mean distance mesh to truth, truth to mesh. F: F-score. floor, wall: RMS of the collider about the plane
fitted to each floor or wall; "v." of the visual mesh; "fused" of the floor before it was flattened. double: share of the
area that runs 2 to 25 cm beside a surface that is there already. curtain: share farther than 10 cm from every surface.
thin: recall on thin structures. flipped, nonman: edges. splat: depth of the splats against the visual mesh.
labels: share of the area of the visual mesh with the right class; iou: of each class."""


def _cells(rows: Sequence[dict[str, Any]]) -> list[str]:
    cells = []
    for key, _, style in _COLUMNS:
        values = [row[key] for row in rows if np.isfinite(row.get(key, np.nan))]
        cells.append(style.format(float(np.mean(values))) if values else "-")
    return cells


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Means over the rooms, one line a setting, and the mean and worst errors of levelling."""
    surfaces = [row for row in rows if "setting" in row]
    lines = []
    if surfaces:
        rooms = len({row["room"] for row in surfaces})
        lines += [f"{rooms} ground-truth rooms that nothing is tuned on", ""]
        lines.append(f"{'setting':<19}" + " ".join(f"{title:>8}" for _, title, _ in _COLUMNS))
    names = dict.fromkeys((row["setting"], row["planes"]) for row in surfaces)
    for setting, planes in names:
        mine = [row for row in surfaces if (row["setting"], row["planes"]) == (setting, planes)]
        name = setting if planes else f"{setting}, no planes"
        lines.append(f"{name:<19}" + " ".join(f"{cell:>8}" for cell in _cells(mine)))
    if surfaces:
        lines += ["", _LEGEND]
    levels = [row for row in rows if "up_deg" in row]
    return "\n".join([*lines, *(["", level_table(levels)] if levels else [])])

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false
"""Fill table: what classical fills and the embedded model make of the same holes in held-out scenes.

Every method fills the same guide at 192x108, reprojected by the product's memory from one or two true views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.memory import SpatialMemory
from lyra_core.models.video.embedded.model import EmbeddedVideo, lender_of
from lyra_core.models.video.embedded.tensors import Past, past_of
from lyra_core.models.video.fill.clean import trusted
from lyra_core.models.video.reproject import complete_view
from lyra_core.ops.push_pull import push_pull
from lyra_core.training.fill_metrics import (
    bootstrap,
    depth_error,
    feature_distance,
    hole_psnr,
    sharpness,
    verdict,
)
from lyra_core.training.fill_samples import cluster_frames
from lyra_core.training.memory_metrics import ssim
from lyra_core.training.view_clusters import Cluster, ClusterStore
from lyra_core.types import Frame, Guide

__all__ = ["METHODS", "METRICS", "FillReport", "evaluate_fill", "held_out"]

_F32 = NDArray[np.float32]
METRICS = ("seen_psnr", "hole_psnr", "ssim", "perceptual", "sharpness", "depth", "milliseconds")
_HIGHER = {"seen_psnr", "hole_psnr", "ssim"}
_KINDS = ("levels", "outdoors", "rooms")


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One view to fill: what is known, the truth, past frames small, and the first of them whole."""

    scene: str
    guide: Guide
    known: NDArray[np.bool_]
    truth: Frame
    pasts: tuple[Past, ...]
    photo: Frame


def _inpaint(task: Task, kind: int) -> tuple[_F32, _F32 | None]:
    hole = (~task.known).astype(np.uint8)
    bytes_ = np.rint(np.clip(np.where(hole[..., None], 0, task.guide.rgb), 0, 1) * 255).astype(np.uint8)
    filled = cv2.inpaint(bytes_, hole, 3, kind).astype(np.float32) / np.float32(255)
    rgb = np.where(task.known[..., None], task.guide.rgb, filled).astype(np.float32)
    inverse = np.where(task.known & (task.guide.depth > 0), 1 / np.maximum(task.guide.depth, 0.05), 0)
    most = max(float(inverse.max()), 1e-3)
    codes = np.rint(inverse / most * 65535).astype(np.uint16)
    near = cv2.inpaint(codes, hole, 3, cv2.INPAINT_TELEA).astype(np.float32) * np.float32(most / 65535)
    return rgb, np.where(near > 1e-4, 1 / np.maximum(near, 1e-4), 0).astype(np.float32)


def _patch(task: Task) -> tuple[_F32, _F32 | None]:
    frame = complete_view(task.guide, 1, np.random.default_rng(0))
    return np.asarray(frame.rgb), np.asarray(frame.depth)


def _embedded(**options: Any) -> Callable[[Task], tuple[_F32, _F32 | None]]:
    model = EmbeddedVideo(**options)

    def fill(task: Task) -> tuple[_F32, _F32 | None]:
        lender = lender_of(task.photo) if options["grain"] > 0 else None
        frame = model.complete(task.guide, 1, np.random.default_rng(0), pasts=task.pasts, lender=lender)
        return np.asarray(frame.rgb), np.asarray(frame.depth)

    return fill


def _push(task: Task) -> tuple[_F32, _F32 | None]:
    return push_pull(np.where(task.known[..., None], task.guide.rgb, 0).astype(np.float32), task.known), None


METHODS: dict[str, Callable[[Path | None], Callable[[Task], tuple[_F32, _F32 | None]]]] = {
    "telea": lambda _: lambda task: _inpaint(task, cv2.INPAINT_TELEA),
    "navier-stokes": lambda _: lambda task: _inpaint(task, cv2.INPAINT_NS),
    "push-pull": lambda _: _push,
    "patch": lambda _: _patch,
    "embedded 1": lambda f: _embedded(folder=f, steps=1, grain=0.0, geometry="network"),
    "embedded 4": lambda f: _embedded(folder=f, steps=4, grain=0.0, geometry="network"),
    "embedded 1 + patches": lambda f: _embedded(folder=f, steps=1, grain=1.0),
}
"""Name to a function of the folder of the weights (None: those that ship) that makes the method."""


def held_out(data: Path) -> list[tuple[str, Cluster]]:
    """(scene, cluster) of the held-out split; InputError if nothing was rendered."""
    out = []
    for kind in _KINDS:
        folder = data / f"clusters_{kind}_test"
        if any(folder.glob("*.focal.npy")):
            store = ClusterStore([folder])
            out += [(f"{kind}{i // 2 if kind == 'levels' else i}", store[i]) for i in range(len(store))]
    if not out:
        raise InputError(
            "No held-out scenes were rendered",
            got=str(data),
            do="python -m lyra_core.training.view_clusters rooms --scenes 16 --clusters 1 --first 900000 --split test",
        )
    return out


def _tasks(scenes: Sequence[tuple[str, Cluster]], seeds: int) -> list[Task]:
    tasks = []
    for number, (name, cluster) in enumerate(scenes):
        frames = cluster_frames(cluster)
        for seed in range(seeds):
            rng = np.random.default_rng([seed, number])
            first, second, target = (frames[i] for i in rng.permutation(len(frames))[:3])
            memory, pasts = SpatialMemory(), [first]
            memory.insert(first)
            if rng.uniform() < 0.4:
                memory.insert(second)
                pasts.append(second)
            guide = memory.guide(target.camera)
            known = trusted(guide) & (guide.sky | (guide.depth > 0))
            if 0.02 < (~known).mean() < 0.85:
                small = tuple(
                    past_of(np.asarray(p.rgb), np.where(p.sky, np.inf, p.depth).astype(np.float32), p.camera)
                    for p in pasts
                )
                tasks.append(Task(name, guide, known, target, small, first))
    return tasks


def _score(task: Task, rgb: _F32, depth: _F32 | None) -> dict[str, float]:
    truth, hole = np.asarray(task.truth.rgb), ~task.known
    return {
        "seen_psnr": hole_psnr(rgb, truth, task.known),
        "hole_psnr": hole_psnr(rgb, truth, hole),
        "ssim": ssim(rgb, truth),
        "perceptual": feature_distance(rgb, truth, hole),
        "sharpness": sharpness(rgb, truth, hole),
        "depth": float("nan") if depth is None else depth_error(depth, np.asarray(task.truth.depth), hole),
    }


@dataclass(frozen=True, slots=True, eq=False)
class FillReport:
    """The table; rows as plain data, text for people."""

    rows: list[dict[str, Any]]
    differences: list[dict[str, Any]]
    scenes: int
    views: int

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "scenes": self.scenes,
            "views": self.views,
            "size": [192, 108],
            "rows": self.rows,
            "differences": self.differences,
            "note": "perceptual: ImageNet features of EfficientNet-Lite0, not LPIPS; depth: median |log ratio| in holes; "
            "intervals: 95 % bootstrap over scenes; depth of patch: planes continued from the rim",
        }

    def text(self) -> str:
        """The table with intervals, and paired differences to the references."""
        lines = [
            f"{self.views} views of {self.scenes} held-out scenes, 192x108; mean [95 % interval over scenes]",
            "perceptual is a distance of ImageNet features of EfficientNet-Lite0 (not LPIPS); depth is the median |log ratio| in",
            "holes; sharpness 1 is as sharp as the truth; times are process seconds of one core at this size.",
            f"{'':20s}" + "".join(f"{m:>22s}" for m in METRICS),
        ]
        for row in self.rows:
            cells = []
            for metric in METRICS:
                mean, low, high = row[metric]
                digits = 1 if metric == "milliseconds" else 2 if metric.endswith("psnr") else 3
                span = f"{mean:.{digits}f} [{low:.{digits}f},{high:.{digits}f}]" if np.isfinite(mean) else "-"
                cells.append(f"{span:>22s}")
            lines.append(f"{row['method']:20s}" + "".join(cells))
        lines.append("")
        for item in self.differences:
            mean, low, high = item["difference"]
            lines.append(
                f"{item['method']} against {item['reference']}, {item['metric']}: "
                f"{mean:+.3f} [{low:+.3f},{high:+.3f}] {item['verdict']}"
            )
        return "\n".join(lines)


def _differences(
    by_method: dict[str, dict[str, NDArray[np.float64]]], references: tuple[str, ...] = ("navier-stokes", "patch")
) -> list[dict[str, Any]]:
    out = []
    for method in (m for m in by_method if m.startswith("embedded")):
        for reference in (r for r in references if r in by_method):
            for metric in ("hole_psnr", "ssim", "perceptual", "sharpness", "depth"):
                change = by_method[method][metric] - by_method[reference][metric]
                found = verdict(change, higher_is_better=metric in _HIGHER)
                if metric == "sharpness":  # the truth has 1: more is no better as such
                    found = {"worse": "sharper", "better": "smoother"}.get(found, found)
                out.append(
                    {
                        "method": method,
                        "reference": reference,
                        "metric": metric,
                        "difference": bootstrap(change),
                        "verdict": found,
                    }
                )
    return out


def evaluate_fill(
    scenes: Sequence[tuple[str, Cluster]],
    *,
    seeds: int = 3,
    weights: Path | None = None,
    methods: Sequence[str] = tuple(METHODS),
    progress: Callable[[int, int], None] | None = None,
) -> FillReport:
    """Fill views of the scenes with every method.

    Parameters
    ----------
    seeds: views of each cluster. weights: folder of the embedded model; None: the one that ships.

    Raises InputError where no view is left to fill.
    """
    import time

    tasks = _tasks(scenes, seeds)
    if not tasks:
        raise InputError(
            "No view of the scenes has holes that can be filled",
            got=f"{len(scenes)} scenes, {seeds} views each",
            do="Give more scenes or more seeds: holes of 2 to 85 % of a view count",
        )
    made = {name: METHODS[name](weights) for name in methods}
    for fill in made.values():
        fill(tasks[0])  # compile and load before the clock runs
    names = sorted({task.scene for task in tasks})
    figures: dict[str, dict[str, dict[str, list[float]]]] = {
        m: {metric: {n: [] for n in names} for metric in METRICS} for m in methods
    }
    for done, task in enumerate(tasks):
        for name, fill in made.items():
            began = time.process_time()
            rgb, depth = fill(task)
            spent = 1000 * (time.process_time() - began)
            for metric, value in {**_score(task, rgb, depth), "milliseconds": spent}.items():
                figures[name][metric][task.scene].append(value)
        if progress is not None:
            progress(done + 1, len(tasks))
    by_method = {
        m: {k: np.array([_mean(values[n]) for n in names]) for k, values in table.items()}
        for m, table in figures.items()
    }
    rows = [{"method": m, **{k: bootstrap(by_method[m][k]) for k in METRICS}} for m in methods]
    return FillReport(rows, _differences(by_method), len(names), len(tasks))


def _mean(values: Sequence[float]) -> float:
    finite = [v for v in values if np.isfinite(v)]
    return float(np.mean(finite)) if finite else float("nan")

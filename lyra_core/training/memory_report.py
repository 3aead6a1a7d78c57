# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Table, paired differences and plot of the memory evaluation.

The unit of the statistics is a room (all frames of a room share its content). Intervals are 95 % t intervals over
rooms (a bootstrap is too narrow for the two rooms of the quick form); differences between two memories are taken room by room, and one whose interval holds 0 is called a tie.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.training.memory_evaluation import FULL, MODES, MemoryPlan, RunResult, run_plan

__all__ = ["METRICS", "MemoryReport", "run", "summarise", "write_plot"]

METRICS = ("close_psnr", "close_ssim", "return_psnr", "return_ssim", "all_psnr", "all_ssim", "reprojection")
_LOWER_IS_BETTER = frozenset({"reprojection"})


@dataclass(frozen=True)
class MemoryReport:
    """rows: one per loop, noise and mode, with "metric", "metric_low", "metric_high".

    differences: one per loop, noise, metric and pair of neighbouring modes: mean, low, high, verdict.
    """

    plan: MemoryPlan
    rows: tuple[dict[str, Any], ...]
    differences: tuple[dict[str, Any], ...]
    results: tuple[RunResult, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values for json.dump."""
        return {
            "plan": asdict(self.plan),
            "rows": list(self.rows),
            "differences": list(self.differences),
            "runs": [asdict(r) | r.metrics() for r in self.results],
        }

    def text(self) -> str:
        """The table for people."""
        rooms = len(self.plan.units)
        lines = [
            f"Memory evaluation: {rooms} rooms, {self.plan.frames} frames of {self.plan.width}x{self.plan.height}; "
            "mean [95 % interval over rooms]",
            "",
            f"{'loop':<7} {'noise':>5}  {'memory':<16} {'start again PSNR':>22} {'SSIM':>6} "
            f"{'way back PSNR':>22} {'SSIM':>6} {'all PSNR':>9} {'revisit error':>18}",
        ]
        for row in self.rows:
            lines.append(
                f"{row['loop']:<7} {100 * row['noise']:>4.0f}%  {row['mode']:<16} {_cell(row, 'close_psnr'):>22} "
                f"{row['close_ssim']:>6.3f} {_cell(row, 'return_psnr'):>22} {row['return_ssim']:>6.3f} "
                f"{row['all_psnr']:>9.2f} {_cell(row, 'reprojection'):>18}"
            )
        lines += ["", "Paired differences (second minus first):"]
        for d in self.differences:
            if d["metric"] in ("close_psnr", "return_psnr", "reprojection"):
                lines.append(
                    f"  {d['loop']:<7} {100 * d['noise']:>3.0f}%  {d['first'] + ' -> ' + d['second']:<32} "
                    f"{d['metric']:<13} {d['mean']:+7.2f} [{d['low']:+.2f}, {d['high']:+.2f}]  {d['verdict']}"
                )
        return "\n".join(lines)


def _cell(row: dict[str, Any], metric: str) -> str:
    return f"{row[metric]:.2f} [{row[metric + '_low']:.2f}, {row[metric + '_high']:.2f}]"


def _interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean and 95 % t interval (Student 1908); a single value has no interval (NaN)."""
    from scipy.stats import t

    values = values[np.isfinite(values)]
    count = len(values)
    if count == 0:
        return float("nan"), float("nan"), float("nan")
    mean = float(values.mean())
    if count == 1:
        return mean, float("nan"), float("nan")
    half = float(t.ppf(0.975, count - 1) * values.std(ddof=1) / np.sqrt(count))
    return mean, mean - half, mean + half


def _verdict(metric: str, low: float, high: float) -> str:
    if not (np.isfinite(low) and np.isfinite(high)):
        return "no interval"
    if low <= 0.0 <= high:
        return "tie"
    return "second better" if (low > 0) != (metric in _LOWER_IS_BETTER) else "first better"


def summarise(plan: MemoryPlan, results: Sequence[RunResult]) -> MemoryReport:
    """Means with intervals, and paired differences of neighbouring memories."""
    values: dict[tuple[str, float, str, str], NDArray[np.float64]] = {}
    for loop in plan.loops:
        for noise in plan.noises:
            for mode in plan.modes:
                runs = [r.metrics() for r in results if (r.loop, r.noise, r.mode) == (loop, noise, mode)]
                for metric in METRICS:
                    values[loop, noise, mode, metric] = np.array([m[metric] for m in runs])
    rows, differences = [], []
    for loop in plan.loops:
        for noise in plan.noises:
            for mode in plan.modes:
                row: dict[str, Any] = {"loop": loop, "noise": noise, "mode": mode}
                for metric in METRICS:
                    row[metric], row[f"{metric}_low"], row[f"{metric}_high"] = _interval(
                        values[loop, noise, mode, metric]
                    )
                rows.append(row)
            ordered = [m for m in MODES if m in plan.modes]
            for metric in METRICS:
                for first, second in pairwise(ordered):
                    change = values[loop, noise, second, metric] - values[loop, noise, first, metric]
                    mean, low, high = _interval(change)
                    differences.append(
                        {
                            "loop": loop,
                            "noise": noise,
                            "metric": metric,
                            "first": first,
                            "second": second,
                            "mean": mean,
                            "low": low,
                            "high": high,
                            "verdict": _verdict(metric, low, high),
                        }
                    )
    return MemoryReport(plan, tuple(rows), tuple(differences), tuple(results))


def write_plot(report: MemoryReport, path: Path) -> None:
    """PSNR along the walk, one panel per loop and noise, mean and interval over rooms."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    plan = report.plan
    colors = {"none": "#9a9a9a", "global_cloud": "#c8742c", "per_frame": "#3a7ca5", "per_frame_owned": "#2a8c4a"}
    figure = Figure(figsize=(5.2 * len(plan.noises), 3.3 * len(plan.loops)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(plan.loops), len(plan.noises), squeeze=False, sharey=True)
    turn = (plan.frames + 1) // 2
    for i, loop in enumerate(plan.loops):
        for j, noise in enumerate(plan.noises):
            ax = axes[i][j]
            for mode in plan.modes:
                runs = [r.psnr for r in report.results if (r.loop, r.noise, r.mode) == (loop, noise, mode)]
                curve = np.array(runs)
                x = np.arange(1, curve.shape[1] + 1)
                half = 1.96 * curve.std(axis=0, ddof=1) / np.sqrt(len(curve)) if len(curve) > 1 else 0 * curve[0]
                ax.plot(x, curve.mean(axis=0), color=colors[mode], lw=1.8, label=mode.replace("_", " "))
                ax.fill_between(x, curve.mean(axis=0) - half, curve.mean(axis=0) + half, color=colors[mode], alpha=0.15)
            ax.axvline(turn, color="#444444", lw=0.8, ls=":")
            ax.set_title(f"{loop} loop, depth noise {100 * noise:.0f} %", fontsize=10)
            ax.set_xlabel("frame (dotted: turning point)")
            ax.set_ylabel("PSNR against the truth [dB]")
            ax.grid(alpha=0.25)
    axes[0][0].legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=130)


def run(
    plan: MemoryPlan = FULL,
    *,
    json_path: Path | None = None,
    plot_path: Path | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> MemoryReport:
    """Evaluate a plan (FULL or QUICK) and write what is asked for. `report.text()` is the printable table."""
    report = summarise(plan, run_plan(plan, workers=workers, progress=progress))
    if json_path is not None:
        json_path.write_text(json.dumps(report.as_json(), indent=1), encoding="utf-8")
    if plot_path is not None:
        write_plot(report, plot_path)
    return report

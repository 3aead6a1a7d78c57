# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Why the ablation row "no history" is a tie: what past frames can tell the embedded video model, and what it hears.

    python -m lyra_core.training.history_evaluation --data DATA [--scenes 24] [--seeds 2] [--weights FOLDER]

One true view is in memory; a second one, which sees most of what the memory lacks of a third, is not. The third is made
with different past frames given to the network, and judged where the memory is blind but the second view is not. Whatever
is in memory is reprojected, so at run time no past frame knows more than the guide does; here one does.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.memory import SpatialMemory
from lyra_core.models.video.embedded.model import EmbeddedVideo
from lyra_core.models.video.embedded.tensors import Past, past_of
from lyra_core.models.video.fill.clean import trusted
from lyra_core.training.fill_evaluation import held_out
from lyra_core.training.fill_metrics import bootstrap, hole_psnr, verdict
from lyra_core.training.fill_samples import cluster_frames
from lyra_core.training.view_clusters import Cluster
from lyra_core.types import Frame, Guide

__all__ = ["HISTORIES", "evaluate_history", "main", "table"]

_LOG = logging.getLogger(__name__)
_LEAST = 0.02  # of the picture: smaller holes, or holes that the other view hardly sees, tell nothing
HISTORIES = ("none", "what the memory holds", "a view of the hole", "the very view")
"""What the network is given as past frames; the second is what it gets at run time."""


def _past(frame: Frame) -> Past:
    depth = np.where(frame.sky, np.inf, frame.depth).astype(np.float32)
    return past_of(np.asarray(frame.rgb), depth, frame.camera)


def _seen_by(frame: Frame, target: Frame) -> NDArray[np.bool_]:
    memory = SpatialMemory()
    memory.insert(frame)
    return np.asarray(memory.guide(target.camera).known)


def _known(guide: Guide) -> NDArray[np.bool_]:
    return trusted(guide) & (guide.sky | (guide.depth > 0))


def _scores(model: EmbeddedVideo, frames: Sequence[Frame], order: NDArray[np.intp]) -> dict[str, float] | None:
    """Hole PSNR by history [dB], and how much a picture changes by it [8-bit levels]; None: nothing to tell apart."""
    first, target = frames[order[0]], frames[order[1]]
    memory = SpatialMemory()
    memory.insert(first)
    guide = memory.guide(target.camera)
    known = _known(guide)
    others = [frames[i] for i in order[2:]]
    views = [_seen_by(frame, target) & ~known for frame in others]
    best = max(range(len(others)), key=lambda i: int(views[i].sum()))
    judged = views[best]
    if not _LEAST < (~known).mean() < 0.85 or judged.mean() < _LEAST:
        return None
    given: dict[str, tuple[Past, ...]] = dict(
        zip(
            HISTORIES,
            ((), (_past(first),), (_past(first), _past(others[best])), (_past(first), _past(target))),
            strict=True,
        )
    )
    truth = np.asarray(target.rgb)
    made = {k: np.asarray(model.complete(guide, 1, np.random.default_rng(0), pasts=p).rgb) for k, p in given.items()}
    out = {name: hole_psnr(rgb, truth, judged) for name, rgb in made.items()}
    plain = made["none"][judged]
    return out | {f"change by {name}": 255 * float(np.abs(made[name][judged] - plain).mean()) for name in HISTORIES[1:]}


def evaluate_history(
    scenes: Sequence[tuple[str, Cluster]], *, seeds: int = 2, weights: Path | None = None
) -> dict[str, Any]:
    """Mean figures over held-out scenes with 95 % intervals, and each history against none.

    seeds: views of each scene. weights: folder of the model; None: the one that ships.
    """
    # The network alone: patches that it guides copy this or that place, which changes pictures by chance.
    model = EmbeddedVideo(weights, grain=0.0, geometry="network")
    rows: list[dict[str, float]] = []
    names: list[str] = []
    for number, (name, cluster) in enumerate(scenes):
        frames = cluster_frames(cluster)
        for seed in range(seeds):
            order = np.random.default_rng([seed, number]).permutation(len(frames))
            row = _scores(model, frames, order)
            if row is not None:
                rows.append(row)
                names.append(name)
    by_scene: dict[str, NDArray[np.float64]] = {}
    for key in rows[0]:
        of_scene = [[r[key] for r, n in zip(rows, names, strict=True) if n == one] for one in dict.fromkeys(names)]
        by_scene[key] = np.array([float(np.mean(values)) for values in of_scene], np.float64)
    return {
        "views": len(rows),
        "scenes": len(dict.fromkeys(names)),
        "psnr": {name: bootstrap(by_scene[name]) for name in HISTORIES},
        "against_none": {
            name: {
                "difference": bootstrap(by_scene[name] - by_scene["none"]),
                "verdict": verdict(by_scene[name] - by_scene["none"], higher_is_better=True),
                "change": float(by_scene[f"change by {name}"].mean()),
            }
            for name in HISTORIES[1:]
        },
    }


def table(figures: dict[str, Any]) -> str:
    """The figures as lines for people."""
    lines = [
        f"{figures['views']} views of {figures['scenes']} held-out scenes, 192x108: PSNR [dB] where the memory is blind "
        "and another view is not, by what the network is given as past frames"
    ]
    for name, (mean, low, high) in figures["psnr"].items():
        line = f"  {name:24s}{mean:6.2f} [{low:.2f},{high:.2f}]"
        if name in figures["against_none"]:
            row = figures["against_none"][name]
            mean, low, high = row["difference"]
            line += f"   against none {mean:+.3f} [{low:+.3f},{high:+.3f}] {row['verdict']}"
            line += f"; pictures change by {row['change']:.2f} of 255"
        lines.append(line)
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; see the module's text."""
    from lyra_core.training.acceleration import single_thread

    parser = argparse.ArgumentParser(prog="python -m lyra_core.training.history_evaluation")
    parser.add_argument("--data", type=Path, required=True, help="folder of rendered views")
    parser.add_argument("--scenes", type=int, default=24, help="held-out clusters, spread over the kinds; 0: all")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--weights", type=Path, default=None, help="folder of the weights; default: those that ship")
    parser.add_argument("--out", type=Path, default=None, help="figures as JSON")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    single_thread()
    scenes = held_out(given.data)
    if 0 < given.scenes < len(scenes):
        scenes = [scenes[i] for i in np.linspace(0, len(scenes) - 1, given.scenes).round().astype(int)]
    figures = evaluate_history(scenes, seeds=given.seeds, weights=given.weights)
    _LOG.info("%s", table(figures))
    if given.out is not None:
        given.out.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()

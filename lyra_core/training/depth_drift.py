# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""How depth of later frames drifts from the truth along a path, and who fills unseen depth best.

    python -m lyra_core.training.depth_drift [--rooms 3] [--outdoors 2] [--levels FOLDER --level-walks 2] \\
        [--frames 81] [--data DATA] [--out data/evaluations/depth_drift.json]

Drift: walks of 81 frames through held-out rooms, outdoor scenes and levels (drift_walks.py). The colour of every frame is
the true one, its depth is decided as the chunk loop does, and enters the memory that the next frame sees. Frame 0 has its
true depth, or an estimated one in the true unit. Nothing is scaled afterwards.

Holes (with --data): pairs of held-out views (view_clusters.py). The first view's true depth is in memory; the figure is
the error of the second view's depth where the memory knows nothing. Tables of --out that are not asked for stay.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry.projection import unproject
from lyra_core.memory import SpatialMemory
from lyra_core.models.depth.completion import complete_depth, join_known
from lyra_core.models.depth.embedded import EmbeddedDepth
from lyra_core.models.protocols import DepthEstimate, DepthModel
from lyra_core.models.video.fill.clean import trusted
from lyra_core.models.video.fill.geometry import complete_geometry
from lyra_core.training.acceleration import single_thread
from lyra_core.training.drift_walks import Walk, level_walks, outdoor_walk, room_walk
from lyra_core.training.view_clusters import Cluster, ClusterStore
from lyra_core.types import Frame, Guide

__all__ = ["METHODS", "STARTS", "drift_table", "main", "run_drift", "run_holes"]

_LOG = logging.getLogger(__name__)
_F32 = NDArray[np.float32]

STARTS = ("true", "estimated")
METHODS = ("completion", "estimate joined", "estimate scaled", "planes")
_SKY = 60.0  # metres from which a filled hole counts as sky


@dataclass(frozen=True, slots=True, eq=False)
class _Decision:
    """depth (H, W) [m], 0 = sky; taken (H, W): pixels that repeat the memory."""

    depth: _F32
    taken: NDArray[np.bool_]


def _known(guide: Guide) -> _F32:
    return np.where(guide.known & ~guide.sky, guide.depth, 0).astype(np.float32)


def _completion(model: DepthModel, rgb: _F32, guide: Guide, sky: NDArray[np.bool_]) -> _Decision:
    found, taken = complete_depth(model, rgb, intrinsics=guide.camera.intrinsics, known=_known(guide), sky=sky)
    return _Decision(np.asarray(found.depth), taken)


def _joined(model: DepthModel, rgb: _F32, guide: Guide, sky: NDArray[np.bool_]) -> _Decision:
    found = model.estimate(rgb, intrinsics=guide.camera.intrinsics, sky=sky)
    return _Decision(*join_known(np.asarray(found.depth), _known(guide)))


def _scaled(model: DepthModel, rgb: _F32, guide: Guide, sky: NDArray[np.bool_]) -> _Decision:
    """One factor for the whole picture; a known pixel within 10 % stays."""
    depth = np.array(model.estimate(rgb, intrinsics=guide.camera.intrinsics, sky=sky).depth)
    known = _known(guide)
    both = (known > 0) & (depth > 0)
    if both.sum() > 10:
        depth *= np.float32(np.median(known[both] / depth[both]))
    taken = both & (np.abs(known - depth) < 0.1 * depth)
    depth[taken] = known[taken]
    return _Decision(depth, taken)


def _planes(model: DepthModel, rgb: _F32, guide: Guide, sky: NDArray[np.bool_]) -> _Decision:
    """What the training-free video model does: planes continued into the holes, whatever the picture shows there."""
    del model, rgb
    known = trusted(guide) & (guide.sky | (guide.depth > 0))
    found = complete_geometry(guide, known)
    return _Decision(np.where(sky, 0, found.depth).astype(np.float32), known)


_DECIDE: dict[str, Callable[[DepthModel, _F32, Guide, NDArray[np.bool_]], _Decision]] = dict(
    zip(METHODS, (_completion, _joined, _scaled, _planes), strict=True)
)


def _error(depth: _F32, truth: _F32, where: NDArray[np.bool_] | None = None) -> float:
    """AbsRel over true surfaces, nothing scaled; NaN where there are too few."""
    valid = np.isfinite(truth) & (truth > 0)
    valid = valid if where is None else valid & where
    if valid.sum() < 50:
        return float("nan")
    own = np.where(depth[valid] > 0, depth[valid], _SKY)
    return float(np.mean(np.abs(own - truth[valid]) / truth[valid]))


def _walk(truth: Sequence[Frame], model: DepthModel, method: str, start: str) -> Iterator[float]:
    """Error of each frame's depth along the way."""
    memory = SpatialMemory()
    first = truth[0]
    if start == "estimated":
        depth = np.array(model.estimate(np.array(first.rgb), intrinsics=first.camera.intrinsics, sky=first.sky).depth)
        both = (depth > 0) & (first.depth > 0)
        first = replace(first, depth=depth * np.float32(np.median(first.depth[both] / depth[both])))
    memory.insert(first)
    yield _error(np.asarray(first.depth), np.asarray(truth[0].depth))
    for frame in truth[1:]:
        found = _DECIDE[method](model, np.array(frame.rgb), memory.guide(frame.camera), np.array(frame.sky))
        memory.insert(replace(frame, depth=found.depth, owned=~found.taken))
        yield _error(found.depth, np.asarray(frame.depth))


class _Remembering:
    """A depth model that says of a picture what it said before: methods and starts share its estimates."""

    def __init__(self, model: DepthModel) -> None:
        self.name, self._model, self._said = model.name, model, {}

    def estimate(
        self, rgb: _F32, *, intrinsics: NDArray[np.float64], sky: NDArray[np.bool_] | None = None
    ) -> DepthEstimate:
        key = rgb.tobytes()
        if key not in self._said:
            self._said[key] = self._model.estimate(rgb, intrinsics=intrinsics, sky=sky)
        return self._said[key]


def run_drift(
    walks: Sequence[Walk],
    *,
    model: DepthModel | None = None,
    methods: Sequence[str] = METHODS,
    starts: Sequence[str] = STARTS,
) -> dict[str, dict[str, list[list[float]]]]:
    """AbsRel of each frame of each walk, by start and method.

    model: a depth model; None: the embedded one with a single pass (the loop's is slower and a little better).
    methods, starts: of METHODS and STARTS.
    """
    model = EmbeddedDepth(coarse=40_000, fine=0, beside=(), flip=False) if model is None else model
    rows: dict[str, dict[str, list[list[float]]]] = {start: {name: [] for name in methods} for start in starts}
    for walk in walks:
        truth = walk.frames()
        remembering = _Remembering(model)
        for start in starts:
            for name in methods:
                asked = model if name == "completion" else remembering
                rows[start][name].append(list(_walk(truth, asked, name, start)))
                _LOG.info("%s, %s depth, %s: last %.3f", walk.name, start, name, rows[start][name][-1][-1])
    return rows


def _on_the_floor(cluster: Cluster) -> list[Frame]:
    """The cluster's views as frames, moved so that the floor below the first one is about z = 0."""
    frames = []
    lift = 0.0
    for index, camera in enumerate(cluster.cameras):
        depth = np.where(np.isfinite(cluster.depth[index]), cluster.depth[index], 0).astype(np.float32)
        if index == 0:
            low = unproject(depth, camera)[depth > 0]
            lift = -float(np.percentile(low[:, 2], 3)) if len(low) else 0.0
        pose = np.array(camera.world_from_camera)
        pose[2, 3] += lift
        rgb = cluster.rgb[index].astype(np.float32) / np.float32(255)
        sky = np.isinf(cluster.depth[index])
        frames.append(Frame(index, rgb, depth, sky, camera.moved(pose), np.ones_like(sky)))
    return frames


def run_holes(
    data: Path, *, model: DepthModel | None = None, clusters: int = 24, methods: Sequence[str] = METHODS
) -> dict[str, dict[str, dict[str, float]]]:
    """Error in the holes of held-out pairs of views, by source and method: median and mean AbsRel over the pairs.

    "blind completion" (where completion is asked for) sees grey where the memory knows nothing: geometry before colour.
    """
    model = EmbeddedDepth(coarse=40_000, fine=0, beside=(), flip=False) if model is None else model
    out: dict[str, dict[str, dict[str, float]]] = {}
    for kind in ("levels", "rooms", "outdoors"):
        folder = data / f"clusters_{kind}_test"
        if not any(folder.glob("*.focal.npy")):
            continue
        store = ClusterStore([folder])
        names = [*methods, "blind completion"] if "completion" in methods else list(methods)
        errors: dict[str, list[float]] = {name: [] for name in names}
        for index in np.unique(np.linspace(0, len(store) - 1, clusters).astype(int)):
            frames = _on_the_floor(store[int(index)])
            memory = SpatialMemory()
            memory.insert(frames[0])
            for frame in frames[1:]:
                guide, rgb, sky = memory.guide(frame.camera), np.array(frame.rgb), np.array(frame.sky)
                if not 0.02 < (~guide.known & ~sky).mean() < 0.9:
                    continue
                for name in names:
                    blind = name == "blind completion"
                    seen = np.where(guide.known[..., None], guide.rgb, np.float32(0.5)) if blind else rgb
                    found = _DECIDE["completion" if blind else name](model, seen, guide, sky)
                    errors[name].append(_error(found.depth, np.asarray(frame.depth), ~guide.known))
        out[kind] = {
            name: {"median": float(np.nanmedian(e)), "mean": float(np.nanmean(e)), "pairs": len(e)}
            for name, e in errors.items()
        }
        _LOG.info("%s: %s", kind, {name: round(row["median"], 3) for name, row in out[kind].items()})
    return out


def drift_table(drift: dict[str, dict[str, dict[str, list[list[float]]]]]) -> str:
    """Mean AbsRel over the walks of each kind at every twentieth frame and the tenth, as Markdown."""
    some = next(iter(next(iter(next(iter(drift.values())).values())).values()))
    last = len(some[0]) - 1
    shown = sorted({i for i in (0, 10, 20, 40, 60) if i <= last} | {last})
    lines = ["| walks | first depth | later depth | " + " | ".join(f"frame {i}" for i in shown) + " |"]
    lines.append("|" + "---|" * (3 + len(shown)))
    for kind, by_start in drift.items():
        for start, by in by_start.items():
            for name, rows in by.items():
                mean = np.nanmean(np.array(rows), axis=0)
                lines.append(
                    f"| {kind} ({len(rows)}) | {start} | {name} | " + " | ".join(f"{mean[i]:.3f}" for i in shown) + " |"
                )
    return "\n".join(lines)


def _walks(given: argparse.Namespace) -> dict[str, list[Walk]]:
    size = (192, 112)
    out = {
        "rooms": [room_walk(i, given.frames, size) for i in range(given.rooms)],
        "outdoors": [outdoor_walk(i, given.frames, size) for i in range(given.outdoors)],
        "levels": [] if given.levels is None else level_walks(given.levels, given.level_walks, given.frames, size),
    }
    return {kind: walks for kind, walks in out.items() if walks}


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; see the module's text."""
    parser = argparse.ArgumentParser(prog="python -m lyra_core.training.depth_drift")
    parser.add_argument("--rooms", type=int, default=3)
    parser.add_argument("--outdoors", type=int, default=2)
    parser.add_argument("--levels", type=Path, default=None, help="folder that holds the .pk3 archives")
    parser.add_argument("--level-walks", type=int, default=2)
    parser.add_argument("--frames", type=int, default=81)
    parser.add_argument("--data", type=Path, default=None, help="folder of view_clusters, for the table of holes")
    parser.add_argument("--clusters", type=int, default=24)
    parser.add_argument("--weights", type=Path, default=None, help="folder of the weights; default: those that ship")
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    single_thread()
    model = EmbeddedDepth(given.weights, coarse=40_000, fine=0, beside=(), flip=False)
    methods = METHODS if model.completes else METHODS[1:]  # without the branch, completion is the joined estimate
    figures: dict[str, Any] = {}
    if given.out is not None and given.out.exists():
        figures = json.loads(given.out.read_text())
    if given.data is not None:
        figures["holes"] = run_holes(given.data, model=model, clusters=given.clusters, methods=methods)
    walks = _walks(given)
    if walks:
        figures["walks"] = {kind: [walk.name for walk in some] for kind, some in walks.items()}
        figures["drift"] = {kind: run_drift(some, model=model, methods=methods) for kind, some in walks.items()}
        _LOG.info("%s", drift_table(figures["drift"]))
    if given.out is not None:
        given.out.write_text(json.dumps(_rounded(figures), indent=1, sort_keys=True, allow_nan=False) + "\n")


def _rounded(value: Any) -> Any:
    """Figures to four digits; what was not measured becomes null."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    return value


if __name__ == "__main__":
    main()

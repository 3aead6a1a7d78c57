# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Depth table: our model beside the training-free prior and a constant, on views that nobody trained on.

    python -m lyra_core.training.depth_evaluation --data DATA [--views 96] [--out data/models/depth/evaluation.json]

Held-out levels (every ninth map of each game), held-out rooms and outdoor scenes (seeds never trained on), scenes with
held-out furniture (every ninth piece), as far as DATA has them, and one real photo with measured disparity: the
Middlebury 2014 motorcycle that scikit-image carries (Scharstein et al. 2014).
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.models.depth.embedded import EmbeddedDepth
from lyra_core.models.depth.prior import PriorDepth
from lyra_core.models.protocols import DepthEstimate, DepthModel
from lyra_core.training.depth_metrics import affine_r2, depth_errors, edge_sharpness, flying_share
from lyra_core.training.view_store import View, ViewStore

__all__ = ["ConstantDepth", "evaluate_model", "evaluate_motorcycle", "main", "table"]

_LOG = logging.getLogger(__name__)
_COLUMNS = (
    "absrel",
    "absrel_median",
    "delta1",
    "metric_absrel",
    "edge",
    "flying",
    "sky_iou",
    "false_sky",
    "up_degrees",
)
_KINDS = ("levels", "rooms", "outdoors", "furnished", "subjects", "nexuiz", "ufo")
_MODELS = ("embedded", "prior", "constant")
_MOTORCYCLE_BASELINE = 193.001  # mm, as published with the picture
_MOTORCYCLE_OFFSET = 124.343  # pixels between the two principal points at the published full size of 2964 pixels


class ConstantDepth:
    """The same depth everywhere: what a figure is worth."""

    name = "constant"

    def estimate(
        self,
        rgb: NDArray[np.float32],
        *,
        intrinsics: NDArray[np.float64],
        sky: NDArray[np.bool_] | None = None,
    ) -> DepthEstimate:
        """3 m at every pixel of rgb (H, W, 3) that is not sky, whatever the lens."""
        del intrinsics
        mask = np.zeros(rgb.shape[:2], bool) if sky is None else sky
        return DepthEstimate(np.where(mask, 0, 3.0).astype(np.float32), mask)


def _intrinsics(focal: float, width: int, height: int) -> NDArray[np.float64]:
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


def _row(model: DepthModel, view: View) -> dict[str, float] | None:
    height, width = view.depth.shape
    rgb = view.rgb.astype(np.float32) / np.float32(255.0)
    intrinsics, true_sky = _intrinsics(view.focal, width, height), np.isinf(view.depth)
    found = model.estimate(rgb, intrinsics=intrinsics, sky=true_sky)  # depth is judged apart from the sky mask
    row = depth_errors(found.depth, view.depth)
    if row is None:
        return None
    edge = edge_sharpness(found.depth, view.depth)
    row["edge"] = np.nan if edge is None else edge
    flying = flying_share(found.depth, view.depth)
    row["flying"] = np.nan if flying is None else flying
    sky = model.estimate(rgb, intrinsics=intrinsics).sky
    union = (true_sky | sky).sum()
    row["sky_iou"] = float((true_sky & sky).sum() / union) if true_sky.mean() > 0.01 else np.nan
    row["false_sky"] = float(sky[~true_sky].mean())
    if found.up is not None:
        row["up_degrees"] = float(np.degrees(np.arccos(np.clip(found.up @ view.up, -1.0, 1.0))))
    return row


def evaluate_model(model: DepthModel, store: ViewStore, *, views: int) -> dict[str, float]:
    """Mean figures over `views` views spread evenly over the store, with a 95 % bootstrap interval of AbsRel."""
    chosen = np.unique(np.linspace(0, len(store) - 1, views).astype(int))
    rows = [row for index in chosen if (row := _row(model, store[int(index)])) is not None]
    keys = sorted({key for row in rows for key in row})
    out = {key: float(np.nanmean([row.get(key, np.nan) for row in rows])) for key in keys}
    figures = np.array([row["absrel"] for row in rows])
    draws = np.random.default_rng(0).choice(figures, (2000, len(figures))).mean(axis=1)
    return {
        **out,
        "absrel_median": float(np.median(figures)),
        "low": float(np.quantile(draws, 0.025)),
        "high": float(np.quantile(draws, 0.975)),
        "views": len(rows),
    }


def evaluate_motorcycle(model: DepthModel) -> dict[str, float]:
    """Affine R2 of disparity on the Middlebury motorcycle at its native aspect; NaN pixels are left out."""
    from skimage.data import stereo_motorcycle

    left, _, disparity = stereo_motorcycle()
    height, width = disparity.shape
    # Full-size focal length 3979.9 pixels at 2964 pixels across; the packaged picture is a quarter of that.
    focal = 3979.911 * width / 2964.0
    rgb = np.asarray(left, np.float32) / np.float32(255.0)
    found = model.estimate(rgb, intrinsics=_intrinsics(focal, width, height), sky=np.zeros((height, width), bool))
    own = 1.0 / np.maximum(found.depth, 1e-3)
    truth = np.where(np.isfinite(disparity) & (disparity > 0), disparity, np.nan).astype(np.float64)
    # z = focal * baseline / (d + doffs): the published doffs belongs to the full size
    true_depth = focal * _MOTORCYCLE_BASELINE / 1000 / (truth + _MOTORCYCLE_OFFSET * width / 2964.0)
    errors = depth_errors(found.depth, np.where(np.isfinite(true_depth), true_depth, np.inf).astype(np.float32)) or {}
    return {"affine_r2": affine_r2(own, truth), **errors}


def _cell(value: float | None) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.3f}"


def table(figures: dict[str, dict[str, dict[str, float]]]) -> str:
    """A Markdown table of evaluate_model's figures by model and source."""
    head = "| views | model | " + " | ".join(_COLUMNS) + " |\n|" + "---|" * (len(_COLUMNS) + 2)
    lines = [head]
    for source in [kind for kind in _KINDS if any(kind in by_source for by_source in figures.values())]:
        for model, by_source in figures.items():
            if source not in by_source:  # a model that was not run again, from before there were such views
                continue
            row = by_source[source]
            cells = [_cell(row.get(key)) for key in _COLUMNS]
            cells[0] += f" ({row['low']:.3f} to {row['high']:.3f})"
            lines.append(f"| {source} ({row['views']}) | {model} | " + " | ".join(cells) + " |")
    for model, by_source in figures.items():
        row = by_source["motorcycle"]
        lines.append(
            f"| motorcycle photo | {model} | {row.get('absrel', float('nan')):.3f}, affine R2 {row['affine_r2']:.3f} |"
        )
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    """Figures for strict JSON: what was not measured becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _seconds(model: DepthModel) -> float:
    """Process seconds for a photo of 1280x720 after a first call that loads everything."""
    rgb = np.random.default_rng(0).random((720, 1280, 3), dtype=np.float32)
    k = _intrinsics(1000.0, 1280, 720)
    model.estimate(rgb, intrinsics=k)
    started = time.process_time()
    model.estimate(rgb, intrinsics=k)
    return time.process_time() - started


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; see the module's text."""
    parser = argparse.ArgumentParser(prog="python -m lyra_core.training.depth_evaluation")
    parser.add_argument("--data", type=Path, required=True, help="folder of lyra_core.training.depth_dataset")
    parser.add_argument("--weights", type=Path, default=None, help="folder of the weights; default: those that ship")
    parser.add_argument("--views", type=int, default=96)
    parser.add_argument("--models", nargs="+", choices=_MODELS, default=_MODELS)
    parser.add_argument("--out", type=Path, default=None, help="table as JSON; rows of models not run stay as they are")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stores = {
        kind: ViewStore([given.data / f"{kind}_test"])
        for kind in _KINDS
        if any((given.data / f"{kind}_test").glob("*.meta.npy"))
    }
    models: dict[str, Callable[[], DepthModel]] = {
        "embedded": lambda: EmbeddedDepth(given.weights),
        "prior": PriorDepth,
        "constant": ConstantDepth,
    }
    before = json.loads(given.out.read_text()) if given.out is not None and given.out.exists() else {}
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for name, make in models.items():
        if name not in given.models:
            figures |= {name: before[name]} if name in before else {}
            continue
        model = make()
        figures[name] = {kind: evaluate_model(model, store, views=given.views) for kind, store in stores.items()}
        figures[name]["motorcycle"] = evaluate_motorcycle(model)
        figures[name]["motorcycle"]["seconds_720p"] = _seconds(model)
    _LOG.info("%s", table(figures))
    _LOG.info("%s", {name: round(rows["motorcycle"]["seconds_720p"], 3) for name, rows in figures.items()})
    if given.out is not None:
        given.out.write_text(json.dumps(_plain(figures), indent=2, sort_keys=True, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()

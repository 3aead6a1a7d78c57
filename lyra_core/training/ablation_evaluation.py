# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false
"""Ablation table in the form of the Lyra 2.0 paper, for the embedded video model.

The first view of a held-out cluster is given with its true depth; the others are made one after the other, each from a
memory that holds what was made before, with the model's own depth. Nothing of the truth enters after the first view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lyra_core.memory import MemoryMode, SpatialMemory
from lyra_core.models.video.embedded.model import EmbeddedVideo
from lyra_core.models.video.embedded.tensors import Past, past_of
from lyra_core.training.fill_metrics import (
    bootstrap,
    feature_distance,
    frechet_distance,
    picture_features,
    style_distance,
    verdict,
)
from lyra_core.training.fill_samples import cluster_frames
from lyra_core.training.memory_metrics import reprojection_error, ssim
from lyra_core.training.view_clusters import Cluster
from lyra_core.types import Camera, Frame, Guide

__all__ = ["METRICS", "ROWS", "AblationReport", "camera_error", "evaluate_ablation"]

_F32 = NDArray[np.float32]
METRICS = ("ssim", "perceptual", "style", "rotation_deg", "translation", "pnp_failed", "reprojection")
_LOST = 1.0  # of the depth: a camera farther off than this was not found
_HIGHER = {"ssim"}
_PAPER = {  # sign of (row - full) in the paper, in metrics where less is better
    "global point cloud": "worse",
    "no correspondence": "worse",
    "no history": "worse",
    "no self-augmentation": "worse",
}


@dataclass(frozen=True, slots=True)
class Variant:
    """What is left out: memory mode, whether the guide and past frames reach the network, which weights."""

    mode: MemoryMode = "per_frame_owned"
    guide: bool = True
    history: bool = True
    plain_weights: bool = False


ROWS: dict[str, Variant] = {
    "full": Variant(),
    "global point cloud": Variant(mode="global_cloud"),
    "no correspondence": Variant(guide=False),
    "no history": Variant(history=False),
    "no self-augmentation": Variant(plain_weights=True),
}


def _blind(guide: Guide) -> Guide:
    """A guide that shows nothing: the correspondence is withheld."""
    size = guide.known.shape
    none = np.zeros(size, bool)
    return Guide(
        np.zeros((*size, 3), np.float32), np.zeros(size, np.float32), none, none, np.full(size, -1, np.int32),
        np.full((*size, 2), np.nan, np.float32), guide.camera,
    )  # fmt: skip


def _features(rgb: _F32) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
    """Pixels (N, 2) and descriptors (N, 128) of a picture's features, found at twice its size."""
    grey = np.rint(255 * np.clip(rgb.mean(axis=2), 0, 1)).astype(np.uint8)
    return _features_of(np.ascontiguousarray(grey).tobytes(), *grey.shape)


@lru_cache(maxsize=8)  # every made view is compared with the same first one
def _features_of(pixels: bytes, height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
    grey = np.frombuffer(pixels, np.uint8).reshape(height, width)
    finder = cv2.SIFT_create(nfeatures=1200, contrastThreshold=0.01)
    keys, words = finder.detectAndCompute(cv2.resize(grey, None, fx=2, fy=2), None)
    return np.array([key.pt for key in keys], np.float64).reshape(-1, 2) / 2, words


def camera_error(made: _F32, camera: Camera, first: Frame) -> tuple[float, float] | None:
    """Rotation [degrees] and translation error of the camera that a made picture shows.

    Features of the first frame, placed by its true depth, are found again in the made picture; PnP gives the camera they
    are seen from. The translation error is divided by the median depth of the matched points. None: too few agree,
    or on a camera farther off than that depth.
    """
    (keys_a, words_a), (keys_b, words_b) = (_features(x) for x in (np.asarray(first.rgb), made))
    if words_a is None or words_b is None or min(len(words_a), len(words_b)) < 8:
        return None
    pairs = cv2.BFMatcher().knnMatch(words_a, words_b, k=2)
    good = [p[0] for p in pairs if len(p) == 2 and p[0].distance < 0.8 * p[1].distance]
    here = np.array([keys_a[m.queryIdx] for m in good]).reshape(-1, 2)
    there = np.array([keys_b[m.trainIdx] for m in good]).reshape(-1, 2)
    column, row = np.clip(here.astype(int), 0, [camera.width - 1, camera.height - 1]).T
    depth = np.asarray(first.depth)[row, column].astype(np.float64)
    use = depth > 0
    if use.sum() < 8:
        return None
    rays = np.column_stack([here[use], np.ones(use.sum())]) @ np.linalg.inv(first.camera.intrinsics).T
    points = rays * depth[use, None]
    world = points @ first.camera.world_from_camera[:3, :3].T + first.camera.center
    ok, turn, shift, inliers = cv2.solvePnPRansac(
        world, there[use], camera.intrinsics, None, reprojectionError=1.5, iterationsCount=500, confidence=0.999
    )
    if not ok or inliers is None or len(inliers) < 8:
        return None
    rotation = cv2.Rodrigues(turn)[0]
    center = (-rotation.T @ shift).ravel()
    apart = rotation @ camera.world_from_camera[:3, :3]
    angle = np.degrees(np.arccos(np.clip((np.trace(apart) - 1) / 2, -1, 1)))
    off = float(np.linalg.norm(center - camera.center) / np.median(depth[use]))
    if off > _LOST:
        return None  # matches by chance: any number would say as much
    return float(angle), off


def _past(frame: Frame) -> Past:
    depth = np.where(frame.sky, np.inf, frame.depth).astype(np.float32)
    return past_of(np.asarray(frame.rgb), depth, frame.camera)


def _run(model: EmbeddedVideo, variant: Variant, truth: Sequence[Frame], seed: int) -> list[Frame]:
    memory, made = SpatialMemory(mode=variant.mode), [truth[0]]
    memory.insert(truth[0])
    for position, target in enumerate(truth[1:], start=1):
        guide = memory.guide(target.camera)
        pasts = tuple(_past(frame) for frame in made[-2:]) if variant.history else ()
        rng = np.random.default_rng([seed, position])
        frame = model.complete(guide if variant.guide else _blind(guide), position, rng, pasts=pasts)
        memory.insert(frame)
        made.append(frame)
    return made


def _score(made: Sequence[Frame], truth: Sequence[Frame]) -> dict[str, float]:
    table: dict[str, list[float]] = {metric: [] for metric in METRICS}
    everywhere = np.ones(truth[0].sky.shape, bool)
    for i in range(1, len(truth)):
        rgb, true = np.asarray(made[i].rgb), np.asarray(truth[i].rgb)
        table["ssim"].append(ssim(rgb, true))
        table["perceptual"].append(feature_distance(rgb, true, everywhere))
        table["style"].append(style_distance(rgb, np.asarray(truth[0].rgb)))
        found = camera_error(rgb, truth[i].camera, truth[0])
        table["pnp_failed"].append(float(found is None))
        if found is not None:
            table["rotation_deg"].append(found[0])
            table["translation"].append(found[1])
        for j in range(i):
            a, b = truth[j], truth[i]
            table["reprojection"].append(
                reprojection_error(
                    np.asarray(made[j].rgb), np.asarray(a.depth), a.camera, rgb, np.asarray(b.depth), b.camera
                )
            )
    medians = ("rotation_deg", "translation")  # one wrong match must not decide
    return {k: _finite(v, np.median if k in medians else np.mean) for k, v in table.items()}


def _finite(values: Sequence[float], reduce: Callable[..., Any]) -> float:
    found = [v for v in values if np.isfinite(v)]
    return float(reduce(found)) if found else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class AblationReport:
    """The table; rows as plain data, text for people."""

    rows: list[dict[str, Any]]
    differences: list[dict[str, Any]]
    scenes: int
    seeds: int
    left_out: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "scenes": self.scenes,
            "seeds": self.seeds,
            "rows": self.rows,
            "differences": self.differences,
            "left_out": list(self.left_out),
            "note": "perceptual, style and frechet: ImageNet features of EfficientNet-Lite0, not LPIPS, not FID",
        }

    def text(self) -> str:
        """The table with intervals, and each row against the full model."""
        lines = [
            f"{self.scenes} held-out scenes, {self.seeds} seeds, four views each made one after the other, 192x108;",
            "mean [95 % interval over scenes]. perceptual, style (to the first view) and frechet: ImageNet features of",
            "EfficientNet-Lite0 (not LPIPS, not FID). rotation and translation: camera by PnP (translation over depth), medians;",
            "reprojection: colour difference (0..255) of the same surface in two made views.",
            f"{'':22s}" + "".join(f"{m:>22s}" for m in METRICS) + f"{'frechet (range)':>26s}",
        ]
        for row in self.rows:
            cells = "".join(f"{m:>9.3f} [{lo:.3f},{hi:.3f}]".rjust(22) for m, lo, hi in (row[k] for k in METRICS))
            low, high = min(row["frechet"]), max(row["frechet"])
            lines.append(f"{row['row']:22s}{cells}{np.mean(row['frechet']):>12.2f} ({low:.2f}..{high:.2f})")
        lines.append("")
        for item in self.differences:
            mean, low, high = item["difference"]
            agrees = (
                item["verdict"]
                if item["verdict"] in ("tie", "not measured")
                else "as in the paper"
                if item["as_in_paper"]
                else "NOT as in the paper"
            )
            lines.append(
                f"{item['row']} against full, {item['metric']}: {mean:+.4f} [{low:+.4f},{high:+.4f}] "
                f"{item['verdict']} ({agrees})"
            )
        lines += [f"left out: {name}" for name in self.left_out]
        return "\n".join(lines)


def evaluate_ablation(
    scenes: Sequence[tuple[str, Cluster]],
    *,
    seeds: int = 3,
    weights: Path | None = None,
    plain_weights: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AblationReport:
    """Make every cluster's views with every variant.

    Parameters
    ----------
    seeds: orders of the views (and noises). weights: folder of the full model; None: the one that ships.
    plain_weights: folder of a model trained without self-made histories; None leaves that row out.
    """
    rows = {k: v for k, v in ROWS.items() if plain_weights is not None or not v.plain_weights}
    options: dict[str, Any] = {"steps": 1, "grain": 0.0, "geometry": "network"}
    models = {name: EmbeddedVideo(plain_weights if v.plain_weights else weights, **options) for name, v in rows.items()}
    names = sorted({name for name, _ in scenes})
    figures = {row: {metric: {n: [] for n in names} for metric in METRICS} for row in rows}
    features: dict[str, list[list[NDArray[np.float64]]]] = {row: [[] for _ in range(seeds)] for row in (*rows, "truth")}
    for number, (name, cluster) in enumerate(scenes):
        frames = cluster_frames(cluster)
        for seed in range(seeds):
            order = np.random.default_rng([seed, number]).permutation(len(frames))
            truth = [replace(frames[i], index=position) for position, i in enumerate(order)]
            features["truth"][seed] += [picture_features(np.asarray(f.rgb)) for f in truth[1:]]
            for row, variant in rows.items():
                made = _run(models[row], variant, truth, seed)
                for metric, value in _score(made, truth).items():
                    figures[row][metric][name].append(value)
                features[row][seed] += [picture_features(np.asarray(f.rgb)) for f in made[1:]]
        if progress is not None:
            progress(number + 1, len(scenes))
    return _summary(rows, figures, features, names, seeds, plain_weights is None)


def _summary(
    rows: dict[str, Variant],
    figures: dict[str, dict[str, dict[str, list[float]]]],
    features: dict[str, list[list[NDArray[np.float64]]]],
    names: Sequence[str],
    seeds: int,
    without_plain: bool,
) -> AblationReport:
    by_row = {
        row: {k: np.array([_finite(v[n], np.mean) for n in names]) for k, v in table.items()}
        for row, table in figures.items()
    }
    truth = [np.array(x) for x in features["truth"]]
    table = [
        {
            "row": row,
            **{k: bootstrap(by_row[row][k]) for k in METRICS},
            "frechet": [frechet_distance(np.array(features[row][s]), truth[s]) for s in range(seeds)],
        }
        for row in rows
    ]
    differences = []
    for row in (r for r in rows if r != "full"):
        for metric in METRICS:
            change = by_row[row][metric] - by_row["full"][metric]
            measured = bool(np.isfinite(change).any())
            found = verdict(change, higher_is_better=metric in _HIGHER) if measured else "not measured"
            differences.append(
                {
                    "row": row,
                    "metric": metric,
                    "difference": bootstrap(change),
                    "verdict": found,
                    "as_in_paper": found == _PAPER[row],
                }
            )
    left_out = ("no self-augmentation (no weights trained without it; --plain-weights names some)",)
    return AblationReport(table, differences, len(names), seeds, left_out if without_plain else ())

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Does the memory bring a place back? Walks out and back through known rooms, made frame by frame.

The generator is a stand-in that is the same for all memories: it copies what the guide shows and fills the rest with
Navier-Stokes inpainting (Bertalmio et al. 2001) plus a smooth random pattern, so that a place invented twice differs.
The depth of every frame is the true one, times smooth noise drawn anew for each frame: what a depth model gives, and
what makes frames disagree. So the memory alone makes the difference.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import ConfigError, did_you_mean
from lyra_core.memory import SpatialMemory
from lyra_core.training.memory_metrics import psnr, reprojection_error, ssim
from lyra_core.training.rooms import Room, ground_truth_frame, make_room
from lyra_core.types import CameraPath, Frame, Guide

__all__ = [
    "FULL",
    "LOOPS",
    "MODES",
    "QUICK",
    "MemoryPlan",
    "RunResult",
    "evaluate_unit",
    "noisy_depths",
    "run_plan",
    "walk",
]

_LOG = logging.getLogger(__name__)
_F32 = NDArray[np.float32]

MODES = ("none", "global_cloud", "per_frame", "per_frame_owned")
LOOPS = ("offset", "exact")
_INVENTION = 0.04  # standard deviation of the pattern that the stand-in adds to what it invents


@dataclass(frozen=True)
class MemoryPlan:
    """What is evaluated. Every (room, seed) pair is a room of its own, with its own noise and inventions.

    width, height: pixels. frames: per walk. noises: standard deviation of the depth factor (0.06 = 6 %).
    copies: depth of copied pixels, "estimated" (truth times this frame's noise, as a depth model gives) or "guide"
    (what the memory says, as a pipeline that aligns depth to the guide gives).
    """

    rooms: int = 8
    seeds: int = 3
    loops: tuple[str, ...] = LOOPS
    noises: tuple[float, ...] = (0.0, 0.06)
    modes: tuple[str, ...] = MODES
    width: int = 192
    height: int = 112
    frames: int = 40
    copies: str = "estimated"

    def __post_init__(self) -> None:
        for name, known in ((x, LOOPS) for x in self.loops):
            if name not in known:
                raise ConfigError("Unknown loop", got=name, do=did_you_mean(name, known))
        for name in self.modes:
            if name not in MODES:
                raise ConfigError("Unknown memory mode", got=name, do=did_you_mean(name, MODES))
        if self.copies not in ("estimated", "guide"):
            raise ConfigError("copies must be estimated or guide", got=self.copies, do="Use estimated")
        if min(self.rooms, self.seeds) < 1 or self.frames < 6:
            raise ConfigError(
                "A plan needs rooms, seeds and at least 6 frames",
                got=f"{self.rooms}, {self.seeds}, {self.frames}",
                do="Use 1 or more rooms and seeds and 6 or more frames",
            )

    @property
    def units(self) -> tuple[tuple[int, int], ...]:
        """(room, seed) pairs."""
        return tuple(product(range(self.rooms), range(self.seeds)))


FULL = MemoryPlan()
QUICK = MemoryPlan(rooms=2, seeds=1, width=128, height=72, frames=24)


@dataclass(frozen=True)
class RunResult:
    """One walk with one memory. psnr, ssim: frame 1 to the last, against the truth.

    reprojection: mean colour difference (0..255) of returning frames to the first visit; see `reprojection_error`.
    known: share of pixels that the memory knew, frame by frame.
    """

    room: int
    seed: int
    loop: str
    noise: float
    mode: str
    psnr: tuple[float, ...]
    ssim: tuple[float, ...]
    reprojection: float
    known: tuple[float, ...]

    def metrics(self) -> dict[str, float]:
        """Means: over the last tenth (the start view again), over the way back, and over all frames."""
        count = len(self.psnr)
        close, back = max(1, (count + 1) // 10), count // 2
        return {
            "close_psnr": float(np.mean(self.psnr[-close:])),
            "close_ssim": float(np.mean(self.ssim[-close:])),
            "return_psnr": float(np.mean(self.psnr[-back:])),
            "return_ssim": float(np.mean(self.ssim[-back:])),
            "all_psnr": float(np.mean(self.psnr)),
            "all_ssim": float(np.mean(self.ssim)),
            "reprojection": self.reprojection,
        }


def _smooth_noise(rng: np.random.Generator, width: int, height: int, cells: int) -> _F32:
    """Noise (H, W) with mean 0 and deviation about 1 that varies over the picture's width / cells."""
    import cv2

    rows = max(3, round(cells * height / width))
    coarse = rng.standard_normal((rows + 3, cells + 3)).astype(np.float32)
    fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine / max(float(fine.std()), 1e-6), np.float32)


def noisy_depths(rng: np.random.Generator, truth: list[Frame], sigma: float) -> list[_F32]:
    """Depth of each frame as a model might estimate it: truth times exp(sigma * smooth noise), drawn per frame."""
    out = []
    for frame in truth:
        height, width = frame.depth.shape
        field = _smooth_noise(rng, width, height, 6)
        out.append((frame.depth * np.exp(sigma * field)).astype(np.float32))
    return out


def _inventions(rng: np.random.Generator, truth: list[Frame]) -> list[_F32]:
    """What the stand-in would add to invented pixels of each frame (H, W, 1): grey, grains of 4 pixels, so that the
    fill of the next frame averages it out instead of drifting."""
    height, width = truth[0].depth.shape
    return [_smooth_noise(rng, width, height, width // 4)[..., None] * np.float32(_INVENTION) for _ in truth]


def _complete(guide: Guide, invention: _F32) -> _F32:
    """Copy what is known, invent the rest."""
    import cv2

    rgb = np.where(guide.known[..., None], guide.rgb, 0)
    if guide.known.all():
        return rgb.astype(np.float32)
    if not guide.known.any():
        return np.clip(0.5 + invention, 0, 1).astype(np.float32)
    hole = (~guide.known).astype(np.uint8)
    filled = cv2.inpaint(np.rint(255 * np.clip(rgb, 0, 1)).astype(np.uint8), hole, 3, cv2.INPAINT_NS)
    made = filled.astype(np.float32) / 255.0 + invention
    return np.clip(np.where(guide.known[..., None], rgb, made), 0, 1).astype(np.float32)


def walk(
    truth: list[Frame], depths: list[_F32], inventions: list[_F32], mode: str, *, copies: str = "estimated"
) -> Iterator[tuple[_F32, NDArray[np.bool_]]]:
    """Make all frames with one memory; yields rgb (H, W, 3) and what the memory knew (H, W)."""
    memory = SpatialMemory(mode=mode)  # type: ignore[arg-type]  # checked by MemoryPlan
    for frame, depth, invention in zip(truth, depths, inventions, strict=True):
        if frame.index == 0:
            known, rgb = np.zeros_like(frame.sky), frame.rgb
        else:
            guide = memory.guide(frame.camera)
            known, rgb = guide.known, _complete(guide, invention)
            if copies == "guide":
                depth = np.where(known & (guide.depth > 0) & ~frame.sky, guide.depth, depth)
        memory.insert(Frame(frame.index, rgb, depth, frame.sky, frame.camera, ~known))
        yield rgb, known


def _revisits(path: CameraPath) -> list[tuple[int, int]]:
    """(first, again) frames of the way out and back that stand at the same place of the walk."""
    count = len(path)
    out = (count + 1) // 2
    back = count - out
    return [(round((back - 1 - k) * (out - 1) / max(back - 1, 1)), out + k) for k in range(back)]


def _score(
    truth: list[Frame], path: CameraPath, mode: str, depths: list[_F32], inventions: list[_F32], copies: str
) -> tuple[list[float], list[float], float, list[float]]:
    made, shares = [], []
    for rgb, known in walk(truth, depths, inventions, mode, copies=copies):
        made.append(rgb)
        shares.append(float(known.mean()))
    later = range(1, len(truth))
    errors = [
        reprojection_error(made[a], truth[a].depth, truth[a].camera, made[b], truth[b].depth, truth[b].camera)
        for a, b in _revisits(path)
        if b - a > 2
    ]
    return (
        [psnr(made[i], truth[i].rgb) for i in later],
        [ssim(made[i], truth[i].rgb) for i in later],
        float(np.nanmean(errors)) if np.isfinite(errors).any() else float("nan"),
        shares[1:],
    )


def _loop_path(room: Room, loop: str, plan: MemoryPlan) -> CameraPath:
    build = room.offset_loop if loop == "offset" else room.exact_loop
    return build(plan.frames, width=plan.width, height=plan.height)


def evaluate_unit(plan: MemoryPlan, room_number: int, seed: int) -> list[RunResult]:
    """All walks of one room: loops, depth noises and memories. All memories meet the same noise and inventions."""
    room = make_room(1000 * seed + room_number)
    results = []
    for loop in plan.loops:
        path = _loop_path(room, loop, plan)
        truth = [ground_truth_frame(room, camera, i) for i, camera in enumerate(path)]
        for noise in plan.noises:
            rng = np.random.default_rng([seed, room_number, LOOPS.index(loop), round(1e4 * noise)])
            depths = noisy_depths(rng, truth, noise)
            inventions = _inventions(rng, truth)
            for mode in plan.modes:
                p, s, reprojection, known = _score(truth, path, mode, depths, inventions, plan.copies)
                results.append(
                    RunResult(room_number, seed, loop, noise, mode, tuple(p), tuple(s), reprojection, tuple(known))
                )
    _LOG.info("room %d seed %d done", room_number, seed)
    return results


def _single_threaded() -> None:
    """One core per worker process: the processes are the parallelism."""
    os.environ["LYRA_THREADS"] = "1"
    import cv2

    cv2.setNumThreads(1)


def run_plan(
    plan: MemoryPlan = FULL, *, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> list[RunResult]:
    """Evaluate a plan. workers: processes; the result does not depend on it. progress(done, total) per room."""
    units = plan.units
    by_unit: dict[tuple[int, int], list[RunResult]] = {}
    if workers <= 1:
        for unit in units:
            by_unit[unit] = evaluate_unit(plan, *unit)
            if progress is not None:
                progress(len(by_unit), len(units))
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_single_threaded) as pool:
            jobs = {pool.submit(evaluate_unit, plan, *unit): unit for unit in units}
            for job in as_completed(jobs):
                by_unit[jobs[job]] = job.result()
                if progress is not None:
                    progress(len(by_unit), len(units))
    return [result for unit in units for result in by_unit[unit]]

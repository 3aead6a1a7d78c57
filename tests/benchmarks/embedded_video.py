# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What one frame of the embedded video model costs at 832x480 on one thread, and what of it goes where.

    python tests/benchmarks/embedded_video.py [--views 12] [--rounds 3] [--walk 81]

The memory holds one view of a box room with a box in it; the other views go aside and turn, so that 1 to 45 % of them is
hole. CPU time of the process, the least of a few rounds each, mean over views. What other processes do to caches and clocks
counts all the same: on a busy machine figures grow by half. The guide is what the memory draws, for every video model. First the network's
fill alone (grain 0), view by view from one known picture; then whole walks as `lyra generate` makes them, in which what
key views fill is known to the others: the network alone, the model as it ships (with patches), and the training-free one.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["LYRA_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

WIDTH, HEIGHT = 832, 480
GOAL_MS = 60.0


def room_views(count: int) -> tuple[Any, list[Any]]:
    """(memory of the first view, cameras beside it that look further and further aside)."""
    from lyra_core.memory import SpatialMemory
    from lyra_core.types import Frame
    from tests.memory.room import camera, render

    first = camera((0.0, -2.2, 1.4), (0.0, 2.0, 1.0), WIDTH, HEIGHT)
    rgb, depth, sky = render(first, ceiling=True)
    memory = SpatialMemory()
    memory.insert(Frame(0, rgb, depth, sky, first, np.ones_like(sky)))
    aside = np.linspace(0.05, 1.0, count)
    return memory, [camera((0.6 * a, -2.2 + 0.4 * a, 1.4), (1.8 * a, 2.0, 1.0), WIDTH, HEIGHT) for a in aside]


def least_ms(run: Callable[[], Any], rounds: int) -> float:
    """CPU milliseconds of the quickest round."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        run()
        best = min(best, time.process_time() - started)
    return 1e3 * best


def stages(memory: Any, model: Any, view: Any, pasts: tuple[Any, ...], rounds: int) -> dict[str, float]:
    """Milliseconds of what a frame is made of; "model" is all of `complete`, "with its guide" that and the guide."""
    import torch

    from lyra_core.models.video.embedded.base import working_guide
    from lyra_core.models.video.embedded.flow import sample
    from lyra_core.models.video.embedded.model import _whole_view, working_size
    from lyra_core.models.video.embedded.tensors import stack_inputs, view_arrays
    from lyra_core.models.video.fill.clean import trusted

    guide = memory.guide(view)
    known = trusted(guide) & (guide.sky | (guide.depth > 0))
    size = working_size(view)
    work = working_guide(guide, known, size)
    inputs = stack_inputs([view_arrays(work, pasts)])
    network = model._network

    def think() -> None:
        with torch.inference_mode():
            sample(network, inputs, 1)

    out = {
        "guide": least_ms(lambda: memory.guide(view), rounds),
        "crumbs": least_ms(lambda: trusted(guide), rounds),
        "shrink": least_ms(lambda: working_guide(guide, known, size), rounds),
        "base": least_ms(lambda: view_arrays(work, pasts), rounds),
        "network": least_ms(think, rounds),
    }
    small, scale = model._fill(guide, known, np.random.default_rng(0), pasts)
    cell = view.width / size[0]
    out["enlarge and join"] = least_ms(lambda: _whole_view(guide, known, small, scale, cell), rounds)
    out["model"] = least_ms(lambda: model.complete(guide, 1, np.random.default_rng(0), pasts=pasts), rounds)
    return {**out, "with its guide": out["guide"] + out["model"], "hole": 100 * float((~known).mean())}


def timed(model: Any, name: str) -> list[float]:
    """Replaces a method by one that adds its CPU seconds to the one number of the list that is returned."""
    spent, method = [0.0], getattr(model, name)

    def measured(*given: Any, **named: Any) -> Any:
        started = time.process_time()
        try:
            return method(*given, **named)
        finally:
            spent[0] += time.process_time() - started

    setattr(model, name, measured)
    return spent


def walk_ms(model: Any, frames: int) -> float:
    """CPU milliseconds a frame of a walk through the room that turns aside: guides, fills and the memory's own work."""
    from lyra_core.models.protocols import ModelProgress, VideoRequest
    from lyra_core.types import CameraPath, Frame
    from tests.memory.room import camera, render

    memory, cameras = room_views(frames)
    path = CameraPath(
        np.stack([c.world_from_camera for c in cameras]), np.stack([c.intrinsics for c in cameras]), WIDTH, HEIGHT
    )
    first = camera((0.0, -2.2, 1.4), (0.0, 2.0, 1.0), WIDTH, HEIGHT)
    rgb, depth, sky = render(first, ceiling=True)
    history = (Frame(0, rgb, depth, sky, first, np.ones_like(sky)),)
    started = time.process_time()
    for item in model.generate(VideoRequest(path, 1, memory, history, None, np.random.default_rng(0))):
        if not isinstance(item, ModelProgress):
            memory.insert(item)
    return 1e3 * (time.process_time() - started) / frames


def main() -> None:
    """Print the mean over views, and the least and largest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--walk", type=int, default=81, help="frames of the walks; 0: none")
    given = parser.parse_args()
    import cv2
    import torch

    from lyra_core.models.video.embedded.model import EmbeddedVideo
    from lyra_core.models.video.embedded.tensors import past_of

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    memory, views = room_views(given.views)
    model = EmbeddedVideo(grain=0.0, geometry="network")
    first = memory.guide(views[0])
    pasts = (past_of(np.asarray(first.rgb), np.asarray(first.depth), first.camera),) * 2
    model.complete(memory.guide(views[-1]), 1, np.random.default_rng(0), pasts=pasts)  # loads and warms up
    rows = [stages(memory, model, view, pasts, given.rounds) for view in views]
    print(f"{WIDTH}x{HEIGHT}, one thread, CPU ms a frame over {len(rows)} views, holes "
          f"{min(r['hole'] for r in rows):.0f} to {max(r['hole'] for r in rows):.0f} %")  # fmt: skip
    for name in ("guide", "crumbs", "shrink", "base", "network", "enlarge and join", "model", "with its guide"):
        values = [row[name] for row in rows]
        print(f"  {name:17s} {np.mean(values):6.1f}   ({min(values):.1f} to {max(values):.1f})")
    for name in ("model", "with its guide"):
        met = np.mean([row[name] for row in rows]) <= GOAL_MS
        print(f"  goal of {GOAL_MS:.0f} ms, {name}: {'met' if met else 'not met'}")
    if given.walk:
        from lyra_core.models.video.reproject import ReprojectVideo

        print(f"walk of {given.walk} frames, CPU ms a frame with guide and memory (of it the model's own)")
        for name, whole in (
            ("network alone", model),
            ("as it ships", EmbeddedVideo()),
            ("training-free", ReprojectVideo()),
        ):
            walk_ms(whole, 3)
            own = timed(whole, "complete") if hasattr(whole, "complete") else None
            total = walk_ms(whole, given.walk)
            print(f"  {name:17s} {total:6.1f}" + ("" if own is None else f"   ({1e3 * own[0] / given.walk:.1f})"))


if __name__ == "__main__":
    main()

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Coverage retrieval and guides at 832x480, all frames in one room that is walked through again and again.

    python tests/benchmarks/retrieval.py [--frames 10 100 300] [--rounds 5]

Retrieval: five frames by exact greedy coverage, against a plain PyTorch version that projects float32
points of all frames (one thread each). Guide: one target from the owned memory and from five whole frames.
Nothing here is sparse: every frame sees a part of the same room, so candidates grow with the frames held.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def cameras(count: int):
    from tests.memory import room

    angle = np.linspace(0, 2 * np.pi * max(1, count // 50), count, endpoint=False)
    return [
        room.camera((0.9 * np.cos(a), 0.5 + 1.2 * np.sin(a), 1.3), (3 * np.cos(a + 0.8), 3 * np.sin(a + 0.8), 1), 832, 480)
        for a in angle
    ]  # fmt: skip


def thinned(view):
    """A camera whose pixel centres are the kept samples: the centre of every fourth pixel."""
    from lyra_core.types import Camera

    height, width = view.depth.shape
    k = np.array(view.camera.intrinsics)
    k[:2] /= 4
    k[:2, 2] += 0.5 - 0.125
    return Camera(k, view.camera.world_from_camera, width, height)


def torch_peer(views, target, count=5):
    """Greedy coverage from stored world points, as Lyra 2.0 describes it (without its quirks)."""
    import torch

    from lyra_core.geometry import unproject

    points = []
    for view in views:
        small = thinned(view)
        points.append(torch.from_numpy(unproject(view.depth.astype(np.float32), small).reshape(-1, 3)))
    world = torch.stack(points)
    full = torch.stack([torch.from_numpy(view.depth.astype(np.float32).ravel()) for view in views]) > 0
    w2c = torch.tensor(target.camera_from_world, dtype=torch.float32)
    k = torch.tensor(target.resized(target.width // 4, target.height // 4).intrinsics, dtype=torch.float32)
    height, width = target.height // 4, target.width // 4

    def run():
        seen = (world @ w2c[:3, :3].T + w2c[:3, 3]) @ k.T
        z = seen[..., 2]
        place = torch.floor(seen[..., :2] / z[..., None])
        inside = full & (z > 0) & (place >= 0).all(-1) & (place[..., 0] < width) & (place[..., 1] < height)
        cell = torch.where(inside, place[..., 1] * width + place[..., 0], torch.zeros(())).long()
        nearest = torch.full((height * width,), torch.inf).scatter_reduce_(0, cell[inside], z[inside], "amin")
        shown = inside & (z <= nearest[cell] * 1.03)
        covers = torch.zeros(len(world), height * width, dtype=torch.bool)
        row = torch.arange(len(world))[:, None].expand_as(cell)
        covers[row[shown], cell[shown]] = True
        taken = torch.zeros(height * width, dtype=torch.bool)
        chosen = []
        for _ in range(count):
            gain = (covers & ~taken).sum(1)
            best = int(gain.argmax())
            if gain[best] == 0:
                break
            chosen.append(best)
            taken |= covers[best]
        return tuple(reversed(chosen))

    return run


def timed(run) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def processor(run) -> float:
    """CPU time [ms] of all threads: what a busy machine leaves comparable."""
    start = time.process_time()
    run()
    return (time.process_time() - start) * 1e3


def medians(runs, rounds: int, clock=timed) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(clock(run))
    return {name: statistics.median(values) for name, values in times.items()}


def guide_times(rounds: int) -> None:
    from lyra_core.kernels import launch
    from lyra_core.memory import SpatialMemory
    from lyra_core.types import Frame
    from tests.memory import room

    path = cameras(100)[:24]
    memories = {mode: SpatialMemory(mode=mode) for mode in ("per_frame_owned", "per_frame")}
    insert = []
    for i, camera in enumerate(path):
        rgb, depth, sky = room.render(camera)
        for memory in memories.values():
            frame = Frame(i, rgb, depth, sky, camera, ~memory.guide(camera).known)
            insert.append(processor(lambda m=memory, f=frame: m.insert(f)))
    target = cameras(100)[12]
    moved = np.array(target.world_from_camera)
    moved[:3, 3] += (0.05, 0.1, -0.05)
    target = target.moved(moved)
    for threads in (1, 2):
        os.environ["LYRA_THREADS"] = str(threads)
        launch.worker_count.cache_clear()
        runs = {m: (lambda x=memory: x.guide(target)) for m, memory in memories.items()}
        wall, used = medians(runs, rounds), medians(runs, rounds, processor)
        print(f"guide from {len(path)} frames, {threads} thread(s): "
              + ", ".join(f"{name} {wall[name]:.0f} ms ({used[name]:.0f} ms CPU)" for name in runs))  # fmt: skip
    print(f"insert: median {statistics.median(insert):.0f} ms CPU")


def main() -> None:
    """Print medians [ms] for each number of frames."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[10, 100, 300])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.environ["LYRA_THREADS"] = "1"
    import torch

    from lyra_core.ops.coverage import greedy, make_view
    from tests.memory import room

    torch.set_num_threads(1)
    for count in arguments.frames:
        path = cameras(count)
        views = []
        for i, camera in enumerate(path):
            small = room.render(camera.resized(208, 120))[1]
            views.append(make_view(i, np.repeat(np.repeat(small, 4, 0), 4, 1), camera))
        target = path[count // 3]
        peer = torch_peer(views, target)
        result = medians(
            {
                "torch": peer,
                "all frames": lambda v=views, t=target: greedy(v, [t], cull=False),
                "culled": lambda v=views, t=target: greedy(v, [t]),
            },
            arguments.rounds,
        )
        same = set(peer()) == set(greedy(views, [target]))
        kept = sum(bool(greedy([v], [target])) for v in views)
        print(f"{count:5d} frames ({kept} in view), 1 thread: "
              + ", ".join(f"{n} {v:.1f} ms ({result['torch'] / v:.1f}x)" for n, v in result.items())
              + f"; same frames: {same}")  # fmt: skip
    guide_times(arguments.rounds)


if __name__ == "__main__":
    main()

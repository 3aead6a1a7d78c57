# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Forward reprojection of one 832x480 frame against a plain PyTorch version of the same work.

    python tests/benchmarks/reproject.py [--rounds 7] [--threads 1 2]

Both make the 5x5 reliability mask, unproject, project, and splat colour and depth. The peer is written
the straightforward way (batched matrix products, `index_put_` with accumulate, once for colour and once
for depth), as Lyra 2.0 describes it. Runs alternate A B A B in one process; medians. Both sides
get the same number of threads. On a busy machine read the CPU time at one thread; torch's wall time at two
threads then measures waiting, not work.
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

WIDTH, HEIGHT, FOCAL = 832, 480, 520.0


def scene():
    """(rgb, depth, source, target): a box room with a box in it, seen from two places 30 cm apart."""
    from lyra_core.geometry import look_at
    from lyra_core.types import Camera
    from tests.memory.room import render

    k = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    source = Camera(k, look_at(np.array([0.0, -2.2, 1.4]), np.array([0.0, 2.0, 1.0])), WIDTH, HEIGHT)
    target = Camera(k, look_at(np.array([0.25, -2.0, 1.45]), np.array([0.1, 2.0, 1.0])), WIDTH, HEIGHT)
    rgb, depth, _ = render(source, ceiling=True)
    return rgb, depth, source, target


def torch_peer(rgb, depth, source, target):
    """The same work in PyTorch: rgb (3, H, W), depth (H, W), mask (H, W)."""
    import torch
    import torch.nn.functional as functional

    k_source, k_target = (torch.tensor(c.intrinsics, dtype=torch.float32) for c in (source, target))
    c2w = torch.tensor(source.world_from_camera, dtype=torch.float32)
    w2c = torch.tensor(target.camera_from_world, dtype=torch.float32)

    def reliable(z):
        window = z[None, None]
        high = functional.max_pool2d(window, 5, 1, 2)
        low = -functional.max_pool2d(-window, 5, 1, 2)
        mean = functional.avg_pool2d(window, 5, 1, 2)
        return ((high - low) / (mean + 1e-6) < 0.05)[0, 0]

    def splat(values, flow, z, mask):
        channels, height, width = values.shape
        grid_y, grid_x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        position = flow + torch.stack([grid_x, grid_y]).float() + 1
        low, high = position.floor().long(), position.ceil().long()
        limit = torch.tensor([width + 1, height + 1])[:, None, None]
        position = torch.minimum(position.clamp(min=0), limit)
        low, high = torch.minimum(low.clamp(min=0), limit), torch.minimum(high.clamp(min=0), limit)
        log_depth = torch.log1p(z.clamp(min=0))
        weight = mask / (torch.exp((log_depth / (log_depth.max() + 1e-7) * 50).clamp(max=80)) + 1e-7)
        near, far = 1 - (position - low), 1 - (high - position)
        image = torch.zeros(height + 2, width + 2, channels)
        total = torch.zeros(height + 2, width + 2, 1)
        moved = values.permute(1, 2, 0)
        for ys, wy in ((low[1], near[1]), (high[1], far[1])):
            for xs, wx in ((low[0], near[0]), (high[0], far[0])):
                w = (wy * wx * weight)[..., None]
                image.index_put_((ys, xs), moved * w, accumulate=True)
                total.index_put_((ys, xs), w, accumulate=True)
        image, total = image[1:-1, 1:-1], total[1:-1, 1:-1]
        return torch.where(total > 0, image / total, torch.zeros(())).permute(2, 0, 1), total[..., 0] > 0

    def run():
        z = torch.nan_to_num(depth_t, nan=1e4).clamp(0, 1e4)
        valid = (z > 0) & reliable(z)
        grid_y, grid_x = torch.meshgrid(torch.arange(HEIGHT).float(), torch.arange(WIDTH).float(), indexing="ij")
        pixel = torch.stack([grid_x, grid_y, torch.ones_like(grid_x)], -1)[..., None]
        local = torch.linalg.inv(k_source) @ pixel * z[..., None, None]
        point = c2w @ torch.cat([local, torch.ones_like(local[..., :1, :])], -2)
        point = torch.where(valid[..., None, None], point, torch.tensor([0.0, 0, 0, 1])[:, None])
        seen = (k_target @ (w2c @ point)[..., :3, :])[..., 0]
        front = seen[..., 2] > 0
        uv = seen[..., :2] / (seen[..., 2:] + 1e-7)
        flow = (uv - pixel[..., :2, 0]).permute(2, 0, 1)
        mask = (valid & front).float()
        color, covered = splat(rgb_t, flow, seen[..., 2], mask)
        out_depth, _ = splat(seen[None, ..., 2], flow, seen[..., 2], mask)
        return color, out_depth[0], covered

    rgb_t = torch.from_numpy(rgb).permute(2, 0, 1).contiguous()
    depth_t = torch.from_numpy(depth)
    return run


def ours(rgb, depth, source, target, *, compat, index):
    from lyra_core.ops.reproject import Source, reliability_mask, reproject

    def run():
        valid = reliability_mask(depth, compat=compat)
        return reproject([Source(rgb, depth, valid, source)], target, compat=compat, index=index)

    return run


def timed(run) -> tuple[float, float]:
    """(wall, CPU of all threads) [ms]."""
    wall, used = time.perf_counter(), time.process_time()
    run()
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - used) * 1e3


def main() -> None:
    """Print medians [ms] and ratios for each thread count, and how far the two results differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    import torch

    from lyra_core.kernels import launch

    inputs = scene()
    runs = {
        "torch": torch_peer(*inputs),
        "ours, reference mode": ours(*inputs, compat="reference", index=False),
        "ours, default mode": ours(*inputs, compat="default", index=False),
        "ours, default + index": ours(*inputs, compat="default", index=True),
    }
    color, depth, covered = (t.numpy() for t in runs["torch"]())
    got = runs["ours, reference mode"]()
    both = covered & got.mask
    print(f"same work? mask differs on {(covered != got.mask).mean():.2%} of pixels, "
          f"colour p99.9 {np.quantile(np.abs(got.rgb - color.transpose(1, 2, 0))[both], 0.999):.1e}, "
          f"depth p99.9 {np.quantile(np.abs(got.depth - depth)[both], 0.999):.1e} m")  # fmt: skip
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        os.environ["LYRA_THREADS"] = str(threads)
        launch.worker_count.cache_clear()
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        for run in runs.values():
            run()
        for _ in range(arguments.rounds):
            for name, run in runs.items():
                times[name].append(timed(run))
        print(f"\n{threads} thread(s), {WIDTH}x{HEIGHT}, median of {arguments.rounds} rounds; ratio to torch:")
        base = [statistics.median(values) for values in zip(*times["torch"], strict=True)]
        for name, rows in times.items():
            wall, used = (statistics.median(values) for values in zip(*rows, strict=True))
            print(
                f"  {name:24s} wall {wall:7.1f} ms {base[0] / wall:5.1f}x   CPU {used:7.1f} ms {base[1] / used:5.1f}x"
            )


if __name__ == "__main__":
    main()

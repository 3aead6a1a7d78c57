# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Drawing 450k Gaussians of about one pixel at 832x480, against a straightforward PyTorch rasteriser.

    python tests/benchmarks/splat.py [--rounds 5] [--threads 1]

The peer is our own plain tile rasteriser in PyTorch (project, list per 8x8 tile, alpha matrix, cumulative
product): gsplat's PyTorch reference asks its CUDA extension for the hits, so it cannot run on a CPU. Runs
alternate A B A B in one process; medians of wall time, the same number of threads on both sides.
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

WIDTH, HEIGHT, FOCAL, TILE = 832, 480, 520.0, 8  # 8 is the fastest tile for the peer (16: 1.6x slower)


def scene():
    """(gaussians, camera): one Gaussian per pixel of a wavy wall, 50,000 more behind it, seen from 58 cm beside."""
    from lyra_core.geometry import unproject
    from lyra_core.types import Camera, Gaussians

    rng = np.random.default_rng(0)
    k = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    camera = Camera(k, np.eye(4), WIDTH, HEIGHT)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    points = unproject((2 + x / WIDTH + 0.2 * np.sin(y / 30)).astype(np.float32), camera).reshape(-1, 3)
    means = np.concatenate([points, 1.3 * points[rng.permutation(len(points))[:50_000]]])
    scales = np.repeat(0.55 * means[:, 2:] / FOCAL, 3, axis=1) * np.array([1, 1, 0.15])
    quats = np.tile(np.array([1.0, 0, 0, 0]), (len(means), 1))
    sh = 0.5 * rng.normal(size=(len(means), 1, 3))
    gaussians = Gaussians(means, quats, scales, np.full(len(means), 0.97), sh)
    pose = np.eye(4)
    pose[:3, 3] = [0.3, 0, -0.5]
    return gaussians, camera.moved(pose)


def torch_peer(gaussians, camera):
    """rgb (H, W, 3) by tiles, float32."""
    import torch

    view = torch.tensor(camera.camera_from_world, dtype=torch.float32)
    means, quats, scales, opacities, sh = (
        torch.tensor(np.asarray(getattr(gaussians, n))) for n in ("means", "quats_wxyz", "scales", "opacities", "sh")
    )
    w, x, y, z = quats.unbind(1)
    rotation = torch.stack(
        [
            1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
        ], dim=1,
    ).reshape(-1, 3, 3)  # fmt: skip
    points = means @ view[:3, :3].T + view[:3, 3]
    keep = points[:, 2] > 0.05
    points, rotation, scales, opacities = points[keep], rotation[keep], scales[keep], opacities[keep]
    colors = (0.5 + 0.28209479 * sh[keep, 0]).clamp_min(0)
    depth = points[:, 2]
    center = points[:, :2] / depth[:, None] * FOCAL + torch.tensor([WIDTH / 2, HEIGHT / 2])
    axes = view[:3, :3] @ rotation * scales[:, None]
    flat = FOCAL / depth[:, None, None] * (axes[:, :2] - (points[:, :2] / depth[:, None])[:, :, None] * axes[:, 2:])
    covariance = flat @ flat.transpose(1, 2) + 0.3 * torch.eye(2)
    conic = torch.linalg.inv(covariance)
    half = 3 * torch.sqrt(torch.diagonal(covariance, dim1=1, dim2=2))
    order = torch.argsort(depth)
    center, conic, half, colors, opacities = (t[order] for t in (center, conic, half, colors, opacities))
    image = torch.zeros(HEIGHT, WIDTH, 3)
    for top in range(0, HEIGHT, TILE):
        row = torch.nonzero((center[:, 1] + half[:, 1] > top) & (center[:, 1] - half[:, 1] < top + TILE))[:, 0]
        for left in range(0, WIDTH, TILE):
            c = center[row, 0]
            hit = row[(c + half[row, 0] > left) & (c - half[row, 0] < left + TILE)]
            image[top : top + TILE, left : left + TILE] = _blend(
                center[hit], conic[hit], colors[hit], opacities[hit], top, left
            )
    return image.numpy()


def _blend(center, conic, colors, opacities, top, left):
    import torch

    y, x = torch.meshgrid(torch.arange(top, top + TILE) + 0.5, torch.arange(left, left + TILE) + 0.5, indexing="ij")
    dx, dy = x.reshape(-1, 1) - center[:, 0], y.reshape(-1, 1) - center[:, 1]
    power = conic[:, 0, 0] * dx * dx + 2 * conic[:, 0, 1] * dx * dy + conic[:, 1, 1] * dy * dy
    alpha = torch.where(power < 9, opacities * torch.exp(-0.5 * power), 0)
    alpha = torch.where(alpha > 1 / 255, alpha, 0)
    trans = torch.cumprod(1 - alpha, dim=1)
    weight = alpha * torch.cat([torch.ones_like(trans[:, :1]), trans[:, :-1]], dim=1)
    return (weight @ colors).reshape(TILE, TILE, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    os.environ["LYRA_THREADS"] = str(options.threads)
    import torch

    from lyra_core.ops.splat import splatter

    torch.set_num_threads(options.threads)
    gaussians, camera = scene()
    prepared = splatter(gaussians)
    ours = prepared.draw(camera).rgb  # compiles the kernels
    stages: dict[str, list[float]] = {}
    times: dict[str, list[float]] = {"ours": [], "torch": []}
    with torch.no_grad():
        for _ in range(options.rounds):
            start = time.perf_counter()
            ours = prepared.draw(camera).rgb
            times["ours"].append(time.perf_counter() - start)
            for name, seconds in prepared.seconds.items():
                stages.setdefault(name, []).append(seconds)
            start = time.perf_counter()
            theirs = torch_peer(gaussians, camera)
            times["torch"].append(time.perf_counter() - start)
    median = {name: 1e3 * statistics.median(values) for name, values in times.items()}
    print(f"{len(gaussians)} Gaussians, {WIDTH}x{HEIGHT}, {options.threads} thread(s), median of {options.rounds}")
    print("  " + ", ".join(f"{name} {1e3 * statistics.median(v):.1f} ms" for name, v in stages.items()))
    print(f"  ours {median['ours']:.1f} ms (min {1e3 * min(times['ours']):.1f}), plain torch {median['torch']:.1f} ms")
    print(
        f"  ratio {median['torch'] / median['ours']:.1f}x; mean picture difference {np.abs(ours - theirs).mean():.1e}"
    )


if __name__ == "__main__":
    main()

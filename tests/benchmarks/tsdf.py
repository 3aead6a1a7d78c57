# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Time of depth fusion and meshing: `python -m tests.benchmarks.tsdf [--views N] [--voxel M] [--device D]`.

Prints wall and process CPU time per view (832x480 depth of an exact room), extraction, surface error, and the
same for open3d's VoxelBlockGrid if it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import time

import numpy as np

from lyra_core.kernels.launch import worker_count
from lyra_core.meshing import MeshConfig, mesh_from_frames
from lyra_core.ops.tsdf import TsdfVolume
from tests.meshing.analytic import ROOM, render, room_cameras


def _error(vertices):
    inside = ((vertices > np.array(ROOM.room[0]) - 0.02) & (vertices < np.array(ROOM.room[1]) + 0.02)).all(axis=1)
    error = 1e3 * ROOM.distance(vertices[inside].astype(np.float64))
    floor = vertices[np.abs(vertices[:, 2]) < 0.01, 2]
    rms = 1e3 * np.sqrt((floor**2).mean())
    return f"error mean {error.mean():.2f} p95 {np.quantile(error, 0.95):.2f} mm, floor rms {rms:.2f} mm"


def _ours(frames, voxel, device):
    TsdfVolume(voxel, device=device).integrate(frames[0].depth, frames[0].camera)  # compiles the kernel
    volume = TsdfVolume(voxel, device=device)
    wall, cpu = [], []
    for frame in frames:
        a, b = time.perf_counter(), time.process_time()
        volume.integrate(frame.depth, frame.camera, rgb=frame.rgb, sky=frame.sky)
        wall.append(time.perf_counter() - a)
        cpu.append(time.process_time() - b)
    a = time.perf_counter()
    mesh = volume.extract()
    extract = time.perf_counter() - a
    print(
        f"lyra_core {device}: {1e3 * np.median(wall):.1f} ms wall, {1e3 * np.median(cpu):.1f} ms cpu per view "
        f"({worker_count()} threads), {len(volume)} blocks {volume.nbytes / 2**20:.0f} MiB, extract {extract:.2f} s, "
        f"{len(mesh.faces)} triangles, {_error(mesh.vertices)}"
    )


def _open3d(frames, voxel):
    if importlib.util.find_spec("open3d") is None:
        print("open3d VoxelBlockGrid: peer not installed")
        return
    import open3d as o3d

    core = o3d.core
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight"), (core.float32, core.float32), ((1), (1)), voxel, 8, 20000, core.Device("CPU:0")
    )
    wall = []
    for frame in frames:
        k = frame.camera.intrinsics.copy()
        k[:2, 2] -= 0.5  # open3d puts pixel centres at integers
        depth = o3d.t.geometry.Image(core.Tensor(np.ascontiguousarray(frame.depth)))
        k, pose = core.Tensor(k), core.Tensor(frame.camera.camera_from_world)
        a = time.perf_counter()
        blocks = grid.compute_unique_block_coordinates(depth, k, pose, 1.0, 20.0, 3.0)
        grid.integrate(blocks, depth, k, pose, 1.0, 20.0, 3.0)
        wall.append(time.perf_counter() - a)
    a = time.perf_counter()
    mesh = grid.extract_triangle_mesh(1.0)
    extract = time.perf_counter() - a
    vertices = mesh.vertex.positions.numpy()
    print(
        f"open3d VoxelBlockGrid (no colour): {1e3 * np.median(wall):.1f} ms wall per view, extract {extract:.2f} s, "
        f"{len(mesh.triangle.indices)} triangles, {_error(vertices)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", type=int, default=24)
    parser.add_argument("--voxel", type=float, default=0.03)
    parser.add_argument("--noise", type=float, default=0.002, help="relative depth noise")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    for width, height in ((832, 480), (416, 240)):
        cameras = room_cameras(args.views, width=width, height=height)
        frames = [render(ROOM, camera, i, noise=args.noise, rng=rng) for i, camera in enumerate(cameras)]
        print(f"{width}x{height}, voxel {1e3 * args.voxel:.0f} mm, {args.views} views, noise {args.noise:g}")
        _ours(frames, args.voxel, args.device)
        _open3d(frames, args.voxel)
        if width == 832:
            a, b = time.perf_counter(), time.process_time()
            world = mesh_from_frames(frames, config=MeshConfig(device=args.device))
            print(
                f"mesh_from_frames: {time.perf_counter() - a:.2f} s wall, {time.process_time() - b:.2f} s cpu,"
                f" {len(world.collision.faces)} collider and {len(world.visual.faces)} visual triangles"
            )


if __name__ == "__main__":
    main()

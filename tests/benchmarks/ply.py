# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Writing and reading INRIA PLY against plyfile in its fastest form (a structured view of one array).

    python tests/benchmarks/ply.py [--count 500000] [--degree 0] [--rounds 5]

Both sides start from and end with the same arrays: linear scales, opacity 0..1, coefficient-major SH. Runs
alternate A B A B in one process; medians of wall time. Part of the time is the disk's.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def gaussians_of(count, degree):
    from lyra_core.types import Gaussians

    rng = np.random.default_rng(0)
    quats = rng.normal(size=(count, 4)).astype(np.float32)
    return Gaussians(
        rng.normal(size=(count, 3)),
        quats / np.linalg.norm(quats, axis=1, keepdims=True),
        np.exp(rng.uniform(-8, 0, (count, 3))),
        rng.uniform(0.01, 0.99, count),
        rng.normal(size=(count, (degree + 1) ** 2, 3)),
    )


def plyfile_write(path, g):
    import plyfile

    rest = g.sh[:, 1:].transpose(0, 2, 1).reshape(len(g), -1)
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"]
    names += [f"f_rest_{i}" for i in range(rest.shape[1])]
    names += ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    logit = np.log(g.opacities / (1 - g.opacities))[:, None]
    normals = np.zeros((len(g), 3), np.float32)
    table = np.concatenate([g.means, normals, g.sh[:, 0], rest, logit, np.log(g.scales), g.quats_wxyz], axis=1)
    view = np.ascontiguousarray(table, "<f4").view([(name, "<f4") for name in names])[:, 0]
    plyfile.PlyData([plyfile.PlyElement.describe(view, "vertex")]).write(path)


def plyfile_read(path):
    import plyfile

    data = plyfile.PlyData.read(path)["vertex"].data
    table = np.array(data).view("<f4").reshape(len(data), -1)
    count = table.shape[1] - 17
    rest = table[:, 9 : 9 + count].reshape(len(table), 3, count // 3).transpose(0, 2, 1)
    sh = np.concatenate([table[:, None, 6:9], rest], axis=1)
    tail = table[:, 9 + count :]
    return table[:, :3], tail[:, 4:], np.exp(tail[:, 1:4]), 1 / (1 + np.exp(-tail[:, 0])), sh


def main() -> None:
    from lyra_core.reconstruction.ply import read_ply, write_ply

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500_000)
    parser.add_argument("--degree", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    gaussians = gaussians_of(options.count, options.degree)
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours.ply", Path(folder) / "theirs.ply"
        jobs = {
            "write ours": lambda: write_ply(ours, gaussians),
            "write plyfile": lambda: plyfile_write(theirs, gaussians),
            "read ours": lambda: read_ply(ours),
            "read plyfile": lambda: plyfile_read(theirs),
        }
        for _ in range(options.rounds + 1):
            for name, job in jobs.items():
                start = time.perf_counter()
                job()
                times.setdefault(name, []).append(time.perf_counter() - start)
        size = ours.stat().st_size / 2**20
    median = {name: 1e3 * statistics.median(values[1:]) for name, values in times.items()}  # the first run warms up
    print(f"{options.count} Gaussians, SH degree {options.degree}, {size:.0f} MiB, median of {options.rounds}")
    for kind in ("write", "read"):
        a, b = median[f"{kind} ours"], median[f"{kind} plyfile"]
        print(f"  {kind}: ours {a:.0f} ms, plyfile view {b:.0f} ms, ratio {b / a:.2f}x")
    print("  (ours also refuses NaN, scales <= 0 and quaternions without length, and renames when whole)")


if __name__ == "__main__":
    main()

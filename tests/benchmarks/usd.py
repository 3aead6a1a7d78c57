# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Write 100,000 Gaussians of degree 3 as USD, read them back, and validate and drop-test a room.

    python tests/benchmarks/usd.py [--splats 100000] [--rounds 3] [--no-physics]

Peer: NVIDIA's converter (package usd-convert-gsplat or omniverse-gsplat-converter), run on the same Gaussians from a
.ply file if it is installed; it pins numpy==2.3.1, so it usually lives in another environment and is then left out,
which is printed. Wall and CPU time are both given: other work on the machine disturbs the former.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

PEERS = ("usd-convert-gsplat", "omniverse-gsplat-converter")


def timed(what, rounds):
    """(median wall s, median CPU s, last result)."""
    wall, cpu, result = [], [], None
    for _ in range(rounds):
        a, b = time.perf_counter(), time.process_time()
        result = what()
        wall.append(time.perf_counter() - a)
        cpu.append(time.process_time() - b)
    return statistics.median(wall), statistics.median(cpu), result


def row(name, wall, cpu, note=""):
    print(f"{name:<44} {wall:8.2f} s wall {cpu:8.2f} s cpu   {note}")


def peer(gaussians, folder, rounds):
    """Time NVIDIA's converter on the same Gaussians, where it is installed."""
    installed = [name for name in PEERS if _version(name)]
    command = next((name for name in PEERS if shutil.which(name)), None)
    if not installed or command is None:
        print(f"peer: not installed ({' or '.join(PEERS)}), so no comparison was made")
        return
    from lyra_core.reconstruction.ply import write_ply

    source, target = folder / "splats.ply", folder / "peer.usdz"
    write_ply(source, gaussians)
    wall, _, done = timed(lambda: subprocess.run([command, str(source), str(target)], capture_output=True), rounds)
    size = f"{target.stat().st_size / 1e6:.0f} MB" if target.is_file() else f"failed with {done.returncode}"
    row(f"peer: {installed[0]} {_version(installed[0])}", wall, float("nan"), size)


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splats", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-physics", action="store_true")
    options = parser.parse_args()
    from lyra_core.simulation import check_world, is_available
    from lyra_core.usd import read_splats, validate
    from lyra_core.usd.splats import write_appearance
    from tests.usd.conftest import write_room
    from tests.usd.synthetic import room_tiles, some_gaussians

    gaussians = some_gaussians(options.splats, 16)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        file = folder / "appearance.usdc"
        wall, cpu, _ = timed(lambda: write_appearance(file, gaussians), options.rounds)
        row(f"write {options.splats:,} splats, degree 3", wall, cpu, f"{file.stat().st_size / 1e6:.0f} MB")
        wall, cpu, _ = timed(lambda: read_splats(file), options.rounds)
        row("read them back", wall, cpu)
        peer(gaussians, folder, options.rounds)
        tiles = room_tiles(step=0.028, noise=0.004)
        world = folder / "world"
        triangles = sum(len(mesh.faces) for _, mesh in tiles)
        wall, cpu, _ = timed(lambda: write_room(world, tiles=tiles, gaussians=gaussians), options.rounds)
        row(f"write a world, {triangles:,} triangles", wall, cpu)
        wall, cpu, report = timed(lambda: validate(world), 1)
        rules = ", ".join(f"{tool} {len(names)}" for tool, names in report.rules.items())
        row("validate it", wall, cpu, f"{report.errors} errors; rules: {rules}")
        if options.no_physics or not is_available():
            print("physics: left out" if options.no_physics else "physics: ovphysx is not installed, left out")
            return
        wall, cpu, check = timed(lambda: check_world(world, drops=500), 1)
        note = f"{check.drops.fell}/500 fell, {check.probe.hits}/{check.probe.rays} rays hit, "
        note += f"cook {check.cook_seconds:.2f} s, {check.step_ms:.2f} ms/step, RTF {check.drops.realtime_factor:.1f}"
        row("drop 500 bodies, with both controls", wall, cpu, note)


if __name__ == "__main__":
    main()

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Write 100,000 Gaussians of degree 3 as USD, read them back, and validate and drop-test a room.

    python tests/benchmarks/usd.py [--splats 100000] [--rounds 3] [--no-physics] [--peer usd-convert-gsplat]

Peer: NVIDIA's converter (package usd-convert-gsplat or omniverse-gsplat-converter), run on the same Gaussians from a
.ply file if it is installed; it pins numpy==2.3.1, so it usually lives in another environment: name its command with
--peer. Left out otherwise, which is printed. Wall and CPU time are both given: other work on the machine disturbs the former.
"""

from __future__ import annotations

import argparse
import os
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


def peer(gaussians, folder, rounds, command):
    """Time NVIDIA's converter on the same Gaussians, where it is installed."""
    command = command or next((path for path in map(shutil.which, PEERS) if path), None)
    if command is None:
        print(f"peer: {' or '.join(PEERS)} is not on PATH (see --peer), so no comparison was made")
        return
    from lyra_core.reconstruction.ply import write_ply

    source, target = folder / "splats.ply", folder / "peer.usdc"
    write_ply(source, gaussians)
    call = [command, "-i", str(source), "-o", str(target), "--up-axis", "Z"]
    before = os.times()
    wall, _, done = timed(lambda: subprocess.run(call, capture_output=True), rounds)
    after = os.times()
    cpu = (after.children_user + after.children_system - before.children_user - before.children_system) / rounds
    size = f"{target.stat().st_size / 1e6:.0f} MB" if target.is_file() else f"FAILED with {done.returncode}"
    row(f"peer: {Path(command).name}, with its start", wall, cpu, size)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splats", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-physics", action="store_true")
    parser.add_argument("--peer", help="NVIDIA's converter, if it is not on PATH")
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
        peer(gaussians, folder, options.rounds, options.peer)
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

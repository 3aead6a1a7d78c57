# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The spawn poses of a world that is being built: chosen on the map, then tried out in PhysX where it is installed."""

from __future__ import annotations

from collections.abc import Sequence

from lyra_core.errors import SimulationError
from lyra_core.navigation import OccupancyGrid, Spawn, spawn_poses
from lyra_core.types import CameraPath, Mesh

__all__ = ["checked_spawns"]

_WANTED, _CANDIDATES = 5, 8


def checked_spawns(
    grid: OccupancyGrid, path: CameraPath, tiles: Sequence[tuple[str, Mesh]], *, check: bool
) -> tuple[tuple[Spawn, ...], str]:
    """Up to five poses, and a sentence about those that were dropped for failing ("" if none did).

    check: set the robot down at each pose (see simulation.spawn_check); without it or without PhysX the map alone
    decides. A stage that PhysX cannot load keeps its poses: the proof of the world says so.
    """
    spawns = spawn_poses(grid, path, count=_CANDIDATES if check else _WANTED)
    if not check or not spawns:
        return spawns[:_WANTED], ""
    from lyra_core.simulation import is_available
    from lyra_core.simulation.spawn_check import drop_at_spawns

    if not is_available():
        return spawns[:_WANTED], ""
    try:
        report = drop_at_spawns(tiles, spawns)
    except SimulationError:
        return spawns[:_WANTED], ""
    kept = tuple(spawns[i] for i in report.standing[:_WANTED])
    failed = len(spawns) - len(report.standing)
    return kept, f"{failed} of {len(spawns)} spawn poses were dropped: the robot did not stand there" if failed else ""

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Where a robot can stand: occupancy grid and spawn poses."""

from lyra_core.navigation.occupancy import FREE, OCCUPIED, UNKNOWN, OccupancyGrid, build_grid, write_map
from lyra_core.navigation.spawn import SPAWN_HEIGHT, Spawn, spawn_poses

__all__ = [
    "FREE",
    "OCCUPIED",
    "SPAWN_HEIGHT",
    "UNKNOWN",
    "OccupancyGrid",
    "Spawn",
    "build_grid",
    "spawn_poses",
    "write_map",
]

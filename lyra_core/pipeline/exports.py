# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The interchange files of a world: Lyra 2 trajectory, nerfstudio transforms, ROS map, spawn poses."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from lyra_core.navigation import OccupancyGrid, Spawn, write_map
from lyra_core.trajectory import save_lyra, save_nerfstudio
from lyra_core.types import CameraPath
from lyra_core.world import rgb_name, write_text
from lyra_core.world.atomic import write_bytes

__all__ = ["write_camera_files", "write_navigation_files"]


def write_camera_files(folder: Path, path: CameraPath, captions: dict[int, str]) -> list[Path]:
    """frames/trajectory.npz and captions.json (Lyra 2), frames/transforms.json (nerfstudio)."""
    frames = folder / "frames"
    save_lyra(frames, path, captions or {0: ""})
    names = [Path(rgb_name(i)).relative_to("frames").as_posix() for i in range(len(path))]
    save_nerfstudio(frames / "transforms.json", path, names)
    return [frames / "trajectory.npz", frames / "captions.json", frames / "transforms.json"]


def write_navigation_files(folder: Path, grid: OccupancyGrid, spawns: tuple[Spawn, ...]) -> list[Path]:
    """navigation/map.yaml, map.png and spawn.json."""
    target = folder / "navigation"
    written = []
    for name, data in write_map(target, grid).items():
        write_bytes(Path(name), data)
        written.append(Path(name))
    spawn_file = target / "spawn.json"
    write_text(spawn_file, json.dumps([asdict(s) for s in spawns], indent=1) + "\n")
    return [*written, spawn_file]

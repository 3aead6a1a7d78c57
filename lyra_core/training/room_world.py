# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A ground-truth room as a world folder: exact frames from free places, built like any other world.

python -m lyra_core.training.room_world SEED OUT
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import intrinsics_from_fov, look_at
from lyra_core.pipeline.begin import library_versions, write_plan
from lyra_core.pipeline.build import build_world
from lyra_core.pipeline.clock import StageClock
from lyra_core.pipeline.config import RunConfig, settings_of
from lyra_core.pipeline.events import Finished
from lyra_core.training.rooms import Room, ground_truth_frame, make_room
from lyra_core.types import CameraPath
from lyra_core.world import Manifest, SegmentRecord, WorldFolder

__all__ = ["look_around", "main", "room_world"]

_EYE = 1.3  # [m]
_CLEAR = 0.45  # [m] around the places that are looked from
_TURNS, _PITCHES = 8, (-6.0, -44.0)  # looks around from each place [deg]
_CHUNK = 80


def look_around(room: Room, *, places: int = 6, width: int = 320, height: int = 240) -> CameraPath:
    """Views all around from places spread over the free space of a room; its own order, no walk."""
    length, breadth, _ = room.size
    xs, ys = np.meshgrid(np.arange(0.3, length, 0.15), np.arange(0.3, breadth, 0.15))
    points = np.column_stack([xs.ravel(), ys.ravel(), np.full(xs.size, _EYE)])
    # Free over the whole height of a person, not only at the height of the eye: no camera inside a table.
    free = np.all([room.is_free(points * [1, 1, 0] + [0, 0, z], clearance=_CLEAR) for z in (0.5, 0.9, _EYE)], axis=0)
    points = points[free]
    if not len(points):
        points = np.array([room.route.start])
    chosen = [int(np.argmin(np.linalg.norm(points[:, :2] - room.route.start[:2], axis=1)))]
    spread = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < min(places, len(points)) and spread.max() > 0.5:
        chosen.append(int(np.argmax(spread)))
        spread = np.minimum(spread, np.linalg.norm(points - points[chosen[-1]], axis=1))
    poses = [
        _look(points[i], 2 * math.pi * k / _TURNS, pitch) for i in chosen for pitch in _PITCHES for k in range(_TURNS)
    ]
    lens = intrinsics_from_fov(80.0, width, height)
    return CameraPath(np.stack(poses), np.tile(lens, (len(poses), 1, 1)), width, height)


def _look(eye: NDArray[np.float64], yaw: float, pitch_deg: float) -> NDArray[np.float64]:
    level = math.cos(math.radians(pitch_deg))
    ahead = np.array([math.cos(yaw) * level, math.sin(yaw) * level, math.sin(math.radians(pitch_deg))])
    return look_at(eye, eye + ahead)


def room_world(seed: int, out: Path, *, config: RunConfig | None = None, places: int = 6) -> Finished:
    """Make the world of room seed in the empty folder out. Errors: as of build_world."""
    config = config or RunConfig(device="cpu")
    room = make_room(seed)
    path = look_around(room, places=places)
    out.mkdir(parents=True, exist_ok=True)
    write_plan(out, path)
    settings = replace(config, path=replace(config.path, name="look-around", frames=len(path), clearance=0.0))
    settings = replace(settings, photo=replace(config.photo, pixels=path.width * path.height))
    manifest = Manifest(
        config=settings_of(settings),
        photo={"file": "", "name": f"ground-truth room {seed}", "sha256": "0" * 64},
        seed_view={
            "focal_source": "ground truth",
            "scale_source": "ground truth",
            "scale_confidence": 1.0,
            "scale_is_a_guess": False,
            "camera_height_m": float(path[0].center[2]),
            "notes": [],
        },
        models={"video": "none: exact frames", "depth": "none: exact depth"},
        versions=library_versions(),
        segments=[SegmentRecord(0, len(path), "look-around")],
        chunks=[],
    )
    world = WorldFolder.create(out, manifest)
    frames = [ground_truth_frame(room, camera, i) for i, camera in enumerate(path)]
    for index, start in enumerate(range(0, len(frames), _CHUNK)):
        world.add_chunk(index, frames[start : start + _CHUNK])
    last = None
    for event in build_world(world, settings, StageClock(), "cpu"):
        last = event
    assert isinstance(last, Finished)
    return last


def main(arguments: list[str] | None = None) -> int:
    """Command line: SEED OUT [--no-check]."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--no-check", action="store_true", help="do not prove the world in PhysX")
    given = parser.parse_args(arguments)
    config = RunConfig(device="cpu")
    config.build.check = not given.no_check
    done = room_world(given.seed, given.out, config=config)
    sys.stdout.write(f"{given.out}: {'all checks passed' if done.passed else 'A CHECK FAILED'}\n")
    return 0 if done.passed else 1


if __name__ == "__main__":
    sys.exit(main())

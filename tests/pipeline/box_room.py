# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A small furnished box as exact frames, and as a world folder: ground truth without a photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lyra_core.geometry import intrinsics_from_fov, look_at, pixel_rays
from lyra_core.pipeline.begin import write_plan
from lyra_core.pipeline.build import build_world
from lyra_core.pipeline.clock import StageClock
from lyra_core.pipeline.config import RunConfig, settings_of
from lyra_core.types import Camera, CameraPath, Frame
from lyra_core.world import Manifest, SegmentRecord, WorldFolder

LOW, HIGH = np.array([-2.0, -2.5, 0.0]), np.array([2.0, 2.5, 2.6])
BLOCK = np.array([0.7, 0.4, 0.0]), np.array([1.3, 1.2, 0.8])
EYE = 1.5


def small_config(*, check: bool = False) -> RunConfig:
    config = RunConfig(device="cpu")
    config.build.check, config.build.flythrough, config.build.triangles, config.build.drops = check, False, 6000, 40
    return config


def path(frames: int = 8, *, size: tuple[int, int] = (96, 72)) -> CameraPath:
    """Once around from the middle, looking a little down."""
    turns = np.linspace(0, 2 * np.pi, frames, endpoint=False)
    eye = np.array([-0.2, -0.3, EYE])
    poses = [look_at(eye, eye + [np.sin(t), np.cos(t), -0.45]) for t in turns]
    k = intrinsics_from_fov(88.0, *size)
    return CameraPath(np.stack(poses), np.repeat(k[None], frames, axis=0), *size)


def frame(index: int, camera: Camera) -> Frame:
    """What camera sees: exact z-depth, squares of 25 cm as texture."""
    rays = pixel_rays(camera).astype(np.float64) @ camera.world_from_camera[:3, :3].T
    with np.errstate(divide="ignore", invalid="ignore"):
        walls = np.where(rays > 0, HIGH - camera.center, LOW - camera.center) / rays
        depth = np.nanmin(np.where(walls > 0, walls, np.inf), axis=-1)
        sides = np.stack([(corner - camera.center) / rays for corner in BLOCK])
    enter, leave = sides.min(axis=0).max(axis=-1), sides.max(axis=0).min(axis=-1)
    depth = np.where((enter < leave) & (enter > 0), np.minimum(depth, enter), depth)
    points = camera.center + rays * depth[..., None]
    squares = np.floor(points / 0.25 + 1e-6).sum(axis=-1) % 2
    rgb = 0.25 + 0.2 * squares[..., None] + 0.3 * (points - LOW) / (HIGH - LOW)
    none = np.zeros(depth.shape, bool)
    return Frame(index, np.clip(rgb, 0, 1).astype(np.float32), depth.astype(np.float32), none, camera, ~none)


def make_world(folder: Path, *, build: bool = True, frames: int = 8) -> WorldFolder:
    """The room as a world of two chunks, like one that `lyra generate` makes."""
    cameras, config = path(frames), small_config()
    config.path.frames = frames
    folder.mkdir(parents=True)
    write_plan(folder, cameras)
    figures = {"clearance": 0.35, "clearance_m": 0.35, "min_clearance_after_m": 1.0, "length_after_m": 2.0}
    manifest = Manifest(
        config=settings_of(config),
        photo={"file": "photo.png", "name": "room.png", "sha256": "0" * 64},
        seed_view={
            "focal_source": "option",
            "scale_source": "default camera height",
            "scale_confidence": 0.3,
            "scale_is_a_guess": True,
            "camera_height_m": EYE,
            "floor_rms_m": 0.01,
            "notes": ["scale guessed: the camera is taken to be 1.5 m over the floor"],
        },
        models={"video": "reproject", "depth": "prior"},
        versions={"lyra-worldgen": "test"},
        segments=[SegmentRecord(0, frames, "orbit", figures, {}, ["The path was shortened to 2.0 m."])],
        chunks=[],
    )
    world = WorldFolder.create(folder, manifest)
    shots = [frame(i, camera) for i, camera in enumerate(cameras)]
    world.add_chunk(0, shots[:1])
    world.add_chunk(1, shots[1:])
    if build:
        for _ in build_world(world, config, StageClock(), "cpu"):
            pass
    return world

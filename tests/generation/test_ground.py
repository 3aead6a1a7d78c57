# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A bent floor becomes flat and carries what stands on it along; ramps, boxes and walls stay what they are."""

from __future__ import annotations

import numpy as np
import pytest

from lyra_core.generation import seed
from lyra_core.generation.ground import flatten_ground, plane_depth
from lyra_core.generation.photo import Photo
from lyra_core.geometry import intrinsics_from_fov, look_at, pixel_rays, unproject
from lyra_core.types import Camera
from tests.generation.told import ToldDepth

SIZE = (320, 192)
CAMERA = Camera(intrinsics_from_fov(70, *SIZE), look_at(np.array([0, 0, 1.5]), np.array([0, 4, 0.9])), *SIZE)
WALL = 9.0  # [m] ahead


def room() -> tuple[np.ndarray, np.ndarray]:
    """Depth of a floor that ends at a wall, and which pixels are floor."""
    ahead = pixel_rays(CAMERA) @ CAMERA.world_from_camera[1, :3]
    wall = np.where(ahead > 0.05, WALL / np.maximum(ahead, 0.05), 1e3)
    plane = plane_depth(CAMERA)
    return np.minimum(plane, wall).astype(np.float32), plane < wall


def bend(depth: np.ndarray) -> np.ndarray:
    """A smooth error of depth that grows from nothing to 20 per cent towards the far right."""
    x = np.linspace(0, 1, SIZE[0])[None] * np.linspace(1, 0, SIZE[1])[:, None]
    return np.exp(-0.2 * np.clip(1.5 * x, 0, 1)).astype(np.float32)


def heights(depth: np.ndarray) -> np.ndarray:
    return unproject(depth, CAMERA)[..., 2]


def test_a_bent_floor_becomes_flat():
    truth, floor = room()
    bent = truth * bend(truth)
    assert np.abs(heights(bent)[floor]).max() > 0.15
    flat = heights(flatten_ground(bent, CAMERA))
    assert np.percentile(np.abs(flat[floor]), 98) < 0.02


def test_the_wall_comes_along_with_the_floor_it_stands_on():
    truth, floor = room()
    bent = truth * bend(truth)
    mended = flatten_ground(bent, CAMERA)
    foot = ~floor & np.roll(floor, -6, axis=0)
    assert np.abs(mended[foot] / truth[foot] - 1).max() < 0.04 < 0.1 < np.abs(bent[foot] / truth[foot] - 1).max()


def test_a_true_floor_and_what_stands_on_it_stay():
    truth, _ = room()
    box = truth.copy()
    box[90:140, 100:180] = box[140, 140]  # an upright face whose foot is on the floor
    assert np.abs(flatten_ground(box, CAMERA) / box - 1).max() < 0.02


def test_a_ramp_stays_a_ramp():
    truth, floor = room()
    ahead = unproject(truth, CAMERA)[..., 1]
    rise = pixel_rays(CAMERA) @ CAMERA.world_from_camera[2, :3]
    forth = pixel_rays(CAMERA) @ CAMERA.world_from_camera[1, :3]
    ramp = (0.25 * 4.0 + 1.5) / np.maximum(0.25 * forth - rise, 1e-3)  # z = (y - 4) / 4
    depth = np.where(floor & (ahead > 4.0), np.minimum(ramp, truth), truth).astype(np.float32)
    steep = floor & (heights(depth) > 0.2)
    assert steep.sum() > 500
    assert np.median(heights(flatten_ground(depth, CAMERA))[steep] / heights(depth)[steep]) > 0.85


def test_no_floor_in_sight_changes_nothing():
    up = Camera(CAMERA.intrinsics, look_at(np.array([0, 0, 1.5]), np.array([0, 4, 6.0])), *SIZE)
    depth = np.full((SIZE[1], SIZE[0]), 3.0, np.float32)
    assert np.array_equal(flatten_ground(depth, up), depth)


@pytest.mark.parametrize(("confidence", "times"), [(0.4, 1), (0.7, 1), (0.9, 0)])
def test_estimated_depth_is_flattened_and_measured_depth_is_not(confidence, times, monkeypatch):
    truth, _ = room()
    calls = []
    monkeypatch.setattr(seed, "flatten_ground", lambda depth, camera: calls.append(camera) or depth)
    photo = Photo(np.full((SIZE[1], SIZE[0], 3), 0.5, np.float32), SIZE, 1.0, (0.0, 0.0), None, ())
    seed.make_seed(photo, ToldDepth(truth, confidence), seed.SeedOptions(fov=70), np.random.default_rng(0))
    assert len(calls) == times

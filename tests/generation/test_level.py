# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Up and floor of exact depth: rooms of level and upright rectangles, seen by cameras of known pose."""

import numpy as np
import pytest

from lyra_core.generation.level import EYE, find_level
from lyra_core.geometry import intrinsics_from_fov, look_at, pixel_rays
from lyra_core.types import Camera

SIZE = (160, 96)
LENS = intrinsics_from_fov(66.0, *SIZE)
PLAIN_HINT = np.array([0.0, -1.0, 0.0])  # what lines say when nobody tilts a camera


def room(levels, far=4.0, half=3.0):
    """Rectangles (normal axis, place, lower and upper corner) of a room with two side walls and one far wall."""
    walls = [
        (1, far, (-half, far, -5), (half, far, 4)),
        (0, -half, (-half, -3, -5), (-half, far, 4)),
        (0, half, (half, -3, -5), (half, far, 4)),
    ]
    return walls + [(2, z, (x0, y0, z), (x1, y1, z)) for z, x0, y0, x1, y1 in levels]


def depth_of(rectangles, camera):
    """z-depth of the nearest rectangle on every pixel's ray."""
    rays = pixel_rays(camera).astype(np.float64)
    world = rays @ camera.world_from_camera[:3, :3].T
    best = np.full(rays.shape[:2], np.inf)
    for axis, place, low, high in rectangles:
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (place - camera.center[axis]) / world[..., axis]
            hit = camera.center + t[..., None] * world
        others = [k for k in range(3) if k != axis]
        inside = (t > 0) & np.all([(hit[..., k] >= low[k]) & (hit[..., k] <= high[k]) for k in others], axis=0)
        best = np.where(inside & (t < best), t, best)
    return np.where(np.isfinite(best), best, 0).astype(np.float32)


def found_in(rectangles, eye_height, down_deg, **options):
    """find_level in the room, the camera looking ahead and down; (angle to true up [deg], height)."""
    aim = np.array([0.0, np.cos(np.radians(down_deg)), -np.sin(np.radians(down_deg))])
    center = np.array([0.3, 0.0, eye_height])
    camera = Camera(LENS, look_at(center, center + aim), *SIZE)
    depth = depth_of(rectangles, camera)
    fit = find_level(depth, LENS, PLAIN_HINT, np.random.default_rng(0), **options)
    assert fit is not None
    angle = np.degrees(np.arccos(np.clip(fit.up @ camera.world_from_camera[2, :3], -1, 1)))
    return angle, fit.height


@pytest.mark.parametrize("down", [10.0, 20.0, 30.0, 40.0])
def test_a_camera_that_looks_steeply_down_is_levelled_by_the_room_itself(down):
    angle, height = found_in(room([(0.0, -3, -3, 3, 4)]), 1.5, down)
    assert angle < 0.5
    assert height == pytest.approx(1.5, abs=0.01)


def test_a_known_low_camera_stands_on_the_floor_before_it_and_not_on_the_ground_below():
    """A landing 0.35 m under the camera that ends after 60 cm; the hall lies 1.1 m lower."""
    scene = room([(0.0, -3, -3, 3, 0.6), (-1.1, -3, 0.6, 3, 6.0)], far=6.0)
    guessed = found_in(scene, 0.35, 25.0)[1]
    told = found_in(scene, 0.35, 25.0, eye=(0.4, 0.4))[1]
    assert told == pytest.approx(0.35, abs=0.01)
    assert guessed == pytest.approx(1.45, abs=0.02)  # where a camera of the usual height would stand
    assert EYE[0] == pytest.approx(1.45)


def test_without_a_unit_ground_that_lies_lower_speaks_against_a_table():
    scene = room([(0.75, 0.05, 0.3, 1.6, 2.4), (0.0, -3, -3, 3, 4)])
    for unit in (1.0, 0.2):
        scaled = [(a, p * unit, tuple(np.array(lo) * unit), tuple(np.array(hi) * unit)) for a, p, lo, hi in scene]
        camera_height = 1.5 * unit
        center = np.array([0.1, 0.0, 1.5]) * unit
        camera = Camera(LENS, look_at(center, center + np.array([0.0, 0.8, -0.6]) * unit), *SIZE)
        fit = find_level(depth_of(scaled, camera), LENS, PLAIN_HINT, np.random.default_rng(0), eye=None)
        assert fit is not None
        assert fit.height == pytest.approx(camera_height, rel=0.01)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras seen in the frames against the commanded ones, and the metres of a camera file from parallax."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lyra_core.generation.camera_check import check_cameras, compare_poses, rotation_degrees
from lyra_core.generation.path_scale import path_scale
from lyra_core.geometry import intrinsics_from_fov, look_at, matrix_from_rotvec, pixel_rays
from lyra_core.types import Camera, Frame

SIZE = (320, 208)
HALF, FAR, HIGH = 2.0, 5.0, 2.6


def pattern(a, b, rng_seed):
    """Smooth random texture of two coordinates [m], fixed by its seed."""
    rng = np.random.default_rng(rng_seed)
    out = np.zeros(a.shape)
    for _ in range(40):
        f, g = rng.uniform(-14, 14, 2)
        out += rng.uniform(0.3, 1) * np.sin(f * a + g * b + rng.uniform(0, 6.3))
    return 0.5 + out / 14


def room(index, camera):
    """Exact frame of an empty textured room: floor, two side walls, back wall, ceiling."""
    rays = pixel_rays(camera).astype(np.float64) @ camera.world_from_camera[:3, :3].T
    eye = camera.center
    best, colour = np.full(rays.shape[:2], np.inf), np.zeros((*rays.shape[:2], 3))
    planes = [(0, -HALF), (0, HALF), (1, FAR), (2, 0.0), (2, HIGH)]
    for k, (axis, value) in enumerate(planes):
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (value - eye[axis]) / rays[..., axis]
        point = eye + t[..., None] * rays
        nearer = (t > 1e-6) & (t < best)
        a, b = (point[..., i] for i in range(3) if i != axis)
        for c in range(3):
            colour[..., c] = np.where(nearer, pattern(a, b, 10 * k + c), colour[..., c])
        best = np.where(nearer, t, best)
    depth = np.where(np.isfinite(best), best, 0).astype(np.float32)  # rays have z = 1, so t is z-depth
    nothing = np.zeros(depth.shape, bool)
    return Frame(index, np.clip(colour, 0, 1).astype(np.float32), depth, nothing, camera, ~nothing)


def cameras(count, step=0.05):
    k = intrinsics_from_fov(70, *SIZE)
    return [
        Camera(k, look_at([0.03 * i, step * i, 1.4], [0.05 * i, step * i + 3, 1.1 + 0.01 * i]), *SIZE)
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def film():
    return [room(i, camera) for i, camera in enumerate(cameras(9))]


def test_frames_that_show_their_cameras_have_small_errors(film):
    found = check_cameras(film, most=3)
    assert found.frames == (3, 5, 8)
    assert found.skipped == ()
    assert max(found.rotation_deg) < 0.1
    assert max(found.translation_m) < 0.01
    told = found.to_json()
    assert told["frames_checked"] == 3
    assert told["rot_err_deg"]["max"] >= told["rot_err_deg"]["median"]


def test_a_camera_that_lies_is_found_out(film):
    pose = np.array(film[8].camera.world_from_camera)
    pose[:3, :3] = matrix_from_rotvec(np.array([0, 0, np.radians(2.0)])) @ pose[:3, :3]
    pose[:3, 3] += [0.2, 0, 0]
    wrong = [*film[:8], replace(film[8], camera=film[8].camera.moved(pose))]
    found = check_cameras(wrong, most=1)
    assert found.frames == (8,)
    assert found.rotation_deg[0] == pytest.approx(2.0, abs=0.1)
    assert found.translation_m[0] == pytest.approx(0.2, abs=0.02)


def test_a_picture_of_something_else_is_not_checked(film):
    blank = replace(film[8], rgb=np.full_like(film[8].rgb, 0.5))
    found = check_cameras([*film[:8], blank], most=1)
    assert (found.frames, found.skipped) == ((), (8,))
    assert "rot_err_deg" not in found.to_json()


def test_estimates_in_another_world_and_unit_are_compared_after_alignment(film):
    truth = np.stack([frame.camera.world_from_camera for frame in film])
    turn = matrix_from_rotvec(np.array([0.3, -1.1, 0.4]))
    other = truth.copy()
    other[:, :3, :3] = turn @ truth[:, :3, :3]
    other[:, :3, 3] = 0.25 * truth[:, :3, 3] @ turn.T + [3, -2, 7]
    rotation, shift, scale = compare_poses(truth, other)
    assert rotation.max() < 1e-5
    assert shift.max() < 1e-9
    assert scale == pytest.approx(4.0)
    other[5, :3, :3] = matrix_from_rotvec(np.array([0, np.radians(3.0), 0])) @ other[5, :3, :3]
    rotation, _, _ = compare_poses(truth, other)
    assert int(rotation.argmax()) == 5
    assert rotation[5] == pytest.approx(3.0, abs=0.5)
    assert rotation_degrees(np.eye(3), np.eye(3)) == 0


@pytest.mark.parametrize("unit", [0.2, 1.0, 3.0])
def test_the_metres_of_a_path_come_from_the_parallax(film, unit):
    first = film[0]
    others = []
    for frame in (film[4], film[6], film[8]):
        pose = np.array(frame.camera.world_from_camera)
        pose[:3, 3] = first.camera.center + (pose[:3, 3] - first.camera.center) * unit
        others.append((frame.rgb, frame.camera.moved(pose)))
    found = path_scale(first, others)
    assert found.factor == pytest.approx(1 / unit, rel=0.01)
    assert found.confidence > 0.5
    # A third of the points at wrong depth changes it little.
    depth = np.array(first.depth)
    depth[:, :100] *= 1.5
    rough = path_scale(replace(first, depth=depth), others)
    assert rough.factor == pytest.approx(1 / unit, rel=0.1)


def test_a_camera_that_only_turns_says_nothing_of_metres(film):
    first = film[0]
    turned = [
        first.camera.moved(look_at(first.camera.center, first.camera.center + [0.1 * i, 3, -0.2])) for i in (1, 2)
    ]
    assert path_scale(first, [(room(0, camera).rgb, camera) for camera in turned]) is None

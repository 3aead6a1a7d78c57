# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_core.geometry import (
    focal_from_fov,
    fov_from_focal,
    intrinsics_from_fov,
    matrix_from_rotvec,
    pixel_rays,
    project,
    rigid,
    unproject,
)
from lyra_core.types import Camera

rotvecs = st.tuples(*[st.floats(-2, 2)] * 3).map(np.array)
centers = st.tuples(*[st.floats(-10, 10)] * 3).map(np.array)
cameras = st.builds(
    lambda rotvec, center, fx, fy, cx, cy, skew, width, height: Camera(
        np.array([[fx, skew, cx * width], [0, fy, cy * height], [0, 0, 1]]),
        rigid(matrix_from_rotvec(rotvec), center),
        width,
        height,
    ),
    rotvecs,
    centers,
    st.floats(5, 50),
    st.floats(5, 50),
    st.floats(0.2, 0.8),
    st.floats(0.2, 0.8),
    st.floats(-2, 2),
    st.integers(1, 24),
    st.integers(1, 18),
)


@given(cameras, st.floats(0.3, 30), st.integers(0, 10_000))
def test_projecting_an_unprojected_depth_map_gives_the_pixel_centres_and_the_depth(camera, scale, seed):
    depth = (scale * np.random.default_rng(seed).uniform(0.5, 2, (camera.height, camera.width))).astype(np.float32)
    pixels, z = project(unproject(depth, camera).astype(np.float64), camera)
    x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    # float32 points at up to 100 m: 1e-5 m beside a ray, times f / z
    slack = 1e-4 * max(1.0, 50 / depth.min())
    assert np.abs(pixels - np.stack([x, y], axis=-1)).max() < slack
    assert np.allclose(z, depth, rtol=1e-4, atol=1e-4)


@given(cameras, st.floats(0.1, 50), st.floats(-0.9, 0.9), st.floats(-0.9, 0.9))
def test_a_point_on_a_pixels_ray_projects_to_that_pixel(camera, z, a, b):
    local = np.array([a * z, b * z, z])
    point = camera.world_from_camera[:3, :3] @ local + camera.center
    pixel, depth = project(point, camera)
    expected = camera.intrinsics @ (local / z)
    assert np.allclose(pixel, expected[:2], atol=1e-6 * max(1.0, 1 / z))
    assert depth == pytest.approx(z, rel=1e-9, abs=1e-9)


@given(cameras, st.floats(0, 20))
def test_points_behind_the_camera_have_no_pixel(camera, distance):
    pixel, depth = project(camera.center - (distance + 1e-6) * camera.forward, camera)
    assert np.isnan(pixel).all()
    assert depth < 1e-9


def test_the_top_left_pixels_centre_is_at_one_half_and_x_goes_right_y_down():
    camera = Camera(intrinsics_from_fov(90, 4, 2), np.eye(4), 4, 2)
    rays = pixel_rays(camera)
    assert rays.shape == (2, 4, 3)
    assert rays.dtype == np.float32
    assert np.allclose(rays[0, 0], [(0.5 - 2) / 2, (0.5 - 1) / 2, 1])
    assert rays[0, 3, 0] > 0
    assert rays[1, 0, 1] > 0


def test_zero_depth_unprojects_to_the_camera_centre():
    camera = Camera(intrinsics_from_fov(60, 4, 3), rigid(np.eye(3), np.array([1.0, 2.0, 3.0])), 4, 3)
    assert np.array_equal(unproject(np.zeros((3, 4), np.float32), camera), np.broadcast_to([1, 2, 3], (3, 4, 3)))


def test_projection_keeps_the_points_precision():
    camera = Camera(intrinsics_from_fov(60, 4, 3), np.eye(4), 4, 3)
    for dtype in (np.float32, np.float64):
        pixels, z = project(np.ones((2, 3), dtype), camera)
        assert pixels.dtype == z.dtype == dtype


@given(st.floats(1, 179), st.integers(1, 8000))
def test_field_of_view_and_focal_length_are_inverses(fov, size):
    assert fov_from_focal(focal_from_fov(fov, size), size) == pytest.approx(fov)


def test_a_right_angle_of_view_has_a_focal_length_of_half_the_width():
    assert focal_from_fov(90, 640) == pytest.approx(320)
    assert np.allclose(intrinsics_from_fov(90, 640, 480), [[320, 0, 320], [0, 320, 240], [0, 0, 1]])

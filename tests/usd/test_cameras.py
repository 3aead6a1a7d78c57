# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from pxr import Gf, Usd, UsdGeom

from lyra_core.errors import WorldError
from lyra_core.geometry import project
from lyra_core.types import CameraPath
from lyra_core.usd import read_camera_path
from lyra_core.usd.cameras import write_cameras
from tests.usd.synthetic import some_path


def usd_pixels(stage, frame, points, width, height):
    """Pixels by USD's own camera and frustum; row 0 of the picture is the top."""
    camera = UsdGeom.Camera(stage.GetPrimAtPath("/Cameras/path")).GetCamera(Usd.TimeCode(frame))
    frustum = camera.frustum
    matrix = frustum.ComputeViewMatrix() * frustum.ComputeProjectionMatrix()
    clip = np.array([matrix.Transform(Gf.Vec3d(*p)) for p in points.tolist()])
    return np.stack([(clip[:, 0] + 1) / 2 * width, (1 - clip[:, 1]) / 2 * height], axis=1)


@pytest.mark.parametrize("zoom", [False, True])
def test_usds_own_frustum_projects_points_to_the_same_pixels(tmp_path, rng, zoom):
    path = some_path(5)
    if zoom:
        k = np.array(path.intrinsics)
        k[:, 0, 0] *= np.linspace(1, 1.5, 5)
        k[:, 1, 2] += np.linspace(0, 20, 5)
        path = CameraPath(path.world_from_camera, k, path.width, path.height, path.fps)
    write_cameras(tmp_path / "cameras.usda", path)
    stage = Usd.Stage.Open(str(tmp_path / "cameras.usda"))
    for frame, camera in enumerate(path):
        local = np.column_stack([rng.uniform(-1, 1, (30, 2)), np.ones(30)]) * rng.uniform(1, 8, (30, 1))
        points = local @ camera.world_from_camera[:3, :3].T + camera.center
        # Film sizes are float32: 1e-7 of 320 pixels, a few terms.
        np.testing.assert_allclose(
            usd_pixels(stage, frame, points, path.width, path.height), project(points, camera)[0], atol=2e-3
        )


def test_a_path_comes_back_with_its_size_rate_and_lens(tmp_path):
    path = some_path(9)
    write_cameras(tmp_path / "payload" / "cameras.usda", path)
    read = read_camera_path(tmp_path)
    assert (read.width, read.height, read.fps, len(read)) == (path.width, path.height, path.fps, 9)
    np.testing.assert_allclose(read.world_from_camera, path.world_from_camera, atol=1e-12)
    np.testing.assert_allclose(read.intrinsics, path.intrinsics, atol=1e-4)


def test_a_folder_without_cameras_says_so(tmp_path):
    with pytest.raises(WorldError, match=r"cameras\.usda"):
        read_camera_path(tmp_path)

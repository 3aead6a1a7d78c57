# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Clicks, gravity from clicks, levels of detail, coverage, saved paths: against ground truth."""

import numpy as np
import pytest

from lyra_core.errors import InputError
from lyra_core.explorer.content import frame_cloud, read_mesh, splat_arrays
from lyra_core.explorer.gravity import levelled_frame
from lyra_core.explorer.path_files import read_uploaded, saved_bytes
from lyra_core.explorer.picking import nearest_point
from lyra_core.explorer.preview import Coverage, clearance_along, clearance_colors, make_memory, speed_warnings
from lyra_core.geometry import look_at, matrix_from_rotvec, rigid
from lyra_core.meshing.gltf import write_glb
from lyra_core.types import Camera, CameraPath, Frame, Gaussians, Mesh

_K = np.array([[150.0, 0, 120], [0, 150.0, 80], [0, 0, 1]])


def _room_frame(tilt=0.0):
    """A floor at z = 0 and a wall at y = 4, seen from 1.5 m, in a world that is tilted by so many degrees."""
    camera = Camera(_K, look_at(np.array([0.0, 0.0, 1.5]), np.array([0.0, 3.0, 0.9])), 240, 160)
    u, v = np.meshgrid(np.arange(240) + 0.5, np.arange(160) + 0.5)
    rays = np.stack([(u - 120) / 150, (v - 80) / 150, np.ones_like(u)], -1) @ camera.world_from_camera[:3, :3].T
    wall = 4.0 / np.maximum(rays[..., 1], 1e-6)
    floor = np.where(rays[..., 2] < 0, -1.5 / np.minimum(rays[..., 2], -1e-6), np.inf)
    depth = np.minimum(wall, floor).astype(np.float32)
    turn = rigid(matrix_from_rotvec(np.array([np.radians(tilt), 0.0, 0.0])), np.zeros(3))
    camera = camera.moved(turn @ camera.world_from_camera)
    rgb = np.full((160, 240, 3), 0.5, np.float32)
    return Frame(0, rgb, depth, np.zeros(depth.shape, bool), camera, np.ones(depth.shape, bool)), turn


def test_a_click_finds_the_point_in_front():
    frame, _ = _room_frame()
    cloud = frame_cloud(frame)
    target = np.array([0.0, 4.0, 1.2])
    found = nearest_point(cloud.points, frame.camera.center, target - frame.camera.center)
    assert found is not None
    assert np.linalg.norm(np.array(found) - target) < 0.05
    assert nearest_point(cloud.points, frame.camera.center, np.array([0.0, -1.0, 0.0])) is None


def test_three_clicks_on_the_floor_undo_a_tilt_of_the_world():
    frame, turn = _room_frame(tilt=8.0)
    clicks = [tuple((turn @ [x, y, 0.0, 1.0])[:3]) for x, y in ((-0.8, 2.2), (0.9, 2.4), (0.1, 3.5))]
    level, turned, height = levelled_frame(frame, clicks)
    assert turned == pytest.approx(8.0, abs=1e-6)
    assert height == pytest.approx(1.5, abs=1e-6)
    points = frame_cloud(level).points
    assert abs(float(np.quantile(points[:, 2], 0.02))) < 0.01
    assert level.camera.center[2] == pytest.approx(1.5, abs=1e-6)


def test_the_mesh_layer_has_the_colours_of_the_mesh(tmp_path):
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    colors = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [188, 188, 188]], np.uint8)
    write_glb(tmp_path / "mesh.glb", Mesh(corners, faces, colors=colors))
    shown = read_mesh(tmp_path / "mesh.glb")
    np.testing.assert_allclose(shown.vertices, corners, atol=1e-6)
    assert shown.visual.kind == "vertex"
    half = 128  # sRGB 188 is half of the light
    expected = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [half, half, half]]
    np.testing.assert_allclose(shown.visual.vertex_colors[:, :3], expected, atol=2)
    write_glb(tmp_path / "plain.glb", Mesh(corners, faces))
    assert len(read_mesh(tmp_path / "plain.glb").faces) == 2


def test_clicks_on_a_wall_are_no_floor():
    frame, _ = _room_frame()
    with pytest.raises(InputError, match="wall"):
        levelled_frame(frame, [(-1.0, 4.0, 0.5), (1.0, 4.0, 0.5), (0.0, 4.0, 1.8)])


def test_a_coarse_level_of_splats_covers_the_same_place():
    rng = np.random.default_rng(0)
    means = rng.uniform(-2, 2, (4000, 3)).astype(np.float32)
    quats = np.tile(np.float32([1, 0, 0, 0]), (4000, 1))
    gaussians = Gaussians(means, quats, np.full((4000, 3), 0.02), np.full(4000, 0.8), np.zeros((4000, 1, 3)))
    coarse = splat_arrays(gaussians, most=1000)
    assert len(coarse.centers) == 1000
    np.testing.assert_allclose(np.ptp(coarse.centers, axis=0), np.ptp(means, axis=0), rtol=0.05)
    # The area that is drawn stays within a tenth.
    area = np.trace(coarse.covariances, axis1=1, axis2=2).sum() / (4000 * 3 * 0.02**2)
    assert area == pytest.approx(1.0, abs=0.1)
    whole = splat_arrays(gaussians, most=5000)
    np.testing.assert_allclose(whole.covariances, np.tile(np.eye(3) * 0.02**2, (4000, 1, 1)), atol=1e-7)


def _path(*centers, target=(0.0, 4.0, 1.2)):
    poses = np.stack([look_at(np.array(c, float), np.array(target)) for c in centers])
    return CameraPath(poses, np.repeat(_K[None], len(poses), 0), 240, 160)


def test_the_seen_view_is_known_and_the_view_behind_is_not():
    frame, _ = _room_frame()
    behind = look_at(np.array([0.0, 0.0, 1.5]), np.array([0.0, -3.0, 1.4]))
    path = CameraPath(np.stack([frame.camera.world_from_camera, behind]), np.repeat(_K[None], 2, 0), 240, 160)
    found = Coverage.of(make_memory([frame], device="numpy"), path)
    assert found.frames == (0, 1)
    assert found.known[0] > 0.95
    assert found.known[1] < 0.05
    assert found.invented == pytest.approx(1 - np.mean(found.known))
    assert (found.picture == (226, 60, 170)).all(axis=-1).mean() > 0.9


def test_clearance_is_the_distance_to_the_wall_and_floor_does_not_count():
    frame, _ = _room_frame()
    gaps = clearance_along(_path((0, 2.5, 1.2), (0, 3.7, 1.2)), frame_cloud(frame).points)
    np.testing.assert_allclose(gaps, [1.5, 0.3], atol=0.05)
    red, green = clearance_colors(np.array([0.1, 2.0]))
    assert red[0] > red[1]
    assert green[1] > green[0]


def test_steps_that_are_too_large_are_said():
    assert speed_warnings(_path((0, 0, 1.5), (0, 0.05, 1.5))) == ()
    assert "50 cm" in speed_warnings(_path((0, 0, 1.5), (0, 0.5, 1.5)))[0]


@pytest.mark.parametrize("kind", ["lyra", "gui", "nerfstudio", "tum"])
def test_a_saved_path_is_loaded_again_where_it_was(kind):
    centers = [(0.05 * i, 0.1 * i, 1.5) for i in range(12)]
    path = _path(*centers)
    name, data = saved_bytes(kind, path, ())
    found = read_uploaded(name, data, path[0], fps=16.0)
    gaps = np.linalg.norm(found.path.centers[:, None] - path.centers[None], axis=2).min(axis=0)
    assert gaps.max() < (0.06 if kind == "gui" else 1e-5)  # the viewer cuts its path into pieces of its own
    assert np.array_equal(found.path.world_from_camera[0], path.world_from_camera[0])

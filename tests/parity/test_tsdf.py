# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The volume against its NumPy twin and against an exact room."""

from __future__ import annotations

import numpy as np
import pytest

from lyra_core.errors import InputError
from lyra_core.geometry import intrinsics_from_fov, look_at, pixel_rays, project
from lyra_core.kernels import launch
from lyra_core.kernels.cuda import device_count
from lyra_core.ops.tsdf import TsdfVolume, pixel_planes
from lyra_core.types import Camera

DEVICES = ["cpu", pytest.param("cuda:0", marks=pytest.mark.gpu)]
# No wall lies on the voxel grid: there |s| would equal the colour band exactly and rounding would decide.
ROOM = (np.array([-1.313, -1.117, 0.009]), np.array([1.221, 1.407, 2.013]))


def _camera(center, target, width=160, height=120):
    return Camera(intrinsics_from_fov(80, width, height), look_at(np.array(center), np.array(target)), width, height)


CAMERAS = [
    _camera((0.0, -0.8, 1.1), (0.1, 1.0, 0.6)),
    _camera((0.5, 0.9, 1.3), (-0.4, -1.0, 0.4)),
    _camera((-0.9, 0.1, 1.0), (1.0, 0.2, 0.5)),
    _camera((0.8, -0.2, 1.6), (-1.2, 0.3, 0.2)),
]


def _room_depth(camera):
    rays = pixel_rays(camera).astype(np.float64) @ camera.world_from_camera[:3, :3].T
    with np.errstate(divide="ignore"):
        t = np.maximum((ROOM[0] - camera.center) / rays, (ROOM[1] - camera.center) / rays).min(axis=-1)
    return t.astype(np.float32)


def _room_distance(points):
    q = np.abs(points - (ROOM[0] + ROOM[1]) / 2) - (ROOM[1] - ROOM[0]) / 2
    return np.abs(np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0))


def _fuse(device, *, window=False):
    """window: a part of the wall is claimed to be sky, which must carve but confuses the geometry."""
    volume = TsdfVolume(0.05, device=device)
    for i, camera in enumerate(CAMERAS):
        sky = np.zeros((camera.height, camera.width), bool)
        sky[: 6 * i, :30] = window
        depth = np.where(sky, 0, _room_depth(camera)).astype(np.float32)
        depth[50:60, 40:50] = 0
        rgb = np.stack([depth / 4, 1 - depth / 4, np.full_like(depth, 0.3)], axis=-1)
        free = np.where(depth > 0, 0, _room_depth(camera)).astype(np.float32)
        free[55:60] = 0
        volume.integrate(depth, camera, weight=1.0 + 0.5 * i, rgb=rgb.astype(np.float32), sky=sky, free=free)
    return volume


@pytest.mark.parametrize("device", DEVICES)
def test_warp_agrees_with_the_numpy_twin(device):
    if device.startswith("cuda") and not device_count():
        pytest.skip("no CUDA device")
    want, got = _fuse("numpy", window=True), _fuse(device, window=True)
    n = len(want)
    assert n == len(got) > 50
    for a, b, name in zip(
        want._blocks.to_host(n), got._blocks.to_host(n), ("distance", "weight", "color"), strict=True
    ):
        # A voxel that projects onto the border of two pixels may take either: rounding of one float32 product.
        differs = np.abs(a - b) > 2e-4
        assert differs.mean() < 2e-3, name
    assert (want._blocks.to_host(n)[1] > 0).mean() > 0.3  # the comparison is not of empty volumes


@pytest.mark.parametrize("device", ["numpy", *DEVICES])
def test_the_surface_of_a_known_room_is_found_to_a_twentieth_of_a_voxel(device):
    if device.startswith("cuda") and not device_count():
        pytest.skip("no CUDA device")
    mesh = _fuse(device).extract()
    error = _room_distance(mesh.vertices.astype(np.float64))
    # Planes are exact in a point-to-plane volume; only edges and corners are rounded (by about half a voxel).
    assert np.median(error) < 0.0025
    assert np.quantile(error, 0.95) < 0.025


def test_the_number_of_threads_does_not_change_a_byte(monkeypatch):
    meshes = []
    for count in (1, 3):
        monkeypatch.setattr(launch, "worker_count", lambda count=count: count)
        meshes.append(_fuse("cpu").extract())
    assert meshes[0].vertices.tobytes() == meshes[1].vertices.tobytes()
    assert meshes[0].faces.tobytes() == meshes[1].faces.tobytes()
    assert meshes[0].colors.tobytes() == meshes[1].colors.tobytes()


def test_the_mesh_is_manifold_consistent_and_closed_inside_the_view():
    mesh = _fuse("cpu").extract()
    a = np.concatenate([mesh.faces[:, i] for i in range(3)]).astype(np.int64)
    b = np.concatenate([mesh.faces[:, (i + 1) % 3] for i in range(3)]).astype(np.int64)
    n = len(mesh.vertices)
    _, directed = np.unique(a * n + b, return_counts=True)
    key = np.minimum(a, b) * n + np.maximum(a, b)
    edges, count = np.unique(key, return_counts=True)
    assert directed.max() == 1  # neighbours run through a shared edge in opposite directions
    assert count.max() == 2
    # Open edges lie on the rim of what was seen, never along the borders of blocks in the middle.
    open_ = edges[count == 1]
    middle = 0.5 * (mesh.vertices[open_ // n] + mesh.vertices[open_ % n])
    seen = np.zeros(len(middle), int)
    for camera in CAMERAS:
        pixel, z = project(middle.astype(np.float64), camera)
        with np.errstate(invalid="ignore"):
            inside = (z > 0) & (pixel > 12).all(axis=1) & (pixel < [camera.width - 12, camera.height - 12]).all(axis=1)
            inside &= ~((np.abs(pixel[:, 0] - 45) < 17) & (np.abs(pixel[:, 1] - 55) < 17))
        seen += inside
    assert (seen >= 2).sum() == 0


def test_faces_look_at_the_cameras():
    mesh = _fuse("cpu").extract()
    t = mesh.vertices[mesh.faces].astype(np.float64)
    normal = np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0])
    center = (ROOM[0] + ROOM[1]) / 2
    # The room is convex, so every face must look at its middle.
    assert ((normal * (center - t.mean(axis=1))).sum(axis=1) > 0).all()


def test_nothing_behind_the_camera_is_touched():
    """nerfstudio #2067: with the length instead of z the volume fills up behind the camera."""
    camera = _camera((0.0, 0.0, 1.0), (1.0, 0.0, 1.0))
    behind = _camera((0.0, 0.0, 1.0), (-1.0, 0.0, 1.0))
    volume = TsdfVolume(0.05)
    volume.integrate(_room_depth(behind), behind)  # allocates the blocks behind
    before = volume._blocks.to_host(len(volume))[1].copy()
    count = len(volume)
    volume.integrate(_room_depth(camera), camera)
    after = volume._blocks.to_host(len(volume))[1][:count]
    x = (volume._coords[:count, 0] + 1) * 8 * 0.05
    assert (before[x < -0.05] > 0).any()
    assert np.array_equal(before[x < -0.05], after[x < -0.05])


def test_a_grazing_floor_is_flat_and_far_ranging():
    """Distances along the axis would leave no voxel below a floor that is seen at 6 degrees."""
    camera = _camera((0.0, 0.0, 0.5), (5.0, 0.0, 0.2), 320, 240)
    rays = pixel_rays(camera).astype(np.float64) @ camera.world_from_camera[:3, :3].T
    t = -0.5 / np.minimum(rays[..., 2], -1e-9)
    depth = np.where((rays[..., 2] < 0) & (t < 5), t, 0).astype(np.float32)
    volume = TsdfVolume(0.03)
    volume.integrate(depth, camera)
    v = volume.extract().vertices
    assert np.abs(v[:, 2]).max() < 0.002
    assert v[:, 0].max() > 4.6


def test_sky_carves_and_makes_no_surface():
    camera = _camera((0.0, 0.0, 1.0), (1.0, 0.0, 1.0))
    shape = (camera.height, camera.width)
    wall = np.full(shape, 2.0, np.float32)
    volume = TsdfVolume(0.05)
    volume.integrate(np.zeros(shape, np.float32), camera, sky=np.ones(shape, bool))
    assert len(volume) == 0
    volume.integrate(wall, camera, weight=0.01)
    assert len(volume.extract().faces) > 1000
    for _ in range(4):
        volume.integrate(np.zeros(shape, np.float32), camera, weight=1.0, sky=np.ones(shape, bool))
    assert len(volume.extract().faces) == 0


def _board(width, *, free):
    """Faces of a board of this width [m] whose depth is trusted, 1.5 m before a wall that is not next to the board."""
    camera = _camera((0.0, 0.0, 1.0), (1.0, 0.0, 1.0))
    rays = pixel_rays(camera)
    board = np.abs(rays[..., 0]) * 1.5 < width / 2
    given = np.where(board, np.float32(1.5), np.float32(3.0))
    beside = np.zeros(board.shape, bool)
    for shift in (-2, -1, 1, 2):
        beside |= np.roll(board, shift, axis=1)
    trusted = np.where(beside & ~board, 0, given).astype(np.float32)
    volume = TsdfVolume(0.05)
    volume.integrate(trusted, camera, free=given if free else None)
    mesh = volume.extract()
    return mesh.vertices[mesh.faces].astype(np.float64)


def test_what_is_seen_beside_a_board_lets_it_end_there():
    torn, whole = _board(0.12, free=False), _board(0.12, free=True)
    torn, whole = (t[(t[..., 0] < 2.5).all(axis=1)] for t in (torn, whole))  # without the wall
    assert len(torn) == 0
    # What a camera sees of it from ahead: two voxels wide and nearly as tall as the picture, without a hole.
    ahead = -0.5 * np.cross(whole[:, 1] - whole[:, 0], whole[:, 2] - whole[:, 0])[:, 0]
    assert ahead[ahead > 0].sum() > 0.085 * 1.75
    # No curtain behind it and no shelf beside it: at most the truncation and a voxel.
    assert whole[..., 0].max() < 1.5 + 4 * 0.05
    assert np.abs(whole[..., 1]).max() < 0.06 + 0.05


def test_pixels_that_only_carve_make_no_surface():
    camera = _camera((0.0, 0.0, 1.0), (1.0, 0.0, 1.0))
    nothing = np.zeros((camera.height, camera.width), np.float32)
    wall = np.full_like(nothing, 2.0)
    volume = TsdfVolume(0.05)
    volume.integrate(nothing, camera, free=wall)
    assert len(volume) == 0
    volume.integrate(wall, camera)
    before = len(volume.extract().faces)
    volume.integrate(nothing, camera, free=wall)
    assert len(volume.extract().faces) == before


def test_pixel_planes_of_a_tilted_plane_are_exact():
    camera = _camera((0.0, 0.0, 0.0), (1.0, 0.0, 0.0))
    normal, offset = np.array([0.3, -0.5, 0.8]), 2.0
    rays = pixel_rays(camera).astype(np.float64)
    depth = (offset / (rays @ normal)).astype(np.float32)
    planes = pixel_planes(depth, camera)
    inner = planes[5:-5, 5:-5].astype(np.float64)
    assert np.allclose(inner[..., :3], normal / offset, atol=2e-4)  # float32 differences of inverse depth times f
    assert np.allclose(inner[..., 3], offset / np.linalg.norm(normal), rtol=1e-3)


def test_errors_name_the_remedy():
    with pytest.raises(InputError, match="positive"):
        TsdfVolume(0.0)
    volume = TsdfVolume(0.05, max_blocks=3)
    camera = CAMERAS[0]
    with pytest.raises(InputError, match="larger voxels"):
        volume.integrate(_room_depth(camera), camera)
    with pytest.raises(InputError, match="size"):
        volume.integrate(np.ones((3, 3), np.float32), camera)

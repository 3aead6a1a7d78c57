# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The grid says what stands where; spawn poses are free."""

from __future__ import annotations

import cv2
import numpy as np
import trimesh

from lyra_core.geometry import intrinsics_from_fov, look_at
from lyra_core.navigation import FREE, OCCUPIED, UNKNOWN, build_grid, spawn_poses, write_map
from lyra_core.types import CameraPath, Mesh


def room(*, table: bool = True) -> Mesh:
    """Floor 4 x 3 m, a 0.5 m box on it, a table top at 0.7 m, a lamp at 2 m."""
    parts = [trimesh.creation.box((4, 3, 0.4), transform=trimesh.transformations.translation_matrix((2, 1.5, -0.2)))]
    parts.append(
        trimesh.creation.box((0.5, 0.5, 0.5), transform=trimesh.transformations.translation_matrix((1, 1, 0.25)))
    )
    if table:
        parts.append(
            trimesh.creation.box((1, 0.6, 0.04), transform=trimesh.transformations.translation_matrix((3, 2, 0.7)))
        )
    parts.append(
        trimesh.creation.box((0.3, 0.3, 0.3), transform=trimesh.transformations.translation_matrix((2, 2.5, 2.0)))
    )
    whole = trimesh.util.concatenate(parts)
    return Mesh(whole.vertices.astype(np.float32), whole.faces.astype(np.int32))


def path() -> CameraPath:
    poses = np.stack([look_at(np.array([2.0, 0.2 + 0.1 * i, 1.4]), np.array([2.0, 5, 1.4])) for i in range(9)])
    k = np.broadcast_to(intrinsics_from_fov(70, 64, 48), (9, 3, 3))
    return CameraPath(poses, k, 64, 48)


def state_at(grid, x, y):
    return grid.state[tuple(grid.cell_of(np.array([x, y])))]


def test_floor_is_free_and_what_stands_or_hangs_low_blocks():
    grid = build_grid(room())
    assert state_at(grid, 2.0, 0.5) == FREE
    assert state_at(grid, 1.0, 0.8) == OCCUPIED  # side of the box
    assert state_at(grid, 3.0, 2.0) == OCCUPIED  # under the table top
    assert state_at(grid, 2.0, 2.5) == FREE  # under the lamp
    assert abs(grid.free_area - (12 - 0.36 - 0.68)) < 0.5


def test_no_floor_means_nothing_is_free():
    mesh = room()
    lifted = Mesh(mesh.vertices + np.array([0, 0, 1], np.float32), mesh.faces)
    assert (build_grid(lifted).state != FREE).all()


def test_a_flipped_floor_is_not_free():
    mesh = room()
    assert (build_grid(Mesh(mesh.vertices, mesh.faces[:, ::-1])).state == FREE).mean() < 0.02


def test_an_empty_mesh_gives_an_unknown_grid():
    grid = build_grid(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)))
    assert (grid.state == UNKNOWN).all()


def test_spawn_poses_are_clear_spread_and_reproducible():
    grid = build_grid(room())
    poses = spawn_poses(grid, path(), radius=0.3, count=4)
    assert poses == spawn_poses(grid, path(), radius=0.3, count=4)
    assert len(poses) == 4
    clearance = grid.clearance()
    for pose in poses:
        assert clearance[tuple(grid.cell_of(np.array(pose.position[:2])))] >= 0.3
    xy = np.array([p.position[:2] for p in poses])
    apart = np.linalg.norm(xy[:, None] - xy[None], axis=-1)[np.triu_indices(4, 1)]
    assert apart.min() > 0.6


def test_no_room_no_spawn():
    grid = build_grid(room())
    assert spawn_poses(grid, path(), radius=5.0) == ()


def test_the_map_has_ros_form_with_row_zero_at_the_largest_y(tmp_path):
    grid = build_grid(room())
    files = write_map(tmp_path, grid)
    png = cv2.imdecode(np.frombuffer(files[str(tmp_path / "map.png")], np.uint8), cv2.IMREAD_UNCHANGED)
    assert set(np.unique(png)) <= {0, 205, 254}
    row, column = grid.cell_of(np.array([1.0, 0.8]))
    assert png[png.shape[0] - 1 - row, column] == 0
    yaml = files[str(tmp_path / "map.yaml")].decode()
    assert "occupied_thresh: 0.65" in yaml
    assert f"origin: [{grid.origin[0]:.4f}, {grid.origin[1]:.4f}, 0.0]" in yaml

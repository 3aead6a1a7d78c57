# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The grid says what stands where; spawn poses are free."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import trimesh

from lyra_core.geometry import intrinsics_from_fov, look_at
from lyra_core.navigation import FREE, OCCUPIED, UNKNOWN, build_grid, spawn_poses, write_map
from lyra_core.navigation.occupancy import floor_level, read_layers
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


def test_a_robot_can_drive_on_from_where_it_is_set_down():
    grid = build_grid(room())
    poses = spawn_poses(grid, path(), radius=0.3, count=5)
    clearance = grid.clearance()
    for pose in poses:
        ahead = np.array(pose.position[:2]) + 0.5 * np.array([np.cos(pose.yaw), np.sin(pose.yaw)])
        assert clearance[tuple(grid.cell_of(ahead))] >= 0.3


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


def test_the_map_loads_as_nav2_and_mobility_gen_read_it(tmp_path):
    """nav2_map_server: trinary, share = (255 - grey) / 255 against the thresholds, origin = lower left corner."""
    import yaml
    from PIL import Image

    grid = build_grid(room(), path=path())
    for name, data in write_map(tmp_path, grid).items():
        (tmp_path / name.rsplit("/", 1)[-1]).write_bytes(data)
    fields = yaml.safe_load((tmp_path / "map.yaml").read_text())
    assert set(fields) == {"image", "mode", "resolution", "origin", "negate", "occupied_thresh", "free_thresh"}
    assert (fields["mode"], fields["negate"]) == ("trinary", 0)
    assert (fields["occupied_thresh"], fields["free_thresh"]) == (0.65, 0.196)
    assert [type(v) for v in fields["origin"]] == [float] * 3
    image = Image.open(tmp_path / fields["image"])
    assert image.mode == "L"  # MobilityGen and map_server take 8-bit grey
    share = (255.0 - np.asarray(image)) / 255.0
    state = np.full(share.shape, UNKNOWN)
    state[share < fields["free_thresh"]] = FREE
    state[share > fields["occupied_thresh"]] = OCCUPIED
    np.testing.assert_array_equal(state[::-1], grid.state)
    # The world point of a pixel: the last row starts at the origin.
    row, column = np.argwhere(state == OCCUPIED)[0]
    x = fields["origin"][0] + (column + 0.5) * fields["resolution"]
    y = fields["origin"][1] + (image.height - 1 - row + 0.5) * fields["resolution"]
    assert grid.state[tuple(grid.cell_of(np.array([x, y])))] == OCCUPIED


def test_layers_name_their_units_and_come_back(tmp_path):
    grid = build_grid(room(), path=path())
    (tmp_path / "navigation").mkdir()
    for name, data in write_map(tmp_path / "navigation", grid).items():
        (tmp_path / "navigation" / name.rsplit("/", 1)[-1]).write_bytes(data)
    with np.load(tmp_path / "navigation" / "layers.npz") as data:
        named = dict(zip(data["layers"].tolist(), data["units"].tolist(), strict=True))
        assert named["height"] == named["clearance"] == "m"
        assert all(data[name].shape == grid.state.shape for name in named)
    layers = read_layers(tmp_path)
    np.testing.assert_array_equal(layers.grid.state, grid.state)
    assert layers.grid.origin == grid.origin
    assert np.nanmax(np.abs(layers.grid.height)) < 1e-6
    assert np.isnan(layers.grid.height[grid.state == UNKNOWN]).all()
    np.testing.assert_allclose(layers.clearance[layers.reachable].min(), layers.radius, atol=0.05)
    assert read_layers(tmp_path / "navigation") is None


def flat(x0, x1, y0, y1, z=0.0, rise=0.0):
    """A floor of two triangles that rises along x."""
    points = [[x0, y0, z], [x1, y0, z + rise], [x1, y1, z + rise], [x0, y1, z]]
    return np.array(points, np.float32), np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def joined(*parts):
    offsets = np.cumsum([0, *(len(v) for v, _ in parts[:-1])])
    faces = np.concatenate([f + o for (_, f), o in zip(parts, offsets, strict=True)]).astype(np.int32)
    return Mesh(np.concatenate([v for v, _ in parts]), faces)


def test_floor_that_the_camera_cannot_have_come_from_is_filled():
    mesh = joined(flat(0, 4, 0, 3), flat(6, 8, 0, 3))
    whole = build_grid(mesh)
    assert state_at(whole, 7.0, 1.0) == FREE
    grid = build_grid(mesh, path=path())
    assert state_at(grid, 7.0, 1.0) == UNKNOWN
    assert state_at(grid, 2.0, 1.0) == FREE


def test_what_the_robot_rolls_over_is_free_and_what_its_base_would_hit_is_not():
    def bump(height):
        box = trimesh.creation.box((0.3, 0.1, height))
        box.apply_translation((2.0, 1.0, height / 2))
        return joined(flat(0, 4, 0, 3), (box.vertices.astype(np.float32), box.faces.astype(np.int32)))

    assert state_at(build_grid(bump(0.02)), 2.0, 1.0) == FREE
    assert state_at(build_grid(bump(0.045)), 2.0, 1.0) == OCCUPIED
    assert state_at(build_grid(bump(0.045), step=0.05), 2.0, 1.0) == FREE


def test_a_steep_floor_is_occupied_and_a_gentle_one_free():
    # A kerb of 11 cm with a slope of 42 degrees, all of it within the height that floor may have.
    kerb = joined(flat(0, 1, 0, 3, -0.055), flat(1, 1.12, 0, 3, -0.055, 0.11), flat(1.12, 2, 0, 3, 0.055))
    grid = build_grid(kerb)
    assert state_at(grid, 1.06, 1.5) == OCCUPIED
    assert state_at(grid, 0.5, 1.5) == state_at(grid, 1.6, 1.5) == FREE
    gentle = joined(flat(0, 1, 0, 3, -0.05, 0.10))  # 5.7 degrees
    grid = build_grid(gentle)
    assert state_at(grid, 0.5, 1.5) == FREE
    tilt, mean = floor_level(grid)
    assert tilt == pytest.approx(5.71, abs=0.1)
    assert mean == pytest.approx(0.0, abs=2e-3)


def test_the_level_of_no_floor_is_not_a_number_but_none():
    assert floor_level(build_grid(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)))) is None

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyra_core.errors import PathError
from lyra_core.trajectory import PRESETS, SeedScene, limit, make_path, path_speed, plan_path
from lyra_core.types import CameraPath
from tests.trajectory.scenes import ROOM, TABLE, inside, photo_camera, room_scene

SCENE = room_scene()


def dense_centers(path, per_frame=20):
    """Centres along the straight lines between frames."""
    c = path.centers
    t = np.linspace(0, 1, per_frame, endpoint=False)[:, None]
    return np.concatenate([(c[:-1, None] + t * np.diff(c, axis=0)[:, None]).reshape(-1, 3), c[-1:]])


def distance_to_surfaces(centers):
    """Exact distance to the table's box and the room's walls and ceiling (not the floor) [m]."""
    outside = np.maximum(np.maximum(TABLE[0] - centers, centers - TABLE[1]), 0)
    walls = np.concatenate([(centers - ROOM[0])[:, :2], ROOM[1] - centers], axis=1).min(axis=1)
    return np.minimum(np.linalg.norm(outside, axis=1), walls)


def straight(start, offset, frames=41):
    poses = np.repeat(start.world_from_camera[None], frames, axis=0)
    poses[:, :3, 3] += np.linspace(0, 1, frames)[:, None] * np.array(offset)
    return CameraPath(poses, np.repeat(start.intrinsics[None], frames, axis=0), start.width, start.height)


@settings(max_examples=30, deadline=None)
@given(
    offset=st.tuples(st.floats(-6, 6), st.floats(-6, 6), st.floats(-3, 3)),
    clearance=st.sampled_from([0.0, 0.1, 0.35, 0.6]),
    frames=st.integers(2, 60),
)
def test_no_straight_flight_ever_leaves_the_room_or_comes_nearer_than_the_clearance(offset, clearance, frames):
    path, report = limit(straight(photo_camera(), offset, frames), SCENE.points, clearance=clearance)
    centers = dense_centers(path)
    # The surfaces are sampled every 4 cm and thinned: between samples the true surface is up to 1 cm nearer at 0.1 m.
    assert distance_to_surfaces(centers).min() >= clearance - 0.015
    assert inside(ROOM, centers).all()
    assert not inside(TABLE, centers).any()
    assert len(path) == frames
    assert np.array_equal(path.world_from_camera[0], photo_camera().world_from_camera)
    assert report.min_clearance_after >= report.clearance - 1e-6


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("strength", [1.0, 4.0])
def test_every_preset_stays_clear_however_strong(name, strength):
    planned = plan_path(name, start=photo_camera(), frames=60, scene=SCENE, strength=strength)
    centers = dense_centers(planned.path)
    assert distance_to_surfaces(centers).min() >= 0.35 - 0.01
    assert centers[:, 2].min() >= 0.35 - 1e-6
    assert len(planned.path) == 60
    assert planned.report.limited == bool(planned.report.shortened_by > 1e-9)


def test_a_path_that_is_clear_is_given_back_as_the_same_object_with_nothing_said():
    path = make_path("orbit", start=photo_camera(), frames=30, scene=SCENE)
    limited, report = limit(path, SCENE.points)
    assert limited is path
    assert report.action == "none"
    assert not report.limited
    assert report.messages == ()
    assert report.min_clearance_before == report.min_clearance_after
    assert report.first_limiting_frame is None


def test_a_zoom_through_the_wall_stops_before_it_and_the_report_tells_the_truth():
    start = photo_camera(center=(0.0, 2.5, 1.4), target=(0.0, 4.0, 1.4))
    path = straight(start, (0, 5.0, 0), frames=51)
    limited, report = limit(path, SCENE.points)
    assert limited.centers[:, 1].max() == pytest.approx(4.5 - 0.35, abs=0.03)
    assert report.action == "shortened"
    assert report.through_surface
    assert report.length_before == pytest.approx(5.0)
    assert report.length_after == pytest.approx(path_speed(limited).length, abs=1e-3)
    assert report.shortened_by == pytest.approx(5.0 - report.length_after)
    # 1.65 of 5 m are free, a frame is 0.1 m
    assert report.first_limiting_frame == 17
    assert report.min_clearance_before < 0.05
    assert any("goes through a surface" in m for m in report.messages)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.action = "none"


def test_an_in_and_out_path_loses_only_the_blocked_part():
    start = photo_camera(center=(0.0, 2.6, 1.4), target=(0.0, 4.0, 1.4))
    path = make_path(
        "zoom-in-out", start=start, frames=101, scene=SCENE, in_distance=3.0, out_distance=1.0, rise=0, soft=0
    )
    limited, report = limit(path, SCENE.points)
    assert report.action == "shortened"
    assert limited.centers[:, 1].max() == pytest.approx(4.15, abs=0.05)
    assert limited.centers[-1, 1] == pytest.approx(1.6), "the way out behind the photo is still there"
    assert path_speed(limited).max_step < path_speed(path).max_step, "fewer metres over the same frames"


def test_a_small_motion_beside_a_wall_is_drawn_in_rather_than_cut_off():
    start = photo_camera(center=(-2.0, 1.0, 1.4), target=(-2.0, 4.0, 1.4))
    path = make_path("spiral", start=start, frames=60, scene=SCENE, strength=2)
    limited, report = limit(path, SCENE.points)
    assert report.action == "scaled"
    assert distance_to_surfaces(dense_centers(limited)).min() >= 0.345
    turned = np.abs(limited.world_from_camera[:, :3, :3] - path.world_from_camera[:, :3, :3]).max()
    assert turned == 0, "drawing in keeps the views' directions"


def test_a_sparse_wall_does_not_let_a_small_clearance_slip_between_its_points():
    # 12 cm between points, clearance 1 cm, aimed at the middle of four points
    y, z = np.meshgrid(np.arange(-1, 1, 0.12), np.arange(0, 2.5, 0.12))
    wall = np.stack([y.ravel(), np.full(y.size, 2.0), z.ravel()], axis=1).astype(np.float32)
    center = (float(y[0, 8]) + 0.06, 0.0, float(z[10, 0]) + 0.06)
    start = photo_camera(center=center, target=(center[0], 2.0, center[2]))
    limited, report = limit(straight(start, (0, 4, 0), frames=9), wall, clearance=0.01, floor_z=None)
    assert limited.centers[:, 1].max() < 2.0
    assert report.through_surface


def test_a_photo_taken_close_to_something_lowers_the_clearance_and_says_so():
    start = photo_camera(center=(-2.3, 1.0, 1.4), target=(-2.3, 4.0, 1.4))  # 0.2 m beside the wall
    path = straight(start, (0.0, 2.0, 0.0))
    limited, report = limit(path, SCENE.points)
    assert limited is path, "it may go along the wall as near as the photo was"
    assert report.clearance == pytest.approx(0.18, abs=0.01)
    assert any("The photo was taken 0.20 m from something" in m for m in report.messages)
    nearer, report = limit(straight(start, (-0.5, 2.0, 0.0)), SCENE.points)
    assert report.limited
    assert distance_to_surfaces(dense_centers(nearer)).min() >= 0.17


def test_the_floor_limits_height_only_a_low_robot_may_drive_over_it():
    low = photo_camera(center=(0.0, -1.0, 0.2), target=(0.0, 3.0, 0.2))
    _, report = limit(straight(low, (0.0, 1.5, 0.0)), SCENE.points)
    assert not report.limited
    down, report = limit(straight(photo_camera(), (0.0, 0.5, -3.0)), SCENE.points)
    assert report.limited
    assert down.centers[:, 2].min() == pytest.approx(0.35, abs=0.025)
    assert any("floor" in m for m in report.messages)
    # Where no floor point was seen, the floor still is there.
    down, report = limit(straight(photo_camera(), (0.0, 0.5, -3.0)), np.zeros((0, 3)))
    assert report.limited
    assert report.through_surface


def test_a_walk_to_a_robots_height_below_the_clearance_is_not_stopped_by_the_floor():
    planned = plan_path("walk", start=photo_camera(), frames=40, scene=SCENE, height=0.2)
    assert planned.path.centers[-1, 2] == pytest.approx(0.2)
    assert not planned.report.limited


def test_nothing_seen_means_nothing_to_limit_and_it_is_said():
    path = straight(photo_camera(), (0, 9, 0))
    limited, report = limit(path, np.zeros((0, 3), np.float32))
    assert limited is path
    assert report.min_clearance_before == np.inf
    assert any("Nothing was seen" in m for m in report.messages)


def test_a_path_that_cannot_move_says_what_to_try():
    # about 2 cm between points on a sphere of 0.37 m around the camera
    angles = np.random.default_rng(0).normal(size=(4000, 3))
    shell = photo_camera().center + 0.37 * angles / np.linalg.norm(angles, axis=1, keepdims=True)
    limited, report = limit(straight(photo_camera(), (0, 2, 0)), shell)
    assert path_speed(limited).reach <= 0.06
    assert any("hardly moves" in m for m in report.messages) or path_speed(limited).length >= 0.02
    assert report.limited
    assert len(limited) == 41


def test_a_walk_around_something_reports_the_turn():
    planned = plan_path("walk", start=photo_camera(), frames=40, scene=SCENE, distance=4)
    assert any("turns up to" in m for m in planned.report.messages)


def test_the_result_does_not_depend_on_the_order_of_calls():
    path = make_path("zoom-in", start=photo_camera(), frames=30, scene=SCENE, strength=4)
    one, two = limit(path, SCENE.points)[0], limit(path, SCENE.points)[0]
    assert one.world_from_camera.tobytes() == two.world_from_camera.tobytes()


@pytest.mark.parametrize("clearance", [-0.1, float("nan"), float("inf")])
def test_a_bad_clearance_is_refused(clearance):
    with pytest.raises(PathError, match="Clearance must be metres"):
        limit(straight(photo_camera(), (0, 1, 0)), SCENE.points, clearance=clearance)


@pytest.mark.parametrize("points", [np.zeros((3, 2)), np.full((2, 3), np.nan)])
def test_bad_points_are_refused(points):
    with pytest.raises(PathError, match=r"\(N, 3\)"):
        limit(straight(photo_camera(), (0, 1, 0)), points)


def test_one_frame_and_identical_frames_are_fine():
    still = make_path("still", start=photo_camera(), frames=1, scene=SeedScene(1.0))
    assert limit(still, SCENE.points)[0] is still
    still = make_path("still", start=photo_camera(), frames=5, scene=SeedScene(1.0))
    assert limit(still, SCENE.points)[0] is still

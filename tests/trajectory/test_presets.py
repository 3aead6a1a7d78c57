# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyra_core.errors import PathError
from lyra_core.geometry import inverse, matrix_from_rotvec, project, rigid
from lyra_core.trajectory import PRESETS, SeedScene, make_path, path_speed, plan_path
from tests.trajectory.scenes import ROOM, TABLE, box_points, inside, photo_camera, room_scene

NAMES = sorted(PRESETS)
SCENE = room_scene()
MOVING = [n for n in NAMES if n not in ("still", "look-around")]


def horizon_tilt(poses):
    """Angle [rad] of the image's x axis out of the horizontal."""
    return np.arcsin(np.clip(poses[:, 2, 0], -1, 1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("frames", [1, 2, 3, 7, 81])
def test_every_preset_gives_the_asked_number_of_frames_and_starts_bit_identically_at_the_photo(name, frames):
    start = photo_camera()
    path = make_path(name, start=start, frames=frames, scene=SCENE)
    assert len(path) == frames
    assert path.world_from_camera[0].tobytes() == start.world_from_camera.tobytes()
    assert path.intrinsics[0].tobytes() == start.intrinsics.tobytes()
    assert (path.width, path.height, path.fps) == (832, 480, 16.0)


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    frames=st.integers(1, 60),
    strength=st.floats(0, 2),
    yaw=st.floats(-3.1, 3.1),
    pitch=st.floats(-1.5, 1.5),
    roll=st.floats(-0.3, 0.3),
)
def test_any_photo_pose_gives_rigid_poses_that_start_at_the_photo(name, frames, strength, yaw, pitch, roll):
    # CameraPath itself refuses poses that are not rigid.
    turn = matrix_from_rotvec(np.array([0, 0, yaw])) @ photo_camera().world_from_camera[:3, :3]
    turn = turn @ matrix_from_rotvec(np.array([pitch, 0, 0])) @ matrix_from_rotvec(np.array([0, 0, roll]))
    start = photo_camera().moved(rigid(turn, np.array([0.3, 0.2, 1.3])))
    path = make_path(name, start=start, frames=frames, scene=SCENE, strength=strength)
    assert np.array_equal(path.world_from_camera[0], start.world_from_camera)
    assert len(path) == frames


@pytest.mark.parametrize("name", NAMES)
def test_zero_strength_keeps_the_camera_at_the_photo(name):
    path = make_path(name, start=photo_camera(), frames=5, scene=SCENE, strength=0)
    assert np.abs(path.world_from_camera - path.world_from_camera[0]).max() < 1e-12


@pytest.mark.parametrize("name", MOVING)
def test_motion_is_smooth_no_step_is_much_larger_than_its_neighbours(name):
    # soft = 0.1 over 160 steps ramps over >= 5 frames a leg; a jump would be several times the mean step.
    path = make_path(name, start=photo_camera(), frames=161, scene=SCENE)
    steps = np.linalg.norm(np.diff(path.centers, axis=0), axis=1)
    assert steps.max() < 2.0 * steps.mean()


@pytest.mark.parametrize("name", ["zoom-in", "zoom-out", "orbit", "dolly"])
def test_without_soft_ends_the_speed_is_constant(name):
    path = make_path(name, start=photo_camera(), frames=50, scene=SCENE, soft=0)
    steps = np.linalg.norm(np.diff(path.centers, axis=0), axis=1)
    # chords of the densely sampled orbit deviate by 1e-5 of a step
    assert np.ptp(steps) < 1e-4 * steps.mean()


@pytest.mark.parametrize("name", NAMES)
def test_distances_scale_with_the_scene(name):
    options = {"soft": 0} if not name.startswith("walk") else {"soft": 0, "clearance": 0}
    near = make_path(name, start=photo_camera(), frames=21, scene=SeedScene(1.0), **options)
    far = make_path(name, start=photo_camera(), frames=21, scene=SeedScene(3.0), **options)
    # walks advance in 5 cm strides
    assert path_speed(far).reach == pytest.approx(3 * path_speed(near).reach, rel=0.02, abs=1e-9)


def test_zoom_in_goes_along_the_optical_axis_and_zoom_out_backs_off_and_rises():
    start = photo_camera()
    ahead = make_path("zoom-in", start=start, frames=9, scene=SCENE).centers - start.center
    assert np.allclose(ahead[-1], 0.5 * SCENE.center_depth * start.forward)
    back = make_path("zoom-out", start=start, frames=9, scene=SCENE).centers - start.center
    assert np.allclose(back[-1], SCENE.center_depth * (np.array([0, 0, 0.15]) - start.forward))


def test_zoom_in_out_returns_to_the_photo_exactly_and_ends_far_out():
    start = photo_camera()
    path = make_path("zoom-in-out", start=start, frames=81, scene=SCENE)
    back = np.flatnonzero((path.world_from_camera == start.world_from_camera).all(axis=(1, 2)))
    assert len(back) == 2
    assert back[0] == 0
    assert (path.centers[-1] - start.center) @ start.forward < 0
    out_first = make_path("zoom-in-out", start=start, frames=81, scene=SCENE, first="out")
    assert (out_first.centers[-1] - start.center) @ start.forward > 0


def test_orbit_keeps_the_subject_in_place_in_the_picture_at_constant_height():
    start = photo_camera(target=(0.0, 3.0, 1.4))
    path = make_path("orbit", start=start, frames=30, scene=SCENE, angle=120)
    subject = start.center + SCENE.center_depth * start.forward
    pixels = np.array([project(subject, camera)[0] for camera in path])
    assert np.abs(pixels - pixels[0]).max() < 1e-6
    assert np.abs(path.centers[:, 2] - 1.4).max() < 1e-12
    assert path.centers[-1, 0] > 0, "right is the camera's right"
    left = make_path("orbit", start=start, frames=30, scene=SCENE, direction="left")
    assert left.centers[-1, 0] < 0


def test_look_around_stays_on_the_spot_turns_left_first_and_comes_back():
    start = photo_camera()
    path = make_path("look-around", start=start, frames=81, scene=SCENE)
    assert np.abs(path.centers - start.center).max() < 1e-12
    assert np.array_equal(path.world_from_camera[-1][:3, 3], start.center)
    assert np.allclose(path.world_from_camera[-1], start.world_from_camera)
    assert path.world_from_camera[10, 0, 2] < 0, "looking along +y, left is -x"
    turn = make_path("look-around", start=start, frames=37, scene=SCENE, direction="right", angle=360)
    assert path_speed(turn).turn_deg == pytest.approx(360, abs=1e-6)


@pytest.mark.parametrize("name", ["zoom-in", "zoom-out", "orbit", "dolly", "look-around", "spiral", "walk"])
def test_a_level_photo_keeps_a_level_horizon(name):
    path = make_path(name, start=photo_camera(), frames=30, scene=SCENE)
    # the spiral's views are interpolated between 514 level ones: 5e-7 rad
    assert np.abs(horizon_tilt(path.world_from_camera)).max() < 1e-5


def test_dolly_directions_follow_the_camera_and_track_keeps_the_subject_centred():
    start = photo_camera(target=(0.0, 3.0, 1.4))
    ways = {"right": (1, 0, 0), "left": (-1, 0, 0), "forward": (0, 1, 0), "back": (0, -1, 0), "up": (0, 0, 1)}
    for way, direction in ways.items():
        path = make_path("dolly", start=start, frames=4, scene=SCENE, direction=way, distance=0.5)
        assert np.allclose(path.centers[-1] - start.center, 0.5 * np.array(direction))
        assert np.allclose(path.world_from_camera[-1, :3, :3], start.world_from_camera[:3, :3])
    path = make_path("dolly", start=start, frames=9, scene=SCENE, track="true")
    subject = start.center + SCENE.center_depth * start.forward
    assert np.allclose([project(subject, c)[0] for c in path], [[416, 240]] * 9)


def test_a_walk_keeps_its_height_and_goes_around_the_table_inside_the_room():
    path = make_path("walk", start=photo_camera(), frames=120, scene=SCENE, distance=5)
    assert np.abs(path.centers[:, 2] - 1.4).max() < 1e-9
    dense = np.concatenate([np.linspace(a, b, 5) for a, b in zip(path.centers, path.centers[1:], strict=False)])
    flat = dense * [1, 1, 0] + [0, 0, 0.5]
    assert not inside(TABLE, flat, margin=0.34).any(), "the plan keeps 0.35 m beside the table, corners rounded"
    assert inside(ROOM, dense, margin=-0.34).all()
    assert path_speed(path).length > 4.9


def test_a_walk_settles_at_a_robots_height_with_a_level_view():
    start = photo_camera(target=(0.0, 3.0, 0.4))  # looks down 18 degrees
    path = make_path("walk", start=start, frames=60, scene=SCENE, distance=3, height=0.3, pitch=0)
    assert path.centers[-1, 2] == pytest.approx(0.3)
    assert abs(path.world_from_camera[-1, 2, 2]) < 1e-9, "level"


def test_a_walk_in_a_closed_corner_ends_before_the_wall_and_the_plan_says_so():
    wall = np.array([[x, 0.8, z] for x in np.arange(-3, 3, 0.03) for z in np.arange(0, 2.5, 0.03)])
    sides = np.array(
        [[x, y, z] for x in (-0.6, 0.6) for y in np.arange(-1, 0.8, 0.03) for z in np.arange(0, 2.5, 0.03)]
    )
    scene = SeedScene(2.0, 0.0, np.concatenate([wall, sides]).astype(np.float32))
    planned = plan_path("walk", start=photo_camera(), frames=30, scene=scene)
    assert planned.path.centers[:, 1].max() < 0.8 - 0.34
    assert any("walk ends after" in m for m in planned.report.messages)
    assert any("the option distance" in m for m in planned.report.messages)
    asked = plan_path("walk", start=photo_camera(), frames=30, scene=scene, distance=1.5)
    assert not any("the option distance" in m for m in asked.report.messages)


def test_a_walk_that_is_blocked_ahead_begins_with_a_turn_on_the_spot_and_does_not_circle():
    crate = box_points(np.array([[-0.4, 0.55, 0.0], [0.4, 1.4, 1.2]]))
    scene = SeedScene(2.4, 0.0, np.concatenate([box_points(ROOM), crate]))
    planned = plan_path("walk", start=photo_camera(), frames=81, scene=scene, distance=3)
    speed = planned.speed
    assert speed.length > 2.5
    assert speed.max_turn_deg < 6, "the turn is spread over frames"
    first = np.flatnonzero(np.linalg.norm(planned.path.centers - planned.path.centers[0], axis=1) < 1e-9)
    assert len(first) > 5, "turns before it goes"
    view = planned.path.world_from_camera[:, :3, 2]
    assert np.degrees(np.arccos(np.clip(view @ view[0], -1, 1))).max() < 125
    assert not inside(np.array([[-0.4, 0.55, 0.0], [0.4, 1.4, 1.6]]), planned.path.centers, margin=0.34).any()


def test_a_walk_to_the_subject_ends_before_it_rather_than_turn_away_from_it():
    crate = box_points(np.array([[-0.7, 1.75, 0.0], [0.7, 2.4, 1.2]]))
    scene = SeedScene(2.2, 0.0, np.concatenate([box_points(ROOM), crate]))

    def walked(**options):
        planned = plan_path("walk", start=photo_camera(), frames=81, scene=scene, **options)
        way = np.diff(planned.path.centers[:, :2], axis=0)
        way = way[np.linalg.norm(way, axis=1) > 1e-4]
        return planned, np.degrees(np.abs(np.arctan2(way[:, 0], way[:, 1]))).max()

    planned, turned = walked()
    assert turned < 46
    assert 0.6 * 0.75 * 2.2 <= planned.speed.length < 0.75 * 2.2 + 0.05
    asked, turned = walked(distance=2.6)
    assert turned > 46, "who says how far to go is led around it"
    assert asked.speed.length > 2.5


def test_the_view_lags_behind_a_bend_of_the_way_by_at_most_what_was_asked():
    def turns(lag):
        path = make_path("walk", start=photo_camera(), frames=120, scene=SCENE, distance=5, soft=0, lag=lag)
        view = path.world_from_camera[:, :2, 2]
        way = np.diff(path.centers[:, :2], axis=0)
        angle = [np.unwrap(np.arctan2(v[:, 0], v[:, 1])) for v in (view[:-1], way)]
        return np.degrees(angle[0]), np.degrees(angle[1])

    ahead, way = turns(0)
    assert np.abs(way).max() > 15, "the table is in the way"
    assert np.abs(ahead - way).max() < 4, "looks where it goes"
    view, way = turns(25)
    gentle = (np.abs(way) > 5) & (np.abs(way) < 30)
    assert gentle.sum() > 10
    assert (np.abs(view[gentle]) < 0.5 * np.abs(way[gentle]) + 1).all(), "looks on ahead"
    assert np.abs(view - way).max() < 27, "and turns at a corner; the way is a chord here"


def test_walk_and_return_comes_back_beside_its_line_looking_the_same_way():
    start = photo_camera()
    scene = SeedScene(2.4)
    path = make_path("walk-and-return", start=start, frames=101, scene=scene, soft=0, offset=0.25, side="right")
    end = path.centers[-1] - start.center
    assert np.allclose(end, [0.25, 0, 0], atol=1e-6)
    far = int(np.argmax(path.centers[:, 1]))
    assert 45 <= far <= 55
    views = path.world_from_camera[:, :3, 2]
    # On the way back each view has a twin on the way out at 0.25 m beside it, looking the same way.
    for i in range(far + 20, 101):
        beside = np.linalg.norm(path.centers[: far + 1] + np.array([0.25, 0, 0]) - path.centers[i], axis=1)
        twin = int(np.argmin(beside))
        assert beside[twin] < 0.03
        assert views[twin] @ views[i] > 0.999
    exact = make_path("walk-and-return", start=start, frames=101, scene=scene, offset=0)
    assert np.allclose(exact.world_from_camera[-1], start.world_from_camera)


def test_a_walk_without_any_seen_point_goes_straight_ahead():
    path = make_path("walk", start=photo_camera(), frames=10, scene=SeedScene(2.0))
    assert np.allclose(path.centers[-1], [0, 1.5, 1.4])


def test_speed_limits_shorten_the_path_instead_of_being_exceeded(caplog):
    path = make_path("orbit", start=photo_camera(), frames=20, scene=SCENE, max_step=0.01)
    assert path_speed(path).max_step <= 0.01
    path = make_path("look-around", start=photo_camera(), frames=20, scene=SCENE, max_turn=0.5)
    assert path_speed(path).max_turn_deg <= 0.5
    assert "strength lowered" in caplog.text


def test_the_same_call_gives_the_same_bytes():
    for name in NAMES:
        one = make_path(name, start=photo_camera(), frames=33, scene=SCENE)
        two = make_path(name, start=photo_camera(), frames=33, scene=room_scene())
        assert one.world_from_camera.tobytes() == two.world_from_camera.tobytes()


def test_words_from_a_command_line_are_read_as_numbers_and_switches():
    words = make_path("orbit", start=photo_camera(), frames=4, scene=SCENE, angle="30", soft="0")
    numbers = make_path("orbit", start=photo_camera(), frames=4, scene=SCENE, angle=30, soft=0)
    assert words.world_from_camera.tobytes() == numbers.world_from_camera.tobytes()


@pytest.mark.parametrize(
    ("name", "kwargs", "says"),
    [
        ("orbitt", {}, "Did you mean 'orbit'"),
        ("walk", {"heigth": 1}, "Did you mean 'height'"),
        ("walk", {"height": -1}, "at least 0.02"),
        ("walk", {"height": "tall"}, "must be a number"),
        ("orbit", {"direction": "rihgt"}, "Did you mean 'right'"),
        ("orbit", {"angle": float("nan")}, "must be a number"),
        ("dolly", {"track": "maybe"}, "true or false"),
        ("zoom-in", {"soft": 0.7}, "from 0 to 0.5"),
        ("zoom-in", {"strength": -1}, "from 0 to 100"),
        ("zoom-in", {"strength": float("inf")}, "from 0 to 100"),
        ("zoom-in", {"frames": 0}, "1 or more"),
        ("zoom-in", {"frames": -5}, "1 or more"),
        ("zoom-in", {"frames": 2.5}, "whole number"),
        ("zoom-in", {"fps": 0}, "positive"),
    ],
)
def test_bad_names_and_values_are_refused_with_advice(name, kwargs, says):
    arguments = {"frames": 5, **kwargs}
    with pytest.raises(PathError, match=says):
        make_path(name, start=photo_camera(), scene=SCENE, **arguments)


def test_every_preset_and_option_explains_itself_in_one_line():
    for name, preset in PRESETS.items():
        assert preset.name == name
        assert preset.summary
        assert "\n" not in preset.summary
        for option in preset.options.values():
            assert option.help
            assert "\n" not in option.help


def test_a_rolled_photo_keeps_its_roll_in_a_spiral_and_loses_it_in_a_walk():
    level = photo_camera()
    rolled = level.moved(level.world_from_camera @ rigid(matrix_from_rotvec(np.array([0, 0, 0.1])), np.zeros(3)))
    spiral = make_path("spiral", start=rolled, frames=40, scene=SCENE)
    relative = inverse(level.world_from_camera) @ rolled.world_from_camera
    assert relative[1, 0] == pytest.approx(np.sin(0.1))
    tilt = horizon_tilt(spiral.world_from_camera)
    assert np.ptp(tilt) < 0.02
    assert abs(tilt).min() > 0.05
    walk = make_path("walk", start=rolled, frames=40, scene=SCENE)
    assert abs(horizon_tilt(walk.world_from_camera)[-1]) < 1e-9


def test_a_scene_from_a_depth_map_takes_the_lower_quartile_and_keeps_valid_points_only():
    camera = photo_camera(width=64, height=48)
    depth = np.full((48, 64), 4.0, np.float32)
    depth[24:] = 2.0
    depth[:4] = 0.0
    scene = SeedScene.from_depth(depth, camera, max_points=500)
    assert scene.center_depth == 2.0
    assert 0 < len(scene.points) <= 500
    _, z = project(scene.points.astype(np.float64), camera)
    assert set(np.round(z, 4)) == {2.0, 4.0}

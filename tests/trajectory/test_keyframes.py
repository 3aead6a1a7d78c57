# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyra_core.errors import PathError
from lyra_core.geometry import look_at, matrix_from_rotvec, rigid
from lyra_core.trajectory import Keyframe, path_speed, spline
from tests.trajectory.scenes import photo_camera


def keys(*poses):
    return [Keyframe(photo_camera().moved(p)) for p in poses]


def at(center, yaw_deg=0.0):
    turn = matrix_from_rotvec(np.array([0, 0, np.radians(yaw_deg)]))
    return rigid(turn @ photo_camera(target=(0, 3, 1.4)).world_from_camera[:3, :3], np.array(center, float))


def distance_to_path(path, pose):
    """Smallest distance [m] of the path's frames to a pose, a radian counting as a metre."""
    move = np.linalg.norm(path.centers - pose[:3, 3], axis=1)
    cosine = (np.einsum("nij,ij->n", path.world_from_camera[:, :3, :3], pose[:3, :3]) - 1) / 2
    return (move + np.arccos(np.clip(cosine, -1, 1))).min()


@settings(max_examples=40, deadline=None)
@given(
    centers=st.lists(st.tuples(*[st.floats(-3, 3)] * 3), min_size=2, max_size=6),
    yaws=st.lists(st.floats(-170, 170), min_size=6, max_size=6),
    frames=st.integers(2, 40),
)
def test_the_first_and_last_frame_are_the_first_and_last_keyframe_bit_by_bit(centers, yaws, frames):
    poses = [at(c, y) for c, y in zip(centers, yaws, strict=False)]
    path = spline(keys(*poses), frames)
    assert len(path) == frames
    assert np.array_equal(path.world_from_camera[0], poses[0])
    assert np.array_equal(path.world_from_camera[-1], poses[-1])


def test_the_path_passes_through_every_keyframe():
    poses = [at((0, 0, 1)), at((1, 1, 1.2), 30), at((1, 3, 1), -20), at((-1, 4, 1.5), 60)]
    path = spline(keys(*poses), 600)
    length = path_speed(path).length
    for pose in poses:  # frames lie at most half a step beside a keyframe, in place and in view
        assert distance_to_path(path, pose) < 1.5 * length / 599


def test_the_centre_moves_at_constant_speed_where_turns_are_gentle():
    poses = [at((0, 0, 1)), at((1, 1, 1.2), 10), at((3, 2, 1), 20), at((3.2, 2.5, 1), 25), at((3, 6, 1), 5)]
    path = spline(keys(*poses), 300)
    steps = np.linalg.norm(np.diff(path.centers, axis=0), axis=1)
    assert np.ptp(steps) < 0.01 * steps.mean()  # chords of the curve, 200 samples a segment


def test_rotation_and_motion_are_smooth_without_kinks_at_the_keyframes():
    poses = [at((0, 0, 1)), at((1, 1, 1.2), 40), at((1, 3, 1), -20), at((-1, 4, 1.5), 60)]
    path = spline(keys(*poses), 800)
    velocity = np.diff(path.centers, axis=0)
    turns = np.arccos(
        np.clip(
            np.sum(velocity[1:] * velocity[:-1], axis=1)
            / np.linalg.norm(velocity[1:], axis=1)
            / np.linalg.norm(velocity[:-1], axis=1),
            -1,
            1,
        )
    )
    assert np.degrees(turns.max()) < 2.5, "a kink would show as a sudden change of direction"
    delta = np.swapaxes(path.world_from_camera[:-1, :3, :3], 1, 2) @ path.world_from_camera[1:, :3, :3]
    spin = np.stack([delta[:, 2, 1], delta[:, 0, 2], delta[:, 1, 0]], axis=1)
    assert np.linalg.norm(np.diff(spin, axis=0), axis=1).max() < 0.1 * np.linalg.norm(spin, axis=1).max()


def test_a_short_segment_beside_a_long_one_makes_no_loop():
    poses = [at((0, 0, 1)), at((5, 0, 1)), at((5.05, 0.05, 1)), at((5, 5, 1))]
    path = spline(keys(*poses), 2000)
    assert path.centers[:, 0].max() < 5.3
    assert path.centers[:, 1].min() > -0.3
    assert path_speed(path).length < 10.3, "the straight line through the keyframes is 10.02 m"


def test_keyframes_on_a_line_give_a_line_without_overshoot():
    poses = [at((0, y, 1)) for y in (0, 0.1, 2.0, 2.1, 5.0)]
    path = spline(keys(*poses), 200)
    assert np.abs(path.centers[:, [0, 2]] - [0, 1]).max() < 1e-12
    assert (np.diff(path.centers[:, 1]) > 0).all()


def test_turning_on_the_spot_goes_at_constant_angular_speed():
    poses = [at((0, 0, 1), a) for a in (0, 60, 120, 180, 240)]
    path = spline(keys(*poses), 97)
    speed = path_speed(path)
    assert speed.length == 0
    assert speed.turn_deg == pytest.approx(240, abs=0.1)
    assert speed.max_turn_deg == pytest.approx(2.5, rel=0.01)


def test_two_views_half_a_turn_apart_are_joined_by_half_a_turn():
    path = spline(keys(at((0, 0, 1)), at((0, 1, 1), 180)), 50)
    assert path_speed(path).turn_deg == pytest.approx(180, abs=0.01)


def test_a_keyframe_can_be_held():
    frames = [Keyframe(photo_camera().moved(at((0, y, 1))), hold) for y, hold in ((0, 0.5), (1, 1.0), (2, 0.0))]
    path = spline(frames, 64, fps=16)
    assert len(path) == 64
    still = np.linalg.norm(np.diff(path.centers, axis=0), axis=1) < 1e-12
    assert still.sum() >= 8 + 15
    assert np.array_equal(path.world_from_camera[8], frames[0].camera.world_from_camera)
    with pytest.raises(PathError, match="holds take more frames"):
        spline(frames, 20, fps=16)
    with pytest.raises(PathError, match="hold must be seconds"):
        Keyframe(photo_camera(), -1)


def test_focal_lengths_change_evenly_between_keyframes():
    near = photo_camera()
    far = type(near)(near.intrinsics * [[4, 1, 1], [1, 4, 1], [1, 1, 1]], at((0, 1, 1)), near.width, near.height)
    path = spline([Keyframe(near.moved(at((0, 0, 1)))), Keyframe(far)], 5)
    assert np.allclose(path.intrinsics[:, 0, 0] / near.intrinsics[0, 0], [1, 2**0.5, 2, 2**1.5, 4])


def test_soft_ends_start_and_stop_slowly():
    path = spline(keys(at((0, 0, 1)), at((0, 4, 1))), 81, soft=0.2)
    steps = np.linalg.norm(np.diff(path.centers, axis=0), axis=1)
    assert steps[0] < 0.1 * steps.max()
    assert steps[-1] < 0.1 * steps.max()
    assert np.ptp(steps[20:60]) < 1e-9


def test_one_keyframe_stands_still_and_bad_sets_are_refused():
    assert len(spline(keys(at((0, 0, 1))), 5)) == 5
    with pytest.raises(PathError, match="at least one keyframe"):
        spline([], 5)
    with pytest.raises(PathError, match="2 frames or more"):
        spline(keys(at((0, 0, 1)), at((0, 1, 1))), 1)
    small = Keyframe(photo_camera(width=640))
    with pytest.raises(PathError, match="one image size"):
        spline([Keyframe(photo_camera()), small], 5)


def test_a_loop_of_keyframes_around_an_object_stays_round():
    ring = [2 * np.array([np.cos(a), np.sin(a), 0.7]) for a in np.linspace(0, 2 * np.pi, 9)]
    path = spline(keys(*[look_at(c, np.zeros(3)) for c in ring]), 200)
    radius = np.linalg.norm(path.centers[:, :2], axis=1)
    # straight lines would cut the corners to 1.848 m; the first and last segment know no neighbour on one side
    assert radius.min() > 1.93
    assert radius.max() < 2.04
    assert radius[25:-25].min() > 1.98
    aim = -np.sum(path.world_from_camera[:, :3, 2] * path.centers, axis=1) / np.linalg.norm(path.centers, axis=1)
    assert np.degrees(np.arccos(aim.min())) < 2.0

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Rotations and rigid transforms: group laws, including the neighbourhoods of no turn and of half a turn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_core.geometry import (
    ZUP_FROM_RDF,
    compose,
    interpolate,
    inverse,
    look_at,
    matrix_from_quat,
    matrix_from_rotvec,
    opencv_from_usd_camera,
    quat_from_matrix,
    quat_multiply,
    rigid,
    rotation_between,
    rotvec_from_matrix,
    transform_points,
    umeyama,
    usd_camera_from_opencv,
)

TIGHT = 1e-12  # a few roundings of float64 products of order one
vectors = st.tuples(*[st.floats(-5, 5)] * 3).map(np.array)
directions = vectors.filter(lambda v: np.linalg.norm(v) > 1e-3).map(lambda v: v / np.linalg.norm(v))
# Angles near 0 and near pi are where formulas divide by nothing.
angles = st.one_of(
    st.floats(0, np.pi),
    st.floats(-1e-5, 1e-5),
    st.sampled_from([0.0, 1e-16, 1e-12, 1e-9, 1e-8, 1e-7, np.pi, np.pi - 1e-9, np.pi - 1e-7, np.pi - 1e-4]),
)
rotvecs = st.builds(lambda d, a: d * a, directions, angles)
rotations = rotvecs.map(matrix_from_rotvec)
poses = st.builds(rigid, rotations, vectors)


@given(poses, poses, poses)
def test_composition_is_associative_has_an_identity_and_an_inverse(a, b, c):
    assert np.allclose(compose(compose(a, b), c), compose(a, compose(b, c)), atol=1e-11)
    assert np.array_equal(compose(a, np.eye(4)), a)
    assert np.allclose(compose(a, inverse(a)), np.eye(4), atol=1e-11)
    assert np.allclose(inverse(compose(a, b)), compose(inverse(b), inverse(a)), atol=1e-11)
    assert np.allclose(inverse(inverse(a)), a, atol=TIGHT * 10)


@given(poses, poses, vectors)
def test_points_move_as_the_composition_says(a, b, point):
    points = np.stack([point, -point])
    assert np.allclose(
        transform_points(compose(a, b), points), transform_points(a, transform_points(b, points)), atol=1e-11
    )
    assert np.allclose(transform_points(inverse(a), transform_points(a, points)), points, atol=1e-11)


@given(st.lists(poses, min_size=2, max_size=4))
def test_a_batch_is_inverted_as_its_members_are(batch):
    assert np.array_equal(inverse(np.stack(batch)), np.stack([inverse(p) for p in batch]))


@given(rotations)
def test_rotation_matrices_are_proper(rotation):
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=TIGHT)
    assert np.linalg.det(rotation) == pytest.approx(1.0, abs=TIGHT)


@given(rotations)
def test_a_quaternion_gives_back_its_matrix_for_every_angle(rotation):
    quat = quat_from_matrix(rotation)
    assert np.linalg.norm(quat) == pytest.approx(1.0, abs=TIGHT)
    assert quat[0] >= 0
    assert np.allclose(matrix_from_quat(quat), rotation, atol=TIGHT)


@given(rotvecs)
def test_a_rotation_vector_comes_back_for_every_angle(rotvec):
    again = rotvec_from_matrix(matrix_from_rotvec(rotvec))
    angle = np.linalg.norm(rotvec)
    assert np.linalg.norm(again) <= np.pi + TIGHT
    # At half a turn the two opposite axes are one rotation; just below it the sine loses its last digits.
    same = np.abs(again - rotvec).max()
    if abs(angle - np.pi) < 1e-6:
        same = min(same, np.abs(again + rotvec).max())
    assert same < 1e-9


def test_tiny_rotations_are_not_rounded_away():
    for angle in (1e-4, 1e-7, 1e-10, 1e-13):
        rotvec = np.array([angle, 0, 0])
        assert rotvec_from_matrix(matrix_from_rotvec(rotvec))[0] == pytest.approx(angle, rel=1e-6)


@pytest.mark.parametrize("axis", [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0.8, 0], [-0.6, 0, 0.8], [3**-0.5] * 3])
def test_half_turns_about_any_axis_survive(axis):
    rotation = 2 * np.outer(axis, axis) - np.eye(3)
    assert np.allclose(matrix_from_quat(quat_from_matrix(rotation)), rotation, atol=TIGHT)
    rotvec = rotvec_from_matrix(rotation)
    assert np.linalg.norm(rotvec) == pytest.approx(np.pi)
    assert np.allclose(np.abs(rotvec @ np.array(axis)), np.pi)


@given(rotations, rotations)
def test_the_quaternion_product_is_the_matrix_product(a, b):
    product = quat_multiply(quat_from_matrix(a), quat_from_matrix(b))
    assert np.allclose(matrix_from_quat(product), a @ b, atol=TIGHT)


@given(st.tuples(*[st.floats(-1, 1)] * 4).map(np.array).filter(lambda q: np.linalg.norm(q) > 0.01), st.floats(0.1, 10))
def test_the_length_and_sign_of_a_quaternion_do_not_matter(quat, factor):
    assert np.allclose(matrix_from_quat(quat), matrix_from_quat(-factor * quat), atol=1e-9)


def test_the_real_part_of_a_quaternion_stands_first():
    quarter = matrix_from_quat(np.array([np.cos(np.pi / 4), 0, 0, np.sin(np.pi / 4)]))
    assert np.allclose(quarter, [[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert np.allclose(matrix_from_rotvec(np.array([0, 0, np.pi / 2])), quarter)


@given(directions, st.one_of(directions, st.just(None)))
def test_the_smallest_rotation_between_two_directions_turns_one_into_the_other(source, target):
    target = -source if target is None else target
    rotation = rotation_between(source, target)
    assert np.allclose(rotation @ source, target, atol=1e-7)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    angle = np.arctan2(np.linalg.norm(np.cross(source, target)), source @ target)
    assert np.linalg.norm(rotvec_from_matrix(rotation)) == pytest.approx(angle, abs=1e-7)


@given(poses, poses, st.floats(0, 1))
def test_interpolation_starts_and_ends_exactly_and_moves_evenly(a, b, t):
    assert np.allclose(interpolate(a, b, 0.0), a, atol=1e-11)
    assert np.allclose(interpolate(a, b, 1.0), b, atol=1e-6)
    between = interpolate(a, b, t)
    assert np.allclose(between[:3, 3], (1 - t) * a[:3, 3] + t * b[:3, 3], atol=1e-11)
    assert np.allclose(between[:3, :3] @ between[:3, :3].T, np.eye(3), atol=TIGHT)
    whole = np.linalg.norm(rotvec_from_matrix(b[:3, :3] @ a[:3, :3].T))
    part = np.linalg.norm(rotvec_from_matrix(between[:3, :3] @ a[:3, :3].T))
    assert part == pytest.approx(t * whole, abs=1e-6)


@given(vectors, directions, st.floats(0.1, 10))
def test_look_at_sees_its_target_in_the_middle_with_a_level_horizon(center, direction, distance):
    pose = look_at(center, center + distance * direction)
    local = inverse(pose) @ [*(center + distance * direction), 1]
    assert np.allclose(local[:3], [0, 0, distance], atol=1e-9)
    assert np.array_equal(pose[:3, 3], center)
    assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
    if np.hypot(direction[0], direction[1]) > 1e-6:
        assert abs(pose[2, 0]) < 1e-9, "the image's x axis is horizontal"
        assert pose[2, 1] <= 1e-9, "and its y axis points down"


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_look_at_works_straight_up_and_down(sign):
    pose = look_at(np.zeros(3), np.array([0, 0, sign]))
    assert np.allclose(pose[:3, 2], [0, 0, sign])
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)


@given(poses)
def test_usd_and_opencv_cameras_see_the_same(pose):
    usd = usd_camera_from_opencv(pose)
    assert np.array_equal(opencv_from_usd_camera(usd), pose)
    assert np.allclose(usd[:3, 2], -pose[:3, 2]), "a USD camera looks along -z"
    assert np.allclose(usd[:3, 1], -pose[:3, 1]), "its y axis points up in the picture"
    assert np.allclose(usd[:3, 0], pose[:3, 0])
    assert np.array_equal(usd[:3, 3], pose[:3, 3])
    assert np.linalg.det(usd[:3, :3]) == pytest.approx(1.0)


def test_a_level_opencv_world_stands_upright_in_ours():
    assert np.linalg.det(ZUP_FROM_RDF[:3, :3]) == pytest.approx(1.0)
    right, down, forward = np.eye(3)
    assert np.array_equal(ZUP_FROM_RDF[:3, :3] @ down, [0, 0, -1])
    assert np.array_equal(ZUP_FROM_RDF[:3, :3] @ forward, [0, 1, 0])
    assert np.array_equal(ZUP_FROM_RDF[:3, :3] @ right, [1, 0, 0])


@given(rotations, vectors, st.floats(0.1, 10), st.integers(0, 1000), st.booleans())
def test_umeyama_finds_the_similarity_that_made_the_points(rotation, translation, scale, seed, with_scale):
    source = np.random.default_rng(seed).normal(size=(6, 3))
    scale = scale if with_scale else 1.0
    target = scale * source @ rotation.T + translation
    s, r, t = umeyama(source, target, with_scale=with_scale)
    assert s == pytest.approx(scale)
    assert np.allclose(r, rotation, atol=1e-7)
    assert np.allclose(t, translation, atol=1e-6)


def test_umeyama_never_mirrors_even_for_a_mirrored_target_or_points_in_a_plane(rng):
    source = rng.normal(size=(10, 3))
    _, rotation, _ = umeyama(source, source * [1, 1, -1])
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    flat = source * [1, 1, 0]
    turn = matrix_from_rotvec(np.array([0.3, -0.2, 0.5]))
    _, rotation, _ = umeyama(flat, flat @ turn.T)
    assert np.allclose(rotation, turn)


def test_umeyama_equals_the_references(golden):
    arrays = np.load(golden / "trajectories" / "recon.npz")
    pairs = sorted(k[: -len("_est")] for k in arrays.files if k.startswith("um_") and k.endswith("_est"))
    if not pairs:
        pytest.skip("no Umeyama case in this golden set")
    for key in pairs:
        reference, estimate = arrays[f"{key}_ref"], arrays[f"{key}_est"]
        if reference.shape[-2:] == (4, 4) or reference.shape[-2:] == (3, 4):
            full = np.tile(np.eye(4), (len(reference), 1, 1))
            other = full.copy()
            full[:, : reference.shape[1]], other[:, : estimate.shape[1]] = reference, estimate
            reference, estimate = inverse(full)[:, :3, 3], inverse(other)[:, :3, 3]
        scale, rotation, translation = umeyama(estimate.astype(float), reference.astype(float))
        assert scale == pytest.approx(float(arrays[f"{key}_s"]), rel=1e-5)
        assert np.abs(rotation - arrays[f"{key}_r"]).max() < 1e-5
        assert np.abs(translation - arrays[f"{key}_t"]).max() < 1e-5

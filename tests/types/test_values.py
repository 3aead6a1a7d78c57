# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The value types refuse what cannot be used, keep what they are given, and never change."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_core.errors import InputError, LyraError, PathError
from lyra_core.geometry import matrix_from_rotvec, pixel_rays, rigid
from lyra_core.types import Camera, CameraPath, Frame, Gaussians, Guide, Mesh

K = np.array([[100.0, 0, 32], [0, 110.0, 24], [0, 0, 1]])
vectors = st.tuples(*[st.floats(-3, 3)] * 3).map(np.array)


def camera(pose=None, k=K, width=64, height=48):
    return Camera(k, np.eye(4) if pose is None else pose, width, height)


def path(count=3):
    return CameraPath(np.repeat(np.eye(4)[None], count, 0), np.repeat(K[None], count, 0), 64, 48)


def frame(**changes):
    fields = {
        "index": 0,
        "rgb": np.zeros((48, 64, 3), np.float32),
        "depth": np.ones((48, 64), np.float32),
        "sky": np.zeros((48, 64), bool),
        "camera": camera(),
        "owned": np.ones((48, 64), bool),
    }
    return Frame(**{**fields, **changes})


def gaussians(**changes):
    fields = {
        "means": np.zeros((4, 3), np.float32),
        "quats_wxyz": np.tile(np.array([1, 0, 0, 0], np.float32), (4, 1)),
        "scales": np.ones((4, 3), np.float32),
        "opacities": np.ones(4, np.float32),
        "sh": np.zeros((4, 1, 3), np.float32),
    }
    return Gaussians(**{**fields, **changes})


def broken(row, column, value):
    pose = np.eye(4)
    pose[row, column] = value
    return pose


BAD_POSES = [
    (broken(0, 3, np.nan), "must be finite"),
    (broken(1, 1, np.inf), "must be finite"),
    (2 * np.eye(4), "must be rigid"),
    (broken(0, 1, 0.3), "must be rigid"),
    (np.diag([1.0, 1.0, -1.0, 1.0]), "must be rigid"),
    (np.diag([-1.0, -1.0, -1.0, 1.0]), "must be rigid"),
    (broken(3, 0, 0.5), "must be rigid"),
    (np.zeros((4, 4)), "must be rigid"),
]
BAD_LENSES = [
    (np.diag([-100.0, 100.0, 1.0]), "must be positive"),
    (np.diag([100.0, 0.0, 1.0]), "must be positive"),
    (np.full((3, 3), np.nan), "must be finite"),
]


@pytest.mark.parametrize(("pose", "says"), BAD_POSES)
def test_a_camera_and_a_path_refuse_a_pose_that_is_not_a_rigid_motion(pose, says):
    with pytest.raises(PathError, match=says):
        camera(pose)
    poses = np.stack([np.eye(4), pose])
    with pytest.raises(PathError, match=says) as caught:
        CameraPath(poses, np.repeat(K[None], 2, 0), 64, 48)
    assert "pose 1" in str(caught.value), "names the frame"


@pytest.mark.parametrize(("k", "says"), BAD_LENSES)
def test_a_camera_and_a_path_refuse_an_impossible_lens(k, says):
    with pytest.raises(PathError, match=says):
        camera(k=k)
    with pytest.raises(PathError, match=says):
        CameraPath(np.repeat(np.eye(4)[None], 2, 0), np.stack([K, k]), 64, 48)


@pytest.mark.parametrize(
    "make",
    [
        lambda: camera(np.eye(3)),
        lambda: camera(k=np.eye(4)),
        lambda: CameraPath(np.eye(4), K[None], 64, 48),
        lambda: CameraPath(np.zeros((0, 4, 4)), np.zeros((0, 3, 3)), 64, 48),
        lambda: CameraPath(np.repeat(np.eye(4)[None], 3, 0), np.repeat(K[None], 2, 0), 64, 48),
        lambda: frame(rgb=np.zeros((64, 48, 3), np.float32)),
        lambda: frame(depth=np.ones((48, 63), np.float32)),
        lambda: frame(sky=np.zeros((48, 64, 1), bool)),
        lambda: frame(owned=np.zeros(48, bool)),
        lambda: gaussians(scales=np.ones((3, 3), np.float32)),
        lambda: gaussians(quats_wxyz=np.ones((4, 3), np.float32)),
        lambda: gaussians(opacities=np.ones((4, 1), np.float32)),
        lambda: gaussians(sh=np.zeros((4, 3), np.float32)),
        lambda: Mesh(np.zeros((3, 2)), np.zeros((1, 3), int)),
        lambda: Mesh(np.zeros((3, 3)), np.zeros((1, 4), int)),
        lambda: Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]), normals=np.zeros((2, 3))),
        lambda: Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]), colors=np.zeros((3, 4), np.uint8)),
    ],
)
def test_wrong_shapes_are_refused_with_the_shape_in_the_message(make):
    with pytest.raises(LyraError, match="shape"):
        make()


@pytest.mark.parametrize(("width", "height"), [(0, 48), (64, -1)])
def test_an_empty_image_size_is_refused(width, height):
    with pytest.raises(PathError, match="must be positive"):
        camera(width=width, height=height)


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf])
def test_a_frame_refuses_depth_that_is_no_distance(value):
    depth = np.ones((48, 64), np.float32)
    depth[3, 4] = value
    with pytest.raises(InputError, match="Depth must be finite") as caught:
        frame(depth=depth)
    assert "1 " in caught.value.got


def test_zero_depth_means_unknown_and_is_allowed():
    assert not frame(depth=np.zeros((48, 64), np.float32)).depth.any()


@pytest.mark.parametrize("count", [2, 3, 5, 8, 25])
def test_gaussians_hold_1_4_9_or_16_coefficients(count):
    with pytest.raises(InputError, match="1, 4, 9 or 16"):
        gaussians(sh=np.zeros((4, count, 3), np.float32))


def test_gaussians_know_their_degree_and_give_subsets():
    for degree in range(4):
        assert gaussians(sh=np.zeros((4, (degree + 1) ** 2, 3), np.float32)).sh_degree == degree
    some = gaussians(means=np.arange(12, dtype=np.float32).reshape(4, 3)).subset(np.array([False, True, False, True]))
    assert len(some) == 2
    assert np.array_equal(some.means, [[3, 4, 5], [9, 10, 11]])
    assert len(gaussians().subset(np.array([], dtype=int))) == 0


@pytest.mark.parametrize("index", [-1, 3, 100])
def test_a_mesh_refuses_a_face_that_names_no_vertex(index):
    with pytest.raises(InputError, match="index existing vertices"):
        Mesh(np.eye(3), np.array([[0, 1, index]]))


def test_a_mesh_refuses_vertices_that_are_nowhere_and_may_be_empty():
    with pytest.raises(InputError, match="must be finite"):
        Mesh(np.array([[0, 0, np.nan]] * 3), np.array([[0, 1, 2]]))
    empty = Mesh(np.zeros((0, 3)), np.zeros((0, 3), int))
    assert len(empty.vertices) == 0


@given(
    width=st.integers(1, 400),
    height=st.integers(1, 300),
    x=st.floats(0, 1),
    y=st.floats(0, 1),
    skew=st.floats(-5, 5),
)
def test_resizing_keeps_the_ray_through_every_relative_place(width, height, x, y, skew):
    k = K + np.array([[0, skew, 0], [0, 0, 0], [0, 0, 0]])
    old, new = camera(k=k), camera(k=k).resized(width, height)
    ray = np.linalg.solve(old.intrinsics, [x * 64, y * 48, 1])
    again = np.linalg.solve(new.intrinsics, [x * width, y * height, 1])
    assert np.allclose(ray, again, atol=1e-9)
    assert (new.width, new.height) == (width, height)
    assert np.array_equal(new.world_from_camera, old.world_from_camera)
    assert np.array_equal(path().resized(width, height)[1].intrinsics, camera().resized(width, height).intrinsics)


def test_halving_the_size_averages_the_rays_of_four_pixels():
    # With pixel centres at +0.5 a big pixel's centre is the mean of its four small ones.
    small = pixel_rays(camera().resized(32, 24)).astype(np.float64)
    large = pixel_rays(camera()).astype(np.float64).reshape(24, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - large).max() < 1e-6  # float32 rays


@given(vectors, vectors)
def test_camera_from_world_undoes_world_from_camera(rotvec, center):
    view = camera(rigid(matrix_from_rotvec(rotvec), center))
    assert np.allclose(view.camera_from_world @ view.world_from_camera, np.eye(4), atol=1e-12)
    assert np.array_equal(view.center, center)
    assert np.allclose(view.camera_from_world @ [*(view.center + 2 * view.forward), 1], [0, 0, 2, 1], atol=1e-12)


def test_a_path_is_a_sequence_of_cameras_and_can_be_cut_and_joined():
    poses = np.repeat(np.eye(4)[None], 6, 0)
    poses[:, 0, 3] = np.arange(6)
    whole = CameraPath(poses, np.repeat(K[None], 6, 0), 64, 48, 24.0)
    assert len(list(whole)) == len(whole) == 6
    assert np.array_equal(whole[-1].center, [5, 0, 0])
    again = CameraPath.concatenate(whole.segment(0, 2), whole.segment(2, 6))
    assert np.array_equal(again.world_from_camera, whole.world_from_camera)
    assert again.fps == 24.0
    assert np.array_equal(again.centers[:, 0], np.arange(6))
    with pytest.raises(PathError, match="one image size"):
        CameraPath.concatenate(whole, whole.resized(32, 24))
    with pytest.raises(PathError, match="N >= 1"):
        whole.segment(4, 4)


VALUES = [
    camera,
    path,
    frame,
    gaussians,
    lambda: Mesh(np.eye(3), np.array([[0, 1, 2]])),
    lambda: Guide(
        rgb=np.zeros((48, 64, 3)),
        depth=np.zeros((48, 64)),
        known=np.zeros((48, 64)),
        sky=np.zeros((48, 64)),
        source=np.zeros((48, 64)),
        source_xy=np.zeros((48, 64, 2)),
        camera=camera(),
    ),
]


@pytest.mark.parametrize("make", VALUES)
def test_values_are_frozen_and_so_are_their_arrays(make):
    value = make()
    arrays = 0
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, None)
        held = getattr(value, field.name)
        if isinstance(held, np.ndarray):
            arrays += 1
            with pytest.raises(ValueError, match="read-only"):
                held[...] = 0
    assert arrays


def test_making_a_value_leaves_the_callers_array_writable():
    depth = np.ones((48, 64), np.float32)
    frame(depth=depth)
    depth[0, 0] = 2.0
    assert depth.flags.writeable


def test_arrays_are_kept_in_the_documented_dtypes():
    given_64 = frame(rgb=np.zeros((48, 64, 3)), depth=np.ones((48, 64)), sky=np.zeros((48, 64), int))
    assert (given_64.rgb.dtype, given_64.depth.dtype, given_64.sky.dtype) == (np.float32, np.float32, np.bool_)
    assert camera(np.eye(4, dtype=np.float32)).world_from_camera.dtype == np.float64
    assert Mesh(np.eye(3), np.array([[0, 1, 2]])).faces.dtype == np.int32


def test_a_message_says_what_got_and_do_and_no_part_is_lost():
    error = LyraError("The rule.", got="a thing", do="Do this")
    assert str(error) == "The rule. Got: a thing. Do this."
    assert (error.what, error.got, error.do) == ("The rule.", "a thing", "Do this")
    assert str(LyraError("Only a rule")) == "Only a rule."

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from lyra_core.geometry import unproject
from lyra_core.training.rooms import ground_truth_frame, make_room

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module", params=SEEDS)
def room(request):
    return make_room(request.param)


def test_a_room_is_furnished_and_has_known_lengths(room):
    assert len(room.scene.faces) > 1500
    assert {"room_length", "room_width", "room_height", "door_height"} <= set(room.lengths)
    length, width, height = room.size
    assert 4 < width < length + 1 < 9
    assert 2.4 < height < 3


def test_all_that_is_seen_lies_in_the_room_or_its_openings(room):
    rng = np.random.default_rng(5)
    for _ in range(4):
        frame = ground_truth_frame(room, room.sample_camera(rng, width=64, height=36), 0)
        points = unproject(frame.depth, frame.camera)[~frame.sky]
        length, width, height = room.size
        # 1.85 m: the hall behind a doorway; 1 mm: the floor is z = 0
        assert (points[:, :2] > -1.85).all()
        assert (points[:, :2] < np.array([length, width]) + 1.85).all()
        assert points[:, 2].min() > -1e-3
        assert points[:, 2].max() < height + 1e-3


def test_a_closed_room_shows_sky_only_through_windows(room):
    rng = np.random.default_rng(6)
    shares = [ground_truth_frame(room, room.sample_camera(rng, width=64, height=36), 0).sky.mean() for _ in range(6)]
    assert max(shares) < 0.6


def test_free_points_see_nothing_nearer_than_the_clearance(room):
    """Truth by rays: the nearest surface around a point that is called free is at least the clearance away."""
    rng = np.random.default_rng(7)
    points = rng.uniform((0, 0, 0.4), (*room.size[:2], 1.7), (400, 3))
    free = points[room.is_free(points, clearance=0.25)]
    assert 10 < len(free) < 390
    from lyra_core.geometry import look_at

    for point in free[:6]:
        for yaw in np.arange(4) * np.pi / 2:
            pose = look_at(point, point + np.array([np.cos(yaw), np.sin(yaw), 0.0]))
            frame = ground_truth_frame(room, room.camera(pose, width=32, height=32, fov_deg=95), 0, supersample=1)
            distance = np.linalg.norm(unproject(frame.depth, frame.camera) - point, axis=-1)[~frame.sky]
            # leaves reach out of the box that stands for a plant; they yield
            assert np.percentile(distance, 2) > 0.2 if len(distance) else True


@pytest.mark.parametrize("frames", [9, 24])
def test_loops_stay_in_free_space_and_come_back(room, frames):
    exact, offset = room.exact_loop(frames), room.offset_loop(frames)
    assert len(exact) == len(offset) == frames
    for path in (exact, offset):
        assert room.is_free(path.centers, clearance=0.25).all()
    np.testing.assert_allclose(exact.world_from_camera[-1], exact.world_from_camera[0], atol=1e-12)
    gap = np.linalg.norm(offset.centers[-1] - offset.centers[0])
    assert gap == pytest.approx(0.12, abs=1e-9)
    ahead = offset.world_from_camera[:, :3, 2]
    yaw = np.degrees(np.arctan2(ahead[:, 1], ahead[:, 0]))
    assert (yaw[-1] - yaw[0] + 180) % 360 - 180 == pytest.approx(3.4, abs=1e-6)
    np.testing.assert_allclose(offset.world_from_camera[0], room.start_camera().world_from_camera)


def test_the_start_camera_stands_at_eye_height_and_sees_the_room(room):
    camera = room.start_camera(width=64, height=36)
    assert 1.3 <= camera.center[2] <= 1.5
    frame = ground_truth_frame(room, camera, 0)
    assert np.median(frame.depth[~frame.sky]) > 1.2
    assert 0.15 < frame.rgb.mean() < 0.75
    assert frame.rgb.std() > 0.05


def test_the_same_seed_gives_the_same_bytes():
    a, b = make_room(4), make_room(4)
    assert a.scene.vertices.tobytes() == b.scene.vertices.tobytes()
    assert b"".join(x.tobytes() for x in a.scene.lightmaps) == b"".join(x.tobytes() for x in b.scene.lightmaps)
    assert a.exposure == b.exposure
    assert make_room(5).size != a.size


def test_light_comes_from_the_windows_and_corners_are_darker(room):
    light = np.concatenate([page.reshape(-1, 3) for page in room.scene.lightmaps])
    assert np.isfinite(light).all()
    assert (light >= 0).all()
    floor = max(
        (
            p
            for p, q in zip(room.scene.lightmaps, room.scene.vertices.reshape(-1, 4, 3), strict=True)
            if not q[:, 2].any()
        ),
        key=lambda p: p.size,
    )
    inner = np.median(floor[floor.shape[0] // 4 : -floor.shape[0] // 4])
    corners = np.median([floor[0, 0], floor[0, -1], floor[-1, 0], floor[-1, -1]])
    assert corners < inner

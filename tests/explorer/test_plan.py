# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The planned path as a value: edits, undo, storage, and the cameras that it means."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from lyra_core.errors import PathError, WorldError
from lyra_core.explorer.plan import Key, PathPlan, camera_path, key_camera, key_of, keys_from_path, plan_from_json
from lyra_core.explorer.state import State, Undoable, load_state, save_state
from lyra_core.geometry import intrinsics_from_fov, look_at
from lyra_core.trajectory import SeedScene
from lyra_core.types import Camera

_K = np.array([[200.0, 0, 160], [0, 200.0, 100], [0, 0, 1]])
_ANCHOR = Camera(_K, look_at(np.array([0.0, 0.0, 1.5]), np.array([0.0, 3.0, 1.4])), 320, 200)
_EMPTY = SeedScene(3.0)


def _key(x, y, z=1.5, target=(0.0, 6.0, 1.5), **values):
    return replace(key_of(look_at(np.array([x, y, z]), np.array(target))), **values)


def _plan(*keys, frames=41, **values):
    return PathPlan(keys=keys, frames=frames, soft=values.pop("soft", 0.0), **values)


def test_the_path_starts_at_the_anchor_bit_for_bit_and_ends_at_the_last_keyframe():
    plan = _plan(_key(0.5, 1.0), _key(-0.5, 2.0))
    path = camera_path(plan, _ANCHOR, _EMPTY).path
    assert len(path) == 41
    assert np.array_equal(path.world_from_camera[0], _ANCHOR.world_from_camera)
    np.testing.assert_allclose(path.centers[-1], (-0.5, 2.0, 1.5), atol=1e-12)


def test_unequal_gaps_are_driven_at_equal_speed():
    path = camera_path(_plan(_key(0, 0.3), _key(0, 3.0), frames=91), _ANCHOR, _EMPTY).path
    steps = np.linalg.norm(np.diff(path.centers, axis=0), axis=1)
    assert steps.max() < 1.05 * steps.min()


def test_a_slower_keyframe_takes_a_larger_share_of_the_same_frames():
    even, slow = (
        camera_path(_plan(_key(0, 1), _key(0, 2, pace=pace), frames=61), _ANCHOR, _EMPTY).path for pace in (1.0, 3.0)
    )
    assert len(even) == len(slow)
    after = [int((p.centers[:, 1] > 1.0).sum()) for p in (even, slow)]
    assert after[1] == pytest.approx(after[0] * 1.5, abs=2)


def test_the_look_at_lock_points_every_camera_behind_the_first_keyframe_at_the_target():
    target = (1.0, 5.0, 1.0)
    path = camera_path(_plan(_key(0, 0.8), _key(1.5, 2.0), target=target), _ANCHOR, _EMPTY).path
    for camera in list(path)[20:]:
        toward = np.asarray(target) - camera.center
        assert camera.forward @ toward / np.linalg.norm(toward) > 1 - 1e-9
    turns = [a.forward @ b.forward for a, b in zip(list(path)[:-1], list(path)[1:], strict=True)]
    assert min(turns) > math.cos(math.radians(4))  # no jump away from the anchor's view


def test_walking_keeps_the_height_and_the_horizon():
    path = camera_path(_plan(_key(0, 1, 2.2), _key(0.4, 2, 0.9), walk_height=0.6, clearance=0.0), _ANCHOR, _EMPTY).path
    ends = list(path)[-1]
    assert ends.center[2] == pytest.approx(0.6)
    assert abs(ends.world_from_camera[2, 0]) < 1e-9  # the image's x axis is level


def test_a_keyframes_view_angle_becomes_its_focal_length():
    camera = key_camera(_key(0, 1, fov=40.0), _ANCHOR)
    assert camera.intrinsics[1, 1] == pytest.approx(intrinsics_from_fov(40.0, 200, 200)[0, 0])
    path = camera_path(_plan(_key(0, 1, fov=40.0)), _ANCHOR, _EMPTY).path
    assert path.intrinsics[0, 1, 1] == 200.0
    assert path.intrinsics[-1, 1, 1] == pytest.approx(camera.intrinsics[1, 1])


def test_splitting_a_way_leaves_the_curve_where_it_was():
    plan = _plan(_key(0.5, 1.0), _key(-0.5, 2.0), frames=101)
    split = plan.split(1, _ANCHOR)
    assert len(split.keys) == 3
    before, after = (camera_path(p, _ANCHOR, _EMPTY).path.centers for p in (plan, split))
    gaps = np.linalg.norm(before[:, None] - after[None], axis=2).min(axis=1)
    assert gaps.max() < 0.03


def test_a_seen_wall_shortens_the_preview_as_it_shortens_the_run():
    x, z = np.meshgrid(np.linspace(-2, 2, 80), np.linspace(0.2, 2.5, 60))
    wall = np.stack([x.ravel(), np.full(x.size, 2.0), z.ravel()], axis=1)
    views = camera_path(_plan(_key(0, 3.0), clearance=0.35), _ANCHOR, SeedScene(2.0, 0.0, wall.astype(np.float32)))
    assert views.path.centers[:, 1].max() <= 1.66
    assert views.messages


def test_any_path_can_be_edited_as_keyframes():
    path = camera_path(PathPlan(source="preset", preset="orbit", frames=41, clearance=0.0), _ANCHOR, _EMPTY).path
    keys = keys_from_path(path)
    again = camera_path(_plan(*keys, clearance=0.0), _ANCHOR, _EMPTY).path
    gaps = np.linalg.norm(path.centers[:, None] - again.centers[None], axis=2).min(axis=1)
    assert gaps.max() < 0.04  # half the way between two frames


def test_undo_and_redo_walk_through_the_edits():
    state = State(Undoable(PathPlan()))
    first = state.planned(PathPlan(frames=33))
    second = first.planned(first.plan.now.added(_key(0, 1)), select=0)
    assert second.undone().plan.now == first.plan.now
    assert second.undone().undone().plan.now == state.plan.now
    assert second.undone().redone().plan.now == second.plan.now
    assert state.undone().plan.now == state.plan.now
    assert second.undone().planned(PathPlan(frames=9)).redone().plan.now.frames == 9  # a new edit ends the redo


def test_a_stored_session_is_read_back_equal(tmp_path):
    plan = _plan(_key(0.1, 1, fov=33.0, hold=0.5), target=(1.0, 2.0, 3.0), options=(("distance", 2.0),))
    state = replace(State(Undoable(plan)), captions=("a hall", "a door"), parent="first", branched_at=80, kept=True)
    save_state(tmp_path, state)
    assert load_state(tmp_path, PathPlan()) == state
    assert plan_from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_session_of_a_newer_version_is_refused(tmp_path):
    (tmp_path / "explorer.json").write_text('{"version": 99}')
    with pytest.raises(WorldError, match="another version"):
        load_state(tmp_path, PathPlan())


@pytest.mark.parametrize(
    "make",
    [
        lambda: Key((0, 0, math.nan), (1, 0, 0, 0)),
        lambda: Key((0, 0, 0), (0, 0, 0, 0)),
        lambda: Key((0, 0, 0), (1, 0, 0, 0), fov=170.0),
        lambda: PathPlan(frames=1),
        lambda: PathPlan(source="dream"),
        lambda: PathPlan().without(0),
        lambda: plan_from_json({"frames": "many"}),
    ],
)
def test_impossible_plans_are_refused(make):
    with pytest.raises(PathError):
        make()

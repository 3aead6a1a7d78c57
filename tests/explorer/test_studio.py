# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The studio without a browser, on a room that is known exactly: clicks, plans that stay where they were meant, branches."""

import json
import shutil
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from lyra_core.errors import InputError, WorldError
from lyra_core.explorer.anchoring import base_of, placed_at, replaced
from lyra_core.explorer.gravity import level_world
from lyra_core.explorer.panel_compare import joined, return_frame
from lyra_core.explorer.path_files import saved_bytes
from lyra_core.explorer.plan import PathPlan, key_of
from lyra_core.explorer.state import State, Undoable, load_state, save_state
from lyra_core.explorer.studio import Studio, StudioOptions
from lyra_core.geometry import look_at, rigid
from lyra_core.types import Frame
from lyra_core.world import WorldFolder
from tests.pipeline.box_room import EYE, HIGH, make_world


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("room") / "room", build=False).folder


@pytest.fixture
def studio(room, tmp_path):
    folder = tmp_path / "room"
    shutil.copytree(room, folder)
    made = Studio(StudioOptions(tmp_path, frames=9))
    made.open_world(folder)
    yield made
    made.close()


def _click(studio, point, eye=(-0.2, -0.3, EYE)):
    return studio.click(np.asarray(eye), np.asarray(point) - np.asarray(eye))


def test_two_clicks_measure_the_distance_between_what_was_clicked(studio):
    studio.clicks.want("measure")
    a, b = (-1.0, HIGH[1], 1.2), (1.0, HIGH[1], 1.2)
    assert _click(studio, a) == ""
    assert _click(studio, b) == ""
    gap = np.linalg.norm(np.subtract(*studio.clicks.picks))
    assert gap == pytest.approx(2.0, abs=0.12)  # points of a 96 pixel picture
    with pytest.raises(InputError, match="two points"):
        studio.orders.measure(0.0)


def test_a_click_on_nothing_says_so_and_changes_nothing(studio):
    studio.clicks.want("measure")
    assert "Nothing" in studio.click(np.array([0.0, 0.0, 50.0]), np.array([0.0, 0.0, 1.0]))
    studio.clicks.want("goal")
    assert "floor" in studio.click(np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.2]))
    assert studio.clicks.picks == []
    assert studio.clicks.goal is None


def test_start_and_goal_are_where_the_rays_meet_the_floor(studio):
    studio.clicks.want("start")
    _click(studio, (-1.0, -1.5, 0.0))
    assert studio.clicks.mode == "goal"
    _click(studio, (1.2, 2.0, 0.0))
    np.testing.assert_allclose([studio.clicks.start, studio.clicks.goal], [(-1.0, -1.5), (1.2, 2.0)], atol=1e-9)
    assert studio.clicks.mode == ""


def test_the_look_at_lock_takes_the_clicked_point_and_undo_lets_go(studio):
    studio.to_keys()
    studio.clicks.want("target")
    _click(studio, (0.0, HIGH[1], 1.0))
    target = np.asarray(studio.state.plan.now.target)
    assert np.linalg.norm(target - [0.0, HIGH[1], 1.0]) < 0.1
    assert studio.views is not None
    last = studio.views.path[len(studio.views.path) - 1]
    toward = target - last.center
    assert last.forward @ toward / np.linalg.norm(toward) > 1 - 1e-6
    studio.undo()
    assert studio.state.plan.now.target is None


def test_what_two_tabs_do_at_once_holds_both(studio, monkeypatch):
    """One takes a step back, slowly; the other selects a keyframe meanwhile."""
    studio.to_keys()
    before = studio.state.plan.now
    studio.watch((0.0, 2.0, 1.0))
    working = threading.Event()
    replan = studio._replan

    def slow() -> None:
        working.set()
        time.sleep(0.3)
        replan()

    monkeypatch.setattr(studio, "_replan", slow)
    other = threading.Thread(target=studio.undo)
    other.start()
    assert working.wait(10)
    studio.select(0)
    other.join()
    assert studio.state.plan.now == before
    assert studio.state.selected == 0


def test_an_uploaded_path_is_there_again_after_a_restart_and_begins_at_the_last_camera(studio):
    assert studio.views is not None
    name, data = studio.saved_path("tum")
    studio.load_path_file(name, data)
    before = studio.views.path.world_from_camera
    again = Studio(studio.options)
    try:
        again.open_world(studio.folder)
        assert again.state.plan.now.source == "file"
        assert again.problem == ""
        np.testing.assert_array_equal(again.views.path.world_from_camera, before)
        assert np.array_equal(again.views.path.world_from_camera[0], again.anchor.world_from_camera)
    finally:
        again.close()


def test_keyframes_follow_a_world_that_was_scaled_and_turned(studio):
    frame = studio.frames[0]
    pose = look_at(np.array([0.5, 1.0, 1.2]), np.array([0.0, 2.0, 1.0]))
    plan = PathPlan(keys=(key_of(pose),), target=(0.3, 0.4, 0.5))
    state = State(Undoable(plan), base=base_of(frame))
    assert replaced(state, frame).plan.now == plan
    turn = rigid(look_at(np.zeros(3), np.array([0.2, 1.0, 0.1]))[:3, :3], np.array([1.0, 2.0, 3.0]))
    scaled = rigid(frame.camera.world_from_camera[:3, :3], 2.5 * frame.camera.center)
    moved = Frame(0, frame.rgb, 2.5 * frame.depth, frame.sky, frame.camera.moved(turn @ scaled), frame.owned)
    key = replaced(state, moved).plan.now.keys[0]
    np.testing.assert_allclose(key.position, (turn @ [*(2.5 * pose[:3, 3]), 1.0])[:3], atol=1e-6)
    wanted = key_of(turn @ pose).wxyz
    assert abs(np.dot(key.wxyz, wanted)) == pytest.approx(1.0, abs=1e-9)


def test_a_path_is_placed_at_a_camera_bit_for_bit(studio):
    path = studio.views.path
    anchor = path[3]
    found = placed_at(path, anchor)
    assert np.array_equal(found.world_from_camera[0], anchor.world_from_camera)
    steps = np.linalg.norm(np.diff(found.centers, axis=0), axis=1)
    np.testing.assert_allclose(steps, np.linalg.norm(np.diff(path.centers, axis=0), axis=1), atol=1e-9)


def test_taking_back_gives_the_plan_again_that_was_generated():
    first, second = PathPlan(preset="orbit", source="preset"), PathPlan(preset="crane", source="preset")
    state = replace(State(Undoable(first)), captions=("a red door",)).generated(1, PathPlan())
    assert (state.captions, state.plan.past) == ((), ())
    state = replace(state, plan=Undoable(second)).generated(81, PathPlan())
    back = state.taken_back(81)
    assert back.plan.now == second
    assert back.taken_back(1).plan.now == first
    assert back.taken_back(1).captions == ("a red door",)


def test_captions_belong_to_chunks_and_are_stored(studio):
    studio.caption(1, "a garden")
    studio.caption(0, "a hall")
    assert load_state(studio.folder, PathPlan()).captions == ("a hall", "a garden")
    name, data = studio.saved_path("lyra")
    assert name.endswith(".zip")
    assert b"captions.json" in data


def test_a_session_of_the_first_version_keeps_its_caption(studio):
    save_state(studio.folder, studio.state)
    file = studio.folder / "explorer.json"
    values = json.loads(file.read_text())
    del values["captions"], values["made"], values["base"]
    file.write_text(json.dumps({**values, "caption": "an old hall"}))
    assert load_state(studio.folder, PathPlan()).captions == ("an old hall",)


def test_branches_are_made_kept_and_deleted(studio):
    root = studio.folder
    branch = studio.branch(1)
    assert studio.folder == branch
    assert [n.depth for n in studio.tree()] == [0, 1]
    studio.keep(True)
    with pytest.raises(WorldError, match="not deleted"):
        studio.drop(branch.name)
    studio.keep(False)
    studio.drop(branch.name)
    assert not branch.exists()
    assert studio.folder == root
    with pytest.raises(WorldError, match="not deleted"):
        studio.drop(root.name)
    assert len(studio.frames) == 8  # the parent is whole
    assert studio.frames[7].depth.max() > 0


def test_the_return_is_the_frame_that_looks_like_the_first_after_a_way_round():
    turns = np.linspace(0, 2 * np.pi, 21)
    poses = np.stack([look_at(np.zeros(3), np.array([np.sin(t), np.cos(t), 0.0])) for t in turns])
    assert return_frame(poses, 0) == 20
    assert return_frame(poses[:16], 0) == 15


def test_pictures_are_joined_at_the_share_or_side_by_side():
    a, b = np.zeros((4, 20, 3), np.float32), np.ones((8, 40, 3), np.float32)
    wiped = joined(a, b, 0.25)
    assert wiped.shape == (4, 20, 3)
    assert wiped[:, :4].max() == 0
    assert wiped[:, 6:].min() == 255
    assert joined(a, b, 1.0).max() == 0
    assert joined(a, b, None).shape == (4, 44, 3)


def test_saving_without_captions_gives_the_bare_npz(studio):
    assert saved_bytes("lyra", studio.views.path, ())[0] == "trajectory.npz"


def test_levelling_replaces_the_photos_frame_whatever_its_chunk_is_called(tmp_path):
    world = make_world(tmp_path / "w", build=False)
    shot = world.frames[0]
    world.add_chunk(5, [shot])
    segment = replace(world.manifest.segments[0], stop=1)
    chunks = [c for c in world.manifest.chunks if c.index == 5]
    world.update(replace(world.manifest, chunks=chunks, segments=[segment]))
    said = level_world(world.folder, [(-0.6, 1.1, 0.0), (-0.2, 1.6, 0.0), (-0.9, 1.9, 0.0)])
    assert "0.0 degrees" in said
    again = WorldFolder.open(world.folder)
    assert [(c.first, c.stop) for c in again.manifest.chunks] == [(0, 1)]
    np.testing.assert_allclose(again.frames[0].camera.center[2], EYE, atol=1e-6)
    assert again.manifest.seed_view["floor_source"] == "3 click(s)"

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Camera paths of Lyra 2.0's viewer against its own code (golden/trajectories/camera_path)."""

import json
from dataclasses import replace

import numpy as np
import pytest

from lyra_core.trajectory.lyra2_gui import read_gui_path, sampled_path, write_gui_path


@pytest.fixture(scope="module")
def paths(golden):
    folder = golden / "trajectories"
    index = json.loads((folder / "camera_path_index.json").read_text())
    arrays = np.load(folder / "camera_path.npz")
    return [(f"p{c['path']}", c, read_gui_path(folder / f"camera_path_{c['path']}.json")) for c in index], arrays


def test_keyframes_are_read_as_the_viewer_reads_them(paths):
    for key, _, path in paths[0]:
        poses = paths[1][f"{key}_kf_c2w"]
        assert np.allclose(path.centers, poses[:, :, 3], atol=1e-6)
        assert np.allclose(path.fovs, paths[1][f"{key}_kf_fov"], atol=1e-5)
        assert np.allclose(path.times, paths[1][f"{key}_ts_sanitized"], atol=1e-6)
        assert np.allclose(path.evenly_timed(5.0).times, paths[1][f"{key}_ts_equi5"], atol=1e-5)


@pytest.mark.parametrize("loop", [0, 1])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_every_spline_order_equals_the_viewer(paths, order, loop):
    compared = 0
    for key, _, path in paths[0]:
        want, fovs = paths[1][f"{key}_o{order}_l{loop}_c2w"], paths[1][f"{key}_o{order}_l{loop}_fov"]
        played = replace(path, order=order, loop=bool(loop))
        poses, got = played.at(paths[1][f"{key}_t"].astype(np.float64))
        same = np.ones(len(want), bool)
        if order == 0:  # a switch exactly at a keyframe may go either way in float32
            same = np.abs(poses[:, :3] - want).max(axis=(1, 2)) < 1e-5
            assert same.mean() > 0.8
        assert np.abs(poses[same, :3] - want[same]).max() <= 2e-6
        assert np.abs(got[same] - fovs[same]).max() <= 2e-5
        compared += int(same.sum())
    assert compared > 20


def test_sampling_at_equal_lengths_equals_the_client(paths):
    for key, case, path in paths[0]:
        authored, arrays = case["authored"], paths[1]
        cases = [(f"{key}_authored", None)]
        if "continuation" in case:
            cases.append((f"{key}_cont", case["continuation"]["anchor_index"]))
        for name, anchor in cases:
            timed = replace(path, seconds=authored["duration_s"])
            poses, fovs = sampled_path(timed, authored["n_frames"], anchor=anchor)
            assert np.abs(poses[:, :3] - arrays[f"{name}_c2w"]).max() <= 2e-3, name
            focal = authored["resolution"][1] / 2 / np.tan(np.deg2rad(fovs) / 2)
            assert np.allclose(focal, arrays[f"{name}_fl"][:, 0], rtol=2e-3), name


def test_a_viewer_path_loads_as_a_camera_path_for_a_photo(paths, tmp_path):
    from lyra_core.geometry import ZUP_FROM_RDF
    from lyra_core.trajectory.files import load_path
    from lyra_core.types import Camera

    start = Camera(np.array([[300.0, 0, 160], [0, 300.0, 90], [0, 0, 1]]), ZUP_FROM_RDF, 320, 180)
    _, _, path = paths[0][0]
    write_gui_path(tmp_path / "cam.json", path)
    loaded = load_path(tmp_path / "cam.json", size=(320, 180), start=start, frames=33, lens="photo", relative=True)
    assert len(loaded.path) == 33
    assert np.allclose(loaded.path.world_from_camera[0], start.world_from_camera)
    moved = np.linalg.norm(loaded.path.centers[-1] - loaded.path.centers[0])
    assert np.isclose(moved, np.linalg.norm(path.centers[-1] - path.centers[0]), rtol=1e-6)


def test_a_written_path_reads_back(paths, tmp_path):
    for key, _, path in paths[0]:
        write_gui_path(tmp_path / f"{key}.json", path)
        again = read_gui_path(tmp_path / f"{key}.json")
        for name in ("quats", "centers", "fovs", "times"):
            assert np.allclose(getattr(again, name), getattr(path, name))
        assert (again.loop, again.order, again.seconds) == (path.loop, path.order, path.seconds)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Trajectory files and the zoom against what the reference does (golden/trajectories)."""

import json

import numpy as np
import pytest

from lyra_core.geometry import ZUP_FROM_RDF, inverse, pixel_rays, project
from lyra_core.trajectory import SeedScene, limit, make_path
from lyra_core.trajectory.lyra2 import LyraTrajectory, read_trajectory, write_trajectory
from lyra_core.types import Camera, CameraPath


@pytest.fixture(scope="module")
def load_cases(golden):
    folder = golden / "trajectories"
    return json.loads((folder / "load_trajectory_index.json").read_text()), np.load(folder / "load_trajectory.npz")


@pytest.fixture(scope="module")
def zoom_cases(golden):
    folder = golden / "trajectories"
    return json.loads((folder / "zoom_index.json").read_text()), np.load(folder / "zoom.npz")


def zoom_setup(index, arrays, key):
    """The reference's zoom as a CameraPath, with its depth map as a scene."""
    w2c, k = arrays[f"{key}_w2c"].astype(np.float64), arrays[f"{key}_K"][0].astype(np.float64)
    height, width = arrays[f"{key}_depth"].shape
    poses = ZUP_FROM_RDF @ inverse(w2c)
    path = CameraPath(poses, np.repeat(k[None], len(poses), axis=0), width, height)
    start = Camera(k, ZUP_FROM_RDF, width, height)
    scene = SeedScene.from_depth(arrays[f"{key}_depth"], start, valid=arrays[f"{key}_mask"], floor_z=None)
    return path, start, scene


def steps_behind_surface(path, start, depth, valid):
    """How far [m] the path's centres get behind the seed depth along the photo's rays; negative = always in front."""
    dense = np.concatenate([np.linspace(a, b, 20) for a, b in zip(path.centers, path.centers[1:], strict=False)])
    pixels, z = project(dense, start)
    height, width = depth.shape
    u, v = np.floor(pixels).T
    seen = (z > 1e-6) & (u >= 0) & (v >= 0) & (u < width) & (v < height)
    u, v = u[seen].astype(int), v[seen].astype(int)
    behind = np.where(valid[v, u], z[seen] - depth[v, u], -np.inf)
    return behind.max(initial=-np.inf)


def test_loading_equals_the_reference_within_its_tolerances(load_cases, tmp_path):
    index, arrays = load_cases
    assert index
    for case in index:
        key, ids = case["key"], np.array(case["frame_ids"])
        stored_h, stored_w = case["stored_hw"]
        k = arrays[f"{key}_in_K"]
        trajectory = LyraTrajectory(
            arrays[f"{key}_in_w2c"], np.repeat(k, len(ids), axis=0) if len(k) == 1 else k, (stored_w, stored_h)
        )
        write_trajectory(tmp_path / f"{key}.npz", trajectory)
        height, width = case["target_hw"]
        loaded = read_trajectory(tmp_path / f"{key}.npz").prepared(pose_scale=case["pose_scale"], size=(width, height))
        assert np.abs(loaded.w2c - arrays[f"{key}_w2c"]).max() <= 1e-6
        assert np.allclose(loaded.intrinsics, arrays[f"{key}_K"], rtol=1e-6, atol=1e-6)


def test_the_sample_file_truncates_as_the_reference_does(load_cases, samples):
    index, arrays = load_cases
    trajectory = read_trajectory(samples / "path_0" / "trajectory.npz")
    matched = 0
    for case in index:
        if not np.array_equal(trajectory.w2c[case["frame_ids"]], arrays[f"{case['key']}_in_w2c"]):
            continue  # the golden case was made from another example
        matched += 1
        height, width = case["target_hw"]
        loaded = trajectory.prepared(frames=case["num_frames"], pose_scale=case["pose_scale"], size=(width, height))
        assert len(loaded) == case["loaded"]
        assert np.abs(loaded.w2c[case["frame_ids"]] - arrays[f"{case['key']}_w2c"]).max() <= 1e-6
    if not matched:
        pytest.skip("no golden case was made from the sample path")


def test_the_centre_depth_is_the_references(zoom_cases):
    index, arrays = zoom_cases
    for case in index:
        _, _, scene = zoom_setup(index, arrays, case["key"])
        assert scene.center_depth == pytest.approx(case["center_depth"], rel=1e-6)


def test_the_references_zoom_goes_through_the_wall_and_ours_stops_before_it(zoom_cases):
    index, arrays = zoom_cases
    through = [case for case in index if case["passes_center_surface"]]
    if not through:
        pytest.skip("no golden zoom goes through a surface")
    for case in through:
        depth, valid = arrays[f"{case['key']}_depth"], arrays[f"{case['key']}_mask"]
        path, start, scene = zoom_setup(index, arrays, case["key"])
        assert steps_behind_surface(path, start, depth, valid) > 0, "the reference's own path"
        limited, report = limit(path, scene.points, floor_z=None)
        assert report.limited
        assert report.through_surface
        assert steps_behind_surface(limited, start, depth, valid) < 0
        # Against the depth map at full resolution, whatever the limiter thinned: 1 cm for the thinning.
        points = (pixel_rays(start) * depth[..., None])[valid & (depth > 0)] @ ZUP_FROM_RDF[:3, :3].T
        gaps = np.linalg.norm(points[None] - limited.centers[:, None], axis=2).min(axis=1)
        assert gaps.min() >= report.clearance - 0.01
        assert report.clearance == pytest.approx(0.35)
        assert len(limited) == case["N"]
        # It uses the free way: what is left to the wall in front is little more than the clearance.
        assert report.min_clearance_after < report.clearance + 0.05
        ours, ours_report = limit(
            make_path("zoom-in", start=start, frames=case["N"], scene=scene, strength=2 * case["strength"]),
            scene.points,
            floor_z=None,
        )
        assert ours_report.limited
        assert steps_behind_surface(ours, start, depth, valid) < 0


def test_golden_zooms_that_keep_clear_are_not_touched(zoom_cases):
    index, arrays = zoom_cases
    for case in index:
        path, start, scene = zoom_setup(index, arrays, case["key"])
        limited, report = limit(path, scene.points, floor_z=None)
        if report.min_clearance_before >= report.clearance and not report.through_surface:
            assert limited is path
        assert steps_behind_surface(limited, start, arrays[f"{case['key']}_depth"], arrays[f"{case['key']}_mask"]) < 0


def test_our_zoom_in_travels_as_far_as_the_references_of_the_same_strength(zoom_cases):
    index, arrays = zoom_cases
    for case in index:
        if case["traj"] != "horizontal_zoom" or case["dir"] != "right":
            continue
        _, start, scene = zoom_setup(index, arrays, case["key"])
        # Ours moves half the centre depth at strength 1; the reference stops one frame short of the full distance.
        ours = make_path("zoom-in", start=start, frames=case["N"], scene=scene, strength=2 * case["strength"])
        reach = np.linalg.norm(ours.centers[-1] - ours.centers[0])
        assert reach * (case["N"] - 1) / case["N"] == pytest.approx(np.linalg.norm(case["last_center"]), rel=1e-5)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Fill and ablation tables: run end to end on a small scene; the camera of a true picture is found where it is."""

import json

import numpy as np
import pytest
import torch

from lyra_core.errors import InputError
from lyra_core.geometry import intrinsics_from_fov
from lyra_core.models.video.embedded.network import FillNetwork, Shape
from lyra_core.models.video.embedded.weights import write_weights
from lyra_core.training import ablation_evaluation
from lyra_core.training.ablation_evaluation import camera_error, evaluate_ablation
from lyra_core.training.fill_evaluation import evaluate_fill
from lyra_core.training.fill_metrics import feature_distance
from lyra_core.training.fill_samples import cluster_frames
from lyra_core.training.history_evaluation import HISTORIES, evaluate_history, table
from lyra_core.training.view_clusters import SIZE, Cluster
from lyra_core.types import Camera


def _picture(camera: Camera, tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A wall of random tiles at y = 4 m, seen exactly."""
    rows, columns = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(camera.intrinsics).T
    world = rays @ camera.world_from_camera[:3, :3].T
    depth = (4 - camera.center[1]) / world[..., 1]
    point = camera.center + world * depth[..., None]
    across, up = (np.floor((point[..., k] + 20) * 4).astype(int) % len(tiles) for k in (0, 2))
    return tiles[up, across], depth.astype(np.float32)


@pytest.fixture(scope="module")
def scene() -> Cluster:
    tiles = np.random.default_rng(1).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    cameras = []
    for k in range(5):
        c, s = np.cos(np.radians(8 * (k - 2))), np.sin(np.radians(8 * (k - 2)))
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        pose = np.eye(4)
        pose[:3, :3] = turn @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
        pose[:3, 3] = [0.3 * k, 0.1 * (k % 2), 1.4]
        cameras.append(Camera(intrinsics_from_fov(70, *SIZE), pose, *SIZE))
    pictures = [_picture(camera, tiles) for camera in cameras]
    return Cluster(np.stack([p[0] for p in pictures]), np.stack([p[1] for p in pictures]), tuple(cameras))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Untrained: the classical fill."""
    folder = tmp_path_factory.mktemp("weights")
    net = FillNetwork(Shape(patch_channels=16, bottleneck=32, blocks=1, heads=2, context=False))
    write_weights(folder, net.state_dict(), net.shape.plain(), {"step": 0})
    return folder


def test_the_camera_of_a_true_picture_is_found_and_of_another_place_is_not(scene):
    frames = cluster_frames(scene)
    right = camera_error(np.asarray(frames[2].rgb), frames[2].camera, frames[1])
    assert right is not None
    assert right[0] < 0.5  # degrees
    assert right[1] < 0.02  # of the depth
    elsewhere = camera_error(np.asarray(frames[2].rgb), frames[3].camera, frames[1])
    assert elsewhere is not None
    assert elsewhere[0] == pytest.approx(8.0, abs=0.6)
    assert camera_error(np.full((SIZE[1], SIZE[0], 3), 0.5, np.float32), frames[2].camera, frames[1]) is None


def test_the_ablation_has_the_papers_rows_and_leaves_out_by_name_what_has_no_weights(scene, weights):
    report = evaluate_ablation([("rooms0", scene)], seeds=1, weights=weights)
    rows = {row["row"]: row for row in report.rows}
    assert list(rows) == ["full", "global point cloud", "no correspondence", "no history"]
    assert "no self-augmentation" in report.left_out[0]
    assert rows["no correspondence"]["ssim"][0] < rows["full"]["ssim"][0] - 0.05  # grey without a guide
    assert rows["full"]["reprojection"][0] < rows["no correspondence"]["reprojection"][0]
    json.dumps(report.as_json())
    assert "no self-augmentation" in report.text()


def test_weights_without_self_made_histories_are_a_row_of_their_own(scene, weights, monkeypatch):
    rows = {k: v for k, v in ablation_evaluation.ROWS.items() if k in ("full", "no self-augmentation")}
    monkeypatch.setattr(ablation_evaluation, "ROWS", rows)
    report = evaluate_ablation([("rooms0", scene)], seeds=1, weights=weights, plain_weights=weights)
    assert [row["row"] for row in report.rows] == list(rows)
    assert report.left_out == ()
    assert {item["verdict"] for item in report.differences} == {"tie"}  # the same weights


def test_the_fill_table_runs_and_calls_equal_methods_a_tie(scene, weights):
    methods = ("navier-stokes", "push-pull", "embedded 1")
    report = evaluate_fill([("rooms0", scene)], seeds=2, weights=weights, methods=methods)
    rows = {row["method"]: row for row in report.rows}
    assert set(rows) == set(methods)
    for row in rows.values():
        assert row["seen_psnr"][0] > row["hole_psnr"][0]
    assert "against navier-stokes, hole_psnr" in report.text()


def test_the_fill_table_says_what_is_sharper_and_patches_are(scene, weights):
    methods = ("navier-stokes", "patch", "embedded 1 + patches")
    report = evaluate_fill([("rooms0", scene)], seeds=2, weights=weights, methods=methods)
    found = {d["reference"]: d for d in report.differences if d["metric"] == "sharpness"}
    assert found["navier-stokes"]["verdict"] == "sharper"
    assert found["navier-stokes"]["difference"][0] > 0
    assert found["patch"]["verdict"] in ("sharper", "smoother")  # one scene: never a tie
    assert "embedded 1 + patches against navier-stokes, sharpness: +" in report.text()


def test_scenes_without_a_view_to_fill_are_refused(scene, weights):
    with pytest.raises(InputError, match="No view"):
        evaluate_fill([("rooms0", scene)], seeds=0, weights=weights, methods=("push-pull",))


def test_a_feature_distance_is_the_same_when_it_is_asked_for_again(scene):
    frames = cluster_frames(scene)
    a, b = (np.asarray(frame.rgb) for frame in frames[:2])
    where = np.ones(a.shape[:2], bool)
    first = feature_distance(a, b, where)
    assert first > 0
    assert feature_distance(a, a, where) == 0
    assert feature_distance(a, b, where) == first


def test_an_untrained_network_says_the_same_whatever_history_it_is_given(scene, weights):
    figures = evaluate_history([("rooms0", scene)], seeds=2, weights=weights)
    assert figures["views"] >= 1
    values = {figures["psnr"][name][0] for name in HISTORIES}
    assert len(values) == 1
    assert all(row["verdict"] == "tie" and row["change"] == 0 for row in figures["against_none"].values())
    assert "against none +0.000" in table(figures)


def test_a_network_that_listens_to_its_past_is_told_from_one_that_does_not(scene, tmp_path):
    torch.manual_seed(0)
    net = FillNetwork(Shape(patch_channels=16, bottleneck=32, blocks=1, heads=2, context=False))
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name in ("head.weight", "up.weight", "past.weight", "blocks.0.keys.weight", "blocks.0.out.weight"):
                weight.normal_(0, 0.3)
    write_weights(tmp_path, net.state_dict(), net.shape.plain(), {"step": 0})
    figures = evaluate_history([("rooms0", scene)], seeds=1, weights=tmp_path)
    assert all(row["change"] > 0.5 for row in figures["against_none"].values())

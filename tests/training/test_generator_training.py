# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Training of the generator: samples are true, steps repeat, a killed run goes on as if it had not been."""

from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from lyra_core.errors import ConfigError, InputError
from lyra_core.geometry import intrinsics_from_fov
from lyra_core.models.video.embedded.weights import read_network
from lyra_core.training import generator_training
from lyra_core.training.acceleration import Runtime
from lyra_core.training.fill_batches import make_batch, open_stores
from lyra_core.training.fill_loss import FillWeights, PatchCritic, critic_loss, fill_loss
from lyra_core.training.fill_metrics import bootstrap, depth_error, hole_psnr, sharpness, verdict
from lyra_core.training.fill_samples import cluster_sample, warped_back
from lyra_core.training.generator_training import export, train
from lyra_core.training.view_clusters import SIZE, Cluster, ClusterStore, moved_view, write_clusters
from lyra_core.training.view_store import View
from lyra_core.types import Camera

ROOT = Path(__file__).parents[2]


def wall(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """A striped wall at y = 4 m and a floor at z = 0, exactly."""
    rows, columns = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(camera.intrinsics).T
    world = rays @ camera.world_from_camera[:3, :3].T
    center = camera.center
    to_wall = np.where(world[..., 1] > 1e-3, (4 - center[1]) / np.maximum(world[..., 1], 1e-3), np.inf)
    to_floor = np.where(world[..., 2] < -1e-3, -center[2] / np.minimum(world[..., 2], -1e-3), np.inf)
    depth = np.minimum(to_wall, to_floor)
    point = center + world * np.where(np.isfinite(depth), depth, 0)[..., None]
    tone = 0.5 + 0.3 * np.sin(3 * point[..., 0]) * np.where(to_floor < to_wall, np.cos(2 * point[..., 1]), 1)
    rgb = np.stack([tone, 0.7 * tone, 0.4 + 0.1 * tone], -1)
    return np.rint(rgb * 255).astype(np.uint8), depth.astype(np.float32)


def cluster(seed: int) -> Cluster:
    rng = np.random.default_rng(seed)
    pose = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1.4], [0, 0, 0, 1.0]])
    cameras = [Camera(intrinsics_from_fov(70, *SIZE), pose, *SIZE)]
    cameras += [moved_view(cameras[0], 2.0, rng) for _ in range(4)]
    pictures = [wall(camera) for camera in cameras]
    return Cluster(np.stack([p[0] for p in pictures]), np.stack([p[1] for p in pictures]), tuple(cameras))


@pytest.fixture
def config(tmp_path):
    write_clusters(tmp_path / "data" / "clusters_rooms_train" / "a", [cluster(1), cluster(2)])
    settings = OmegaConf.load(ROOT / "config" / "train_video.yaml")
    return OmegaConf.merge(
        settings,
        {
            "data": str(tmp_path / "data"),
            "run": str(tmp_path / "run"),
            "batch": 2,
            "steps": 4,
            "decay_from": 2,
            "warmup": 1,
            "rollout": 0.5,
            "rollout_from": 2,
            "adversary_from": 3,
            "network": {"patch_channels": 16, "bottleneck": 32, "blocks": 1, "heads": 2, "context": False},
        },
    )


def test_clusters_come_back_from_disk_as_they_were(tmp_path):
    made = cluster(3)
    write_clusters(tmp_path / "s" / "a", [made])
    back = ClusterStore([tmp_path / "s"])[0]
    assert np.array_equal(back.rgb, made.rgb)
    np.testing.assert_allclose(back.depth, made.depth, rtol=2e-3)
    np.testing.assert_allclose(back.cameras[2].world_from_camera, made.cameras[2].world_from_camera)


def test_what_a_sample_knows_is_what_is_true_there():
    sample = cluster_sample(cluster(4), np.random.default_rng(5))
    known = sample.view.known
    assert 0.1 < known.mean() < 1
    truth = sample.truth[:3].transpose(1, 2, 0) * 0.5 + 0.5
    assert np.abs(sample.view.rgb - truth)[known].mean() < 0.03
    assert len(sample.pasts) >= 1


def test_a_past_frame_that_the_memory_does_not_hold_changes_nothing_but_the_past():
    plain = cluster_sample(cluster(4), np.random.default_rng(5))
    told = cluster_sample(cluster(4), np.random.default_rng(5), aside=1.0)
    assert len(told.pasts) == len(plain.pasts) + 1
    assert np.array_equal(told.view.known, plain.view.known)
    assert np.array_equal(told.truth, plain.truth)
    given = {past.camera.world_from_camera.tobytes() for past in told.pasts}
    assert len(given) == len(told.pasts)  # not one of those in memory once more
    assert told.view.camera.world_from_camera.tobytes() not in given  # nor the answer


def test_a_single_view_drawn_there_and_back_loses_pixels_and_keeps_the_rest_true():
    camera = cluster(6).cameras[0]
    rgb, depth = wall(camera)
    up = camera.world_from_camera[2, :3]
    sample = warped_back(View(rgb, depth, float(camera.intrinsics[0, 0]), up), np.random.default_rng(2))
    known = sample.view.known
    assert 0.03 < (~known).mean() < 0.8
    truth = sample.truth[:3].transpose(1, 2, 0) * 0.5 + 0.5
    assert np.abs(sample.view.rgb - truth)[known].mean() < 0.06  # resampled twice


def test_the_batch_of_a_step_depends_on_seed_and_step_alone(config):
    stores = open_stores(Path(config.data), "train")
    one, same, other = (make_batch(stores, config, step) for step in (3, 3, 4))
    assert torch.equal(one.state, same.state)
    assert torch.equal(one.inputs.past, same.inputs.past)
    assert not torch.equal(one.truth, other.truth)


def test_a_killed_run_goes_on_as_if_it_had_not_been(config, tmp_path):
    whole = train(config)
    half = OmegaConf.merge(config, {"run": str(tmp_path / "again"), "steps": 4})

    class Killed(Exception):
        pass

    def kill(state):
        if state.step == 2:
            state.save(Path(half.run) / "checkpoint.pt")
            raise Killed

    with pytest.raises(Killed):
        train(half, progress=kill)
    resumed = train(half)
    assert resumed.step == whole.step == 4
    for a, b in zip(whole.network.state_dict().values(), resumed.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(whole.critic.parameters(), resumed.critic.parameters(), strict=True):
        assert torch.equal(a, b)
    export(config, tmp_path / "out")
    assert read_network(tmp_path / "out").shape.patch_channels == 16


def test_training_lowers_the_loss_in_holes(config):
    long = OmegaConf.merge(
        config,
        {"steps": 80, "decay_from": 40, "rate": 2e-3, "rollout": 0.0, "adversary_from": -1, "start_share": 1.0},
    )
    stores = open_stores(Path(config.data), "train")
    batches = [make_batch(stores, long, step) for step in range(8)]
    network, weights = train(long).network, FillWeights(perceptual=0)

    def loss(made, batch):
        return float(fill_loss(made, batch.truth, batch.inputs.hole, batch.valid, weights, None)[0])

    with torch.no_grad():
        ours = [loss(network(batch.state, batch.inputs, batch.time), batch) for batch in batches]
    before = [loss(batch.inputs.base, batch) for batch in batches]
    assert np.mean(ours) < 0.9 * np.mean(before)


def test_the_loss_looks_at_holes_only():
    truth = torch.rand(1, 4, 16, 16)
    hole = torch.zeros(1, 1, 16, 16)
    hole[..., 8:, :] = 1
    wrong_where_known = truth + (1 - hole)
    loss, _ = fill_loss(wrong_where_known, truth, hole, torch.ones_like(hole), FillWeights(gradient=0), None)
    assert float(loss) == pytest.approx(0, abs=1e-6)
    assert float(critic_loss(PatchCritic(8), truth, truth, hole)) > 0


def test_ratio_weighs_a_plain_view_as_much_as_a_busy_one():
    """Halving the error of either of two samples lowers it by the same, and it falls with the mean PSNR."""
    truth, hole = torch.zeros(2, 4, 16, 16), torch.ones(2, 1, 16, 16)
    both = FillWeights(square=0, depth=0, gradient=0, ratio=1)
    neither = FillWeights(square=0, depth=0, gradient=0)

    def ratio(plain: float, busy: float) -> float:
        made = torch.tensor([plain, busy]).view(2, 1, 1, 1).expand_as(truth)
        with_it, without = (fill_loss(made, truth, hole, hole, w, None)[0] for w in (both, neither))
        return float(with_it - without)

    whole = ratio(0.2, 0.8)
    assert whole - ratio(0.1, 0.8) == pytest.approx(whole - ratio(0.2, 0.4), abs=0.02)
    assert whole - ratio(0.1, 0.8) == pytest.approx(np.log(4) / 2, abs=0.02)


def test_no_data_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="view_clusters"):
        open_stores(tmp_path, "train")
    with pytest.raises(InputError):
        ClusterStore([tmp_path])


def test_a_plain_runtime_trains_on_the_cpu_or_gpu_that_is_there():
    runtime = Runtime("no")
    assert runtime.world == 1
    assert runtime.first
    x = torch.ones(2, requires_grad=True)
    runtime.backward(x.sum())
    assert x.grad is not None


def test_metrics_know_equal_pictures_and_ties():
    rgb = np.random.default_rng(0).random((20, 30, 3), dtype=np.float32)
    where = np.zeros((20, 30), bool)
    where[5:15, 5:20] = True
    assert hole_psnr(rgb, rgb, where) == 60
    assert sharpness(rgb, rgb, where) == pytest.approx(1)
    assert sharpness(np.full_like(rgb, 0.5), rgb, where) < 0.05
    depth = np.full((20, 30), 2, np.float32)
    assert depth_error(depth * np.float32(1.1), depth, where) == pytest.approx(np.log(1.1), abs=1e-4)
    assert verdict([0.5, 0.6, 0.4, 0.5], higher_is_better=True) == "better"
    assert verdict([0.5, 0.6, 0.4, 0.5], higher_is_better=False) == "worse"
    assert verdict([0.5, -0.6, 0.4, -0.5], higher_is_better=True) == "tie"
    mean, low, high = bootstrap([1.0, 2.0, 3.0, float("nan")])
    assert mean == pytest.approx(2.0)
    assert low <= mean <= high


@pytest.mark.slow
def test_processes_make_batches_with_histories_of_the_last_checkpoint(config, tmp_path):
    state = train(OmegaConf.merge(config, {"workers": 2, "reuse": 2, "steps": 8, "checkpoint_seconds": -1}))
    assert state.step == 8
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 8
    maker = generator_training._Maker(config, 0, rolls=True)
    maker(0)
    network = maker._network
    assert network is not None
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, saved["ema"][name], rtol=0, atol=0)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Training of the depth model: samples that stay true to geometry, losses, and runs that resume to the step."""

import itertools
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from lyra_core.errors import ConfigError, InputError
from lyra_core.models.depth.encoder import Encoder
from lyra_core.models.depth.upsample import snap_edges
from lyra_core.training import depth_evaluation, depth_training
from lyra_core.training.depth_augment import augment, overexpose
from lyra_core.training.depth_loss import LossWeights, depth_loss, elevation_target
from lyra_core.training.depth_metrics import affine_r2, depth_errors, edge_sharpness, flying_share
from lyra_core.training.depth_training import make_batch, rate_factor
from lyra_core.training.view_store import SHAPES, View, ViewStore, write_shard


def _floor_view(shape=(288, 216), focal=200.0, pitch=0.2, height=1.5):
    """A view of a level floor and the sky above it, exact at pixel centres."""
    width, tall = shape
    up = np.array([0.0, -np.cos(pitch), -np.sin(pitch)])
    x, y = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(tall) + 0.5 - tall / 2)
    towards = np.stack([x / focal, y / focal, np.ones_like(x)], -1) @ up
    depth = np.where(towards < -1e-3, -height / np.minimum(towards, -1e-3), np.inf).astype(np.float32)
    depth[depth > 60] = np.inf
    rgb = np.random.default_rng(0).integers(0, 256, (tall, width, 3), dtype=np.uint8)
    return View(rgb, depth, focal, up)


def _config(tmp_path, **changes):
    base = {
        "data": str(tmp_path / "data"),
        "run": str(tmp_path / "run"),
        "imagenet": "",
        "seed": 3,
        "threads": 1,
        "steps": 4,
        "decay_from": 2,
        "warmup": 2,
        "pixels_in_batch": 2 * 64 * 64,
        "sizes": [[64, 64], [96, 64]],
        "mix": {"levels": 0.6, "rooms": 0.4},
        "encoder_rate": 1e-4,
        "decoder_rate": 6e-4,
        "weight_decay": 0.01,
        "ema": 0.9,
        "loss": {},
        "checkpoint_seconds": 1000,
        "test_every": 1000,
    }
    return OmegaConf.create({**base, **changes})


@pytest.fixture
def stores(tmp_path):
    for kind in ("levels", "rooms"):
        write_shard(tmp_path / "data" / f"{kind}_train" / "a", [_floor_view(shape) for shape in SHAPES])
    return tmp_path


@pytest.mark.parametrize("seed", range(6))
def test_a_cut_flipped_and_resized_floor_is_still_the_same_floor(seed):
    sample = augment(_floor_view(), (160, 128), np.random.default_rng(seed))
    x, y = np.meshgrid(np.arange(160) + 0.5 - sample.center[0], np.arange(128) + 0.5 - sample.center[1])
    points = np.stack([x / sample.focal, y / sample.focal, np.ones_like(x)], -1) * sample.depth[..., None]
    floor = np.isfinite(sample.depth) & (sample.depth < 8)
    heights = points[floor] @ sample.up
    # Nearest-neighbour depth is off by up to half a source pixel: at 8 m and 1.5 m height about 0.1 m.
    assert np.abs(np.median(heights) + 1.5) < 0.03
    assert np.abs(heights + 1.5).max() < 0.25


def test_the_same_generator_state_gives_the_same_sample():
    one, two = (augment(_floor_view(), (128, 96), np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)
    assert one.image.min() >= 0
    assert one.image.max() <= 1


def test_a_shard_reads_back_what_was_written(tmp_path):
    views = [_floor_view(shape) for shape in SHAPES]
    write_shard(tmp_path / "s", views)
    store = ViewStore([tmp_path])
    assert len(store) == len(views)
    for index, view in enumerate(views):
        np.testing.assert_array_equal(store[index].rgb, view.rgb)
        np.testing.assert_array_equal(np.isinf(store[index].depth), np.isinf(view.depth))
        near = np.isfinite(view.depth)
        np.testing.assert_allclose(store[index].depth[near], view.depth[near], rtol=6e-4)  # half precision
        np.testing.assert_allclose(store[index].up, view.up)


def test_an_empty_folder_says_how_to_render(tmp_path):
    with pytest.raises(InputError, match="depth_dataset"):
        ViewStore([tmp_path])


def test_a_common_factor_costs_only_the_shift_term():
    depth = torch.rand(2, 32, 48) * 5 + 1
    depth[:, :6] = float("inf")
    tilt = torch.zeros(2, 2, 3)
    log = torch.where(torch.isinf(depth), torch.zeros_like(depth), depth).clamp(min=1e-3).log()
    logit = torch.where(torch.isinf(depth), 20.0, -20.0)
    _, right = depth_loss((log, logit, tilt), depth, tilt, LossWeights())
    _, scaled = depth_loss((log + 0.7, logit, tilt), depth, tilt, LossWeights())
    assert {name: float(value) for name, value in right.items()} == pytest.approx(dict.fromkeys(right, 0.0), abs=1e-5)
    assert float(scaled["shift"]) == pytest.approx(0.7, abs=1e-5)
    assert float(scaled["shape"]) == pytest.approx(0.0, abs=1e-5)
    assert float(scaled["gradient"]) == pytest.approx(0.0, abs=1e-5)


def test_relative_error_punishes_too_far_more_than_too_near():
    depth = torch.full((1, 32, 32), 4.0)
    rest = torch.full((1, 32, 32), -9.0), torch.zeros(1, 8, 8)
    weights = LossWeights(shift=0, gradient=0, edge=0, sky=0, elevation=0, relative=1)

    def loss(off: float) -> float:
        log = depth.log().clone()
        log[:, :8] += off  # a quarter of the picture: its median stays
        return float(depth_loss((log, *rest), depth, rest[1], weights)[0])

    near, far = loss(-np.log(3)), loss(np.log(3))
    assert far - near == pytest.approx(0.25 * (np.e * np.log(3) - 1 - (1 - 1 / 3)), rel=1e-3)
    assert loss(np.log(1.1)) == pytest.approx(0.25 * (np.log(1.1) + 0.1), rel=1e-3)
    assert np.isfinite(loss(30.0))  # no exponential of a prediction that is far off


def test_relative_error_does_not_bring_the_whole_nearer():
    generator = torch.Generator().manual_seed(0)
    depth = torch.full((1, 32, 32), 4.0)
    rest = torch.full((1, 32, 32), -9.0), torch.zeros(1, 8, 8)
    whole = torch.zeros((), requires_grad=True)
    log = depth.log() + 0.5 * torch.randn(1, 32, 32, generator=generator) + whole
    for relative, limit in ((0.0, 0.02), (1.0, 0.02)):
        weights = LossWeights(shift=0, gradient=0, edge=0, sky=0, elevation=0, relative=relative)
        loss = depth_loss((log, *rest), depth, rest[1], weights)[0]
        assert abs(float(torch.autograd.grad(loss, whole, retain_graph=True)[0])) < limit


def test_overexposure_blows_out_what_is_bright_and_darkens_nothing_much():
    rng = np.random.default_rng(0)
    wall = np.full((48, 64, 3), 0.6, np.float32)
    wall[24:] = 0.15  # a darker floor
    blown = [overexpose(wall, rng) for _ in range(40)]
    assert all(np.isfinite(image).all() and image.dtype == np.float32 for image in blown)
    assert np.mean([(image[:24] >= 1).mean() for image in blown]) > 0.5  # the wall mostly
    assert np.mean([(image[24:] >= 1).mean() for image in blown]) < 0.4  # the floor seldom
    assert min(image.mean() for image in blown) > 0.8 * wall.mean()


def test_the_elevation_of_the_centre_ray_is_the_pitch():
    up = torch.tensor([[0.0, -np.cos(0.3), np.sin(0.3)]], dtype=torch.float32)
    target = elevation_target(48, 48, torch.full((1, 2), 60.0), torch.full((1, 2), 24.0), up, 16)
    assert float(target[0, 1, 1]) == pytest.approx(np.sin(0.3), abs=1e-6)
    assert float(target[0, 0, 1]) > float(target[0, 2, 1])


def test_a_batch_depends_on_seed_and_step_alone(stores):
    config = _config(stores)
    opened = depth_training._open(config, "train")
    one, two, other = (make_batch(opened, config, step) for step in (5, 5, 6))
    torch.testing.assert_close(one.image, two.image, rtol=0, atol=0)
    assert one.image.shape != other.image.shape or not torch.equal(one.image, other.image)


def test_the_rate_warms_up_holds_and_falls_to_two_percent(tmp_path):
    config = _config(tmp_path, warmup=10, decay_from=100, steps=200)
    factors = [rate_factor(step, config) for step in range(201)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[50] == 1.0
    assert factors[200] == pytest.approx(0.02)
    assert all(b <= a for a, b in itertools.pairwise(factors[100:]))


def test_a_run_that_was_killed_ends_with_the_same_weights(stores, monkeypatch):
    torch.manual_seed(1)
    start = Encoder().state_dict()
    monkeypatch.setattr(depth_training, "imagenet_encoder", lambda *given: start)
    depth_training.train(_config(stores, run=str(stores / "whole")))
    depth_training.train(_config(stores, run=str(stores / "parts"), steps=4, checkpoint_seconds=-1))
    whole = torch.load(stores / "whole" / "checkpoint.pt", weights_only=True)
    # Kill after two steps: rewind the second run by training two steps afresh, then go on to four.
    (stores / "parts" / "checkpoint.pt").unlink()
    steps, learn = [], depth_training._learn

    def dying(state, *rest):
        if len(steps) == 2:
            raise KeyboardInterrupt
        steps.append(state.step)
        return learn(state, *rest)

    monkeypatch.setattr(depth_training, "_learn", dying)
    with pytest.raises(KeyboardInterrupt):
        depth_training.train(_config(stores, run=str(stores / "parts"), checkpoint_seconds=-1))
    monkeypatch.setattr(depth_training, "_learn", learn)
    depth_training.train(_config(stores, run=str(stores / "parts")))
    parts = torch.load(stores / "parts" / "checkpoint.pt", weights_only=True)
    assert parts["step"] == whole["step"] == 4
    for name, value in whole["ema"].items():
        torch.testing.assert_close(parts["ema"][name], value, rtol=0, atol=0)


@pytest.mark.slow
def test_processes_that_make_batches_change_nothing_that_is_learned(stores, monkeypatch):
    torch.manual_seed(1)
    start = Encoder().state_dict()
    monkeypatch.setattr(depth_training, "imagenet_encoder", lambda *given: start)
    for name, workers in (("alone", 0), ("helped", 2)):
        depth_training.train(_config(stores, run=str(stores / name), workers=workers))
    alone, helped = (
        torch.load(stores / name / "checkpoint.pt", weights_only=True)["ema"] for name in ("alone", "helped")
    )
    for name, value in alone.items():
        torch.testing.assert_close(helped[name], value, rtol=0, atol=0)


def test_a_batch_is_learned_as_often_as_asked(stores, monkeypatch):
    torch.manual_seed(1)
    start, made = Encoder().state_dict(), []
    monkeypatch.setattr(depth_training, "imagenet_encoder", lambda *given: start)
    make = depth_training.make_batch
    monkeypatch.setattr(depth_training, "make_batch", lambda *given: made.append(given[2]) or make(*given))
    depth_training.train(_config(stores, steps=5, reuse=2))
    assert made == [0, 1, 2]
    assert torch.load(stores / "run" / "checkpoint.pt", weights_only=True)["step"] == 5


def test_an_unknown_network_is_named_before_any_work(stores):
    with pytest.raises(ConfigError, match="lite9"):
        depth_training.train(_config(stores, network={"encoder": "lite9"}))
    with pytest.raises(ConfigError, match="depth network"):
        depth_training.train(_config(stores, network={"layers": 3}))


def test_an_overview_added_to_weights_that_lack_it_has_no_effect_until_it_learned(stores):
    from lyra_core.models.depth.network import DepthNetwork, Shape
    from lyra_core.models.depth.weights import load_state

    torch.manual_seed(2)
    small, large = DepthNetwork(Shape()).eval(), DepthNetwork(Shape(blocks=2)).eval()
    for head in (small.coarse_head, small.fine_head):  # which are zero before training
        torch.nn.init.normal_(head.weight, std=0.1)
    load_state(large, small.state_dict())
    picture, lens, middle = torch.rand(1, 3, 64, 96), torch.full((1, 2), 80.0), torch.tensor([[48.0, 32.0]])
    with torch.inference_mode():
        for one, two in zip(small(picture, lens, middle), large(picture, lens, middle), strict=True):
            torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
        large.overview.blocks[0].out.weight.normal_()  # pyright: ignore
        changed = (small(picture, lens, middle)[0] - large(picture, lens, middle)[0]).abs().max()
    assert float(changed) > 1e-2


@pytest.mark.slow
def test_two_processes_learn_from_different_batches_and_share_their_gradients(stores, monkeypatch):
    """What two processes learn in a step is the mean of what each would have learned, and is saved once."""
    torch.manual_seed(1)
    start = Encoder().state_dict()
    monkeypatch.setattr(depth_training, "imagenet_encoder", lambda *given: start)
    alone = _config(stores, run=str(stores / "alone"), steps=1, warmup=1, decay_from=9)
    depth_training.train(alone)
    seed = torch.load(stores / "alone" / "checkpoint.pt", weights_only=True)
    pair = _config(
        stores, run=str(stores / "pair"), steps=3, init=str(stores / "alone" / "checkpoint.pt"), encoder_rate=1e-3
    )
    OmegaConf.save(pair, stores / "pair.yaml")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "lyra_core.training.depth_training", "--config", str(stores / "pair.yaml")]
    env = {**os.environ, "ACCELERATE_USE_CPU": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "process 1 of 2" in done.stderr
    assert "process 2 of 2" in done.stderr
    both = torch.load(stores / "pair" / "checkpoint.pt", weights_only=True)
    depth_training.train(OmegaConf.merge(pair, {"run": str(stores / "single")}))
    single = torch.load(stores / "single" / "checkpoint.pt", weights_only=True)
    assert both["step"] == single["step"] == 3
    assert both["samples"] == 2 * single["samples"]
    moved = {name: (both["network"][name] - seed["ema"][name]).abs().max() for name in seed["ema"]}
    assert max(float(value) for value in moved.values()) > 1e-4
    assert any(not torch.equal(both["network"][name], single["network"][name]) for name in seed["ema"])


def test_a_checkpoint_from_before_the_hint_branch_goes_on(stores, monkeypatch):
    torch.manual_seed(1)
    start = Encoder().state_dict()
    monkeypatch.setattr(depth_training, "imagenet_encoder", lambda *given: start)
    depth_training.train(_config(stores, steps=2))
    path = stores / "run" / "checkpoint.pt"
    old = torch.load(path, weights_only=True)
    for name in ("network", "ema"):
        old[name] = {key: value for key, value in old[name].items() if not key.startswith("hint.")}
    torch.save(old, path)
    depth_training.train(_config(stores, steps=3))
    new = torch.load(path, weights_only=True)
    assert new["step"] == 3
    assert not any(
        new["ema"][f"hint.to_{name}.weight"].any() for name in ("top", "detail")
    )  # nothing told, nothing learned
    assert any(not torch.equal(new["network"][key], value) for key, value in old["network"].items())


def test_a_table_keeps_the_rows_of_models_that_are_not_run(stores, tmp_path, monkeypatch):
    write_shard(stores / "data" / "rooms_test" / "a", [_floor_view(shape) for shape in SHAPES])
    monkeypatch.setattr(depth_evaluation, "evaluate_motorcycle", lambda model: {"affine_r2": 0.5, "absrel": 0.2})
    words = ["--data", str(stores / "data"), "--out", str(tmp_path / "depth.json"), "--views", "3", "--models"]
    depth_evaluation.main([*words, "constant"])
    first = json.loads((tmp_path / "depth.json").read_text())
    assert first["constant"]["rooms"]["absrel_median"] > 0
    monkeypatch.setattr(depth_evaluation, "PriorDepth", depth_evaluation.ConstantDepth)
    write_shard(stores / "data" / "nexuiz_test" / "a", [_floor_view(shape) for shape in SHAPES])
    depth_evaluation.main([*words, "prior"])
    both = json.loads((tmp_path / "depth.json").read_text())
    assert both["constant"] == first["constant"]
    assert both["prior"]["rooms"]["absrel"] == first["constant"]["rooms"]["absrel"]
    assert "embedded" not in both
    rows = [line for line in depth_evaluation.table(both).splitlines() if "nexuiz" in line]
    assert len(rows) == 1, "the constant was not run on the views that came later"
    assert "prior" in rows[0]


def test_training_without_views_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setattr(depth_training, "imagenet_encoder", lambda *given: Encoder().state_dict())
    with pytest.raises(ConfigError, match="depth_dataset"):
        depth_training.train(_config(tmp_path))


def test_figures_of_merit_know_right_from_wrong():
    rng = np.random.default_rng(0)
    truth = rng.uniform(1, 5, (40, 50)).astype(np.float32)
    assert depth_errors(truth * 3, truth)["absrel"] == pytest.approx(0, abs=1e-6)
    assert depth_errors(truth * 3, truth)["metric_absrel"] == pytest.approx(2, abs=1e-5)
    assert depth_errors(np.full_like(truth, 2.0), truth)["absrel"] > 0.2
    assert affine_r2(2 * truth + 1, truth) == pytest.approx(1)
    step = np.ones((40, 50), np.float32)
    step[:, 25:] = 4
    assert edge_sharpness(step, step) == pytest.approx(1)
    assert edge_sharpness(np.ones_like(step), step) == pytest.approx(0)


def test_a_skirt_between_a_column_and_the_wall_flies_and_a_step_does_not():
    truth = np.full((60, 80), 6.0, np.float32)
    truth[:, 30:50] = 2.0
    skirt = np.asarray(cv2.GaussianBlur(truth, (0, 0), 2.0), np.float32)
    assert flying_share(truth, truth) == pytest.approx(0)
    share = flying_share(skirt, truth)
    assert share is not None
    assert share > 0.3
    snapped = flying_share(np.exp(snap_edges(np.log(skirt))).astype(np.float32), truth)
    assert snapped is not None
    assert snapped < 0.5 * share
    assert flying_share(np.full_like(truth, 3.0), truth) is None  # no edge in it at all: edge_sharpness tells


def test_a_run_goes_on_from_exported_weights(tmp_path, monkeypatch):
    from lyra_core.models.depth.network import DepthNetwork
    from lyra_core.models.depth.weights import write_weights
    from lyra_core.training.acceleration import Runtime
    from lyra_core.training.checkpoints import initial_weights

    torch.manual_seed(5)
    shipped = DepthNetwork()
    write_weights(tmp_path / "shipped", shipped.state_dict(), shipped.shape, {})
    state = depth_training._start(_config(tmp_path, init=str(tmp_path / "shipped")), Runtime("no"))
    assert state.step == 0
    for name, value in shipped.state_dict().items():
        if not name.startswith("hint."):
            torch.testing.assert_close(state.network.state_dict()[name], value, rtol=1e-3, atol=1e-4)
    with pytest.raises(ConfigError, match="No weights to start from"):
        initial_weights(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="No weights to start from"):
        initial_weights(tmp_path / "empty")


def test_a_share_of_the_samples_has_things_set_into_it(tmp_path):
    view = _floor_view()
    write_shard(tmp_path / "data" / "levels_train" / "a", [view] * 4)
    stores = {"levels": ViewStore([tmp_path / "data" / "levels_train"])}
    plain = make_batch(stores, _config(tmp_path, mix={"levels": 1.0}), 1)
    again = make_batch(stores, _config(tmp_path, mix={"levels": 1.0}, cutouts=0.0), 1)
    things = make_batch(stores, _config(tmp_path, mix={"levels": 1.0}, cutouts=1.0), 1)
    assert torch.equal(plain.depth, again.depth)
    assert not torch.equal(plain.depth, things.depth)

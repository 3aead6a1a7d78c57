# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Both networks learn on a GPU what they learn on a CPU, with batches made by processes."""

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from lyra_core.models.depth.encoder import Encoder
from lyra_core.training import depth_training, generator_training
from lyra_core.training.depth_training import Batch
from tests.training.test_depth_training import _config as depth_config
from tests.training.test_depth_training import stores  # noqa: F401 (a fixture)
from tests.training.test_generator_training import config as video_config  # noqa: F401 (a fixture)

pytestmark = pytest.mark.gpu


def last(run, name="ema"):
    return torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")[name]


def test_depth_learns_alike_on_both_devices(stores, monkeypatch):  # noqa: F811
    torch.manual_seed(1)
    start = Encoder().state_dict()
    monkeypatch.setattr(depth_training, "imagenet_encoder", lambda *given: start)
    shape = {"encoder": "lite0", "widths": [16, 16, 32, 32], "blocks": 1, "heads": 2}
    there = depth_config(stores, run=str(stores / "gpu"), network=shape, workers=2)
    depth_training.train(there)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "1")
    depth_training.train(OmegaConf.merge(there, {"run": str(stores / "cpu"), "workers": 0}))
    moved, own = last(stores / "gpu"), last(stores / "cpu")
    for name, value in own.items():
        torch.testing.assert_close(moved[name], value, rtol=2e-2, atol=2e-3)


def test_video_learns_on_the_gpu_with_its_own_histories(video_config, tmp_path):  # noqa: F811
    config = OmegaConf.merge(video_config, {"workers": 2, "reuse": 2, "steps": 8, "checkpoint_seconds": -1})
    state = generator_training.train(config)
    assert state.step == 8
    assert next(state.ema.parameters()).is_cuda
    assert all(bool(torch.isfinite(value).all()) for value in last(tmp_path / "run").values())


def test_a_batch_is_varied_where_it_lies():
    batch = Batch(*(torch.rand(2, *shape, device="cuda") for shape in ((3, 8, 8), (8, 8), (2,), (2,), (3,), (8, 8))))
    other = batch.varied(np.random.default_rng(0))
    assert all(getattr(other, name).is_cuda for name in Batch.__slots__)

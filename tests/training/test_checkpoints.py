# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Weights that ship are a run's averaged ones, or the mean of several sets of them."""

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file

from lyra_core.errors import ConfigError
from lyra_core.training.checkpoints import shipped_weights


def checkpoint(path, value, step):
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {"ema": {"w": torch.full((2,), value)}, "network": {"w": torch.zeros(2)}, "step": step, "samples": 8 * step}
    torch.save(state, path)
    return path


def test_a_run_alone_gives_its_averaged_weights_and_its_facts(tmp_path):
    checkpoint(tmp_path / "run" / "checkpoint.pt", 3.0, 7)
    config = OmegaConf.create({"run": str(tmp_path / "run"), "data": "somewhere", "rate": 0.1, "seed": 4})
    weights, facts = shipped_weights(config, (), leave_out=("seed",))
    assert weights["w"].tolist() == [3.0, 3.0]
    assert facts == {"step": 7, "samples": 56, "averaged": 1, "training": {"rate": 0.1}}


def test_shipped_halves_and_a_run_that_went_on_from_them_are_averaged(tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    save_file({"w": torch.full((2,), 1.0).half()}, str(old / "video.safetensors"))
    last = checkpoint(tmp_path / "checkpoint.pt", 4.0, 20)
    config = OmegaConf.create({"run": "unused"})
    weights, facts = shipped_weights(config, [old, last])
    assert weights["w"].tolist() == [2.5, 2.5]
    assert weights["w"].dtype == torch.float32
    assert (facts["step"], facts["averaged"]) == (20, 2)
    three, _ = shipped_weights(config, [old, last, last])
    assert three["w"].tolist() == [3.0, 3.0]


def test_facts_need_a_run_at_the_end(tmp_path):
    with pytest.raises(ConfigError, match="last of the averaged weights"):
        shipped_weights(OmegaConf.create({}), [tmp_path])

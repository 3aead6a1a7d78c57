# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The fine-tuning step of Lyra 2.0 on a tiny network."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lyra_core.models.video.lyra2.network import NetworkConfig, Transformer  # noqa: E402
from lyra_core.models.video.lyra2.sampler import shifted_table, training_weights  # noqa: E402
from lyra_core.training.lyra2_step import (  # noqa: E402
    draw_noise,
    flow_loss,
    make_optimizer,
    rate_factor,
    retrieved_noise,
    train_step,
)

CONFIG = NetworkConfig(dim=24, heads=2, layers=2, ffn_dim=32, freq_dim=16, text_dim=16, clip_dim=16, squeeze=4,
                       layout="f1k1f1s1f2k2_g2")  # fmt: skip


def test_noise_time_and_weight_belong_together():
    clean, table = torch.randn(1, 16, 2, 4, 4), shifted_table()
    for seed in range(20):
        noised = draw_noise(clean, np.random.default_rng(seed))
        row = int((table.timesteps - noised.timestep).abs().argmin())
        assert noised.weight == pytest.approx(float(training_weights(table)[row]))
        # x - sigma v is the clean sample, and a network that says the target has no loss.
        torch.testing.assert_close(noised.x - noised.timestep / 1000 * noised.target, clean, atol=1e-5, rtol=1e-4)
        assert float(flow_loss(noised.target, noised)) == 0


def test_only_retrieved_pictures_get_noise():
    history = torch.zeros(1, 16, 4, 4, 4)
    out = retrieved_noise(history, (1,), np.random.default_rng(0))
    assert float(out[:, :, 1].abs().max()) > 0
    assert float(out[:, :, [0, 2, 3]].abs().max()) == 0
    assert float(history.abs().max()) == 0


def test_the_rate_warms_up_and_falls_to_two_fifths():
    assert rate_factor(0) == 0
    assert rate_factor(100) == pytest.approx(0.99)
    assert rate_factor(400_000) == pytest.approx(0.99 * 0.4)
    assert rate_factor(10**6) == pytest.approx(0.99 * 0.4)


def test_steps_on_one_sample_lower_its_loss():
    torch.manual_seed(1)
    network = Transformer(CONFIG)
    for value in network.state_dict().values():
        value.copy_(0.1 * torch.randn(value.shape))
    history, clean = torch.randn(1, 16, 4, 4, 4), torch.randn(1, 16, 2, 4, 4)
    y, buffer = torch.randn(1, 404, 6, 4, 4), torch.rand(1, 256, 6, 4, 4)
    text, clip = torch.randn(1, 512, 16), torch.randn(1, 257, 16)
    noised, optimizer = draw_noise(clean, np.random.default_rng(3)), make_optimizer(network, rate=3e-3)
    losses = [train_step(network, optimizer, noised, y, history, buffer, text, clip) for _ in range(8)]
    assert losses[-1] < 0.9 * losses[0]
    assert all(p.grad is not None for n, p in network.named_parameters() if "cam_encoder" in n)

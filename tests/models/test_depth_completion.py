# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Completion: a hint changes nothing before it is trained, and known depth is honoured whatever the model."""

import json

import numpy as np
import pytest
import torch

from lyra_core.models.depth.completion import complete_depth, join_known
from lyra_core.models.depth.embedded import EmbeddedDepth
from lyra_core.models.depth.network import DepthNetwork, Shape
from lyra_core.models.depth.prior import PriorDepth
from lyra_core.models.depth.weights import CONFIG_FILE, completes, load_state, read_network, write_weights
from lyra_core.models.protocols import DepthCompleter, DepthEstimate

LENS = np.array([[100.0, 0, 48], [0, 100.0, 32], [0, 0, 1]])


def _network(*, trained=False, seed=0):
    torch.manual_seed(seed)
    network = DepthNetwork().eval()
    torch.nn.init.normal_(network.fine_head.weight, std=0.1)  # a fresh head says the same everywhere
    if trained:
        for name, value in network.named_parameters():
            if name.startswith("hint.to_"):
                torch.nn.init.normal_(value, std=0.1)
    return network


def _inputs():
    torch.manual_seed(5)
    image, hint = torch.rand(2, 3, 64, 96) * 2 - 1, torch.rand(2, 64, 96) * 4 + 1
    hint[:, :, 40:] = 0
    return image, torch.full((2, 2), 100.0), torch.tensor([[48.0, 32.0]] * 2), hint


def test_an_untrained_hint_leaves_the_estimate_bit_for_bit_alone():
    image, focal, center, hint = _inputs()
    network = _network()
    with torch.inference_mode():
        for plain, told in zip(network(image, focal, center), network(image, focal, center, hint), strict=True):
            assert torch.equal(plain, told)


def test_a_trained_hint_speaks_for_its_own_sample_alone():
    image, focal, center, hint = _inputs()
    hint[1] = 0
    network = _network(trained=True)
    with torch.inference_mode():
        plain, told = network(image, focal, center)[0], network(image, focal, center, hint)[0]
    assert not torch.allclose(plain[0], told[0])
    assert torch.equal(plain[1], told[1])


def test_the_unit_of_the_hint_cancels_with_the_focal_length():
    """log(z / f) is what is told: twice the depth through twice the lens is the same number."""
    _, focal, _, hint = _inputs()
    network = _network(trained=True)
    with torch.inference_mode():
        one, two = network._told(hint, focal), network._told(hint * 2, focal * 2)
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_weights_from_before_the_hint_still_load_and_say_that_they_cannot_complete(tmp_path):
    network = _network()
    write_weights(tmp_path / "old", network.state_dict(), network.shape, {})
    assert json.loads((tmp_path / "old" / CONFIG_FILE).read_text())["architecture"] == "lyra-depth-lite0-1"
    assert not completes(tmp_path / "old")
    assert not EmbeddedDepth(tmp_path / "old").completes
    image, focal, center, hint = _inputs()
    with torch.inference_mode():
        loaded = read_network(tmp_path / "old")
        assert torch.equal(loaded(image, focal, center)[0], loaded(image, focal, center, hint)[0])
    write_weights(tmp_path / "new", _network(trained=True).state_dict(), Shape(), {})
    assert completes(tmp_path / "new")
    assert isinstance(EmbeddedDepth(tmp_path / "new"), DepthCompleter)


def test_weights_that_lack_more_than_the_hint_are_refused():
    state = _network().state_dict()
    del state["fine_head.bias"]
    with pytest.raises(RuntimeError, match="fine_head"):
        load_state(_network(), state)


def _room():
    """A floor that meets a wall, (64, 96)."""
    rows = np.arange(64, dtype=np.float32)[:, None] - 31.5
    depth = np.where(rows > 0, np.minimum(150 / np.maximum(rows, 1), 6), 6) * np.ones((1, 96), np.float32)
    return depth.astype(np.float32)


def test_trusted_pixels_are_exactly_the_known_ones_and_outliers_are_not():
    truth = _room()
    known = truth.copy()
    known[:, 60:] = 0
    known[10:14, 10:14] *= 3
    depth, trusted = join_known(truth / 2.5, known)
    np.testing.assert_array_equal(depth[trusted], known[trusted])
    assert not trusted[10:14, 10:14].any()
    assert trusted[:, :60].mean() > 0.95
    np.testing.assert_allclose(depth, truth, rtol=0.02)  # scaled from half the picture, faults left out


def test_no_step_is_left_at_the_border_of_what_is_known():
    truth = np.full((60, 100), 4.0, np.float32)
    estimate = truth * np.linspace(1.0, 1.2, 100, dtype=np.float32)  # bends away to the right
    known = truth.copy()
    known[:, 50:] = 0
    depth, _ = join_known(estimate, known)
    step = np.abs(np.log(depth[:, 50] / depth[:, 49])).max()
    scaled = estimate * np.median(truth[:, :50] / estimate[:, :50])
    assert step < 0.4 * np.abs(np.log(scaled[:, 50] / known[:, 49])).max()


def test_without_known_depth_the_estimate_stays_as_it_is():
    depth, trusted = join_known(_room(), np.zeros((64, 96), np.float32))
    np.testing.assert_array_equal(depth, _room())
    assert not trusted.any()


def test_a_backend_without_completion_still_agrees_with_what_is_known():
    rgb = np.full((64, 96, 3), 0.5, np.float32)
    rgb[32:] = 0.3
    known = _room()
    known[:, 48:] = 0
    assert not isinstance(PriorDepth(), DepthCompleter)
    found, trusted = complete_depth(PriorDepth(), rgb, intrinsics=LENS, known=known)
    np.testing.assert_array_equal(np.asarray(found.depth)[trusted], known[trusted])


class _Completer:
    name = "told"
    completes = True

    def estimate(self, rgb, *, intrinsics, sky=None):
        raise AssertionError("was not told what is known")

    def complete(self, rgb, *, intrinsics, known, sky=None):
        return DepthEstimate(np.where(known > 0, known * 1.01, 9).astype(np.float32), np.zeros(known.shape, bool))


def test_a_backend_that_completes_is_told_what_is_known():
    known = np.full((64, 96), 3.0, np.float32)
    known[:, 50:] = 0
    rgb = np.zeros((64, 96, 3), np.float32)
    found, trusted = complete_depth(_Completer(), rgb, intrinsics=LENS, known=known)
    assert trusted[:, :50].all()
    assert np.asarray(found.depth)[5, 90] == pytest.approx(9 / 1.01, rel=1e-2)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Known depth for training: holes where geometry puts them, batches that repeat, and runs that teach completion alone."""

import numpy as np
import pytest
import torch

from lyra_core.models.depth.network import DepthNetwork
from lyra_core.training import depth_training
from lyra_core.training.depth_augment import Sample
from lyra_core.training.depth_drift import drift_table, run_drift
from lyra_core.training.depth_hints import HintSettings, seen_from_elsewhere, with_hint
from lyra_core.training.depth_training import make_batch
from lyra_core.training.drift_walks import outdoor_walk, room_walk
from tests.training.test_depth_training import _config, stores  # noqa: F401 - a fixture

FOCAL, CENTER = 80.0, (48.0, 32.0)


def _pillar():
    """A wall 6 m ahead and a pillar 2 m ahead, columns 40 to 55 of (64, 96)."""
    depth = np.full((64, 96), 6.0, np.float32)
    depth[:, 40:56] = 2.0
    return depth


def test_a_camera_to_the_right_does_not_see_what_is_behind_the_pillars_left():
    step = np.array([-0.5, 0, 0])  # the other camera stands half a metre to the right
    seen = seen_from_elsewhere(_pillar(), FOCAL, CENTER, np.eye(3), step)
    # The pillar moves by 80 * 0.5 / 2 = 20 pixels, the wall by 6.7: columns 26.7 to 40 are hidden.
    assert seen[:, 44:56].all()
    assert not seen[:, 30:38].any()
    assert seen[:, 12:24].all()
    assert seen[:, 60:].all()


def test_a_camera_at_the_same_place_sees_everything_but_for_a_cell_beside_the_edges():
    seen = seen_from_elsewhere(_pillar(), FOCAL, CENTER, np.eye(3), np.zeros(3))
    assert seen[:, :37].all()
    assert seen[:, 40:56].all()
    assert seen[:, 59:].all()


def _sample():
    rgb = np.random.default_rng(0).random((64, 96, 3), dtype=np.float32)
    depth = _pillar()
    depth[:8] = np.inf
    return Sample(rgb, depth, FOCAL, CENTER, np.array([0, -1.0, 0]))


@pytest.mark.parametrize("seed", range(8))
def test_a_hint_is_the_truth_in_one_unit_but_for_small_faults(seed):
    sample = _sample()
    hint = with_hint(sample, HintSettings(share=1.0, blind=0.0, sparse=0.0), np.random.default_rng(seed))
    given = hint.depth > 0
    unit = hint.sample.depth[20, 5] / sample.depth[20, 5]
    np.testing.assert_allclose(hint.sample.depth, sample.depth * unit, rtol=1e-5)
    assert not given[np.isinf(sample.depth)].any()
    if given.any():
        off = np.abs(np.log(hint.depth[given] / hint.sample.depth[given]))
        assert np.median(off) < 0.13


def test_a_blind_hint_greys_what_it_hides_and_a_share_of_zero_gives_nothing_away():
    for seed in range(20):
        hint = with_hint(_sample(), HintSettings(share=1.0, blind=1.0, sparse=0.0), np.random.default_rng(seed))
        if 0.2 < (hint.depth > 0).mean() < 0.8:
            break
    hidden = (hint.depth == 0) & np.isfinite(hint.sample.depth)
    assert hidden.any()
    assert (hint.sample.image[hidden] == 0.5).all()
    nothing = with_hint(_sample(), HintSettings(share=0.0), np.random.default_rng(0))
    assert not nothing.depth.any()
    np.testing.assert_array_equal(nothing.sample.image, _sample().image)


def test_batches_with_hints_depend_on_seed_and_step_alone(stores):  # noqa: F811
    config = _config(stores, hint={"share": 1.0})
    opened = depth_training._open(config, "train")
    one, two = make_batch(opened, config, 5), make_batch(opened, config, 5)
    assert torch.equal(one.hint, two.hint)
    assert torch.equal(one.image, two.image)
    assert any(make_batch(opened, config, step).hint.any() for step in range(6))


def test_teaching_completion_alone_leaves_the_estimate_bit_for_bit_as_it_was(stores):  # noqa: F811
    torch.manual_seed(2)
    network = DepthNetwork()
    torch.nn.init.normal_(network.fine_head.weight, std=0.1)  # a fresh head is deaf: nothing would be learned
    start = stores / "start.pt"
    torch.save({"ema": {n: v for n, v in network.state_dict().items() if not n.startswith("hint.")}}, start)
    config = _config(stores, init=str(start), train_only="hint.", hint={"share": 1.0}, run=str(stores / "hint"))
    depth_training.train(config)
    after = torch.load(stores / "hint" / "checkpoint.pt", weights_only=True)["network"]
    for name, value in network.state_dict().items():
        if not name.startswith("hint."):
            assert torch.equal(after[name], value), name
    assert any(after[name].any() for name in after if name.startswith("hint.to_"))


def test_drift_is_nothing_where_the_model_knows_the_truth():
    """Frame 0 is exact, and what the memory shows again stays near it."""
    figures = run_drift([room_walk(0, 4, (96, 64))], methods=("estimate joined",), starts=("true",))
    (row,) = figures["true"]["estimate joined"]
    assert len(row) == 4
    assert row[0] == 0.0
    assert max(row) < 0.2
    table = drift_table({"rooms": figures})
    assert f"| rooms (1) | true | estimate joined | 0.000 | {row[-1]:.3f} |" in table


def test_an_outdoor_walk_goes_out_and_comes_back_beside_itself_through_nothing():
    walk = outdoor_walk(0, 9, (96, 64))
    places = np.array([camera.center for camera in walk.path])
    assert 0.7 < np.linalg.norm(places[4] - places[0]) < 2.6  # metres, at the turning point
    assert np.linalg.norm(places[-1] - places[0]) == pytest.approx(0.12, abs=1e-6)
    for frame in walk.frames():
        solid = np.asarray(frame.depth)[~np.asarray(frame.sky)]
        assert np.percentile(solid, 2) > 0.2
        assert len(solid) > 0.3 * frame.sky.size
    again = outdoor_walk(0, 9, (96, 64))
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(walk.frames(), again.frames(), strict=True))

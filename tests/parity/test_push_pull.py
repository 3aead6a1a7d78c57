# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What is known stays, what is unknown is continued smoothly between it."""

import numpy as np
import pytest

from lyra_core.ops.push_pull import push_pull


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_a_constant_picture_becomes_that_constant(channels):
    known = np.ones((17, 23), bool)
    known[4:12, 3:20] = False
    values = np.where(known.reshape(17, 23, *[1] * len(channels)), np.float32(0.3), np.float32(9))
    filled = push_pull(np.broadcast_to(values, (17, 23, *channels)).astype(np.float32), known)
    assert filled.shape == (17, 23, *channels)
    np.testing.assert_allclose(filled, 0.3, atol=1e-5)


def test_known_values_stay_and_the_others_lie_between_them(rng):
    values = rng.random((40, 31), dtype=np.float32)
    known = rng.random((40, 31)) < 0.2
    filled = push_pull(np.where(known, values, 100).astype(np.float32), known)
    assert np.array_equal(filled[known], values[known])
    assert values[known].min() - 1e-5 <= filled.min()
    assert filled.max() <= values[known].max() + 1e-5


def test_a_ramp_with_a_gap_stays_a_ramp():
    ramp = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32), (48, 64))
    known = np.ones((48, 64), bool)
    known[:, 24:40] = False
    filled = push_pull(np.where(known, ramp, 0).astype(np.float32), known)
    assert np.abs(filled - ramp).max() < 0.1


def test_nothing_known_becomes_what_was_asked_for():
    assert (push_pull(np.zeros((8, 8), np.float32), np.zeros((8, 8), bool), empty=0.25) == 0.25).all()

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Walking and recording with the camera of a tab that is not there."""

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest

from lyra_core.explorer.plan import key_of
from lyra_core.explorer.walk import Recorder, Walker
from lyra_core.geometry import look_at


class Tab:
    """A tab's camera as the viewer has it: setting the position moves the point looked at with it."""

    def __init__(self, number=1):
        self.client_id, self.heard = number, []
        self.camera = self
        self.look_at, self.up_direction = np.array([3.0, 4.0, 1.0]), None
        self._position = np.array([3.0, 2.0, 2.0])

    @property
    def position(self):
        return self._position

    @position.setter
    def position(self, value):
        self.look_at = np.asarray(self.look_at, float) + np.asarray(value, float) - self._position
        self._position = np.asarray(value, float)

    def on_update(self, callback):
        self.heard.append(callback)

    def atomic(self):
        return contextlib.nullcontext()

    def moves(self, step):
        self.position = self.position + np.asarray(step, float)
        for callback in self.heard:
            callback(SimpleNamespace(client=self))


def _view(tab):
    return key_of(look_at(tab.position, tab.look_at))


def test_a_walker_stands_on_the_floor_and_looks_level_where_it_looked():
    tab, walker = Tab(), Walker()
    walker.start(tab, 0.6, np.array([1.0, 1.5]))
    np.testing.assert_allclose(tab.position, (1.0, 1.5, 0.6))
    ahead = tab.look_at - tab.position
    assert ahead[2] == pytest.approx(0.0)
    assert ahead[1] > 0.2
    assert abs(ahead[0]) < 1e-9


def test_steps_stay_and_heights_are_put_back_until_it_flies():
    tab, walker = Tab(), Walker()
    walker.start(tab, 0.6)
    tab.moves((0.0, 0.5, 0.3))
    np.testing.assert_allclose(tab.position, (3.0, 2.5, 0.6))
    assert walker.walks(tab)
    walker.stop(tab)
    tab.moves((0.0, 0.0, 1.0))
    assert tab.position[2] == pytest.approx(1.6)


def test_each_tab_walks_for_itself():
    one, two, walker = Tab(1), Tab(2), Walker()
    walker.start(one, 0.6)
    two.moves((0.0, 0.0, 1.0))
    assert two.position[2] == pytest.approx(3.0)
    assert not walker.walks(two)


def test_a_way_is_recorded_as_a_keyframe_every_half_metre_and_its_end():
    tab, keys = Tab(), []
    recorder = Recorder(keys.append)
    recorder.start(tab, _view)
    for _ in range(14):
        tab.moves((0.0, 0.1, 0.0))
    recorder.stop(_view(tab))
    ways = np.array([k.position[1] for k in keys]) - 2.0
    np.testing.assert_allclose(ways, (0.5, 1.0, 1.4), atol=0.101)
    assert ways[-1] == pytest.approx(1.4)
    tab.moves((0.0, 5.0, 0.0))
    assert len(keys) == 3  # nothing is recorded after the end

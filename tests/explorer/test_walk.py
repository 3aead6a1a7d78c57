# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Walking and recording with the camera of a tab that is not there."""

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest

from lyra_core.explorer.plan import key_of
from lyra_core.explorer.slicing import Slicer
from lyra_core.explorer.walk import Recorder, Walker
from lyra_core.explorer.walls import BODY, Walls
from lyra_core.geometry import look_at
from lyra_core.navigation.occupancy import FREE, OCCUPIED, UNKNOWN, OccupancyGrid


class Tab:
    """A tab's camera as the viewer has it: setting the position moves the point looked at with it."""

    def __init__(self, number=1):
        self.client_id, self.heard = number, []
        self.camera = self
        self._position, self.near = np.array([3.0, 2.0, 2.0]), 0.01
        self.look_at, self.up_direction = np.array([3.0, 4.0, 1.0]), None

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


def _wall(x=1.0, low=-3.0, high=3.0, up=2.0):
    """Points of a wall at x, 7 cm apart, from the floor up."""
    y, z = np.mgrid[low:high:0.07, 0:up:0.07]
    return np.stack([np.full(y.size, x), y.ravel(), z.ravel()], axis=1)


def _grid(state_of, side=3.0, cell=0.05):
    cells = np.full((int(2 * side / cell),) * 2, UNKNOWN, np.uint8)
    grid = OccupancyGrid(cells, cell, (-side, -side))
    x, y = np.moveaxis(grid.center_of(np.argwhere(np.ones_like(cells))), -1, 0).reshape(2, *cells.shape)
    cells[:] = state_of(x, y)
    return grid


def test_nobody_walks_through_a_seen_wall_however_long_the_step():
    walls = Walls(_wall(), 0.6)
    for step in (0.05, 0.5, 3.0, 20.0):
        arrived = walls.walked((0.0, 0.0), (step, 0.0))
        assert arrived[0] <= 1.0 - BODY + 0.05  # columns are 5 cm wide
        assert arrived[0] == pytest.approx(min(step, 1.0 - BODY), abs=0.06)


def test_pushing_against_a_wall_for_long_does_not_creep_through_it():
    walls, here = Walls(_wall(), 0.6), np.zeros(2)
    for _ in range(500):
        here = walls.walked(here, here + [0.05, 0.0])
    assert here[0] == pytest.approx(1.0 - BODY, abs=0.06)


def test_a_slanting_step_slides_along_the_wall():
    arrived = Walls(_wall(), 0.6).walked((0.0, -1.0), (2.0, 1.0))
    assert arrived[0] == pytest.approx(1.0 - BODY, abs=0.06)
    assert arrived[1] == pytest.approx(1.0, abs=0.15)


def test_a_corner_holds_and_lets_go_again():
    wall = _wall()
    corner = np.concatenate([wall, wall[:, [1, 0, 2]]])  # also a wall at y = 1
    walls = Walls(corner, 0.6)
    held = walls.walked((0.0, 0.0), (5.0, 5.0))
    assert (held < 1.0 - BODY + 0.05).all()
    back = walls.walked(held, held - 0.5)
    np.testing.assert_allclose(back, held - 0.5, atol=0.06)


def test_the_floor_what_hangs_higher_and_lone_points_hold_nobody_back():
    floor = _wall()[:, [1, 0, 2]] * [1, 1, 0]
    lamp = _wall() * [1, 1, 0.05] + [0, 0, 1.2]
    walls = Walls(np.concatenate([floor, lamp, [[1.0, 0.0, 0.5]]]), 0.6)
    np.testing.assert_allclose(walls.walked((0.0, 0.0), (2.0, 0.0)), (2.0, 0.0))
    assert Walls(lamp, 1.2).walked((0.0, 0.0), (2.0, 0.0))[0] < 1.0  # a taller eye bumps into it
    assert np.isinf(Walls(np.zeros((0, 3)), 0.6).room((0.0, 0.0)))


def test_the_map_overrules_stray_points_and_adds_what_is_occupied():
    grid = _grid(lambda x, _: np.where(x > 2.0, OCCUPIED, FREE))
    walls = Walls(_wall(), 0.6, grid)
    assert walls.walked((0.0, 0.0), (5.0, 0.0))[0] == pytest.approx(2.0 - BODY, abs=0.06)
    assert walls.floor_at((1.0, 0.0))  # where the points stray
    assert not walls.floor_at((1.9, 0.0))
    assert not walls.floor_at((9.0, 0.0))
    assert not Walls(_wall(), 0.6).floor_at((0.0, 0.0))  # nobody knows without a map


def test_who_starts_inside_of_something_is_put_beside_it_and_who_stands_free_stays():
    walls = Walls(_wall(), 0.6)
    place = walls.settled((1.02, 0.3))
    assert walls.room(place) >= BODY
    assert np.linalg.norm(place - (1.02, 0.3)) < BODY + 0.1
    np.testing.assert_array_equal(walls.settled((0.0, 0.3)), (0.0, 0.3))


def test_the_top_view_cuts_the_ceiling_off_while_it_zooms_and_not_when_it_turns_away():
    tab, slicer = Tab(), Slicer(0.01)
    tab.position = np.array([0.0, -0.01, 12.0])
    tab.look_at = np.zeros(3)
    slicer.start(tab, 1.2)
    assert 12.0 - tab.near < 2.0  # a ceiling of 2.4 m is nearer than that
    assert 12.0 - tab.near > 0.8  # a table is not
    cut = 12.0 - tab.near
    tab.moves((0.0, 0.0, 0.0))  # it is there
    tab.moves((0.0, 0.0, -6.0))
    assert 6.0 - tab.near == pytest.approx(cut)
    tab.look_at = tab.position + np.array([0.0, 1.0, -0.5])
    tab.moves((0.0, 0.1, 0.0))
    assert tab.near == 0.01
    tab.look_at = tab.position - np.array([0.0, 0.0, 1.0])
    slicer.stop(tab)
    tab.moves((0.0, 0.0, 0.1))
    assert tab.near == 0.01


def test_what_a_tab_tells_of_the_place_it_comes_from_moves_nobody():
    tab, walker = Tab(), Walker(lambda _: Walls(_wall(x=9.0), 0.6))
    walker.start(tab, 0.6, np.array([8.0, 0.0]))
    tab._position = np.array([0.0, 0.0, 2.0])  # sent before it heard of the new place
    for callback in tab.heard:
        callback(SimpleNamespace(client=tab))
    tab.position = np.array([8.0, 0.1, 0.6])  # now it is there
    tab.moves((0.1, 0.0, 0.0))
    np.testing.assert_allclose(tab.position, (8.1, 0.1, 0.6))


class SlowTab(Tab):
    """A page under load: it hears one message of the server at each of its steps, and walks on meanwhile."""

    def __init__(self):
        self.queue, self.together = [], False
        super().__init__()
        self.page = [np.array(self._position), np.array(self._look)]

    def _send(self, which, value):
        if self.together and self.queue:
            self.queue[-1][which] = value
        else:
            self.queue.append({which: value})

    @contextlib.contextmanager
    def atomic(self):
        self.queue.append({})
        self.together = True
        yield
        self.together = False

    @property
    def position(self):
        return self._position

    @position.setter
    def position(self, value):
        self.look_at = self._look + np.asarray(value, float) - self._position
        self._position = np.asarray(value, float)
        self._send(0, self._position)

    @property
    def look_at(self):
        return self._look

    @look_at.setter
    def look_at(self, value):
        self._look = np.asarray(value, float)
        self._send(1, self._look)

    def moves(self, step):
        self.page = [end + step for end in self.page]
        for which, value in (self.queue.pop(0) if self.queue else {}).items():
            self.page[which] = value
        self._position, self._look = (np.array(end) for end in self.page)
        for callback in self.heard:
            callback(SimpleNamespace(client=self))


def test_a_slow_page_still_looks_ahead_after_pushing_against_a_wall():
    tab = SlowTab()
    walker = Walker(lambda _: Walls(_wall(x=4.0), 0.6))
    walker.start(tab, 0.6, np.array([3.0, 1.0]))
    gaze = tab.look_at - tab.position
    for _ in range(60):
        tab.moves(np.array([0.15, 0.02, 0.0]))
    np.testing.assert_allclose(tab.page[1] - tab.page[0], gaze, atol=1e-9)


def test_a_walking_tab_stops_at_the_wall_and_the_point_it_looks_at_comes_along():
    walls = Walls(_wall(x=4.0), 0.6)
    tab, asked = Tab(), []
    walker = Walker(lambda height: asked.append(height) or walls)
    walker.start(tab, 0.6, np.array([3.0, 1.0]))
    gaze = tab.look_at - tab.position
    for _ in range(40):
        tab.moves((0.1, 0.02, 0.1))
    assert tab.position[0] == pytest.approx(4.0 - BODY, abs=0.06)
    assert tab.position[1] == pytest.approx(1.8, abs=0.2)
    assert tab.position[2] == pytest.approx(0.6)
    np.testing.assert_allclose(tab.look_at - tab.position, gaze, atol=1e-9)
    assert set(asked) == {0.6}

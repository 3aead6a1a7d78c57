# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Which level of detail each tab gets, with tabs that are not there."""

import contextlib
import time

import numpy as np
import pytest

pytest.importorskip("viser", reason="needs the explorer extra")
from lyra_core.explorer import splat_levels
from lyra_core.explorer.splat_levels import COARSE_SPLATS, POINTS, SplatLevels
from lyra_core.types import Gaussians

MOST = 60_000


class Tab:
    """A tab that draws a small picture in so many seconds, or is closed when asked for one."""

    def __init__(self, number, seconds=0.0):
        self.client_id, self.seconds, self.log = number, seconds, []
        self.scene = self

    def atomic(self):
        return contextlib.nullcontext()

    def remove_by_name(self, name):
        self.log.append(("removed", name))

    def add_gaussian_splats(self, name, centers, covariances, rgbs, opacities):
        assert len(centers) == len(covariances) == len(rgbs) == len(opacities)
        self.log.append(("splats", len(centers)))

    def add_point_cloud(self, name, points, colors, **how):
        assert colors.dtype == np.uint8
        assert 0 < how["point_size"] <= 0.2
        self.log.append(("points", len(points)))

    def get_render(self, height, width, timeout):
        if self.seconds is None:
            raise RuntimeError("the client disconnected")
        time.sleep(self.seconds)

    @property
    def drawn(self):
        return [entry for entry in self.log if entry[0] != "removed"]


@pytest.fixture
def gaussians():
    rng = np.random.default_rng(0)
    count = 70_000
    quats = np.tile(np.float32([1, 0, 0, 0]), (count, 1))
    size = np.full((count, 3), 0.03, np.float32)
    means, sh = rng.random((count, 3), np.float32), np.zeros((count, 1, 3), np.float32)
    return Gaussians(means, quats, size, np.full(count, 0.9, np.float32), sh)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(splat_levels, "_SETTLE", 0.0)
    monkeypatch.setattr(splat_levels, "SLOW", 0.05)


def _until(condition):
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_a_quick_tab_gets_all_splats_and_a_slow_one_points(gaussians):
    quick, slow, told = Tab(1), Tab(2, 0.08), []
    levels = SplatLevels(lambda: [quick, slow], MOST, told.append)
    levels.show(gaussians)
    _until(lambda: len(quick.drawn) == 2 and told)
    assert quick.drawn == [("splats", COARSE_SPLATS), ("splats", MOST)]
    assert slow.drawn == [("splats", COARSE_SPLATS), ("points", POINTS)]
    assert told == [slow]
    slow.log.clear()
    levels.show(gaussians)  # such as after an extension
    _until(lambda: slow.drawn)
    assert slow.drawn == [("points", POINTS)]  # it is known


def test_a_tab_that_never_returns_the_picture_gets_points_too(gaussians):
    class Stuck(Tab):
        def get_render(self, height, width, timeout):
            raise TimeoutError(f"no frame in {timeout} s")

    stuck = Stuck(3)
    SplatLevels(lambda: [stuck], MOST).show(gaussians)
    _until(lambda: len(stuck.drawn) == 2)
    assert stuck.drawn == [("splats", COARSE_SPLATS), ("points", POINTS)]


def test_a_person_may_choose_the_level_for_all_tabs(gaussians):
    slow = Tab(2, 0.08)
    levels = SplatLevels(lambda: [slow], MOST)
    levels.detail = "points"
    levels.show(gaussians)
    _until(lambda: slow.drawn == [("points", POINTS)])
    levels.choose("full")
    _until(lambda: slow.drawn[-1] == ("splats", MOST))
    levels.choose("coarse")
    _until(lambda: slow.drawn[-1] == ("splats", COARSE_SPLATS))


def test_few_splats_are_drawn_by_every_tab_without_asking(gaussians):
    closed = Tab(3, None)
    levels = SplatLevels(lambda: [closed], 4000)
    levels.show(gaussians)
    _until(lambda: closed.drawn == [("splats", 4000)])
    levels.show(None)
    assert closed.log[-1][0] == "removed"


def test_a_tab_that_comes_later_is_served_and_one_that_goes_is_forgotten(gaussians):
    late, gone = Tab(4), Tab(5, None)
    levels = SplatLevels(lambda: [gone], MOST)
    levels.join(late)  # before there is anything
    levels.show(gaussians)
    _until(lambda: gone.drawn)
    levels.join(late)
    _until(lambda: len(late.drawn) == 2)
    assert gone.drawn == [("splats", COARSE_SPLATS)]

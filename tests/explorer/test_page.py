# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Parts of the page that need no browser: where it looks from, what it says, and which model it asks for."""

import contextlib
import io
import math
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("viser", reason="needs the explorer extra")
from lyra_core.explorer.app import Page
from lyra_core.explorer.panel_status import said
from lyra_core.explorer.splat_levels import point_size
from lyra_core.explorer.studio import Studio, StudioOptions
from lyra_core.explorer.views import top_view
from lyra_core.models.registry import VIDEO_MODELS
from lyra_core.pipeline.worker_catalog import MODEL_HELP
from lyra_core.trajectory import PRESETS
from tests.pipeline.box_room import make_world


def test_a_page_says_notes_without_options_of_the_command_line():
    note = "scale guessed by the depth model (--camera-height or --known-length sets it)"
    assert said(note) == "Scale guessed by the depth model"
    assert said("field of view guessed (--fov)") == "Field of view guessed"
    assert said("0 collision(s), PhysX (CPU)") == "0 collision(s), PhysX (CPU)"


def test_the_top_view_holds_the_world_beside_the_panel():
    rng = np.random.default_rng(0)
    low, high = np.array([3.0, -2.0, 0.0]), np.array([15.0, 6.0, 3.0])
    points = rng.uniform(low, high, (4000, 3))
    points[0] = (900.0, 0.0, 0.0)  # a stray one
    position, look = top_view(points)
    half = position[2] * math.tan(math.radians(30.0))  # of the page's height, on the floor
    assert position[0] == look[0]
    assert position[1] < look[1]
    sides = (low[:2] - look[:2]) / half, (high[:2] - look[:2]) / half
    assert sides[0][1] > -1
    assert sides[1][1] < 1
    assert sides[0][0] > -1.5  # a page three wide and two high
    assert sides[1][0] < 0.75


def test_points_that_stand_for_splats_close_the_gaps_of_a_surface():
    x, y = np.mgrid[0:4:0.05, 0:4:0.05]
    size = point_size(np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1))
    assert 0.05 <= size <= 0.1
    assert point_size(np.zeros((0, 3))) > 0


def test_every_video_model_says_what_it_needs():
    assert set(MODEL_HELP) == set(VIDEO_MODELS)
    for text in MODEL_HELP.values():
        assert 30 < len(text) < 120
        assert not text.endswith(".")


def test_another_preset_brings_its_own_options(tmp_path):
    viser = pytest.importorskip("viser")
    world = make_world(tmp_path / "worlds" / "room", build=False)
    with contextlib.redirect_stdout(io.StringIO()):
        server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
    studio = Studio(StudioOptions(world.folder.parent, "quick", frames=9))
    try:
        page = Page(server, studio, most_splats=100)
        studio.open_world(world.folder)
        assert studio.state.plan.now.preset == "walk"
        for preset in ("orbit", "walk", "dolly"):
            page.path.preset.value = preset  # as a person's choice arrives
            end = time.monotonic() + 60
            while studio.state.plan.now.preset != preset and time.monotonic() < end:
                time.sleep(0.02)
            wanted = {name.replace("_", " ").capitalize() for name in PRESETS[preset].options if name != "clearance"}
            while {h.label for h in page.path._extra} != wanted and time.monotonic() < end:
                time.sleep(0.02)
            assert {handle.label for handle in page.path._extra} == wanted
        page.closed = True
    finally:
        studio.close()
        with contextlib.redirect_stdout(io.StringIO()):
            server.stop()


def test_the_chosen_model_makes_the_next_frames(tmp_path, monkeypatch):
    world = make_world(tmp_path / "worlds" / "room", build=False)
    studio = Studio(StudioOptions(world.folder.parent, "quick", frames=9))
    asked = []
    monkeypatch.setattr(studio.runner, "submit", lambda title, request: asked.append(request) or SimpleNamespace())
    studio.open_world(world.folder)
    studio.orders.generate()
    studio.model = "embedded"
    studio.orders.generate()
    studio.close()
    assert [request["model"] for request in asked] == ["", "embedded"]

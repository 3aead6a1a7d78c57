# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The training-free depth prior and its parts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_core.geometry.projection import unproject
from lyra_core.models.depth.horizon import estimate_up
from lyra_core.models.depth.layout import pieces
from lyra_core.models.depth.picture import depth_picture
from lyra_core.models.depth.prior import PriorDepth
from lyra_core.models.depth.sky import sky_mask
from tests.benchmarks.depth import score
from tests.models.scene import camera, render


def test_it_explains_at_least_a_quarter_of_the_disparity_of_a_real_photo():
    pytest.importorskip("skimage")
    assert score("prior") >= 0.25


def test_the_floor_of_a_room_is_flat_and_at_the_camera_height_below():
    view = camera(size=(416, 240))
    rgb = render(view)[0]
    estimate = PriorDepth().estimate(rgb, intrinsics=view.intrinsics)
    assert estimate.floor is not None
    assert estimate.up is not None
    truth = render(view)[0][..., 0] > 0.4
    assert (estimate.floor & truth).sum() / (estimate.floor | truth).sum() > 0.7
    height = unproject(estimate.depth, view) @ np.array([0, 0, 1.0]) - view.center[2]
    assert np.abs(height[estimate.floor & truth] + 1.5).max() < 0.5  # within the error of the estimated horizon
    assert not estimate.sky.any()


@pytest.mark.parametrize("pitch", [-20.0, -8.0, 4.0])
def test_the_pitch_of_a_checked_room_is_found_from_its_lines(pitch):
    view = camera(pitch=pitch, size=(832, 480))
    gray = (render(view)[0].mean(axis=-1) * 255).astype(np.uint8)
    assert estimate_up(gray, view.intrinsics).pitch_deg == pytest.approx(pitch, abs=2.0)  # the grid has steps of 1


def test_a_blue_sky_over_a_wall_is_sky_and_a_white_ceiling_is_not():
    view = camera(pitch=8.0, size=(416, 240))
    rgb, _, truth = render(view, roofless=True)
    assert (sky_mask(rgb) == truth).mean() > 0.97
    white = rgb.copy()
    white[truth] = (0.62, 0.58, 0.50)
    assert not sky_mask(white).any()


@given(
    st.lists(st.tuples(st.integers(12, 40), st.floats(-1, 1), st.floats(-50, 50)), min_size=1, max_size=5),
)
def test_straight_pieces_of_a_curve_cover_it_and_fit_it(parts):
    curve = np.concatenate([offset + slope * np.arange(n) for n, slope, offset in parts])
    cut = pieces(curve, np.ones(len(curve)), penalty=1e-3, least=10)
    assert cut[0][0] == 0
    assert cut[-1][1] == len(curve)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(cut))
    fitted = np.concatenate([np.linspace(a, b, stop - start) for start, stop, a, b in cut])
    assert np.abs(fitted - curve).max() < 0.5


def test_the_depth_picture_shows_near_red_far_blue_and_sky_grey():
    depth = np.geomspace(1, 50, 64, dtype=np.float32)[:, None].repeat(64, axis=1)
    sky = np.zeros(depth.shape, bool)
    sky[-4:] = True
    picture = depth_picture(depth, sky)
    assert picture.dtype == np.uint8
    assert picture[0, 0, 0] > picture[0, 0, 2]
    assert picture[-8, 0, 2] > picture[-8, 0, 0]
    assert (picture[-1] == 225).all()

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What is invented must continue what is seen: planes in depth, the right texture in colour."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lyra_core.errors import InputError
from lyra_core.kernels import launch, patch
from lyra_core.models.video.fill.clean import trusted
from lyra_core.models.video.fill.geometry import FLOOR, SKY, WALL, complete_geometry, snapped_geometry
from lyra_core.models.video.fill.texture import Lender, TextureSettings, fill_texture
from lyra_core.models.video.reproject import complete_view, key_views
from lyra_core.types import Guide
from tests.models.scene import HEIGHT, WIDTH, camera, guide, render


def _side(share=0.35):
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[:, int((1 - share) * WIDTH) :] = True
    return hole


def test_floor_and_wall_keep_their_planes_beyond_the_border_of_the_picture():
    view, hole = camera(), _side()
    truth = render(view)[1]
    done = complete_geometry(guide(view, hole), ~hole)
    error = np.abs(done.depth - truth)[hole] / truth[hole]
    # The contact line may shift by a cell of 4 pixels; everything else lies on its plane.
    assert np.median(error) < 0.01
    assert np.percentile(error, 95) < 0.05


def test_known_depth_is_kept_to_the_bit():
    view, hole = camera(), _side()
    made = guide(view, hole)
    done = complete_geometry(made, ~hole)
    assert (done.depth[~hole] == made.depth[~hole]).all()


def test_a_torn_hole_takes_the_depth_of_the_far_side():
    view = camera()
    rgb, depth, sky = render(view)
    board = np.zeros_like(sky)
    board[10:90, 60:100] = True
    hole = np.zeros_like(sky)
    hole[10:90, 100:124] = True
    known = ~hole
    near = np.where(board, np.float32(1.8), depth)
    xy = np.where(known[..., None], np.full(2, 60.0), np.nan).astype(np.float32)
    torn = Guide(rgb, np.where(known, near, 0), known, sky, np.where(known, 0, -1).astype(np.int32), xy, view)
    done = complete_geometry(torn, known)
    assert np.abs(done.depth / depth - 1)[hole].max() < 0.25
    assert np.median(np.abs(done.depth / depth - 1)[hole]) < 0.02


def test_sky_stays_sky_and_nothing_below_the_horizon_becomes_sky():
    view, hole = camera(pitch=10.0), _side()
    done = complete_geometry(guide(view, hole, roofless=True), ~hole)
    truth = render(view, roofless=True)[2]
    assert truth[hole].mean() > 0.2
    assert (done.sky == truth)[hole].mean() > 0.93
    assert (done.depth[done.sky] == 0).all()
    assert (done.depth[~done.sky] > 0).all()


def test_floor_is_filled_from_floor_and_wall_from_wall():
    view, hole = camera(), _side()
    frame = complete_view(guide(view, hole), 7, np.random.default_rng(0))
    done = complete_geometry(guide(view, hole), ~hole)
    red = frame.rgb[..., 0] > frame.rgb[..., 2]
    assert red[hole & (done.kind == FLOOR)].mean() > 0.97
    assert (~red)[hole & (done.kind == WALL)].mean() > 0.97
    assert not (done.kind == SKY).any()


def test_filled_texture_is_as_lively_as_its_source():
    view = camera(size=(416, 240))
    hole = np.zeros((240, 416), bool)
    hole[:, 270:] = True
    frame = complete_view(guide(view, hole), 7, np.random.default_rng(0))
    floor = render(view)[0][..., 0] > 0.4
    strength = [np.abs(np.diff(frame.rgb[..., 0], axis=1))[(floor & part)[:, 1:]].mean() for part in (hole, ~hole)]
    assert strength[0] > 0.4 * strength[1]  # a smear has next to none


def test_known_pixels_are_copied_and_only_invented_ones_are_owned():
    view, hole = camera(), _side()
    made = guide(view, hole)
    frame = complete_view(made, 3, np.random.default_rng(0))
    known = trusted(made)
    assert (frame.rgb[known] == np.clip(made.rgb[known], 0, 1)).all()
    assert (frame.owned == ~known).all()
    assert ((frame.depth > 0) | frame.sky).all()


def test_crumbs_over_a_hole_are_dropped_and_solid_ground_is_not():
    view, hole = camera(), _side(0.5)
    hole[60:63, 190:194] = False
    keep = trusted(guide(view, hole))
    assert not keep[60:63, 190:194].any()
    assert keep[:, : WIDTH // 2 - 6].all()


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(monkeypatch):
    made = guide(camera(), _side())
    frames = []
    for workers in (1, 3):
        monkeypatch.setattr(
            patch, "run_bands", lambda task, n, workers=None, w=workers: launch.run_bands(task, n, workers=w)
        )
        frames.append(complete_view(made, 3, np.random.default_rng(5)))
    assert frames[0].rgb.tobytes() == frames[1].rgb.tobytes()
    assert frames[0].depth.tobytes() == frames[1].depth.tobytes()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_view_that_is_all_known_or_all_unknown_is_completed(share):
    hole = np.full((HEIGHT, WIDTH), bool(share))
    frame = complete_view(guide(camera(), hole), 0, np.random.default_rng(0))
    assert np.isfinite(frame.rgb).all()
    assert frame.owned.mean() == share
    assert ((frame.depth > 0) | frame.sky).all()


@given(holes=st.lists(st.floats(0, 1), min_size=1, max_size=120))
@example(holes=[1.0, 0.0])
def test_key_views_shrink_what_lacks_and_never_come_twice(holes):
    left = np.array(holes)
    seen = []
    for position in key_views(len(left), left.__getitem__):
        assert left[position] >= 0.015
        seen.append(position)
        left *= 0.5
        left[position] = 0.0
    assert len(seen) == len(set(seen))
    if max(holes) >= 0.015 and len(holes) < 32:  # every view is a candidate then
        assert seen


def test_a_view_with_little_to_go_by_waits_for_a_nearer_one():
    first = next(key_views(5, lambda p: [0.1, 0.3, 0.5, 0.8, 1.0][p]))
    assert first == 2


def test_a_guess_decides_which_of_two_textures_is_copied():
    """Left half dark stripes, right half bright stripes; the hole between takes those whose colour is expected."""
    rows = np.arange(96)[:, None, None]
    stripes = np.where(rows // 3 % 2 == 0, 0.15, 0.0).astype(np.float32)
    rgb = np.broadcast_to(stripes, (96, 144, 3)).copy()
    rgb[:, :72] += np.float32(0.1)
    rgb[:, 72:] += np.float32(0.7)
    known = np.ones((96, 144), bool)
    known[:, 48:96] = False
    kind, depth = np.zeros((96, 144), np.uint8), np.full((96, 144), 3.0, np.float32)
    for expected in (0.17, 0.77):
        guess = np.where(known[..., None], cv2.blur(rgb, (7, 7)), np.float32(expected)).astype(np.float32)
        filled = fill_texture(rgb, known, kind, depth, rng=np.random.default_rng(0), guess=guess)
        hole = filled[:, 52:92]
        assert abs(float(hole.mean()) - expected) < 0.1
        assert hole.std() > 0.04  # stripes, not the smooth guess
        assert np.array_equal(filled[known], rgb[known])


def test_expected_depth_near_a_plane_comes_onto_it_and_far_from_all_stays():
    view, hole = camera(), _side()
    _, truth, _ = render(view)
    waves = 1 + 0.15 * np.sin(np.arange(WIDTH) / 5)[None] * np.cos(np.arange(HEIGHT) / 7)[:, None]
    expected = (truth * waves).astype(np.float32)
    made = guide(view, hole)
    done = snapped_geometry(made, ~hole, expected, np.zeros_like(hole))
    error = np.abs(done.depth - truth)[hole] / truth[hole]
    assert np.median(np.abs(expected / truth - 1)[hole]) > 0.05
    assert np.median(error) < 0.01
    assert (done.depth[~hole] == made.depth[~hole]).all()
    # A thing that the planes know nothing of, in front of them.
    thing = np.zeros_like(hole)
    thing[70:110, -40:] = True
    done = snapped_geometry(made, ~hole, np.where(thing, 0.3 * truth, truth).astype(np.float32), np.zeros_like(hole))
    assert done.depth[thing] == pytest.approx(0.3 * truth[thing], rel=1e-3)
    assert (done.kind[thing] == WALL).all()


def test_what_stands_at_the_rim_is_no_wall_across_the_unseen_where_the_floor_is_expected():
    """A bollard at the picture's right rim: planes alone go on with it as far as the view reaches."""
    view, hole = camera(), _side(0.5)
    rgb, truth, sky = render(view)
    post = np.zeros_like(hole)
    post[40:, WIDTH // 2 - 16 : WIDTH // 2] = True
    known = ~hole
    depth = np.where(post, np.float32(1.2), truth)
    at = np.stack(np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5), axis=-1)
    at[..., 0] *= 2  # the source picture ended where the hole begins
    made = Guide(
        rgb, np.where(known, depth, 0), known, sky, np.where(known, 0, -1).astype(np.int32),
        np.where(known[..., None], at, np.nan).astype(np.float32), view,
    )  # fmt: skip
    low = hole & (np.arange(HEIGHT) > 100)[:, None]
    planes = complete_geometry(made, known)
    snapped = snapped_geometry(made, known, truth, np.zeros_like(hole))
    assert np.median(np.abs(planes.depth / truth - 1)[low]) > 0.3, "the fault that this is for"
    assert np.abs(snapped.depth / truth - 1)[low].max() < 0.05


def test_sky_is_expected_only_where_sky_was_seen_and_nothing_is_below_the_floor():
    view, hole = camera(pitch=10.0), _side()
    made = guide(view, hole, roofless=True)
    _, truth, sky = render(view, roofless=True)
    done = snapped_geometry(made, ~hole, np.where(sky, 0, truth).astype(np.float32), sky)
    assert (done.sky == sky)[hole].mean() > 0.98
    assert (done.depth[done.sky] == 0).all()
    view = camera()
    _, truth, _ = render(view)
    none = np.zeros_like(hole)
    done, deep = (snapped_geometry(guide(view, hole), ~hole, k * truth, none) for k in (1.0, 3.0))
    floor = hole & (done.kind == FLOOR)
    assert floor.sum() > 500
    assert (deep.depth[floor] <= done.depth[floor] * 1.001).all()
    indoors = snapped_geometry(guide(view, hole), ~hole, np.zeros_like(truth), np.ones_like(hole))
    assert not indoors.sky.any()
    assert (indoors.depth > 0).all()


def _grey_with_a_hole(width=144):
    """rgb, known and depth of a grey picture with a hole in its middle."""
    rgb, known = np.full((96, width, 3), 0.5, np.float32), np.ones((96, width), bool)
    known[30:70, 40:110] = False
    return rgb, known, np.full((96, width), 3.0, np.float32)


def _stripes(period, height=96, width=144):
    return np.broadcast_to(
        np.where(np.arange(height)[:, None, None] // period % 2 == 0, 0.8, 0.2), (height, width, 3)
    ).astype(np.float32)


def test_a_lender_gives_what_the_view_itself_does_not_hold():
    """The view shows wall alone, the hole is floor; the photo beside it shows a floor of stripes."""
    rgb, known, depth = _grey_with_a_hole()
    kind = np.where(known, WALL, FLOOR).astype(np.uint8)
    lender = Lender(_stripes(4), np.ones_like(known), np.full_like(kind, FLOOR), depth)
    alone = fill_texture(rgb, known, kind, depth, rng=np.random.default_rng(0))
    lent = fill_texture(rgb, known, kind, depth, rng=np.random.default_rng(0), lender=lender)
    middle = (slice(38, 62), slice(50, 100))
    assert alone[middle].std() < 0.01
    assert lent[middle].std() > 0.2, "stripes"
    assert np.array_equal(lent[known], rgb[known])
    nothing = fill_texture(rgb, np.zeros_like(known), kind, depth, rng=np.random.default_rng(0), lender=lender)
    assert nothing.std() > 0.2, "even where nothing of the view is known"


def test_pixels_of_a_lender_that_are_not_known_are_not_copied():
    rgb, known, depth = _grey_with_a_hole()
    kind = np.full((96, 144), WALL, np.uint8)
    poison = np.ones((96, 144, 3), np.float32)
    poison[:, :70] = 0.25
    held = np.broadcast_to(np.arange(144) < 70, known.shape)
    lender = Lender(poison, held, kind, depth)
    filled = fill_texture(rgb, known, kind, depth, rng=np.random.default_rng(0), lender=lender)
    assert filled.max() < 0.51


@pytest.mark.parametrize("wrong", ["size", "guess"])
def test_a_lender_that_does_not_fit_is_refused(wrong):
    rgb, known, depth = _grey_with_a_hole()
    kind = np.zeros((96, 144), np.uint8)
    part = (slice(None), slice(0, 100)) if wrong == "size" else ()
    lender = Lender(rgb[part], known[part], kind[part], depth[part])
    with pytest.raises(InputError, match="as large as the picture"):
        fill_texture(
            rgb,
            known,
            kind,
            depth,
            rng=np.random.default_rng(0),
            lender=lender,
            guess=rgb if wrong == "guess" else None,
        )


@pytest.mark.parametrize("width", [144, 143, 137])
def test_what_is_lent_is_copied_from_its_own_place_at_any_width(width):
    """Every column of the lender has its own colour: copies are whole pieces of it, not of what lies beside it."""
    rgb, known, depth = _grey_with_a_hole(width)
    kind = np.where(known, WALL, FLOOR).astype(np.uint8)
    ramp = np.broadcast_to(np.linspace(0.1, 0.9, width)[None, :, None], (96, width, 3)).astype(np.float32)
    lender = Lender(ramp, np.ones_like(known), np.full_like(kind, FLOOR), depth)
    filled = fill_texture(
        rgb,
        known,
        kind,
        depth,
        rng=np.random.default_rng(0),
        lender=lender,
        settings=TextureSettings(finest=2, seam_weight=0.05),
    )
    slope = np.diff(filled[34:66, 50:100, 0], axis=1)
    assert np.median(slope) == pytest.approx(0.8 / (width - 1), rel=0.05)


def test_a_source_that_is_used_much_costs_more_so_that_one_patch_is_not_everywhere(rng):
    """A plain guess is served best by the one calm place: without the cost of use it gives all that is missing."""
    rgb = rng.uniform(0.2, 0.8, (96, 144, 3)).astype(np.float32)
    rgb[20:44, 20:44] = 0.5
    known = np.ones((96, 144), bool)
    known[:, 80:] = False
    kind, depth = np.zeros((96, 144), np.uint8), np.full((96, 144), 3.0, np.float32)
    guess = np.where(known[..., None], rgb, np.float32(0.5)).astype(np.float32)

    def filled(weight):
        settings = TextureSettings(usage_weight=weight, start_from_guess=False)
        return fill_texture(rgb, known, kind, depth, rng=np.random.default_rng(0), guess=guess, settings=settings)

    calm = [float((np.abs(filled(weight)[:, 90:] - 0.5).max(axis=2) < 0.02).mean()) for weight in (0.0, 0.02)]
    assert calm[0] > 0.6
    assert calm[1] < 0.85 * calm[0]

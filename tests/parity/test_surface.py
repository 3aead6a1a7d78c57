# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""render_surface: invariants, ground truth of an exact room, and NumPy against Warp."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyra_core.errors import InputError
from lyra_core.kernels import launch
from lyra_core.ops.surface import _codes, prepare_surface, render_surface, tile_hull
from lyra_core.types import Camera
from tests.memory import room


def seen(center, target, *, width=208, height=120, **options):
    view = room.camera(center, target, width, height)
    rgb, depth, sky = room.render(view)
    return prepare_surface(depth, view, rgb=rgb, sky=sky, **options), (rgb, depth, sky), view


def psnr(a, b) -> float:
    return float(-10 * np.log10(((a - b) ** 2).mean()))


WHOLE = (room.camera((0.3, -1.9, 1.5), (0.1, 2.0, 1.0)), room.render(room.camera((0.3, -1.9, 1.5), (0.1, 2.0, 1.0)))[1])
START = ((0.0, -2.2, 1.4), (0.0, 2.0, 1.0))


def test_the_view_itself_comes_back_to_the_byte():
    surface, (rgb, depth, sky), view = seen(*START)
    got = render_surface([surface], view, sky=True)
    row, column = np.indices(depth.shape)
    # All but the few pixels that hang on no quad: box sides that are seen one pixel wide.
    assert got.known.mean() > 0.998
    np.testing.assert_array_equal(np.round(got.rgb[got.known] * 255), np.round(rgb[got.known] * 255))
    surfaces = got.known & ~got.sky
    np.testing.assert_allclose(got.depth[surfaces], depth[surfaces], rtol=1e-5)
    np.testing.assert_allclose(got.source_xy[got.known], np.stack([column, row], -1)[got.known] + 0.5, atol=1e-3)
    np.testing.assert_array_equal(got.sky[got.known], sky[got.known])


@pytest.mark.parametrize("center", [(0.3, -1.9, 1.5), (-0.5, -2.6, 1.2), (0.0, -0.8, 1.3)])
def test_a_moved_view_agrees_with_the_exact_room(center):
    surface, _, _ = seen(*START)
    view = room.camera(center, (0.1, 2.0, 1.0))
    rgb, depth, sky = room.render(view)
    got = render_surface([surface], view, sky=True)
    surfaces = got.known & ~got.sky
    assert surfaces.mean() > 0.5
    error = np.abs(got.depth - depth)[surfaces] / np.maximum(depth[surfaces], 0.1)
    # Silhouettes may be half a source pixel off; everything else is planar and thus exact to rounding.
    assert np.quantile(error, 0.95) < 2e-3
    assert psnr(got.rgb[got.known], rgb[got.known]) > 28
    assert (got.sky & ~sky).mean() < 5e-3


@given(scale=st.floats(1.0, 3.0), dx=st.floats(-0.2, 0.2), dy=st.floats(-0.2, 0.2), roll=st.floats(-0.5, 0.5))
@settings(max_examples=25, deadline=None)
def test_no_crack_opens_when_the_camera_moves_closer(scale, dx, dy, roll):
    k = np.array([[60.0, 0, 40], [0, 60.0, 30], [0, 0, 1]])
    source = Camera(k, np.eye(4), 80, 60)
    row, column = np.indices((60, 80))
    depth = (3.0 + 0.2 * np.sin(column / 5) * np.cos(row / 7) + 0.004 * column).astype(np.float32)
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]]
    pose[:3, 3] = [dx, dy, 3.0 - 3.0 / scale]
    target = Camera(k, pose, 80, 60)
    got = render_surface([prepare_surface(depth, source)], target)
    # Every target pixel whose surface point lies inside the source image must be drawn.
    y, x = np.indices((60, 80)) + 0.5
    ray = np.stack([(x - 40) / 60, (y - 30) / 60, np.ones_like(x)], -1) @ pose[:3, :3].T
    inside_all = np.ones((60, 80), bool)
    for z in (2.7, 3.6):  # nearest and farthest surface
        t = (z - pose[2, 3]) / ray[..., 2]
        point = pose[:3, 3] + t[..., None] * ray
        u, v = 60 * point[..., 0] / z + 40, 60 * point[..., 1] / z + 30
        inside = (u > 0.5) & (u < 79.5) & (v > 0.5) & (v < 59.5)
        inside_all &= inside
    assert got.known[inside_all].all()


def test_the_back_of_a_surface_is_not_drawn():
    k = np.array([[60.0, 0, 40], [0, 60.0, 30], [0, 0, 1]])
    source = Camera(k, np.eye(4), 80, 60)
    surface = prepare_surface(np.full((60, 80), 2.0, np.float32), source)
    behind = np.diag([-1.0, 1.0, -1.0, 1.0])
    behind[2, 3] = 4.0  # 2 m behind the wall, looking back
    assert not render_surface([surface], Camera(k, behind, 80, 60)).known.any()


def test_depth_jumps_are_cut_and_nothing_spans_them():
    k = np.array([[60.0, 0, 40], [0, 60.0, 30], [0, 0, 1]])
    source = Camera(k, np.eye(4), 80, 60)
    depth = np.full((60, 80), 4.0, np.float32)
    depth[20:40, 30:50] = 2.0
    pose = np.eye(4)
    pose[0, 3] = 0.3
    got = render_surface([prepare_surface(depth, source)], Camera(k, pose, 80, 60))
    z = got.depth[got.known]
    assert np.isin(np.round(z, 3), (2.0, 4.0)).all()
    assert not got.known.all()  # the disocclusion is a hole


def test_colour_does_not_bleed_across_a_silhouette():
    """A red square before a blue wall, seen from the side: every pixel is red or blue, none is mixed."""
    k = np.array([[60.0, 0, 40], [0, 60.0, 30], [0, 0, 1]])
    source = Camera(k, np.eye(4), 80, 60)
    depth = np.full((60, 80), 4.0, np.float32)
    depth[20:40, 30:50] = 2.0
    rgb = np.where((depth == 2.0)[..., None], [1.0, 0, 0], [0, 0, 1.0]).astype(np.float32)
    pose = np.eye(4)
    pose[:3, 3] = 0.31, 0.07, 0.4
    for bicubic in (True, False):
        got = render_surface([prepare_surface(depth, source, rgb=rgb)], Camera(k, pose, 80, 60), bicubic=bicubic)
        red = np.abs(got.depth - 1.6) < 1e-3
        mixed = np.minimum(got.rgb[got.known][:, 0], got.rgb[got.known][:, 2])
        # Bicubic corner taps (weight below 0.5 %) are let through.
        assert mixed.max() < 0.02
        assert (got.rgb[red & got.known][:, 0] > 0.97).all()


def test_flying_pixels_are_dropped():
    k = np.array([[60.0, 0, 40], [0, 60.0, 30], [0, 0, 1]])
    camera = Camera(k, np.eye(4), 80, 60)
    depth = np.full((60, 80), 4.0, np.float32)
    depth[30, 40] = 2.0
    got = render_surface([prepare_surface(depth, camera)], camera)
    np.testing.assert_allclose(got.depth[got.known], 4.0, rtol=1e-5)
    assert (~got.known).sum() <= 1


def test_regions_of_two_owners_meet_without_a_gap():
    view = room.camera(*START)
    rgb, depth, _ = room.render(view)
    left = np.indices(depth.shape)[1] < 90
    parts = [prepare_surface(depth, view, shown=left, rgb=rgb), prepare_surface(depth, view, shown=~left, rgb=rgb)]
    whole = prepare_surface(depth, view, rgb=rgb)
    closer = room.camera((0.05, -0.9, 1.35), (0.0, 2.0, 1.0))
    options = {"tolerance": 0.02}
    got, want = render_surface(parts, closer, **options), render_surface([whole], closer, **options)
    np.testing.assert_array_equal(got.known, want.known)
    assert {0, 1} <= set(np.unique(got.source).tolist())


def test_the_earlier_source_keeps_a_shared_surface_unless_the_later_is_much_finer():
    far, _, _ = seen((0.0, -2.6, 1.4), (0.0, 2.0, 1.0))
    near, _, _ = seen((0.0, 0.0, 1.3), (0.0, 2.0, 1.0))
    target = room.camera((0.0, -0.2, 1.3), (0.0, 2.0, 1.0))
    both = {"tolerance": 0.05, "finer": 0.0}
    kept = render_surface([far, near], target, **both)
    shared = render_surface([far], target).known & render_surface([near], target).known
    assert (kept.source[shared & (kept.depth > 1.5)] == 0).mean() > 0.95
    finer = render_surface([far, near], target, tolerance=0.05, finer=1.5)
    wall = shared & (finer.depth > 3.5)
    assert wall.any()
    assert (finer.source[wall] == 1).mean() > 0.95


def test_sky_is_at_infinity():
    surface, _, view = seen((0.0, -2.2, 1.4), (0.0, 2.0, 2.4))
    moved = view.moved(view.world_from_camera + np.array([[0, 0, 0, 0.4], [0, 0, 0, 0.3], [0, 0, 0, 0], [0, 0, 0, 0]]))
    sky_only = prepare_surface(np.zeros_like(surface.depth), view, rgb=surface.rgb, sky=surface.sky > 0)
    got = render_surface([sky_only], moved, sky=True)
    np.testing.assert_array_equal(got.sky, surface.sky > 0)
    np.testing.assert_array_equal(got.rgb[got.sky], surface.rgb[got.sky] / np.float32(255))


@pytest.mark.parametrize("bicubic", [True, False])
def test_warp_agrees_with_numpy(bicubic):
    size = {"width": 64, "height": 40}
    sources = [seen(*START, **size)[0], seen((0.4, -1.2, 1.6), (0.1, 2.0, 0.9), **size)[0]]
    for center in ((0.1, -1.7, 1.3), (0.2, -2.8, 1.5)):
        target = room.camera(center, (0.2, 2.0, 1.0), **size)
        options = {"tolerance": 0.03, "finer": 1.5, "sky": True, "bicubic": bicubic}
        one = render_surface(sources, target, device="numpy", **options)
        two = render_surface(sources, target, device="cpu", **options)
        # float32 against float64 decides edges that pass within rounding of a pixel centre.
        assert (one.source != two.source).mean() < 5e-3
        same = (one.source == two.source) & one.known & (np.abs(one.depth - two.depth) < 1e-3)
        assert same.sum() > 0.99 * one.known.sum()
        np.testing.assert_allclose(two.source_xy[same], one.source_xy[same], atol=2e-3)
        np.testing.assert_allclose(two.rgb[same], one.rgb[same], atol=4e-3)
        np.testing.assert_array_equal(two.sky[same], one.sky[same])


def test_the_result_does_not_depend_on_the_number_of_threads(monkeypatch):
    sources = [seen(*START)[0], seen((0.4, -1.2, 1.6), (0.1, 2.0, 0.9))[0]]
    target = room.camera((0.1, -1.7, 1.3), (0.2, 2.0, 1.0))
    views = []
    for threads in (1, 2, 5):
        monkeypatch.setenv("LYRA_THREADS", str(threads))
        launch.worker_count.cache_clear()
        views.append(render_surface(sources, target, tolerance=0.03, finer=1.5, sky=True))
    launch.worker_count.cache_clear()
    for other in views[1:]:
        for name in ("depth", "source", "source_xy", "rgb", "sky"):
            np.testing.assert_array_equal(getattr(views[0], name), getattr(other, name))


@given(top=st.integers(0, 110), left=st.integers(0, 190), tall=st.integers(1, 60), wide=st.integers(1, 90))
@settings(max_examples=20, deadline=None)
def test_a_small_shown_region_is_cut_as_in_the_whole_image(top, left, tall, wide):
    shown = np.zeros(WHOLE[1].shape, bool)
    shown[top : top + tall, left : left + wide] = True
    got = prepare_surface(WHOLE[1], WHOLE[0], shown=shown).code
    np.testing.assert_array_equal(got, _codes(WHOLE[1], WHOLE[1] > 0, shown & (WHOLE[1] > 0), 0.05))


def test_hulls_hold_every_drawn_point():
    surface, (_, depth, _), view = seen(*START)
    from lyra_core.geometry import unproject

    hull = tile_hull(surface)
    points = unproject(depth, view)[depth > 0]
    low, high = hull.reshape(-1, 3).min(0), hull.reshape(-1, 3).max(0)
    assert ((points >= low) & (points <= high)).all()


def test_nothing_to_draw_is_an_empty_view():
    view = room.camera(*START)
    got = render_surface([], view, sky=True)
    assert not got.known.any()
    assert np.isnan(got.source_xy).all()


def test_a_depth_map_of_another_size_is_refused():
    with pytest.raises(InputError, match="camera's size"):
        prepare_surface(np.ones((10, 10), np.float32), room.camera(*START))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""reproject and reliability_mask: invariants, ground truth of an exact room, and NumPy against Warp."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from lyra_core.errors import ConfigError, InputError
from lyra_core.kernels import launch
from lyra_core.ops.reproject import Source, project_pixels, reliability_mask, reproject
from lyra_core.types import Camera
from tests.memory import room

START = ((0.0, -2.2, 1.4), (0.0, 2.0, 1.0))


def source(center=START[0], target=START[1], **size) -> Source:
    view = room.camera(center, target, **size)
    rgb, depth, _ = room.render(view)
    return Source(rgb, depth, reliability_mask(depth), view)


def flat(depth=2.0, width=40, height=30) -> tuple[Camera, np.ndarray]:
    k = np.array([[32.0, 0, width / 2], [0, 32.0, height / 2], [0, 0, 1]])  # powers of two: exact shifts
    return Camera(k, np.eye(4), width, height), np.full((height, width), depth, np.float32)


def shifted(camera: Camera, x: float) -> Camera:
    pose = np.eye(4)
    pose[0, 3] = x
    return camera.moved(pose)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_a_view_reprojected_onto_itself_is_itself(device):
    one = source()
    got = reproject([one], one.camera, device=device)
    # Bilinear weights within 1e-4 px of a centre; neighbours may enter with that weight.
    np.testing.assert_allclose(got.rgb[one.valid], one.rgb[one.valid], atol=5e-3)
    np.testing.assert_allclose(got.depth[one.valid], one.depth[one.valid], rtol=5e-3)
    row, column = np.indices(one.depth.shape)
    np.testing.assert_array_equal(got.source[one.valid], 0)
    np.testing.assert_array_equal(got.source_xy[one.valid], np.stack([column, row], -1)[one.valid] + 0.5)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_a_shift_by_half_a_pixel_averages_neighbours(device):
    camera, depth = flat()
    rgb = np.random.default_rng(0).random((*depth.shape, 3), np.float32)
    one = Source(rgb, depth, depth > 0, camera)
    got = reproject([one], shifted(camera, 0.5 * 2.0 / 32), device=device)
    np.testing.assert_allclose(got.rgb[:, :-1], (rgb[:, :-1] + rgb[:, 1:]) / 2, atol=1e-4)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_the_nearer_surface_wins(device):
    camera, depth = flat(4.0)
    depth[10:20, 10:20] = 1.0
    rgb = np.where((depth == 1.0)[..., None], [1.0, 0, 0], [0, 0, 1.0]).astype(np.float32)
    got = reproject([Source(rgb, depth, depth > 0, camera)], shifted(camera, 0.05), device=device)
    red = got.rgb[13:17, 10:14]  # the near square moves left by 2 px, the wall by half a pixel
    np.testing.assert_allclose(red, np.broadcast_to([1.0, 0, 0], red.shape), atol=1e-3)
    np.testing.assert_allclose(got.depth[13:17, 10:14], 1.0, atol=1e-3)
    assert (got.depth[got.mask] > 0.99).all()


@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_integer_shifts_count_once_by_default_and_fourfold_in_reference_mode(device):
    camera, depth = flat(2.0)
    other = np.zeros_like(depth)
    other[:, ::2] = 2.0
    rgb_a, rgb_b = np.zeros((*depth.shape, 3), np.float32), np.ones((*depth.shape, 3), np.float32)
    target = shifted(camera, 2.0 / 32)  # exactly one pixel
    half = shifted(camera, 0.5 * 2.0 / 32)
    sources = [Source(rgb_a, depth, depth > 0, camera), Source(rgb_b, depth, depth > 0, half)]
    # Pixels of the first land on integers, those of the second half way: two neighbours at 0.5 each.
    default = reproject(sources, target, device=device).rgb[5:-5, 5:-5, 0]
    np.testing.assert_allclose(default, 0.5, atol=1e-3)
    reference = reproject(sources, target, device=device, compat="reference").rgb[5:-5, 5:-5, 0]
    # Rows are integers for both (twice), columns for the first only: weights 4 and 2.
    np.testing.assert_allclose(reference, 1 / 3, atol=1e-3)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_what_is_invalid_or_behind_draws_nothing(device):
    camera, depth = flat(2.0)
    rgb = np.ones((*depth.shape, 3), np.float32)
    nothing = np.zeros(depth.shape, bool)
    assert not reproject([Source(rgb, depth, nothing, camera)], camera, device=device).mask.any()
    forward = np.eye(4)
    forward[2, 3] = 3.0
    got = reproject([Source(rgb, depth, depth > 0, camera)], camera.moved(forward), device=device, hole=-1.0)
    assert not got.mask.any()
    assert (got.source == -1).all()
    np.testing.assert_array_equal(got.rgb, -1)


def test_the_target_shows_what_the_room_shows():
    one = source(width=416, height=240)
    target = room.camera((0.2, -2.0, 1.45), (0.1, 2.0, 1.0), 416, 240)
    rgb, depth, _ = room.render(target)
    got = reproject([one], target)
    assert 0.5 < got.mask.mean() < 1
    error = np.abs(got.depth - depth)[got.mask] / np.maximum(depth[got.mask], 0.1)
    assert np.quantile(error, 0.95) < 5e-3
    assert np.abs(got.rgb - rgb)[got.mask].mean() < 0.02


@pytest.mark.parametrize("compat", ["default", "reference"])
def test_warp_agrees_with_numpy(compat):
    sources = [source(width=104, height=60), source((0.5, -1.9, 1.5), (0.1, 2, 1), width=88, height=52)]
    target = room.camera((0.2, -2.0, 1.45), (0.1, 2.0, 1.0), 96, 64)
    one = reproject(sources, target, device="numpy", compat=compat)
    two = reproject(sources, target, device="cpu", compat=compat)
    assert (one.mask != two.mask).mean() < 2e-3
    both = one.mask & two.mask
    np.testing.assert_allclose(two.rgb[both], one.rgb[both], atol=1e-3)
    np.testing.assert_allclose(two.depth[both], one.depth[both], rtol=1e-3)
    np.testing.assert_array_equal(np.isnan(two.source_xy).any(-1), two.source < 0)
    assert (one.source != two.source).mean() < 2e-3
    same = (one.source == two.source) & (one.source >= 0)
    assert (one.source_xy[same] != two.source_xy[same]).any(-1).mean() < 5e-3  # rounding at half a pixel
    assert abs(one.log_maximum - two.log_maximum) < 1e-6


def test_the_index_names_the_pixel_that_lands_there():
    sources = [source(), source((0.5, -1.9, 1.5), (0.1, 2, 1))]
    target = room.camera((0.2, -2.0, 1.45), (0.1, 2.0, 1.0))
    got = reproject(sources, target)
    for number, one in enumerate(sources):
        row, column = np.nonzero(got.source == number)
        assert len(row)
        x, y = got.source_xy[row, column].T.astype(int)
        landed = project_pixels(one.camera, one.depth, target)[y, x]
        assert np.abs(landed[:, 0] - column - 0.5).max() <= 0.5 + 1e-3
        assert np.abs(landed[:, 1] - row - 0.5).max() <= 0.5 + 1e-3


def test_the_result_does_not_depend_on_the_number_of_threads(monkeypatch):
    one = source()
    target = room.camera((0.2, -2.0, 1.45), (0.1, 2.0, 1.0))
    views = []
    for threads in (1, 2, 5):
        monkeypatch.setenv("LYRA_THREADS", str(threads))
        launch.worker_count.cache_clear()
        views.append(reproject([one], target))
    launch.worker_count.cache_clear()
    for other in views[1:]:
        np.testing.assert_array_equal(views[0].rgb, other.rgb)
        np.testing.assert_array_equal(views[0].source_xy, other.source_xy)


def plain_mask(depth, ratio, full_count):
    """The 5x5 window written out."""
    height, width = depth.shape
    out = np.zeros(depth.shape, bool)
    for y in range(height):
        for x in range(width):
            window = depth[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
            mean = window.sum() / (25 if full_count else window.size)
            out[y, x] = depth[y, x] > 0 and (window.max() - window.min()) / (mean + 1e-6) < ratio
    return out


@pytest.mark.parametrize("compat", ["default", "reference"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (61, 4), (40, 1500)])
def test_the_separable_mask_is_the_plain_mask(shape, compat):
    rng = np.random.default_rng(3)
    depth = (2 + 0.05 * rng.random(shape) + (rng.random(shape) < 0.02)).astype(np.float32)
    depth[rng.random(shape) < 0.01] = 0
    got = reliability_mask(depth, compat=compat)
    np.testing.assert_array_equal(got, plain_mask(depth.astype(np.float64), 0.05, compat == "reference"))


def test_no_source_and_wrong_sizes_are_refused():
    camera, depth = flat()
    with pytest.raises(InputError, match="at least one source"):
        reproject([], camera)
    with pytest.raises(InputError, match=r"Source\.depth"):
        Source(np.zeros((30, 40, 3), np.float32), depth[:-1], depth > 0, camera)
    with pytest.raises(ConfigError, match="Unknown device"):
        reliability_mask(depth, device="tpu")


def test_starting_warp_prints_nothing():
    code = "from lyra_core.kernels.launch import initialise; initialise()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr == ""

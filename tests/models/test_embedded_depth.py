# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The embedded depth model: its files, its network, its edges, and what it makes of a room nobody trained on."""

import shutil

import cv2
import numpy as np
import pytest
import torch

from lyra_core.errors import InputError, ModelError
from lyra_core.models.depth import embedded
from lyra_core.models.depth.embedded import EmbeddedDepth
from lyra_core.models.depth.encoder import Encoder, fold_imagenet_weights
from lyra_core.models.depth.inference import NetworkOutput, fit_up, run_mirrored, run_network, working_size
from lyra_core.models.depth.network import DepthNetwork, Shape, ray_grid
from lyra_core.models.depth.upsample import (
    agreed_detail,
    blend_detail,
    sky_mask,
    smooth_surfaces,
    snap_edges,
    upsample_log_depth,
)
from lyra_core.models.depth.weights import CONFIG_FILE, WEIGHTS_FILE, default_folder, write_weights
from lyra_core.models.protocols import DepthModel


def _intrinsics(width, height, focal):
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


@pytest.fixture(scope="module")
def model():
    return EmbeddedDepth()


@pytest.fixture(scope="module")
def room():
    from lyra_core.training.renderer import render
    from lyra_core.training.rooms import make_room

    made = make_room(990_017)  # training uses seeds 100,000 and up to 100,999
    camera = made.start_camera(width=320, height=192)
    rgb, depth, sky = render(made.scene, camera)
    return rgb, depth, sky, camera


def test_the_model_follows_the_protocol(model):
    assert isinstance(model, DepthModel)
    assert model.name == "embedded"


def test_a_missing_weight_names_the_file_and_the_way_out(tmp_path):
    with pytest.raises(ModelError, match=WEIGHTS_FILE) as caught:
        EmbeddedDepth(tmp_path).estimate(np.zeros((64, 64, 3), np.float32), intrinsics=_intrinsics(64, 64, 60))
    assert "--depth-model prior" in str(caught.value)


def test_a_weight_file_cut_short_is_a_model_error(tmp_path):
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        shutil.copy(default_folder() / name, tmp_path / name)
    whole = (tmp_path / WEIGHTS_FILE).read_bytes()
    (tmp_path / WEIGHTS_FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="cannot be read"):
        EmbeddedDepth(tmp_path).load()


def test_weights_of_another_network_are_refused(tmp_path):
    write_weights(tmp_path, {"stranger": torch.zeros(3)}, Shape(), {})
    with pytest.raises(ModelError, match="do not fit"):
        EmbeddedDepth(tmp_path).load()


def test_something_that_is_no_picture_is_an_input_error(model):
    with pytest.raises(InputError, match=r"\(H, W, 3\)"):
        model.estimate(np.zeros((64, 64), np.float32), intrinsics=_intrinsics(64, 64, 60))


def test_a_room_nobody_trained_on_is_understood_better_than_by_a_constant(model, room):
    rgb, depth, sky, camera = room
    found = model.estimate(rgb, intrinsics=camera.intrinsics)
    assert found.depth.shape == depth.shape
    assert found.kind == "metric"
    valid = (depth > 0) & ~sky & (found.depth > 0)
    e, t = found.depth[valid], depth[valid]
    e = e * np.median(t) / np.median(e)
    constant = np.mean(np.abs(np.median(t) - t) / t)
    assert np.mean(np.abs(e - t) / t) < 0.6 * constant
    assert np.degrees(np.arccos(found.up @ camera.world_from_camera[2, :3])) < 10.0


def test_the_same_picture_gives_the_same_bytes_whatever_the_threads(model, room):
    rgb, _, _, camera = room
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = model.estimate(rgb, intrinsics=camera.intrinsics).depth
        torch.set_num_threads(2)
        two = model.estimate(rgb, intrinsics=camera.intrinsics).depth
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(one, two)


def test_depth_does_not_depend_on_the_size_of_the_file(model, room):
    rgb, _, _, camera = room
    double = cv2.resize(rgb, (640, 384), interpolation=cv2.INTER_CUBIC)
    small = model.estimate(rgb, intrinsics=camera.intrinsics).depth
    large = model.estimate(double, intrinsics=camera.resized(640, 384).intrinsics).depth
    both = (small > 0) & (large[1::2, 1::2] > 0)
    # Both are resized to the same working grid; only the resampling differs.
    assert np.median(np.abs(np.log(large[1::2, 1::2][both] / small[both]))) < 0.05


def test_layouts_of_several_resolutions_are_averaged_at_that_of_the_first():
    up = np.array([0.0, -1.0, 0.0])
    first = NetworkOutput(np.full((4, 6), 1.0, np.float32), np.zeros((4, 6), np.float32), up, 0.1)
    tilted = NetworkOutput(
        np.full((8, 12), 3.0, np.float32), np.ones((8, 12), np.float32), np.array([0.0, 0.0, -1.0]), 9
    )
    mean = embedded._mean([first, tilted])
    assert mean.log_depth.shape == mean.sky.shape == (4, 6)
    assert mean.log_depth.dtype == np.float32
    assert np.allclose(mean.log_depth, 2.0)
    assert np.allclose(mean.sky, 0.5)
    assert np.allclose(mean.up, [0, -np.sqrt(0.5), -np.sqrt(0.5)])
    assert mean.up_spread == 0.1
    assert embedded._mean([first]) is first


def test_further_resolutions_change_the_layout_and_none_is_one_pass(model, room):
    rgb, _, _, camera = room
    one = EmbeddedDepth(beside=()).estimate(rgb, intrinsics=camera.intrinsics).depth
    same = EmbeddedDepth(beside=(50_000,), flip=False).estimate(rgb, intrinsics=camera.intrinsics).depth
    plain = EmbeddedDepth(beside=(), flip=False).estimate(rgb, intrinsics=camera.intrinsics).depth
    assert np.allclose(same, plain, rtol=1e-4)  # the mean of twice the same
    many = model.estimate(rgb, intrinsics=camera.intrinsics).depth
    both = (one > 0) & (many > 0)
    assert 1e-3 < np.median(np.abs(np.log(many[both] / one[both]))) < 0.1


def test_a_given_sky_mask_is_obeyed(model, room):
    rgb, _, _, camera = room
    sky = np.zeros(rgb.shape[:2], bool)
    sky[:40] = True
    found = model.estimate(rgb, intrinsics=camera.intrinsics, sky=sky)
    np.testing.assert_array_equal(found.sky, sky)
    assert (found.depth[sky] == 0).all()
    assert (found.depth[~sky] > 0).all()


def test_folding_batch_normalisation_changes_nothing():
    torch.manual_seed(0)
    state = {}

    def layer(convolution, norm, shape):
        state[f"{convolution}.weight"] = torch.randn(shape) * 0.2
        state[f"{norm}.weight"], state[f"{norm}.bias"] = torch.rand(shape[0]) + 0.5, torch.randn(shape[0]) * 0.1
        state[f"{norm}.running_mean"], state[f"{norm}.running_var"] = torch.randn(shape[0]), torch.rand(shape[0]) + 0.3

    layer("_conv_stem", "_bn0", (32, 3, 3, 3))
    folded = fold_imagenet_weights(state)
    image = torch.randn(1, 3, 16, 16)
    plain = torch.nn.functional.conv2d(image, state["_conv_stem.weight"])
    normed = torch.nn.functional.batch_norm(
        plain,
        state["_bn0.running_mean"],
        state["_bn0.running_var"],
        state["_bn0.weight"],
        state["_bn0.bias"],
        eps=1e-3,
    )
    ours = torch.nn.functional.conv2d(image, folded["stem.weight"], folded["stem.bias"])
    torch.testing.assert_close(ours, normed, rtol=1e-4, atol=1e-5)
    assert set(folded) <= set(Encoder().state_dict())


def test_the_network_answers_at_the_size_of_its_input():
    network = DepthNetwork().eval()
    lens = torch.tensor([[100.0, 100.0]]), torch.tensor([[48.0, 32.0]])
    with torch.inference_mode():
        depth, sky, tilt = network(torch.zeros(1, 3, 64, 96), *lens)
    assert depth.shape == sky.shape == (1, 64, 96)
    assert tilt.shape == (1, 4, 6)


def test_twice_the_focal_length_in_pixels_means_twice_the_depth_for_the_same_answer():
    # With untrained (zero) heads the network says the same z / f everywhere, so depth must follow the lens.
    network = DepthNetwork().eval()
    with torch.inference_mode():
        near, far = (
            network(torch.zeros(1, 3, 32, 32), torch.full((1, 2), f), torch.full((1, 2), 16.0))[0].exp()
            for f in (50.0, 100.0)
        )
    torch.testing.assert_close(far, 2 * near)


def test_rays_are_slopes_at_cell_centres():
    rays = ray_grid(32, 64, torch.tensor([[50.0, 40.0]]), torch.tensor([[30.0, 10.0]]), 16)
    assert rays.shape == (1, 3, 2, 4)
    torch.testing.assert_close(rays[0, 0, 0], (torch.tensor([8.0, 24, 40, 56]) - 30) / 50)
    torch.testing.assert_close(rays[0, 1, :, 0], (torch.tensor([8.0, 24]) - 10) / 40)


def test_gravity_is_found_from_elevations_even_if_a_fifth_of_them_lie():
    rng = np.random.default_rng(0)
    up = np.array([0.05, -0.97, -0.2])
    up /= np.linalg.norm(up)
    x, y = np.meshgrid((np.arange(20) + 0.5) * 16, (np.arange(12) + 0.5) * 16)
    rays = np.stack([(x - 160) / 200, (y - 96) / 200, np.ones_like(x)], -1)
    sines = (rays / np.linalg.norm(rays, axis=-1, keepdims=True)) @ up
    sines[rng.uniform(size=sines.shape) < 0.2] += 0.3
    found, _ = fit_up(sines.astype(np.float32), (200.0, 200.0), (160.0, 96.0))
    assert np.degrees(np.arccos(found @ up)) < 1.0


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (720, 1280), (640, 480), (3000, 1000)])
def test_the_working_size_fits_the_network_and_keeps_the_aspect(width, height):
    w, h = working_size(width, height, 86_000)
    assert w % 32 == h % 32 == 0
    assert 0.7 < w * h / 86_000 < 1.4
    assert 0.8 < (w / h) / (width / height) < 1.25


@pytest.mark.parametrize("blur", [0.8, 1.3])
def test_a_blurred_step_becomes_two_plateaus_and_a_ramp_stays(blur):
    step = np.zeros((20, 40), np.float32)
    step[:, 20:] = 1.0
    blurred = cv2.GaussianBlur(step, (0, 0), blur)
    snapped = snap_edges(blurred)
    between = (snapped > 0.15) & (snapped < 0.85)
    assert between.sum() == 0
    assert ((blurred > 0.15) & (blurred < 0.85)).sum() > 20
    ramp = np.tile(np.linspace(0, 2, 40, dtype=np.float32), (20, 1))
    np.testing.assert_allclose(snap_edges(ramp), ramp, atol=1e-6)  # up to the border


def test_a_floor_seen_edge_on_is_no_step():
    row = np.arange(60, dtype=np.float32)[:, None]
    horizon = 1.5  # rows above the picture: the floor is 40 times as far at its top as at its bottom
    floor = np.log(100 / (row + horizon)) * np.ones((1, 50), np.float32)
    assert np.diff(floor, axis=0).min() < -0.3  # steeper from row to row than what counts as a jump
    np.testing.assert_allclose(snap_edges(floor), floor, atol=1e-5)
    np.testing.assert_allclose(smooth_surfaces(floor, reach=6), floor, atol=0.01)  # to the rim of the picture


def test_ripples_of_a_wall_go_and_its_edge_stays():
    x = np.arange(80, dtype=np.float32)
    wall = np.tile(np.where(x < 40, 0.004 * x, 0.5 + 0.002 * x), (60, 1)).astype(np.float32)
    ripples = np.float32(0.01) * np.sin(x * 1.3 + np.arange(60, dtype=np.float32)[:, None])
    found = smooth_surfaces(wall + ripples, reach=6)
    assert np.abs(found - wall).mean() < 0.25 * np.abs(ripples).mean()
    assert np.abs(found - wall).max() < 0.02
    lone = wall.copy()
    lone[30, 36:40] = 0.3  # hangs beside the edge, two steps of its own from either side
    assert np.abs(smooth_surfaces(lone, reach=6)[30, 36:40] - wall[30, 36:40]).max() < np.abs(lone - wall).max()


def test_a_depth_edge_moves_onto_the_colour_edge():
    log_depth = np.zeros((24, 32), np.float32)
    log_depth[:, 16:] = 1.0  # at x = 64 of 128 in the photo
    photo = np.full((96, 128, 3), 0.2, np.float32)
    photo[:, 66:] = 0.8  # the thing really ends half a working pixel further
    fine = upsample_log_depth(log_depth, photo)
    assert fine.shape == (96, 128)
    assert (fine[8:-8, :66] < 0.1).all()
    assert (fine[8:-8, 66:] > 0.9).all()


def test_only_large_sky_above_the_horizon_counts_and_nothing_small_hangs_in_it():
    photo = np.full((120, 160, 3), 0.3, np.float32)
    sky = np.zeros((120, 160), np.float32)
    sky[:50] = sky[100:] = 1.0  # a sky, and a puddle that mirrors it
    sky[70:74, 20:24] = 1.0  # a bright patch on a wall
    photo[sky > 0.5] = 0.9
    photo[10:16, 80:86], sky[10:16, 80:86] = 0.3, 0.0  # a bird
    elevation = np.linspace(0.5, -0.5, 120, dtype=np.float32)[:, None] * np.ones((1, 160), np.float32)
    mask = sky_mask(sky, photo, elevation)
    assert mask[:46].all()
    assert not mask[54:].any()


def test_detail_that_the_mirrored_picture_does_not_see_is_left_out():
    layout = np.zeros((48, 96), np.float32)
    first, second = np.zeros((96, 192), np.float32), np.zeros((96, 192), np.float32)
    for detail in (first, second):
        detail[30:50, 20:40] = -0.5  # a thing that both see
    second[30:50, 20:40] = -0.4  # one of them less near
    first[60:80, 140:160] = -0.5  # a thing that one sees
    both = agreed_detail(layout, first, second, 1 / 24)
    there, phantom = both[36:44, 26:34], both[66:74, 146:154]
    assert there.max() < -0.12  # what is smoother than the scale stays the layout's
    np.testing.assert_allclose(phantom, 0, atol=0.02)
    # The same twice is the plain blend.
    np.testing.assert_allclose(
        agreed_detail(layout, first, first, 1 / 24), blend_detail(layout, first, 1 / 24), atol=1e-6
    )


def test_the_mirrored_pass_sees_the_same_place():
    """A network without weights of its own is not symmetric; its mirrored pass is that of the mirrored picture."""
    torch.manual_seed(0)
    network = DepthNetwork().eval()
    rgb = np.random.default_rng(0).random((96, 128, 3), dtype=np.float32)
    lens = np.array([[100.0, 0, 50.0], [0, 100.0, 48.0], [0, 0, 1]])
    other = np.array([[100.0, 0, 78.0], [0, 100.0, 48.0], [0, 0, 1]])
    there = run_mirrored(network, rgb, lens, pixels=96 * 128)
    plain = run_network(network, np.ascontiguousarray(rgb[:, ::-1]), other, pixels=96 * 128)
    np.testing.assert_array_equal(there.log_depth[:, ::-1], plain.log_depth)
    np.testing.assert_array_equal(there.sky[:, ::-1], plain.sky)
    np.testing.assert_allclose(there.up * [-1, 1, 1], plain.up)


def test_detail_keeps_its_edges_and_takes_the_layout_of_the_coarse_pass():
    x = np.linspace(0, 1, 192, dtype=np.float32)
    layout = np.tile(2 * x, (96, 1))  # a long slope
    edge = np.zeros((96, 192), np.float32)
    edge[:, 96:] = 0.5  # a crisp step that the coarse pass has as well
    both = blend_detail(cv2.resize(layout + edge, (96, 48), interpolation=cv2.INTER_AREA), edge, 1 / 24)
    np.testing.assert_allclose(both[20:-20, 30:80], layout[20:-20, 30:80], atol=0.05)
    assert (both[20:-20, 97] - both[20:-20, 94]).min() > 0.4

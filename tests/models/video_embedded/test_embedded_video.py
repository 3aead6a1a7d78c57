# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The embedded video model: an untrained network is the classical fill; known pixels stay; same seed, same bytes."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from lyra_core.errors import ConfigError, ModelError
from lyra_core.geometry import intrinsics_from_fov
from lyra_core.memory import SpatialMemory
from lyra_core.models.protocols import ModelProgress, VideoModel, VideoRequest
from lyra_core.models.registry import video_model
from lyra_core.models.video.embedded.base import (
    classical_base,
    decode_depth,
    encode_depth,
    working_guide,
)
from lyra_core.models.video.embedded.flow import expected, sample
from lyra_core.models.video.embedded.hybrid import (
    detail_of,
    enlarge,
    even_relief,
    feathered,
    hole_box,
    rim_correction,
    rim_samples,
)
from lyra_core.models.video.embedded.model import EmbeddedVideo, working_size
from lyra_core.models.video.embedded.network import PAST_CHANNELS, FillNetwork, Inputs, Shape
from lyra_core.models.video.embedded.tensors import past_of, stack_inputs, view_arrays
from lyra_core.models.video.embedded.weights import default_folder, read_config, read_network, write_weights
from lyra_core.types import Camera, CameraPath, Frame

SMALL = Shape(patch_channels=16, bottleneck=32, blocks=1, heads=2, context=False)
WIDTH, HEIGHT = 256, 144


def camera(aside: float = 0.0, width: int = WIDTH, height: int = HEIGHT) -> Camera:
    pose = np.array([[1, 0, 0, aside], [0, 0, 1, 0], [0, -1, 0, 1.4], [0, 0, 0, 1.0]])
    return Camera(intrinsics_from_fov(70, width, height), pose, width, height)


def frame(index: int = 0) -> Frame:
    """A board 2 m away before a wall 5 m away; stripes on both; a strip of sky on top."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    board = (x > 90) & (x < 150) & (y > 40)
    sky = y < 12
    depth = np.where(sky, 0, np.where(board, 2.0, 5.0)).astype(np.float32)
    grey = 0.5 + 0.2 * np.sin(x / 5.0) + np.where(board, 0.25, 0)
    rgb = np.clip(np.stack([grey, grey * 0.8, np.where(sky, 0.9, grey * 0.6)], -1), 0, 1).astype(np.float32)
    return Frame(index, rgb, depth, sky, camera(), np.ones_like(sky))


def memory() -> SpatialMemory:
    held = SpatialMemory()
    held.insert(frame())
    return held


def network(trained: bool = False) -> FillNetwork:
    torch.manual_seed(0)
    net = FillNetwork(SMALL).eval()
    if trained:
        with torch.no_grad():
            for last in (net.head, net.smooth[2]):
                last.weight.normal_(0, 0.02)  # pyright: ignore
    return net


def save(folder, net: FillNetwork) -> None:
    write_weights(folder, net.state_dict(), net.shape.plain(), {"step": 1})


@pytest.fixture
def folder(tmp_path):
    save(tmp_path, network(trained=True))
    return tmp_path


def test_an_untrained_network_returns_the_classical_base_in_one_step():
    guide = memory().guide(camera(0.4))
    view = working_guide(guide, guide.known)
    assert 0.05 < (~view.known).mean() < 0.6
    inputs = stack_inputs([view_arrays(view, [past_of(frame().rgb, frame().depth, camera())])])
    with torch.no_grad():
        made = sample(network(), inputs)
    rgb, code = classical_base(view)
    torch.testing.assert_close(made, inputs.base)
    np.testing.assert_allclose(made[0, :3].numpy().transpose(1, 2, 0) * 0.5 + 0.5, rgb, atol=1e-6)
    np.testing.assert_allclose(made[0, 3].numpy(), code, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 4])
def test_the_network_never_changes_known_pixels_but_does_change_holes(steps):
    guide = memory().guide(camera(0.4))
    view = working_guide(guide, guide.known)
    inputs = stack_inputs([view_arrays(view, [])])
    noise = torch.randn(inputs.base.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        made = sample(network(trained=True), inputs, steps, noise)
    changed = (made - inputs.base).abs().amax(1)[0].numpy() > 1e-5
    assert not changed[view.known].any()
    assert changed[~view.known].mean() > 0.9


def test_the_base_continues_depth_between_its_neighbours_and_keeps_sky_far():
    guide = memory().guide(camera(0.4))
    view = working_guide(guide, guide.known)
    _, code = classical_base(view)
    depth, sky = decode_depth(code, view.scale)
    hole = ~view.known & (np.mgrid[0:72, 0:128][0] > 10)
    assert (depth[hole] > 1.5).all()
    assert np.median(depth[hole]) < 10  # the bug of float32 Telea would send it anywhere
    assert sky[view.known & np.isinf(view.depth)].all()
    assert not sky[view.known & np.isfinite(view.depth)].any()


def test_depth_survives_its_encoding():
    depth = np.array([[0.5, 2.0, 30.0, np.inf]], np.float32)
    back, sky = decode_depth(encode_depth(depth, 4.0), 4.0)
    np.testing.assert_allclose(back[0, :3], depth[0, :3], rtol=1e-5)
    assert sky.tolist() == [[False, False, False, True]]


def test_feathering_keeps_known_values_and_leaves_no_step_at_the_rim():
    known = np.ones((40, 60), bool)
    known[:, 30:] = False
    full = np.full((40, 60, 3), 0.7, np.float32)
    guess = np.full((40, 60, 3), 0.4, np.float32)
    made = feathered(full, known, guess, 5.0)
    assert np.array_equal(made[known], full[known])
    assert abs(made[20, 30, 0] - 0.7) < 0.05  # joins
    assert abs(made[20, 58, 0] - 0.4) < 0.02  # and fades
    assert (np.diff(made[20, 29:, 0]) <= 1e-6).all()


def test_feathering_in_steps_is_feathering_of_every_pixel():
    rows, columns = np.mgrid[0:121, 0:200].astype(np.float32)
    known = (columns < 90) | ((rows > 70) & (columns > 150))
    full = np.repeat((0.5 + 0.2 * np.sin(columns / 17))[..., None], 3, 2).astype(np.float32)
    guess = np.full_like(full, 0.4)
    whole = feathered(full, known, guess, 9.0)  # worked out on every third pixel
    wide = [cv2.resize(x, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST) for x in (full, guess)]
    mask = np.repeat(np.repeat(known, 3, 0), 3, 1)
    # A reach of under 4 px takes every pixel: the same picture at a third of the size.
    plain = feathered(full[1::3, 1::3], known[1::3, 1::3], guess[1::3, 1::3], 3.0)
    assert np.abs(whole[1::3, 1::3] - plain)[~known[1::3, 1::3]].max() < 0.03
    assert feathered(wide[0], mask, wide[1], 27.0).shape == wide[0].shape
    assert np.array_equal(whole[known], full[known])


@pytest.mark.parametrize("size", [(832, 480), (640, 360), (500, 300)])
def test_what_is_joined_in_the_box_of_the_holes_is_what_is_joined_in_the_whole_picture(size):
    width, height = size
    small = np.random.default_rng(0).random((72, 128, 4), np.float32)
    seen = np.random.default_rng(1).random((height, width, 4), np.float32)
    known = np.ones((height, width), bool)
    known[height // 2 : height // 2 + 40, width - 90 : width - 30] = False
    cell = width / 128
    at = rim_samples(cell)

    def joined(rows: slice, columns: slice, part) -> np.ndarray:
        given = known[rows, columns]
        big = enlarge(np.ascontiguousarray(small[part]), given.shape[::-1])
        return big + rim_correction(seen[rows, columns][at, at] - big[at, at], given, cell)

    box, part = hole_box(known, (72, 128), cell)
    assert not known[box].all()
    assert known.sum() - known[box].sum() == known.size - known[box].size, "no hole is left outside"
    assert known[box].size < 0.7 * known.size or size == (500, 300)  # no common divisor: the whole picture
    inside = joined(*box, part)
    whole = joined(slice(None), slice(None), (slice(None), slice(None)))[box]
    hole = ~known[box]
    np.testing.assert_allclose(inside[hole], whole[hole], atol=2e-3)


def test_a_relief_of_the_patches_goes_and_the_rest_of_the_fill_stays():
    known = np.zeros((72, 128), bool)
    known[:, 80:] = True
    base = np.tile(np.linspace(0, 1, 128, dtype=np.float32), (72, 1))
    slow = 0.3 * np.sin(np.mgrid[0:72, 0:128][0] / 12).astype(np.float32)
    grid = np.where((np.mgrid[0:72, 0:128][1] // 2) % 2, 0.05, -0.05).astype(np.float32)
    made = np.where(known, base, base + slow + grid).astype(np.float32)
    even = even_relief(made, base, known, 1.5)
    assert np.array_equal(even[known], made[known])
    left = (even - base - slow)[8:-8, 8:72]
    assert np.abs(left).max() < 0.015


def test_a_large_view_is_shrunk_to_the_same_small_one():
    small = memory().guide(camera(0.4))
    lens = camera(0.4, 3 * WIDTH, 3 * HEIGHT)  # every third pixel of it is used
    large = memory().guide(lens)
    a, b = (working_guide(g, g.known, (128, 72)) for g in (small, large))
    both = a.known & b.known
    assert both.mean() > 0.9 * min(a.known.mean(), b.known.mean())
    assert np.abs(a.rgb - b.rgb)[both].mean() < 0.03
    solid = both & np.isfinite(a.depth) & np.isfinite(b.depth)
    assert np.median(np.abs(a.depth / b.depth - 1)[solid]) < 0.02


def test_detail_of_a_flat_picture_is_nothing():
    assert np.abs(detail_of(np.full((30, 40, 3), 0.3, np.float32), 4.0)).max() < 1e-6


def test_working_sizes_are_multiples_of_eight_near_the_area_of_training():
    assert working_size(camera()) == (128, 72)
    for width, height in ((640, 480), (480, 640), (832, 480), (1000, 300)):
        w, h = working_size(camera(0, width, height))
        assert w % 8 == 0
        assert h % 8 == 0
        assert 0.7 < w * h / (128 * 72) < 1.4
        assert abs(np.log(w / h) - np.log(width / height)) < 0.2


def request(frames: int) -> tuple[VideoRequest, SpatialMemory]:
    held = memory()
    poses = [camera(0.1 * (i + 1)).world_from_camera for i in range(frames)]
    lens = np.tile(camera().intrinsics, (frames, 1, 1))
    path = CameraPath(np.stack(poses), lens, WIDTH, HEIGHT)
    return VideoRequest(path, 1, held, (frame(),), None, np.random.default_rng(3)), held


def run(model: VideoModel, frames: int = 4) -> dict[int, Frame]:
    asked, held = request(frames)
    made: dict[int, Frame] = {}
    for item in model.generate(asked):
        if not isinstance(item, ModelProgress):
            held.insert(item)
            made[item.index] = item
    return made


@pytest.mark.parametrize("options", [{"steps": 2}, {"grain": 0.5, "geometry": "network"}, {"grain": 0.0}])
def test_frames_are_complete_deterministic_and_keep_what_the_memory_shows(folder, options):
    first, second = (run(EmbeddedVideo(folder, **options)) for _ in range(2))
    assert sorted(first) == [1, 2, 3, 4]
    for index, made in first.items():
        assert made.rgb.tobytes() == second[index].rgb.tobytes()
        assert made.depth.tobytes() == second[index].depth.tobytes()
        assert ((made.depth > 0) | made.sky).all()
    last = first[4]
    guide = memory().guide(last.camera)
    same = guide.known & ~last.owned & (guide.source == 0)
    assert same.mean() > 0.3
    np.testing.assert_allclose(last.rgb[same], np.clip(guide.rgb, 0, 1)[same], atol=1e-6)


def test_the_photo_lends_to_views_of_its_size_and_others_are_made_without(folder):
    model = EmbeddedVideo(folder)
    far, _ = request(12)
    asked = replace(far, cameras=far.cameras.segment(11, 12))  # lacks more than a tenth
    poor = replace(asked.history[0], rgb=np.full((HEIGHT, WIDTH, 3), 0.5, np.float32))
    wide = camera(0.0, 2 * WIDTH, HEIGHT)
    shape = HEIGHT, 2 * WIDTH
    white, flat_depth = np.ones((*shape, 3), np.float32), np.ones(shape, np.float32)
    other = Frame(0, white, flat_depth, np.zeros(shape, bool), wide, np.ones(shape, bool))

    def last(past):
        made = model.generate(replace(asked, past=past, rng=np.random.default_rng(3)))
        return [item for item in made if isinstance(item, Frame)][-1]

    photo, flat, odd = (last(lambda _, f=f: f) for f in (asked.history[0], poor, other))
    unknown = photo.owned
    assert unknown.mean() > 0.1
    assert not np.array_equal(photo.rgb[unknown], flat.rgb[unknown]), "its detail is in the holes"
    assert np.isfinite(odd.rgb).all()


def test_another_seed_gives_another_fill_with_more_than_one_step(folder):
    model = EmbeddedVideo(folder, steps=2, grain=0.0)
    guide = memory().guide(camera(0.4))
    one, two = (model.complete(guide, 1, np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.array_equal(one.rgb[one.owned], two.rgb[two.owned])


def test_the_model_records_its_options_and_weights_for_the_manifest(folder):
    record = EmbeddedVideo(folder, steps=3).record()
    assert record["video_steps"] == 3
    assert len(record["video_weights_sha256"]) == 64


needs_shipped = pytest.mark.skipif(
    not (default_folder() / "video.safetensors").is_file(), reason="no weights of the embedded video model are shipped"
)


@needs_shipped
def test_the_shipped_weights_make_whole_frames_and_repeat_them():
    assert isinstance(video_model("embedded"), VideoModel)
    one, two = (run(EmbeddedVideo(), 2) for _ in range(2))
    for index, made in one.items():
        assert made.rgb.tobytes() == two[index].rgb.tobytes()
        assert ((made.depth > 0) | made.sky).all()
        assert np.isfinite(made.rgb).all()


@needs_shipped
def test_the_shipped_weights_were_trained_and_say_how():
    config = read_config(default_folder())
    assert config["samples"] > 10_000
    assert config["training"]["seed"] >= 0
    guide = memory().guide(camera(0.4))
    view = working_guide(guide, guide.known)
    inputs = stack_inputs([view_arrays(view, [])])
    with torch.no_grad():
        made = sample(read_network(default_folder()), inputs)
    moved = (made - inputs.base).abs()[:, :3].amax(1)[0].numpy()
    assert moved[~view.known].mean() > 0.01  # not the classical fill


def test_missing_weights_are_refused_with_the_way_to_make_them(tmp_path):
    with pytest.raises(ModelError, match="lyra train video"):
        video_model("embedded", folder=tmp_path)


def test_weights_that_are_cut_short_are_refused_by_name(folder):
    file = folder / "video.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be used"):
        EmbeddedVideo(folder).complete(memory().guide(camera(0.4)), 1, np.random.default_rng(0))


def test_patches_change_the_fine_part_of_holes_alone(folder):
    guide = memory().guide(camera(0.4))
    plain, rich = (
        EmbeddedVideo(folder, grain=grain).complete(guide, 1, np.random.default_rng(0)) for grain in (0.0, 1.0)
    )
    hole = plain.owned
    assert np.array_equal(plain.rgb[~hole], rich.rgb[~hole])
    change = np.where(hole[..., None], rich.rgb - plain.rgb, 0)
    coarse = cv2.GaussianBlur(change, (0, 0), 0.5 * hole.shape[1])
    assert np.abs(change[hole]).mean() > 5 * np.abs(coarse[hole]).mean()
    assert np.array_equal(plain.depth, rich.depth)


def test_options_out_of_range_are_refused(folder):
    with pytest.raises(ConfigError, match="geometry"):
        EmbeddedVideo(folder, geometry="guess")


def test_the_expected_view_of_a_mirrored_place_is_the_mirrored_one():
    torch.manual_seed(0)
    network = FillNetwork(Shape(context=False)).eval()
    for last in (network.head, network.smooth[2]):
        torch.nn.init.normal_(last.weight, std=0.05)
    past = torch.randn(1, 2, PAST_CHANNELS, 36, 64)
    inputs = Inputs(
        torch.rand(1, 4, 72, 128), (torch.rand(1, 1, 72, 128) > 0.5).float(), torch.randn(1, 3, 72, 128), past
    )
    with torch.no_grad():
        here, there = expected(network, inputs), expected(network, inputs.mirrored())
        plain = sample(network, inputs)
    torch.testing.assert_close(there.flip(-1), here, atol=1e-5, rtol=1e-4)
    assert (plain - here).abs().max() > 1e-4  # a network of random weights is not symmetric
    torch.testing.assert_close(inputs.mirrored().mirrored().past, past)

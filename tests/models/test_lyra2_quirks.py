# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Each habit of the reference on its own: its switch brings it in, and without it the right thing happens.

All of them together are held to the golden data (tests/golden, compat="reference").
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lyra_core.errors import InputError  # noqa: E402
from lyra_core.models.registry import video_model  # noqa: E402
from lyra_core.models.video.lyra2.conditioning import CacheEntry, correspondence, warp  # noqa: E402
from lyra_core.models.video.lyra2.packing import Layout  # noqa: E402
from lyra_core.models.video.lyra2.sampler import distilled_noise  # noqa: E402
from lyra_core.ops.coverage import greedy, make_view  # noqa: E402
from lyra_core.ops.quirks import Quirks, quirks_of  # noqa: E402
from lyra_core.ops.reliability import reliability_mask  # noqa: E402
from lyra_core.ops.reproject import Source, project_pixels, reproject, splat_points  # noqa: E402
from lyra_core.types import Camera  # noqa: E402

HEIGHT, WIDTH = 24, 32


def camera(x=0.0, z=0.0, focal=30.0):
    pose = np.eye(4)
    pose[:3, 3] = (x, 0.0, z)
    k = np.array([[focal, 0, WIDTH / 2], [0, focal, HEIGHT / 2], [0, 0, 1.0]])
    return Camera(k, pose, WIDTH, HEIGHT)


def flat(depth):
    return np.full((HEIGHT, WIDTH), depth, np.float32)


def single(place, compat, value=1.0):
    """One pixel of this colour splatted to place (u, v); everything else is masked."""
    uvz = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    uvz[0, 0] = (*place, 2.0)
    valid = np.zeros((HEIGHT, WIDTH), bool)
    valid[0, 0] = True
    rgb = np.full((HEIGHT, WIDTH, 3), value, np.float32)
    return splat_points(rgb, uvz, valid, (HEIGHT, WIDTH), compat=compat)


def test_integer_pixels_move_the_centre_of_a_pixel_to_its_corner():
    source, target = camera(), camera(focal=60.0)  # twice the focal length: distances from the middle double
    for compat, half in (("default", 0.5), (Quirks(integer_pixels=True), 0.0)):
        u, v, _ = project_pixels(source, flat(2.0), target, compat=compat)[5, 7]
        assert u == pytest.approx(WIDTH / 2 + 2 * (7 + half - WIDTH / 2), abs=1e-3)
        assert v == pytest.approx(HEIGHT / 2 + 2 * (5 + half - HEIGHT / 2), abs=1e-3)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_a_landing_on_an_integer_counts_once_and_with_the_quirk_four_times(device):
    uvz = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    uvz[0, 0], uvz[0, 1] = (10.5, 8.5, 2.0), (10.75, 8.75, 2.0)  # on the centre of a pixel, and between four
    valid = np.zeros((HEIGHT, WIDTH), bool)
    valid[0, :2] = True
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    rgb[0, 0] = 1.0
    off = 0.75 * 0.75  # weight of the second in the first one's pixel
    for compat, count in (("default", 1.0), (Quirks(integers_count_four_times=True), 4.0)):
        got = splat_points(rgb, uvz, valid, (HEIGHT, WIDTH), device=device, compat=compat)
        assert got.rgb[8, 10, 0] == pytest.approx(count / (count + off), abs=1e-4)


def test_a_target_depends_on_its_neighbours_only_with_the_quirk():
    rng = np.random.default_rng(3)
    depth = flat(3.0)
    depth[:, 16:] = 5.0
    rgb = rng.random((HEIGHT, WIDTH, 3)).astype(np.float32)
    near, far = camera(x=0.4), camera(x=0.4, z=-8.0)  # the second backs off: its depths are larger
    for compat, same in (("default", True), (Quirks(batch_depth_weight=True), False)):
        alone = warp(rgb, depth, camera(), [near], compat=compat)[0][0]
        beside = warp(rgb, depth, camera(), [near, far], compat=compat)[0][0]
        assert np.array_equal(alone, beside) == same
    # Pixels that are not drawn weigh in, too: they are phantoms at the world's origin, 9 m ahead here.
    view = camera(z=-9.0)
    source = Source(rgb, depth, depth < 4.0, view)
    both = Quirks(batch_depth_weight=True, phantom_points=True)
    for compat, deepest in (("default", 3.0), (Quirks(phantom_points=True), 3.0), (both, 9.0)):
        assert reproject([source], view, compat=compat).log_maximum == pytest.approx(np.log1p(deepest), rel=1e-5)


def test_a_sliver_of_weight_covers_a_pixel_only_with_the_quirk():
    place = (10.5 + 0.95, 8.5 + 0.95)  # 0.25 % of it falls on pixel (10, 8)
    assert not single(place, "default").mask[8, 10]
    assert single(place, Quirks(any_weight_covers=True)).mask[8, 10]
    for compat in ("default", Quirks(any_weight_covers=True)):
        assert single(place, compat).mask[9, 11]


def test_a_slope_is_reliable_up_to_the_border_unless_the_mean_is_padded():
    slope = np.repeat(np.linspace(4.0, 4.3, WIDTH, dtype=np.float32)[None], HEIGHT, 0)  # 0.9 % in 5 pixels
    assert reliability_mask(slope, ratio=0.012).all()
    padded = reliability_mask(slope, ratio=0.012, compat=Quirks(padded_mean=True))
    assert padded[2:-2, 2:-2].all()
    assert not padded[0].any()


def test_samples_without_depth_are_nothing_unless_they_are_phantoms_at_the_origin():
    empty = make_view(0, flat(0.0), camera(x=5.0), dtype=np.float32)
    target = camera(z=-3.0)  # sees the world's origin
    assert greedy([empty], [target]) == ()
    assert greedy([empty], [target], compat=Quirks(phantom_points=True)) == (0,)


def test_depths_are_compared_relative_to_the_distance_unless_the_tolerance_is_absolute():
    behind, before = (make_view(i, flat(z), camera(), dtype=np.float32) for i, z in ((1, 10.2), (2, 10.0)))
    assert greedy([behind, before], [camera()], count=1) == (0,)  # 2 % apart: as good, the first is taken
    assert greedy([behind, before], [camera()], count=1, compat=Quirks(absolute_tolerance=True)) == (1,)


def test_the_newest_frame_can_be_retrieved_unless_it_counts_as_seen():
    views = [make_view(i, flat(4.0), camera(), dtype=np.float32) for i in (0, 8)]
    assert greedy(views[1:], [camera()]) == (0,)
    for chosen in (views, views[1:]):
        assert greedy(chosen, [camera()], compat=Quirks(newest_covers=True)) == ()


def test_the_correspondences_depth_is_scaled_by_the_frames_that_are_used():
    layout = Layout.parse("f1k1f1s1_g1")
    entry = CacheEntry(0, flat(4.0), np.eye(4, dtype=np.float32), camera().intrinsics.astype(np.float32))
    targets = [camera(z=-6.0), camera(z=-3.0), camera(z=-1.0), camera(z=-0.2)]  # only the last of each four is used
    largest = {}
    for name, compat in (("default", "default"), ("quirk", Quirks(all_frames_scale=True))):
        told = correspondence(layout, [entry], targets, (HEIGHT, WIDTH), compat=compat)
        depth = told[0, 3 * 64 : 4 * 64, layout.history]
        largest[name] = float(depth.max())
    # The wall is at 4.2 m in the frame that is used, and at up to 10 m in the others (holes are 0).
    assert largest["default"] == pytest.approx(1.0, abs=0.02)
    assert largest["quirk"] == pytest.approx(2 * 4.2 / 10 - 1, abs=0.02)


def test_the_distilled_noise_is_the_chunks_own_unless_it_is_global():
    shape = (1, 16, 2, 2, 2)
    for compat, same in (("default", True), (Quirks(global_renoise=True), False)):
        torch.manual_seed(1)
        first = distilled_noise(shape, 3, 7, compat=compat)(0)
        torch.manual_seed(2)
        assert torch.equal(first, distilled_noise(shape, 3, 7, compat=compat)(0)) == same


def test_the_pipeline_retrieves_what_its_memory_finds_unless_it_takes_every_eighth_frame():
    asked = []

    def found(targets, count):
        asked.append(count)
        return (2, 160, 40, 80)

    request = SimpleNamespace(first_index=161, memory=SimpleNamespace(retrieve=found))
    assert video_model("lyra2")._candidates(request, [], 3) == (2, 40, 80)  # 160 is the warped frame
    assert asked == [4]
    assert video_model("lyra2", compat="every_eighth")._candidates(request, [], 3) == tuple(range(0, 161, 8))


def test_a_chunks_noise_is_the_runs_own_unless_seeds_are_counted():
    def seed(compat):
        model = video_model("lyra2", compat=compat, seed=7)
        return model.chunk_seed(SimpleNamespace(first_index=161, rng=np.random.default_rng(5)))

    assert seed("counted_seeds") == seed("reference") == 7 + 2
    assert seed("default") == int(np.random.default_rng(5).integers(1 << 31))


def test_switches_are_read_from_words_and_the_two_modes_are_all_and_none():
    assert quirks_of("default") == Quirks() == Quirks.parse("default")
    everything = Quirks.reference()
    assert quirks_of("reference") == everything == Quirks.parse("reference")
    assert all(getattr(everything, name) for name in Quirks.names())
    assert Quirks.parse("reference,-phantom_points, -padded_mean") == replace(
        everything, phantom_points=False, padded_mean=False
    )
    assert Quirks.parse("global_renoise,counted_seeds") == Quirks(global_renoise=True, counted_seeds=True)
    with pytest.raises(InputError, match="Did you mean 'phantom_points'"):
        video_model("lyra2", compat="phantom_point")
    for name in Quirks.names():
        assert f"    {name}: " in (Quirks.__doc__ or ""), name

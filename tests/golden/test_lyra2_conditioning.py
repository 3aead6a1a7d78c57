# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The conditions of a chunk against golden data of Lyra 2.0 (f_conditioning*.safetensors).

README of the set: retrieved rows exact, latents 2e-3, rays 1e-4, correspondence 1e-2 on 99 % of the entries,
canonical maps 1e-6.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lyra_core.models.video.lyra2.conditioning import (  # noqa: E402
    CacheEntry,
    FilmState,
    assemble,
    canonical_maps,
    make_camera,
    retrieval_targets,
    shuffled_coordinates,
    virtual_frames,
    warp,
)
from lyra_core.models.video.lyra2.packing import Layout  # noqa: E402
from tests.golden.lyra2_files import Golden, files, scene, worst  # noqa: E402

GOLDEN = {parameter.values[0]: Golden(parameter.values[0]) for parameter in files("f_conditioning*")}
every_file = pytest.mark.parametrize("golden", [pytest.param(g, id=p.stem) for p, g in GOLDEN.items()])
chunks = pytest.mark.parametrize(
    ("golden", "name", "info"),
    [
        pytest.param(golden, name, info, id=f"{path.stem}-{name}")
        for path, golden in GOLDEN.items()
        for name, info in golden.json("info").items()
        if isinstance(info, dict)
    ],
)


def conditions(golden: Golden, name: str, info: dict, compat: str):
    torch.set_num_threads(1)
    room, layout = scene(golden.path), Layout.parse(golden.meta["framepack"])
    height, width, k = golden.number("H"), golden.number("W"), golden["K"]
    chunk, end = info["ar_idx"], info["end"]
    w2c, _, rgb = room.room_video(golden.number("seed"), end, height, width, k, *info["swing_rate"])
    assert worst(w2c, golden[f"{name}/w2c"]) < 1e-6
    film = torch.cat([rgb[:, :1].repeat(1, 4 * (layout.history - 1), 1, 1), rgb[:, : 4 * layout.new * chunk + 1]], 1)

    def encode(video):
        return room.toy_encode(video, golden["toy_vae_matrix"])

    latents = encode(film[None])
    assert latents.shape[2] == info["T_hist_total"]
    ids, depths = golden[f"{name}/cache_ids"].tolist(), golden[f"{name}/cache_depth"].numpy()
    cache = [CacheEntry(i, depth, w2c[i].numpy(), k.numpy()) for i, depth in zip(ids, depths, strict=True)]
    state = FilmState(
        chunk=chunk, w2c=w2c.numpy(), intrinsics=np.repeat(k.numpy()[None], end, 0), latents=latents,
        rgb=golden[f"{name}/hist_last_rgb"].permute(1, 2, 0).numpy(), depth=golden[f"{name}/buffer_depth"][0].numpy(),
        cache=cache,
    )  # fmt: skip
    made = assemble(layout, state, frame_latent=lambda i: encode(rgb[None, :, i : i + 1]), encode=encode,
                    views=info["views"], compat=compat)  # fmt: skip
    return made, [cache[i].frame for i in made.retrieved]


@chunks
def test_everything_a_chunk_is_told_is_golden(golden, name, info):
    made, frames = conditions(golden, name, info, "reference")
    assert frames == golden[f"{name}/retrieved"][:, 1].tolist()
    assert worst(made.history, golden[f"{name}/latents_history"]) < 2e-3
    assert worst(made.y[:, 4:20], golden[f"{name}/cond_latent16"]) < 2e-3
    assert worst(made.y[:, 20::8], golden[f"{name}/ray_maps384_every8th"]) < 1e-4
    assert list(made.y[:, :4].shape) == golden[f"{name}/mask_shape"].tolist()
    assert bool((made.y[:, :4] == 1).all()) == bool(golden[f"{name}/mask_all_ones"])
    holes = (made.warped == -1) == (golden[f"{name}/warp_pixels_rgb"] == -1)
    assert float(holes.float().mean()) >= 0.995  # b_warp's share of mask flips
    assert float((made.warped - golden[f"{name}/warp_pixels_rgb"].float()).abs()[holes].max()) < 2e-3  # stored as half


@chunks
def test_the_correspondence_is_golden(golden, name, info):
    made, _ = conditions(golden, name, info, "reference")
    got = made.correspondence[:, :, golden[f"{name}/buffer_bf16_at"].tolist()]
    off = (got - golden[f"{name}/buffer_bf16"].float()).abs() >= 1e-2
    assert float(off.float().mean()) <= 0.01
    sums = golden[f"{name}/buffer_abs_sum_per_position"]
    torch.testing.assert_close(made.correspondence.abs().sum((0, 1, 3, 4)), sums, rtol=1e-2, atol=1e-3)


@chunks
def test_the_default_differs_from_the_reference_in_geometry_only(golden, name, info):
    """Pixel centres and single weights move the warp by less than a pixel; what is copied stays the same."""
    ours, _ = conditions(golden, name, info, "default")
    layout = Layout.parse(golden.meta["framepack"])
    temporal = list(layout.temporal_positions)
    assert worst(ours.history[:, :, temporal], golden[f"{name}/latents_history"][:, :, temporal]) < 2e-3
    theirs = golden[f"{name}/warp_pixels_rgb"].float()
    assert ours.warped.shape == theirs.shape
    assert ours.correspondence.shape[2] == layout.total
    seen = (ours.warped > -1) & (theirs > -1)
    if seen.any():
        assert float((ours.warped - theirs).abs()[seen].median()) < 0.1


@every_file
def test_canonical_maps_and_the_pixel_shuffle_are_golden(golden):
    for key in golden.keys("canonical/N"):
        want = golden[key]
        got = torch.from_numpy(canonical_maps(int(key[len("canonical/N") :]), *want.shape[-2:]))
        assert worst(got, want) < 1e-6
    assert worst(shuffled_coordinates(golden["coordpix/in"]), golden["coordpix/out"]) == 0


@every_file
def test_only_the_reference_lets_a_target_depend_on_the_targets_beside_it(golden):
    name = next(key for key, info in golden.json("info").items() if isinstance(info, dict))
    depth, rgb = golden[f"{name}/buffer_depth"][0].numpy(), golden[f"{name}/hist_last_rgb"].permute(1, 2, 0).numpy()
    k, start = golden["K"].numpy(), golden[f"{name}/w2c"][0].numpy()
    source, targets = make_camera(start, k, depth.shape), []
    for i in range(18):  # backing off: the farthest target has the largest depth
        w2c = start.copy()
        w2c[:3, 3] += (0.05 * i, 0, 0.3 * i)
        targets.append(make_camera(w2c, k, depth.shape))
    for compat in ("default", "reference"):
        together = warp(rgb, depth, source, targets, compat=compat)[0]
        for group in (slice(0, 16), slice(16, 18)):
            np.testing.assert_array_equal(together[group], warp(rgb, depth, source, targets[group], compat=compat)[0])
        alone = warp(rgb, depth, source, targets[1:2], compat=compat)[0]
        assert np.array_equal(together[1:2], alone) == (compat == "default")


def test_the_virtual_timeline_repeats_the_first_frame_and_ends_with_each_group():
    layout = Layout.parse("f1k1f4s2f1s1f16k4f2k2f1k1_g20")
    assert virtual_frames(layout, 47).tolist() == [0] * 25 + [4 * (i + 1) for i in range(22)]
    assert retrieval_targets(1, 80, 1) == (80,)
    assert retrieval_targets(81, 80, 2) == (81 + 39, 81 + 79)

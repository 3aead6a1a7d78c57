# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Packing of history against golden data of Lyra 2.0 (e_packing*.safetensors). README of the set: 1e-5, integers exact.

Angles are compared at 1e-5 relative to their size, which is up to 44 rad.
"""

from __future__ import annotations

import re

import pytest

torch = pytest.importorskip("torch")

from lyra_core.errors import ModelError  # noqa: E402
from lyra_core.models.video.lyra2.packing import (  # noqa: E402
    Layout,
    cut_patches,
    pack_camera,
    pack_rope,
    rope_grid,
)
from tests.golden.lyra2_files import Golden, files, random, worst  # noqa: E402
from tests.golden.lyra2_straightforward import full_correspondence  # noqa: E402


def all_cases() -> list:
    found = []
    for parameter in files("e_packing*"):
        golden = Golden(parameter.values[0])
        found += [pytest.param(golden, name, info, id=f"{golden.path.stem}-{name}")
                  for name, info in golden.json("cases").items()]  # fmt: skip
    return found


CASES = all_cases()


@pytest.mark.parametrize(("golden", "name", "info"), CASES)
def test_segments_and_token_counts_are_golden(golden, name, info):
    layout = Layout.parse(info["framepack"])
    assert list(layout.splits) == info["splits"]
    assert layout.total == info["T"]
    ranges = layout.tokens(info["h"], info["w"])
    assert ranges[-1].stop == info["tokens"]
    assert [ranges[-1].start, ranges[-1].stop] == golden[f"{name}/gen_range"].tolist()
    assert [layout.new, info["h"] // 2, info["w"] // 2] == golden[f"{name}/gen_grid"].tolist()
    assert list(layout.spatial_positions) == golden[f"{name}/spatial_positions"].tolist()


@pytest.mark.parametrize(("golden", "name", "info"), CASES)
def test_the_kept_history_is_golden(golden, name, info):
    layout = Layout.parse(info["framepack"])
    keys = golden.keys(f"{name}/history_pick_T")
    assert keys
    for key in keys:
        available = int(re.search(r"_T(\d+)$", key).group(1))
        assert list(layout.pick_history(available)) == golden[key].tolist()


@pytest.mark.parametrize(("golden", "name", "info"), CASES)
def test_tokens_cover_the_golden_latents(golden, name, info):
    layout, h, w = Layout.parse(info["framepack"]), info["h"], info["w"]
    grid = torch.stack(torch.meshgrid(*(torch.arange(float(n)) for n in (layout.total, h, w)), indexing="ij"))[None]
    patches = [*(s.patch for s in layout.segments), (1, 2, 2)]
    means, ends = [], []
    for part, patch in zip(grid.split(layout.splits, dim=2), patches, strict=True):
        values = cut_patches(part, patch)[0].unflatten(1, (3, -1))
        means.append(values.mean(-1))
        ends.append(torch.stack([values[:, 0, 0], values[:, 1, -1]], dim=1))
    assert worst(torch.cat(means), golden[f"{name}/token_mean_t_h_w"]) < 1e-5
    assert worst(torch.cat(ends), golden[f"{name}/token_first_last"]) < 1e-5


@pytest.mark.parametrize(("golden", "name", "info"), CASES)
def test_positions_and_camera_tokens_are_golden(golden, name, info):
    layout = Layout.parse(info["framepack"])
    want = golden[f"{name}/rope_angles"]
    head_dim = 2 * want.shape[1]
    angles = pack_rope(layout, info["h"], info["w"], head_dim)
    assert float(((angles - want).abs() / want.abs().clamp(min=1)).max()) < 1e-5
    side = head_dim // 6  # the first angle of an axis turns by the position itself
    places = angles[:, [0, head_dim // 2 - 2 * side, head_dim // 2 - side]]
    assert worst(places, golden[f"{name}/rope_pos_t_h_w"]) < 1e-5
    camera = pack_camera(layout, golden[f"{name}/camera_in"])
    assert worst(camera, golden[f"{name}/camera_tokens"]) < 1e-5


@pytest.mark.parametrize(("golden", "name", "info"), CASES)
def test_correspondence_tokens_are_golden(golden, name, info):
    if f"{name}/buffer_validity" not in golden:
        pytest.skip("a layout without retrieved pictures has no correspondence")
    layout = Layout.parse(info["framepack"])
    buffer = random(golden.number("seed") + 10, 1, 256 * layout.slots, layout.total, info["h"], info["w"])
    tokens, valid = full_correspondence(layout, buffer, info["tokens"])
    assert worst(valid[0], golden[f"{name}/buffer_validity"]) == 0
    want = golden[f"{name}/buffer_tokens_first16"]
    assert worst(tokens[0, :, : want.shape[-1]], want) < 1e-5


def test_the_released_layout_makes_38246_tokens_at_480x832():
    assert Layout.parse("f1k1f4s2f1s1f16k4f2k2f1k1_g20").tokens(60, 104)[-1].stop == 38246


def test_a_layout_that_is_none_and_a_short_history_are_refused_in_words():
    for text in ("", "f1k1", "f1x1_g20", "f0k1_g20", "f1k1_g0"):
        with pytest.raises(ModelError, match="layout"):
            Layout.parse(text)
    with pytest.raises(ModelError, match="shorter"):
        Layout.parse("f16k4f2k2f1k1_g3").pick_history(5)
    with pytest.raises(ModelError, match="128 positions"):
        rope_grid(45, 200, 10, 24)

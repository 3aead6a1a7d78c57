# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Running in less memory: VAE tiles, blocks that visit the card, memory plans, and what is said when nothing fits."""

from __future__ import annotations

from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from lyra_core.errors import ModelError  # noqa: E402
from lyra_core.models.registry import video_model  # noqa: E402
from lyra_core.models.video.lyra2.budget import plan_for, plans  # noqa: E402
from lyra_core.models.video.lyra2.loading import OUT_OF_MEMORY, place  # noqa: E402
from lyra_core.models.video.lyra2.network import NetworkConfig, Transformer  # noqa: E402
from lyra_core.models.video.lyra2.offload import Visits  # noqa: E402
from lyra_core.models.video.lyra2.tiles import decoder_halo, encoder_halo, make_tiles, tile_share  # noqa: E402
from lyra_core.models.video.lyra2.vae import Vae, VaeStream  # noqa: E402

CONFIG = NetworkConfig(dim=24, heads=2, layers=5, ffn_dim=32, freq_dim=16, text_dim=16, clip_dim=16, squeeze=4,
                       layout="f1k1f1s1f2k2_g2")  # fmt: skip
WAN = {"dim_mult": [1, 2, 4, 4], "num_res_blocks": 2}


@pytest.fixture(scope="module")
def autoencoder():
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

    torch.set_num_threads(1)
    torch.manual_seed(0)
    return AutoencoderKLWan(base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
                            temperal_downsample=[False, True, True]).eval()  # fmt: skip


def film(vae, frames, latents):
    """Frames encoded and latents decoded in pieces, as the loop does it."""
    stream = VaeStream()
    encoded = [vae.encode(part, stream) for part in (frames[:, :, :5], frames[:, :, 5:])]
    branch = stream.copy()  # a branched stream does not disturb the first one
    vae.encode(frames[:, :, -4:], branch)
    decoded = [vae.decode(part, stream) for part in (latents[:, :, :1], latents[:, :, 1:])]
    return torch.cat(encoded, dim=2), torch.cat(decoded, dim=2)


@pytest.mark.parametrize(("height", "width", "tiles"), [(16, 240, (1, 2)), (176, 16, (3, 1)), (160, 160, (2, 2))])
def test_tiles_change_nothing_not_even_at_their_seams(height, width, tiles, autoencoder):
    torch.manual_seed(1)
    frames = torch.rand(1, 3, 9, height, width) * 2 - 1
    latents = torch.randn(1, 16, 2, height // 8, width // 8)
    want = film(Vae(autoencoder), frames, latents)
    got = film(Vae(autoencoder, tiles=tiles), frames, latents)
    narrow = film(Vae(autoencoder, tiles=tiles, halo=1), frames, latents)
    for exact, tiled, seamed in zip(want, got, narrow, strict=True):
        assert tiled.shape == exact.shape
        scale = float(exact.abs().max())
        assert float((tiled - exact).abs().max()) < 1e-5 * scale
        # Less border than the convolutions see leaves seams: the tiles are really tiles.
        assert float((seamed - exact).abs().max()) > 1e-4 * scale


def test_a_tile_looks_as_far_as_the_convolutions_and_saves_memory():
    assert (encoder_halo(WAN), decoder_halo(WAN)) == (9, 13)
    tiles = make_tiles((60, 104), (2, 2), 13)
    assert [(t.rows.start, t.columns.start) for t in tiles] == [(0, 0), (0, 52), (30, 0), (30, 52)]
    assert (tiles[3].wide_rows, tiles[3].wide_columns) == (slice(17, 60), slice(39, 104))
    assert tile_share((60, 104), (2, 2), 13) == pytest.approx(43 * 65 / (60 * 104))
    assert tile_share((60, 104), (1, 1), 13) == 1


@pytest.fixture
def network():
    torch.manual_seed(4)
    made = Transformer(CONFIG).eval().requires_grad_(False)
    for value in made.state_dict().values():
        value.copy_(0.1 * torch.randn(value.shape))
    return made


@pytest.mark.parametrize("prefetch", [True, False])
@pytest.mark.parametrize(("resident", "group"), [(0, 1), (2, 1), (1, 2), (0, 3), (5, 1)])
def test_blocks_that_visit_give_the_same_numbers_and_go_home(resident, group, prefetch, network):
    torch.manual_seed(0)
    inputs = (torch.randn(1, 16, 6, 4, 4), 625.0, torch.randn(1, 404, 6, 4, 4), torch.rand(1, 256, 6, 4, 4),
              torch.randn(1, 512, 16), torch.randn(1, 257, 16))  # fmt: skip
    want = network(*inputs)
    homes = {k: v.data_ptr() for k, v in network.state_dict().items()}
    plan = SimpleNamespace(resident=resident)
    place(network, "cpu", plan, group=group, prefetch=prefetch)
    assert torch.equal(network(*inputs), want)
    assert {k: v.data_ptr() for k, v in network.state_dict().items()} == homes
    if resident < 5:
        assert network.visits.visiting == 0
        # Never more than two groups are away from home with prefetching, one without.
        assert network.visits.most == min((2 if prefetch else 1) * group, 5 - resident)


def test_the_next_blocks_are_sent_before_these_work_and_a_walk_that_breaks_off_leaves_them_at_home(network):
    events = []

    class Told(Visits):
        def _send(self, group):
            events.append(("send", *(blocks.index(block) for block in group)))
            return super()._send(group)

    blocks = list(network.blocks)
    homes = [block.ffn[0].weight.data_ptr() for block in blocks]
    for block in Told("cpu", 1, group=2).walk(blocks):
        events.append(("use", blocks.index(block)))
    assert events == [("send", 1, 2), ("use", 0), ("send", 3, 4), *(("use", i) for i in range(1, 5))]
    walk = Visits("cpu", 0).walk(blocks)
    next(walk)
    assert blocks[0].ffn[0].weight.data_ptr() != homes[0]
    walk.close()
    assert [block.ffn[0].weight.data_ptr() for block in blocks] == homes


def test_more_memory_never_gives_a_slower_plan_and_all_plans_fit_their_budget():
    for guided in (True, False):
        order = plans(NetworkConfig(), 832, 480, guided=guided)
        ranks = []
        for budget in (16, 20, 24, 32, 40, 48, 80, 140):
            plan = plan_for(NetworkConfig(), 832, 480, budget, guided=guided)
            assert plan.peak <= budget
            ranks.append(order.index(plan))
        assert ranks == sorted(ranks, reverse=True)
        assert len(set(ranks)) > 3


def test_a_24_gb_card_gets_8_bit_weights_and_80_gb_hold_everything_in_16():
    plan = plan_for(NetworkConfig(), 832, 480, 24)
    assert plan.quantize == "int8"
    lines = plan.lines()
    assert "memory plan" in lines[0]
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["conditions", "network", "video encoder",
                                                                  "video decoder"]  # fmt: skip
    assert all("(computed)" in line for line in lines[1:])
    assert not plan_for(NetworkConfig(), 832, 480, 24, distilled=True).batched
    # 80 GB, what the reference asks for, holds everything in 16 bits.
    assert plan_for(NetworkConfig(), 832, 480, 80).quantize is None
    assert plan_for(NetworkConfig(), 832, 480, 80).resident == 40


def test_each_saving_saves_where_it_should():
    every = {(p.quantize, p.hoist, p.resident, p.batched, p.tiles): dict(p.stages)
             for p in plans(NetworkConfig(), 832, 480)}  # fmt: skip
    base = (None, "squeezed", 40, True, (1, 1))
    for change, stage in (({0: "int8"}, "network"), ({2: 20}, "network"), ({3: False}, "network"),
                          ({4: (2, 2)}, "video decoder"), ({4: (2, 2)}, "video encoder")):  # fmt: skip
        other = tuple(change.get(i, value) for i, value in enumerate(base))
        assert every[other][stage] < every[base][stage]
    full = (None, "full", 40, True, (1, 1))
    assert every[full]["network"] > every[base]["network"] + 10  # 15.7 GB of hoisted tensors


def test_too_little_memory_is_told_with_the_least_that_works():
    with pytest.raises(ModelError, match="at least") as caught:
        plan_for(NetworkConfig(), 832, 480, 6)
    least = float(str(caught.value).split("at least ")[1].split(" GB")[0])
    assert plan_for(NetworkConfig(), 832, 480, least + 0.06).peak <= least + 0.06


def test_the_plan_is_told_before_anything_is_loaded(tmp_path):
    """The folder's parts are empty: nothing in them can have been read."""
    import json

    for part in ("model", "text_encoder", "tokenizer", "image_encoder", "vae"):
        (tmp_path / part).mkdir()
    (tmp_path / "negative_prompt.pt").touch()
    (tmp_path / "lyra2.json").write_text(json.dumps({"network": asdict(NetworkConfig())}))
    model = video_model("lyra2", checkpoint=tmp_path, vram=24)
    notices = model.notices(832, 480)
    assert any("research" in line for line in notices)
    assert any("memory plan" in line for line in notices)
    assert sum("(computed)" in line for line in notices) == 4
    with pytest.raises(ModelError, match="does not fit"):
        video_model("lyra2", checkpoint=tmp_path, vram=4).notices(832, 480)
    assert video_model("lyra2", checkpoint=tmp_path).plan(832, 480) is None


def test_running_out_of_the_cards_memory_is_told_with_what_to_do(monkeypatch):
    model = video_model("lyra2", vram=40)

    def full(request):
        yield "progress"
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")

    monkeypatch.setattr(model, "_chunk", full)
    cameras = type("Cameras", (), {"width": 64, "height": 64, "__len__": lambda _: 80})()
    steps = model.generate(SimpleNamespace(cameras=cameras, first_index=1))
    assert next(steps) == "progress"
    with pytest.raises(ModelError, match=OUT_OF_MEMORY) as caught:
        next(steps)
    assert "2.00 GiB" in str(caught.value)
    assert "--vram with less than 40" in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("steps", 0), ("vram", -1), ("quantize", "int4"), ("tiles", [2]),
                                             ("attention", "fastest"), ("group", 0), ("gpus", 0), ("views", 0)])  # fmt: skip
def test_an_option_out_of_range_is_named_with_what_it_takes(name, value):
    with pytest.raises(ModelError, match=rf"lyra2\.{name}"):
        video_model("lyra2", **{name: value})


def test_options_are_frozen_and_their_defaults_are_the_scripts():
    options = video_model("lyra2").options
    assert (options.steps, options.shift, options.guidance, options.views) == (35, 5.0, 5.0, 1)
    with pytest.raises(AttributeError):
        options.steps = 3
    assert replace(options, steps=50).steps == 50

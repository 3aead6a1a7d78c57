# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The network against golden forwards of Lyra 2.0 (a_dit*.safetensors). README of the set: 2e-4, probes 2e-5."""

from __future__ import annotations

import re

import pytest

torch = pytest.importorskip("torch")

from lyra_core.errors import ModelError  # noqa: E402
from lyra_core.models.video.lyra2.checkpoint import grow_embeddings  # noqa: E402
from lyra_core.models.video.lyra2.network import NetworkConfig, Transformer  # noqa: E402
from lyra_core.models.video.lyra2.packing import pack_camera, pack_rope, unshuffle  # noqa: E402
from tests.golden.lyra2_files import Golden, files, random, worst  # noqa: E402
from tests.golden.lyra2_straightforward import Straightforward, full_correspondence  # noqa: E402

FILES = files("a_dit*")
OUTPUT, PROBE = 2e-4, 2e-5


class Case:
    """The network and the inputs of one file."""

    def __init__(self, path) -> None:
        self.golden = golden = Golden(path)
        cfg, seed = golden.json("cfg"), golden.number("seed")
        self.config = NetworkConfig(layout=golden.meta["framepack"], **cfg)
        self.network = Transformer(self.config).eval().requires_grad_(False)
        self.network.load_state_dict(golden.weights(), strict=True)
        self.layout = self.network.layout
        size = (golden.number("T"), golden.number("h"), golden.number("w"))
        self.x = random(seed + 1, 1, 16, *size)
        rays = 0.5 * random(seed + 3, 1, 384, *size)
        self.y = torch.cat([torch.ones(1, 4, *size), random(seed + 2, 1, 16, *size), rays], dim=1)
        self.buffer = (0.6 * random(seed + 4, 1, 256 * self.layout.slots, *size)).clamp(-1, 1)
        self.text = random(seed + 5, 1, 512, cfg["text_dim"])
        self.text[:, int(re.search(r"rows>=(\d+)", golden.meta["inputs"]).group(1)) :] = 0
        self.clip = random(seed + 6, 1, 257, cfg["clip_dim"])

    def times(self) -> list[float]:
        return self.golden["in/timesteps"].tolist()

    def inputs(self):
        return {"x": self.x, "y": self.y, "buffer": self.buffer, "text": self.text, "clip": self.clip}


CASES: dict = {}


@pytest.fixture(params=FILES)
def case(request) -> Case:
    torch.set_num_threads(1)
    if request.param not in CASES:
        CASES[request.param] = Case(request.param)
    return CASES[request.param]


def test_the_inputs_are_those_of_the_golden_run(case):
    for name, value in case.inputs().items():
        want = case.golden[f"check/{name}_first8_sum_abs"]
        got = torch.cat([value.flatten()[:8].double(), torch.stack([value.double().sum(), value.double().abs().sum()])])
        torch.testing.assert_close(got, want.double(), rtol=1e-4, atol=1e-2)


def test_the_velocity_is_the_golden_one_at_every_timestep(case):
    text = case.network.prepare_text(case.text)
    p = case.layout.history
    for hoist in ("full", "squeezed"):
        chunk = case.network.prepare(case.x[:, :, :p], case.y, case.buffer, case.clip, hoist=hoist)
        for i, t in enumerate(case.times()):
            got = case.network.velocity(case.x[:, :, p:], t, chunk, text)
            assert worst(got, case.golden[f"out/t{i}"]) < OUTPUT


def test_a_correspondence_for_new_frames_only_and_a_still_camera_are_golden_too(case):
    t, p = case.times()[0], case.layout.history
    new_only = case.buffer[:, :, p:]
    got = case.network(case.x, t, case.y, new_only, case.text, case.clip)
    assert worst(got, case.golden["out/t0_gen_only_buffer"]) < OUTPUT
    still = case.y.clone()
    still[:, 20:] = 0
    got = case.network(case.x, t, still, case.buffer, case.text, case.clip)
    assert worst(got, case.golden["out/t0_zero_camera"]) < OUTPUT


def test_the_intermediate_results_are_golden(case):
    network, golden, p = case.network, case.golden, case.layout.history
    whole = torch.cat([case.x, case.y[:, :20]], dim=1)
    tokens = torch.cat([network.embed_history(whole[:, :, :p]), network.embed_new(whole[:, :, p:])], dim=1)
    assert worst(tokens, golden["probe/tokens_in"]) < PROBE
    for i, t in enumerate(case.times()):
        assert worst(network.embed_time(t)[1], golden[f"probe/e0_t{i}"]) < PROBE
    context = torch.cat([network.embed_picture(case.clip), network.embed_text(case.text)], dim=1)
    want = golden["probe/context_first300"]
    assert worst(context[:, : want.shape[1]], want) < PROBE
    angles = pack_rope(case.layout, *case.x.shape[-2:], case.config.head_dim)
    assert worst(angles, golden["probe/rope_angles"]) < 1e-4  # angles reach 44 rad: a float32 step there is 4e-6
    rays = pack_camera(case.layout, unshuffle(case.y[:, 20:], 2))
    correspondence, valid = full_correspondence(case.layout, case.buffer, rays.shape[1])
    assert worst(valid, golden["probe/buffer_validity"]) == 0
    for name, value in (("camera", rays), ("buffer", correspondence)):
        first = golden[f"probe/{name}_tokens_first8"]
        assert worst(value[..., : first.shape[-1]], first) < PROBE
        total = value.double().sum(-1) + (valid if name == "buffer" else 0)  # validity is its last column
        error = (total - golden[f"probe/{name}_tokens_sum"]).abs() / value.double().abs().sum(-1).clamp(min=1)
        assert float(error.max()) < 1e-5
    chunk = network.prepare(case.x[:, :, :p], case.y, case.buffer, case.clip)
    text = network.prepare_text(case.text)
    e0 = network.embed_time(case.times()[0])[1]
    block = network.blocks[0](tokens, e0, chunk.bias[0], chunk.angles, text.layers[0], chunk.image[0])
    assert worst(block, golden["probe/after_block0"]) < PROBE


def test_embedders_grown_from_the_base_are_golden(case):
    weights = case.golden.weights()
    grown = grow_embeddings(weights["patch_embedding.weight"], weights["patch_embedding.bias"], case.layout)
    for i, segment in enumerate(case.layout.segments):
        weight = grown[f"clean_patch_embeddings.{i}.weight"]
        assert weight.shape == weights[f"clean_patch_embeddings.{i}.weight"].shape, segment
        assert worst(weight[:2], case.golden[f"grown/{i}_rows0to2"]) < 1e-6


def test_hoisting_changes_nothing_against_the_straightforward_form(case):
    straight = Straightforward(case.golden.weights(), case.config)
    t = case.times()[0]
    want = straight(case.x, t, case.y, case.buffer, case.text, case.clip)
    assert worst(want, case.golden["out/t0"]) < OUTPUT
    got = case.network(case.x, t, case.y, case.buffer, case.text, case.clip)
    assert worst(got, want) < 2e-5  # values about 1: the order of float32 sums


def test_a_block_without_camera_and_correspondence_is_diffusers_block(case):
    from diffusers.models.transformers.transformer_wan import WanTransformerBlock

    config, ours = case.config, case.network.blocks[0]
    theirs = WanTransformerBlock(config.dim, config.ffn_dim, config.heads, qk_norm="rms_norm_across_heads",
                                 cross_attn_norm=True, eps=config.eps, added_kv_proj_dim=config.dim)  # fmt: skip
    pairs = [("modulation", "scale_shift_table"), ("cross_attn.k_img", "attn2.add_k_proj"),
             ("cross_attn.v_img", "attn2.add_v_proj"), ("cross_attn.norm_k_img", "attn2.norm_added_k"),
             ("norm3", "norm2"), ("ffn.0", "ffn.net.0.proj"), ("ffn.2", "ffn.net.2")]  # fmt: skip
    for a, b in (("self_attn", "attn1"), ("cross_attn", "attn2")):
        pairs += [(f"{a}.{n}", f"{b}.to_{n}") for n in "qkv"] + [(f"{a}.o", f"{b}.to_out.0")]
        pairs += [(f"{a}.norm_{n}", f"{b}.norm_{n}") for n in "qk"]
    state = {
        new + key[len(old) :]: value
        for key, value in ours.state_dict().items()
        for old, new in pairs
        if key == old or key.startswith(old + ".")
    }
    theirs.load_state_dict(state, strict=True)
    x, e0 = random(1, 1, 12, config.dim), random(2, 1, 6, config.dim)
    text, picture = random(3, 1, 512, config.dim), random(4, 1, 257, config.dim)
    angles = random(5, 12, config.head_dim // 2)
    wide = [f(angles).repeat_interleave(2, dim=-1)[None, :, None] for f in (torch.cos, torch.sin)]
    with torch.no_grad():
        want = theirs(x, torch.cat([picture, text], dim=1), e0, tuple(wide))
        got = ours(x, e0, torch.zeros_like(x), (angles.cos()[None, None], angles.sin()[None, None]),
                   ours.cross_attn.text(text), ours.cross_attn.picture(picture))  # fmt: skip
    assert worst(got, want) < 2e-5


def test_sizes_that_do_not_fit_are_refused_in_words(case):
    p = case.layout.history
    with pytest.raises(ModelError, match="multiples of 16"):
        case.network.prepare(case.x[:, :, : p - 1], case.y, case.buffer, case.clip)
    with pytest.raises(ModelError, match="512 rows"):
        case.network.prepare_text(case.text[:, :100])

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Every way of being faster gives the numbers of the straightforward form (tests/golden/lyra2_straightforward.py)."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lyra_core.errors import ModelError  # noqa: E402
from lyra_core.models.video.lyra2.attention import SequenceParallel, attention_kernel, usable_kernels  # noqa: E402
from lyra_core.models.video.lyra2.conditioning import make_camera, warp  # noqa: E402
from lyra_core.models.video.lyra2.loading import compile_blocks  # noqa: E402
from lyra_core.models.video.lyra2.network import NetworkConfig, Transformer  # noqa: E402
from lyra_core.models.video.lyra2.sampler import sample_unipc  # noqa: E402
from lyra_core.models.video.lyra2.workers import SharedTransformer  # noqa: E402
from tests.golden.lyra2_straightforward import Straightforward, straightforward_warp  # noqa: E402

CONFIG = NetworkConfig(dim=24, heads=2, layers=2, ffn_dim=32, freq_dim=16, text_dim=16, clip_dim=16, squeeze=4,
                       layout="f1k1f1s1f2k2_g2")  # fmt: skip
SAME = 2e-5  # values are about 1: the order of float32 sums


def make_network(device):
    """Module level: other processes call it too."""
    torch.manual_seed(4)
    made = Transformer(CONFIG).eval().requires_grad_(False)
    for value in made.state_dict().values():
        value.copy_(0.2 * torch.randn(value.shape))
    return made.to(device)


@pytest.fixture
def network():
    torch.set_num_threads(1)
    return make_network("cpu")


@pytest.fixture(scope="module")
def inputs():
    torch.manual_seed(0)
    shapes = {"x": (1, 16, 6, 4, 10), "y": (1, 404, 6, 4, 10), "buffer": (1, 256, 6, 4, 10), "text": (1, 512, 16),
              "negative": (1, 512, 16), "clip": (1, 257, 16)}  # fmt: skip
    return SimpleNamespace(**{name: torch.randn(shape) for name, shape in shapes.items()})


def prepared(network, inputs, hoist="full"):
    p = network.layout.history
    chunk = network.prepare(inputs.x[:, :, :p], inputs.y, inputs.buffer, inputs.clip, hoist=hoist)
    return chunk, inputs.x[:, :, p:], network.prepare_text(inputs.text), network.prepare_text(inputs.negative)


def straight(network, inputs, text, t=625.0):
    return Straightforward(network.state_dict(), CONFIG)(inputs.x, t, inputs.y, inputs.buffer, text, inputs.clip)


def differ(a, b):
    return float((a - b).abs().max())


@pytest.mark.parametrize("hoist", ["full", "squeezed"])
def test_both_passes_together_are_the_two_passes(hoist, network, inputs):
    chunk, new, text, negative = prepared(network, inputs, hoist)
    both = network.velocities(new, 625.0, chunk, [text, negative])
    assert both.shape == (2, 16, 2, 4, 10)
    for got, one, rows in ((both[:1], text, inputs.text), (both[1:], negative, inputs.negative)):
        assert differ(got, network.velocity(new, 625.0, chunk, one)) < SAME
        assert differ(got, straight(network, inputs, rows)) < SAME
    assert differ(both[:1], both[1:]) > 1e-3


def test_guidance_takes_both_passes_from_one_call_and_at_1_makes_one_pass(network, inputs):
    chunk, _, text, negative = prepared(network, inputs)
    calls = []

    def velocity(x, t, conditional):
        calls.append("one")
        return network.velocity(x, t, chunk, text if conditional else negative)

    def pair(x, t):
        calls.append("both")
        both = network.velocities(x, t, chunk, [text, negative])
        return both[:1], both[1:]

    noise = torch.randn(1, 16, 2, 4, 10)
    apart = sample_unipc(velocity, noise, steps=3)
    assert calls == ["one"] * 6
    together = sample_unipc(velocity, noise, steps=3, pair=pair)
    assert calls[6:] == ["both"] * 3
    assert differ(apart, together) < 1e-4 * float(apart.abs().max())
    sample_unipc(velocity, noise, steps=2, guidance=1.0, pair=pair)
    assert calls[9:] == ["one"] * 2


def test_captions_and_the_picture_are_projected_once_per_chunk(network, inputs):
    seen = []
    for i, block in enumerate(network.blocks):
        for name in ("k", "v", "k_img", "v_img"):
            getattr(block.cross_attn, name).register_forward_hook(lambda *_, key=(i, name): seen.append(key))
        block.cam_encoder.register_forward_hook(lambda *_, key=(i, "cam"): seen.append(key))
    chunk, new, text, negative = prepared(network, inputs)
    made = sorted(seen)
    for t in (900.0, 500.0, 100.0):
        network.velocities(new, t, chunk, [text, negative])
    assert sorted(seen) == made  # the steps add none
    assert made == sorted(
        (i, name) for i in range(2) for name in ("k", "v", "k", "v", "k_img", "v_img", "cam")
    )  # two captions, one picture


@pytest.mark.parametrize("name", ["flash", "math"])
def test_a_named_attention_kernel_gives_the_same_numbers(name, network, inputs):
    assert name in usable_kernels("cpu", torch.float32, CONFIG.head_dim)
    chunk, new, text, _ = prepared(network, inputs)
    want = network.velocity(new, 625.0, chunk, text)
    network.attention = attention_kernel(name, "cpu", torch.float32, CONFIG.head_dim)
    assert differ(network.velocity(new, 625.0, chunk, text), want) < SAME


def test_a_kernel_that_does_not_run_here_is_refused_with_those_that_do():
    with pytest.raises(ModelError, match=r"cudnn on cpu.*math"):
        attention_kernel("cudnn", "cpu")
    with pytest.raises(ModelError, match="efficient"):
        attention_kernel("fast", "cpu")


def compiled(network, inputs, backend):
    chunk, new, text, negative = prepared(network, inputs)
    want = network.velocities(new, 625.0, chunk, [text, negative])
    assert compile_blocks(network, backend) == 2
    got = network.velocities(new, 625.0, chunk, [text, negative])
    assert all(block._compiled_call_impl is not None for block in network.blocks)
    assert differ(got, want) < SAME


def test_compiled_blocks_give_the_same_numbers(network, inputs):
    compiled(network, inputs, "eager")
    with pytest.raises(ModelError, match=r"inductor"):
        compile_blocks(network, "magic")


@pytest.mark.slow
def test_blocks_compiled_to_machine_code_give_the_same_numbers(network, inputs):
    compiled(network, inputs, "inductor")


def test_two_processes_that_share_the_tokens_give_the_numbers_of_one(network, inputs):
    """43 tokens do not divide by two: the parts have 21 and 22."""
    shared = SharedTransformer(partial(make_network), 2, "cpu")
    try:
        for hoist in ("full", "squeezed"):
            chunk, new, text, negative = prepared(network, inputs, hoist)
            here, _, told, untold = prepared(shared, inputs, hoist)
            assert chunk.length == here.length == 43
            assert here.rays is None or here.rays.shape[1] == here.length // 2
            for texts, ours in (([text], [told]), ([text, negative], [told, untold])):
                want = network.velocities(new, 625.0, chunk, texts)
                assert differ(shared.velocities(new, 625.0, here, ours), want) < SAME
            shared.forget(untold)
    finally:
        shared.close()


def test_tokens_are_shared_out_without_padding_and_heads_must_divide():
    parts = SequenceParallel.__new__(SequenceParallel)
    for world, length in ((2, 35), (8, 38246), (3, 2)):
        parts.world = world
        ranges = [parts.part(length, rank) for rank in range(world)]
        assert [r.start for r in ranges[1:]] == [r.stop for r in ranges[:-1]]
        assert (ranges[0].start, ranges[-1].stop) == (0, length)
    parts.check_heads(39)
    with pytest.raises(ModelError, match="1, 2, 4, 5, 8, 10"):
        parts.check_heads(40)


@pytest.mark.parametrize("compat", ["reference", "default"])
def test_one_placing_and_one_splat_are_the_warp_that_makes_everything_again_for_each_target(compat):
    """The straightforward form unprojects the picture again for every target, as the reference does."""
    rng = np.random.default_rng(2)
    height, width = 24, 32
    k = np.array([[30.0, 0, 16.3], [0, 31.0, 11.7], [0, 0, 1]], np.float32)
    depth = np.full((height, width), 3.0, np.float32)
    depth[6:16, 8:20] = 1.7
    rgb = rng.uniform(-1, 1, (height, width, 3)).astype(np.float32)
    poses = np.tile(np.eye(4, dtype=np.float32), (19, 1, 1))
    poses[:, 0, 3], poses[:, 2, 3] = np.linspace(0.01, 0.31, 19), np.linspace(0.02, 0.9, 19)
    cameras = [make_camera(pose, k, (height, width)) for pose in poses]
    source = make_camera(np.eye(4), k, (height, width))
    colours, depths = warp(rgb, depth, source, cameras, compat=compat)
    want, z, seen = straightforward_warp(rgb, depth, np.eye(4, dtype=np.float32), k, poses)
    if compat == "reference":
        both = (colours != -1).any(-1) & seen
        assert ((depths > 0) == seen).mean() > 0.995
        assert np.abs(colours - want)[both].max() < 1e-3
        assert np.abs(depths - z)[both].max() < 1e-3
    else:  # half a pixel of shift and single weights: close where depth is even, not equal
        both = (depths > 0) & seen
        assert np.median(np.abs(depths - z)[both]) < 1e-3
        assert not np.array_equal(colours, want)


def test_cudnn_stays_on_and_nothing_is_flushed_between_latents(monkeypatch):
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

    from lyra_core.models.video.lyra2.vae import Vae

    vae = Vae(AutoencoderKLWan(base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
                               temperal_downsample=[False, True, True]).eval())  # fmt: skip
    states = []
    vae.model.decoder.register_forward_pre_hook(lambda *_: states.append(torch.backends.cudnn.enabled))

    def forbidden(*_, **__):
        raise AssertionError("the cache was flushed")

    for owner, name in ((torch.cuda, "empty_cache"), (torch.cuda, "synchronize")):
        monkeypatch.setattr(owner, name, forbidden)
    assert vae.decode(torch.randn(1, 16, 3, 2, 3)).shape == (1, 3, 9, 16, 24)
    assert states == [True] * 3

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The streamed VAE against golden data of Lyra 2.0 (g_vae*.safetensors). README of the set: 1e-4, half tensors 2e-3."""

from __future__ import annotations

import re

import pytest

torch = pytest.importorskip("torch")

from lyra_core.errors import ModelError  # noqa: E402
from lyra_core.models.video.lyra2.vae import Vae, VaeStream, make_autoencoder  # noqa: E402
from tests.golden.lyra2_files import Golden, files, worst  # noqa: E402

FULL, HALF = 1e-4, 2e-3


@pytest.fixture(scope="module", params=files("g_vae*"))
def case(request):
    torch.set_num_threads(1)
    golden = Golden(request.param)
    return golden, Vae(make_autoencoder(golden.weights(), golden.json("cfg")))


def test_encoding_at_once_and_a_single_frame_are_golden(case):
    golden, vae = case
    frames = golden["in/frames"].float()
    assert worst(vae.encode(frames), golden[golden.keys("encode/all")[0]]) < FULL
    assert worst(vae.encode(frames[:, :, :1]), golden["encode/first_frame_only"]) < FULL


def test_encoding_in_pieces_is_golden_and_equals_encoding_at_once(case):
    golden, vae = case
    frames, stream, start, parts = golden["in/frames"].float(), VaeStream(), 0, []
    order = {"first": 0, "next": 1, "last": 2}
    for key in sorted(golden.keys("stream/"), key=lambda k: order.get(re.match(r"stream/([a-z]+)", k)[1], 1)):
        count = int(re.match(r"stream/[a-z]+(\d+)", key)[1])
        parts.append(vae.encode(frames[:, :, start : start + count], stream))
        assert worst(parts[-1], golden[key]) < FULL
        start += count
    assert start == frames.shape[2]
    assert worst(torch.cat(parts, dim=2), vae.encode(frames)) < 1e-5


def test_decoding_in_pieces_is_golden_and_equals_decoding_at_once(case):
    golden, vae = case
    latents = golden[golden.keys("encode/all")[0]]
    stream = VaeStream()
    frames = torch.cat([vae.decode(part, stream) for part in latents.split(2, dim=2)], dim=2)
    assert worst(frames, golden["decode/streamed"]) < HALF
    want = golden["decode/full_unclamped"]
    once = vae.decode(latents)
    assert worst(once[:, :, : want.shape[2]], want) < HALF
    assert worst(frames, once) < 1e-5
    low, high = golden["decode/minmax"].tolist()
    assert float(once.min()) == pytest.approx(low, abs=FULL)
    assert float(once.max()) == pytest.approx(high, abs=FULL)


def test_decoded_frames_are_not_clamped(case):
    golden, _ = case
    weights = golden.weights()
    weights["decoder.head.2.weight"] = 8 * weights["decoder.head.2.weight"]
    loud = Vae(make_autoencoder(weights, golden.json("cfg")))
    latents = golden[golden.keys("encode/all")[0]][:, :, :2]
    frames = loud.decode(latents)
    assert float(frames.abs().max()) > 1
    with torch.no_grad():
        theirs = loud.model.decode(latents * loud._std + loud._mean).sample
    assert float(theirs.abs().max()) <= 1  # diffusers' own decode clamps
    assert worst(frames.clamp(-1, 1), theirs) < 1e-5


def test_a_branched_stream_leaves_the_first_as_it_was(case):
    golden, vae = case
    frames = golden["in/frames"].float()
    stream = VaeStream()
    vae.encode(frames[:, :, :5], stream)
    branch = stream.copy()
    vae.encode(-frames[:, :, -4:], branch)
    want = vae.encode(frames[:, :, :9])[:, :, 2:]
    assert worst(vae.encode(frames[:, :, 5:9], stream), want) < 1e-5


def test_frame_counts_sizes_and_weights_that_do_not_fit_are_refused_in_words(case):
    golden, vae = case
    frames = golden["in/frames"].float()
    with pytest.raises(ModelError, match="4k frames"):
        vae.encode(frames[:, :, :3])
    with pytest.raises(ModelError, match="multiples of 8"):
        vae.encode(frames[:, :, :1, :, :-3])
    weights = golden.weights()
    weights.pop("conv1.bias")
    weights["conv1.weight"] = weights["conv1.weight"][:3]
    weights["something.else"] = torch.zeros(1)
    with pytest.raises(ModelError, match="VAE") as caught:
        make_autoencoder(weights, golden.json("cfg"))
    for word in ("1 of", "missing", "quant_conv.bias", "1 unknown", "something.else", "another size"):
        assert word in str(caught.value)

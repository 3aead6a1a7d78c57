# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of the Lyra 2.0 network from every kind of file, and what is said when they do not fit."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")

from lyra_core.errors import ModelError  # noqa: E402
from lyra_core.models.video.lyra2.checkpoint import (  # noqa: E402
    clean_state,
    config_of,
    grow_from_base,
    load_transformer,
    read_state,
)
from lyra_core.models.video.lyra2.network import NetworkConfig, Transformer  # noqa: E402

CONFIG = NetworkConfig(dim=24, heads=2, layers=2, ffn_dim=32, freq_dim=16, text_dim=16, clip_dim=16, squeeze=4,
                       layout="f1k1f1s1f2k2_g2")  # fmt: skip
COUNTERS = {"net.accum_iteration": torch.tensor(5), "net.blocks.0.self_attn.attn_op._extra_state": torch.zeros(3)}


@pytest.fixture(scope="module")
def weights():
    torch.manual_seed(3)
    return {"net." + k: 0.1 * torch.randn(v.shape) for k, v in Transformer(CONFIG).state_dict().items()} | COUNTERS


def save(form, weights, folder):
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    if form == "safetensors":
        save_file(weights, folder / "model.safetensors")
        return folder / "model.safetensors"
    if form == "index":
        names = sorted(weights)
        parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
        for name, keys in parts.items():
            save_file({k: weights[k] for k in keys}, folder / name)
        index = {"weight_map": {k: name for name, keys in parts.items() for k in keys}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        return folder
    if form == "torch":
        torch.save({"state_dict": weights}, folder / "model.pt")
        return folder
    import torch.distributed.checkpoint as dcp

    dcp.save(dict(weights), checkpoint_id=folder, no_dist=True)
    return folder


@pytest.mark.parametrize("form", ["safetensors", "index", "torch", "distributed"])
def test_every_kind_of_file_gives_the_same_network(form, weights, tmp_path):
    loaded = load_transformer(save(form, weights, tmp_path / form), config=CONFIG, dtype=None)
    for key, value in loaded.network.state_dict().items():
        assert torch.equal(value, weights["net." + key]), key
    # A distributed checkpoint's counters are not even read.
    assert set(loaded.ignored) == (set() if form == "distributed" else set(COUNTERS))


def test_time_modulation_and_head_stay_in_float32(weights, tmp_path):
    path = save("safetensors", weights, tmp_path)
    network = load_transformer(path, config=CONFIG, dtype=torch.bfloat16).network
    assert network.dtype == torch.bfloat16
    for name, value in network.named_parameters():
        wide = name.startswith(("time_", "head.")) or name.endswith("modulation")
        assert value.dtype == (torch.float32 if wide else torch.bfloat16), name


def test_a_bfloat16_network_runs_and_stays_near_the_float32_one(weights, tmp_path):
    path = save("safetensors", weights, tmp_path)
    torch.manual_seed(0)
    x, text, clip = torch.randn(1, 16, 6, 4, 4), torch.randn(1, 512, 16), torch.randn(1, 257, 16)
    y, buffer = torch.randn(1, 404, 6, 4, 4), torch.rand(1, 256, 6, 4, 4)
    exact = load_transformer(path, config=CONFIG, dtype=None).network(x, 625.0, y, buffer, text, clip)
    rough = load_transformer(path, config=CONFIG).network(x, 625.0, y, buffer, text, clip)
    assert exact.abs().max() > 0.1
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()  # bfloat16 has 8 bits


def test_sizes_are_read_off_the_weights(weights):
    state, ignored = clean_state(weights)
    assert config_of(state, layout=CONFIG.layout, heads=2) == CONFIG
    assert ignored == tuple(sorted(COUNTERS))
    with pytest.raises(ModelError, match="heads"):
        config_of(state)


def test_the_released_network_has_the_fact_sheets_names_and_sizes():
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in Transformer(NetworkConfig()).state_dict().items()}
    linear = {"text_embedding.0": (5120, 4096), "text_embedding.2": (5120, 5120), "time_embedding.0": (5120, 256),
              "time_embedding.2": (5120, 5120), "time_projection.1": (30720, 5120), "patch_embedding": (5120, 144),
              "img_emb.proj.1": (1280, 1280), "img_emb.proj.3": (5120, 1280), "head.head": (64, 5120)}  # fmt: skip
    grown = (144, 576, 144, 9216, 1152, 144)
    linear |= {f"clean_patch_embeddings.{i}": (5120, columns) for i, columns in enumerate(grown)}
    want = {"img_emb.proj.0.weight": (1280,), "img_emb.proj.0.bias": (1280,), "img_emb.proj.4.weight": (5120,),
            "img_emb.proj.4.bias": (5120,), "head.modulation": (1, 2, 5120)}  # fmt: skip
    for n in range(40):
        b = f"blocks.{n}."
        linear |= {f"{b}self_attn.{k}": (5120, 5120) for k in "qkvo"}
        linear |= {f"{b}cross_attn.{k}": (5120, 5120) for k in ("q", "k", "v", "o", "k_img", "v_img")}
        linear |= {f"{b}ffn.0": (13824, 5120), f"{b}ffn.2": (5120, 13824)}
        want |= {f"{b}{k}.weight": (5120,) for k in ("self_attn.norm_q", "self_attn.norm_k", "cross_attn.norm_q",
                                                     "cross_attn.norm_k", "cross_attn.norm_k_img", "norm3")}  # fmt: skip
        want |= {f"{b}modulation": (1, 6, 5120), f"{b}norm3.bias": (5120,), f"{b}cam_encoder.weight": (5120, 1536),
                 f"{b}buffer_encoder.0.weight": (256, 20480), f"{b}buffer_encoder.1.weight": (5120, 256)}  # fmt: skip
    for name, (rows, columns) in linear.items():
        want |= {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}
    assert shapes == want


def test_a_missing_file_tells_where_to_get_it_and_under_which_licence(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(ModelError, match="research only") as caught:
            load_transformer(path)
        assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("form", ["safetensors", "torch", "distributed", "index"])
def test_a_file_cut_short_is_told_to_be_cut_short(form, weights, tmp_path):
    save(form, weights, tmp_path)
    largest = max((f for f in tmp_path.iterdir() if f.suffix != ".json"), key=lambda f: f.stat().st_size)
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    with pytest.raises(ModelError, match="cut short"):
        load_transformer(tmp_path, config=CONFIG)


def test_a_missing_part_is_named(weights, tmp_path):
    save("index", weights, tmp_path)
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(ModelError, match=r"b\.safetensors"):
        read_state(tmp_path)


def test_names_and_sizes_that_do_not_fit_are_counted_and_listed(weights, tmp_path):
    broken = dict(weights)
    del broken["net.blocks.1.ffn.2.bias"]
    broken["net.blocks.0.surprise"] = torch.zeros(1)
    broken["net.head.head.weight"] = torch.zeros(3, 4)
    with pytest.raises(ModelError) as caught:
        load_transformer(save("safetensors", broken, tmp_path), config=CONFIG)
    message = str(caught.value)
    for part in ("1 of ", "blocks.1.ffn.2.bias", "1 unknown", "blocks.0.surprise", "(3, 4) instead of (64, 24)"):
        assert part in message


def test_another_models_weights_and_other_files_are_refused_in_words(tmp_path):
    with pytest.raises(ModelError, match="no patch embedding"):
        load_transformer(save("safetensors", {"down_blocks.0.weight": torch.zeros(2)}, tmp_path / "a"))
    (tmp_path / "notes.pt").write_text("not weights")
    with pytest.raises(ModelError, match="another kind"):
        read_state(tmp_path / "notes.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ModelError, match="table of tensors"):
        read_state(tmp_path / "list.pt")


def test_base_weights_are_recognised_and_grow_into_a_network_that_starts_as_the_base(weights, tmp_path):
    new = ("cam_encoder", "buffer_encoder", "clean_patch_embeddings")
    base = {k[4:]: v for k, v in weights.items() if not any(n in k for n in new) and k not in COUNTERS}
    wan = dict(base)
    wan["patch_embedding.weight"] = base["patch_embedding.weight"].reshape(24, 36, 1, 2, 2)
    with pytest.raises(ModelError, match="base Wan"):
        load_transformer(save("safetensors", wan, tmp_path))
    state = grow_from_base(clean_state(wan)[0], layout=CONFIG.layout, squeeze=4)
    network = Transformer(CONFIG)
    network.load_state_dict(state, strict=True)
    # A history of one colour embeds as the base patch does, in every segment.
    flat = torch.randn(1, 36, 1, 1, 1).expand(1, 36, 4, 4, 4)
    want = network.embed_new(flat[:, :, :1])[0, 0]
    torch.testing.assert_close(network.embed_history(flat), want.expand(1, 9, -1), rtol=1e-4, atol=1e-5)

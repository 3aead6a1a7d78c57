# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""LoRA files of every naming, and 8-bit weights."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lyra_core.errors import ModelError  # noqa: E402
from lyra_core.models.registry import video_model  # noqa: E402
from lyra_core.models.video.lyra2.budget import network_parameters  # noqa: E402
from lyra_core.models.video.lyra2.keys import key_table  # noqa: E402
from lyra_core.models.video.lyra2.lora import (  # noqa: E402
    diffusers_name,
    is_distilled,
    merge_file,
    merge_state,
    module_name,
    module_names,
)
from lyra_core.models.video.lyra2.network import NetworkConfig, Transformer  # noqa: E402
from lyra_core.models.video.lyra2.packing import Layout  # noqa: E402
from lyra_core.models.video.lyra2.quantize import QuantizedLinear, quantize_linear  # noqa: E402
from lyra_core.models.video.lyra2.sampler import chunk_noise  # noqa: E402

CONFIG = NetworkConfig(dim=24, heads=2, layers=2, ffn_dim=32, freq_dim=16, text_dim=16, clip_dim=16, squeeze=4,
                       layout="f1k1f1s1f2k2_g2")  # fmt: skip
NAMINGS = {
    "peft": ("diffusion_model.blocks.1.self_attn.q", "lora_A.weight", "lora_B.weight"),
    "reference": ("net.blocks.1.self_attn.q", "lora_down.weight", "lora_up.weight"),
    "peft adapter": ("base_model.model.blocks.1.self_attn.q", "lora_A.default.weight", "lora_B.default.weight"),
    "diffusers": ("transformer.blocks.1.attn1.to_q", "lora_A.weight", "lora_B.weight"),
    "musubi": ("lora_unet_blocks_1_self_attn_q", "lora_down.weight", "lora_up.weight"),
}


@pytest.fixture
def network():
    torch.manual_seed(4)
    made = Transformer(CONFIG).eval().requires_grad_(False)
    for value in made.state_dict().values():
        value.copy_(0.1 * torch.randn(value.shape))
    return made


@pytest.fixture(scope="module")
def inputs():
    torch.manual_seed(0)
    return (torch.randn(1, 16, 6, 4, 4), 625.0, torch.randn(1, 404, 6, 4, 4), torch.rand(1, 256, 6, 4, 4),
            torch.randn(1, 512, 16), torch.randn(1, 257, 16))  # fmt: skip


@pytest.mark.parametrize("naming", NAMINGS)
def test_every_naming_adds_the_same_product(naming, network):
    name, down, up = NAMINGS[naming]
    a, b = torch.randn(3, 24), torch.randn(24, 3)
    before = network.blocks[1].self_attn.q.weight.clone()
    state = {f"{name}.{down}": a, f"{name}.{up}": b, f"{name}.alpha": torch.tensor(6.0)}
    report = merge_state(network, state, 0.4)
    assert report.modules == ("blocks.1.self_attn.q",)
    after = network.blocks[1].self_attn.q.weight
    torch.testing.assert_close(after, before + 0.4 * 2 * b @ a)
    merge_state(network, state, -0.4)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)


LAYOUTS = {
    "peft": ("base_model.model.{}", "lora_A.default.weight", "lora_B.default.weight"),
    "diffusers": ("transformer.{}", "lora_A.weight", "lora_B.weight"),
    "musubi": ("lora_unet_{}", "lora_down.weight", "lora_up.weight"),
    "musubi of diffusers": ("lora_unet_{}", "lora_down.weight", "lora_up.weight"),
    "reference": ("net.{}", "lora_down.weight", "lora_up.weight"),
}


def name_in(layout, module):
    name = diffusers_name(module) if "diffusers" in layout else module
    return name.replace(".", "_") if "musubi" in layout else name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_in_every_layout_reaches_every_module(layout, network, tmp_path):
    from safetensors.torch import save_file

    torch.manual_seed(6)
    prefix, down, up = LAYOUTS[layout]
    modules = {n: m for n, m in network.named_modules() if isinstance(m, torch.nn.Linear)}
    names = {n: prefix.format(name_in(layout, n)) for n in modules}
    assert len(set(names.values())) == len(modules)
    state = {}
    for name, module in modules.items():
        state[f"{names[name]}.{down}"] = torch.randn(2, module.in_features)
        state[f"{names[name]}.{up}"] = torch.randn(module.out_features, 2)
        state[f"{names[name]}.alpha"] = torch.tensor(3.0)
    before = {n: m.weight.clone() for n, m in modules.items()}
    save_file(state, tmp_path / "style.safetensors")
    assert set(merge_file(network, tmp_path / "style.safetensors", 0.4).modules) == set(modules)
    for name, module in modules.items():
        want = before[name] + 0.4 * 1.5 * state[f"{names[name]}.{up}"] @ state[f"{names[name]}.{down}"]
        torch.testing.assert_close(module.weight, want)


def test_a_merged_lora_is_an_adapter_that_runs_beside_its_module(network, inputs):
    """As PEFT injects it: out += strength * alpha / rank * up(down(x)); a bias difference is added once."""
    torch.manual_seed(7)
    names = ("blocks.0.self_attn.q", "blocks.1.ffn.2", "blocks.1.cross_attn.v_img", "clean_patch_embeddings.1")
    modules, state, hooks = dict(network.named_modules()), {}, []
    for name in names:
        module = modules[name]
        a, b = 0.3 * torch.randn(2, module.in_features), 0.3 * torch.randn(module.out_features, 2)
        change = 0.3 * torch.randn(module.out_features)
        state |= {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b, f"{name}.diff_b": change}
        hooks.append(module.register_forward_hook(
            lambda _, x, out, a=a, b=b, d=change: out + 0.7 * ((x[0] @ a.T) @ b.T + d)))  # fmt: skip
    beside = network(*inputs)
    for hook in hooks:
        hook.remove()
    plain = network(*inputs)
    merge_state(network, state, 0.7)
    torch.testing.assert_close(network(*inputs), beside, atol=1e-4, rtol=1e-4)
    assert float((beside - plain).abs().max()) > 1e-2


def test_a_convolutions_lora_reaches_the_flattened_patch_embedding(network):
    before = network.patch_embedding.weight.clone()
    a, b = torch.randn(2, 36, 1, 2, 2), torch.randn(24, 2, 1, 1, 1)
    merge_state(network, {"patch_embedding.lora_A.weight": a, "patch_embedding.lora_B.weight": b})
    torch.testing.assert_close(network.patch_embedding.weight, before + b.flatten(1) @ a.flatten(1))


def test_names_that_mean_nothing_are_nothing():
    known = module_names(["blocks.1.self_attn.o", "head.head"])
    assert module_name("transformer.blocks.1.attn1.to_out.0", known) == "blocks.1.self_attn.o"
    assert module_name("diffusion_model.head.head", known) == "head.head"
    assert module_name("lora_unet__proj_out", known) == "head.head"
    assert module_name("blocks.2.self_attn.o", known) is None


@pytest.mark.parametrize("guidance", [5.0, 1.0])
def test_a_distilled_lora_makes_four_passes_without_the_negative_prompt(guidance, tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "dmd.safetensors")
    calls = []

    class Network:
        layout = Layout.parse("f1k1f1s1_g20")

        def prepare(self, *_, **__):
            return "chunk"

        def velocity(self, x, t, chunk, text):
            calls.append((round(t, 1), text))
            return x * 0

        def velocities(self, *_):
            raise AssertionError("guidance")

    model = video_model("lyra2", loras=[str(tmp_path / "dmd.safetensors")], guidance=guidance)
    told = SimpleNamespace(history=torch.zeros(1, 16, 2, 2, 2), y=torch.zeros(1), correspondence=torch.zeros(1))
    request = SimpleNamespace(device="cpu", first_index=1, rng=np.random.default_rng(0))
    models = SimpleNamespace(network=Network(), negative="negative")
    steps = list(model._sample(request, models, told, "caption", torch.zeros(1), None))
    assert calls == [(1000.0, "caption"), (937.5, "caption"), (833.3, "caption"), (625.0, "caption")]
    assert [step[:2] for step in steps] == [(4, 4)]
    assert steps[0][2].shape == (1, 16, 20, 2, 2)


def test_each_chunk_has_its_own_noise_and_the_same_chunk_the_same():
    shape = (1, 16, 2, 2, 2)
    model = video_model("lyra2", compat="counted_seeds", seed=3)
    seeds = [model.chunk_seed(SimpleNamespace(first_index=1 + 80 * c)) for c in range(3)]
    assert seeds == [3, 4, 5]
    noises = [chunk_noise(seed, shape) for seed in seeds]
    assert not torch.equal(noises[0], noises[1])
    assert torch.equal(noises[1], chunk_noise(4, shape))
    want = np.random.RandomState(4).standard_normal(shape).astype(np.float32)
    assert np.array_equal(noises[1].numpy(), want)


def test_without_alpha_it_is_the_rank_and_differences_are_added_unless_they_are_noise(network):
    layer = network.blocks[0].cross_attn.k_img
    before, bias = layer.weight.clone(), layer.bias.clone()
    name = "blocks.0.cross_attn.k_img"
    a, b = torch.randn(2, 24), torch.randn(24, 2)
    state = {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b, f"{name}.diff_b": torch.ones(24),
             f"{name}.diff": torch.full((24, 24), 1e-3)}  # fmt: skip
    report = merge_state(network, state, 0.5)
    assert report.dropped == (f"{name}.diff",)
    torch.testing.assert_close(layer.weight, before + 0.5 * b @ a)
    torch.testing.assert_close(layer.bias, bias + 0.5)


def test_keys_and_sizes_that_do_not_fit_are_listed_and_nothing_is_changed(network, tmp_path):
    before = {k: v.clone() for k, v in network.state_dict().items()}
    good = {"blocks.0.ffn.0.lora_A.weight": torch.ones(2, 24), "blocks.0.ffn.0.lora_B.weight": torch.ones(32, 2)}
    with pytest.raises(ModelError, match=r"1 of 3 keys.*blocks\.9"):
        merge_state(network, good | {"blocks.9.ffn.0.lora_A.weight": torch.ones(2, 24)})
    with pytest.raises(ModelError, match="another size"):
        merge_state(network, good | {"blocks.0.ffn.0.lora_B.weight": torch.ones(31, 2)})
    with pytest.raises(ModelError, match="both"):
        merge_state(network, {"blocks.0.ffn.0.lora_A.weight": torch.ones(2, 24)})
    with pytest.raises(ModelError, match="not there"):
        merge_file(network, tmp_path / "none.safetensors")
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())


def test_the_distilled_lora_is_known_by_name_or_metadata_and_sets_the_sampler(tmp_path):
    from safetensors.torch import save_file

    named, told, style = (tmp_path / f"{n}.safetensors" for n in ("lyra2_dmd", "fast", "style"))
    save_file({"a": torch.zeros(1)}, named)
    save_file({"a": torch.zeros(1)}, told, metadata={"sampler": "distilled"})
    save_file({"a": torch.zeros(1)}, style)
    assert [is_distilled(p) for p in (named, told, style)] == [True, True, False]
    assert video_model("lyra2", loras=[f"{style}:0.4", str(told)]).record()["video_sampler"] == "distilled"
    assert video_model("lyra2", loras=[f"{style}:0.4"]).record()["video_sampler"] == "unipc-35"


@pytest.mark.parametrize(("kind", "limit"), [("int8", 0.02), ("fp8", 0.08)])
def test_eight_bit_weights_stay_near(kind, limit, network, inputs):
    want = network(*inputs)
    weight = network.blocks[0].ffn[0].weight.clone()
    assert quantize_linear(network, kind) == 2 * 13 + 4
    stored = network.blocks[0].ffn[0]
    assert isinstance(stored, QuantizedLinear)
    assert stored.values.element_size() == 1
    error = (stored.weight - weight).abs()
    largest = weight.abs().amax(1, keepdim=True)
    bound = largest / 127 / 2 if kind == "int8" else weight.abs() / 16 + largest / 448 * 2**-10
    assert bool((error <= bound * 1.001 + 1e-9).all())
    got = network(*inputs)
    assert 0 < float((got - want).norm() / want.norm()) < limit


def test_the_parameter_count_is_that_of_the_network():
    for config in (NetworkConfig(), CONFIG):
        with torch.device("meta"):
            whole = sum(p.numel() for p in Transformer(config).parameters())
        assert network_parameters(config) == pytest.approx(whole, rel=0.001 if config.dim > 100 else 0.2)


def test_the_key_table_counts_every_tensor_once():
    table = key_table(CONFIG)
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ") and "name (" not in line]
    with torch.device("meta"):
        shapes = Transformer(CONFIG).state_dict()
    assert sum(int(row[3]) for row in rows) == len(shapes)
    assert "| blocks.N.cam_encoder.weight | 24 x 1536 | 2 | bfloat16 |" in table
    assert "| head.modulation | 1 x 2 x 24 | 1 | float32 |" in table

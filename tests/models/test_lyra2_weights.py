# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""LoRA files of every naming, 8-bit weights, blocks that visit the card, and memory plans."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from lyra_core.errors import ModelError  # noqa: E402
from lyra_core.models.registry import video_model  # noqa: E402
from lyra_core.models.video.lyra2.budget import network_parameters, plan_for, plans  # noqa: E402
from lyra_core.models.video.lyra2.keys import key_table  # noqa: E402
from lyra_core.models.video.lyra2.lora import is_distilled, merge_file, merge_state  # noqa: E402
from lyra_core.models.video.lyra2.network import NetworkConfig, Transformer  # noqa: E402
from lyra_core.models.video.lyra2.offload import Visits  # noqa: E402
from lyra_core.models.video.lyra2.quantize import QuantizedLinear, quantize_linear  # noqa: E402

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


@pytest.mark.parametrize("resident", [0, 1, 2])
def test_blocks_that_visit_give_the_same_numbers_and_go_home(resident, network, inputs):
    want = network(*inputs)
    homes = {k: v.data_ptr() for k, v in network.state_dict().items()}
    network.visits = Visits("cpu", resident)
    seen = [network.visits.visiting for _ in network._blocks()]
    assert seen == [int(i >= resident) for i in range(2)]
    assert torch.equal(network(*inputs), want)
    assert network.visits.visiting == 0
    assert {k: v.data_ptr() for k, v in network.state_dict().items()} == homes


def test_the_parameter_count_is_that_of_the_network():
    for config in (NetworkConfig(), CONFIG):
        with torch.device("meta"):
            whole = sum(p.numel() for p in Transformer(config).parameters())
        assert network_parameters(config) == pytest.approx(whole, rel=0.001 if config.dim > 100 else 0.2)


def test_more_memory_never_gives_a_slower_plan_and_all_plans_fit_their_budget():
    order = plans(NetworkConfig(), 832, 480)
    ranks = []
    for budget in (16, 20, 24, 32, 40, 48, 80, 140):
        plan = plan_for(NetworkConfig(), 832, 480, budget)
        assert plan.peak <= budget
        ranks.append(order.index(plan))
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) > 3
    assert plan_for(NetworkConfig(), 832, 480, 24).quantize == "int8"
    assert all("computed" in line for line in plan_for(NetworkConfig(), 832, 480, 24).lines()[1:])


def test_too_little_memory_is_told_with_the_least_that_works():
    with pytest.raises(ModelError, match="at least") as caught:
        plan_for(NetworkConfig(), 832, 480, 6)
    least = float(str(caught.value).split("at least ")[1].split(" GB")[0])
    assert plan_for(NetworkConfig(), 832, 480, least + 0.06).peak <= least + 0.06


def test_the_key_table_counts_every_tensor_once():
    table = key_table(CONFIG)
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ") and "name (" not in line]
    with torch.device("meta"):
        shapes = Transformer(CONFIG).state_dict()
    assert sum(int(row[3]) for row in rows) == len(shapes)
    assert "| blocks.N.cam_encoder.weight | 24 x 1536 | 2 | bfloat16 |" in table
    assert "| head.modulation | 1 x 2 x 24 | 1 | float32 |" in table

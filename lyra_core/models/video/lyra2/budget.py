# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Which way of running fits a card: a plan from sizes alone, made and shown before anything is loaded.

All figures are computed from the sizes of tensors, not measured; working memory of attention and convolutions is an
estimate. One GB is 1e9 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lyra_core.errors import ModelError
from lyra_core.models.video.lyra2.blocks import CAMERA, NetworkConfig
from lyra_core.models.video.lyra2.packing import Layout

__all__ = ["RESERVE_GB", "Plan", "network_parameters", "plan_for", "plans"]

RESERVE_GB = 1.5
"""Left for the driver, the allocator's gaps and the geometry."""

_VAE_GB = 0.5  # Wan VAE with the caches of its streams
_TEXT_ROWS, _PICTURE_ROWS = 512, 257


@dataclass(frozen=True, slots=True)
class Plan:
    """A way of running.

    Attributes
    ----------
    quantize: weights of the blocks in 8 bits, or None for 16.
    hoist: form of the per-chunk tensors (Transformer.prepare).
    resident: blocks that stay on the card; the others are sent there one at a time.
    stages: stage to computed GB on the card, reserve included.
    """

    quantize: Literal["int8", "fp8"] | None
    hoist: Literal["full", "squeezed"]
    resident: int
    stages: tuple[tuple[str, float], ...]

    @property
    def peak(self) -> float:
        """Largest stage [GB]."""
        return max(gb for _, gb in self.stages)

    def lines(self) -> tuple[str, ...]:
        """The plan in words."""
        weights = self.quantize or "16-bit"
        head = f"memory plan: {weights} weights, {self.hoist} chunk tensors, {self.resident} blocks kept on the card"
        return (head, *(f"  {name}: {gb:.1f} GB (computed)" for name, gb in self.stages))


def _block_parameters(config: NetworkConfig) -> tuple[int, int]:
    """(parameters of one block that are quantised, the others)."""
    dim = config.dim
    slots = max(Layout.parse(config.layout).slots, 1)
    small = 4 * CAMERA * dim + slots * 4096 * config.squeeze + config.squeeze * dim + 20 * dim
    return 10 * dim * dim + 2 * dim * config.ffn_dim, small


def network_parameters(config: NetworkConfig) -> int:
    """Parameters of the network, biases of the blocks left out (below 0.1 %)."""
    patches = sum(s.patch[0] * s.patch[1] * s.patch[2] * 36 for s in Layout.parse(config.layout).segments)
    dim = config.dim
    outer = (144 + patches + config.text_dim + dim + config.freq_dim + dim + 6 * dim + config.clip_dim + 64) * dim
    return config.layers * sum(_block_parameters(config)) + outer + config.clip_dim**2


def _stages(config: NetworkConfig, width: int, height: int, quantize: str | None, hoist: str, resident: int,
            tokens: int) -> tuple[tuple[str, float], ...]:  # fmt: skip
    large, small = _block_parameters(config)
    block = large * (1 if quantize else 2) + small * 2
    outer = 2 * (network_parameters(config) - config.layers * (large + small))
    dim = config.dim
    bias = config.layers * dim * 2 if hoist == "full" else config.layers * config.squeeze * 2 + 8 * CAMERA
    # Tokens, normed tokens, queries, keys, values, their rotated forms in float32, and the wide layer of the network.
    work = tokens * (10 * dim + 2 * config.ffn_dim) * 2
    unpacked = 2 * dim * config.ffn_dim * 4 if quantize else 0
    caches = 2 * config.layers * (2 * _TEXT_ROWS + _PICTURE_ROWS) * dim * 2
    held = min(resident + (1 if resident < config.layers else 0), config.layers) * block
    weights = (held + outer + caches) / 1e9 + _VAE_GB
    network = weights + (tokens * bias + work + unpacked) / 1e9
    # The decoder's widest stage: 96 channels of 4 frames, with the inputs and caches of its convolutions.
    decode = weights + width * height * 96 * 2 * 4 * 8 / 1e9
    stages = (("network", network), ("video decoder", decode))
    return tuple((name, round(gb + RESERVE_GB, 2)) for name, gb in stages)


def plans(config: NetworkConfig, width: int, height: int, *, distilled: bool = False,
          quantize: Literal["int8", "fp8"] | None = None) -> tuple[Plan, ...]:  # fmt: skip
    """All plans, the fastest first. Captions and picture tokens are made on the CPU under every plan."""
    layout = Layout.parse(config.layout)
    tokens = layout.tokens(height // 8, width // 8)[-1].stop
    found = []
    for kind in (quantize,) if quantize else (None, "int8"):
        for hoist in ("full", "squeezed"):
            # Sending blocks again in each of 4 steps costs little; full tensors would cost more than they save.
            counts = (config.layers,) if hoist == "full" else (config.layers, config.layers * 3 // 4,
                                                               config.layers // 2, config.layers // 4, 0)  # fmt: skip
            for resident in counts:
                stages = _stages(config, width, height, kind, hoist, resident, tokens)
                found.append(Plan(kind, hoist, resident, stages))
    # Slowest is sending blocks over the bus: eight bits come before it, unless four steps hide it.
    return tuple(sorted(found, key=lambda p: (p.resident < config.layers if not distilled else 0,
                                              config.layers - p.resident, p.quantize is not None,
                                              p.hoist == "squeezed")))  # fmt: skip


def plan_for(config: NetworkConfig, width: int, height: int, budget_gb: float, *, distilled: bool = False,
             quantize: Literal["int8", "fp8"] | None = None) -> Plan:  # fmt: skip
    """The fastest plan within the budget; ModelError, with the least budget that works, if there is none."""
    every = plans(config, width, height, distilled=distilled, quantize=quantize)
    for plan in every:
        if plan.peak <= budget_gb:
            return plan
    least = min(every, key=lambda p: p.peak)
    raise ModelError("Lyra 2.0 does not fit this card, however it is run", got=f"{budget_gb:g} GB",
                     do=f"At {width}x{height} at least {least.peak:.1f} GB are needed (computed); make the picture"
                        " smaller with photo.pixels, or use --model reproject")  # fmt: skip

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Which way of running fits a card: a plan from sizes alone, made and shown before anything is loaded.

All figures are computed from the sizes of tensors, not measured; working memory of attention and convolutions is an
estimate (tests/benchmarks/lyra2_stages.py measures it on a CUDA card). One GB is 1e9 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

from lyra_core.errors import ModelError
from lyra_core.models.video.lyra2.blocks import CAMERA, NetworkConfig
from lyra_core.models.video.lyra2.packing import Layout

__all__ = ["RESERVE_GB", "Plan", "network_parameters", "plan_for", "plans"]

RESERVE_GB = 1.5
"""Left for the driver, the allocator's gaps and the geometry."""

_VAE_GB = 0.5  # Wan VAE with the caches of its streams
_TEXT_ROWS, _PICTURE_ROWS = 512, 257
_TILE_BORDER = (9, 13)  # latents that the encoder's and the decoder's tiles look beyond themselves (tiles.py)
_SINE_ROWS = 4096  # tokens whose sines are in memory at once (network.py)

Quantize = Literal["int8", "fp8"]
Hoist = Literal["full", "squeezed"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A way of running.

    Attributes
    ----------
    quantize: weights of the blocks in 8 bits, or None for 16.
    hoist: form of the per-chunk tensors (Transformer.prepare).
    resident: blocks that stay on the card; the others are sent there, one while the one before it works.
    batched: both passes of guidance together.
    tiles: (rows, columns) of VAE tiles.
    stages: stage to computed GB on the card, reserve included.
    """

    quantize: Quantize | None
    hoist: Hoist
    resident: int
    batched: bool
    tiles: tuple[int, int]
    stages: tuple[tuple[str, float], ...]

    @property
    def peak(self) -> float:
        """Largest stage [GB]."""
        return max(gb for _, gb in self.stages)

    def lines(self) -> tuple[str, ...]:
        """The plan in words."""
        weights = self.quantize or "16-bit"
        passes = "both passes of guidance together" if self.batched else "one pass at a time"
        tiles = "VAE in one piece" if self.tiles == (1, 1) else f"VAE in {self.tiles[0]} x {self.tiles[1]} tiles"
        head = (f"memory plan: {weights} weights, {self.hoist} chunk tensors, {self.resident} blocks kept on the card,"
                f" {passes}, {tiles}")  # fmt: skip
        return (head, *(f"  {name}: {gb:.1f} GB (computed)" for name, gb in self.stages))


@dataclass(frozen=True, slots=True)
class _Size:
    """Latent grid and token count of a picture size."""

    rows: int
    columns: int
    latents: int
    tokens: int
    slots: int

    @classmethod
    def of(cls, config: NetworkConfig, width: int, height: int) -> _Size:
        layout = Layout.parse(config.layout)
        rows, columns = height // 8, width // 8
        tokens = layout.tokens(rows, columns)[-1].stop
        return cls(rows, columns, layout.total, tokens, max(layout.slots, 1))

    def tile_share(self, tiles: tuple[int, int], border: int) -> float:
        """Area of the largest tile with its border, as a part of the picture."""
        share = 1.0
        for size, count in ((self.rows, tiles[0]), (self.columns, tiles[1])):
            share *= min(-(-size // count) + border * min(count - 1, 2), size) / size
        return share


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


def _weights(config: NetworkConfig, quantize: str | None, resident: int) -> float:
    """Bytes of weights on the card, with the keys and values of two captions and a picture."""
    large, small = _block_parameters(config)
    block = large * (1 if quantize else 2) + small * 2
    outer = 2 * (network_parameters(config) - config.layers * (large + small))
    caches = 2 * config.layers * (2 * _TEXT_ROWS + _PICTURE_ROWS) * config.dim * 2
    # Blocks that visit: the one in use and the one on its way.
    held = min(resident + (2 if resident < config.layers else 0), config.layers)
    return held * block + outer + caches + _VAE_GB * 1e9


def _stages(config: NetworkConfig, size: _Size, plan: tuple[Quantize | None, Hoist, int, bool, tuple[int, int]],
            ) -> tuple[tuple[str, float], ...]:  # fmt: skip
    quantize, hoist, resident, batched, tiles = plan
    dim, tokens = config.dim, size.tokens
    weights = _weights(config, quantize, resident)
    grid = size.rows * size.columns
    per_token = config.layers * dim * 2 if hoist == "full" else config.layers * config.squeeze * 2 + 8 * CAMERA
    chunk = tokens * per_token
    # Rays and correspondences as they come (32 bits) and as they are used (16), and a piece of the sines.
    told = (404 + 256 * size.slots) * size.latents * grid * (4 + 2)
    waves = _SINE_ROWS * size.slots * 4096 * (4 + 4 + 2)
    # Tokens, normed tokens, queries, keys, values, their rotated forms in float32, and the wide layer of the network.
    work = tokens * (10 * dim + 2 * config.ffn_dim) * 2 * (2 if batched else 1)
    unpacked = 2 * dim * config.ffn_dim * 4 if quantize else 0
    # The VAE's widest stage: 96 channels of 4 frames, with the inputs and caches of its convolutions.
    wide = 64 * grid * 96 * 2 * 4 * 8
    stages = (
        ("conditions", weights + told + waves + chunk),
        ("network", weights + chunk + work + unpacked),
        ("video encoder", weights + wide * size.tile_share(tiles, _TILE_BORDER[0])),
        ("video decoder", weights + wide * size.tile_share(tiles, _TILE_BORDER[1])),
    )
    return tuple((name, round(used / 1e9 + RESERVE_GB, 2)) for name, used in stages)


def plans(config: NetworkConfig, width: int, height: int, *, distilled: bool = False,
          quantize: Quantize | None = None, guided: bool = True) -> tuple[Plan, ...]:  # fmt: skip
    """All plans, the fastest first. Captions and picture tokens are made on the CPU under every plan.

    distilled: four steps without guidance. guided: two passes a step (guidance is not 1).
    """
    size, layers = _Size.of(config, width, height), config.layers
    kinds: tuple[Quantize | None, ...] = (quantize,) if quantize else (None, "int8")
    # Sending blocks again in each of 4 steps costs little; full tensors would cost more than they save.
    forms: tuple[tuple[Hoist, int], ...] = (
        ("full", layers), ("squeezed", layers), ("squeezed", layers * 3 // 4), ("squeezed", layers // 2),
        ("squeezed", layers // 4), ("squeezed", 0),
    )  # fmt: skip
    passes = (True, False) if guided and not distilled else (False,)
    found = []
    for kind, (hoist, resident), batched, tiles in product(kinds, forms, passes, ((1, 1), (2, 2))):
        stages = _stages(config, size, (kind, hoist, resident, batched, tiles))
        found.append(Plan(kind, hoist, resident, batched, tiles, stages))
    # Slowest is sending blocks over the bus: eight bits come before it, unless four steps hide it. With blocks that
    # visit, two passes would send them twice.
    return tuple(sorted(found, key=lambda p: (p.resident < layers if not distilled else 0, layers - p.resident,
                                              not p.batched and p.resident < layers, p.quantize is not None,
                                              p.hoist == "squeezed", not p.batched, p.tiles)))  # fmt: skip


def plan_for(config: NetworkConfig, width: int, height: int, budget_gb: float, *, distilled: bool = False,
             quantize: Quantize | None = None, guided: bool = True) -> Plan:  # fmt: skip
    """The fastest plan within the budget; ModelError, with the least budget that works, if there is none."""
    every = plans(config, width, height, distilled=distilled, quantize=quantize, guided=guided)
    for plan in every:
        if plan.peak <= budget_gb:
            return plan
    least = min(every, key=lambda p: p.peak)
    raise ModelError("Lyra 2.0 does not fit this card, however it is run", got=f"{budget_gb:g} GB",
                     do=f"At {width}x{height} at least {least.peak:.1f} GB are needed (computed); make the picture"
                        " smaller with photo.pixels, or use --model reproject")  # fmt: skip

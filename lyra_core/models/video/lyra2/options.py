# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The options of Lyra 2.0, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch

from lyra_core.errors import ModelError
from lyra_core.models.video.lyra2.attention import Kernel
from lyra_core.models.video.lyra2.lora import is_distilled
from lyra_core.ops.quirks import Quirks

__all__ = ["Lyra2Options"]

_QUANTIZE = ("int8", "fp8")


@dataclass(frozen=True, slots=True)
class Lyra2Options:
    """How Lyra 2.0 is loaded and run; the defaults are those of the reference's scripts.

    Attributes
    ----------
    checkpoint: the folder (see bundle); default from the environment.
    steps, shift, guidance: of the sampler; a distilled LoRA has its own four steps without guidance.
    loras: "file" or "file:strength" each, merged in this order.
    distilled: None takes the distilled steps if one of the LoRA files is the distilled one.
    compat: "reference" takes Lyra 2.0's geometry, retrieval among every eighth frame, and seed + chunk as seed; or a
        list of its habits (lyra_core.ops.quirks.Quirks.parse).
    seed: for counted_seeds; by default noise comes from the request's generator.
    views: cameras of a chunk that retrieval looks from.
    vram: GB of the card; the plan that fits is made before anything loads (see budget). None on a CUDA card plans for
        the memory that is free on it.
    quantize: "int8" or "fp8" weights; None leaves it to the plan.
    dtype: of the network; default bfloat16 on CUDA, float32 on the CPU.
    attention: torch's attention kernel (see attention).
    compile: backend of torch.compile for the blocks, such as "inductor"; None does not compile.
    batched: both passes of guidance together; None leaves it to the plan, and without one does so.
    group, prefetch: blocks that visit the card together, and whether the next ones are sent meanwhile (see offload).
    tiles: (rows, columns) of VAE tiles; None leaves it to the plan, and without one takes one piece.
    device: of the run; the plan that is shown before loading is made for it.
    gpus: processes with a card each that share the tokens (see workers).
    """

    checkpoint: str | Path | None = None
    steps: int = 35
    shift: float = 5.0
    guidance: float = 5.0
    loras: Sequence[str] = ()
    distilled: bool | None = None
    compat: str = "default"
    seed: int = 0
    views: int = 1
    vram: float | None = None
    quantize: Literal["int8", "fp8"] | None = None
    dtype: torch.dtype | None = None
    attention: Kernel = "auto"
    compile: str | None = None
    batched: bool | None = None
    group: int = 1
    prefetch: bool = True
    tiles: Sequence[int] | None = None
    device: str = "cpu"
    gpus: int = 1

    def __post_init__(self) -> None:
        tiles = (1, 1) if self.tiles is None else tuple(self.tiles)
        checks = (
            ("steps", self.steps >= 1, "1 or more; 35 is usual"),
            ("views", 1 <= self.views <= 80, "1 to 80"),
            ("vram", self.vram is None or self.vram > 0, "gigabytes, such as 24"),
            ("quantize", self.quantize in (None, *_QUANTIZE), " or ".join(_QUANTIZE)),
            ("attention", self.attention in get_args(Kernel), ", ".join(get_args(Kernel))),
            ("group", self.group >= 1, "1 or more"),
            ("gpus", self.gpus >= 1, "1 or more"),
            ("tiles", len(tiles) == 2 and min(tiles) >= 1, "rows and columns, such as [2,2]"),
        )
        for name, fine, want in checks:
            if not fine:
                raise ModelError(f"lyra2.{name} has a value that it cannot have", got=str(getattr(self, name)),
                                 do=f"Use {want}")  # fmt: skip
        Quirks.parse(self.compat)

    @property
    def quirks(self) -> Quirks:
        """The reference's habits that are on."""
        return Quirks.parse(self.compat)

    @property
    def lora_files(self) -> tuple[tuple[Path, float], ...]:
        """File and strength of each LoRA."""
        return tuple(_lora(item) for item in self.loras)

    @property
    def four_steps(self) -> bool:
        """Does the distilled sampler run?"""
        if self.distilled is not None:
            return self.distilled
        return any(is_distilled(path) for path, _ in self.lora_files)

    def dtype_on(self, device: str) -> torch.dtype:
        """Dtype of the network's tokens on this device."""
        return self.dtype or (torch.bfloat16 if device.startswith("cuda") else torch.float32)


def _lora(item: str) -> tuple[Path, float]:
    name, mark, strength = item.rpartition(":")
    try:
        return (Path(name), float(strength)) if mark else (Path(item), 1.0)
    except ValueError:
        return Path(item), 1.0

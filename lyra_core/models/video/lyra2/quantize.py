# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of linear layers in 8 bits, one scale a row; products are made in the dtype of the tokens.

Halves the memory of the blocks. int8: error of a weight at most half of its row's largest / 127. fp8 (e4m3): at most
1/16 of the weight itself, plus the step of its subnormals.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["QuantizedLinear", "quantize_linear"]

Kind = Literal["int8", "fp8"]
_LARGEST = {"int8": 127.0, "fp8": 448.0}
_DTYPE = {"int8": torch.int8, "fp8": torch.float8_e4m3fn}
_KEPT = ("buffer_encoder", "time_embedding", "time_projection", "head", "patch_embedding", "clean_patch_embeddings")


class QuantizedLinear(nn.Module):
    """A linear layer whose weight is stored in 8 bits."""

    def __init__(self, layer: nn.Linear, kind: Kind) -> None:
        super().__init__()
        weight = layer.weight.detach().float()
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / _LARGEST[kind]
        values = weight / scale
        values = values.round().clamp(-127, 127) if kind == "int8" else values.clamp(-448, 448)
        self.register_buffer("values", values.to(_DTYPE[kind]))
        self.register_buffer("scale", scale)
        self.bias = layer.bias

    @property
    def weight(self) -> Tensor:
        """(out, in) float32, as stored."""
        values, scale = self.values, self.scale
        assert isinstance(values, Tensor)
        assert isinstance(scale, Tensor)
        return values.float() * scale

    def forward(self, x: Tensor) -> Tensor:
        """x @ weight.T + bias in the dtype of x."""
        return functional.linear(x, self.weight.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype))


def quantize_linear(network: nn.Module, kind: Kind) -> int:
    """Replace the linear layers of the blocks and text embedders (not time, head, patches); return how many."""
    count = 0
    for name, module in list(network.named_modules()):
        for child, layer in list(module.named_children()):
            full = f"{name}.{child}" if name else child
            if isinstance(layer, nn.Linear) and not any(part in _KEPT for part in full.split(".")):
                setattr(module, child, QuantizedLinear(layer, kind))
                count += 1
    return count

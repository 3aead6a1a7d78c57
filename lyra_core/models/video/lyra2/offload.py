# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Blocks that live in the computer's memory and visit the card one at a time, when they are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch
from torch import nn

__all__ = ["Visits"]

BlockT = TypeVar("BlockT", bound=nn.Module)


class Visits:
    """Gives blocks on `device`: the first `resident` stay there, each other one is sent for its turn and taken back.

    What was computed from a block's weights stays valid; the weights that stay at home are the only lasting copy.
    """

    def __init__(self, device: torch.device | str, resident: int) -> None:
        self.device, self.resident = torch.device(device), resident
        self.visiting = 0

    def walk(self, blocks: Sequence[BlockT]) -> Iterator[BlockT]:
        """The blocks in order, each on the device while it is in use."""
        for i, block in enumerate(blocks):
            if i < self.resident:
                yield block.to(self.device)
                continue
            home = {name: tensor.data for name, tensor in _tensors(block)}
            for _, tensor in _tensors(block):
                tensor.data = tensor.data.to(self.device, non_blocking=True, copy=True)
            self.visiting += 1
            try:
                yield block
            finally:
                for name, tensor in _tensors(block):
                    tensor.data = home[name]
                self.visiting -= 1


def _tensors(block: nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [*block.named_parameters(), *block.named_buffers()]

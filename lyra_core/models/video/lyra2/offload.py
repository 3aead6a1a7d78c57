# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Blocks that live in the computer's memory and visit the card in groups, when they are used.

While one group computes, the next one is copied on a stream of its own (CUDA, from pinned memory), so that the bus and
the card work at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

__all__ = ["Visits"]

BlockT = TypeVar("BlockT", bound=nn.Module)


class _Visit:
    """A group of blocks on its way to the device, there, and back. Weights at home are the only lasting copy."""

    def __init__(self, group: Sequence[nn.Module], device: torch.device, stream: Any) -> None:
        self.homes = [(tensor, tensor.data) for block in group for tensor in _tensors(block)]
        self.done = None
        if stream is None:
            self.copies = [home.to(device, copy=True) for _, home in self.homes]
            return
        with torch.cuda.stream(stream):
            self.copies = [home.to(device, non_blocking=True, copy=True) for _, home in self.homes]
            self.done = stream.record_event()

    def arrive(self) -> None:
        """The blocks' tensors are now those on the device; what is computed next waits for their copies."""
        if self.done is not None:
            current = torch.cuda.current_stream()
            current.wait_event(self.done)
            for copy in self.copies:
                copy.record_stream(current)  # its memory is free when this stream is done with it
        for (tensor, _), copy in zip(self.homes, self.copies, strict=True):
            tensor.data = copy
        self.copies = []

    def leave(self) -> None:
        """The blocks' tensors are those at home again."""
        for tensor, home in self.homes:
            tensor.data = home


class Visits:
    """Gives blocks on `device`: the first `resident` stay there, the others are sent in groups and taken back.

    Parameters
    ----------
    resident: blocks that stay.
    group: blocks that are sent together.
    prefetch: send a group while the one before it is in use (two groups on the device then; see `most`).
    """

    def __init__(self, device: torch.device | str, resident: int, *, group: int = 1, prefetch: bool = True) -> None:
        self.device, self.resident, self.group, self.prefetch = torch.device(device), resident, group, prefetch
        self.visiting = self.most = 0
        self._stream: Any = None
        self._pinned = False

    def walk(self, blocks: Sequence[BlockT]) -> Iterator[BlockT]:
        """The blocks in order, each on the device while it is in use."""
        groups = [blocks[i : i + self.group] for i in range(self.resident, len(blocks), self.group)]
        self._prepare(groups)
        coming = self._send(groups[0]) if self.prefetch and groups else None
        for block in blocks[: self.resident]:
            yield block.to(self.device)
        for group, following in zip(groups, [*groups[1:], None], strict=True):
            visit = coming if coming is not None else self._send(group)
            visit.arrive()
            coming = self._send(following) if self.prefetch and following is not None else None
            try:
                yield from group
            finally:
                visit.leave()
                # Closed early, the next group was sent for nothing, and is dropped with its copies.
                self.visiting -= len(group)

    def _send(self, group: Sequence[nn.Module]) -> _Visit:
        self.visiting += len(group)
        self.most = max(self.most, self.visiting)
        return _Visit(group, self.device, self._stream)

    def _prepare(self, groups: Sequence[Sequence[nn.Module]]) -> None:
        """Once: a stream for the copies, and homes that the bus can read without the processor."""
        self.visiting = 0
        if self._pinned or self.device.type != "cuda" or not self.prefetch:
            return
        self._stream = torch.cuda.Stream(self.device)
        for tensor in (tensor for group in groups for block in group for tensor in _tensors(block)):
            try:
                tensor.data = tensor.data.pin_memory()
            except RuntimeError:  # less memory may be pinned than there is; copies then wait, and nothing else changes
                break
        self._pinned = True


def _tensors(block: nn.Module) -> list[Tensor]:
    return [*block.parameters(), *block.buffers()]

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Which of torch's attention kernels is used, and attention of a sequence that is spread over several processes.

"auto" leaves the choice to torch, which takes the fastest that can run: flash or cuDNN on recent cards in 16 bits,
memory-efficient on older ones, plain mathematics where nothing else works. A named kernel is used or refused in words.

Spread over processes (DeepSpeed-Ulysses, Jacobs et al. 2023): every process holds a range of the tokens for everything
that works token by token; for self-attention tokens are exchanged for heads, so that each process sees all tokens of
its heads. Ranges need not be equal, so that no token is added; the number of heads must divide by the processes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from lyra_core.errors import ModelError

__all__ = ["Attend", "Kernel", "SequenceParallel", "attend", "attention_kernel", "usable_kernels"]

Kernel = Literal["auto", "flash", "cudnn", "efficient", "math"]
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Queries, keys, values (B, heads, L, d) to (B, L, heads * d)."""

_BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention of (B, heads, L, d) tensors, heads merged: (B, L, heads * d); the kernel is torch's choice."""
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def usable_kernels(device: torch.device | str, dtype: torch.dtype, head_dim: int = 128) -> tuple[str, ...]:
    """The kernels that run on this device with these tensors, the fastest first; each is tried on a few tokens."""
    found = []
    q = torch.zeros(1, 1, 8, head_dim, device=device, dtype=dtype)
    for name, backend in _BACKENDS.items():
        with warnings.catch_warnings():  # torch explains in warnings why a kernel cannot run
            warnings.simplefilter("ignore")
            try:
                with sdpa_kernel(backend):
                    functional.scaled_dot_product_attention(q, q, q)
            except RuntimeError:
                continue
        found.append(name)
    return tuple(found)


def attention_kernel(
    name: Kernel, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, head_dim: int = 128
) -> Attend:
    """The attention of this name; ModelError, with those that run here, if it cannot run on the device."""
    if name not in get_args(Kernel):
        raise ModelError("There is no attention kernel of this name", got=name, do=f"Use {', '.join(get_args(Kernel))}")
    if name == "auto":
        return attend
    usable = usable_kernels(device, dtype, head_dim)
    if name not in usable:
        raise ModelError("This attention kernel does not run here", got=f"{name} on {device} in {dtype}",
                         do=f"Use auto, or one of: {', '.join(usable)}")  # fmt: skip
    backend = _BACKENDS[name]

    def chosen(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        with sdpa_kernel(backend):
            return attend(q, k, v)

    return chosen


class SequenceParallel:
    """This process's part of a sequence that a group of processes shares.

    Parameters
    ----------
    group: of torch.distributed; None is the default group. NCCL for CUDA, gloo for the CPU.
    """

    def __init__(self, group: Any = None) -> None:
        from torch import distributed

        self.group = group
        self.rank, self.world = distributed.get_rank(group), distributed.get_world_size(group)

    def part(self, length: int, rank: int | None = None) -> slice:
        """Tokens of a process (default: this one) of a sequence of this length."""
        rank = self.rank if rank is None else rank
        return slice(length * rank // self.world, length * (rank + 1) // self.world)

    def _lengths(self, length: int) -> list[int]:
        parts = [self.part(length, rank) for rank in range(self.world)]
        return [part.stop - part.start for part in parts]

    def check_heads(self, heads: int) -> None:
        """ModelError unless the heads can be shared out."""
        if heads % self.world:
            fitting = [str(n) for n in range(1, heads + 1) if heads % n == 0 and n <= 16]
            raise ModelError(f"{heads} attention heads cannot be shared by this many processes", got=str(self.world),
                             do=f"Use {', '.join(fitting)}")  # fmt: skip

    def attention(self, length: int, attend: Attend) -> Attend:
        """Self-attention over all `length` tokens for processes that hold their part of queries, keys and values."""
        lengths = self._lengths(length)

        def spread(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            batch, heads, own, width = q.shape
            group = heads // self.world
            packed = torch.stack([q, k, v]).reshape(3, batch, self.world, group, own, width).movedim(2, 0)
            pieces = self._exchange(packed.reshape(self.world, -1), [3 * batch * group * n * width for n in lengths])
            shapes = [(3, batch, group, n, width) for n in lengths]
            whole = torch.cat([p.view(s) for p, s in zip(pieces, shapes, strict=True)], dim=3)
            out = attend(whole[0], whole[1], whole[2])  # (B, L, group * width)
            back = [part.reshape(-1) for part in out.split(lengths, dim=1)]
            sizes = [batch * own * group * width] * self.world
            return torch.cat([p.view(batch, own, group * width) for p in self._exchange(back, sizes)], dim=2)

        return spread

    def _exchange(self, pieces: Tensor | list[Tensor], sizes: list[int]) -> list[Tensor]:
        """Send piece i to process i; returns what comes from each, of these sizes."""
        from torch import distributed

        sent = list(pieces)
        joined = torch.cat([piece.reshape(-1) for piece in sent])
        received = joined.new_empty(sum(sizes))
        distributed.all_to_all_single(received, joined, sizes, [len(piece) for piece in sent], group=self.group)
        return list(received.split(sizes))

    def gather(self, x: Tensor, lengths: list[int]) -> Tensor:
        """Parts (B, n, C) of all processes, n by `lengths`, joined along the tokens; every process gets the whole."""
        from torch import distributed

        padded = functional.pad(x, (0, 0, 0, max(lengths) - x.shape[1])).contiguous()
        parts = [torch.empty_like(padded) for _ in lengths]
        distributed.all_gather(parts, padded, group=self.group)
        return torch.cat([part[:, :n] for part, n in zip(parts, lengths, strict=True)], dim=1)

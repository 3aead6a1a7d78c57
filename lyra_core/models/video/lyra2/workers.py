# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Lyra 2.0 on several cards of one machine: processes that share the tokens of every pass.

The first process is the one that runs the pipeline; the others only wait for what it does and do it too, each for its
part of the tokens. Every process holds all weights (the plan is made for each card alike).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lyra_core.models.video.lyra2.attention import SequenceParallel
from lyra_core.models.video.lyra2.network import Chunk, Hoist, Text, Transformer

__all__ = ["MakeNetwork", "SharedTransformer"]

MakeNetwork = Callable[[str], Transformer]
"""Device to network; it must be a module's function (or a partial of one), because other processes call it."""


def _device(kind: str, rank: int) -> str:
    return f"cuda:{rank}" if kind == "cuda" else kind


def _join(rank: int, world: int, meeting: str, kind: str) -> SequenceParallel:
    from torch import distributed

    if kind == "cuda":
        torch.cuda.set_device(rank)
    backend = "nccl" if kind == "cuda" else "gloo"
    distributed.init_process_group(backend, init_method=Path(meeting).as_uri(), rank=rank, world_size=world)
    return SequenceParallel()


def _send(tensors: Sequence[Tensor]) -> None:
    from torch import distributed

    for tensor in tensors:
        distributed.broadcast(tensor.contiguous(), src=0)


def _tell(word: str, shapes: Sequence[tuple[tuple[int, ...], torch.dtype]] = (), **more: Any) -> None:
    from torch import distributed

    distributed.broadcast_object_list([(word, list(shapes), more)], src=0)


def _shapes(tensors: Sequence[Tensor]) -> list[tuple[tuple[int, ...], torch.dtype]]:
    return [(tuple(tensor.shape), tensor.dtype) for tensor in tensors]


def _work(index: int, make: MakeNetwork, world: int, meeting: str, kind: str) -> None:
    """What every process but the first does until it is told to stop."""
    from torch import distributed

    rank = index + 1
    torch.set_num_threads(1)
    sequence, device = _join(rank, world, meeting, kind), _device(kind, rank)
    network = make(device)
    network.sequence = sequence
    texts: dict[int, Text] = {}
    chunk: Chunk | None = None
    with torch.no_grad():
        while True:
            told: list[Any] = [None]
            distributed.broadcast_object_list(told, src=0)
            word, shapes, more = told[0]
            tensors = [torch.empty(shape, dtype=dtype, device=device) for shape, dtype in shapes]
            _send(tensors)  # receives here
            if word == "stop":
                break
            if word == "text":
                texts[more["name"]] = network.prepare_text(tensors[0])
            elif word == "forget":
                texts.pop(more["name"], None)
            elif word == "prepare":
                chunk = network.prepare(tensors[0], tensors[1], tensors[2], tensors[3], hoist=more["hoist"])
            elif word == "velocities":
                assert chunk is not None
                network.velocities(tensors[0], more["timestep"], chunk, [texts[name] for name in more["names"]])
    distributed.destroy_process_group()


class SharedTransformer:
    """The network of the first process, with `world - 1` others that work along.

    It has what the samplers use of Transformer: prepare, prepare_text, velocity, velocities.

    Parameters
    ----------
    make: makes the network on a device, in every process.
    world: processes. kind: "cuda" (a card each, NCCL) or "cpu" (gloo).
    """

    def __init__(self, make: MakeNetwork, world: int, kind: str = "cuda") -> None:
        from torch.multiprocessing.spawn import spawn

        self._folder = tempfile.TemporaryDirectory(prefix="lyra2-")
        meeting = str(Path(self._folder.name) / "meeting")
        self._others: Any = spawn(_work, (make, world, meeting, kind), nprocs=world - 1, join=False)
        sequence = _join(0, world, meeting, kind)
        self.network = make(_device(kind, 0))
        sequence.check_heads(self.network.config.heads)
        self.network.sequence = sequence
        self.config, self.layout = self.network.config, self.network.layout
        self._names: dict[int, int] = {}
        self._count = 0

    @property
    def device(self) -> torch.device:
        """Device of the first process."""
        return self.network.patch_embedding.weight.device

    def prepare_text(self, text: Tensor) -> Text:
        """As Transformer.prepare_text, in every process."""
        _tell("text", _shapes([text]), name=self._count)
        _send([text])
        made = self.network.prepare_text(text)
        self._names[id(made)] = self._count
        self._count += 1
        return made

    def forget(self, text: Text) -> None:
        """Free a caption's keys and values in the other processes."""
        _tell("forget", name=self._names.pop(id(text)))

    def prepare(
        self, history: Tensor, y: Tensor, correspondence: Tensor, clip: Tensor, *, hoist: Hoist = "full"
    ) -> Chunk:
        """As Transformer.prepare; each process keeps its part of the tokens."""
        tensors = [history, y, correspondence, clip]
        _tell("prepare", _shapes(tensors), hoist=hoist)
        _send(tensors)
        return self.network.prepare(history, y, correspondence, clip, hoist=hoist)

    def velocities(self, new: Tensor, timestep: Tensor | float, chunk: Chunk, texts: Sequence[Text]) -> Tensor:
        """As Transformer.velocities, made by all processes together."""
        _tell("velocities", _shapes([new]), timestep=float(timestep), names=[self._names[id(text)] for text in texts])
        _send([new])
        return self.network.velocities(new, timestep, chunk, texts)

    def velocity(self, new: Tensor, timestep: Tensor | float, chunk: Chunk, text: Text) -> Tensor:
        """As Transformer.velocity."""
        return self.velocities(new, timestep, chunk, [text])

    def close(self) -> None:
        """Stop the other processes."""
        from torch import distributed

        _tell("stop")
        distributed.destroy_process_group()
        while not self._others.join():
            pass
        self._folder.cleanup()

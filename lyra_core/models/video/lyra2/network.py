# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The diffusion transformer of Lyra 2.0: a Wan 2.1 image-to-video network with cameras and correspondences.

Parameter names are the reference's, so that its state dict loads as it is. Blocks equal diffusers'
WanTransformerBlock when camera and correspondence are zero (tests/golden/test_lyra2_network.py).

What does not change within a chunk is made once by `prepare` (history tokens, rotation tables, camera and
correspondence projections, picture keys and values) and `prepare_text`; `velocity` does the rest for each step,
`velocities` for several captions together. With `sequence` set, several processes share the tokens.
The arithmetic is that of the straightforward form: each hoisted tensor is the same expression, made earlier.

Precision: tensors flow in the dtype of the weights; time embedding, modulation, norms, rotation and head are float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from lyra_core.errors import ModelError
from lyra_core.models.video.lyra2.attention import Attend, SequenceParallel, attend
from lyra_core.models.video.lyra2.blocks import Block, KeyValue, NetworkConfig, sin_cos
from lyra_core.models.video.lyra2.offload import Visits
from lyra_core.models.video.lyra2.packing import (
    Layout,
    cut_patches,
    pack_camera,
    pack_correspondence,
    pack_rope,
    unshuffle,
)

__all__ = ["Chunk", "NetworkConfig", "Text", "Transformer", "sinusoid"]

_INPUT = 36  # latent 16, mask 4, condition 16
_TEXT_ROWS = 512
_ROWS = 4096  # tokens whose sines are in memory at once

Hoist = Literal["full", "squeezed"]


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """What stays the same over all steps of a chunk.

    Attributes
    ----------
    history: (1, L_history, D) tokens of the clean history.
    condition: (1, 20, G, h, w) mask and condition latents of the new frames.
    angles: cosines and sines (1, 1, L, head_dim / 2) float32 of the rotary embedding.
    bias: what each layer adds to the input of queries and keys: (1, L, D), or None in squeezed form.
    rays: (1, L, 1536) camera tokens (squeezed form only).
    squeezed: per layer (1, L, squeeze) correspondence after the first matrix (squeezed form only).
    image: per layer keys and values (1, heads, 257, head_dim) of the picture tokens.
    length: L of the whole sequence; the others hold this process's tokens where processes share them.
    new: which of the new tokens are here.
    """

    history: Tensor
    condition: Tensor
    angles: KeyValue
    bias: tuple[Tensor, ...] | None
    rays: Tensor | None
    squeezed: tuple[Tensor, ...] | None
    image: tuple[KeyValue, ...]
    length: int
    new: slice


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """Per layer keys and values (1, heads, 512, head_dim) of a caption."""

    layers: tuple[KeyValue, ...]


def sinusoid(timestep: Tensor, dim: int) -> Tensor:
    """(B,) timesteps to (B, dim) float32 [cos | sin]; made in float64 as the reference does."""
    half = dim // 2
    frequency = torch.pow(10000.0, -torch.arange(half, dtype=torch.float64, device=timestep.device) / half)
    angle = timestep.to(torch.float64)[:, None] * frequency
    return torch.cat([angle.cos(), angle.sin()], dim=1).to(torch.float32)


def _float_linear(x: Tensor, layer: nn.Module) -> Tensor:
    """A linear layer in float32 whatever its weights are."""
    assert isinstance(layer, nn.Linear)
    return functional.linear(x.float(), layer.weight.float(), layer.bias.float())


class _Head(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.modulation = nn.Parameter(torch.zeros(1, 2, dim))
        self.head = nn.Linear(dim, 64)


class _PictureEmbedding(nn.Module):
    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, dim), nn.LayerNorm(dim)
        )


class Transformer(nn.Module):
    """The network.

    Parameters
    ----------
    config: sizes. A layout without retrieved pictures still has one correspondence slot of parameters.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        if config.dim % config.heads or config.head_dim % 2:
            raise ModelError("The width must divide into heads of even size", got=f"{config.dim} / {config.heads}",
                             do="Check the configuration")  # fmt: skip
        self.config, self.layout = config, Layout.parse(config.layout)
        dim, self.slots = config.dim, max(self.layout.slots, 1)
        self.patch_embedding = nn.Linear(_INPUT * 4, dim)
        self.text_embedding = nn.Sequential(
            nn.Linear(config.text_dim, dim), nn.GELU(approximate="tanh"), nn.Linear(dim, dim)
        )
        self.time_embedding = nn.Sequential(nn.Linear(config.freq_dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.time_projection = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
        self.img_emb = _PictureEmbedding(config.clip_dim, dim)
        self.blocks = nn.ModuleList(Block(config, self.slots) for _ in range(config.layers))
        self.head = _Head(dim)
        patches = (s.patch for s in self.layout.segments)
        self.visits: Visits | None = None  # where blocks are when they do not all fit the card
        self.attention: Attend = attend
        self.sequence: SequenceParallel | None = None  # processes that share the tokens
        self.clean_patch_embeddings = nn.ModuleList(nn.Linear(_INPUT * t * r * c, dim) for t, r, c in patches)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that tokens flow in."""
        return self.patch_embedding.weight.dtype

    def _blocks(self) -> Iterable[Block]:
        blocks: list[Block] = list(self.blocks)  # pyright: ignore[reportAssignmentType] (ModuleList does not say of what)
        return self.visits.walk(blocks) if self.visits else blocks

    def embed_time(self, timestep: Tensor | float) -> tuple[Tensor, Tensor]:
        """Timestep (one number) to e (1, D) and e0 (1, 6, D), float32."""
        device = self.patch_embedding.weight.device
        t = torch.as_tensor(timestep, dtype=torch.float64, device=device).reshape(-1)[:1]
        e = _float_linear(sinusoid(t, self.config.freq_dim), self.time_embedding[0])
        e = _float_linear(functional.silu(e), self.time_embedding[2])
        return e, _float_linear(functional.silu(e), self.time_projection[1]).unflatten(1, (6, -1))

    def embed_text(self, text: Tensor) -> Tensor:
        """(1, 512, text_dim) to (1, 512, D)."""
        if text.shape[1] != _TEXT_ROWS:
            raise ModelError("Caption embeddings have 512 rows", got=f"{text.shape[1]}", do="Pad them with zeros")
        return self.text_embedding(text.to(self.dtype))

    def embed_picture(self, clip: Tensor) -> Tensor:
        """(1, 257, clip_dim) to (1, 257, D)."""
        return self.img_emb.proj(clip.to(self.dtype))

    def embed_history(self, x: Tensor) -> Tensor:
        """(1, 36, P, h, w) packed history to its tokens (1, L_history, D)."""
        x = x.to(self.dtype)
        parts = x.split(self.layout.splits[:-1], dim=2)
        tokens = [
            embed(cut_patches(part, segment.patch))
            for embed, part, segment in zip(self.clean_patch_embeddings, parts, self.layout.segments, strict=True)
        ]
        return torch.cat(tokens, dim=1) if tokens else x.new_zeros(1, 0, self.config.dim)

    def embed_new(self, x: Tensor, part: slice = slice(None)) -> Tensor:
        """(1, 36, G, h, w) new latents to their tokens, or a part of them."""
        return self.patch_embedding(cut_patches(x.to(self.dtype), (1, 2, 2))[:, part])

    def prepare_text(self, text: Tensor) -> Text:
        """Keys and values of a caption (1, 512, text_dim), for every layer."""
        context = self.embed_text(text)
        return Text(tuple(block.cross_attn.text(context) for block in self._blocks()))

    def prepare(
        self, history: Tensor, y: Tensor, correspondence: Tensor, clip: Tensor, *, hoist: Hoist = "full"
    ) -> Chunk:
        """Make what a chunk's steps share.

        Parameters
        ----------
        history: (1, 16, P, h, w) clean history latents in packed order.
        y: (1, 404, P + G, h, w) mask 4, condition latents 16, camera rays 384.
        correspondence: (1, 256 slots, P + G or G, h, w).
        clip: (1, 257, clip_dim).
        hoist: "full" keeps one (1, L, D) tensor per layer (15.7 GB for the released weights at 480x832 in bf16);
            "squeezed" keeps the squeezed correspondence (0.8 GB) and does two thin products in each step.
        """
        rows, columns = y.shape[-2:]
        layout, dtype = self.layout, self.dtype
        if rows % 2 or columns % 2 or y.shape[2] != layout.total or history.shape[2] != layout.history:
            raise ModelError(
                f"A chunk has {layout.history} history and {layout.new} new latents on an even grid",
                got=f"history {tuple(history.shape)}, conditions {tuple(y.shape)}",
                do="Use picture sizes that are multiples of 16, and pack the history by the layout",
            )
        p = layout.history
        packed = torch.cat([history.to(dtype), y[:, :20, :p].to(dtype)], dim=1)
        angles = pack_rope(layout, rows, columns, self.config.head_dim, y.device)[None, None]
        rays = pack_camera(layout, unshuffle(y[:, 20:].to(dtype), 2))
        length, first = rays.shape[1], layout.tokens(rows, columns)[-1].start
        here = self.sequence.part(length) if self.sequence else slice(0, length)
        angles, rays = angles[:, :, here], rays[:, here]
        squeezed = self._squeeze(pack_correspondence(layout, correspondence.to(dtype)), here)
        bias = None
        if hoist == "full":
            bias = tuple(block.bias(rays, part) for block, part in zip(self._blocks(), squeezed, strict=True))
        picture = self.embed_picture(clip)
        return Chunk(
            history=self.embed_history(packed)[:, here.start : min(here.stop, first)],
            condition=y[:, :20, p:].to(dtype),
            angles=(angles.cos(), angles.sin()),
            bias=bias,
            rays=None if bias else rays,
            squeezed=None if bias else squeezed,
            image=tuple(block.cross_attn.picture(picture) for block in self._blocks()),
            length=length,
            new=slice(max(here.start - first, 0), max(here.stop - first, 0)),
        )

    def _squeeze(self, parts: tuple[tuple[slice, Tensor], ...], here: slice) -> tuple[Tensor, ...]:
        """Per layer (1, L here, squeeze): first correspondence matrix; zero where there is no correspondence."""
        # A visiting block's weight goes home with it: detached, its copy on the card stays as long as it is used here.
        weights = (block.squeeze_matrix() for block in self._blocks())
        first = [weight.detach() if self.visits else weight for weight in weights]
        like = parts[-1][1]
        out = [like.new_zeros(1, here.stop - here.start, self.config.squeeze) for _ in first]
        for tokens, values in parts:
            begin, end = max(tokens.start, here.start), min(tokens.stop, here.stop)
            for start in range(begin, end, _ROWS):
                stop = min(start + _ROWS, end)
                waves = sin_cos(values[:, start - tokens.start : stop - tokens.start])  # the same in all layers
                for layer, weight in zip(out, first, strict=True):
                    layer[:, start - here.start : stop - here.start] = functional.linear(waves, weight)
        return tuple(out)

    def velocity(self, new: Tensor, timestep: Tensor | float, chunk: Chunk, text: Text) -> Tensor:
        """Velocity (1, 16, G, h, w) of the new latents (same shape) at this timestep (0..1000)."""
        return self.velocities(new, timestep, chunk, [text])

    def velocities(self, new: Tensor, timestep: Tensor | float, chunk: Chunk, texts: Sequence[Text]) -> Tensor:
        """Velocities (n, 16, G, h, w) of the same new latents (1, 16, G, h, w) under n captions, in one pass.

        Weights are read (and, where blocks visit or are stored in 8 bits, sent and unpacked) once for all captions,
        and the first self-attention, which no caption has reached yet, is made once.
        """
        e, e0 = self.embed_time(timestep)
        told = torch.cat([new.to(self.dtype), chunk.condition], dim=1)
        x = torch.cat([chunk.history, self.embed_new(told, chunk.new)], dim=1)
        shared = self.sequence.attention(chunk.length, self.attention) if self.sequence else self.attention
        for i, block in enumerate(self._blocks()):
            if chunk.bias is not None:
                bias = chunk.bias[i]
            else:
                assert chunk.rays is not None
                assert chunk.squeezed is not None
                bias = block.bias(chunk.rays, chunk.squeezed[i])
            keys, values = (torch.cat([text.layers[i][part] for text in texts]) for part in (0, 1))
            x = block(x, e0, bias, chunk.angles, (keys, values), chunk.image[i], (shared, self.attention))
        out = self._head(x[:, chunk.history.shape[1] :], e)
        if self.sequence is not None:
            out = self.sequence.gather(out, self._new_lengths(chunk.length, new.shape))
        return self._unpatch(out, new.shape)

    def _new_lengths(self, length: int, shape: torch.Size) -> list[int]:
        """How many new tokens each process has."""
        assert self.sequence is not None
        first = length - shape[2] * (shape[3] // 2) * (shape[4] // 2)
        parts = [self.sequence.part(length, rank) for rank in range(self.sequence.world)]
        return [max(part.stop - first, 0) - max(part.start - first, 0) for part in parts]

    def _head(self, x: Tensor, e: Tensor) -> Tensor:
        """(B, L, D) new tokens to (B, L, 64) float32."""
        shift, scale = (self.head.modulation.float() + e[:, None]).chunk(2, dim=1)
        normed = functional.layer_norm(x.float(), x.shape[-1:], eps=self.config.eps)
        return _float_linear(normed * (1 + scale) + shift, self.head.head)

    def _unpatch(self, out: Tensor, shape: torch.Size) -> Tensor:
        """Tokens (pt, ph, pw, c) back to latents (B, 16, G, h, w)."""
        _, _, t, h, w = shape
        out = out.reshape(-1, t, h // 2, w // 2, 1, 2, 2, 16)
        return out.permute(0, 7, 1, 4, 2, 5, 3, 6).reshape(-1, 16, t, h, w)

    def forward(self, x: Tensor, timestep: Tensor | float, y: Tensor, correspondence: Tensor, text: Tensor,
                clip: Tensor) -> Tensor:  # fmt: skip
        """One call with the reference's inputs: x (1, 16, P + G, h, w), history first; velocity of the new latents."""
        p = self.layout.history
        chunk = self.prepare(x[:, :, :p], y, correspondence, clip)
        return self.velocity(x[:, :, p:], timestep, chunk, self.prepare_text(text))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The diffusion transformer of Lyra 2.0: a Wan 2.1 image-to-video network with cameras and correspondences.

Parameter names are the reference's, so that its state dict loads as it is. Blocks equal diffusers'
WanTransformerBlock when camera and correspondence are zero (tests/golden/test_lyra2_network.py).

What does not change within a chunk is made once by `prepare` (history tokens, rotation tables, camera and
correspondence projections, picture keys and values) and `prepare_text`; `velocity` does the rest for each step.
The arithmetic is that of the straightforward form: each hoisted tensor is the same expression, made earlier.

Precision: tensors flow in the dtype of the weights; time embedding, modulation, norms, rotation and head are float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from lyra_core.errors import ModelError
from lyra_core.models.video.lyra2.packing import (
    REAL_LAYOUT,
    Layout,
    cut_patches,
    pack_camera,
    pack_correspondence,
    pack_rope,
    unshuffle,
)

__all__ = ["CAMERA", "Chunk", "NetworkConfig", "Text", "Transformer", "attend", "rotate", "sin_cos", "sinusoid"]

CAMERA = 384
"""Camera channels per latent; 4 times as many per token."""

_INPUT = 36  # latent 16, mask 4, condition 16
_TEXT_ROWS = 512
_ROWS = 4096  # tokens whose sines are in memory at once

Hoist = Literal["full", "squeezed"]
KeyValue = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes of the network; the defaults are those of the released 14B weights."""

    dim: int = 5120
    heads: int = 40
    layers: int = 40
    ffn_dim: int = 13824
    freq_dim: int = 256
    text_dim: int = 4096
    clip_dim: int = 1280
    squeeze: int = 256
    layout: str = REAL_LAYOUT
    eps: float = 1e-6

    @property
    def head_dim(self) -> int:
        """Channels of one attention head."""
        return self.dim // self.heads


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
    """

    history: Tensor
    condition: Tensor
    angles: KeyValue
    bias: tuple[Tensor, ...] | None
    rays: Tensor | None
    squeezed: tuple[Tensor, ...] | None
    image: tuple[KeyValue, ...]


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


def sin_cos(x: Tensor) -> Tensor:
    """(..., C) to (..., 4 C): sin(pi x), cos(pi x), sin(2 pi x), cos(2 pi x), in float32, cast back."""
    angle = x.float() * torch.pi
    return torch.cat([angle.sin(), angle.cos(), (2 * angle).sin(), (2 * angle).cos()], dim=-1).to(x.dtype)


def rotate(x: Tensor, angles: KeyValue) -> Tensor:
    """Rotate interleaved pairs of x (B, heads, L, d) by (1, 1, L, d / 2) cosines and sines, in float32."""
    cos, sin = angles
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).to(x.dtype)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention of (B, heads, L, d) tensors, heads merged: (B, L, heads * d)."""
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def _layer_norm(x: Tensor, eps: float) -> Tensor:
    return functional.layer_norm(x.float(), x.shape[-1:], eps=eps).to(x.dtype)


def _modulate(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    return (_layer_norm(x, eps).float() * (1 + scale) + shift).to(x.dtype)


def _float_linear(x: Tensor, layer: nn.Module) -> Tensor:
    """A linear layer in float32 whatever its weights are."""
    assert isinstance(layer, nn.Linear)
    return functional.linear(x.float(), layer.weight.float(), layer.bias.float())


class _RMSNorm(nn.Module):
    """Root-mean-square norm over all heads together; the weight is applied after the cast back."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)).to(x.dtype) * self.weight


class _Attention(nn.Module):
    """Projections of one attention; picture tokens have their own keys and values if asked for."""

    def __init__(self, config: NetworkConfig, picture: bool = False) -> None:
        super().__init__()
        dim = config.dim
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = _RMSNorm(dim, config.eps), _RMSNorm(dim, config.eps)
        if picture:
            self.k_img, self.v_img = nn.Linear(dim, dim), nn.Linear(dim, dim)
            self.norm_k_img = _RMSNorm(dim, config.eps)
        self.heads = config.heads

    def split(self, x: Tensor) -> Tensor:
        """(B, L, D) to (B, heads, L, head_dim)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def text(self, context: Tensor) -> KeyValue:
        """Keys and values of text tokens."""
        return self.split(self.norm_k(self.k(context))), self.split(self.v(context))

    def picture(self, context: Tensor) -> KeyValue:
        """Keys and values of picture tokens."""
        return self.split(self.norm_k_img(self.k_img(context))), self.split(self.v_img(context))


class Block(nn.Module):
    """One transformer block."""

    def __init__(self, config: NetworkConfig, slots: int) -> None:
        super().__init__()
        dim = config.dim
        self.modulation = nn.Parameter(torch.zeros(1, 6, dim))
        self.self_attn = _Attention(config)
        self.norm3 = nn.LayerNorm(dim, eps=config.eps)
        self.cross_attn = _Attention(config, picture=True)
        self.ffn = nn.Sequential(
            nn.Linear(dim, config.ffn_dim), nn.GELU(approximate="tanh"), nn.Linear(config.ffn_dim, dim)
        )
        self.cam_encoder = nn.Linear(4 * CAMERA, dim, bias=False)
        self.buffer_encoder = nn.Sequential(
            nn.Linear(slots * 256 * 4 * 4, config.squeeze, bias=False), nn.Linear(config.squeeze, dim, bias=False)
        )
        self.eps = config.eps

    def forward(
        self, x: Tensor, time: Tensor, bias: Tensor, angles: KeyValue, text: KeyValue, image: KeyValue
    ) -> Tensor:
        """Tokens (1, L, D) to the same; time (1, 6, D) float32, bias (1, L, D) is added for queries and keys only."""
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.modulation.float() + time).chunk(6, dim=1)
        attention = self.self_attn
        y = _modulate(x, scale1, shift1, self.eps)
        placed = y + bias
        q = rotate(attention.split(attention.norm_q(attention.q(placed))), angles)
        k = rotate(attention.split(attention.norm_k(attention.k(placed))), angles)
        x = x + gate1.to(x.dtype) * attention.o(attend(q, k, attention.split(attention.v(y))))
        cross = self.cross_attn
        q = cross.split(cross.norm_q(cross.q(self._affine(x))))
        x = x + cross.o(attend(q, *text) + attend(q, *image))
        return x + gate2.to(x.dtype) * self.ffn(_modulate(x, scale2, shift2, self.eps))

    def _affine(self, x: Tensor) -> Tensor:
        norm = self.norm3
        weight, bias = norm.weight.float(), norm.bias.float()
        return functional.layer_norm(x.float(), x.shape[-1:], weight, bias, self.eps).to(x.dtype)


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
        self.clean_patch_embeddings = nn.ModuleList(nn.Linear(_INPUT * t * r * c, dim) for t, r, c in patches)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that tokens flow in."""
        return self.patch_embedding.weight.dtype

    def _blocks(self) -> Sequence[Block]:
        return self.blocks  # pyright: ignore[reportReturnType] (ModuleList does not say of what)

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

    def embed_new(self, x: Tensor) -> Tensor:
        """(1, 36, G, h, w) new latents to their tokens."""
        return self.patch_embedding(cut_patches(x.to(self.dtype), (1, 2, 2)))

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
        squeezed = self._squeeze(pack_correspondence(layout, correspondence.to(dtype)), rays.shape[1])
        bias = None
        if hoist == "full":
            bias = tuple(self._bias(i, rays, s) for i, s in enumerate(squeezed))
        picture = self.embed_picture(clip)
        return Chunk(
            history=self.embed_history(packed),
            condition=y[:, :20, p:].to(dtype),
            angles=(angles.cos(), angles.sin()),
            bias=bias,
            rays=None if bias else rays,
            squeezed=None if bias else squeezed,
            image=tuple(block.cross_attn.picture(picture) for block in self._blocks()),
        )

    def _squeeze(self, parts: tuple[tuple[slice, Tensor], ...], length: int) -> tuple[Tensor, ...]:
        """Per layer (1, L, squeeze): first correspondence matrix; zero where there is no correspondence."""
        first = [block.buffer_encoder[0].weight for block in self._blocks()]
        like = parts[-1][1]
        out = [like.new_zeros(1, length, self.config.squeeze) for _ in first]
        for tokens, values in parts:
            for start in range(0, values.shape[1], _ROWS):
                waves = sin_cos(values[:, start : start + _ROWS])  # the same in all layers
                place = slice(tokens.start + start, tokens.start + start + waves.shape[1])
                for layer, weight in zip(out, first, strict=True):
                    layer[:, place] = functional.linear(waves, weight)
        return tuple(out)

    def _bias(self, layer: int, rays: Tensor, squeezed: Tensor) -> Tensor:
        block = self._blocks()[layer]
        return block.cam_encoder(rays) + block.buffer_encoder[1](squeezed)

    def velocity(self, new: Tensor, timestep: Tensor | float, chunk: Chunk, text: Text) -> Tensor:
        """Velocity (1, 16, G, h, w) of the new latents (same shape) at this timestep (0..1000)."""
        e, e0 = self.embed_time(timestep)
        x = torch.cat([chunk.history, self.embed_new(torch.cat([new.to(self.dtype), chunk.condition], dim=1))], dim=1)
        for i, block in enumerate(self._blocks()):
            if chunk.bias is not None:
                bias = chunk.bias[i]
            else:
                assert chunk.rays is not None
                assert chunk.squeezed is not None
                bias = self._bias(i, chunk.rays, chunk.squeezed[i])
            x = block(x, e0, bias, chunk.angles, text.layers[i], chunk.image[i])
        return self._unpatch(x[:, chunk.history.shape[1] :], e, new.shape)

    def _unpatch(self, x: Tensor, e: Tensor, shape: torch.Size) -> Tensor:
        """Head of the new tokens only, and tokens (pt, ph, pw, c) back to latents."""
        shift, scale = (self.head.modulation.float() + e[:, None]).chunk(2, dim=1)
        normed = functional.layer_norm(x.float(), x.shape[-1:], eps=self.config.eps)
        out = _float_linear(normed * (1 + scale) + shift, self.head.head)
        batch, _, t, h, w = shape
        out = out.reshape(batch, t, h // 2, w // 2, 1, 2, 2, 16)
        return out.permute(0, 7, 1, 4, 2, 5, 3, 6).reshape(batch, 16, t, h, w)

    def forward(self, x: Tensor, timestep: Tensor | float, y: Tensor, correspondence: Tensor, text: Tensor,
                clip: Tensor) -> Tensor:  # fmt: skip
        """One call with the reference's inputs: x (1, 16, P + G, h, w), history first; velocity of the new latents."""
        p = self.layout.history
        chunk = self.prepare(x[:, :, :p], y, correspondence, clip)
        return self.velocity(x[:, :, p:], timestep, chunk, self.prepare_text(text))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The transformer block of Lyra 2.0: a Wan block whose self-attention also knows where each token looks.

Queries and keys read the tokens plus a bias made of camera rays and correspondences; values read the tokens alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from lyra_core.models.video.lyra2.attention import Attend, attend
from lyra_core.models.video.lyra2.packing import REAL_LAYOUT

__all__ = ["CAMERA", "Block", "KeyValue", "NetworkConfig", "rotate", "sin_cos"]

CAMERA = 384
"""Camera channels per latent; 4 times as many per token."""

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


def sin_cos(x: Tensor) -> Tensor:
    """(..., C) to (..., 4 C): sin(pi x), cos(pi x), sin(2 pi x), cos(2 pi x), in float32, cast back."""
    angle = x.float() * torch.pi
    return torch.cat([angle.sin(), angle.cos(), (2 * angle).sin(), (2 * angle).cos()], dim=-1).to(x.dtype)


def rotate(x: Tensor, angles: KeyValue) -> Tensor:
    """Rotate interleaved pairs of x (B, heads, L, d) by (1, 1, L, d / 2) cosines and sines, in float32."""
    cos, sin = angles
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).to(x.dtype)


def _layer_norm(x: Tensor, eps: float) -> Tensor:
    return functional.layer_norm(x.float(), x.shape[-1:], eps=eps).to(x.dtype)


def _modulate(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    return (_layer_norm(x, eps).float() * (1 + scale) + shift).to(x.dtype)


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
        self, x: Tensor, time: Tensor, bias: Tensor, angles: KeyValue, text: KeyValue, image: KeyValue,
        attention: tuple[Attend, Attend] = (attend, attend),
    ) -> Tensor:  # fmt: skip
        """Tokens (B, L, D) to the same; time (1, 6, D) float32, bias (1, L, D) is added for queries and keys only.

        text may have a batch of captions where x is still a single one, as before the first cross-attention: then x
        becomes that batch. attention: the functions of self- and cross-attention.
        """
        attend_self, attend_cross = attention
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.modulation.float() + time).chunk(6, dim=1)
        own = self.self_attn
        y = _modulate(x, scale1, shift1, self.eps)
        placed = y + bias
        q = rotate(own.split(own.norm_q(own.q(placed))), angles)
        k = rotate(own.split(own.norm_k(own.k(placed))), angles)
        x = x + gate1.to(x.dtype) * own.o(attend_self(q, k, own.split(own.v(y))))
        cross = self.cross_attn
        q = cross.split(cross.norm_q(cross.q(self._affine(x))))
        shown = [part.expand(len(q), -1, -1, -1) for part in image]
        told = attend_cross(q.expand(len(text[0]), -1, -1, -1), *text)
        x = x + cross.o(told + attend_cross(q, *shown))
        return x + gate2.to(x.dtype) * self.ffn(_modulate(x, scale2, shift2, self.eps))

    def squeeze_matrix(self) -> Tensor:
        """(squeeze, 4096 slots) first correspondence matrix."""
        first = self.buffer_encoder[0]
        assert isinstance(first, nn.Linear)
        return first.weight

    def bias(self, rays: Tensor, squeezed: Tensor) -> Tensor:
        """(1, L, D) for queries and keys, of camera tokens (1, L, 1536) and squeezed correspondence (1, L, squeeze)."""
        return self.cam_encoder(rays) + self.buffer_encoder[1](squeezed)

    def _affine(self, x: Tensor) -> Tensor:
        norm = self.norm3
        weight, bias = norm.weight.float(), norm.bias.float()
        return functional.layer_norm(x.float(), x.shape[-1:], weight, bias, self.eps).to(x.dtype)

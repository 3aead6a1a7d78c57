# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The fill network: classical base in, correction in the holes out.

A U-Net on 4x4 patches with a transformer at its bottleneck (Peebles and Xie 2023, adaptive layer norm) whose queries are
the view and whose keys are the view and the tokens of past frames. Trained as a rectified flow (Liu et al. 2022) that
starts at the classical fill instead of at noise. The last layers start at zero: an untrained network is the classical
fill. Frozen ImageNet features (EfficientNet-Lite0 up to 1/16) of the base picture join at the bottleneck.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lyra_core.models.depth.encoder import CHANNELS, Encoder

__all__ = ["PAST_CHANNELS", "PAST_ORIGIN_X", "PAST_RAY_X", "VIEW_CHANNELS", "FillNetwork", "Inputs", "Shape"]

VIEW_CHANNELS = 12  # state 4, base 4, hole 1, ray x, y 2, elevation 1
PAST_CHANNELS = 11  # rgb 3, depth 1, known 1, ray in the view's frame 3, origin 3
PAST_RAY_X, PAST_ORIGIN_X = 5, 8  # those of them whose sign is that of x
_PATCH = 4
_CONTEXT_BLOCKS = 11  # blocks of the encoder up to 1/16


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of the network: channels at 1/4 and at 1/8, transformer blocks, heads, ImageNet context."""

    patch_channels: int = 64
    bottleneck: int = 192
    blocks: int = 4
    heads: int = 6
    context: bool = True

    def plain(self) -> dict[str, Any]:
        """As a dictionary for config.json."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """A batch of views.

    Attributes
    ----------
    base: (B, 4, H, W) rgb in [-1, 1] and encoded depth. hole: (B, 1, H, W) 1 where unknown.
    rays: (B, 3, H, W) x / z, y / z of each ray and its elevation (sine). past: (B, P, 11, h, w), P >= 0.
    H and W are multiples of 8; h and w of 4.
    """

    base: Tensor
    hole: Tensor
    rays: Tensor
    past: Tensor

    def mirrored(self) -> Inputs:
        """The views and their past frames as a mirror shows them, left and right exchanged."""
        base, hole, rays, past = (part.flip(-1) for part in (self.base, self.hole, self.rays, self.past))
        rays[:, 0] *= -1
        past[:, :, [PAST_RAY_X, PAST_ORIGIN_X]] *= -1
        return Inputs(base.contiguous(memory_format=torch.channels_last), hole, rays, past)

    def to(self, device: torch.device | str) -> Inputs:
        """The batch on a device."""
        return Inputs(*(part.to(device, non_blocking=True) for part in (self.base, self.hole, self.rays, self.past)))


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.silu(self.first(functional.silu(self.norm(x)))))


class _Block(nn.Module):
    """Attention of the view to itself and to the past, then an MLP; both modulated by the time of the flow."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.keys = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        with torch.no_grad():  # gates start slightly open: everything learns from the first step
            self.modulation.bias[2 * width : 3 * width] = 0.3
            self.modulation.bias[5 * width :] = 0.3

    def forward(self, x: Tensor, past: Tensor, time: Tensor) -> Tensor:
        shift, scale, gate, shift2, scale2, gate2 = self.modulation(time)[:, None].chunk(6, dim=-1)
        width = x.shape[-1]
        plain = functional.layer_norm(x, (width,)) * (1 + scale) + shift
        both = torch.cat([plain, functional.layer_norm(past, (width,))], dim=1)

        def split(tokens: Tensor) -> Tensor:
            return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        key, value = self.keys(both).chunk(2, dim=-1)
        seen = functional.scaled_dot_product_attention(split(self.query(plain)), split(key), split(value))
        x = x + gate * self.out(seen.transpose(1, 2).flatten(2))
        plain = functional.layer_norm(x, (width,)) * (1 + scale2) + shift2
        return x + gate2 * self.mlp(plain)


class FillNetwork(nn.Module):
    """forward: (state (B, 4, H, W), inputs, time (B,)) to the finished view (B, 4, H, W); known pixels are the base's."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        self.shape = shape = Shape() if shape is None else shape
        low, high = shape.patch_channels, shape.bottleneck
        self.stem = nn.Conv2d(VIEW_CHANNELS, low, _PATCH, _PATCH)
        self.before = nn.Sequential(_Residual(low), _Residual(low))
        self.down = nn.Conv2d(low, high, 2, 2)
        self.place = nn.Conv2d(3, high, 1)
        self.past = nn.Conv2d(PAST_CHANNELS, high, _PATCH, _PATCH)
        self.time = nn.Sequential(nn.Linear(64, high), nn.SiLU(), nn.Linear(high, high), nn.SiLU())
        self.blocks = nn.ModuleList(_Block(high, shape.heads) for _ in range(shape.blocks))
        self.up = nn.Conv2d(high, 4 * low, 1)
        self.join = nn.Conv2d(2 * low, low, 1)
        self.after = nn.Sequential(_Residual(low), _Residual(low))
        self.head = nn.Conv2d(low, 4 * _PATCH**2, 1)
        self.smooth = nn.Sequential(nn.Conv2d(9, 16, 3, padding=1), nn.SiLU(), nn.Conv2d(16, 4, 3, padding=1))
        if shape.context:
            self.encoder = Encoder()
            del self.encoder.blocks[_CONTEXT_BLOCKS:]
            self.encoder.requires_grad_(False)
            self.context = nn.Conv2d(CHANNELS[2] + CHANNELS[3], high, 1)
        for last in (self.head, self.smooth[2]):
            nn.init.zeros_(last.weight)  # pyright: ignore[reportArgumentType]
            nn.init.zeros_(last.bias)  # pyright: ignore[reportArgumentType]

    def features(self, rgb: Tensor) -> Tensor:
        """(B, 152, H / 8, W / 8) frozen ImageNet features of rgb in [-1, 1]."""
        height, width = rgb.shape[-2:]
        padded = functional.pad(rgb, (0, -width % 32, 0, -height % 32), mode="replicate")
        with torch.no_grad():
            _, _, fine, coarse = self.encoder(padded)
        coarse = functional.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([fine, coarse], dim=1)[..., : height // 8, : width // 8]

    def remember(self, past: Tensor) -> Tensor:
        """(B, P, 11, h, w) past frames to (B, P h w / 16, C) tokens."""
        tokens = self.past(past.flatten(0, 1)).flatten(2).transpose(1, 2)
        return tokens.reshape(past.shape[0], -1, tokens.shape[-1])

    def forward(self, state: Tensor, inputs: Inputs, time: Tensor) -> Tensor:
        """One prediction of the finished view; see the class."""
        low = self.before(self.stem(torch.cat([state, inputs.base, inputs.hole, inputs.rays], dim=1)))
        x = self.down(low)
        x = x + self.place(functional.avg_pool2d(inputs.rays, 2 * _PATCH))
        if self.shape.context:
            x = x + self.context(self.features(inputs.base[:, :3]))
        size = x.shape[-2:]
        waves = time[:, None] * torch.exp2(torch.arange(32, device=time.device) / 4)
        moment = self.time(torch.cat([waves.sin(), waves.cos()], dim=1))
        past, tokens = self.remember(inputs.past), x.flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens, past, moment)
        x = self.up(tokens.transpose(1, 2).unflatten(2, size))
        low = self.after(self.join(torch.cat([functional.pixel_shuffle(x, 2), low], dim=1)))
        coarse = functional.pixel_shuffle(self.head(low), _PATCH)
        made = inputs.base + coarse
        made = made + self.smooth(torch.cat([made, inputs.base, inputs.hole], dim=1))
        return torch.lerp(inputs.base, made, inputs.hole)

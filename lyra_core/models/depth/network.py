# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The embedded depth network: pretrained encoder, light pyramid decoder, learned convex upsampling.

Depth is predicted as log(z / f) with f the focal length in pixels of the network's input: z / f is what one sees (metres
per pixel), so that the same size of picture means the same number whatever the lens or the resolution
(canonical camera space as in Yin et al. 2023, "Metric3D"). The four-fold upsampling to the input's resolution is a
convex combination of 3x3 coarse neighbours whose weights come from the picture at full resolution (Teed and Deng 2020,
"RAFT"): edges stay where the picture has them at the price of computing at a quarter.

Convolutions look a few dozen pixels far at 1/32; how large a room is shows in all of the picture. Attention between the
cells at 1/32 (a hundred of them) costs next to nothing and joins them.

The same network completes depth that is known in part: see hint.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lyra_core.models.depth.encoder import VARIANTS, Encoder, feature_channels
from lyra_core.models.depth.hint import HintBranch, HintFeatures

__all__ = ["DepthNetwork", "Shape", "ray_grid"]

_MEAN_LOG = -3.6  # log(z / f) of a typical pixel: 5 m at 180 pixels
_CELL = 4  # input pixels of an output cell along each axis


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of the network.

    Attributes
    ----------
    encoder: variant of EfficientNet. widths: decoder channels at 1/4, 1/8, 1/16, 1/32.
    blocks, heads: attention between the cells at 1/32; blocks = 0 leaves it out.
    """

    encoder: str = "lite0"
    widths: tuple[int, int, int, int] = (48, 64, 96, 96)
    blocks: int = 0
    heads: int = 6

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Shape:
        """From a dictionary of config.json or YAML.

        Raises
        ------
        ValueError: unknown or unusable values (TypeError: unknown names).
        """
        shape = cls(**{**plain, "widths": tuple(plain.get("widths", cls().widths))})
        if shape.encoder not in VARIANTS or len(shape.widths) != 4 or shape.widths[3] % shape.heads:
            raise ValueError(f"no such network: {plain}")
        return shape

    def plain(self) -> dict[str, Any]:
        """As a dictionary for config.json."""
        return {**asdict(self), "widths": list(self.widths)}


def ray_grid(height: int, width: int, focal: Tensor, center: Tensor, stride: int) -> Tensor:
    """(B, 3, height / stride, width / stride): ray slopes x / z, y / z at cell centres, and log(focal / width).

    focal: (B, 2) fx, fy; center: (B, 2) principal point; all in pixels of the (height, width) input.
    """
    y = (torch.arange(height // stride, dtype=focal.dtype, device=focal.device) + 0.5) * stride
    x = (torch.arange(width // stride, dtype=focal.dtype, device=focal.device) + 0.5) * stride
    across = ((x[None] - center[:, :1]) / focal[:, :1])[:, None, :].expand(-1, len(y), -1)
    down = ((y[None] - center[:, 1:]) / focal[:, 1:])[:, :, None].expand(-1, -1, len(x))
    lens = torch.log(focal[:, 0] / width)[:, None, None].expand_as(across)
    return torch.stack([across, down, lens], dim=1)


def _convolve(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True))


class _Merge(nn.Module):
    """Coarse features, upsampled, join finer ones, the rays and what is known of the depth."""

    def __init__(self, coarse: int, fine: int, outputs: int, extra: int = 0) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(coarse, outputs, 1)
        self.lateral = nn.Conv2d(fine + extra + 3, outputs, 1)
        self.mix = nn.Sequential(_convolve(outputs, outputs), nn.Conv2d(outputs, outputs, 3, padding=1))

    def forward(self, coarse: Tensor, fine: Tensor, rays: Tensor, hint: Tensor | None = None) -> Tensor:
        up = functional.interpolate(self.reduce(coarse), size=fine.shape[-2:], mode="bilinear", align_corners=False)
        x = up + self.lateral(torch.cat([fine, rays], dim=1))
        x = functional.relu(x if hint is None else x + hint)
        return functional.relu(x + self.mix(x))


class _Attention(nn.Module):
    """Each cell looks at all others, then an MLP (Vaswani et al. 2017, with the norm first); starts without effect."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        for last in (self.out, self.mlp[2]):
            nn.init.zeros_(last.weight)  # pyright: ignore[reportArgumentType]
            nn.init.zeros_(last.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, tokens: Tensor) -> Tensor:
        split = self.queries(self.norm(tokens)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(split[0], split[1], split[2])
        tokens = tokens + self.out(seen.transpose(1, 2).flatten(2))
        return tokens + self.mlp(self.norm2(tokens))


class _Overview(nn.Module):
    """Attention blocks over the cells of (B, C, h, w), told where each looks by rays (B, 3, h, w); without effect at first."""

    def __init__(self, width: int, blocks: int, heads: int) -> None:
        super().__init__()
        self.place = nn.Sequential(nn.Conv2d(3, width, 1), nn.GELU(), nn.Conv2d(width, width, 1))
        self.blocks = nn.ModuleList(_Attention(width, heads) for _ in range(blocks))
        last = self.place[2]
        nn.init.zeros_(last.weight)  # pyright: ignore[reportArgumentType]
        nn.init.zeros_(last.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, x: Tensor, rays: Tensor) -> Tensor:
        tokens = (x + self.place(rays)).flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens.transpose(1, 2).unflatten(2, x.shape[-2:])


def _convex_upsample(values: Tensor, weights: Tensor) -> Tensor:
    """(B, C, h, w) cells to (B, C, 4h, 4w): each pixel is a weighted mean of the 3x3 cells around its own.

    weights: (B, 9 * 16, h, w) logits.
    """
    batch, channels, height, width = values.shape
    soft = torch.softmax(weights.reshape(batch, 1, 9, _CELL * _CELL, height, width), dim=2)
    around = functional.unfold(functional.pad(values, (1, 1, 1, 1), mode="replicate"), 3)
    around = around.reshape(batch, channels, 9, 1, height, width)
    fine = (soft * around).sum(dim=2)
    return functional.pixel_shuffle(fine.reshape(batch, channels * _CELL * _CELL, height, width), _CELL)


class DepthNetwork(nn.Module):
    """Picture and lens, and depth where it is known already, to metric depth and sky.

    forward(image (B, 3, H, W) in [-1, 1], focal (B, 2), center (B, 2), hint (B, H, W) or None) with H and W multiples
    of 32 and the lens in pixels of that input gives log depth (B, H, W) [log metres], sky logit (B, H, W), and the sine
    of the elevation of each cell's ray above the horizon (B, H / 16, W / 16): gravity follows from it by least squares.
    hint: known z-depth [m], 0 where unknown; a sample without any is estimated from its picture alone.
    """

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        self.shape = shape = Shape() if shape is None else shape
        self.encoder = Encoder(shape.encoder)
        channels = feature_channels(shape.encoder)
        quarter, eighth, sixteenth, last = shape.widths
        self.top = nn.Sequential(nn.Conv2d(channels[4] + 3, last, 1), nn.ReLU(inplace=True), _convolve(last, last))
        self.overview = _Overview(last, shape.blocks, shape.heads) if shape.blocks else None
        self.context = nn.Sequential(nn.Linear(last, last), nn.ReLU(inplace=True), nn.Linear(last, last))
        self.merge16 = _Merge(last, channels[3], sixteenth)
        self.merge8 = _Merge(sixteenth, channels[2], eighth)
        # The picture and the half-resolution features, folded into cells, tell where in a cell an edge runs.
        self.detail = nn.Sequential(
            nn.Conv2d(3 * _CELL * _CELL + channels[0] * 4, quarter, 1),
            nn.ReLU(inplace=True),
            _convolve(quarter, quarter),
        )
        self.merge4 = _Merge(eighth, channels[1], quarter, extra=quarter)
        self.coarse_head = nn.Conv2d(sixteenth, 3, 3, padding=1)
        self.fine_head = nn.Conv2d(quarter, 2, 3, padding=1)
        self.weights_head = nn.Sequential(_convolve(2 * quarter, 64), nn.Conv2d(64, 9 * _CELL * _CELL, 1))
        self.hint = HintBranch(quarter, eighth, sixteenth, last)
        for head in (self.coarse_head, self.fine_head):
            nn.init.zeros_(head.weight)
            assert head.bias is not None
            nn.init.zeros_(head.bias)

    def _told(self, hint: Tensor | None, focal: Tensor) -> HintFeatures | tuple[None, ...]:
        if hint is None:
            return (None,) * len(HintFeatures._fields)
        known = (hint > 0).to(hint.dtype)
        log_focal = torch.log(focal[:, 0])[:, None, None]
        return self.hint(torch.log(hint.clamp(min=1e-3)) - log_focal - _MEAN_LOG, known)

    def forward(
        self, image: Tensor, focal: Tensor, center: Tensor, hint: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Log depth, sky logit and elevation sines; see the class."""
        to_detail, to_quarter, to_eighth, to_sixteenth, to_top = self._told(hint, focal)
        height, width = image.shape[-2:]
        half, quarter, eighth, sixteenth, last = self.encoder(image)

        def rays(stride: int) -> Tensor:
            return ray_grid(height, width, focal, center, stride)

        x = self.top(torch.cat([last, rays(32)], dim=1))
        if to_top is not None:
            x = x + to_top
        if self.overview is not None:
            x = self.overview(x, rays(32))
        x = x + self.context(x.mean(dim=(2, 3)))[:, :, None, None]
        at16 = self.merge16(x, sixteenth, rays(16), to_sixteenth)
        at8 = self.merge8(at16, eighth, rays(8), to_eighth)
        detail = self.detail(
            torch.cat([functional.pixel_unshuffle(image, _CELL), functional.pixel_unshuffle(half, 2)], dim=1)
        )
        if to_detail is not None:
            detail = detail + to_detail
        at4 = self.merge4(at8, torch.cat([quarter, detail], dim=1), rays(4), to_quarter)
        coarse = self.coarse_head(at16)
        layout = functional.interpolate(coarse[:, :2], size=at4.shape[-2:], mode="bilinear", align_corners=False)
        cells = layout + self.fine_head(at4)
        fine = _convex_upsample(cells, self.weights_head(torch.cat([at4, detail], dim=1)))
        log_focal = torch.log(focal[:, 0])[:, None, None]
        return fine[:, 0] + _MEAN_LOG + log_focal, fine[:, 1], coarse[:, 2]

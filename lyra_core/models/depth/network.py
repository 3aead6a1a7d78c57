# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The embedded depth network: pretrained encoder, light pyramid decoder, learned convex upsampling.

Depth is predicted as log(z / f) with f the focal length in pixels of the network's input: z / f is what one sees (metres
per pixel), so that the same size of picture means the same number whatever the lens or the resolution
(canonical camera space as in Yin et al. 2023, "Metric3D"). The four-fold upsampling to the input's resolution is a
convex combination of 3x3 coarse neighbours whose weights come from the picture at full resolution (Teed and Deng 2020,
"RAFT"): edges stay where the picture has them at the price of computing at a quarter.

The same network completes depth that is known in part: see hint.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lyra_core.models.depth.encoder import CHANNELS, Encoder
from lyra_core.models.depth.hint import HintBranch, HintFeatures

__all__ = ["DepthNetwork", "ray_grid"]

_WIDTH = (48, 64, 96, 96)  # decoder channels at 1/4, 1/8, 1/16, 1/32
_MEAN_LOG = -3.6  # log(z / f) of a typical pixel: 5 m at 180 pixels
_CELL = 4  # input pixels of an output cell along each axis


def ray_grid(height: int, width: int, focal: Tensor, center: Tensor, stride: int) -> Tensor:
    """(B, 3, height / stride, width / stride): ray slopes x / z, y / z at cell centres, and log(focal / width).

    focal: (B, 2) fx, fy; center: (B, 2) principal point; all in pixels of the (height, width) input.
    """
    y = (torch.arange(height // stride, dtype=focal.dtype) + 0.5) * stride
    x = (torch.arange(width // stride, dtype=focal.dtype) + 0.5) * stride
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

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        quarter, eighth, sixteenth, last = _WIDTH
        self.top = nn.Sequential(nn.Conv2d(CHANNELS[4] + 3, last, 1), nn.ReLU(inplace=True), _convolve(last, last))
        self.context = nn.Sequential(nn.Linear(last, last), nn.ReLU(inplace=True), nn.Linear(last, last))
        self.merge16 = _Merge(last, CHANNELS[3], sixteenth)
        self.merge8 = _Merge(sixteenth, CHANNELS[2], eighth)
        # The picture and the half-resolution features, folded into cells, tell where in a cell an edge runs.
        self.detail = nn.Sequential(
            nn.Conv2d(3 * _CELL * _CELL + CHANNELS[0] * 4, quarter, 1),
            nn.ReLU(inplace=True),
            _convolve(quarter, quarter),
        )
        self.merge4 = _Merge(eighth, CHANNELS[1], quarter, extra=quarter)
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

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The Wan VAE in tiles, with the same result as in one piece.

What takes memory is the part of the VAE at picture resolution: convolutions and norms over channels, which see only
their neighbourhood. It runs tile by tile, each with as wide a border as its convolutions can see, which is cut off
afterwards: no blending, no seams. The middle, at an eighth of the resolution and with attention over the whole
picture, runs in one piece. Every tile has causal caches of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Tile", "decode_tiles", "decoder_halo", "encode_tiles", "encoder_halo", "make_tiles", "tile_share"]

_CACHE = 2  # frames that a causal convolution of three looks back


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile of a latent grid: rows and columns that it makes, and those that it looks at."""

    rows: slice
    columns: slice
    wide_rows: slice
    wide_columns: slice

    def inner(self, scale: int) -> tuple[slice, slice]:
        """The made part inside what was looked at, at `scale` pixels per latent."""
        top, left = self.rows.start - self.wide_rows.start, self.columns.start - self.wide_columns.start
        height, width = self.rows.stop - self.rows.start, self.columns.stop - self.columns.start
        return slice(top * scale, (top + height) * scale), slice(left * scale, (left + width) * scale)


def _halo(blocks: int, levels: int) -> float:
    """Latents that `blocks` convolutions of three at each of the levels see, from 1/1 of a latent to finer ones."""
    return blocks * sum(0.5**level for level in range(levels))


def decoder_halo(config: Any) -> int:
    """Latents around a tile that the decoder's upper part sees (13 for Wan 2.1)."""
    levels = len(config["dim_mult"])
    ups = sum(0.5**level for level in range(1, levels))
    return math.ceil(_halo(2 * (config["num_res_blocks"] + 1), levels) + ups + 0.5 ** (levels - 1))


def encoder_halo(config: Any) -> int:
    """Latents around a tile that the encoder's lower part sees (9 for Wan 2.1)."""
    levels = len(config["dim_mult"])
    downs = sum(0.5**level for level in range(1, levels))
    return math.ceil(_halo(2 * config["num_res_blocks"], levels) + downs + 0.5 ** (levels - 1))


def make_tiles(grid: tuple[int, int], tiles: tuple[int, int], halo: int) -> tuple[Tile, ...]:
    """Tiles (rows, columns) of a latent grid (h, w), row by row; each looks `halo` latents beyond itself."""

    def cuts(size: int, count: int) -> list[tuple[slice, slice]]:
        edges = [size * i // count for i in range(count + 1)]
        return [
            (slice(a, b), slice(max(a - halo, 0), min(b + halo, size)))
            for a, b in zip(edges[:-1], edges[1:], strict=True)
            if b > a
        ]

    return tuple(
        Tile(row, column, wide_row, wide_column)
        for row, wide_row in cuts(grid[0], tiles[0])
        for column, wide_column in cuts(grid[1], tiles[1])
    )


def tile_share(grid: tuple[int, int], tiles: tuple[int, int], halo: int) -> float:
    """Area of the largest tile, border included, as a part of the picture."""
    areas = [
        (t.wide_rows.stop - t.wide_rows.start) * (t.wide_columns.stop - t.wide_columns.start)
        for t in make_tiles(grid, tiles, halo)
    ]
    return max(areas) / (grid[0] * grid[1])


def _causal(conv: Any, x: Tensor, cache: list[Any], place: list[int]) -> Tensor:
    """A causal convolution that goes on from its cache, and leaves there the last frames that the next call needs."""
    before = cache[place[0]]
    kept = x[:, :, -_CACHE:]
    if kept.shape[2] < _CACHE and before is not None:
        kept = torch.cat([before[:, :, -1:], kept], dim=2)
    out = conv(x, before)
    cache[place[0]] = kept.clone()
    place[0] += 1
    return out


def _paste(parts: Sequence[Tensor], tiles: Sequence[Tile], scale: int, grid: tuple[int, int]) -> Tensor:
    """The made parts of all tiles side by side."""
    first = parts[0]
    out = first.new_empty(*first.shape[:3], grid[0] * scale, grid[1] * scale)
    for part, tile in zip(parts, tiles, strict=True):
        rows, columns = tile.inner(scale)
        target = (slice(tile.rows.start * scale, tile.rows.stop * scale),
                  slice(tile.columns.start * scale, tile.columns.stop * scale))  # fmt: skip
        out[:, :, :, target[0], target[1]] = part[:, :, :, rows, columns]
    return out


def encode_tiles(encoder: Any, x: Tensor, caches: list[list[Any]], tiles: Sequence[Tile]) -> Tensor:
    """What encoder(x) gives, x (1, 3, F, H, W); caches: one list for the middle, then one for each tile."""
    grid, parts = (x.shape[-2] // 8, x.shape[-1] // 8), []
    for tile, cache in zip(tiles, caches[1:], strict=True):
        rows = slice(tile.wide_rows.start * 8, tile.wide_rows.stop * 8)
        columns = slice(tile.wide_columns.start * 8, tile.wide_columns.stop * 8)
        place = [0]
        part = _causal(encoder.conv_in, x[:, :, :, rows, columns], cache, place)
        for layer in encoder.down_blocks:
            part = layer(part, feat_cache=cache, feat_idx=place)
        parts.append(part)
    place = [0]
    middle = encoder.mid_block(_paste(parts, tiles, 1, grid), feat_cache=caches[0], feat_idx=place)
    return _causal(encoder.conv_out, functional.silu(encoder.norm_out(middle)), caches[0], place)


def decode_tiles(decoder: Any, x: Tensor, caches: list[list[Any]], tiles: Sequence[Tile]) -> Tensor:
    """What decoder(x) gives, x (1, 16, T, h, w); caches: one list for the middle, then one for each tile."""
    grid, place = (x.shape[-2], x.shape[-1]), [0]
    middle = _causal(decoder.conv_in, x, caches[0], place)
    middle = decoder.mid_block(middle, feat_cache=caches[0], feat_idx=place)
    parts = []
    for tile, cache in zip(tiles, caches[1:], strict=True):
        part, place = middle[:, :, :, tile.wide_rows, tile.wide_columns], [0]
        for block in decoder.up_blocks:
            part = block(part, feat_cache=cache, feat_idx=place)
        parts.append(_causal(decoder.conv_out, functional.silu(decoder.norm_out(part)), cache, place))
    return _paste(parts, tiles, 8, grid)

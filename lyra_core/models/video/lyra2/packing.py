# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""How history and new latents become one token sequence.

A layout such as f1k1f4s2f1s1f16k4f2k2f1k1_g20 lists segments of history latents, f<count><kind><kernel>: kind k holds
the film so far, kind s holds retrieved pictures; g20 are the new latents. A segment of kernel n is cut into patches of
(n, 2n, 2n) latents (k) or (1, 2n, 2n) (s): older history costs fewer tokens (Zhang and Agrawala 2025, "FramePack").
The position of a token is the mean position of what it covers, in the packed sequence, not in the film.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from lyra_core.errors import ModelError

__all__ = [
    "REAL_LAYOUT",
    "Layout",
    "Segment",
    "cut_patches",
    "pack_camera",
    "pack_correspondence",
    "pack_rope",
    "pool_tokens",
    "rope_grid",
    "unshuffle",
]

REAL_LAYOUT = "f1k1f4s2f1s1f16k4f2k2f1k1_g20"
"""The layout of the released weights."""

_TABLE = 128  # positions per axis in the reference's table
_THETA = 10000.0


@dataclass(frozen=True, slots=True)
class Segment:
    """count latents of one kind ("k" film so far, "s" retrieved pictures) with patches enlarged by kernel."""

    kind: Literal["k", "s"]
    count: int
    kernel: int

    @property
    def ratio(self) -> tuple[int, int, int]:
        """(t, row, column) base tokens that one token of this segment covers."""
        return (self.kernel if self.kind == "k" else 1, self.kernel, self.kernel)

    @property
    def patch(self) -> tuple[int, int, int]:
        """(t, row, column) latents in one token."""
        t, row, column = self.ratio
        return (t, 2 * row, 2 * column)


@dataclass(frozen=True, slots=True)
class Layout:
    """Segments of history, in order, and the number of new latents."""

    segments: tuple[Segment, ...]
    new: int

    @classmethod
    def parse(cls, text: str) -> Layout:
        """Read f<count>k<kernel>..._g<new>; ModelError if it is not of that form."""
        whole = re.fullmatch(r"((?:f\d+[ks]\d+)+)_g(\d+)", text)
        if whole is None:
            raise ModelError("A packing layout reads f<count>k<n> or f<count>s<n>, repeated, then _g<new>",
                             got=text, do=f"Use {REAL_LAYOUT}")  # fmt: skip
        parts = re.findall(r"f(\d+)([ks])(\d+)", whole.group(1))
        segments = tuple(Segment(kind, int(count), int(kernel)) for count, kind, kernel in parts)
        if any(s.count < 1 or s.kernel < 1 for s in segments) or int(whole.group(2)) < 1:
            raise ModelError("Counts and kernels of a packing layout must be positive", got=text,
                             do=f"Use {REAL_LAYOUT}")  # fmt: skip
        return cls(segments, int(whole.group(2)))

    @property
    def history(self) -> int:
        """Number of history latents, retrieved ones included."""
        return sum(s.count for s in self.segments)

    @property
    def total(self) -> int:
        """Number of latents in the packed sequence."""
        return self.history + self.new

    @property
    def splits(self) -> tuple[int, ...]:
        """Latents of each segment, the new ones last."""
        return (*(s.count for s in self.segments), self.new)

    @property
    def starts(self) -> tuple[int, ...]:
        """First latent of each segment, then of the new ones."""
        return tuple(sum(self.splits[:i]) for i in range(len(self.splits)))

    @property
    def spatial_positions(self) -> tuple[int, ...]:
        """Positions of retrieved pictures in the packed sequence."""
        return tuple(
            start + i
            for start, s in zip(self.starts, self.segments, strict=False)
            for i in range(s.count)
            if s.kind == "s"
        )

    @property
    def slots(self) -> int:
        """Number of retrieved pictures."""
        return len(self.spatial_positions)

    @property
    def temporal_positions(self) -> tuple[int, ...]:
        """Positions of film history in the packed sequence."""
        spatial = set(self.spatial_positions)
        return tuple(i for i in range(self.history) if i not in spatial)

    def pick_history(self, available: int) -> tuple[int, ...]:
        """Which of `available` history latents are kept: the first one and the last ones, oldest first."""
        wanted = len(self.temporal_positions)
        if available < wanted:
            raise ModelError("The history is shorter than the layout needs", got=f"{available} latents",
                             do=f"Repeat the first frame until there are {wanted}")  # fmt: skip
        return (0, *range(available - wanted + 1, available)) if wanted else ()

    def tokens(self, rows: int, columns: int) -> tuple[slice, ...]:
        """Token range of each segment, the new ones last, for a latent grid (rows, columns)."""
        counts = [-(-s.count // s.patch[0]) * -(-rows // s.patch[1]) * -(-columns // s.patch[2]) for s in self.segments]
        counts.append(self.new * (rows // 2) * (columns // 2))
        ends = [sum(counts[: i + 1]) for i in range(len(counts))]
        return tuple(slice(end - count, end) for end, count in zip(ends, counts, strict=True))


def _pad(x: Tensor, multiple: Sequence[int]) -> Tensor:
    """Repeat the last element of the last three axes until each is a multiple."""
    extra = [-size % m for size, m in zip(x.shape[-3:], multiple, strict=True)]
    if not any(extra):
        return x
    return functional.pad(x, (0, extra[2], 0, extra[1], 0, extra[0]), mode="replicate")


def _mean(x: Tensor, cell: tuple[int, int, int]) -> Tensor:
    """Mean over cells, summed in float32 (as CUDA does; the CPU has no bfloat16 pooling)."""
    return functional.avg_pool3d(x.float(), cell).to(x.dtype)


def cut_patches(x: Tensor, patch: tuple[int, int, int]) -> Tensor:
    """(B, C, T, h, w) to (B, L, C * pt * ph * pw): tokens in (t, row, column) order, edges repeated to fit."""
    x = _pad(x, patch)
    batch, channels, t, h, w = x.shape
    (pt, ph, pw) = patch
    x = x.reshape(batch, channels, t // pt, pt, h // ph, ph, w // pw, pw)
    return x.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(batch, -1, channels * pt * ph * pw)


def pool_tokens(x: Tensor, ratio: tuple[int, int, int]) -> Tensor:
    """(B, C, T, rows, columns) to (B, L, C): mean over cells of ratio, edges repeated to fit."""
    if ratio != (1, 1, 1):
        x = _mean(_pad(x, ratio), ratio)
    return x.flatten(2).transpose(1, 2)


def unshuffle(x: Tensor, factor: int) -> Tensor:
    """(B, C, T, h, w) to (B, C * factor^2, T, h / factor, w / factor); channel (c * factor + dy) * factor + dx."""
    frames = functional.pixel_unshuffle(x.transpose(1, 2), factor)
    return frames.transpose(1, 2)


def rope_grid(frames: int, rows: int, columns: int, head_dim: int, device: torch.device | str = "cpu") -> Tensor:
    """(1, head_dim / 2, frames, rows, columns) float32 rotation angles [rad], order time, row, column."""
    if max(frames, rows, columns) > _TABLE:
        raise ModelError(f"The network knows {_TABLE} positions along each axis", got=f"{frames} x {rows} x {columns}",
                         do=f"Make pictures of at most {_TABLE * 16} pixels a side")  # fmt: skip
    side = 2 * (head_dim // 6)
    angles = []
    for axis, (size, dim) in enumerate(((frames, head_dim - 2 * side), (rows, side), (columns, side))):
        frequency = 1.0 / _THETA ** (torch.arange(0, dim, 2, device=device, dtype=torch.float32) / dim)
        table = frequency[:, None] * torch.arange(size, device=device, dtype=torch.float32)
        shape = [1, len(frequency), 1, 1, 1]
        shape[2 + axis] = size
        angles.append(table.view(shape).expand(1, -1, frames, rows, columns))
    return torch.cat(angles, dim=1)


def _pack_grid(grid: Tensor, layout: Layout) -> Tensor:
    parts = grid.split(layout.splits, dim=2)
    ratios = [*(s.ratio for s in layout.segments), (1, 1, 1)]
    return torch.cat([pool_tokens(part, ratio) for part, ratio in zip(parts, ratios, strict=True)], dim=1)


def pack_rope(layout: Layout, rows: int, columns: int, head_dim: int, device: torch.device | str = "cpu") -> Tensor:
    """(L, head_dim / 2) float32 angles of every token for a latent grid (rows, columns)."""
    return _pack_grid(rope_grid(layout.total, rows // 2, columns // 2, head_dim, device), layout)[0]


def pack_camera(layout: Layout, rays: Tensor) -> Tensor:
    """(1, C, T, h / 2, w / 2) ray map on the token grid to (1, L, C), averaged over what each token covers."""
    return _pack_grid(rays, layout)


def pack_correspondence(layout: Layout, buffer: Tensor) -> tuple[tuple[slice, Tensor], ...]:
    """The tokens that have a correspondence: (token range, (1, L_segment, 4 C)) for retrieved and new segments.

    buffer: (1, C, T, h, w) over the whole packed sequence, or over the new latents only (then retrieved segments
    have none). Film history never has one.
    """
    ranges = layout.tokens(*buffer.shape[-2:])
    if buffer.shape[2] == layout.new:
        return ((ranges[-1], pool_tokens(unshuffle(buffer, 2), (1, 1, 1))),)
    found = []
    for tokens, start, segment in zip(ranges, layout.starts, layout.segments, strict=False):
        if segment.kind == "s":
            n = segment.kernel
            part = buffer[:, :, start : start + segment.count]
            if n > 1:
                part = _mean(_pad(part, (1, n, n)), (1, n, n))
            # Padded again after the mean, as the reference does: an odd grid repeats its last mean.
            found.append((tokens, pool_tokens(unshuffle(_pad(part, (1, 2, 2)), 2), (1, 1, 1))))
    found.append((ranges[-1], pool_tokens(unshuffle(buffer[:, :, layout.history :], 2), (1, 1, 1))))
    return tuple(found)

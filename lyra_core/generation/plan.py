# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The plan of a run: which frames are made in which chunk, decided before any model loads."""

from __future__ import annotations

from dataclasses import dataclass

from lyra_core.errors import InputError

__all__ = ["CHUNK_FRAMES", "Chunk", "plan_chunks"]

CHUNK_FRAMES = 80
"""New frames per chunk, as in Lyra 2 (20 latents of 4 frames)."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Frames first..stop-1 of the path, made in one go and written together."""

    index: int
    first: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.first


def plan_chunks(first: int, count: int, *, first_chunk: int) -> tuple[Chunk, ...]:
    """Split count new frames that follow frame first - 1 into chunks of 80; the last may be shorter.

    Parameters
    ----------
    first: index of the first new frame (1 after the photo).
    count: new frames, >= 0.
    first_chunk: index of the first new chunk (0 is the photo itself).
    """
    if count < 0 or first < 1:
        raise InputError(
            "A path needs at least the photo's own frame",
            got=f"{count} new frames after frame {first - 1}",
            do="Use --frames 1 or more; 81 is the default",
        )
    starts = range(first, first + count, CHUNK_FRAMES)
    return tuple(
        Chunk(first_chunk + i, start, min(start + CHUNK_FRAMES, first + count)) for i, start in enumerate(starts)
    )

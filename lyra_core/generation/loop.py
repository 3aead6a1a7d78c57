# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The chunk loop: retrieve, reproject, generate, depth, insert.

After Lyra 2.0 (autoregressive chunks with a per-frame spatial memory). The loop owns no files: it
yields finished chunks and the caller writes them. Closing the iterator cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import ModelError
from lyra_core.generation.plan import Chunk
from lyra_core.memory import SpatialMemory
from lyra_core.models.depth.completion import complete_depth
from lyra_core.models.protocols import DepthModel, ModelProgress, VideoModel, VideoRequest
from lyra_core.types import CameraPath, Frame

__all__ = ["ChunkProgress", "FinishedChunk", "caption_for", "generate_chunks", "storable"]

_DEPTH_MANTISSA_BITS = 14  # relative step 6e-5: below a tenth of a pixel's footprint, and compresses well


@dataclass(frozen=True, slots=True, eq=False)
class ChunkProgress:
    """A step inside a chunk.

    Attributes
    ----------
    chunk: the chunk in work.
    done, total: frames (or model steps) finished in it.
    stage: what the model is doing.
    preview: a finished frame, or None.
    """

    chunk: Chunk
    done: int
    total: int
    stage: str
    preview: Frame | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FinishedChunk:
    """All frames of a chunk in order, each with metric depth."""

    chunk: Chunk
    frames: tuple[Frame, ...]


def storable(frame: Frame) -> Frame:
    """The frame as it will be read back from disk: 8-bit colour, depth rounded to 14 mantissa bits.

    Rounding before the frame enters the memory makes a resumed run see the same bytes as an unbroken one.
    """
    rgb = np.rint(np.clip(frame.rgb, 0.0, 1.0) * 255.0).astype(np.float32) / np.float32(255.0)
    return replace(frame, rgb=rgb, depth=_round_mantissa(frame.depth))


def _round_mantissa(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    drop = 23 - _DEPTH_MANTISSA_BITS
    bits = np.ascontiguousarray(depth, dtype=np.float32).view(np.uint32).astype(np.uint64)
    bits = (bits + (1 << (drop - 1))) >> drop << drop
    return bits.astype(np.uint32).view(np.float32)


def caption_for(captions: Mapping[int, str], first: int) -> str | None:
    """Lyra 2's rule: the caption with the largest key that is not beyond the chunk's first frame."""
    keys = [k for k in captions if k <= first]
    return captions[max(keys)] if keys else None


def generate_chunks(  # noqa: PLR0913 - the whole state of a run
    path: CameraPath,
    chunks: Sequence[Chunk],
    *,
    memory: SpatialMemory,
    video: VideoModel,
    depth: DepthModel,
    history: Sequence[Frame],
    captions: Mapping[int, str],
    seed: int,
    device: str,
    past: Callable[[int], Frame] | None = None,
) -> Iterator[ChunkProgress | FinishedChunk]:
    """Make the chunks one after the other.

    Parameters
    ----------
    path: cameras of the whole world so far and of the new frames, indexed by frame number.
    memory: holds every frame before the first chunk; grows by each frame made here.
    history: the last frames before the first chunk, oldest first (a temporal context for models that use it).
    captions: frame number to text; see caption_for.
    seed: chunk i draws from default_rng([seed, i]), so that a resumed run repeats the same numbers.

    past: any finished frame by its index, for models that look back further than the history.

    Yields ChunkProgress often and one FinishedChunk per chunk.
    """
    recent = tuple(history)
    for chunk in chunks:
        request = VideoRequest(
            cameras=path.segment(chunk.first, chunk.stop),
            first_index=chunk.first,
            memory=memory,
            history=recent,
            caption=caption_for(captions, chunk.first),
            rng=np.random.default_rng([seed, chunk.index]),
            device=device,
            past=past,
        )
        frames: dict[int, Frame] = {}
        for item in video.generate(request):
            if isinstance(item, ModelProgress):
                yield ChunkProgress(chunk, item.done, item.total, item.stage)
                continue
            frame = storable(item)
            frames[frame.index] = frame
            if video.provides_depth:
                memory.insert(frame)
            yield ChunkProgress(chunk, len(frames), len(chunk), "frames", frame)
        _check_complete(chunk, frames, video.name)
        ordered = [frames[i] for i in range(chunk.first, chunk.stop)]
        if not video.provides_depth:
            ordered = [_with_depth(frame, depth, memory) for frame in ordered]
            for frame in ordered:
                memory.insert(frame)
        recent = (*recent, *ordered)[-CHUNK_HISTORY:]
        yield FinishedChunk(chunk, tuple(ordered))


CHUNK_HISTORY = 97
"""Frames of temporal history kept for models (Lyra 2 packs 25 latents, that is 97 frames)."""


def _check_complete(chunk: Chunk, frames: Mapping[int, Frame], name: str) -> None:
    missing = [i for i in range(chunk.first, chunk.stop) if i not in frames]
    if missing or len(frames) != len(chunk):
        raise ModelError(
            f"The video model '{name}' must make every frame of a chunk once",
            got=f"{len(frames)} of {len(chunk)} frames, first missing {missing[0] if missing else 'none'}",
            do="Report this as a bug of the model adapter",
        )


def _with_depth(frame: Frame, model: DepthModel, memory: SpatialMemory) -> Frame:
    """Metric depth for a frame of a model that makes colour only, agreeing with the memory where that sees it."""
    guide = memory.guide(frame.camera)
    known = np.where(guide.known & ~guide.sky, guide.depth, 0).astype(np.float32)
    estimate, agree = complete_depth(model, frame.rgb, intrinsics=frame.camera.intrinsics, known=known)
    depth = np.where(estimate.sky, 0, estimate.depth).astype(np.float32)
    return storable(replace(frame, depth=depth, sky=estimate.sky, owned=frame.owned & ~agree))

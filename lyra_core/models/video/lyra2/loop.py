# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The film, chunk by chunk: condition, sample, decode, encode what was decoded, look at its depth, remember.

The history that the network sees is the decoded film encoded again, not the sampled latents. Encoder and decoder keep
their causal caches over the whole film; retrieved frames and the warped frame are encoded as films of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lyra_core.errors import ModelError
from lyra_core.models.video.lyra2.conditioning import CacheEntry, Conditions, FilmState, assemble
from lyra_core.models.video.lyra2.network import Text, Transformer
from lyra_core.models.video.lyra2.poses import align_prediction
from lyra_core.models.video.lyra2.sampler import chunk_noise, distilled_noise, sample_distilled, sample_unipc
from lyra_core.models.video.lyra2.vae import Vae, VaeStream
from lyra_core.ops.quirks import Compat

__all__ = ["Cameras", "ChunkResult", "Film", "LoopOptions", "caption_key", "depth_window", "valid_frames"]

_F32 = NDArray[np.float32]
DepthNetwork = Callable[[NDArray[np.uint8], _F32, _F32], tuple[_F32, _F32 | None]]
"""(N, H, W, 3) uint8, w2c (N, 4, 4), intrinsics (N, 3, 3) to depth (N, h, w) and, if it estimates them, w2c (N, 3, 4)."""


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How a film is made; the defaults are those of the reference's scripts.

    Attributes
    ----------
    steps, shift, guidance: of UniPC; not used if distilled.
    seed: chunk c starts from noise of seed + c.
    views: cameras of the chunk that retrieval looks from.
    depth_interval, depth_count: the depth network sees every depth_interval-th frame from the last one back.
    chunk_ends: and the last frames of all chunks.
    predicted_pose: take the depth network's cameras for the frames that it saw.
    cache_stride: frames that can be retrieved.
    hoist: see Transformer.prepare. batched: both passes of guidance in one.
    compat: "default", "reference", or single habits of the reference (lyra_core.ops.quirks).
    device: where the geometry runs.
    """

    steps: int = 35
    shift: float = 5.0
    guidance: float = 5.0
    distilled: bool = False
    seed: int = 0
    views: int = 1
    depth_interval: int = 8
    depth_count: int = 10
    chunk_ends: bool = False
    predicted_pose: bool = False
    cache_stride: int = 8
    hoist: Literal["full", "squeezed"] = "full"
    batched: bool = True
    compat: Compat = "default"
    device: str = "cpu"


@dataclass(frozen=True, slots=True, eq=False)
class Cameras:
    """w2c (N, 4, 4) and intrinsics (N, 3, 3) float32 of film frames."""

    w2c: _F32
    intrinsics: _F32


@dataclass(frozen=True, slots=True, eq=False)
class ChunkResult:
    """frames (1, 3, 4 G, H, W) about -1..1, latents as sampled, conditions, and the film frames retrieved."""

    frames: Tensor
    sampled: Tensor
    conditions: Conditions
    retrieved: tuple[int, ...]


def valid_frames(total: int, chunk: int = 80) -> tuple[int, ...]:
    """The counts 1 + chunk k (k >= 1) next to total; only total itself if it is one."""
    below = max((total - 1) // chunk, 1)
    return (total,) if total == 1 + chunk * below else (1 + chunk * below, 1 + chunk * (below + 1))


def caption_key(starts: tuple[int, ...], first_frame: int) -> int:
    """The largest of the captions' first frames that is not after this one (the first caption if all are)."""
    return max((s for s in starts if s <= first_frame), default=min(starts))


def depth_window(last: int, chunk: int, options: LoopOptions) -> tuple[int, ...]:
    """Film frames that the depth network sees after a chunk that ends with frame `last`."""
    found = {last - i * options.depth_interval for i in range(options.depth_count)}
    if options.chunk_ends:
        found |= set(range(0, last + 1, chunk))
    return tuple(sorted(f for f in found if f >= 0))


class Film:
    """A film that grows by chunks.

    Parameters
    ----------
    network, vae: the models.
    depth: called after each chunk but the last.
    first_rgb: (3, H, W) float32 in -1..1; first_depth: (H, W) float32 z-depth.
    first: the first frame's camera, N = 1.
    """

    def __init__(
        self, network: Transformer, vae: Vae, depth: DepthNetwork, first_rgb: Tensor, first_depth: _F32, first: Cameras,
        options: LoopOptions,
    ) -> None:  # fmt: skip
        self.network, self.vae, self.depth, self.options = network, vae, depth, options
        layout = network.layout
        self.frames = first_rgb[None, :, None].float()
        self.cameras = first
        self.last_depth = np.asarray(first_depth, np.float32)
        self.cache = {0: CacheEntry(0, self.last_depth, first.w2c[0], first.intrinsics[0])}
        self.stream = VaeStream()
        still = self.frames.repeat(1, 1, 4 * (layout.history - 1) + 1, 1, 1)
        self.latents = vae.encode(still, self.stream)
        vae.decode(self.latents, self.stream)  # only for its cache
        self.chunks = 0

    @property
    def length(self) -> int:
        """Frames per chunk."""
        return 4 * self.network.layout.new

    def last_frame(self) -> Tensor:
        """(1, 3, H, W) the frame that the picture tokens are to be made of."""
        return self.frames[:, :, -1]

    def extend(
        self, new: Cameras, text: Text, negative: Text | None, clip: Tensor, *, last: bool = False,
        fresh: Callable[[int], Tensor] | None = None,
    ) -> ChunkResult:  # fmt: skip
        """Make the next chunk.

        Parameters
        ----------
        new: cameras of its frames. text, negative: prepared captions; negative is needed unless guidance is 1.
        clip: (1, 257, C) picture tokens of last_frame().
        last: no depth is needed after it.
        fresh: noise of the distilled steps; default from the chunk's seed.
        """
        if len(new.w2c) != self.length:
            raise ModelError(f"A chunk has {self.length} frames", got=f"{len(new.w2c)} cameras",
                             do=f"Make films of 1 + {self.length} k frames")  # fmt: skip
        self.cameras = Cameras(
            np.concatenate([self.cameras.w2c, new.w2c]), np.concatenate([self.cameras.intrinsics, new.intrinsics])
        )
        told = self._conditions()
        retrieved = tuple(list(self.cache)[i] for i in told.retrieved)
        sampled = self._sample(told, text, negative, clip, fresh)
        frames = self.vae.decode(sampled, self.stream).to(self.frames.device)
        again = self.vae.encode(frames, self.stream)
        self.latents = torch.cat([self.latents, again.to(self.latents.device)], dim=2)
        self.frames = torch.cat([self.frames, frames], dim=2)
        self.chunks += 1
        if not last:
            self._look()
        return ChunkResult(frames, sampled, told, retrieved)

    def _conditions(self) -> Conditions:
        state = FilmState(
            chunk=self.chunks,
            w2c=self.cameras.w2c,
            intrinsics=self.cameras.intrinsics,
            latents=self.latents,
            rgb=self.frames[0, :, -1].permute(1, 2, 0).cpu().numpy(),
            depth=self.last_depth,
            cache=tuple(self.cache.values()),
        )
        return assemble(
            self.network.layout,
            state,
            frame_latent=lambda i: self.vae.encode(self.frames[:, :, i : i + 1]),
            encode=self.vae.encode,
            views=self.options.views,
            compat=self.options.compat,
            device=self.options.device,
        )

    @torch.no_grad()
    def _sample(self, told: Conditions, text: Text, negative: Text | None, clip: Tensor,
                fresh: Callable[[int], Tensor] | None) -> Tensor:  # fmt: skip
        options, network = self.options, self.network
        device = network.patch_embedding.weight.device
        chunk = network.prepare(told.history.to(device), told.y.to(device), told.correspondence.to(device),
                                clip.to(device), hoist=options.hoist)  # fmt: skip
        seed = options.seed + self.chunks
        shape = (1, 16, network.layout.new, *told.history.shape[-2:])
        noise = chunk_noise(seed, shape).to(device)

        def velocity(x: Tensor, t: float, conditional: bool) -> Tensor:
            chosen = text if conditional else negative
            if chosen is None:
                raise ModelError("Guidance needs the embedding of the negative prompt", got="none",
                                 do="Give it, or sample with guidance 1")  # fmt: skip
            return network.velocity(x, t, chunk, chosen)

        if options.distilled:
            history = network.layout.history
            return sample_distilled(velocity, noise, fresh or distilled_noise(shape, history, seed,
                                                                              compat=options.compat))  # fmt: skip

        def pair(x: Tensor, t: float) -> tuple[Tensor, Tensor]:
            assert negative is not None
            both = network.velocities(x, t, chunk, [text, negative])
            return both[:1], both[1:]

        together = pair if options.batched and negative is not None else None
        return sample_unipc(velocity, noise, steps=options.steps, shift=options.shift, guidance=options.guidance,
                            pair=together)  # fmt: skip

    def _look(self) -> None:
        """Depth of the window's frames: for the next warp, and for frames that can be retrieved."""
        options, end = self.options, self.frames.shape[2] - 1
        window = list(depth_window(end, self.length, options))
        pixels = self.frames[0, :, window].permute(1, 2, 3, 0).cpu().numpy()
        pixels = np.clip(255 * (pixels / 2 + 0.5) + 0.5, 0, 255).astype(np.uint8)
        own = self.cameras.w2c[window]
        depth, predicted = self.depth(pixels, own, self.cameras.intrinsics[window])
        depth = functional.interpolate(torch.from_numpy(np.ascontiguousarray(depth, np.float32))[:, None],
                                       size=self.last_depth.shape, mode="bilinear")[:, 0].numpy()  # fmt: skip
        known = sum(frame <= end - self.length for frame in window)
        if options.predicted_pose and predicted is not None:
            aligned, scale = align_prediction(predicted, own, known)
            depth = (depth * scale).astype(np.float32)
            w2c = self.cameras.w2c.copy()
            w2c[window[known:]] = aligned[known:]
            self.cameras = Cameras(w2c, self.cameras.intrinsics)
            if known == 1:
                self.cache.pop(window[0], None)
        self.last_depth = depth[-1]
        for frame, z in zip(window, depth, strict=True):
            if frame % options.cache_stride == 0 and frame not in self.cache:
                self.cache[frame] = CacheEntry(frame, z, self.cameras.w2c[frame], self.cameras.intrinsics[frame])
        self.cache = dict(sorted(self.cache.items()))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A clip becomes one training sample of Lyra 2.0: a chunk of it, what came before, and self-augmentation.

Before the first chunk the first frame is repeated, as when a film is made. In every second step the network itself makes
the chunk before the one that is learned (one call from half-noised truth), so that it learns to go on from its own
frames; the target stays the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lyra_core.errors import InputError
from lyra_core.models.video.lyra2.conditioning import CacheEntry, Conditions, FilmState, assemble, make_camera
from lyra_core.models.video.lyra2.network import Transformer
from lyra_core.models.video.lyra2.sampler import self_augmentation_grid, self_augmentation_time, shifted_table
from lyra_core.models.video.lyra2.vae import Vae, VaeStream
from lyra_core.ops.coverage import make_view, owner_counts
from lyra_core.training.lyra2_clips import Clip
from lyra_core.training.lyra2_step import retrieved_noise

__all__ = ["Sample", "SampleSettings", "augmented", "make_sample", "noised_conditions"]

_STEP = 4
_STRIDE = 8  # frames that may be retrieved
_APART = 16  # frames between what is retrieved and what is learned
_LATENTS = slice(4, 20)  # of y: the condition latents


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """How samples are drawn; the defaults are the reference's.

    segments: chunks that may be learned, at most. drop: how often some of the retrieved frames are left out.
    first_only: how often a self-augmented step learns the first chunk from the picture alone instead.
    """

    segments: int = 13
    drop: float = 0.1
    first_only: float = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What train_step takes, but for text and noise.

    segment: the chunk's number. clean: (1, 16, G, h, w) its latents. told: its conditions.
    last: (1, 3, H, W) the frame that the picture tokens are made of. caption: text or umT5 rows.
    """

    segment: int
    clean: Tensor
    told: Conditions
    last: Tensor
    caption: object


@dataclass(slots=True, eq=False)
class _Film:
    """A clip encoded up to the end of a segment."""

    rgb: NDArray[np.float32]
    latents: Tensor
    before: VaeStream  # as it was before the last segment


def _tensor(rgb: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(3, 0, 1, 2)))[None]


def _encoded(clip: Clip, vae: Vae, history: int, length: int, segment: int) -> _Film:
    """Latents of the repeated first frame and of segments 0..segment, and the encoder's state before the last."""
    stream = VaeStream()
    parts = [vae.encode(_tensor(clip.rgb[:1]).repeat(1, 1, _STEP * (history - 1) + 1, 1, 1), stream)]
    before = stream.copy()
    for i in range(segment + 1):
        before = stream.copy()
        parts.append(vae.encode(_tensor(clip.rgb[1 + i * length : 1 + (i + 1) * length]), stream))
    return _Film(clip.rgb, torch.cat(parts, dim=2).float().cpu(), before)


def _entries(clip: Clip, first: int, stop: int) -> list[CacheEntry]:
    """Frames that may be retrieved for a chunk first..stop-1: past and future ones, but none near it."""
    newest = first - 1
    frames = [i for i in range(_STRIDE, len(clip), _STRIDE)
              if i != newest and (i < first - _APART or i >= stop + _APART)]  # fmt: skip
    return [CacheEntry(i, clip.depth[i], clip.w2c[i], clip.intrinsics[i]) for i in frames]


def _drawn(
    entries: list[CacheEntry], clip: Clip, stop: int, slots: int, settings: SampleSettings, rng: np.random.Generator
) -> list[CacheEntry]:
    """Up to `slots` entries, likelier the more of the chunk's last view is theirs; best last."""
    if not entries or slots == 0:
        return []
    size = clip.depth.shape[1:]
    target = make_camera(clip.w2c[stop - 1], clip.intrinsics[stop - 1], size)
    views = [make_view(entry.frame, entry.depth, entry.camera, dtype=np.float32) for entry in entries]
    score = np.asarray(owner_counts(views, [target]), np.float64).reshape(-1)
    if score.max() <= 0:
        return []
    weight = score + 0.02 * score.max()
    count = min(slots, len(entries))
    picks = rng.choice(len(entries), count, replace=False, p=weight / weight.sum())
    if rng.random() < settings.drop:
        picks = picks[: count - int(rng.integers(1, count + 1))]
    return [entries[i] for i in sorted(picks, key=lambda i: score[i])]


def make_sample(
    clip: Clip, network: Transformer, vae: Vae, segment: int, rng: np.random.Generator, *,
    settings: SampleSettings | None = None, first_only: bool = False, film: _Film | None = None,
) -> Sample:  # fmt: skip
    """The sample of a segment.

    Parameters
    ----------
    first_only: only the first frame may be retrieved. film: the clip as encoded already (self-augmentation).

    Raises InputError if the clip has no such segment.
    """
    settings, layout = settings or SampleSettings(), network.layout
    length = _STEP * layout.new
    first, stop = 1 + segment * length, 1 + (segment + 1) * length
    if stop > len(clip):
        raise InputError("The clip is too short for this segment", got=f"{len(clip)} frames, {stop} needed",
                         do="Use longer clips")  # fmt: skip
    film = film or _encoded(clip, vae, layout.history, length, segment)
    clean = film.latents[:, :, -layout.new :]
    if first_only:
        entries = [CacheEntry(0, clip.depth[0], clip.w2c[0], clip.intrinsics[0])]
    else:
        entries = _drawn(_entries(clip, first, stop), clip, stop, layout.slots, settings, rng)
    last = film.rgb[first - 1]
    state = FilmState(segment, clip.w2c, clip.intrinsics, film.latents[:, :, : -layout.new], last,
                      clip.depth[first - 1], entries)  # fmt: skip
    told = assemble(layout, state, frame_latent=lambda i: vae.encode(_tensor(film.rgb[i : i + 1])), encode=vae.encode,
                    chosen=tuple(range(len(entries))))  # fmt: skip
    return Sample(segment, clean, told, _tensor(last[None])[:, :, 0], clip.caption(first))


def noised_conditions(told: Conditions, positions: tuple[int, ...], rng: np.random.Generator) -> Conditions:
    """The conditions with the same noise on each retrieved picture in the history and in the condition latents."""
    history = retrieved_noise(told.history, positions, rng)
    y = told.y.clone()
    y[:, _LATENTS, : history.shape[2]] += history - told.history
    return replace(told, history=history, y=y)


@torch.no_grad()
def augmented(
    clip: Clip, network: Transformer, vae: Vae, segment: int, text: Tensor,
    tokens: Callable[[Tensor], Tensor], rng: np.random.Generator, *, settings: SampleSettings | None = None,
) -> Sample:  # fmt: skip
    """The sample of segment + 1 after the network has made segment from its half-noised truth.

    Parameters
    ----------
    text: (1, 512, C) rows of the made segment's caption. tokens: a frame (1, 3, H, W) to picture tokens.
    """
    layout = network.layout
    length = _STEP * layout.new
    truth = _encoded(clip, vae, layout.history, length, segment + 1)
    damaged_end = truth.latents.shape[2] - layout.new
    until = _shortened(truth, truth.latents[:, :, :damaged_end])
    made = make_sample(clip, network, vae, segment, rng, settings=settings, film=until)
    device = next(network.parameters()).device
    timestep, sigma = self_augmentation_time(shifted_table(), float(1 / (1 + np.exp(-rng.standard_normal()))))
    del timestep
    noise = torch.from_numpy(rng.standard_normal(tuple(made.clean.shape), dtype=np.float32))
    x = sigma * noise + (1 - sigma) * made.clean
    told = float(self_augmentation_grid(sigma).timesteps[0])
    velocity = network(torch.cat([made.told.history, x], dim=2).to(device), told, made.told.y.to(device),
                       made.told.correspondence.to(device), text.to(device), tokens(made.last).to(device))  # fmt: skip
    guess = x - sigma * velocity.float().cpu()
    # The whole window is decoded, its last frames go back into the film, and the made chunk is encoded again.
    window = torch.cat([truth.latents[:, :, damaged_end - layout.new - layout.history : damaged_end - layout.new], guess],
                       dim=2)  # fmt: skip
    frames = vae.decode(window)[0].permute(1, 2, 3, 0).float().cpu().numpy().clip(-1, 1)
    rgb = np.array(clip.rgb)
    stop = 1 + (segment + 1) * length
    count = min(len(frames) - 1, stop)
    rgb[stop - count : stop] = frames[len(frames) - count :]
    rgb[0] = clip.rgb[0]
    before = _encoded(clip, vae, layout.history, length, segment).before
    again = vae.encode(_tensor(rgb[stop - length : stop]), before).float().cpu()
    latents = torch.cat(
        [truth.latents[:, :, : damaged_end - layout.new], again, truth.latents[:, :, damaged_end:]], dim=2
    )
    return make_sample(clip, network, vae, segment + 1, rng, settings=settings, film=_Film(rgb, latents, before))


def _shortened(film: _Film, latents: Tensor) -> _Film:
    """The film with other latents."""
    return _Film(film.rgb, latents, film.before)

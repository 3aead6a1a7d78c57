# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""`lyra2` as a video model of the chunk loop.

Each chunk is a function of the stored frames before it: history latents are those frames (8-bit, as on disk)
encoded as one film, the decoder starts from the packed history's last latents, the memory chooses what is retrieved,
and depth comes from the depth model of the run. So a run that was killed and goes on equals one that was not. The
reference's own loop, with unrounded frames and its live caches, is lyra_core.models.video.lyra2.loop.Film.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lyra_core.errors import ModelError
from lyra_core.models.protocols import ModelProgress, VideoRequest
from lyra_core.models.video.lyra2.budget import Plan, plan_for
from lyra_core.models.video.lyra2.bundle import LICENCE, Bundle, find_bundle
from lyra_core.models.video.lyra2.conditioning import CacheEntry, Conditions, FilmState, assemble, retrieval_targets
from lyra_core.models.video.lyra2.encoders import PictureEncoder, TextEncoder, read_negative
from lyra_core.models.video.lyra2.loading import load_network, load_vae, make_network, told_of_memory
from lyra_core.models.video.lyra2.loop import valid_frames
from lyra_core.models.video.lyra2.network import NetworkConfig, Text, Transformer
from lyra_core.models.video.lyra2.options import Lyra2Options
from lyra_core.models.video.lyra2.packing import Layout
from lyra_core.models.video.lyra2.sampler import chunk_noise, distilled_noise, sample_distilled, unipc_steps
from lyra_core.models.video.lyra2.vae import Vae, VaeStream
from lyra_core.models.video.lyra2.workers import SharedTransformer
from lyra_core.types import Frame

__all__ = ["Lyra2Video", "film_tensor"]

_CHUNK = 80
_SKY = 1000.0  # metres at which sky is drawn: within 3 pixels of infinity for steps of a few metres
_REFERENCE_STRIDE = 8
_CAPTIONS = 2  # captions whose keys and values are kept: 420 MB each for the released weights


def film_tensor(frames: Sequence[Frame]) -> Tensor:
    """(1, 3, N, H, W) float32 in -1..1."""
    return torch.from_numpy(np.stack([f.rgb for f in frames]).transpose(3, 0, 1, 2).copy())[None] * 2 - 1


def _depth(frame: Frame) -> np.ndarray:
    return np.where(frame.sky, np.float32(max(_SKY, 2 * float(frame.depth.max()))), frame.depth).astype(np.float32)


@dataclass(slots=True, eq=False)
class _Models:
    network: Transformer | SharedTransformer
    vae: Vae
    clip: PictureEncoder
    negative: Text


@dataclass(slots=True, eq=False)
class _Stored:
    """The stored frames encoded so far: `stop` frames, their stream and latents (repeats of the first included)."""

    stop: int
    first: np.ndarray
    stream: VaeStream
    latents: Tensor


class Lyra2Video:
    """Lyra 2.0 from a folder of weights; the arguments are the fields of Lyra2Options."""

    name = "lyra2"
    provides_depth = False

    def __init__(self, **options: Any) -> None:
        self.options = Lyra2Options(**options)
        self._models: _Models | None = None
        self._stored: _Stored | None = None
        self._captions: dict[str, Text] = {}
        self._plans: dict[tuple[int, int, str], Plan | None] = {}
        self.ignored: tuple[str, ...] = ()

    @property
    def bundle(self) -> Bundle:
        """The folder of weights; ModelError, with the command that fetches them, if it is not complete."""
        return find_bundle(self.options.checkpoint)

    @property
    def config(self) -> NetworkConfig:
        """Sizes of the network."""
        return self.bundle.network or NetworkConfig()

    def check_frames(self, total: int) -> None:
        """ModelError unless total is 1 + 80 k and the weights are there."""
        nearest = valid_frames(total, _CHUNK)
        if nearest != (total,):
            raise ModelError("Lyra 2.0 makes films of 1 + 80 k frames", got=f"{total}",
                             do=f"Use --frames {' or '.join(map(str, nearest))}")  # fmt: skip
        if 4 * Layout.parse(self.config.layout).new != _CHUNK:
            raise ModelError("The layout of the network must make 80 frames a chunk", got=self.config.layout,
                             do="Use a layout that ends with _g20")  # fmt: skip

    def plan(self, width: int, height: int, device: str | None = None) -> Plan | None:
        """The memory plan for this picture size: for the budget, or for what is free on a CUDA card.

        None on the CPU without a budget; ModelError if nothing fits.
        """
        key = (width, height, device or self.options.device)
        if key not in self._plans:  # what is free is asked once, before anything is on the card
            self._plans[key] = self._make_plan(*key)
        return self._plans[key]

    def _make_plan(self, width: int, height: int, device: str) -> Plan | None:
        own = self.options
        budget = own.vram
        if budget is None and device.startswith("cuda"):
            budget = torch.cuda.mem_get_info(device)[0] / 1e9
        if budget is None:
            return None
        return plan_for(self.config, width, height, budget, distilled=own.four_steps, quantize=own.quantize,
                        guided=own.guidance != 1.0 and own.batched is not False)  # fmt: skip

    def notices(self, width: int, height: int) -> tuple[str, ...]:
        """What the user is told before the weights are loaded: their licence, and the memory plan."""
        found = self.plan(width, height)
        return (LICENCE, *(found.lines() if found else ()))

    def record(self) -> dict[str, Any]:
        """What the manifest keeps."""
        own = self.options
        return {"video_licence": LICENCE, "video_loras": [f"{p.name}:{s:g}" for p, s in own.lora_files],
                "video_compat": own.compat,
                "video_sampler": "distilled" if own.four_steps else f"unipc-{own.steps}"}  # fmt: skip

    def generate(self, request: VideoRequest) -> Iterator[Frame | ModelProgress]:
        """Yield progress, then the 80 frames of the chunk, without depth; see VideoModel.generate."""
        cameras = request.cameras
        if len(cameras) != _CHUNK or (request.first_index - 1) % _CHUNK:
            self.check_frames(request.first_index + len(cameras))
        if cameras.width % 16 or cameras.height % 16:
            raise ModelError("Lyra 2.0 needs pictures whose sides are multiples of 16",
                             got=f"{cameras.width}x{cameras.height}", do="Choose another photo.pixels")  # fmt: skip
        steps = self._chunk(request)
        advice = (f"Give --vram with less than {self.options.vram:g}" if self.options.vram
                  else "Give the card's memory with --vram 24") + ", or make the picture smaller with photo.pixels"  # fmt: skip
        while True:
            item = told_of_memory(lambda: next(steps, None), advice)
            if item is None:
                return
            yield item

    def _chunk(self, request: VideoRequest) -> Iterator[Frame | ModelProgress]:
        yield ModelProgress("loading", 0, 1)
        plan = self.plan(request.cameras.width, request.cameras.height, request.device)
        text = self._text(request.caption or "", request.device, plan)
        models = self._load(request.device, plan)
        yield ModelProgress("encoding", 0, 1)
        latents = self._encode(request, models.vae)
        told = self._conditions(request, models, latents)
        clip = models.clip(film_tensor(request.history[-1:])[:, :, 0])
        sampled = None
        for done, total, latest in self._sample(request, models, told, text, clip, plan):
            sampled = latest
            yield ModelProgress("denoising", done, total)
        assert sampled is not None
        yield ModelProgress("decoding", 0, 1)
        yield from self._frames(request, models.vae, latents, sampled)

    def _text(self, caption: str, device: str, plan: Plan | None) -> Text:
        """Keys and values of a caption. The encoder is on the card only while a new caption is read."""
        if caption in self._captions:
            return self._captions[caption]
        bundle = self.bundle
        encoder = TextEncoder(bundle.part("text_encoder"), bundle.part("tokenizer"),
                              dtype=self.options.dtype_on(device), device="cpu" if plan else device)  # fmt: skip
        rows = encoder(caption)
        del encoder
        network = self._load(device, plan).network
        while len(self._captions) >= _CAPTIONS:
            old = self._captions.pop(next(iter(self._captions)))
            if isinstance(network, SharedTransformer):
                network.forget(old)
        self._captions[caption] = network.prepare_text(rows.to(device))
        return self._captions[caption]

    def _load(self, device: str, plan: Plan | None) -> _Models:
        if self._models is None:
            self._models = self._read(device, plan)
        return self._models

    @torch.no_grad()
    def _read(self, device: str, plan: Plan | None) -> _Models:
        bundle, own = self.bundle, self.options
        make = partial(make_network, bundle=bundle, options=own, plan=plan)
        if own.gpus > 1:
            network: Transformer | SharedTransformer = SharedTransformer(make, own.gpus, device.partition(":")[0])
        else:
            loaded = load_network(bundle, own, device, plan)
            network, self.ignored = loaded.network, loaded.ignored
        clip = PictureEncoder(
            bundle.part("image_encoder"), dtype=own.dtype_on(device), device="cpu" if plan else device
        )
        negative = network.prepare_text(read_negative(bundle.negative).to(device))
        return _Models(network, load_vae(bundle, own, device, plan), clip, negative)

    def _past(self, request: VideoRequest, index: int) -> Frame:
        start = request.first_index - len(request.history)
        if index >= start:
            return request.history[index - start]
        if request.past is None:
            raise ModelError("Lyra 2.0 needs frames from before the temporal history", got=f"frame {index}",
                             do="Give VideoRequest.past")  # fmt: skip
        return request.past(index)

    def _encode(self, request: VideoRequest, vae: Vae) -> Tensor:
        """(1, 16, P + 20 c, h, w) latents of the stored frames, going on from the last chunk where it can."""
        layout, first = Layout.parse(self.config.layout), self._past(request, 0)
        kept = self._stored
        if kept is None or kept.stop > request.first_index or not np.array_equal(kept.first, first.rgb):
            stream = VaeStream()
            still = film_tensor([first]).repeat(1, 1, 4 * (layout.history - 1) + 1, 1, 1)
            kept = _Stored(1, first.rgb, stream, vae.encode(still, stream).cpu())
        while kept.stop < request.first_index:
            part = [self._past(request, i) for i in range(kept.stop, kept.stop + _CHUNK)]
            new = vae.encode(film_tensor(part), kept.stream).cpu()
            kept = _Stored(kept.stop + _CHUNK, kept.first, kept.stream, torch.cat([kept.latents, new], dim=2))
        self._stored = kept
        return kept.latents

    def _conditions(self, request: VideoRequest, models: _Models, latents: Tensor) -> Any:
        layout, chunk = models.network.layout, (request.first_index - 1) // _CHUNK
        targets = [request.cameras[i - request.first_index]
                   for i in retrieval_targets(request.first_index, _CHUNK, self.options.views)]  # fmt: skip
        ids = self._candidates(request, targets, layout.slots)
        needed = {0, *ids, *range(request.first_index - len(request.history), request.first_index)}
        frames = {i: self._past(request, i) for i in needed}
        # Poses relative to the first camera: the reference's phantom points lie at its origin.
        origin = frames[0].camera.world_from_camera
        total = request.first_index + _CHUNK
        w2c, intrinsics = np.tile(np.eye(4, dtype=np.float32), (total, 1, 1)), np.zeros((total, 3, 3), np.float32)
        views = {**{i: f.camera for i, f in frames.items()},
                 **{request.first_index + i: camera for i, camera in enumerate(request.cameras)}}  # fmt: skip
        for i, camera in views.items():
            w2c[i], intrinsics[i] = camera.camera_from_world @ origin, camera.intrinsics
        cache = [CacheEntry(i, _depth(frames[i]), w2c[i], intrinsics[i]) for i in ids]
        last = request.history[-1]
        state = FilmState(chunk, w2c, intrinsics, latents, last.rgb * 2 - 1, _depth(last), cache)
        chosen = None if self.options.quirks.every_eighth else tuple(range(len(ids)))
        return assemble(layout, state, frame_latent=lambda i: models.vae.encode(film_tensor([frames[i]])),
                        encode=models.vae.encode, views=self.options.views, compat=self.options.quirks, device=request.device,
                        chosen=chosen)  # fmt: skip

    def chunk_seed(self, request: VideoRequest) -> int:
        """Seed of the chunk's noise: drawn from the request's generator, or seed + chunk (quirk counted_seeds)."""
        if self.options.quirks.counted_seeds:
            return self.options.seed + (request.first_index - 1) // _CHUNK
        return int(request.rng.integers(1 << 31))

    def _candidates(self, request: VideoRequest, targets: list, slots: int) -> tuple[int, ...]:
        """Frames that are (default) or may be (reference) retrieved, best last."""
        if self.options.quirks.every_eighth:
            return tuple(range(0, request.first_index, _REFERENCE_STRIDE))
        # The newest frame is seen already, as the warped condition.
        found = request.memory.retrieve(targets, count=slots + 1)
        rest = [i for i in found if 0 <= i != request.first_index - 1]
        return tuple(rest[-slots:]) if slots else ()

    @torch.no_grad()
    def _sample(self, request: VideoRequest, models: _Models, told: Conditions, text: Text, clip: Tensor,
                plan: Plan | None) -> Iterator[tuple[int, int, Tensor]]:  # fmt: skip
        network = models.network
        device, own = request.device, self.options
        chunk = network.prepare(told.history.to(device), told.y.to(device), told.correspondence.to(device),
                                clip.to(device), hoist=plan.hoist if plan else "full")  # fmt: skip
        seed = self.chunk_seed(request)
        shape = (1, 16, network.layout.new, *told.history.shape[-2:])
        noise = chunk_noise(seed, shape).to(device)

        def velocity(x: Tensor, t: float, conditional: bool) -> Tensor:
            return network.velocity(x, t, chunk, text if conditional else models.negative)

        if self.options.four_steps:
            fresh = distilled_noise(shape, network.layout.history, seed, compat=self.options.quirks)
            yield 4, 4, sample_distilled(velocity, noise, fresh)
            return

        def pair(x: Tensor, t: float) -> tuple[Tensor, Tensor]:
            both = network.velocities(x, t, chunk, [text, models.negative])
            return both[:1], both[1:]

        batched = own.batched if own.batched is not None else plan.batched if plan else True
        steps = unipc_steps(velocity, noise, steps=own.steps, shift=own.shift, guidance=own.guidance,
                            pair=pair if batched else None)  # fmt: skip
        for i, x in enumerate(steps, 1):
            yield i, own.steps, x

    def _frames(self, request: VideoRequest, vae: Vae, latents: Tensor, sampled: Tensor) -> Iterator[Frame]:
        stream = VaeStream()
        # As at the start of a film, the decoder first sees the history: it decides the first frames' motion.
        vae.decode(latents[:, :, -Layout.parse(self.config.layout).history :], stream)
        film = vae.decode(sampled, stream)[0].permute(1, 2, 3, 0).cpu().numpy()
        for i, (picture, camera) in enumerate(zip(film, request.cameras, strict=True)):
            size = picture.shape[:2]
            rgb = np.clip(picture / 2 + 0.5, 0, 1).astype(np.float32)
            yield Frame(request.first_index + i, rgb, np.zeros(size, np.float32), np.zeros(size, bool), camera,
                        np.ones(size, bool))  # fmt: skip

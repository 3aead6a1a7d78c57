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
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from lyra_core.errors import ModelError
from lyra_core.models.protocols import ModelProgress, VideoRequest
from lyra_core.models.video.lyra2.budget import Plan, plan_for
from lyra_core.models.video.lyra2.bundle import LICENCE, Bundle, find_bundle
from lyra_core.models.video.lyra2.conditioning import CacheEntry, FilmState, assemble, retrieval_targets
from lyra_core.models.video.lyra2.encoders import PictureEncoder, TextEncoder, read_negative
from lyra_core.models.video.lyra2.loop import valid_frames
from lyra_core.models.video.lyra2.lora import is_distilled, merge_file
from lyra_core.models.video.lyra2.network import NetworkConfig, Text, Transformer
from lyra_core.models.video.lyra2.offload import Visits
from lyra_core.models.video.lyra2.packing import Layout
from lyra_core.models.video.lyra2.sampler import chunk_noise, distilled_noise, sample_distilled, unipc_steps
from lyra_core.models.video.lyra2.vae import Vae, VaeStream, make_autoencoder
from lyra_core.types import Frame

__all__ = ["Lyra2Video", "film_tensor"]

_CHUNK = 80
_SKY = 1000.0  # metres at which sky is drawn: within 3 pixels of infinity for steps of a few metres
_REFERENCE_STRIDE = 8


def film_tensor(frames: Sequence[Frame]) -> Tensor:
    """(1, 3, N, H, W) float32 in -1..1."""
    return torch.from_numpy(np.stack([f.rgb for f in frames]).transpose(3, 0, 1, 2).copy())[None] * 2 - 1


def _depth(frame: Frame) -> np.ndarray:
    return np.where(frame.sky, np.float32(max(_SKY, 2 * float(frame.depth.max()))), frame.depth).astype(np.float32)


@dataclass(slots=True, eq=False)
class _Models:
    network: Transformer
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
    """Lyra 2.0 from a folder of weights.

    Parameters
    ----------
    checkpoint: the folder (see bundle); default from the environment.
    steps, shift, guidance: of the sampler; a distilled LoRA has its own four steps without guidance.
    loras: "file" or "file:strength" each, merged in this order.
    distilled: None takes the distilled steps if one of the LoRA files is the distilled one.
    compat: "reference" takes Lyra 2.0's geometry, retrieval among every eighth frame, and seed + chunk as seed.
    seed: for compat="reference"; by default noise comes from the request's generator.
    vram: GB of the card; the plan that fits is made before anything loads (see budget).
    quantize: "int8" or "fp8" weights; None leaves it to the plan.
    dtype: of the network; default bfloat16 on CUDA, float32 on the CPU.
    """

    name = "lyra2"
    provides_depth = False

    def __init__(  # noqa: PLR0913 - options of one model
        self, *, checkpoint: str | Path | None = None, steps: int = 35, shift: float = 5.0, guidance: float = 5.0,
        loras: Sequence[str] = (), distilled: bool | None = None, compat: Literal["default", "reference"] = "default",
        seed: int = 0, views: int = 1, vram: float | None = None, quantize: Literal["int8", "fp8"] | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:  # fmt: skip
        self._checkpoint, self._steps, self._shift, self._guidance = checkpoint, steps, shift, guidance
        self._loras = tuple(_lora(item) for item in loras)
        self._distilled = any(is_distilled(path) for path, _ in self._loras) if distilled is None else distilled
        self._seed, self._views, self._vram = seed, views, vram
        self._compat: Literal["default", "reference"] = compat
        self._dtype = dtype
        self._quantize: Literal["int8", "fp8"] | None = quantize
        self._models: _Models | None = None
        self._stored: _Stored | None = None
        self._captions: dict[str, Text] = {}
        self.ignored: tuple[str, ...] = ()

    @property
    def bundle(self) -> Bundle:
        """The folder of weights; ModelError, with the command that fetches them, if it is not complete."""
        return find_bundle(self._checkpoint)

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

    def plan(self, width: int, height: int) -> Plan | None:
        """The memory plan for this picture size, or None without a budget; ModelError if nothing fits."""
        if self._vram is None:
            return None
        return plan_for(self.config, width, height, self._vram, distilled=self._distilled, quantize=self._quantize)

    def notices(self, width: int, height: int) -> tuple[str, ...]:
        """What the user is told before the weights are loaded: their licence, and the memory plan."""
        found = self.plan(width, height)
        return (LICENCE, *(found.lines() if found else ()))

    def record(self) -> dict[str, Any]:
        """What the manifest keeps."""
        return {"video_licence": LICENCE, "video_loras": [f"{p.name}:{s:g}" for p, s in self._loras],
                "video_sampler": "distilled" if self._distilled else f"unipc-{self._steps}"}  # fmt: skip

    def generate(self, request: VideoRequest) -> Iterator[Frame | ModelProgress]:
        """Yield progress, then the 80 frames of the chunk, without depth; see VideoModel.generate."""
        cameras = request.cameras
        if len(cameras) != _CHUNK or (request.first_index - 1) % _CHUNK:
            self.check_frames(request.first_index + len(cameras))
        if cameras.width % 16 or cameras.height % 16:
            raise ModelError("Lyra 2.0 needs pictures whose sides are multiples of 16",
                             got=f"{cameras.width}x{cameras.height}", do="Choose another photo.pixels")  # fmt: skip
        yield ModelProgress("loading", 0, 1)
        plan = self.plan(cameras.width, cameras.height)
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
        wide = self._dtype or (torch.bfloat16 if device.startswith("cuda") else torch.float32)
        encoder = TextEncoder(
            bundle.part("text_encoder"), bundle.part("tokenizer"), dtype=wide, device="cpu" if plan else device
        )
        rows = encoder(caption)
        del encoder
        self._captions[caption] = self._load(device, plan).network.prepare_text(rows.to(device))
        return self._captions[caption]

    def _load(self, device: str, plan: Plan | None) -> _Models:
        if self._models is None:
            self._models = self._read(device, plan)
        return self._models

    @torch.no_grad()
    def _read(self, device: str, plan: Plan | None) -> _Models:
        from lyra_core.models.video.lyra2.checkpoint import load_transformer, read_config, read_state
        from lyra_core.models.video.lyra2.quantize import quantize_linear

        bundle = self.bundle
        dtype = self._dtype or (torch.bfloat16 if device.startswith("cuda") else torch.float32)
        loaded = load_transformer(bundle.part("model"), config=bundle.network, dtype=dtype)
        self.ignored = loaded.ignored
        for path, strength in self._loras:
            merge_file(loaded.network, path, strength)
        kind = plan.quantize if plan else self._quantize
        if kind:
            quantize_linear(loaded.network, kind)
        network = _place(loaded.network, device, plan)
        vae = make_autoencoder(read_state(bundle.part("vae")), read_config(bundle.part("vae")))
        torch.nn.Module.to(vae, device)  # in place; the class of diffusers hides its type
        clip = PictureEncoder(bundle.part("image_encoder"), dtype=dtype, device="cpu" if plan else device)
        return _Models(network, Vae(vae), clip, network.prepare_text(read_negative(bundle.negative).to(device)))

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
                   for i in retrieval_targets(request.first_index, _CHUNK, self._views)]  # fmt: skip
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
        chosen = None if self._compat == "reference" else tuple(range(len(ids)))
        return assemble(layout, state, frame_latent=lambda i: models.vae.encode(film_tensor([frames[i]])),
                        encode=models.vae.encode, views=self._views, compat=self._compat, device=request.device,
                        chosen=chosen)  # fmt: skip

    def _candidates(self, request: VideoRequest, targets: list, slots: int) -> tuple[int, ...]:
        """Frames that are (default) or may be (reference) retrieved, best last."""
        if self._compat == "reference":
            return tuple(range(0, request.first_index, _REFERENCE_STRIDE))
        # The newest frame is seen already, as the warped condition.
        found = request.memory.retrieve(targets, count=slots + 1)
        rest = [i for i in found if 0 <= i != request.first_index - 1]
        return tuple(rest[-slots:]) if slots else ()

    @torch.no_grad()
    def _sample(self, request: VideoRequest, models: _Models, told: Any, text: Text, clip: Tensor,
                plan: Plan | None) -> Iterator[tuple[int, int, Tensor]]:  # fmt: skip
        network = models.network
        device = network.patch_embedding.weight.device
        chunk = network.prepare(told.history.to(device), told.y.to(device), told.correspondence.to(device),
                                clip.to(device), hoist=plan.hoist if plan else "full")  # fmt: skip
        number = (request.first_index - 1) // _CHUNK
        seed = self._seed + number if self._compat == "reference" else int(request.rng.integers(1 << 31))
        shape = (1, 16, network.layout.new, *told.history.shape[-2:])
        noise = chunk_noise(seed, shape).to(device)

        def velocity(x: Tensor, t: float, conditional: bool) -> Tensor:
            return network.velocity(x, t, chunk, text if conditional else models.negative)

        if self._distilled:
            fresh = distilled_noise(shape, network.layout.history, seed, compat=self._compat)
            yield 4, 4, sample_distilled(velocity, noise, fresh)
            return
        steps = unipc_steps(velocity, noise, steps=self._steps, shift=self._shift, guidance=self._guidance)
        for i, x in enumerate(steps, 1):
            yield i, self._steps, x

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


def _place(network: Transformer, device: str, plan: Plan | None) -> Transformer:
    """All of the network on the device, or all but the blocks that only visit."""
    if plan is None or plan.resident >= network.config.layers:
        return network.to(device)
    for name, child in network.named_children():
        if name != "blocks":
            child.to(device)
    network.visits = Visits(device, plan.resident)
    return network


def _lora(item: str) -> tuple[Path, float]:
    name, mark, strength = item.rpartition(":")
    try:
        return (Path(name), float(strength)) if mark else (Path(item), 1.0)
    except ValueError:
        return Path(item), 1.0

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The Wan 2.1 video VAE as a stream: frames in, latents out, and back, with causal caches that outlive a chunk.

The first frame makes one latent, every four more make another. Modules are diffusers' AutoencoderKLWan. Frames are
not clamped after decoding: the loop encodes them again as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from torch import Tensor

from lyra_core.errors import ModelError
from lyra_core.models.video.lyra2.report import check_state
from lyra_core.models.video.lyra2.tiles import (
    Tile,
    decode_tiles,
    decoder_halo,
    encode_tiles,
    encoder_halo,
    make_tiles,
)

__all__ = ["Vae", "VaeStream", "diffusers_key", "make_autoencoder"]

_WINDOW = 4  # frames per latent
_RESIDUAL = {"residual.0.gamma": "norm1.gamma", "residual.2": "conv1", "residual.3.gamma": "norm2.gamma",
             "residual.6": "conv2", "shortcut": "conv_shortcut"}  # fmt: skip


def _residual(rest: str) -> str:
    for name, ours in _RESIDUAL.items():
        if rest == name or rest.startswith(name + "."):
            return ours + rest[len(name) :]
    return rest


def diffusers_key(name: str) -> str:
    """The name in diffusers' AutoencoderKLWan of a parameter of Wan's own VAE file."""
    if match := re.fullmatch(r"conv([12])\.(.+)", name):
        return f"{'quant_conv' if match.group(1) == '1' else 'post_quant_conv'}.{match.group(2)}"
    match = re.fullmatch(r"(encoder|decoder)\.(conv1|middle|head|downsamples|upsamples)\.(.+)", name)
    if match is None:
        return name
    part, group, rest = match.groups()
    if group == "conv1":
        return f"{part}.conv_in.{rest}"
    number, _, tail = rest.partition(".")
    if group == "head":
        return f"{part}.norm_out.{tail}" if number == "0" else f"{part}.conv_out.{tail}"
    if group == "middle":
        block = "attentions.0" if number == "1" else f"resnets.{int(number) // 2}"
        return f"{part}.mid_block.{block}.{_residual(tail)}"
    if group == "downsamples":
        return f"{part}.down_blocks.{number}.{_residual(tail)}"
    block, place = divmod(int(number), 4)
    name = f"resnets.{place}" if place < 3 else "upsamplers.0"
    return f"{part}.up_blocks.{block}.{name}.{_residual(tail)}"


def make_autoencoder(state: Mapping[str, Tensor], config: Mapping[str, Any] | None = None) -> AutoencoderKLWan:
    """Diffusers' VAE with these weights (Wan's or diffusers' names).

    config: base_dim, z_dim, dim_mult, num_res_blocks, temporal_downsample; default Wan 2.1's.
    ModelError if names or shapes do not fit.
    """
    options = dict(config or {})
    if "temporal_downsample" in options:
        options["temperal_downsample"] = options.pop("temporal_downsample")  # diffusers' spelling
    model = AutoencoderKLWan(**options)
    renamed = {diffusers_key(name): value for name, value in state.items()}
    check_state(renamed, {name: tuple(value.shape) for name, value in model.state_dict().items()}, "the Wan 2.1 VAE")
    model.load_state_dict(renamed, strict=True)
    return model.eval()


@dataclass(slots=True, eq=False)
class VaeStream:
    """Causal caches of a film that is encoded and decoded piece by piece. copy() branches it."""

    encoder: list[Any] = field(default_factory=list)
    decoder: list[Any] = field(default_factory=list)

    def copy(self) -> VaeStream:
        """A stream that goes on from here on its own (cache entries are replaced, never written into)."""
        encoder, decoder = ([list(c) if isinstance(c, list) else c for c in part] for part in
                            (self.encoder, self.decoder))  # fmt: skip
        return VaeStream(encoder, decoder)


class Vae:
    """Streaming encoder and decoder.

    Parameters
    ----------
    model: diffusers' autoencoder; its latents_mean and latents_std normalise the latents.
    tiles: (rows, columns) of tiles that pictures are cut into, to save memory (see tiles.py). A stream stays with the
        tiles that it began with.
    halo: latents that a tile looks beyond itself; default as many as its convolutions see, which changes nothing.
        Fewer are faster and leave faint seams.
    """

    def __init__(self, model: AutoencoderKLWan, *, tiles: tuple[int, int] = (1, 1), halo: int | None = None) -> None:
        self.model, self.tiles = model, tiles
        config = model.config
        self._halos = (halo, halo) if halo is not None else (encoder_halo(config), decoder_halo(config))
        self._counts = model._cached_conv_counts
        mean = torch.tensor(model.config["latents_mean"]).view(1, -1, 1, 1, 1)
        std = torch.tensor(model.config["latents_std"]).view(1, -1, 1, 1, 1)
        self._mean, self._std = mean, std

    @property
    def _like(self) -> Tensor:
        return next(self.model.parameters())

    def _cut(self, grid: tuple[int, int], halo: int) -> tuple[Tile, ...]:
        return make_tiles(grid, self.tiles, halo)

    def _caches(self, part: str, tiles: int) -> list[Any]:
        """Empty caches: one list for the picture in one piece; for tiles a list for the middle and one for each."""
        empty = [None] * self._counts[part]
        return [list(empty) for _ in range(1 + tiles)] if tiles > 1 else empty

    @torch.no_grad()
    def encode(self, frames: Tensor, stream: VaeStream | None = None) -> Tensor:
        """Frames (1, 3, F, H, W) in -1..1 to normalised latents (1, 16, T, H / 8, W / 8) float32.

        Without a stream, or with a new one, the first frame stands alone: F = 1 + 4 k; later F = 4 k.
        Sides must be multiples of 8.
        """
        stream = stream or VaeStream()
        fresh = not stream.encoder
        count = frames.shape[2]
        if (count - fresh) % _WINDOW or not count or frames.shape[-1] % 8 or frames.shape[-2] % 8:
            raise ModelError("The VAE takes 1 + 4k frames at the start of a film, 4k later; sides in multiples of 8",
                             got=f"{count} frames of {frames.shape[-1]}x{frames.shape[-2]}",
                             do="Pad or cut the film, and resize it")  # fmt: skip
        like = self._like
        frames = frames.to(like)
        sizes = [1] * fresh + [_WINDOW] * (count // _WINDOW)
        tiles = self._cut((frames.shape[-2] // 8, frames.shape[-1] // 8), self._halos[0])
        if fresh:
            stream.encoder = self._caches("encoder", len(tiles))
        if len(tiles) > 1:
            parts = [
                encode_tiles(self.model.encoder, part, stream.encoder, tiles) for part in frames.split(sizes, dim=2)
            ]
        else:
            parts = [
                self.model.encoder(part, feat_cache=stream.encoder, feat_idx=[0]) for part in frames.split(sizes, dim=2)
            ]
        mean = self.model.quant_conv(torch.cat(parts, dim=2))[:, : self.model.config["z_dim"]]
        return (mean.float() - self._mean.to(like.device)) / self._std.to(like.device)

    @torch.no_grad()
    def decode(self, latents: Tensor, stream: VaeStream | None = None) -> Tensor:
        """Normalised latents (1, 16, T, h, w) to frames (1, 3, F, 8 h, 8 w) float32, about -1..1, not clamped.

        At the start of a film T latents make 1 + 4 (T - 1) frames, later 4 T.
        """
        stream = stream or VaeStream()
        fresh = not stream.decoder
        tiles = self._cut((latents.shape[-2], latents.shape[-1]), self._halos[1])
        if fresh:
            stream.decoder = self._caches("decoder", len(tiles))
        like = self._like
        plain = latents.to(like.device).float() * self._std.to(like.device) + self._mean.to(like.device)
        x = self.model.post_quant_conv(plain.to(like))
        if len(tiles) > 1:
            parts = [decode_tiles(self.model.decoder, part, stream.decoder, tiles) for part in x.split(1, dim=2)]
        else:
            parts = [
                self.model.decoder(part, feat_cache=stream.decoder, feat_idx=[0], first_chunk=fresh and i == 0)
                for i, part in enumerate(x.split(1, dim=2))
            ]
        return torch.cat(parts, dim=2).float()

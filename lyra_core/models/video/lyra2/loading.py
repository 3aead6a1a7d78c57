# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The network and the VAE of a bundle, put where the plan wants them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from lyra_core.errors import ModelError
from lyra_core.models.video.lyra2.attention import attention_kernel
from lyra_core.models.video.lyra2.budget import Plan
from lyra_core.models.video.lyra2.bundle import Bundle
from lyra_core.models.video.lyra2.checkpoint import Loaded, load_transformer, read_config, read_state
from lyra_core.models.video.lyra2.lora import merge_file
from lyra_core.models.video.lyra2.network import Transformer
from lyra_core.models.video.lyra2.offload import Visits
from lyra_core.models.video.lyra2.options import Lyra2Options
from lyra_core.models.video.lyra2.quantize import quantize_linear
from lyra_core.models.video.lyra2.vae import Vae, make_autoencoder

__all__ = ["OUT_OF_MEMORY", "compile_blocks", "load_network", "load_vae", "make_network", "place", "told_of_memory"]

OUT_OF_MEMORY = "Lyra 2.0 ran out of memory on the card"


@torch.no_grad()
def load_network(bundle: Bundle, options: Lyra2Options, device: str, plan: Plan | None) -> Loaded:
    """The network with its LoRAs and in the plan's precision, its blocks where the plan keeps them."""
    dtype = options.dtype_on(device)
    loaded = load_transformer(bundle.part("model"), config=bundle.network, dtype=dtype)
    for path, strength in options.lora_files:
        merge_file(loaded.network, path, strength)
    kind = plan.quantize if plan else options.quantize
    if kind:
        quantize_linear(loaded.network, kind)
    network = place(loaded.network, device, plan, group=options.group, prefetch=options.prefetch)
    network.attention = attention_kernel(options.attention, device, dtype, network.config.head_dim)
    if options.compile:
        compile_blocks(network, options.compile)
    return Loaded(network, loaded.ignored)


def make_network(device: str, *, bundle: Bundle, options: Lyra2Options, plan: Plan | None) -> Transformer:
    """The network of load_network on this device; other processes can call it."""
    return load_network(bundle, options, device, plan).network


def load_vae(bundle: Bundle, options: Lyra2Options, device: str, plan: Plan | None) -> Vae:
    """The VAE on the device, in tiles if the options or the plan say so."""
    model = make_autoencoder(read_state(bundle.part("vae")), read_config(bundle.part("vae")))
    torch.nn.Module.to(model, device)  # in place; the class of diffusers hides its type
    rows, columns = options.tiles if options.tiles is not None else plan.tiles if plan else (1, 1)
    return Vae(model, tiles=(rows, columns))


def place(
    network: Transformer, device: str, plan: Plan | None, *, group: int = 1, prefetch: bool = True
) -> Transformer:
    """All of the network on the device, or all but the blocks that only visit."""
    if plan is None or plan.resident >= network.config.layers:
        return network.to(device)
    for name, child in network.named_children():
        if name != "blocks":
            child.to(device)
    network.visits = Visits(device, plan.resident, group=group, prefetch=prefetch)
    return network


def compile_blocks(network: Transformer, backend: str = "inductor") -> int:
    """Compile every block in place (they share their code); returns how many. ModelError for an unknown backend."""
    import torch._dynamo as dynamo

    known = dynamo.list_backends(exclude_tags=())
    if backend not in known:
        raise ModelError("torch.compile has no backend of this name", got=backend,
                         do=f"Use inductor, or one of {', '.join(sorted(known))}")  # fmt: skip
    for block in network.blocks:
        block.compile(backend=backend, dynamic=False)
    return len(network.blocks)


def told_of_memory(call: Callable[[], Any], needed: str) -> Any:
    """What the call returns; ModelError, with what to do, if it runs out of the card's memory."""
    try:
        return call()
    except torch.OutOfMemoryError as error:
        raise ModelError(OUT_OF_MEMORY, got=str(error).partition("\n")[0][:200], do=needed) from error

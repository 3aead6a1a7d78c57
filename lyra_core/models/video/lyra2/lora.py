# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""LoRA files merged into the network: diffusers, PEFT and musubi names; every key is used or reported.

A low-rank pair adds strength * alpha / rank * up @ down to a weight (alpha = rank where the file gives none); diff_b
adds to a bias and diff to a weight.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lyra_core.errors import ModelError
from lyra_core.models.video.lyra2.checkpoint import read_state

__all__ = ["LoraReport", "diffusers_name", "is_distilled", "merge_file", "merge_state", "module_name", "module_names"]

_SUFFIX = re.compile(
    r"\.(?:(?P<down>lora_A(?:\.\w+)?|lora_down|lora\.down)\.weight|(?P<up>lora_B(?:\.\w+)?|lora_up|lora\.up)\.weight"
    r"|(?P<alpha>alpha)|(?P<diff_b>diff_b)|(?P<diff>diff))$"
)
_PREFIX = re.compile(r"^(base_model\.model\.|diffusion_model\.|transformer\.|model\.|net\.|lora_unet__?)")
# Ours and the reference's names, and what diffusers calls the same module.
_DIFFUSERS = (
    (r"self_attn\.o$", "attn1.to_out.0"), (r"cross_attn\.o$", "attn2.to_out.0"),
    (r"self_attn\.([qkv])$", r"attn1.to_\1"), (r"cross_attn\.([kv])_img$", r"attn2.add_\1_proj"),
    (r"cross_attn\.([qkv])$", r"attn2.to_\1"), (r"ffn\.0$", "ffn.net.0.proj"), (r"ffn\.2$", "ffn.net.2"),
    (r"^head\.head$", "proj_out"), (r"^time_embedding\.0$", "condition_embedder.time_embedder.linear_1"),
    (r"^time_embedding\.2$", "condition_embedder.time_embedder.linear_2"),
    (r"^time_projection\.1$", "condition_embedder.time_proj"),
    (r"^text_embedding\.0$", "condition_embedder.text_embedder.linear_1"),
    (r"^text_embedding\.2$", "condition_embedder.text_embedder.linear_2"),
    (r"^img_emb\.proj\.1$", "condition_embedder.image_embedder.ff.net.0.proj"),
    (r"^img_emb\.proj\.3$", "condition_embedder.image_embedder.ff.net.2"),
)  # fmt: skip
_LEAST_DIFF = (
    1.6e-2  # a whole-weight difference smaller than this is noise of the file's making; the reference drops it
)


@dataclass(frozen=True, slots=True)
class LoraReport:
    """What was merged: names of modules, and keys dropped as too small."""

    modules: tuple[str, ...]
    dropped: tuple[str, ...]


def is_distilled(path: Path) -> bool:
    """Is this the LoRA of the distilled sampler: by its name, or by a "distilled" entry in the file's metadata."""
    path = Path(path)
    if re.search(r"dmd|distill", path.name, re.IGNORECASE):
        return True
    if path.suffix != ".safetensors" or not path.is_file():
        return False
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        try:
            meta = json.loads(file.read(min(size, 100 << 20))).get("__metadata__") or {}
        except (ValueError, AttributeError):
            return False  # reading it will say what is wrong with it
    return any(re.search(r"dmd|distill", f"{k} {v}", re.IGNORECASE) for k, v in meta.items())


def diffusers_name(module: str) -> str:
    """What diffusers calls this module of the network (the same name where it has none of its own)."""
    for ours, theirs in _DIFFUSERS:
        module = re.sub(ours, theirs, module)
    return module


def module_names(modules: Iterable[str]) -> dict[str, str]:
    """Every name that files give to these modules, without prefixes: the reference's, diffusers', and both with the
    dots written as underscores (musubi)."""
    known: dict[str, str] = {}
    for module in modules:
        for name in (module, diffusers_name(module)):
            known[name] = known[name.replace(".", "_")] = module
    return known


def module_name(key: str, known: Mapping[str, str]) -> str | None:
    """The module that a file's module name means, of those in module_names, or None."""
    name = key
    while (shorter := _PREFIX.sub("", name)) != name:
        name = shorter
    return known.get(name)


def _collect(state: dict[str, Tensor], modules: dict[str, nn.Linear]) -> dict[str, dict[str, Tensor]]:
    found: dict[str, dict[str, Tensor]] = defaultdict(dict)
    unknown, known = [], module_names(modules)
    for key, value in state.items():
        match = _SUFFIX.search(key)
        module = module_name(key[: match.start()], known) if match else None
        if match is None or module is None or match.lastgroup is None:
            unknown.append(key)
        else:
            found[module][match.lastgroup] = value
    if unknown:
        raise ModelError(f"{len(unknown)} of {len(state)} keys of the LoRA fit nothing in the network",
                         got=", ".join(sorted(unknown)[:4]), do="Use a LoRA made for Lyra 2.0 or Wan 2.1 I2V 14B")  # fmt: skip
    return found


def _delta(name: str, parts: dict[str, Tensor], layer: nn.Linear) -> Tensor | None:
    if "down" not in parts and "up" not in parts:
        return None
    if "down" not in parts or "up" not in parts:
        raise ModelError("A LoRA module needs both of its matrices", got=name, do="Download the file again")
    # Patch embedders may come as convolutions.
    down, up = parts["down"].float().flatten(1), parts["up"].float().flatten(1)
    if up.shape[-1] != down.shape[0] or (up.shape[0], down.shape[1]) != tuple(layer.weight.shape):
        raise ModelError("A LoRA matrix has another size than the network's",
                         got=f"{name}: {tuple(up.shape)} x {tuple(down.shape)} for {tuple(layer.weight.shape)}",
                         do="Use a LoRA made for this network")  # fmt: skip
    alpha = float(parts["alpha"]) if "alpha" in parts else down.shape[0]
    return (alpha / down.shape[0]) * (up @ down)


@torch.no_grad()
def merge_state(network: nn.Module, state: dict[str, Tensor], strength: float = 1.0) -> LoraReport:
    """Add a LoRA to the network's weights; a negative strength takes it out again (up to rounding).

    ModelError, before anything is changed, if a key or a size fits nothing.
    """
    modules = {n: m for n, m in network.named_modules() if isinstance(m, nn.Linear)}
    found = _collect(state, modules)
    deltas = {name: _delta(name, parts, modules[name]) for name, parts in found.items()}
    dropped = []
    for name, parts in found.items():
        for kind, target in (("diff", modules[name].weight), ("diff_b", modules[name].bias)):
            if kind in parts and (target is None or parts[kind].shape != target.shape):
                raise ModelError("A LoRA difference has another size than the network's", got=f"{name}.{kind}",
                                 do="Use a LoRA made for this network")  # fmt: skip
    for name, parts in found.items():
        layer = modules[name]
        change = deltas[name]
        whole = parts.get("diff")
        if whole is not None and float(whole.float().max() - whole.float().min()) < _LEAST_DIFF:
            dropped.append(f"{name}.diff")
            whole = None
        for extra in (change, whole):
            if extra is not None:
                layer.weight.copy_(layer.weight.float() + strength * extra.float().to(layer.weight.device))
        if "diff_b" in parts:
            layer.bias.copy_(layer.bias.float() + strength * parts["diff_b"].float().to(layer.bias.device))
    return LoraReport(tuple(sorted(found)), tuple(sorted(dropped)))


def merge_file(network: nn.Module, path: Path, strength: float = 1.0) -> LoraReport:
    """Read a LoRA file and merge it; ModelError if it is missing, broken, or fits another network."""
    if not Path(path).is_file():
        raise ModelError(
            "The LoRA file is not there", got=str(path), do="Check lyra2.loras; each is FILE or FILE:STRENGTH"
        )
    return merge_state(network, read_state(path), strength)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of the network from disk, checked name by name and size by size before they are used.

Read: one safetensors file, a folder of safetensors with an index, a torch file (weights only), and the released form,
a folder in torch's distributed checkpoint format. Names may carry a prefix (the release has `net.`).
"""

from __future__ import annotations

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lyra_core.errors import ModelError
from lyra_core.models.video.lyra2.network import NetworkConfig, Transformer
from lyra_core.models.video.lyra2.packing import REAL_LAYOUT, Layout
from lyra_core.models.video.lyra2.report import check_state

__all__ = [
    "Loaded",
    "clean_state",
    "config_of",
    "grow_embeddings",
    "grow_from_base",
    "keeps_float32",
    "load_transformer",
    "read_config",
    "read_state",
]

_FETCH = (
    "Download the Lyra 2.0 weights from NVIDIA's model page (they are licensed for research only, not for commercial"
    " use; read their licence first) and name the file or folder"
)
_AGAIN = "Download it again and compare its size with the model page"
_IGNORED = re.compile(r"(accum_(video_sample_counter|image_sample_counter|iteration|train_in_hours)|.*\._extra_state)")
_FLOAT = re.compile(r"(time_embedding|time_projection|head)\..*|.*\.modulation")
_ANCHOR = "patch_embedding.weight"


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A network with its weights, and the names in the file that it does not use."""

    network: Transformer
    ignored: tuple[str, ...]


def _unreadable(path: Path, error: BaseException) -> ModelError:
    return ModelError("The weights cannot be read; the file may be cut short or of another kind",
                      got=f"{path}: {str(error)[:200]}", do=_AGAIN)  # fmt: skip


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(str(path))
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def _sharded(index: Path) -> dict[str, Tensor]:
    try:
        shards = json.loads(index.read_text())["weight_map"]
        names = sorted(set(shards.values()))
    except (ValueError, KeyError, AttributeError, OSError) as error:
        raise _unreadable(index, error) from error
    absent = [name for name in names if not (index.parent / name).is_file()]
    if absent:
        raise ModelError(f"{len(absent)} of {len(names)} parts of the weights are missing",
                         got=f"{index.parent}: {', '.join(absent[:3])}", do="Download the missing parts")  # fmt: skip
    state = {key: value for name in names for key, value in _safetensors(index.parent / name).items()}
    lost = sorted(set(shards) - set(state))
    if lost:
        raise ModelError(f"{len(lost)} tensors of the index are in none of its parts",
                         got=f"{index}: {', '.join(lost[:3])}", do=_AGAIN)  # fmt: skip
    return state


def _torch_file(path: Path) -> dict[str, Tensor]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError) as error:
        raise _unreadable(path, error) from error
    for key in ("model", "state_dict"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not any(isinstance(value, Tensor) for value in loaded.values()):
        raise ModelError("A weights file holds a table of tensors", got=f"{path}: {type(loaded).__name__}", do=_FETCH)
    return {str(key): value for key, value in loaded.items() if isinstance(value, Tensor)}


def _distributed(folder: Path) -> dict[str, Tensor]:
    """Torch's distributed checkpoint; its .metadata is a pickle, so read only folders that you trust."""
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.filesystem import FileSystemReader
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata
    from torch.distributed.checkpoint.state_dict_loader import load

    try:
        reader = FileSystemReader(folder)
        entries = reader.read_metadata().state_dict_metadata
        state: dict[str, Any] = {
            key: torch.empty(entry.size, dtype=entry.properties.dtype)
            for key, entry in entries.items()
            if isinstance(entry, TensorStorageMetadata) and not _IGNORED.fullmatch(key.rpartition("net.")[2])
        }
        with warnings.catch_warnings():  # that one process reads it is what we want
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")
            load(state, storage_reader=reader, no_dist=True)
    except (CheckpointException, RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError) as error:
        raise _unreadable(folder, error) from error
    return state


def read_state(path: Path) -> dict[str, Tensor]:
    """All tensors of a weights file or folder, by name. ModelError if it is missing, cut short, or something else."""
    path = Path(path)
    if path.is_dir():
        if (path / ".metadata").is_file():
            return _distributed(path)
        indices = sorted(path.glob("*.safetensors.index.json"))
        if indices:
            return _sharded(indices[0])
        files = [f for pattern in ("*.safetensors", "*.pt", "*.pth", "*.bin") for f in sorted(path.glob(pattern))]
        if len(files) != 1:
            raise ModelError("A weights folder holds a checkpoint or one weights file",
                             got=f"{path}: {len(files)} candidates", do=_FETCH)  # fmt: skip
        path = files[0]
    if not path.is_file():
        raise ModelError("The Lyra 2.0 weights are not there", got=str(path), do=_FETCH)
    if path.name.endswith(".index.json"):
        return _sharded(path)
    return _safetensors(path) if path.suffix == ".safetensors" else _torch_file(path)


def keeps_float32(name: str) -> bool:
    """Is this tensor (name without its prefix) kept in float32 whatever the dtype of the tokens?"""
    return _FLOAT.fullmatch(name) is not None


def read_config(folder: Path) -> dict[str, Any] | None:
    """Sizes of a VAE from config.json beside its weights (names of diffusers), or None."""
    file = Path(folder) / "config.json"
    if not file.is_file():
        return None
    try:
        table = json.loads(file.read_text())
    except (ValueError, OSError) as error:
        raise _unreadable(file, error) from error
    return {key: value for key, value in table.items() if not key.startswith("_")}


def clean_state(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Names without their prefix, and the names that the network does not use (counters, engine state, other nets).

    A patch embedding kept as a convolution (D, 36, 1, 2, 2), as in Wan's own files, is flattened.
    """
    anchors = [k for k in state if k == _ANCHOR or (k.endswith("." + _ANCHOR) and "_embeddings." not in k)]
    if not anchors:
        raise ModelError("This is not a Lyra 2.0 or Wan network: it has no patch embedding",
                         got=f"{len(state)} tensors, such as {', '.join(sorted(state)[:3])}", do=_FETCH)  # fmt: skip
    prefix = min(anchors, key=lambda k: (not k.endswith("net." + _ANCHOR), len(k)))[: -len(_ANCHOR)]
    own = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    ignored = [key for key in state if not key.startswith(prefix)]
    ignored += [prefix + key for key in own if _IGNORED.fullmatch(key)]
    kept = {key: value for key, value in own.items() if not _IGNORED.fullmatch(key)}
    kept[_ANCHOR] = kept[_ANCHOR].flatten(1)
    return kept, tuple(sorted(ignored))


def config_of(state: Mapping[str, Tensor], *, layout: str = REAL_LAYOUT, heads: int | None = None) -> NetworkConfig:
    """Sizes of the network that these (clean) names and shapes describe; heads default to 128 channels each."""

    def size(name: str, axis: int) -> int:
        if name not in state or state[name].ndim <= axis:
            raise ModelError("The weights lack a tensor that gives the network its size", got=name, do=_FETCH)
        return state[name].shape[axis]

    dim = size("patch_embedding.weight", 0)
    if heads is None and dim % 128:
        raise ModelError("The number of attention heads cannot be told from the weights", got=f"width {dim}",
                         do="Give it")  # fmt: skip
    blocks = {int(match.group(1)) for key in state if (match := re.match(r"blocks\.(\d+)\.", key))}
    return NetworkConfig(
        dim=dim,
        heads=heads or dim // 128,
        layers=max(blocks, default=-1) + 1,
        ffn_dim=size("blocks.0.ffn.0.weight", 0),
        freq_dim=size("time_embedding.0.weight", 1),
        text_dim=size("text_embedding.0.weight", 1),
        clip_dim=size("img_emb.proj.0.weight", 0),
        squeeze=size("blocks.0.buffer_encoder.0.weight", 0),
        layout=layout,
    )


def grow_embeddings(weight: Tensor, bias: Tensor, layout: Layout) -> dict[str, Tensor]:
    """clean_patch_embeddings.* grown from the base patch embedding (D, 144) and its bias (D,).

    Every tap is repeated kernel times along each enlarged axis and divided by how often it is repeated over the
    picture plane (and time): a patch of constant colour embeds as the base patch does.
    """
    grown = {}
    base = weight.reshape(len(weight), -1, 1, 2, 2)
    for i, segment in enumerate(layout.segments):
        kernel = base
        for axis, factor in enumerate(segment.ratio):
            kernel = kernel.repeat_interleave(factor, dim=2 + axis)
        t, row, column = segment.ratio
        grown[f"clean_patch_embeddings.{i}.weight"] = (kernel / (t * row * column)).flatten(1)
        grown[f"clean_patch_embeddings.{i}.bias"] = bias.clone()
    return grown


def grow_from_base(state: Mapping[str, Tensor], *, layout: str = REAL_LAYOUT, squeeze: int = 256) -> dict[str, Tensor]:
    """Weights for fine-tuning from a clean Wan image-to-video state: new embedders grown, new projections zero.

    With zero camera and correspondence projections each block is the base block.
    """
    plan, dim = Layout.parse(layout), state[_ANCHOR].shape[0]
    out = dict(state)
    out.update(grow_embeddings(state[_ANCHOR], state["patch_embedding.bias"], plan))
    for i in sorted({int(m.group(1)) for k in state if (m := re.match(r"blocks\.(\d+)\.", k))}):
        like = state[f"blocks.{i}.self_attn.q.weight"]
        out[f"blocks.{i}.cam_encoder.weight"] = like.new_zeros(dim, 1536)
        out[f"blocks.{i}.buffer_encoder.0.weight"] = like.new_zeros(squeeze, max(plan.slots, 1) * 4096)
        out[f"blocks.{i}.buffer_encoder.1.weight"] = like.new_zeros(dim, squeeze)
    return out


def load_transformer(
    path: Path, *, config: NetworkConfig | None = None, dtype: torch.dtype | None = torch.bfloat16,
    device: torch.device | str = "cpu",
) -> Loaded:  # fmt: skip
    """The network with the weights of a file or folder.

    Parameters
    ----------
    config: sizes; by default they are read off the weights, with the released layout.
    dtype: of the tokens (None keeps the file's). Time embedding, modulation and head are kept in float32.

    Raises
    ------
    ModelError: no such file, cut short, another network, or names and sizes that do not match (all are listed).
    """
    state, ignored = clean_state(read_state(path))
    if "clean_patch_embeddings.0.weight" not in state and "blocks.0.cam_encoder.weight" not in state:
        raise ModelError(
            "These are weights of the base Wan network: they know no cameras and no packed history",
            got=f"{path}: {len(state)} tensors", do=_FETCH,
        )  # fmt: skip
    config = config or config_of(state)
    with torch.device("meta"):
        network = Transformer(config)
    check_state(state, {k: tuple(v.shape) for k, v in network.state_dict().items()}, "the Lyra 2.0 network")
    wide = {key: torch.float32 if _FLOAT.fullmatch(key) else dtype for key in state}
    network.load_state_dict({k: v.to(device, wide[k] or v.dtype) for k, v in state.items()}, strict=True, assign=True)
    return Loaded(network.eval().requires_grad_(False), ignored)

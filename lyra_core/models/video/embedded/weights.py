# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of the embedded video model on disk: safetensors in half precision and a config beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyra_core.errors import ModelError
from lyra_core.resources import shipped

if TYPE_CHECKING:
    from torch import Tensor

    from lyra_core.models.video.embedded.network import FillNetwork

__all__ = ["CONFIG_FILE", "WEIGHTS_FILE", "default_folder", "read_config", "read_network", "write_weights"]

WEIGHTS_FILE = "video.safetensors"
CONFIG_FILE = "config.json"
_ARCHITECTURE = "lyra-fill-flow-1"
_DO = "Train them with lyra train video, restore data/models/video from the repository, or choose --model reproject"


def default_folder() -> Path:
    """Where the shipped weights lie: data/models/video."""
    return shipped("data", "models", "video")


def write_weights(
    folder: Path, state: Mapping[str, Tensor], shape: Mapping[str, Any], facts: Mapping[str, Any]
) -> None:
    """Write fp16 weights and config.json (architecture, shape of the network, facts of its training)."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    half = {name: value.detach().to("cpu", torch.float16).contiguous() for name, value in state.items()}
    save_file(half, str(folder / WEIGHTS_FILE))
    (folder / WEIGHTS_FILE).chmod(0o644)  # safetensors writes for the owner only
    text = json.dumps({"architecture": _ARCHITECTURE, "network": dict(shape), **facts}, indent=2, sort_keys=True)
    (folder / CONFIG_FILE).write_text(text + "\n")


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of the weights.

    Raises
    ------
    ModelError: a file is missing, cut short, or belongs to another architecture.
    """
    for path in (folder / WEIGHTS_FILE, folder / CONFIG_FILE):
        if not path.is_file():
            raise ModelError("The embedded video model lacks its weights", got=str(path), do=_DO)
    try:
        config = json.loads((folder / CONFIG_FILE).read_text())
    except ValueError as error:
        raise ModelError("The config of the video weights is damaged", got=str(error)[:200], do=_DO) from error
    if not isinstance(config, dict) or config.get("architecture") != _ARCHITECTURE:
        found = config.get("architecture") if isinstance(config, dict) else config
        raise ModelError("The video weights are of another architecture", got=str(found), do=f"Use {_ARCHITECTURE}")
    return config


def read_network(folder: Path) -> FillNetwork:
    """Load the network, in float32 and evaluation mode; ModelError as `read_config`."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from lyra_core.models.video.embedded.network import FillNetwork, Shape

    config = read_config(folder)
    try:
        network = FillNetwork(Shape(**config["network"]))
        state = load_file(str(folder / WEIGHTS_FILE))
        network.load_state_dict({name: value.to(torch.float32) for name, value in state.items()})
    except (SafetensorError, OSError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError("The video weights cannot be used", got=f"{folder}: {str(error)[:200]}", do=_DO) from error
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stub lacks it)
    return network.eval()

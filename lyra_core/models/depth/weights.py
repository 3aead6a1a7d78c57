# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of the embedded depth model on disk: safetensors in half precision and a config beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyra_core.errors import ModelError
from lyra_core.resources import shipped

if TYPE_CHECKING:
    from torch import Tensor

    from lyra_core.models.depth.network import DepthNetwork

__all__ = ["CONFIG_FILE", "WEIGHTS_FILE", "default_folder", "read_network", "write_weights"]

WEIGHTS_FILE = "depth.safetensors"
CONFIG_FILE = "config.json"
_ARCHITECTURE = "lyra-depth-lite0-1"


def default_folder() -> Path:
    """Where the shipped weights lie: data/models/depth."""
    return shipped("data", "models", "depth")


def write_weights(folder: Path, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write fp16 weights and config.json; fp16 halves the file and costs less than 1e-3 of log depth."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    half = {name: value.detach().to(torch.float16).contiguous() for name, value in state.items()}
    save_file(half, str(folder / WEIGHTS_FILE))
    (folder / WEIGHTS_FILE).chmod(0o644)  # safetensors writes for the owner only
    text = json.dumps({"architecture": _ARCHITECTURE, **facts}, indent=2, sort_keys=True)
    (folder / CONFIG_FILE).write_text(text + "\n")


def read_network(folder: Path) -> DepthNetwork:
    """Load the network, in float32 and evaluation mode.

    Raises
    ------
    ModelError: a file is missing, cut short, or belongs to another architecture.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from lyra_core.models.depth.network import DepthNetwork

    weights, config = folder / WEIGHTS_FILE, folder / CONFIG_FILE
    for path in (weights, config):
        if not path.is_file():
            raise ModelError(
                "The embedded depth model lacks a file",
                got=str(path),
                do="Restore data/models/depth from the repository, or choose --depth prior",
            )
    try:
        architecture = json.loads(config.read_text()).get("architecture")
        state = load_file(str(weights))
    except (SafetensorError, ValueError, OSError) as error:
        raise ModelError(
            "The embedded depth model's files cannot be read",
            got=f"{folder}: {error}",
            do="They may be cut short (a Git LFS pointer?); restore them, or choose --depth prior",
        ) from error
    if architecture != _ARCHITECTURE:
        raise ModelError(
            "The depth weights are of another architecture", got=str(architecture), do=f"Use {_ARCHITECTURE}"
        )
    network = DepthNetwork()
    try:
        network.load_state_dict({name: value.to(torch.float32) for name, value in state.items()})
    except RuntimeError as error:
        raise ModelError(
            "The depth weights do not fit the network",
            got=str(error)[:200],
            do="Restore data/models/depth from the repository",
        ) from error
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stub lacks it)
    return network.eval()

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

    from lyra_core.models.depth.network import DepthNetwork, Shape

__all__ = ["CONFIG_FILE", "WEIGHTS_FILE", "completes", "default_folder", "load_state", "read_network", "write_weights"]

WEIGHTS_FILE = "depth.safetensors"
CONFIG_FILE = "config.json"
_ARCHITECTURE = "lyra-depth-lite0-2"  # the name is older than other encoders; "network" of the config has the shape
_WITHOUT_HINT = "lyra-depth-lite0-1"  # the same network before it could be told known depth
_HINT = "hint."  # prefix of the weights that only the later architecture has


def default_folder() -> Path:
    """Where the shipped weights lie: data/models/depth."""
    return shipped("data", "models", "depth")


def write_weights(folder: Path, state: Mapping[str, Tensor], shape: Shape, facts: Mapping[str, Any]) -> None:
    """Write fp16 weights and config.json; fp16 halves the file and costs less than 1e-3 of log depth.

    A hint that was never trained has no effect and is left out.
    """
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    learned = any(name.startswith(f"{_HINT}to_") and bool(value.any()) for name, value in state.items())
    state = {name: value for name, value in state.items() if learned or not name.startswith(_HINT)}
    half = {name: value.detach().to(torch.float16).contiguous() for name, value in state.items()}
    save_file(half, str(folder / WEIGHTS_FILE))
    (folder / WEIGHTS_FILE).chmod(0o644)  # safetensors writes for the owner only
    architecture = _ARCHITECTURE if learned else _WITHOUT_HINT
    text = json.dumps({"architecture": architecture, "network": shape.plain(), **facts}, indent=2, sort_keys=True)
    (folder / CONFIG_FILE).write_text(text + "\n")


def load_state(network: DepthNetwork, state: Mapping[str, Tensor]) -> None:
    """Load weights; parts that they lack as a whole (the hint, the overview) stay without effect, as initialised.

    Raises
    ------
    RuntimeError: names or shapes do not fit (torch's own words).
    """
    own = network.state_dict()
    for part in (_HINT, "overview."):
        if not any(name.startswith(part) for name in state):
            state = {**{name: value for name, value in own.items() if name.startswith(part)}, **state}
    network.load_state_dict(dict(state))


def completes(folder: Path) -> bool:
    """Whether the weights in this folder learned to use known depth."""
    try:
        return bool(json.loads((folder / CONFIG_FILE).read_text()).get("architecture") == _ARCHITECTURE)
    except (OSError, ValueError):
        return False


def read_network(folder: Path) -> DepthNetwork:
    """Load the network, in float32 and evaluation mode.

    Raises
    ------
    ModelError: a file is missing, cut short, or belongs to another architecture.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from lyra_core.models.depth.network import DepthNetwork, Shape

    weights, config = folder / WEIGHTS_FILE, folder / CONFIG_FILE
    for path in (weights, config):
        if not path.is_file():
            raise ModelError(
                "The embedded depth model lacks a file",
                got=str(path),
                do="Restore data/models/depth from the repository, or choose --depth-model prior",
            )
    try:
        said = json.loads(config.read_text())
        architecture = said.get("architecture")
        state = load_file(str(weights))
    except (SafetensorError, ValueError, OSError) as error:
        raise ModelError(
            "The embedded depth model's files cannot be read",
            got=f"{folder}: {error}",
            do="They may be cut short (a Git LFS pointer?); restore them, or choose --depth-model prior",
        ) from error
    if architecture not in (_ARCHITECTURE, _WITHOUT_HINT):
        raise ModelError(
            "The depth weights are of another architecture", got=str(architecture), do=f"Use {_ARCHITECTURE}"
        )
    try:
        network = DepthNetwork(Shape.of(said.get("network", {})))
        load_state(network, {name: value.to(torch.float32) for name, value in state.items()})
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(
            "The depth weights do not fit the network",
            got=str(error)[:200],
            do="Restore data/models/depth from the repository",
        ) from error
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stub lacks it)
    return network.eval()

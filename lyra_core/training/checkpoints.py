# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Between checkpoints of a run and the weights that ship, and what their config says of the training."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from lyra_core.errors import ConfigError

__all__ = ["average_weights", "follow", "initial_weights", "shipped_weights"]

_PLACES = ("data", "run", "imagenet")  # paths of the machine that trained say nothing about the model


def average_weights(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Mean of several checkpoints' weights: does for a run cut short what a falling learning rate does for a whole one."""
    return {name: torch.stack([state[name] for state in states]).mean(dim=0) for name in states[0]}


def follow(mean: nn.Module, network: nn.Module, step: int, momentum: float) -> None:
    """Move a running mean of weights one step towards the network's; faster in the first steps of a run."""
    momentum = min(momentum, (1 + step) / (10 + step))
    with torch.no_grad():  # one kernel for all of them
        torch._foreach_lerp_(list(mean.parameters()), list(network.parameters()), 1 - momentum)  # pyright: ignore


def initial_weights(path: str | Path) -> dict[str, Tensor]:
    """Weights that another run starts from, in float32: those of a checkpoint, or of a folder as export writes it.

    A checkpoint's are its averaged ones. Shipped weights are halves, so a run that goes on from them does not repeat the
    one that made them, but is as good.

    Raises
    ------
    ConfigError: no such checkpoint, or not exactly one .safetensors file in the folder.
    """
    path = Path(path)
    if path.is_dir():
        from safetensors.torch import load_file

        found = sorted(path.glob("*.safetensors"))
        if len(found) == 1:
            return {name: value.to(torch.float32) for name, value in load_file(str(found[0])).items()}
    elif path.is_file():
        return torch.load(path, weights_only=True, map_location="cpu")["ema"]
    raise ConfigError(
        "No weights to start from",
        got=f"init={path}",
        do="Name a checkpoint.pt of a run or a folder of exported weights",
    )


def shipped_weights(
    config: DictConfig, checkpoints: Sequence[Path], *, leave_out: Collection[str] = ()
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Averaged weights of a run's last checkpoint, or the mean of several, and the facts that go with them.

    Parameters
    ----------
    config: settings of the run; its `run` is used where no checkpoints are named.
    checkpoints: files of runs, and folders of exported weights. The mean of the weights that a run started from and those
        that it ended with keeps more of what either knew (Wortsman et al. 2022, "Robust fine-tuning"). The last one has
        to be a file: the facts are its.
    leave_out: settings besides paths that the facts do not repeat.

    Returns
    -------
    State dictionary, and step, samples, number of checkpoints and settings of the training as plain data.
    """
    paths = list(checkpoints) or [Path(config.run) / "checkpoint.pt"]
    if paths[-1].is_dir():
        raise ConfigError(
            "The last of the averaged weights must be a run's",
            got=str(paths[-1]),
            do="Name folders of exported weights first, a checkpoint.pt last",
        )
    last = torch.load(paths[-1], weights_only=True, map_location="cpu")
    plain = {
        key: OmegaConf.to_object(value) if OmegaConf.is_config(value) else value
        for key, value in config.items()
        if key not in (*_PLACES, *leave_out)
    }
    facts = {"step": last["step"], "samples": last["samples"], "averaged": len(paths), "training": plain}
    return average_weights([*(initial_weights(path) for path in paths[:-1]), last["ema"]]), facts

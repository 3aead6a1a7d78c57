# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the command lines of the training modules have in common."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

__all__ = ["read_command", "training_parser"]


def training_parser(module: str, config: str) -> argparse.ArgumentParser:
    """Parser of `python -m lyra_core.training.MODULE`; config: the file that is read if no other is named."""
    parser = argparse.ArgumentParser(prog=f"python -m lyra_core.training.{module}")
    parser.add_argument("--config", type=Path, default=Path(config))
    parser.add_argument("--export", type=Path, default=None, help="write the weights here instead of training")
    parser.add_argument(
        "--average",
        type=Path,
        nargs="+",
        default=(),
        help="checkpoints, and folders of weights before them, whose mean is exported",
    )
    parser.add_argument("overrides", nargs="*", help="key=value")
    return parser


def read_command(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None
) -> tuple[argparse.Namespace, DictConfig]:
    """What was given, and the settings with the overrides; turns the log on."""
    given = parser.parse_intermixed_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    config = OmegaConf.merge(OmegaConf.load(given.config), OmegaConf.from_dotlist(given.overrides))
    assert isinstance(config, DictConfig)
    return given, config

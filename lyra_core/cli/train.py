# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""lyra train depth|video|lyra2 …: train the models that ship, or go on training them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from lyra_core.cli.console import DONE, Console, guarded
from lyra_core.cli.options import Json
from lyra_core.errors import ConfigError, did_you_mean

__all__ = ["register"]


class Which(StrEnum):
    """What can be trained."""

    depth = "depth"
    video = "video"
    lyra2 = "lyra2"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("train")(train)


def train(
    which: Annotated[Which, typer.Argument(help="depth, video or lyra2 (fine-tuning; needs its weights).")],
    settings: Annotated[
        list[str] | None, typer.Argument(help="key=value of the config, e.g. data=DATA steps=8000.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="YAML; default: config/train_WHICH.yaml.")] = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write the weights of the last checkpoint here; no training.")
    ] = None,
    json_: Json = False,
) -> None:
    """Train a model on rendered views. Resumes at the run's last checkpoint by itself; Ctrl-C loses at most a minute.

    Several GPUs: accelerate launch -m lyra_core.training.generator_training --config ... key=value
    """

    def task(console: Console) -> int:
        path, merged = _settings(which, config, settings or [])
        if export is not None:
            _export(which, merged, export)
            console.say(f"written: {export}")
            console.result({"ok": True, "exit_code": DONE, "weights": str(export)})
            return DONE
        _check_data(which, merged)
        logging.getLogger("lyra_core.training").setLevel(logging.INFO)
        console.say(f"training {which.value} with {path}; run {merged.run}, steps {merged.steps}")
        _train(which, merged)
        console.say(
            f"done: {merged.run}/checkpoint.pt; export it with lyra train {which.value} --export FOLDER run={merged.run}"
        )
        console.result({"ok": True, "exit_code": DONE, "checkpoint": f"{merged.run}/checkpoint.pt"})
        return DONE

    raise typer.Exit(guarded(json_, task))


def _settings(which: Which, config: Path | None, overrides: list[str]) -> tuple[Path, Any]:
    """The config file and its settings with overrides; ConfigError for a missing file, unknown key or bad form."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from lyra_core.resources import shipped

    path = config if config is not None else shipped("config", f"train_{which.value}.yaml")
    if not path.is_file():
        raise ConfigError("The training config does not exist", got=str(path), do="Leave --config out, or name a YAML")
    try:
        settings = OmegaConf.load(path)
        known = set(_keys(OmegaConf.to_object(settings)))
        for item in overrides:
            key, equals, _ = item.partition("=")
            if not equals:
                raise ConfigError("A setting needs the form key=value", got=item, do="For example steps=8000")
            if key not in known:
                raise ConfigError("Unknown training setting", got=key, do=did_you_mean(key, known))
        return path, OmegaConf.merge(settings, OmegaConf.from_dotlist(overrides))
    except (OmegaConfBaseException, OSError, ValueError) as error:
        raise ConfigError(
            "The training config cannot be read", got=f"{path}: {str(error).splitlines()[0]}", do="Check its YAML"
        ) from error


def _keys(settings: Any, prefix: str = "") -> Iterator[str]:
    if not isinstance(settings, dict):
        return
    for key, value in settings.items():
        yield f"{prefix}{key}"
        yield from _keys(value, f"{prefix}{key}.")


def _check_data(which: Which, settings: Any) -> None:
    if which is Which.lyra2:
        from lyra_core.training.lyra2_clips import clip_names

        clip_names(Path(settings.data))
        return
    data = Path(settings.data)
    pattern = "*_train/*.meta.npy"
    there = any(data.glob(pattern)) or (which is Which.video and any(data.glob("clusters_*_train/*.focal.npy")))
    if there:
        return
    module = "depth_dataset" if which is Which.depth else "view_clusters"
    raise ConfigError(
        "There is nothing to train on",
        got=f"data={data}: no rendered views",
        do=f"python -m lyra_core.training.{module} rooms --out {data} (see lyra_core/training/README.md)",
    )


def _train(which: Which, settings: Any) -> None:
    if which is Which.lyra2:
        from lyra_core.training import lyra2_training

        for _ in lyra2_training.train(settings):
            pass
    elif which is Which.depth:
        from lyra_core.training import depth_training

        depth_training.train(settings)
    else:
        from lyra_core.training import generator_training

        generator_training.train(settings)


def _export(which: Which, settings: Any, folder: Path) -> None:
    checkpoint = Path(settings.run) / "checkpoint.pt"
    if not checkpoint.is_file():
        raise ConfigError(
            "This run has no checkpoint", got=str(checkpoint), do="Name another with run=FOLDER, or train"
        )
    if which is Which.lyra2:
        from lyra_core.training import lyra2_training

        lyra2_training.export(settings, folder)
    elif which is Which.depth:
        from lyra_core.training import depth_training

        depth_training.export(settings, folder)
    else:
        from lyra_core.training import generator_training

        generator_training.export(settings, folder)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""lyra eval fill|depth|ablation: tables of the trained models on held-out scenes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn, Protocol

import typer

from lyra_core.cli.console import DONE, Console, guarded
from lyra_core.cli.worlds import Json
from lyra_core.errors import ConfigError

__all__ = ["add"]

_Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the table (json and txt).")]
_Data = Annotated[Path, typer.Option("--data", help="Folder of rendered views (lyra_core/training/README.md).")]
_Weights = Annotated[Path | None, typer.Option("--weights", help="Folder of the weights; default: those that ship.")]
_Seeds = Annotated[int, typer.Option("--seeds", min=1, help="Views (or orders of views) of each scene.")]
_Scenes = Annotated[int, typer.Option("--scenes", min=0, help="Held-out clusters, spread over the kinds; 0: all.")]


def add(group: typer.Typer) -> None:
    """Add the commands to the eval group."""
    group.command("fill")(fill)
    group.command("depth")(depth)
    group.command("ablation")(ablation)


def _tell(done: int, total: int) -> None:
    if done == total or done % 8 == 0:
        print(f"  {done} of {total}", file=sys.stderr, flush=True)


def _chosen(data: Path, count: int) -> list[Any]:
    from lyra_core.training.fill_evaluation import held_out

    scenes = held_out(data)
    if 0 < count < len(scenes):
        return [scenes[round(i * (len(scenes) - 1) / max(count - 1, 1))] for i in range(count)]
    return scenes


def _write(out: Path, name: str, text: str, figures: dict[str, Any]) -> None:
    from lyra_core.pipeline.report import plain
    from lyra_core.world import write_text

    out.mkdir(parents=True, exist_ok=True)
    write_text(out / f"{name}.json", json.dumps(plain(figures), indent=1) + "\n")
    write_text(out / f"{name}.txt", text + "\n")


class _Report(Protocol):
    def text(self) -> str: ...
    def as_json(self) -> dict[str, Any]: ...


def _tabulate(name: str, out: Path, evaluate: Callable[[], _Report], json_: bool) -> NoReturn:
    """Run an evaluation on one thread, write its table under `name`, say it, and leave."""

    def task(console: Console) -> int:
        from lyra_core.training.acceleration import single_thread

        single_thread()
        report = evaluate()
        _write(out, name, report.text(), report.as_json())
        console.say(report.text())
        console.result({"ok": True, "exit_code": DONE, **report.as_json()})
        return DONE

    raise typer.Exit(guarded(json_, task))


def fill(
    out: _Out, data: _Data, weights: _Weights = None, seeds: _Seeds = 3, scenes: _Scenes = 0, json_: Json = False
) -> None:
    """What fills holes best: classical inpainting, patch fill, the embedded model; on held-out scenes."""

    def evaluate() -> _Report:
        from lyra_core.training.fill_evaluation import evaluate_fill

        return evaluate_fill(_chosen(data, scenes), seeds=seeds, weights=weights, progress=_tell)

    _tabulate("fill", out, evaluate, json_)


def ablation(
    out: _Out,
    data: _Data,
    weights: _Weights = None,
    plain_weights: Annotated[
        Path | None, typer.Option("--plain-weights", help="Weights trained with rollout=0, for that row.")
    ] = None,
    seeds: _Seeds = 3,
    scenes: _Scenes = 18,
    json_: Json = False,
) -> None:
    """What each part of the method is worth: the paper's ablation, for the embedded model."""

    def evaluate() -> _Report:
        from lyra_core.training.ablation_evaluation import evaluate_ablation

        return evaluate_ablation(
            _chosen(data, scenes), seeds=seeds, weights=weights, plain_weights=plain_weights, progress=_tell
        )

    _tabulate("ablation", out, evaluate, json_)


def depth(
    out: _Out,
    data: _Data,
    weights: _Weights = None,
    views: Annotated[int, typer.Option("--views", min=1, help="Held-out views of each kind.")] = 96,
    json_: Json = False,
) -> None:
    """Depth of single pictures: the embedded model, the prior and a constant; on held-out scenes and a real photo."""

    def task(console: Console) -> int:
        import io
        import logging

        from lyra_core.training import depth_evaluation

        if not any(data.glob("*_test/*.meta.npy")):
            raise ConfigError(
                "No held-out views were rendered",
                got=str(data),
                do="python -m lyra_core.training.depth_dataset rooms --scenes 24 --first 900000 --split test --out DATA",
            )
        out.mkdir(parents=True, exist_ok=True)
        words = ["--data", str(data), "--views", str(views), "--out", str(out / "depth.json")]
        words += ["--weights", str(weights)] if weights is not None else []
        said, logger = io.StringIO(), logging.getLogger(depth_evaluation.__name__)
        logger.addHandler(logging.StreamHandler(said))
        logger.setLevel(logging.INFO)
        logger.propagate = False
        depth_evaluation.main(words)
        text = said.getvalue().rstrip()
        (out / "depth.txt").write_text(text + "\n")
        console.say(text)
        console.result({"ok": True, "exit_code": DONE, "rows": json.loads((out / "depth.json").read_text())})
        return DONE

    raise typer.Exit(guarded(json_, task))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""lyra eval …: tables that anyone can run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lyra_core.cli.console import DONE, Console, guarded
from lyra_core.cli.worlds import Json

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the eval group to the application."""
    group = typer.Typer(help="Evaluations on ground truth.", no_args_is_help=True)
    group.command("memory")(memory)
    app.add_typer(group, name="eval")


def memory(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the table (json) and the plot (png).")],
    rooms: Annotated[int, typer.Option("--rooms", help="Ground-truth rooms.")] = 8,
    seeds: Annotated[int, typer.Option("--seeds", help="Seeds per room.")] = 3,
    quick: Annotated[bool, typer.Option("--quick", help="Two rooms, one seed.")] = False,
    json_: Json = False,
) -> None:
    """Compare memory modes on loops through ground-truth rooms."""

    def task(console: Console) -> int:
        from lyra_core.training.memory_evaluation import evaluate_memory

        result = evaluate_memory(out, rooms=2 if quick else rooms, seeds=1 if quick else seeds, log=console.say)
        console.result({"ok": True, "exit_code": DONE, "rows": result})
        return DONE

    raise typer.Exit(guarded(json_, task))

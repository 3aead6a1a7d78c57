# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""lyra eval …: tables that anyone can run again."""

from __future__ import annotations

import json
import os
import sys
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
        from lyra_core.pipeline.report import plain
        from lyra_core.training.memory_evaluation import QUICK, MemoryPlan
        from lyra_core.training.memory_report import run
        from lyra_core.world import write_text

        plan = QUICK if quick else MemoryPlan(rooms=rooms, seeds=seeds)
        out.mkdir(parents=True, exist_ok=True)

        def tell(done: int, total: int) -> None:
            print(f"  {done} of {total} rooms", file=sys.stderr, flush=True)

        report = run(plan, plot_path=out / "memory.png", workers=min(2, os.cpu_count() or 1), progress=tell)
        write_text(out / "memory.json", json.dumps(plain(report.as_json()), indent=1) + "\n")
        write_text(out / "memory.txt", report.text() + "\n")
        console.say(report.text())
        console.say(f"\nwritten: {out / 'memory.json'}, memory.txt and memory.png")
        console.result({"ok": True, "exit_code": DONE, "rows": report.rows, "differences": report.differences})
        return DONE

    raise typer.Exit(guarded(json_, task))

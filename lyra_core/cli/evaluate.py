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

from lyra_core.cli import geometry_table, model_tables
from lyra_core.cli.console import DONE, FAILED, Console, guarded
from lyra_core.cli.options import Json

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the eval group to the application."""
    group = typer.Typer(help="Evaluations on ground truth.", no_args_is_help=True)
    group.command("memory")(memory)
    group.command("drive")(drive)
    model_tables.add(group)
    geometry_table.add(group)
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


def drive(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for drive.json and drive.txt.")],
    photos: Annotated[
        list[Path] | None, typer.Option("--photo", help="Photos to make worlds of; default: those in data/photos.")
    ] = None,
    rooms: Annotated[int, typer.Option("--rooms", help="Ground-truth rooms.")] = 4,
    drives: Annotated[int, typer.Option("--drives", help="Random drives in each world.")] = 50,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random places.")] = 0,
    work: Annotated[Path | None, typer.Option("--work", help="Folder of the worlds; kept and used again.")] = None,
    json_: Json = False,
) -> None:
    """Random drives and the map's truth in PhysX, on worlds of photos and of ground-truth rooms."""

    def task(console: Console) -> int:
        import tempfile
        from contextlib import ExitStack

        from lyra_core.pipeline.report import plain
        from lyra_core.resources import shipped
        from lyra_core.training.drive_evaluation import evaluate_drives, make_worlds
        from lyra_core.world import write_text

        def tell(line: str) -> None:
            print(f"  {line}", file=sys.stderr, flush=True)

        with ExitStack() as held:
            folder = work or Path(held.enter_context(tempfile.TemporaryDirectory(prefix="lyra-drive-")))
            chosen = photos if photos is not None else sorted(shipped("data", "photos").glob("*.jpg"))
            worlds = make_worlds(folder, chosen, range(101, 101 + rooms))
            table = evaluate_drives(worlds, drives=drives, seed=seed, tell=tell)
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "drive.json", json.dumps(plain(table.to_json()), indent=1) + "\n")
        write_text(out / "drive.txt", table.text() + "\n")
        console.say(table.text())
        code = DONE if table.passed else FAILED
        console.result({"ok": table.passed, "exit_code": code, **table.to_json()})
        return code

    raise typer.Exit(guarded(json_, task))

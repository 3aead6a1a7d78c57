# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""lyra eval geometry: meshes, level and scale against ground truth."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from lyra_core.cli.console import DONE, Console, guarded
from lyra_core.cli.options import Json

__all__ = ["add"]


def add(group: typer.Typer) -> None:
    """Add the command to the eval group."""
    group.command("geometry")(geometry)


def geometry(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for geometry.json and geometry.txt.")],
    rooms: Annotated[int, typer.Option("--rooms", min=1, help="Ground-truth rooms.")] = 16,
    quick: Annotated[bool, typer.Option("--quick", help="Two rooms, fewer views.")] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes; the figures do not depend on it.")] = 1,
    work: Annotated[Path | None, typer.Option("--work", help="Folder of finished rooms; used again.")] = None,
    json_: Json = False,
) -> None:
    """Meshes of ground-truth rooms against the rooms, and how level and large the worlds of their photos are."""

    def task(console: Console) -> int:
        from lyra_core.pipeline.report import plain
        from lyra_core.training.geometry_evaluation import QUICK, GeometryPlan, run
        from lyra_core.world import write_text

        def tell(done: int, total: int) -> None:
            print(f"  {done} of {total} rooms", file=sys.stderr, flush=True)

        result = run(QUICK if quick else GeometryPlan(rooms=rooms), workers=workers, keep=work, progress=tell)
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "geometry.json", json.dumps(plain(result), indent=1) + "\n")
        write_text(out / "geometry.txt", result["text"] + "\n")
        console.say(result["text"])
        console.result({"ok": True, "exit_code": DONE, "rows": plain(result["rows"])})
        return DONE

    raise typer.Exit(guarded(json_, task))

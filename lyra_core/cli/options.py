# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, and the way a command runs a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from lyra_core.cli.console import DONE, FAILED, Console, follow
from lyra_core.errors import InputError

__all__ = ["Captions", "DeviceName", "Json", "Settings", "World", "captions_of", "follow_world", "given", "numbers"]

Json = Annotated[bool, typer.Option("--json", help="Last line on stdout is one JSON object; all else on stderr.")]
DeviceName = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
World = Annotated[Path, typer.Argument(help="A world folder made by lyra generate.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting, e.g. path.fps=24. Repeatable.")
]
Captions = Annotated[
    list[str] | None, typer.Option("--caption", metavar="[FRAME:]TEXT", help="Text from this frame on. Repeatable.")
]


def given(**settings: Any) -> list[str]:
    """KEY=VALUE of the settings that are not None; a__b stands for a.b."""
    return [f"{key.replace('__', '.')}={value}" for key, value in settings.items() if value is not None]


def numbers(text: str, count: int, option: str, example: str) -> tuple[float, ...]:
    """The count comma-separated numbers of an option. Errors: InputError that shows the example."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count:
        raise InputError(f"{option} needs {count} numbers", got=text, do=f"For example {option} {example}")
    return values


def captions_of(items: list[str] | None) -> dict[int, str]:
    """Frame to text of the --caption options; without a frame, 0."""
    out: dict[int, str] = {}
    for item in items or []:
        head, mark, tail = item.partition(":")
        if mark and head.strip().isdigit():
            out[int(head)] = tail.strip()
        else:
            out[0] = item
    return out


def follow_world(console: Console, events: Iterator[Any]) -> int:
    """Follow a run that makes a world, say what came out, and return the exit code."""
    finished = follow(console, events)
    figures = finished.figures
    console.say(f"\n{finished.world}: {'all checks passed' if finished.passed else 'A CHECK FAILED'}")
    for name, value in figures.get("summary", {}).items():
        console.say(f"  {name:<26} {value}")
    console.say(f"  report                     {Path(finished.world) / 'report.html'}")
    code = DONE if finished.passed else FAILED
    console.result({"ok": finished.passed, "world": finished.world, "exit_code": code, **figures})
    return code

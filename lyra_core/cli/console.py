# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What a person and a machine see: bars and notes on stderr, one JSON object as the last line of stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from lyra_core.errors import Cancelled, LyraError
from lyra_core.pipeline.events import Event, Finished, FrameMade, Note, Progress, StageFinished, StageStarted

__all__ = ["DONE", "FAILED", "USER", "Console", "follow", "guarded"]

DONE, FAILED, USER, CANCELLED = 0, 1, 2, 130


class Console:
    """Output of one command."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def say(self, text: str) -> None:
        """A line for a person: stdout, or stderr when stdout belongs to a machine."""
        print(text, file=sys.stderr if self.as_json else sys.stdout, flush=True)

    def result(self, payload: dict[str, Any]) -> None:
        """The JSON line, if asked for."""
        if self.as_json:
            sys.stderr.flush()
            from lyra_core.pipeline.report import plain

            print(json.dumps(plain(payload), sort_keys=True), flush=True)

    def fail(self, error: LyraError) -> None:
        """An error with its next step."""
        print(f"error: {error}", file=sys.stderr, flush=True)
        self.result(
            {
                "ok": False,
                "error": {
                    "type": type(error).__name__,
                    "what": error.what,
                    "got": error.got,
                    "do": error.do,
                },
                "exit_code": error.exit_code,
            }
        )


def guarded(as_json: bool, task: Callable[[Console], int]) -> int:
    """Run a command's body; turn errors and Ctrl-C into messages and exit codes."""
    console = Console(as_json=as_json)
    try:
        return task(console)
    except LyraError as error:
        console.fail(error)
        return error.exit_code
    except KeyboardInterrupt:
        error = Cancelled("Stopped by the user", do="Finished chunks are kept; continue with --resume")
        console.fail(error)
        return CANCELLED
    except MemoryError:
        error = LyraError("Out of memory", do="Use --preset quick, or fewer --frames; then --resume")
        console.fail(error)
        return USER


def follow(console: Console, events: Iterator[Event]) -> Finished:
    """Show a run's events as progress bars with the time left; return its last event."""
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    terminal = RichConsole(stderr=True)
    columns = (
        TextColumn("{task.description:<13}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    finished: Finished | None = None
    with Bars(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as bars:
        task_of: dict[str, Any] = {}
        for event in events:
            match event:
                case StageStarted(stage, total):
                    task_of[stage] = bars.add_task(stage, total=total or None)
                case Progress(stage, done, total):
                    if stage in task_of:
                        bars.update(task_of[stage], completed=done, total=total)
                case StageFinished(stage, seconds):
                    if stage in task_of:
                        bars.remove_task(task_of.pop(stage))
                    console.say(f"  {stage:<13} {seconds:6.1f} s")
                case Note(message, level):
                    console.say(f"  {level}: {message}" if level != "info" else f"  {message}")
                case FrameMade():
                    pass
                case Finished():
                    finished = event
    if finished is None:
        raise Cancelled("The run ended early", do="Continue with --resume")
    return finished

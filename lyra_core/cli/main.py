# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The `lyra` command. Every command takes --json and returns 0 done, 1 a check failed, 2 change something, 130 cancelled."""

from __future__ import annotations

import json
import logging
import sys

import typer

from lyra_core import __version__
from lyra_core.cli import drive, evaluate, exchange, explore, train, worlds

__all__ = ["app", "main"]

app = typer.Typer(
    name="lyra",
    help="One photo and a camera path become a metric, gravity-aligned 3D world for Isaac Sim.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# Typer may bring its own copy of click, so the base of its usage errors is found through its public name.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]

worlds.register(app)
evaluate.register(app)
drive.register(app)
exchange.register(app)
explore.register(app)
train.register(app)


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the `lyra` command."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = app(args=words, standalone_mode=False)
    except typer.Abort:
        code = 130
    except _UsageError as error:
        show, describe = getattr(error, "show"), getattr(error, "format_message")  # noqa: B009 - of click's errors
        show(file=sys.stderr)
        if "--json" in words:
            failure = {"type": "UsageError", "what": describe(), "got": "", "do": "See --help"}
            print(json.dumps({"ok": False, "error": failure, "exit_code": 2}))
        code = 2
    sys.exit(code if isinstance(code, int) else 0)

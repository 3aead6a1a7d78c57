# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""lyra explore."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from lyra_core.cli.console import DONE, Console, guarded
from lyra_core.cli.options import Json, Settings
from lyra_core.errors import InputError, MissingDependencyError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(explore)


def explore(
    subject: Annotated[Path | None, typer.Argument(metavar="PHOTO|WORLD", help="A photo or a world folder.")] = None,
    host: Annotated[str, typer.Option("--host", help="Address; anything but loopback needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port; 0 takes a free one.")] = 8090,
    token: Annotated[
        str | None, typer.Option("--token", help="Secret in the URL; made up where one is needed.")
    ] = None,
    worlds: Annotated[Path, typer.Option("--worlds", help="Folder for new worlds.")] = Path("worlds"),
    preset: Annotated[str, typer.Option("--preset", help="quick, balanced or quality, for new worlds.")] = "balanced",
    model: Annotated[str, typer.Option("--model", help="Video model of new frames; default: the world's own.")] = "",
    frames: Annotated[int, typer.Option("--frames", help="Frames of a new path.")] = 81,
    certificate: Annotated[Path | None, typer.Option("--certificate", help="PEM file; the page is https then.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="PEM file with the certificate's private key.")] = None,
    splats: Annotated[int, typer.Option("--splats", help="Gaussians sent to a page at most.")] = 200_000,
    settings: Settings = None,
    json_: Json = False,
) -> None:
    """See a world in the browser, plan a path, generate, go back, let a robot drive. Ctrl-C stops everything."""

    def task(console: Console) -> int:
        try:
            from lyra_core.explorer.app import Explorer, ExplorerOptions
            from lyra_core.explorer.gate import is_loopback
            from lyra_core.explorer.studio import StudioOptions
        except ImportError as error:
            raise MissingDependencyError(
                "The explorer needs viser", got=str(error), do='pip install "lyra-worldgen[explorer]"'
            ) from error
        if (certificate is None) != (key is None):
            raise InputError("TLS needs a certificate and its key", do="Give both --certificate and --key")
        tls = None if certificate is None or key is None else (certificate, key)
        studio = StudioOptions(worlds.resolve(), preset, tuple(settings or ()), frames, model)
        place = subject.resolve() if subject is not None else None
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        with Explorer(ExplorerOptions(studio, host, port, token, splats, tls), place) as explorer:
            console.say(f"Open {explorer.url}")
            if tls is None and not is_loopback(host):
                console.say("Without TLS others on the network can read along: use --certificate, or an SSH tunnel.")
            ended.wait()
            console.say("Stopping")
        console.result({"ok": True, "exit_code": DONE})
        return DONE

    raise typer.Exit(guarded(json_, task))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The worker process: `python -m lyra_core.pipeline.worker [--log FILE] [--scratch FOLDER]`.

One JSON object a line. On stdin, requests: {"id": 1, "request": "preview", ...}; requests are those of worker_jobs and
check, cancel, shutdown. On stdout, nothing but: hello (first, with protocol, version, missing packages, catalog), and for
each request any of started, progress, thumbnail, note, then exactly one done or failed. One job at a time, in order.
cancel ends the job in work after its next event; the end of stdin ends the process and all its children.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import os
import platform
import queue
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from lyra_core import __version__
from lyra_core.errors import InputError, LyraError, did_you_mean

__all__ = ["PROTOCOL", "Server", "main"]

PROTOCOL = 1
_GRACE = 2.0  # [s] for the job in work once stdin has ended
_FAREWELL = 60.0  # [s] for what was asked before a shutdown request
_LONGEST = 1 << 20  # characters of a request line


class Server:
    """Reads requests in a thread and works them off in the caller's, in order.

    Parameters
    ----------
    source: requests. sink: protocol lines. scratch: folder for thumbnails.
    """

    def __init__(self, source: TextIO, sink: TextIO, scratch: Path) -> None:
        self._source, self._sink, self._scratch = source, sink, scratch
        self._queue: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._cancel = threading.Event()
        self._lock = threading.Lock()

    def run(self) -> int:
        """Serve until shutdown or the end of stdin; returns the exit code."""
        self._hello()
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        jobs = None
        while (request := self._queue.get()) is not None:
            self._cancel.clear()
            if request["request"] == "check":
                self._hello(request["id"])
                continue
            try:
                from lyra_core.pipeline.worker_jobs import HANDLERS, Jobs
            except ImportError as error:
                self._failed(request["id"], LyraError("The worker lacks a package", got=str(error), do=_install()))
                continue
            jobs = jobs or Jobs(self._scratch)
            handler = HANDLERS.get(request["request"])
            if handler is None:
                known = did_you_mean(str(request["request"]), [*HANDLERS, "check", "cancel", "shutdown"])
                self._failed(request["id"], InputError("Unknown request", got=str(request["request"]), do=known))
                continue
            self._work(request, handler(jobs, request))
        return 0

    def send(self, line: Mapping[str, Any]) -> None:
        """Write one protocol line."""
        text = json.dumps(line, allow_nan=False, separators=(",", ":"), default=str)
        with self._lock:
            self._sink.write(text + "\n")
            self._sink.flush()

    def _work(self, request: Mapping[str, Any], lines: Iterator[Mapping[str, Any]]) -> None:
        number, kind = request["id"], request["request"]
        generator = contextlib.closing(lines)  # type: ignore[type-var]  # handlers are generators
        try:
            with generator as steps:
                for line in steps:
                    self.send({**line, "id": number, "request": kind})
                    if self._cancel.is_set() and line["event"] != "done":
                        error = LyraError("Cancelled", do="Finished chunks are kept; Resume goes on")
                        self._failed(number, error, cancelled=True)
                        return
        except LyraError as error:
            self._failed(number, error)
        except MemoryError:
            self._failed(number, LyraError("Out of memory", do="Choose a lower quality or fewer frames"))
        except Exception as error:  # noqa: BLE001 - the panel must hear of it, whatever it is; the log has the trace
            traceback.print_exc()
            log = traceback.format_exc().splitlines()[-6:]
            what = LyraError("The worker failed", got=f"{type(error).__name__}: {error}", do="See the log; try again")
            self._failed(number, what, log=log)

    def _failed(self, number: Any, error: LyraError, *, cancelled: bool = False, log: list[str] | None = None) -> None:
        words = {"what": error.what, "got": error.got, "do": error.do, "kind": type(error).__name__}
        self.send({"event": "failed", "id": number, "cancelled": cancelled, **words, "log": log or []})

    def _hello(self, number: Any = 0) -> None:
        from lyra_core.pipeline.worker_catalog import catalog, missing_packages

        missing = missing_packages()
        offer: dict[str, Any] = {}
        device = ""
        if not missing:
            from lyra_core.ops.device import resolve_device

            offer, device = catalog(), resolve_device("auto")
        self.send(
            {
                "event": "hello",
                "id": number,
                "protocol": PROTOCOL,
                "version": __version__,
                "python": platform.python_version(),
                "executable": sys.executable,
                "pid": os.getpid(),
                "missing": missing,
                "do": _install() if missing else "",
                "device": device,
                "catalog": offer,
            }
        )

    def _read(self) -> None:
        """Take requests until stdin ends; cancel and shutdown are heard while a job runs."""
        grace = _GRACE
        for text in self._source:
            if not text.strip():
                continue
            request: Any = None
            try:
                request = _parsed(text)
                _check(request)
            except InputError as error:
                self._failed(request.get("id") if isinstance(request, dict) else None, error)
                continue
            if request["request"] == "cancel":
                self._cancel.set()
            elif request["request"] == "shutdown":
                grace = _FAREWELL
                break
            else:
                self._queue.put(request)
        self._cancel.set()
        self._queue.put(None)
        time.sleep(grace)
        end_group()


def _parsed(text: str) -> Any:
    """The JSON value of a line. Errors: InputError."""
    if len(text) > _LONGEST:
        raise InputError("A request line is too long", got=f"{len(text)} characters", do="Send less")
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError("A request must be one JSON object a line", got=f"{text[:80]!r}: {error}") from error


def _check(request: Any) -> None:
    """Errors: InputError for what is no request of this protocol."""
    if not isinstance(request, dict) or not isinstance(request.get("request"), str) or "id" not in request:
        raise InputError(
            'A request needs "id" and "request"', got=str(request)[:80], do="See lyra_core/pipeline/worker.py"
        )
    if request.get("protocol", PROTOCOL) != PROTOCOL:
        raise InputError(
            "This worker speaks another protocol",
            got=f"protocol {request['protocol']}, known {PROTOCOL}",
            do="Use the extension and lyra_core of the same version",
        )


def _install() -> str:
    root = Path(__file__).resolve().parent.parent.parent
    target = f'"{root}[physics]"' if (root / "pyproject.toml").is_file() else '"lyra-worldgen[physics]"'
    return f"Run {sys.executable} -m pip install {target}"


def end_group() -> None:
    """End this process and its children now; only our own process group is ended."""
    if os.name == "posix" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _die_with_parent() -> None:
    """Linux: be killed if the thread that started us ends (PR_SET_PDEATHSIG = 1)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def _private_stdout(log: Path | None) -> TextIO:
    """Keep the real stdout for the protocol; whatever else writes to descriptors 1 and 2 goes to the log."""
    sink = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(target, 2)
        os.close(target)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return sink


def main(arguments: list[str] | None = None) -> int:
    """Run the worker; returns the exit code."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m lyra_core.pipeline.worker", description=__doc__)
    parser.add_argument("--log", type=Path, help="File that everything but the protocol is written to.")
    parser.add_argument("--scratch", type=Path, help="Folder for thumbnails.")
    options = parser.parse_args(arguments)
    _die_with_parent()
    sink = _private_stdout(options.log)
    faulthandler.enable()
    with contextlib.ExitStack() as stack:
        scratch = options.scratch or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lyra-worker-")))
        source = os.fdopen(os.dup(0), "r", encoding="utf-8", errors="replace")
        return Server(source, sink, scratch).run()


if __name__ == "__main__":
    code = main()
    # Threads of libraries must not hold the process once the protocol has ended.
    os._exit(code)

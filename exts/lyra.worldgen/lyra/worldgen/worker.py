# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The worker process seen from Kit: started and read in threads, so that no call here waits for it.

A process leads its own process group; ending it ends the group. It also ends itself when Kit dies: Linux kills it with
the thread that started it (PR_SET_PDEATHSIG), and everywhere the end of its stdin stops it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from lyra.worldgen.interpreter import clean_environment, core_root, find_interpreter
from lyra.worldgen.messages import Event, WorkerBroken, WorkerGone, WorkerSaid
from lyra.worldgen.model import Problem

__all__ = ["PROTOCOL", "WorkerProcess"]

PROTOCOL = 1
_TAIL = 12  # lines of the log that are shown
_PER_POLL = 64  # events a frame
_CLOSE = 10.0  # [s] to wait for threads at the end


class WorkerProcess:
    """The worker behind ports.Worker. All methods return at once, except close (bounded).

    extension: folder of the extension, to look for interpreter and lyra_core beside it.
    """

    def __init__(self, extension: Path | None = None) -> None:
        self._extension = extension
        self._interpreter = ""
        self._current: _Process | None = None
        self._ended: list[_Process] = []
        self._events: queue.SimpleQueue[tuple[_Process, Event]] = queue.SimpleQueue()

    @property
    def pid(self) -> int | None:
        """Process number of the running worker, None if there is none (yet)."""
        return self._current.pid if self._current and not self._current.over.is_set() else None

    def start(self, interpreter: str) -> None:
        """End the process that runs and start another; it says hello."""
        self._interpreter = interpreter
        self._retire()
        self._launch()

    def ask(self, request: Mapping[str, Any]) -> None:
        """Send a request; starts the process if none runs."""
        if self._current is None or self._current.over.is_set():
            self._retire()
            self._launch()
        assert self._current is not None
        self._current.write(json.dumps({**request, "protocol": PROTOCOL}))

    def stop(self) -> None:
        """End the process and its children; WorkerGone(asked=True) follows."""
        if self._current is not None:
            self._current.end()

    def poll(self) -> tuple[Event, ...]:
        """What the current process reported since the last call."""
        out: list[Event] = []
        while len(out) < _PER_POLL:
            try:
                source, event = self._events.get_nowait()
            except queue.Empty:
                break
            if source is self._current:  # a retired process has nothing to say
                out.append(event)
        return tuple(out)

    def close(self) -> None:
        """End everything and wait for the threads."""
        self._retire()
        for process in self._ended:
            process.join(_CLOSE)
        self._ended.clear()

    def _retire(self) -> None:
        if self._current is not None:
            self._current.end()
            self._ended = [p for p in self._ended if not p.over.is_set()] + [self._current]
            self._current = None

    def _launch(self) -> None:
        process = _Process(self._interpreter, self._extension, lambda event: self._events.put((process, event)))
        self._current = process
        process.begin()


class _Process:
    """One life of the worker, lived in one thread (Linux kills the worker if that thread ends)."""

    def __init__(self, interpreter: str, extension: Path | None, report: Callable[[Event], None]) -> None:
        self._interpreter, self._extension, self._report = interpreter, extension, report
        self._requests: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._asked = False
        self._greeted = False
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._live, name="lyra-worker", daemon=True)

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def begin(self) -> None:
        self._thread.start()

    def write(self, line: str) -> None:
        self._requests.put(line)

    def end(self) -> None:
        """Kill the group now, or as soon as it is there."""
        with self._lock:
            self._asked = True
            if self._child is not None and not self.over.is_set():
                _kill_group(self._child)
        self._requests.put(None)

    def join(self, seconds: float) -> None:
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _live(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="lyra-worker-"))
        try:
            problem = self._run(folder / "worker.log", folder / "frames")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.over.set()
        if problem is not None and not self._greeted and not self._asked:
            self._report(WorkerBroken(problem))
        else:
            self._report(WorkerGone(problem or Problem("The worker was stopped"), asked=self._asked))

    def _run(self, log: Path, scratch: Path) -> Problem | None:
        """Start, read until the end, and say what went wrong."""
        found = find_interpreter(self._interpreter, self._extension)
        if found.problem:
            return found.problem
        root = core_root(self._extension)
        if root is None:
            return Problem("lyra_core was not found beside the extension", do="Set core_path to the folder it is in")
        command = [found.path, "-m", "lyra_core.pipeline.worker", "--log", str(log), "--scratch", str(scratch)]
        with self._lock:
            if self._asked:
                return None
            try:
                with log.open("ab") as errors:  # until the worker has opened it itself
                    self._child = child = _spawn(command, clean_environment(root=root), errors)
            except OSError as error:
                return Problem("The worker could not be started", str(error), "Choose another interpreter")
        writer = threading.Thread(target=self._write, args=(child,), name="lyra-worker-in", daemon=True)
        writer.start()
        assert child.stdout is not None
        for text in child.stdout:
            self._heard(text)
        with self._lock:
            _kill_group(child)  # whatever the worker left behind
        code = child.wait()
        self._requests.put(None)
        writer.join()
        child.stdout.close()
        return None if self._asked else _ended(code, log)

    def _heard(self, text: str) -> None:
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            return
        if not isinstance(line, dict):
            return
        if line.get("event") == "hello":
            self._greeted = True
            if line.get("protocol") != PROTOCOL:
                got = f"protocol {line.get('protocol')}, known {PROTOCOL}"
                do = "Update the worker's environment to the version of this extension"
                self._report(WorkerBroken(Problem("Extension and worker are of different versions", got, do)))
                self._asked = True
                self._requests.put(None)
                return
        self._report(WorkerSaid(line))

    def _write(self, child: subprocess.Popen[str]) -> None:
        assert child.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # the reader reports how it ended
            while (line := self._requests.get()) is not None:
                child.stdin.write(line + "\n")
                child.stdin.flush()
        with contextlib.suppress(OSError, ValueError):
            child.stdin.close()


def _spawn(command: list[str], environment: dict[str, str], errors: IO[bytes]) -> subprocess.Popen[str]:
    own_group: dict[str, Any] = {"start_new_session": True}
    if os.name == "nt":
        own_group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}  # type: ignore[attr-defined]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
        **own_group,
    )


def _kill_group(child: subprocess.Popen[str]) -> None:
    """Kill the process and its children. The group's number is the child's; it is not reused before wait()."""
    if child.returncode is not None:
        return
    if os.name == "nt":  # written from documentation, not run here
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(child.pid)], capture_output=True, check=False)
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _ended(code: int, log: Path) -> Problem:
    tail: tuple[str, ...] = ()
    with contextlib.suppress(OSError):
        tail = tuple(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:])
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    again = "; if it happens again, read the log under Worker environment" if tail else ""
    return Problem("The worker ended unexpectedly", how, f"Press Resume to go on{again}", tail)

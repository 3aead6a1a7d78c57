# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""One job at a time, each in a process group of its own, with a queue; cancelling kills the group."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from lyra_core.errors import InputError

__all__ = ["JobRunner", "JobView"]

_log = logging.getLogger(__name__)
_LONGEST_QUEUE = 8
_ENDING = {"running": "ended without an answer"}


@dataclass(frozen=True, slots=True)
class JobView:
    """What is known of a job.

    Attributes
    ----------
    number: counts up. title: for a person. request: what was asked.
    status: queued, running, done, failed or cancelled. stage, done, total: where it is.
    started: monotonic seconds when its stage began. eta: seconds left of the stage, or None.
    notes: what it said. error: one sentence if it failed. files: what it made. passed: False if a check failed.
    """

    number: int
    title: str
    request: dict[str, Any] = field(default_factory=dict)
    status: str = "queued"
    stage: str = ""
    done: int = 0
    total: int = 0
    started: float = 0.0
    eta: float | None = None
    notes: tuple[str, ...] = ()
    error: str = ""
    files: tuple[str, ...] = ()
    passed: bool = True

    @property
    def ended(self) -> bool:
        """True if nothing more will come."""
        return self.status in ("done", "failed", "cancelled")

    def told(self, line: dict[str, Any], now: float) -> JobView:
        """After one line of the worker."""
        kind = line.get("kind")
        if kind == "stage":
            return replace(self, stage=line["stage"], done=0, total=line["total"], started=now, eta=None)
        if kind == "progress":
            done, total = int(line["done"]), int(line["total"])
            spent = now - self.started
            left = spent / done * (total - done) if done > 0 and self.started else None
            return replace(self, stage=line["stage"], done=done, total=total, eta=left)
        if kind == "note":
            return replace(self, notes=(*self.notes, str(line["message"]))[-40:])
        if kind == "failed":
            words = (
                f"{line['what']} (got: {line['got']}). {line['do']}"
                if line.get("got")
                else f"{line['what']}. {line['do']}"
            )
            return replace(self, status="failed", error=words)
        if kind == "finished":
            return replace(
                self, status="done", passed=bool(line["passed"]), files=tuple(line.get("files", ())), stage="", eta=None
            )
        return self


class JobRunner:
    """Runs jobs one after the other.

    on_change(view) is called from the runner's thread after every change, on_frame(index, jpeg_base64) for previews.
    """

    def __init__(self, on_change: Callable[[JobView], None], on_frame: Callable[[int, str], None]) -> None:
        self._on_change, self._on_frame = on_change, on_frame
        self._lock = threading.Condition()
        self._queue: deque[JobView] = deque()
        self._now: JobView | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled = False
        self._closing = False
        self._count = 0
        self._thread = threading.Thread(target=self._loop, name="lyra-jobs", daemon=True)
        self._thread.start()

    @property
    def current(self) -> JobView | None:
        """The running job, or None."""
        return self._now

    @property
    def waiting(self) -> tuple[JobView, ...]:
        """Jobs in the queue, the next one first."""
        with self._lock:
            return tuple(self._queue)

    def submit(self, title: str, request: dict[str, Any]) -> JobView:
        """Put a job into the queue. Raises InputError if the queue is full or the server is closing."""
        with self._lock:
            if self._closing or len(self._queue) >= _LONGEST_QUEUE:
                raise InputError("No more jobs are taken", got=f"{len(self._queue)} waiting", do="Wait, or cancel some")
            self._count += 1
            job = JobView(self._count, title, request)
        self._on_change(job)
        with self._lock:
            self._queue.append(job)
            self._lock.notify_all()
        return job

    def cancel(self) -> bool:
        """Stop the running job: its whole process group is killed. Finished chunks stay. False if nothing runs."""
        with self._lock:
            process = self._process
            if process is None:
                return False
            self._cancelled = True
        _kill_group(process)
        return True

    def clear_queue(self) -> None:
        """Forget the waiting jobs."""
        with self._lock:
            self._queue.clear()

    def close(self) -> None:
        """Stop everything and wait until no process is left."""
        with self._lock:
            self._closing = True
            self._queue.clear()
            self._lock.notify_all()
        self.cancel()
        self._thread.join(timeout=15)

    def _loop(self) -> None:
        while True:
            with self._lock:
                while not self._queue and not self._closing:
                    self._lock.wait()
                if self._closing:
                    return
                job = replace(self._queue.popleft(), status="running")
                self._now, self._cancelled = job, False
            self._on_change(job)
            job = self._run(job)
            with self._lock:
                self._now, self._process = None, None
            self._on_change(job)

    def _run(self, job: JobView) -> JobView:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "lyra_core.explorer.task"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with self._lock:
            self._process = process
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(job.request).encode() + b"\n")
                process.stdin.flush()
            for raw in process.stdout:
                job = self._heard(job, raw)
        finally:
            _kill_group(process)
            code = process.wait()
            with contextlib.suppress(OSError):
                process.stdin.close()
            process.stdout.close()
        if self._cancelled or self._closing:
            return replace(job, status="cancelled", stage="", eta=None)
        if not job.ended:
            return replace(job, status="failed", error=f"The worker {_ENDING['running']} (exit code {code})")
        return job

    def _heard(self, job: JobView, raw: bytes) -> JobView:
        try:
            line = json.loads(raw)
        except ValueError:
            _log.warning("not understood from the worker: %r", raw[:200])
            return job
        if line.get("kind") == "frame":
            self._on_frame(int(line["index"]), str(line["jpeg"]))
            return job
        told = job.told(line, time.monotonic())
        self._now = told
        if not told.ended:  # the end is told once the process is gone
            self._on_change(told)
        return told


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Warp start-up and launches that use every core.

A Warp launch on the CPU is one serial loop that releases the GIL, and CPU atomics are not atomic
(facts/performance.md). So work is split into bands that own disjoint outputs, one Python thread each.
"""

from __future__ import annotations

import ctypes
import itertools
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import warp as wp

__all__ = ["bands", "initialise", "load_module", "run_bands", "worker_count"]

_LOG = logging.getLogger(__name__)
_LOADING = threading.Lock()


def _driver_present() -> bool:
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 to the null device: Warp's missing-driver notice comes from native code."""
    try:
        saved = os.dup(2)
    except OSError:  # no stderr at all, e.g. a windowed host
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


@cache
def initialise() -> None:
    """Start Warp once, without its banner; a missing CUDA driver is normal here and stays silent."""
    wp.config.log_level = wp.LOG_WARNING  # the banner and "Module ... load" lines are LOG_INFO
    wp.config.enable_backward = False
    with _LOADING:
        if _driver_present():
            wp.init()
        else:
            with _silent_stderr():
                wp.init()
            _LOG.debug("no CUDA driver; Warp runs on the CPU")


@cache
def load_module(name: str, device: str) -> None:
    """Compile (or take from the cache) the kernels of module name, once, before threads launch them."""
    initialise()
    with _LOADING:
        wp.load_module(name, device=device)


@cache
def worker_count() -> int:
    """Threads for CPU launches: the cores this process may use, at most 8; LYRA_THREADS overrides."""
    override = os.environ.get("LYRA_THREADS", "")
    if override.isdigit() and int(override) > 0:
        return int(override)
    return max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=workers, thread_name_prefix="lyra-kernel")


def bands(length: int, count: int) -> list[tuple[int, int]]:
    """Split range(length) into at most count contiguous, non-empty (start, stop) bands."""
    count = max(1, min(count, length))
    edges = [length * i // count for i in range(count + 1)]
    return list(itertools.pairwise(edges))


def run_bands(task: Callable[[int, int], None], length: int, *, workers: int | None = None) -> None:
    """Call task(start, stop) for bands of range(length), one thread each; task must launch with explicit device."""
    workers = worker_count() if workers is None else workers
    parts = bands(length, workers)
    if len(parts) == 1:
        task(*parts[0])
        return
    for future in [_pool(workers).submit(task, start, stop) for start, stop in parts]:
        future.result()

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Warp start-up and launches that use every core.

A Warp launch on the CPU is one serial loop that releases the GIL, and CPU atomics are not atomic
(facts/performance.md). So work is split into bands that own disjoint outputs, one Python thread each.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import warp as wp

__all__ = ["bands", "initialise", "run_bands", "worker_count"]


@cache
def initialise() -> None:
    """Start Warp once, without its banner; a missing CUDA driver is normal here and stays silent."""
    wp.config.quiet = True
    wp.config.enable_backward = False
    wp.init()


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
    return list(zip(edges[:-1], edges[1:], strict=True))


def run_bands(task: Callable[[int, int], None], length: int, *, workers: int | None = None) -> None:
    """Call task(start, stop) for bands of range(length), one thread each; task must launch with explicit device."""
    workers = worker_count() if workers is None else workers
    parts = bands(length, workers)
    if len(parts) == 1:
        task(*parts[0])
        return
    for future in [_pool(workers).submit(task, start, stop) for start, stop in parts]:
        future.result()

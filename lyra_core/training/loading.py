# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Batches made ahead of the network, in a thread or in processes, and learned more than once where making them is slow.

A batch is a function of its number alone, so it is the same whoever makes it, and a run goes on where it stopped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import numpy as np
from torch.utils.data import DataLoader, Dataset

__all__ = ["made_ahead", "reused"]

T = TypeVar("T")


class _Numbered(Dataset[T]):
    def __init__(self, make: Callable[[int], T]) -> None:
        self._make = make

    def __getitem__(self, index: int) -> T:
        return self._make(index)


def _same(batch: T) -> T:
    return batch


def _alone(_worker: int) -> None:
    import cv2

    cv2.setNumThreads(0)  # the processes are as many as the cores
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # whoever makes batches leaves the GPU to the network


def made_ahead(make: Callable[[int], T], numbers: range, workers: int = 0) -> Iterator[T]:
    """make(number) of each number in turn, made before it is asked for.

    Parameters
    ----------
    make: gives a batch; a process gets a copy of it, so with workers it has to be one that can be pickled.
    workers: processes that make batches, each a whole one; 0: a thread of this process.
    """
    if workers:
        options: dict[str, Any] = {"num_workers": workers, "prefetch_factor": 2, "multiprocessing_context": "spawn"}
        order = cast(Any, numbers)
        yield from DataLoader(
            _Numbered(make), batch_size=None, sampler=order, collate_fn=_same, worker_init_fn=_alone, **options
        )
        return
    with ThreadPoolExecutor(1) as pool:
        pending = None
        for number in numbers:
            batch = make(number) if pending is None else pending.result()
            pending = pool.submit(make, number + numbers.step) if number != numbers[-1] else None
            yield batch


def reused(
    batches: Iterator[T], times: int, vary: Callable[[T, np.random.Generator], T], *, kept: int = 400, seed: int = 0
) -> Iterator[T]:
    """Each batch, and after it times - 1 of the last `kept` ones, drawn anew and varied.

    A network on a GPU learns faster than a few cores make samples. What is drawn depends on how long the run has been
    going, so a run that was stopped goes on as well, but not to the bit, where times > 1.
    """
    pool: list[T] = []
    rng = np.random.default_rng(seed)
    for count, batch in enumerate(batches):
        if times > 1:
            if len(pool) < kept:
                pool.append(batch)
            else:
                pool[count % kept] = batch
        yield batch
        for _ in range(times - 1):
            yield vary(pool[int(rng.integers(len(pool)))], rng)

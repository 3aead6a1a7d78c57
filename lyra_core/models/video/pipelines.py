# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the adapters of diffusers' video pipelines share: loading with clear errors, placing, steps as progress."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Generic, TypeVar

import numpy as np

from lyra_core.errors import MissingDependencyError, ModelError
from lyra_core.models.protocols import ModelProgress

__all__ = ["Made", "load_pipeline", "place_pipeline", "run_steps", "seeded", "snapped"]

T = TypeVar("T")


class Made(Generic[T]):
    """The result of run_steps."""

    def __init__(self, value: T) -> None:
        self.value = value


class _Stopped(Exception):
    """Ends a pipeline from inside; never leaves this module."""


def snapped(count: int, step: int) -> int:
    """The least step * k + 1 that is not below count."""
    return count + (1 - count) % step


def load_pipeline(kind: str, weights: str, *, extra: str, needs: tuple[str, ...] = (), dtype: Any = None) -> Any:
    """diffusers' pipeline `kind` from a folder, or from a name in the Hugging Face cache; never from the network.

    Parameters
    ----------
    extra: the extra of our package that brings what it needs. needs: packages besides diffusers, transformers and accelerate.

    Errors: MissingDependencyError if a package, or the class in this version of diffusers, is not there; ModelError,
    with the command that fetches them, if the weights are not there or cannot be read.
    """
    do = f'pip install -U "lyra-worldgen[{extra}]"'
    absent = [name for name in ("diffusers", "transformers", "accelerate", *needs) if find_spec(name) is None]
    if absent:
        raise MissingDependencyError(f"{kind} needs packages that are not installed", got=", ".join(absent), do=do)
    diffusers: Any = import_module("diffusers")  # untyped: its lazy modules cost type checkers minutes
    if not hasattr(diffusers, kind):
        raise MissingDependencyError(f"This diffusers has no {kind}", got=f"diffusers {diffusers.__version__}",
                                     do=f"{do}; it needs a newer diffusers")  # fmt: skip
    fetch = f"hf download {weights} (it then lies in the cache), or give diffusers.weights=FOLDER"
    try:
        options = {} if dtype is None else {"torch_dtype": dtype}
        return getattr(diffusers, kind).from_pretrained(weights, local_files_only=True, **options)
    # What a missing or broken file raises depends on which part it is; all of it means: not usable.
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"The weights of {kind} are missing or broken", got=f"{weights}: {str(error)[:200]}",
                         do=fetch) from error  # fmt: skip
    except Exception as error:
        from safetensors import SafetensorError

        if not isinstance(error, SafetensorError):
            raise
        raise ModelError(f"The weights of {kind} are cut short", got=f"{weights}: {error}", do=fetch) from error


def place_pipeline(pipe: Any, device: str, *, offload: bool) -> Any:
    """Put a pipeline on the device; with offload, on CUDA, only the part in use."""
    if offload and device.startswith("cuda"):
        pipe.enable_model_cpu_offload(device=device)
    else:
        pipe.to(device)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def seeded(rng: np.random.Generator) -> Any:
    """A torch generator on the CPU, so that a seed means the same noise on every device."""
    import torch

    return torch.Generator("cpu").manual_seed(int(rng.integers(1 << 31)))


def run_steps(call: Callable[[Callable[..., dict[str, Any]]], T], steps: int) -> Iterator[ModelProgress | Made[T]]:
    """Run call(callback_on_step_end) in a thread; yield its steps, then Made(result).

    Closing the iterator ends the pipeline at its next step. Whatever call raises is raised here.
    """
    done: queue.Queue[int] = queue.Queue()
    stop = threading.Event()

    def on_step(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        del pipe, timestep, tensors
        if stop.is_set():
            raise _Stopped
        done.put(step + 1)
        return {}

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(call, on_step)
        try:
            while not work.done() or not done.empty():
                try:
                    yield ModelProgress("denoising", done.get(timeout=0.1), steps)
                except queue.Empty:
                    continue
            yield Made(work.result())
        finally:
            stop.set()
            work.exception()  # wait; a _Stopped ends here

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the adapters of diffusers' video pipelines share: loading with clear errors, placing, steps as progress, frames."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import MissingDependencyError, ModelError
from lyra_core.models.protocols import ModelProgress
from lyra_core.types import Camera, Frame

__all__ = ["DiffusersVideo", "Made", "load_pipeline", "place_pipeline", "run_steps", "seeded", "snapped"]

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


class DiffusersVideo:
    """Base of the adapters: one pipeline, loaded when it is first needed, whose films have no depth.

    A subclass names its pipeline class, the extra of our package and what it needs besides, and writes `generate`.

    Parameters
    ----------
    weights: folder, or name in the Hugging Face cache. steps, guidance, negative: of the sampler.
    offload: see place_pipeline.
    """

    name: str
    provides_depth = False
    _kind: str
    _extra: str
    _needs: tuple[str, ...] = ()

    def __init__(self, weights: str, *, steps: int, guidance: float, negative: str, offload: bool) -> None:
        self._weights, self._steps, self._guidance = weights, steps, guidance
        self._negative, self._offload = negative, offload
        self._pipe: Any = None
        self._placed = ""

    def check_frames(self, total: int) -> None:
        """Any count from 1 is fine; ModelError below. Missing packages or weights are told here."""
        if total < 1:
            raise ModelError("A video needs at least one frame", got=str(total), do="Ask for 1 frame or more")
        self._load("cpu", place=False)

    def record(self) -> dict[str, Any]:
        """What the manifest keeps."""
        return {"video_weights": self._weights, "video_sampler": f"{self._steps} steps, guidance {self._guidance:g}"}

    def _load(self, device: str, *, place: bool = True) -> Any:
        import torch

        if self._pipe is None:
            dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
            self._pipe = load_pipeline(self._kind, self._weights, extra=self._extra, needs=self._needs, dtype=dtype)
            self._pipe.vae.to(torch.float32)  # bfloat16 bands in flat walls
        if place and self._placed != device:
            self._pipe, self._placed = place_pipeline(self._pipe, device, offload=self._offload), device
        return self._pipe

    def _film(self, call: Callable[[Any], Any]) -> Generator[ModelProgress, None, NDArray[np.float32]]:
        """Run the pipeline; yields its steps and returns its film (N, H, W, 3) float32."""
        film = None
        for item in run_steps(call, self._steps):
            if isinstance(item, Made):
                film = np.asarray(item.value, dtype=np.float32)
            else:
                yield item
        assert film is not None
        return film

    @staticmethod
    def _frame(index: int, rgb: NDArray[np.float32], camera: Camera) -> Frame:
        """A frame of colour alone that owns all its pixels."""
        nothing = np.zeros(rgb.shape[:2], bool)
        depth = np.zeros(rgb.shape[:2], np.float32)
        return Frame(index, np.clip(rgb, 0, 1).astype(np.float32), depth, nothing, camera, ~nothing)

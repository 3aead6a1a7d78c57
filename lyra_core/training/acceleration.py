# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Mixed precision and several GPUs through `accelerate` where it is installed; one plain process otherwise.

Start several processes with `accelerate launch -m lyra_core.training.generator_training ...`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from lyra_core.errors import MissingDependencyError

__all__ = ["Runtime", "single_thread"]


class Runtime:
    """Where training runs.

    Parameters
    ----------
    precision: "no", "fp16" or "bf16". On a CPU "no" is the fast one: bf16 is 15 to 80 times slower without AMX.

    Attributes
    ----------
    device: torch device. rank, world: this process of how many. On a GPU products of float32 run in TF32 (10 bits of
    mantissa, sums in float32) and convolutions are tuned to their sizes.

    Raises
    ------
    MissingDependencyError: mixed precision was asked for and accelerate is not installed.
    """

    def __init__(self, precision: str = "no") -> None:
        self._accelerator: Any = None
        try:
            from accelerate import Accelerator  # pyright: ignore[reportMissingImports]

            self._accelerator = Accelerator(mixed_precision=precision)
        except ImportError as error:
            if precision != "no":
                raise MissingDependencyError(
                    "Mixed precision needs accelerate", got=f"precision={precision}", do="pip install accelerate"
                ) from error
        if self._accelerator is None:
            self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            self.rank, self.world = 0, 1
        else:
            self.device = self._accelerator.device
            self.rank, self.world = self._accelerator.process_index, self._accelerator.num_processes
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
            torch.backends.cudnn.benchmark = True

    @property
    def first(self) -> bool:
        """True in the process that writes checkpoints and logs."""
        return self.rank == 0

    def prepare(self, module: nn.Module) -> nn.Module:
        """The module on its device; wrapped for several processes where there are some."""
        module.to(self.device)
        return self._accelerator.prepare(module) if self._accelerator is not None and self.world > 1 else module

    def autocast(self) -> AbstractContextManager[Any]:
        """Forward pass in the chosen precision."""
        return nullcontext() if self._accelerator is None else self._accelerator.autocast()

    def backward(self, loss: Tensor) -> None:
        """Gradients of a loss, scaled as fp16 needs it."""
        if self._accelerator is None:
            loss.backward()
        else:
            self._accelerator.backward(loss)

    def describe(self) -> str:
        """One line for the log."""
        how = "plain torch" if self._accelerator is None else f"accelerate, {self._accelerator.mixed_precision}"
        return f"{self.device}, process {self.rank + 1} of {self.world}, {how}"


def single_thread() -> None:
    """One torch thread: results do not depend on the machine's core count, and timings are those of one core."""
    import torch

    torch.set_num_threads(1)

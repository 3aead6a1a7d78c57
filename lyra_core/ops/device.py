# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Where an operation runs: NumPy reference, Warp on the CPU, or Warp on a CUDA device."""

from __future__ import annotations

from lyra_core.errors import ConfigError

__all__ = ["resolve_device"]


def resolve_device(name: str = "auto") -> str:
    """Return 'numpy', 'cpu' or 'cuda:N'.

    'auto' is the first CUDA device if Warp finds one, else the CPU. 'numpy' names the reference
    twins (slow, for tests and debugging).
    """
    if name in ("numpy", "cpu"):
        return name
    from lyra_core.kernels import cuda

    count = cuda.device_count()
    if name == "auto":
        return "cuda:0" if count else "cpu"
    if name == "cuda" or name.startswith("cuda:"):
        index = name.removeprefix("cuda").removeprefix(":") or "0"
        if index.isdigit() and int(index) < count:
            return f"cuda:{index}"
        raise ConfigError(
            "This CUDA device is not available",
            got=f"{name}; CUDA devices found: {count}",
            do="Use --device cpu or auto",
        )
    raise ConfigError("Unknown device", got=name, do="Use auto, cpu, cuda or cuda:N")

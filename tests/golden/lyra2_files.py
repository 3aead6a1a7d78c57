# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Golden files of the Lyra 2.0 generator: finding them, and the inputs that they describe by seed."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(os.environ.get("LYRA_GOLDEN", Path(__file__).resolve().parents[2] / "../shared/golden"))


def files(pattern: str) -> list:
    """Parameters for all golden files of this name pattern; the module is skipped if there are none."""
    found = sorted(ROOT.glob(f"**/{pattern}.safetensors"))
    if not found:
        pytest.skip(f"no {pattern}.safetensors under {ROOT}; set LYRA_GOLDEN", allow_module_level=True)
    return [pytest.param(path, id=path.stem) for path in found]


class Golden:
    """Tensors and metadata of one file."""

    def __init__(self, path: Path) -> None:
        from safetensors import safe_open

        with safe_open(str(path), "pt") as file:
            self.meta: dict[str, str] = file.metadata()
            self.tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        self.path = path

    def __getitem__(self, key: str) -> Any:
        return self.tensors[key]

    def __contains__(self, key: str) -> bool:
        return key in self.tensors

    def json(self, key: str) -> Any:
        return json.loads(self.meta[key])

    def number(self, key: str) -> int:
        return int(self.meta[key])

    def weights(self) -> dict[str, Any]:
        """Tensors under w/ as float32 (they are stored as exact bfloat16)."""
        return {key[2:]: value.float() for key, value in self.tensors.items() if key.startswith("w/")}

    def keys(self, prefix: str, suffix: str = "") -> list[str]:
        return sorted(key for key in self.tensors if key.startswith(prefix) and key.endswith(suffix))


def random(seed: int, *shape: int) -> Any:
    """rs(seed, *shape) of the golden set's README."""
    import torch

    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))


def scene(path: Path) -> ModuleType:
    """The scene code beside a golden file, or else beside the default set."""
    own = path.parent / "scene.py"
    if not own.is_file():
        own = next(iter(sorted(ROOT.glob("**/scene.py"))), own)
    if not own.is_file():
        pytest.skip(f"no scene.py beside {path}")
    spec = importlib.util.spec_from_file_location("lyra2_golden_scene", own)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def worst(got: Any, want: Any) -> float:
    """Largest absolute difference; shapes must agree."""
    assert tuple(got.shape) == tuple(want.shape)
    return float((got.double() - want.double()).abs().max()) if got.numel() else 0.0

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures that all tests may use."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked gpu skip, saying so, where there is no CUDA device: a plain `pytest` runs anywhere."""
    if item.get_closest_marker("gpu"):
        from lyra_core.kernels.cuda import device_count

        if not device_count():
            pytest.skip("no CUDA device")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261121)


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of golden data; another set of the same form can be named by LYRA_GOLDEN."""
    folder = Path(os.environ.get("LYRA_GOLDEN", ROOT.parent / "shared" / "golden"))
    if not folder.is_dir():
        pytest.skip(f"golden data not found at {folder}; set LYRA_GOLDEN")
    return folder


@pytest.fixture(scope="session")
def samples() -> Path:
    folder = ROOT.parent / "shared" / "samples"
    if not folder.is_dir():
        pytest.skip("sample pictures not found (../shared/samples)")
    return folder


@pytest.fixture(scope="session")
def photos() -> list[Path]:
    """The committed photos."""
    return sorted((ROOT / "data" / "photos").glob("*.jpg"))

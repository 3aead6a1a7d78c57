# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""ArrayStore: what is put comes back, within the byte budget."""

from __future__ import annotations

import numpy as np
import pytest

from lyra_core.errors import WorldError
from lyra_core.memory.store import ArrayStore


def arrays(seed):
    rng = np.random.default_rng(seed)
    return {"depth": rng.random((50, 40), np.float32), "rgb": rng.integers(0, 256, (50, 40, 3), dtype=np.uint8)}


@pytest.mark.parametrize("on_disk", [True, False])
def test_what_is_put_comes_back(tmp_path, on_disk):
    store = ArrayStore(tmp_path / "cache" if on_disk else None, byte_budget=1)
    for key in range(4):
        store.put(key, arrays(key))
    for key in (2, 0, 3, 1):
        for name, value in arrays(key).items():
            np.testing.assert_array_equal(store.get(key)[name], value)


def test_memory_stays_within_the_budget(tmp_path):
    one = sum(a.nbytes for a in arrays(0).values())
    store = ArrayStore(tmp_path, byte_budget=3 * one)
    for key in range(10):
        store.put(key, arrays(key))
        assert store.live_bytes <= 3 * one
    for key in range(10):
        store.get(key)
        assert store.live_bytes <= 3 * one


def test_removed_keys_are_gone_from_disk(tmp_path):
    store = ArrayStore(tmp_path, byte_budget=1)
    store.put(3, arrays(3))
    assert list(tmp_path.iterdir())
    store.remove(3)
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyError):
        store.get(3)


def test_a_damaged_file_is_named(tmp_path):
    store = ArrayStore(tmp_path, byte_budget=1)
    store.put(0, arrays(0))
    store.put(1, arrays(1))  # pushes 0 out of memory
    next(tmp_path.glob("*000000*")).write_bytes(b"not an archive")
    with pytest.raises(WorldError, match="cannot be read back"):
        store.get(0)


def test_an_unusable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorldError, match="cannot be made"):
        ArrayStore(tmp_path / "file" / "below", byte_budget=1)

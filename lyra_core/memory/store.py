# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Arrays of many frames under a byte budget: on disk, with the recently used ones in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import WorldError

__all__ = ["ArrayStore"]

Arrays = Mapping[str, NDArray[Any]]


class ArrayStore:
    """Named arrays per key.

    With a folder, each key is one uncompressed .npz there, and at most byte_budget bytes stay in memory
    (least recently used out first). Without one everything stays in memory and the budget is not used.
    The files are a cache that one process owns: files of keys that were never put are not read.
    """

    def __init__(self, folder: Path | None, byte_budget: int) -> None:
        self._folder = folder
        self._budget = byte_budget
        self._live: OrderedDict[int, dict[str, NDArray[Any]]] = OrderedDict()
        self._sizes: dict[int, int] = {}
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise WorldError(
                    "The memory folder cannot be made",
                    got=f"{folder}: {error}",
                    do="Choose a folder that can be written",
                ) from error

    def _path(self, key: int) -> Path:
        folder = self._folder if self._folder is not None else Path()
        return folder / f"frame_{key:06d}.npz"

    def put(self, key: int, arrays: Arrays) -> None:
        """Keep arrays (read-only from here on) under key, replacing what was there."""
        held = {name: np.asarray(value) for name, value in arrays.items()}
        for value in held.values():
            value.flags.writeable = False
        if self._folder is not None:
            path = self._path(key)
            partial = path.with_suffix(".tmp")
            try:
                with partial.open("wb") as file:
                    np.savez(file, allow_pickle=False, **held)
                partial.replace(path)
            except OSError as error:
                raise WorldError(
                    "A frame cannot be stored", got=f"{path}: {error}", do="Free disk space, or use another folder"
                ) from error
        self._sizes[key] = sum(value.nbytes for value in held.values())
        self._live[key] = held
        self._live.move_to_end(key)
        self._trim()

    def get(self, key: int) -> dict[str, NDArray[Any]]:
        """The arrays of key; KeyError if it was never put."""
        if key not in self._sizes:
            raise KeyError(key)
        if key not in self._live:
            path = self._path(key)
            try:
                with np.load(path, allow_pickle=False) as file:
                    self._live[key] = {name: file[name] for name in file.files}
            except (OSError, ValueError) as error:
                raise WorldError(
                    "A stored frame cannot be read back", got=f"{path}: {error}", do="Run again with --resume"
                ) from error
        self._live.move_to_end(key)
        arrays = self._live[key]
        self._trim()
        return arrays

    def remove(self, key: int) -> None:
        """Forget key, on disk too."""
        self._sizes.pop(key, None)
        self._live.pop(key, None)
        if self._folder is not None:
            self._path(key).unlink(missing_ok=True)

    @property
    def live_bytes(self) -> int:
        """Bytes of arrays held in memory now."""
        return sum(self._sizes[key] for key in self._live)

    def _trim(self) -> None:
        if self._folder is None:
            return
        total = self.live_bytes
        while total > self._budget and len(self._live) > 1:
            key, _ = self._live.popitem(last=False)
            total -= self._sizes[key]

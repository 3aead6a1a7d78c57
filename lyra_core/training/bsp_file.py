# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the level files of the id Tech games share: a table of lumps, and entities as text."""

from __future__ import annotations

import re
import struct

import numpy as np
from numpy.typing import NDArray

__all__ = ["entities", "lump", "table", "vector"]


def lump(data: bytes, index: int) -> bytes:
    """Bytes of a lump; the table of offsets and lengths follows magic and version."""
    offset, length = struct.unpack_from("<ii", data, 8 + 8 * index)
    return data[offset : offset + length]


def table(data: bytes, index: int, dtype: np.dtype) -> NDArray:
    """A lump as records; what is left of a last, incomplete one is ignored."""
    raw = lump(data, index)
    return np.frombuffer(raw[: len(raw) // dtype.itemsize * dtype.itemsize], dtype)


def entities(text: str) -> list[dict[str, str]]:
    """Keys and values of each entity."""
    return [dict(re.findall(r'"([^"]*)"\s+"([^"]*)"', block)) for block in re.findall(r"\{(.*?)\}", text, re.S)]


def vector(entity: dict[str, str], key: str) -> NDArray[np.float64] | None:
    """Three numbers of an entity; None where there are not three."""
    try:
        values = np.array([float(part) for part in entity.get(key, "").split()])
    except ValueError:
        return None
    return values if len(values) == 3 else None

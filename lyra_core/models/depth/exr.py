# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""One channel of an OpenEXR scan-line file; OpenCV's wheels come without EXR.

Written from the file layout on openexr.com ("OpenEXR File Layout"): single part, scan lines, uncompressed, RLE, ZIPS
or ZIP; half, float or uint samples.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError

__all__ = ["read_exr"]

_LINES = {0: 1, 1: 1, 2: 1, 3: 16}  # compression: scan lines per block
_SAMPLES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
_WANTED = ("Z", "depth", "depth.Z", "Depth.Z", "depth.V", "V", "Y", "R")


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode("latin-1"), end + 1


def _header(data: bytes) -> tuple[dict[str, bytes], int]:
    """Attributes by name, and where they end."""
    magic, version = struct.unpack_from("<ii", data)
    if magic != 20000630:
        raise ValueError("not an OpenEXR file")
    if version & 0x1A00:  # tiles, deep data, several parts
        raise ValueError("only single-part scan-line files are read")
    at, found = 8, {}
    while data[at] != 0:
        name, at = _text(data, at)
        _, at = _text(data, at)
        (size,) = struct.unpack_from("<i", data, at)
        found[name] = data[at + 4 : at + 4 + size]
        at += 4 + size
    return found, at + 1


def _channels(raw: bytes) -> list[tuple[str, np.dtype]]:
    at, out = 0, []
    while raw[at] != 0:
        name, at = _text(raw, at)
        kind, _, across, down = struct.unpack_from("<iiii", raw, at)
        if (across, down) != (1, 1):
            raise ValueError("subsampled channels are not read")
        out.append((name, _SAMPLES[kind]))
        at += 16
    return out


def _unpack(block: bytes, compression: int, size: int) -> bytes:
    if compression == 0 or len(block) == size:  # a block that does not shrink is stored as it is
        return block
    packed = _runs(block) if compression == 1 else zlib.decompress(block)
    # Bytes were split into even and odd halves, then replaced by differences.
    deltas = np.frombuffer(packed, np.uint8).astype(np.int64)
    deltas[1:] -= 128
    values = np.cumsum(deltas).astype(np.uint8)
    out = np.empty(len(values), np.uint8)
    half = (len(values) + 1) // 2
    out[0::2], out[1::2] = values[:half], values[half:]
    return out.tobytes()


def _runs(block: bytes) -> bytes:
    out, at = bytearray(), 0
    while at < len(block):
        count = struct.unpack_from("b", block, at)[0]
        if count < 0:
            out += block[at + 1 : at + 1 - count]
            at += 1 - count
        else:
            out += block[at + 1 : at + 2] * (count + 1)
            at += 2
    return bytes(out)


def _decode(data: bytes) -> NDArray[np.float64]:
    header, at = _header(data)
    channels = _channels(header["channels"])
    compression = header["compression"][0]
    if compression not in _LINES:
        raise ValueError("this compression is not read; use none or ZIP")
    x0, y0, x1, y1 = struct.unpack("<iiii", header["dataWindow"])
    width, height, lines = x1 - x0 + 1, y1 - y0 + 1, _LINES[compression]
    names = [name for name, _ in channels]
    chosen = next((n for n in _WANTED if n in names), names[0])
    offset = sum(kind.itemsize for _, kind in channels[: names.index(chosen)]) * width
    kind, row = dict(channels)[chosen], sum(k.itemsize for _, k in channels) * width
    out = np.zeros((height, width))
    for start in struct.unpack_from(f"<{-(-height // lines)}Q", data, at):
        y, size = struct.unpack_from("<ii", data, start)
        count = min(lines, height - (y - y0))
        raw = _unpack(data[start + 8 : start + 8 + size], compression, row * count)
        for i in range(count):
            out[y - y0 + i] = np.frombuffer(raw, kind, width, i * row + offset)
    return out


def read_exr(path: Path) -> NDArray[np.float64]:
    """(H, W) float64 of the depth channel (Z, depth, Y, R, or the first). InputError if it cannot be read."""
    try:
        return _decode(path.read_bytes())
    except (ValueError, KeyError, IndexError, struct.error, zlib.error) as error:
        raise InputError(
            "This EXR file cannot be read",
            got=f"{path.name}: {error}",
            do="Save it as single-part scan lines, uncompressed or ZIP, or as npy",
        ) from error

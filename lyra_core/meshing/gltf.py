# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Binary glTF 2.0 of a mesh: Y up, linear vertex colours, written atomically."""

from __future__ import annotations

import json
import os
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.types import Mesh

__all__ = ["write_glb"]

_FLOAT, _USHORT, _UINT = 5126, 5123, 5125
_VERTEX_BUFFER, _INDEX_BUFFER = 34962, 34963


def _y_up(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Z-up (x, y, z) to glTF's Y-up (x, z, -y): a turn by -90 degrees about x, no mirroring."""
    return np.ascontiguousarray(np.stack([vectors[:, 0], vectors[:, 2], -vectors[:, 1]], axis=1), np.float32)


def _linear_rgba(colors: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """sRGB bytes to linear 16-bit RGBA (COLOR_0 is linear in glTF; 8 bits would band in the dark)."""
    c = np.arange(256) / 255.0
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    table = np.round(linear * 65535).astype(np.uint16)
    return np.concatenate([table[colors], np.full((len(colors), 1), 65535, np.uint16)], axis=1)


def write_glb(path: Path | str, mesh: Mesh, *, name: str = "world") -> None:
    """Write the mesh as GLB; vertices become Y-up metres, colours linear, normals as they are.

    The file appears under its name only when complete. Raises InputError for an empty mesh.
    """
    if not len(mesh.faces):
        raise InputError(
            "A GLB needs at least one triangle", got="an empty mesh", do="Check that the frames hold depth"
        )
    path = Path(path)
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []
    blob = bytearray()

    def add(data: NDArray[Any], kind: int, shape: str, target: int, **extra: Any) -> int:
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": data.nbytes, "target": target})
        accessors.append(
            {"bufferView": len(views) - 1, "componentType": kind, "count": len(data), "type": shape, **extra}
        )
        blob.extend(data.tobytes())
        blob.extend(b"\0" * (-len(blob) % 4))
        return len(accessors) - 1

    position = _y_up(mesh.vertices)
    bounds = {"min": position.min(axis=0).tolist(), "max": position.max(axis=0).tolist()}
    attributes = {"POSITION": add(position, _FLOAT, "VEC3", _VERTEX_BUFFER, **bounds)}
    if mesh.normals is not None:
        attributes["NORMAL"] = add(_y_up(mesh.normals), _FLOAT, "VEC3", _VERTEX_BUFFER)
    if mesh.colors is not None:
        rgba = _linear_rgba(mesh.colors)
        attributes["COLOR_0"] = add(rgba, _USHORT, "VEC4", _VERTEX_BUFFER, normalized=True)
    indices = add(mesh.faces.astype(np.uint32).reshape(-1), _UINT, "SCALAR", _INDEX_BUFFER)
    material = {"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0}, "doubleSided": False}
    document = {
        "asset": {"version": "2.0", "generator": "lyra.worldgen"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": name}],
        "meshes": [{"name": name, "primitives": [{"attributes": attributes, "indices": indices, "material": 0}]}],
        "materials": [material],
        "buffers": [{"byteLength": len(blob)}],
        "bufferViews": views,
        "accessors": accessors,
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(blob), 0x004E4942) + bytes(blob)
    _write_atomic(path, struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)


def _write_atomic(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise

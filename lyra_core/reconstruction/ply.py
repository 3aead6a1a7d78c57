# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Gaussians as PLY files in the INRIA layout (Kerbl et al. 2023), which all splat viewers read.

One element `vertex`, binary little endian, float32: x y z nx ny nz f_dc_0..2 f_rest_* opacity scale_0..2 rot_0..3.
Scales are natural logarithms, opacity is a logit, rot is w x y z, f_rest is channel-major (all red, then green,
then blue). Our arrays hold linear scales, opacity 0..1 and coefficient-major SH; the change is made here only.
Coordinates are written as they are: Z up, metres.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.types import Gaussians

__all__ = ["read_ply", "read_ply_rows", "write_ply"]

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
_CHUNK = 65536  # rows formatted at a time: stays in the cache
_OPACITY_MARGIN = 1e-6  # keeps the logit finite, as the reference exports


def _property_names(coefficients: int) -> list[str]:
    rest = [f"f_rest_{i}" for i in range(3 * (coefficients - 1))]
    return [
        *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"),
        *rest,
        *("opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
    ]


def write_ply(path: str | os.PathLike[str], gaussians: Gaussians) -> None:
    """Write gaussians to path; the file appears whole or not at all.

    Errors: InputError if a value is not finite, a scale is not positive or a quaternion has no length.
    """
    path = Path(path)
    _check(gaussians, str(path))
    names = _property_names(gaussians.sh.shape[1])
    header = "\n".join(
        [
            "ply",
            "format binary_little_endian 1.0",
            f"element vertex {len(gaussians)}",
            *(f"property float {name}" for name in names),
            "end_header\n",
        ]
    )
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(header.encode("ascii"))
            rows = np.zeros((min(_CHUNK, len(gaussians)), len(names)), "<f4")
            for start in range(0, len(gaussians), _CHUNK):
                count = min(_CHUNK, len(gaussians) - start)
                _fill(rows[:count], gaussians, slice(start, start + count))
                file.write(rows[:count].data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _fill(rows: NDArray[np.float32], gaussians: Gaussians, part: slice) -> None:
    rest = 3 * (gaussians.sh.shape[1] - 1)
    rows[:, 0:3] = gaussians.means[part]
    sh = gaussians.sh[part]
    rows[:, 6:9] = sh[:, 0]
    rows[:, 9 : 9 + rest] = sh[:, 1:].transpose(0, 2, 1).reshape(len(sh), rest)
    alpha = np.clip(gaussians.opacities[part].astype(np.float64), _OPACITY_MARGIN, 1 - _OPACITY_MARGIN)
    rows[:, 9 + rest] = np.log(alpha / (1 - alpha))
    rows[:, 10 + rest : 13 + rest] = np.log(gaussians.scales[part])
    rows[:, 13 + rest : 17 + rest] = gaussians.quats_wxyz[part]


def _check(gaussians: Gaussians, where: str) -> None:
    """Refuse what renderers draw as nothing or as garbage."""
    for name in ("means", "quats_wxyz", "scales", "opacities", "sh"):
        values = getattr(gaussians, name)
        if not np.isfinite(values).all():
            row = int(np.argmin(np.isfinite(values.reshape(len(values), -1)).all(axis=1)))
            raise InputError(
                f"Gaussians must be finite; {name} is not",
                got=f"NaN or inf in row {row} of {where}",
                do="Remove the row",
            )
    if (gaussians.scales <= 0).any():
        row = int(np.argmin(gaussians.scales.min(axis=1)))
        raise InputError(
            "Scales must be > 0 m",
            got=f"{gaussians.scales[row].tolist()} in row {row} of {where}",
            do="Drop these Gaussians first",
        )
    length = np.einsum("ij,ij->i", gaussians.quats_wxyz, gaussians.quats_wxyz)
    if (length < 1e-24).any():
        raise InputError(
            "Quaternions must have a length",
            got=f"zero in row {int(np.argmin(length))} of {where}",
            do="Remove the row, or write 1 0 0 0 for no rotation",
        )


def read_ply(path: str | os.PathLike[str]) -> Gaussians:
    """Read a file in the INRIA layout, SH degree 0 to 3; properties that it does not know are ignored.

    Errors: InputError if the file is missing, cut short, not a splat file, or holds NaN or zero-length quaternions.
    """
    gaussians = read_ply_rows(path)
    _check(gaussians, str(path))
    quats = gaussians.quats_wxyz
    length = np.sqrt(np.einsum("ij,ij->i", quats, quats))[:, None]
    return Gaussians(gaussians.means, quats / length, gaussians.scales, gaussians.opacities, gaussians.sh)


def read_ply_rows(path: str | os.PathLike[str]) -> Gaussians:
    """As read_ply, but broken rows come through as they are, so that they can be counted and mended.

    Errors: InputError if the file is missing, cut short or not a splat file.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read the splat file {path}", got=str(error), do="Check the path") from error
    order, count, fields, start = _parse_header(data, path)
    if order == "ascii":
        return _from_table(_read_ascii(data[start:], count, fields, path), path)
    dtype = np.dtype([(name, _ORDERS[order] + kind) for name, kind in fields])
    if len(data) - start < count * dtype.itemsize:
        raise InputError(
            f"The splat file {path} is cut short",
            got=f"{(len(data) - start) // max(dtype.itemsize, 1)} of {count} Gaussians",
            do="Copy or export it again",
        )
    return _from_table(np.frombuffer(data, dtype, count, start), path)


def _parse_header(data: bytes, path: Path) -> tuple[str, int, list[tuple[str, str]], int]:
    """Format, vertex count, (name, type) of the vertex properties, offset of the first row."""
    end = data.find(b"end_header")
    if not data.startswith(b"ply") or end < 0:
        raise InputError(f"{path} is not a PLY file", got=repr(data[:16]), do="Give a .ply with 3D Gaussians")
    order, count, element, fields = "", -1, "", []
    for line in data[:end].decode("ascii", errors="replace").split("\n"):
        words = line.split()
        if words[:1] == ["format"]:
            order = words[1] if len(words) > 1 else ""
        elif words[:1] == ["element"] and len(words) == 3:
            element = words[1]
            if count < 0 and element != "vertex":
                raise InputError(
                    f"The first element of {path} must be vertex",
                    got=element,
                    do="Export it as a 3D Gaussian splat PLY",
                )
            count = int(words[2]) if element == "vertex" and words[2].isdigit() else count
        elif words[:1] == ["property"] and element == "vertex":
            if len(words) != 3 or words[1] not in _TYPES:
                raise InputError(
                    f"{path} holds a vertex property that splats do not have",
                    got=line.strip(),
                    do="Export it without list properties",
                )
            fields.append((words[2], _TYPES[words[1]]))
    if order not in _ORDERS or count < 0:
        raise InputError(
            f"The header of {path} cannot be read",
            got=f"format '{order}', {count} vertices",
            do="Export it as binary little-endian PLY",
        )
    if len({name for name, _ in fields}) != len(fields):
        raise InputError(
            f"{path} names a vertex property twice",
            got=", ".join(name for name, _ in fields),
            do="Export the file again",
        )
    newline = data.find(b"\n", end)
    return order, count, fields, len(data) if newline < 0 else newline + 1


def _read_ascii(text: bytes, count: int, fields: list[tuple[str, str]], path: Path) -> NDArray[np.void]:
    rows = [row.split() for row in text.splitlines()[:count]]
    if len(rows) < count or any(len(row) < len(fields) for row in rows):
        raise InputError(
            f"The splat file {path} is cut short",
            got=f"{len(rows)} of {count} rows",
            do="Copy or export the file again",
        )
    table = np.zeros(count, np.dtype([(name, "f8") for name, _ in fields]))
    values = np.array([row[: len(fields)] for row in rows], dtype=np.float64).reshape(count, len(fields))
    for column, (name, _) in enumerate(fields):
        table[name] = values[:, column]
    return table


def _columns(table: NDArray[np.void], names: list[str], path: Path) -> NDArray[np.float32]:
    present = table.dtype.names or ()
    missing = [name for name in names if name not in present]
    if missing:
        raise InputError(
            f"{path} is not a 3D Gaussian file: properties are missing",
            got=f"no {', '.join(missing)}; found {', '.join(present)}",
            do="Export it in the INRIA layout (x y z, f_dc, opacity, scale, rot)",
        )
    kinds = {table.dtype[name] for name in present}
    first = present.index(names[0]) if names else 0
    if kinds == {np.dtype("<f4")} and present[first : first + len(names)] == tuple(names):
        # The usual file: one matrix of float32, of which these are neighbouring columns.
        return table.view("<f4").reshape(len(table), len(present))[:, first : first + len(names)]
    out = np.empty((len(table), len(names)), np.float32)
    for column, name in enumerate(names):
        out[:, column] = table[name]
    return out


def _from_table(table: NDArray[np.void], path: Path) -> Gaussians:
    rest = sorted(
        (name for name in table.dtype.names or () if name.startswith("f_rest_")), key=lambda name: int(name[7:])
    )
    coefficients = len(rest) // 3 + 1
    if len(rest) % 3 or coefficients not in (1, 4, 9, 16):
        raise InputError(
            f"{path} has an unknown number of f_rest properties", got=str(len(rest)), do="Use 0, 9, 24 or 45"
        )
    sh = np.empty((len(table), coefficients, 3), np.float32)
    sh[:, 0] = _columns(table, ["f_dc_0", "f_dc_1", "f_dc_2"], path)
    sh[:, 1:] = _columns(table, rest, path).reshape(len(table), 3, coefficients - 1).transpose(0, 2, 1)
    logit = _columns(table, ["opacity"], path)[:, 0]
    with np.errstate(over="ignore"):  # a huge logit is an opacity of 0 or 1
        opacities = 1 / (1 + np.exp(-logit))
        scales = np.exp(_columns(table, ["scale_0", "scale_1", "scale_2"], path))
    opacities = np.where(np.isnan(logit), np.nan, opacities)
    means = np.ascontiguousarray(_columns(table, ["x", "y", "z"], path))
    quats = np.ascontiguousarray(_columns(table, ["rot_0", "rot_1", "rot_2", "rot_3"], path))
    return Gaussians(means, quats, np.maximum(scales, np.finfo(np.float32).tiny), opacities, sh)

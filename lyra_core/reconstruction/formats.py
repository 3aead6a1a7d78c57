# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Splat files other than INRIA PLY, through the optional package gaussforge (extra `formats`)."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lyra_core.errors import InputError, MissingDependencyError
from lyra_core.reconstruction.ply import read_ply
from lyra_core.types import Gaussians

__all__ = ["FORMATS", "convert_splats", "format_of", "read_splat_file"]

FORMATS = ("compressed.ply", "ply", "splat", "ksplat", "spz", "sog")
"""Known endings; the longer one of two that fit comes first."""

_INSTALL = 'pip install "lyra-worldgen[formats]"  (or: pip install "gaussforge>=0.6,<0.7")'


def format_of(path: Path) -> str:
    """The format by the end of the name; a .ply whose header has packed positions is compressed.ply.

    Errors: InputError for an unknown ending or a file that is not there.
    """
    if not path.is_file():
        raise InputError("There is no such splat file", got=str(path), do="Check the path")
    name = path.name.lower()
    found = next((f for f in FORMATS if name.endswith(f".{f}")), None)
    if found is None:
        raise InputError("Unknown kind of splat file", got=path.name, do=f"Give one of: .{', .'.join(FORMATS)}")
    if found == "ply":
        with path.open("rb") as file:
            header = file.read(4096).split(b"end_header")[0]
        if b"packed_position" in header:
            return "compressed.ply"
    return found


def read_splat_file(path: Path) -> Gaussians:
    """Gaussians of a splat file of any known format, in the file's own axes and unit.

    Errors: InputError if it cannot be read or holds NaN; MissingDependencyError if the format needs gaussforge.
    """
    kind = format_of(path)
    if kind == "ply":
        return read_ply(path)
    data = _converted(path.read_bytes(), kind, "ply", path)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "splats.ply"
        plain.write_bytes(data)
        return read_ply(plain)


def convert_splats(path: Path, kind: str) -> bytes:
    """The bytes of the splat file path in format kind (one of FORMATS).

    Errors: InputError if it cannot be converted; MissingDependencyError without gaussforge.
    """
    return _converted(path.read_bytes(), format_of(path), kind, path)


def _converted(data: bytes, source: str, target: str, path: Path) -> bytes:
    try:
        import gaussforge  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingDependencyError(
            f"The format {source if target == 'ply' else target} needs the package gaussforge",
            got="it is not installed",
            do=_INSTALL,
        ) from error
    with _stdout_to_stderr():
        result: dict[str, Any] = gaussforge.GaussForge().convert(data, source, target)
    if "error" in result or not result.get("data"):
        raise InputError(
            f"{path.name} cannot be converted from {source} to {target}",
            got=str(result.get("error", "an empty file")),
            do="Check that the file is whole and its ending names its format",
        )
    return result["data"]


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """gaussforge prints from C++; stdout belongs to the JSON line of the command."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)

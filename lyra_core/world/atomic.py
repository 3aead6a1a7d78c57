# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lyra_core.errors import WorldError

__all__ = ["atomic_path", "digest_file", "remove_leftovers", "require_free_space", "write_bytes", "write_text"]

TEMPORARY_MARK = ".part-"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside path (same suffix); renamed to path on success, deleted on failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY_MARK}{os.getpid()}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise WorldError(
            f"Cannot write {path.name}", got=str(error), do="Free disk space or check permissions; then use --resume"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write data to path atomically and flush it to the disk."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write text (UTF-8) to path atomically."""
    write_bytes(path, text.encode())


def digest_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        read: Callable[[], bytes] = lambda: file.read(1 << 20)  # noqa: E731 - iter needs a callable
        for block in iter(read, b""):
            hasher.update(block)
    return hasher.hexdigest()


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files that a killed run left behind."""
    for path in folder.rglob(f"{TEMPORARY_MARK}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def require_free_space(folder: Path, needed: int) -> None:
    """Raise WorldError if the disk that holds folder has less than needed bytes free."""
    probe = folder
    while not probe.exists():
        probe = probe.parent
    free = shutil.disk_usage(probe).free
    if free < needed:
        raise WorldError(
            "Not enough free disk space for this run",
            got=f"{free / 1e6:.0f} MB free in {folder}, about {needed / 1e6:.0f} MB needed",
            do="Free space, choose another --out, or fewer --frames",
        )

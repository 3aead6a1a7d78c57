# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""manifest.json: what a world is made of. A chunk counts only when its digests stand here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lyra_core.errors import WorldError
from lyra_core.world.atomic import write_text

__all__ = ["SCHEMA_VERSION", "ChunkRecord", "Manifest", "SegmentRecord", "read_manifest", "write_manifest"]

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class ChunkRecord:
    """A finished chunk: frames first..stop-1 and the digest of each of its files (path relative to the world)."""

    index: int
    first: int
    stop: int
    files: dict[str, str]


@dataclass(frozen=True)
class SegmentRecord:
    """One generate or extend step: frames first..stop-1, where the path came from, and its options."""

    first: int
    stop: int
    path: str
    options: dict[str, Any] = field(default_factory=dict)
    captions: dict[str, str] = field(default_factory=dict)
    limits: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Manifest:
    """The record of a world.

    Attributes
    ----------
    config: the settings of the run.
    photo: file name and digest of the photo.
    seed_view: lens, scale and level of the photo with their sources and confidences.
    models: name (and weight digest) of each model used.
    versions: of this package and of the libraries that shape the result.
    segments: generate and extend steps in order; revert removes from the end.
    chunks: finished chunks in order; chunk 0 is the photo.
    outputs: digest of each derived file, and under "built_from" the digest of the chunks they were made from.
    timings: seconds per stage of the last run.
    """

    config: dict[str, Any]
    photo: dict[str, str]
    seed_view: dict[str, Any]
    models: dict[str, Any]
    versions: dict[str, str]
    segments: list[SegmentRecord]
    chunks: list[ChunkRecord]
    outputs: dict[str, str] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json atomically."""
    write_text(folder / "manifest.json", json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """Read manifest.json; raises WorldError if it is missing, damaged or of a newer schema."""
    path = folder / "manifest.json"
    if not path.is_file():
        raise WorldError(
            "This folder is not a world (it has no manifest.json)",
            got=str(folder),
            do="Give a folder made by lyra generate",
        )
    try:
        data = json.loads(path.read_text())
        version = data["schema_version"]
        if version > SCHEMA_VERSION:
            raise WorldError(
                "This world was made by a newer version",
                got=f"schema {version}, known up to {SCHEMA_VERSION}",
                do="Upgrade lyra-worldgen",
            )
        data["segments"] = [SegmentRecord(**s) for s in data["segments"]]
        data["chunks"] = [ChunkRecord(**c) for c in data["chunks"]]
        return Manifest(**data)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise WorldError(
            "manifest.json is damaged", got=str(error), do="Restore it from a copy, or generate the world again"
        ) from error

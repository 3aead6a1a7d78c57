# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The world folder: create, resume, extend, revert."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lyra_core.errors import WorldError
from lyra_core.types import Frame
from lyra_core.world.atomic import digest_file, remove_leftovers, require_free_space
from lyra_core.world.frames import FrameSequence, write_chunk
from lyra_core.world.manifest import Manifest, SegmentRecord, read_manifest, write_manifest
from lyra_core.world.plan import settle_plan

__all__ = ["WorldFolder", "check_writable"]

_BYTES_PER_PIXEL = 6  # PNG and compressed depth of one frame, with room for the derived files


def check_writable(folder: Path, *, frames: int, pixels: int, resume: bool) -> None:
    """Refuse an output folder that cannot take a run, before any work.

    Raises WorldError if the folder holds other files, holds a world and resume is not asked, cannot be
    written, or its disk is too full.
    """
    if folder.exists() and not folder.is_dir():
        raise WorldError("The output must be a folder", got=f"a file: {folder}", do="Choose another --out")
    if folder.is_dir() and any(folder.iterdir()) and not resume:
        is_world = (folder / "manifest.json").is_file()
        raise WorldError(
            "The output folder is not empty",
            got=str(folder),
            do="Continue it with --resume, or choose another --out" if is_world else "Choose another --out",
        )
    probe = folder
    while not probe.exists():
        probe = probe.parent
    if not os.access(probe, os.W_OK) or not probe.is_dir():
        raise WorldError("The output folder cannot be written", got=str(probe), do="Choose another --out")
    require_free_space(folder, frames * pixels * _BYTES_PER_PIXEL)


class WorldFolder:
    """A world on disk. Every change of the manifest is one atomic rename."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest

    @staticmethod
    def create(folder: Path, manifest: Manifest) -> WorldFolder:
        """Start a new world."""
        folder.mkdir(parents=True, exist_ok=True)
        write_manifest(folder, manifest)
        return WorldFolder(folder, manifest)

    @staticmethod
    def open(folder: Path) -> WorldFolder:
        """Open an existing world and clear what a killed run left half-written."""
        world = WorldFolder(folder, read_manifest(folder))
        settle_plan(folder)
        remove_leftovers(folder)
        return world

    @property
    def frames(self) -> FrameSequence:
        """All finished frames, read when needed."""
        return FrameSequence(self.folder, self.manifest.chunks)

    @property
    def frame_count(self) -> int:
        """Finished frames."""
        return self.manifest.chunks[-1].stop if self.manifest.chunks else 0

    @property
    def content_digest(self) -> str:
        """Digest of all finished chunks: what the derived files are made from."""
        lines = [f"{name} {digest}" for c in self.manifest.chunks for name, digest in sorted(c.files.items())]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def is_built(self) -> bool:
        """True if the derived files belong to the present chunks."""
        return self.manifest.outputs.get("built_from") == self.content_digest

    def update(self, manifest: Manifest) -> None:
        """Replace the manifest."""
        write_manifest(self.folder, manifest)
        self.manifest = manifest

    def add_chunk(self, index: int, frames: Sequence[Frame]) -> None:
        """Write a finished chunk, then count it."""
        record = write_chunk(self.folder, index, frames)
        kept = [c for c in self.manifest.chunks if c.index != index]
        self.update(replace(self.manifest, chunks=[*kept, record]))

    def drop_damaged(self) -> int:
        """Forget chunks whose files are missing or changed, and all after them; return how many were dropped."""
        good: list = []
        for chunk in self.manifest.chunks:
            intact = all(
                (self.folder / name).is_file() and digest_file(self.folder / name) == digest
                for name, digest in chunk.files.items()
            )
            if not intact:
                break
            good.append(chunk)
        dropped = len(self.manifest.chunks) - len(good)
        if dropped:
            self.update(replace(self.manifest, chunks=good))
        return dropped

    def add_segment(self, segment: SegmentRecord) -> None:
        """Record an extend step before its chunks are made."""
        self.update(replace(self.manifest, segments=[*self.manifest.segments, segment]))

    def revert(self, steps: int) -> None:
        """Remove the last segments with their frames. The first segment (the photo's own run) stays.

        Raises WorldError if there are not that many segments to remove.
        """
        removable = len(self.manifest.segments) - 1
        if steps < 1 or steps > removable:
            raise WorldError(
                "There are not that many steps to take back",
                got=f"--steps {steps}; this world has {removable} extend step(s)",
                do="Use a smaller --steps, or generate a new world" if removable else "Generate a new world instead",
            )
        segments = self.manifest.segments[:-steps]
        stop = segments[-1].stop
        kept = [c for c in self.manifest.chunks if c.stop <= stop]
        gone = [c for c in self.manifest.chunks if c.stop > stop]
        # The manifest goes first: files that it does not name are only litter.
        self.update(replace(self.manifest, segments=segments, chunks=kept, outputs={}))
        for chunk in gone:
            for name in chunk.files:
                (self.folder / name).unlink(missing_ok=True)

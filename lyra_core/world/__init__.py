# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The world folder: manifest, digests, atomic writes, resume, history of segments."""

from lyra_core.world.atomic import atomic_path, digest_file, write_text
from lyra_core.world.folder import WorldFolder, check_writable
from lyra_core.world.frames import FrameSequence, rgb_name
from lyra_core.world.manifest import ChunkRecord, Manifest, SegmentRecord, read_manifest

__all__ = [
    "ChunkRecord",
    "FrameSequence",
    "Manifest",
    "SegmentRecord",
    "WorldFolder",
    "atomic_path",
    "check_writable",
    "digest_file",
    "read_manifest",
    "rgb_name",
    "write_text",
]

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Camera paths that come from and go to a browser, as bytes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lyra_core.explorer.uploads import check_path_file, safe_name
from lyra_core.generation.plan import CHUNK_FRAMES
from lyra_core.geometry import inverse, quat_from_matrix
from lyra_core.trajectory import LoadedPath, load_path, save_lyra, save_nerfstudio, save_tum
from lyra_core.trajectory.lyra2_gui import GuiPath, write_gui_path
from lyra_core.types import Camera, CameraPath

__all__ = ["read_uploaded", "saved_bytes"]


def read_uploaded(name: str, data: bytes, anchor: Camera, *, fps: float) -> LoadedPath:
    """An uploaded path (Lyra npz or viewer JSON, nerfstudio JSON, TUM), moved so that it starts at the anchor. Raises LyraError."""
    ending = check_path_file(name, data)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / f"{safe_name(name, 'path')}{ending}"
        file.write_bytes(data)
        return load_path(file, size=(anchor.width, anchor.height), start=anchor, relative=True, fps=fps)


def saved_bytes(kind: str, path: CameraPath, captions: Sequence[str]) -> tuple[str, bytes]:
    """File name and content of a path as lyra, gui (JSON of Lyra 2's viewer), nerfstudio or tum.

    captions: texts of its chunks; only lyra holds them, and then it is a zip of trajectory.npz and captions.json.
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "path"
        place.mkdir()
        if kind == "lyra":
            save_lyra(place, path, {(CHUNK_FRAMES * i + 1 if i else 0): t for i, t in enumerate(captions) if t})
            file = place / "trajectory.npz"
            if any(captions):
                file = Path(shutil.make_archive(str(Path(scratch) / "lyra_path"), "zip", place))
        elif kind == "gui":
            file = place / "cam.json"
            write_gui_path(file, _viewer_path(path))
        elif kind == "nerfstudio":
            file = place / "transforms.json"
            save_nerfstudio(file, path)
        else:
            file = place / "trajectory.txt"
            save_tum(file, path)
        return file.name, file.read_bytes()


def _viewer_path(path: CameraPath) -> GuiPath:
    """Every view as a keyframe of a straight (order 1) path, relative to the first camera."""
    poses = inverse(path.world_from_camera[0]) @ path.world_from_camera
    quats = np.roll(quat_from_matrix(poses[:, :3, :3]), -1, axis=1)  # x y z w
    fovs = np.degrees(2 * np.arctan(0.5 * path.height / path.intrinsics[:, 1, 1]))
    times = (np.arange(len(path), dtype=np.float64) + 1) / path.fps
    return GuiPath(quats, poses[:, :3, 3], fovs, times, order=1, seconds=len(path) / path.fps)

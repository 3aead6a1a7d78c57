# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Camera paths from and to files: Lyra 2's trajectory.npz and viewer JSON, nerfstudio's transforms.json, TUM text.

Worlds. Lyra 2 files live in the y-down frame of their first camera; the others in any world. A loaded path is carried
over so that its first frame is the photo's camera. A file is taken without asking if its first pose is the identity of
its own world, or already the photo's pose in ours; anything else starts elsewhere and is refused unless the caller asks
for it (relative=True).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import PathError
from lyra_core.geometry import ZUP_FROM_RDF, fov_from_focal, inverse, rotvec_from_matrix
from lyra_core.trajectory.lyra2 import (
    LyraTrajectory,
    read_captions,
    read_trajectory,
    stored_from_lyra,
    write_captions,
    write_trajectory,
)
from lyra_core.trajectory.lyra2_gui import is_gui_path, read_gui_path, stored_from_gui
from lyra_core.trajectory.nerfstudio import read_nerfstudio, write_nerfstudio
from lyra_core.trajectory.stored import StoredPath, read_json
from lyra_core.trajectory.tum import read_tum, write_tum
from lyra_core.types import Camera, CameraPath

__all__ = ["LoadedPath", "load_path", "save_lyra", "save_nerfstudio", "save_tum"]

_F = NDArray[np.float64]

_SAME_PLACE = 1e-3  # m; Lyra 2's examples are within 2e-4 of the identity
_SAME_VIEW = 0.1  # degrees
_ASPECT = 0.05  # 1280x720 on 832x480 differs by 2.6 %


@dataclass(frozen=True, slots=True, eq=False)
class LoadedPath:
    """A camera path from a file, ready for the photo.

    Attributes
    ----------
    path: views in the Z-up world; frame 0 has exactly the photo's pose if a start was given.
    captions: frame number to caption, or None if there are none.
    kind: "lyra2", "nerfstudio" or "tum".
    messages: what the user should know (frames dropped, lens differs, ...).
    """

    path: CameraPath
    captions: dict[int, str] | None
    kind: str
    messages: tuple[str, ...]


def load_path(  # noqa: PLR0913 - keyword-only settings of one reader
    file: Path | str,
    *,
    size: tuple[int, int],
    start: Camera | None = None,
    frames: int | None = None,
    pose_scale: float = 1.0,
    relative: bool = False,
    lens: str = "file",
    stored_size: tuple[int, int] | None = None,
    captions: Path | str | None = None,
    fps: float = 16.0,
) -> LoadedPath:
    """Read a camera path.

    Parameters
    ----------
    file: trajectory.npz, a path JSON of Lyra 2's viewer, transforms.json, a TUM .txt, or a folder with one of the first two.
    size: (width, height) of the wanted views; intrinsics are rescaled to it.
    start: the photo's camera; None keeps the file's world (turned Z up for Lyra 2 files).
    frames: take the first so many; a shorter file gives fewer and a message.
    pose_scale: factor of all translations (Lyra 2's command line defaults to 1.1).
    relative: accept a path whose first pose is somewhere else, and move it to the photo.
    lens: "file", "photo" (the start camera's), or "stretch" (the file's, whatever its aspect).
    stored_size: (width, height) that the intrinsics belong to, if the file does not say.
    captions: captions.json; default the one beside a trajectory.npz.

    Raises
    ------
    PathError: unreadable, incomplete or broken file, or one that does not fit the photo.
    """
    if frames is not None and frames < 1:
        raise PathError("The number of frames must be 1 or more", got=repr(frames), do="Leave it out to take all")
    if not (math.isfinite(pose_scale) and pose_scale > 0):
        raise PathError("The pose scale must be a positive number", got=repr(pose_scale), do="Give e.g. 1.0")
    source = _find(Path(file))
    stored = _first(_read(source, stored_size, size, frames, fps), frames)
    messages = []
    if frames is not None and len(stored.world_from_camera) < frames:
        messages.append(f"{source.name} has {len(stored.world_from_camera)} frames, fewer than the {frames} asked for.")
    poses = _placed(stored, start, pose_scale, relative, source, messages)
    intrinsics = _lenses(stored, start, size, lens, source, messages)
    path = CameraPath(poses, intrinsics, size[0], size[1], fps)
    words = _captions(source, captions, stored.kind, len(path))
    return LoadedPath(path, words, stored.kind, tuple(messages))


def _find(file: Path) -> Path:
    if not file.is_dir():
        if not file.exists():
            raise PathError("The camera path file does not exist", got=str(file), do="Check the path")
        return file
    for name in ("trajectory.npz", "transforms.json"):
        if (file / name).is_file():
            return file / name
    raise PathError("The folder holds no camera path", got=str(file), do="It needs trajectory.npz or transforms.json")


def _read_json(file: Path, size: tuple[int, int], frames: int | None, fps: float) -> StoredPath:
    """Two formats end in .json; the viewer's keyframes are sampled to as many frames as are asked for."""
    if is_gui_path(read_json(file)):
        return stored_from_gui(read_gui_path(file), frames=frames, fps=fps, size=size)
    return read_nerfstudio(file)


def _read(
    file: Path, stored_size: tuple[int, int] | None, size: tuple[int, int], frames: int | None, fps: float
) -> StoredPath:
    readers: dict[str, Callable[[], StoredPath]] = {
        ".npz": lambda: stored_from_lyra(read_trajectory(file, stored_size=stored_size), file),
        ".json": lambda: _read_json(file, size, frames, fps),
        ".txt": lambda: read_tum(file),
        ".tum": lambda: read_tum(file),
    }
    if file.suffix.lower() not in readers:
        raise PathError(
            "This kind of camera path file is not known",
            got=file.name,
            do="Give trajectory.npz (Lyra 2), transforms.json (nerfstudio) or a TUM .txt",
        )
    return readers[file.suffix.lower()]()


def _first(stored: StoredPath, frames: int | None) -> StoredPath:
    if frames is None:
        return stored
    lenses = None if stored.intrinsics is None else stored.intrinsics[:frames]
    return replace(stored, world_from_camera=stored.world_from_camera[:frames], intrinsics=lenses)


def _differs(a: _F, b: _F) -> tuple[float, float]:
    """Distance [m] and angle [deg] between two poses (4, 4)."""
    turn = np.linalg.norm(rotvec_from_matrix(a[:3, :3] @ b[:3, :3].T))
    return float(np.linalg.norm(a[:3, 3] - b[:3, 3])), float(np.degrees(turn))


def _placed(
    stored: StoredPath, start: Camera | None, pose_scale: float, relative: bool, source: Path, messages: list[str]
) -> _F:
    """Poses (N, 4, 4) in our world."""
    poses = stored.world_from_camera.copy()
    poses[:, :3, 3] *= pose_scale
    if start is None:
        return ZUP_FROM_RDF @ poses if stored.kind == "lyra2" else poses
    identity = _differs(stored.world_from_camera[0], np.eye(4))
    ours = _differs(poses[0], start.world_from_camera)
    at_photo = any(move <= _SAME_PLACE and turn <= _SAME_VIEW for move, turn in (identity, ours))
    if not at_photo and not relative:
        raise PathError(
            f"The path in {source.name} starts elsewhere than the photo",
            got=f"its first camera is {identity[0]:.3g} m and {identity[1]:.3g} deg from its own origin",
            do="Ask for alignment (relative=True, --align) to move the whole path so that it starts at the photo",
        )
    if not at_photo:
        messages.append(f"The path was moved by {ours[0]:.2f} m and {ours[1]:.1f} deg to start at the photo.")
    out = start.world_from_camera @ inverse(poses[0]) @ poses
    out[0] = start.world_from_camera
    return out


def _lenses(
    stored: StoredPath, start: Camera | None, size: tuple[int, int], lens: str, source: Path, messages: list[str]
) -> _F:
    """Intrinsics (N, 3, 3) for images of size."""
    count = len(stored.world_from_camera)
    if lens not in ("file", "photo", "stretch"):
        raise PathError(
            "The lens is taken from one of: file, photo, stretch", got=repr(lens), do="Use file, photo or stretch"
        )
    own = None if start is None else start.resized(*size).intrinsics
    if lens == "photo" or stored.intrinsics is None:
        if own is None:
            raise PathError(
                f"{source.name} gives no lens" if lens != "photo" else "The photo's lens is not known",
                got="no intrinsics and no start camera",
                do="Give the photo's camera, or a field of view (--fov)",
            )
        return np.repeat(own[None], count, axis=0)
    if stored.distortion > 1e-6 and lens == "file":
        raise PathError(
            f"{source.name} describes a lens with distortion; only straight (pinhole) lenses are drawn",
            got=f"coefficient {stored.distortion:.3g}",
            do="Undistort the images, or use only the path with the photo's lens (lens='photo')",
        )
    scaled = _rescaled(stored, size, lens, source)
    if own is not None and abs(scaled[0, 0, 0] / own[0, 0] - 1) > 0.02:
        widths = (fov_from_focal(scaled[0, 0, 0], size[0]), fov_from_focal(own[0, 0], size[0]))
        messages.append(
            f"The file's lens is {widths[0]:.1f} deg wide, the photo's was taken as {widths[1]:.1f} deg; "
            "the file's is used."
        )
    return scaled


def _rescaled(stored: StoredPath, size: tuple[int, int], lens: str, source: Path) -> _F:
    assert stored.intrinsics is not None
    if stored.size is None:
        raise PathError(
            f"{source.name} does not say for which image size its intrinsics are",
            got="no image_height and image_width",
            do="Add them to the file, or give the size (stored_size, --path-size 1280x720)",
        )
    k, (width, height) = stored.intrinsics, stored.size
    if not np.isfinite(k).all() or (k[:, [0, 1], [0, 1]] <= 0).any():
        raise PathError(
            f"Focal lengths in {source.name} must be positive pixels",
            got="zero, negative or NaN",
            do="Give fx and fy in pixels of the stored image size",
        )
    outside = (k[:, :2, 2] <= 0).any() or (k[:, 0, 2] >= width).any() or (k[:, 1, 2] >= height).any()
    if outside:
        raise PathError(
            f"The intrinsics in {source.name} are not for the image size that it names",
            got=f"principal point ({k[0, 0, 2]:.0f}, {k[0, 1, 2]:.0f}) in {width}x{height}",
            do="Correct image_width and image_height in the file",
        )
    mismatch = abs(math.log((size[0] / size[1]) / (width / height)))
    if mismatch > _ASPECT and lens != "stretch":
        raise PathError(
            f"The intrinsics in {source.name} are for pictures of another shape",
            got=f"{width}x{height} in the file, {size[0]}x{size[1]} wanted",
            do=f"Crop the photo to {width}:{height}, use the photo's own lens (lens='photo', --lens photo), "
            "or stretch the file's (lens='stretch', --lens stretch)",
        )
    return np.diag([size[0] / width, size[1] / height, 1.0]) @ k


def _captions(source: Path, given: Path | str | None, kind: str, frames: int) -> dict[int, str] | None:
    if given is not None:
        return read_captions(Path(given), frames=frames)
    beside = source.with_name("captions.json")
    return read_captions(beside, frames=frames) if kind == "lyra2" and beside.is_file() else None


def save_lyra(folder: Path | str, path: CameraPath, captions: Mapping[int, str] | None = None) -> None:
    """Write trajectory.npz (and captions.json) for Lyra 2 into folder, relative to the first camera."""
    relative = inverse(inverse(path.world_from_camera[0]) @ path.world_from_camera)
    relative[0] = np.eye(4)
    trajectory = LyraTrajectory(
        relative.astype(np.float32), path.intrinsics.astype(np.float32), (path.width, path.height)
    )
    write_trajectory(Path(folder) / "trajectory.npz", trajectory)
    if captions:
        write_captions(Path(folder) / "captions.json", captions)


def save_nerfstudio(file: Path | str, path: CameraPath, names: Sequence[str] | None = None) -> None:
    """Write a transforms.json in our Z-up world; names are the images' (default frames/frame_00000.png, ...)."""
    write_nerfstudio(Path(file), path, names=names)


def save_tum(file: Path | str, path: CameraPath) -> None:
    """Write a TUM trajectory in our Z-up world, timestamps i / fps."""
    write_tum(Path(file), path)

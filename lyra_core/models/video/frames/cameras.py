# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The cameras that belong to given frames: found beside them, counted, and fitted to the working picture.

A picture of the source is scaled and cut to the working size as the photo is; its lens goes with it exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError, PathError
from lyra_core.models.video.frames.source import FrameSource
from lyra_core.trajectory import load_path
from lyra_core.types import CameraPath

__all__ = ["FittedLens", "GivenCameras", "find_cameras", "fitted_lens", "fitted_picture", "read_cameras"]

_BESIDE = ("trajectory.npz", "transforms.json", "frames/transforms.json", "frames/trajectory.npz")


@dataclass(frozen=True, slots=True, eq=False)
class GivenCameras:
    """Cameras of the frames.

    Attributes
    ----------
    path: N views at the size of the source, in the world of their file (Z up if the file is Lyra 2's).
    kind: "lyra2", "nerfstudio" or "tum". captions: frame number to text. notes: for the user.
    """

    path: CameraPath
    kind: str
    captions: dict[int, str]
    notes: tuple[str, ...]


def find_cameras(source: FrameSource) -> Path:
    """The camera file that lies with the frames. InputError, naming what was looked for, if there is none."""
    if source.cameras is not None:
        return source.cameras
    folder = source.place.parent if source.is_film else source.place
    beside = [folder / name for name in _BESIDE]
    if source.is_film:
        stem = source.place.stem
        beside = [folder / f"{stem}.npz", folder / f"{stem}.json", *beside]
    found = next((p for p in beside if p.is_file()), None)
    if found is None:
        raise InputError(
            "The frames need their cameras",
            got=f"none of {', '.join(p.name for p in beside)} in {folder}",
            do="Give --path trajectory.npz (Lyra 2), transforms.json (nerfstudio) or a TUM .txt",
        )
    return found


def read_cameras(
    file: Path, source: FrameSource, *, frames: int | None = None, fps: float = 16.0, photo: bool = False
) -> GivenCameras:
    """The cameras of file, one for each frame.

    Parameters
    ----------
    frames: only the first so many frames (the photo included). photo: frame 0 is a photo that may not be in the source.

    Raises PathError for a file that cannot be used, InputError if its poses do not fit the frames in number. Poses
    beyond the last frame are left out only for a Lyra 2 trajectory, whose films are often shorter.
    """
    loaded = load_path(file, size=source.size, lens="file", fps=fps)
    poses, kind = len(loaded.path), loaded.kind
    count = source.count
    # A film without its seed picture (Lyra 2's viewer) has one frame less than there are poses.
    lacks_first = photo and poses == count + 1
    count += 1 if lacks_first else 0
    if frames is not None:
        if frames > count:
            raise InputError("There are fewer frames than asked for", got=f"{frames} asked, {count} there",
                             do=f"Use --frames {count}, or leave it out")  # fmt: skip
        count = frames
    if poses < count:
        raise InputError("Every frame needs a pose", got=f"{count} frames, {poses} poses in {file.name}",
                         do=f"Give the cameras of all frames, or --frames {poses}")  # fmt: skip
    notes = list(loaded.messages)
    if poses > count and frames is None:
        if kind != "lyra2":
            raise InputError("There are more poses than frames", got=f"{count} frames, {poses} poses in {file.name}",
                             do=f"Give all frames, or --frames {count} if the first ones are meant")  # fmt: skip
        notes.append(f"{file.name} has {poses} poses; the first {count} are those of the frames")
    captions = {k: v for k, v in (loaded.captions or {}).items() if k < count and v}
    return GivenCameras(loaded.path.segment(0, count), kind, captions, tuple(notes))


@dataclass(frozen=True, slots=True)
class FittedLens:
    """How a source picture becomes the working picture: scaled by `scale`, then `left`, `top` [working px] cut off."""

    scale: float
    left: float
    top: float
    width: int
    height: int

    def intrinsics(self, source: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 3, 3) K of the working picture for K of the source."""
        move = np.array([[self.scale, 0, -self.left], [0, self.scale, -self.top], [0, 0, 1.0]])
        return move @ source


def fitted_lens(size: tuple[int, int], target: tuple[int, int]) -> FittedLens:
    """The source size (width, height) covers the target exactly, centred; PathError if a tenth of it would be cut."""
    scale = max(target[0] / size[0], target[1] / size[1])
    left, top = (size[0] * scale - target[0]) / 2, (size[1] * scale - target[1]) / 2
    if max(2 * left / (size[0] * scale), 2 * top / (size[1] * scale)) > 0.1:
        raise PathError("The frames have another shape than the photo",
                        got=f"frames {size[0]}x{size[1]}, working picture {target[0]}x{target[1]}",
                        do="Crop the photo as the frames are, or leave it out: the first frame is taken")  # fmt: skip
    return FittedLens(scale, left, top, *target)


def fitted_picture(image: NDArray[np.uint8], lens: FittedLens) -> NDArray[np.float32]:
    """(H, W, 3) float32 sRGB in [0, 1] at the working size, resampled as the photo is."""
    from PIL import Image

    left, top = lens.left / lens.scale, lens.top / lens.scale
    box = (left, top, left + lens.width / lens.scale, top + lens.height / lens.scale)
    small = Image.fromarray(image).resize((lens.width, lens.height), Image.Resampling.LANCZOS, box=box)
    return np.asarray(small, dtype=np.float32) / np.float32(255)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""`frames`: a film or pictures that exist already, with their cameras, as a video model of the chunk loop.

The loop does the rest as for any model: depth of each frame from the depth model, joined to what the memory knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lyra_core.errors import ModelError
from lyra_core.models.protocols import ModelProgress, VideoRequest
from lyra_core.models.video.frames.cameras import (
    GivenCameras,
    find_cameras,
    fitted_lens,
    fitted_picture,
    read_cameras,
)
from lyra_core.models.video.frames.source import FrameReader, FrameSource, find_source
from lyra_core.types import Frame

__all__ = ["SCALES", "GivenFrames"]

SCALES = ("depth", "poses", "none")
"""Which metres hold: of the depth of frame 0, of the camera file, or neither is touched."""


class GivenFrames:
    """Frames of the user.

    Parameters
    ----------
    source: film or folder; see source.find_source.
    cameras: camera file; by default the one beside the frames.
    count: only the first so many frames.
    scale: "depth" brings the cameras to the metres of the first frame's depth, "poses" the depth to those of the
        camera file; what the two disagree by is measured from the frames' own parallax. "none" takes both as they are.
    digest: of the source when the run began; a changed source is refused. photo: frame 0 is a photo of its own.
    """

    name = "frames"
    provides_depth = False

    def __init__(
        self, *, source: str | Path | None = None, cameras: str | Path | None = None, count: int | None = None,
        scale: str = "depth", digest: str | None = None, photo: bool = False, fps: float = 16.0,
    ) -> None:  # fmt: skip
        if scale not in SCALES:
            raise ModelError("Unknown scale of the frames", got=scale, do=f"Use one of {', '.join(SCALES)}")
        self._place, self._cameras, self._count = source, cameras, count
        self.scale, self._digest, self._photo, self._fps = scale, digest, photo, fps

    @cached_property
    def source(self) -> FrameSource:
        """The frames; InputError if they cannot be used, ModelError if none were named or they are others than before."""
        if self._place is None:
            raise ModelError("The video model 'frames' needs frames",
                             do="lyra generate FILM_OR_FOLDER --model frames [--path CAMERAS] --out WORLD, "
                                "or PHOTO with --set frames.source=FILM_OR_FOLDER")  # fmt: skip
        found = find_source(Path(self._place))
        if self._digest is not None and found.digest != self._digest:
            raise ModelError("The frames have changed since this world was begun", got=str(self._place),
                             do="Give the same frames, or make a new world")  # fmt: skip
        return found

    @cached_property
    def camera_file(self) -> Path:
        """The file that the cameras come from."""
        return Path(self._cameras) if self._cameras else find_cameras(self.source)

    @cached_property
    def cameras(self) -> GivenCameras:
        """One camera a frame, at the size of the source; errors as of cameras.read_cameras."""
        return read_cameras(self.camera_file, self.source, frames=self._count, fps=self._fps, photo=self._photo)

    @property
    def count(self) -> int:
        """Frames of the world, the first included."""
        return len(self.cameras.path)

    @cached_property
    def _reader(self) -> FrameReader:
        return FrameReader(self.source)

    @cached_property
    def _shift(self) -> int:
        """1 if frame 0 is a photo that the source does not hold."""
        return 1 if self._photo and self.count > self.source.count else 0

    def picture(self, index: int, size: tuple[int, int]) -> np.ndarray:
        """(H, W, 3) float32 sRGB of frame index of the world at this working (width, height)."""
        return fitted_picture(self._reader.read(index - self._shift), fitted_lens(self.source.size, size))

    def check_frames(self, total: int) -> None:
        """ModelError unless there are as many frames and cameras as the path has."""
        if total != self.count:
            raise ModelError("The path must have as many frames as were given", got=f"{total}, {self.count} given",
                             do=f"Use --frames {self.count}, or leave it out")  # fmt: skip

    def record(self) -> dict[str, Any]:
        """What the manifest keeps."""
        return {"video_source": self.source.place.name, "video_source_sha256": self.source.digest,
                "video_cameras": f"{self.camera_file.name} ({self.cameras.kind})"}  # fmt: skip

    def generate(self, request: VideoRequest) -> Iterator[Frame | ModelProgress]:
        """Yield the given frames of the request, without depth; see VideoModel.generate."""
        width, height = request.cameras.width, request.cameras.height
        nothing = np.zeros((height, width), bool)
        for i, camera in enumerate(request.cameras):
            index = request.first_index + i
            rgb = self.picture(index, (width, height))
            yield Frame(index, rgb, np.zeros((height, width), np.float32), nothing, camera, ~nothing)
            yield ModelProgress("frames", i + 1, len(request.cameras))

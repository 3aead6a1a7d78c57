# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Frames on disk: PNG colour, and one npz of geometry per chunk.

frames/rgb/00042.png        8-bit sRGB
frames/chunk_001.npz        per frame f: depth_f (H, W) float32 metres, masks_f (2, ceil(H*W/8)) packed bits of
                            sky and owned, pose_f (4, 4) and k_f (3, 3) float64
"""

from __future__ import annotations

import io
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import WorldError
from lyra_core.types import Camera, Frame
from lyra_core.world.atomic import atomic_path, digest_file, write_bytes
from lyra_core.world.manifest import ChunkRecord

__all__ = ["FrameSequence", "rgb_name", "write_chunk"]

_CACHED_FRAMES = 24
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # fixed, so that equal content gives equal bytes


def rgb_name(index: int) -> str:
    """Path of a frame's picture relative to the world folder."""
    return f"frames/rgb/{index:05d}.png"


def _geometry_name(chunk: int) -> str:
    return f"frames/chunk_{chunk:03d}.npz"


def _encode_png(rgb: NDArray[np.float32]) -> bytes:
    import cv2

    bgr = np.ascontiguousarray(np.rint(rgb * 255.0).astype(np.uint8)[..., ::-1])
    ok, data = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not ok:
        raise WorldError("A frame could not be encoded as PNG", do="Check the free memory; then --resume")
    return data.tobytes()


def _npy_bytes(array: NDArray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _members(frame: Frame) -> list[tuple[str, bytes]]:
    masks = np.stack([np.packbits(frame.sky), np.packbits(frame.owned)])
    tag = f"{frame.index:05d}"
    return [
        (f"depth_{tag}.npy", _npy_bytes(frame.depth)),
        (f"masks_{tag}.npy", _npy_bytes(masks)),
        (f"pose_{tag}.npy", _npy_bytes(frame.camera.world_from_camera)),
        (f"k_{tag}.npy", _npy_bytes(frame.camera.intrinsics)),
    ]


def write_chunk(folder: Path, index: int, frames: Sequence[Frame]) -> ChunkRecord:
    """Write the frames of one chunk and return its record with the digests."""
    with ThreadPoolExecutor(2) as pool:
        pictures = pool.map(lambda f: (rgb_name(f.index), _encode_png(f.rgb)), frames)
        for name, data in pictures:
            write_bytes(folder / name, data)
    geometry = _geometry_name(index)
    with (
        atomic_path(folder / geometry) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for frame in frames:
            for name, data in _members(frame):
                archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), data, zipfile.ZIP_DEFLATED, 1)
    names = [geometry, *(rgb_name(f.index) for f in frames)]
    return ChunkRecord(
        index, frames[0].index, frames[-1].index + 1, {name: digest_file(folder / name) for name in names}
    )


class FrameSequence(Sequence[Frame]):
    """The frames of a world, read from disk when asked for; the last few stay in memory."""

    def __init__(self, folder: Path, chunks: Iterable[ChunkRecord]) -> None:
        self._folder = folder
        self._chunk_of: dict[int, int] = {}
        for chunk in chunks:
            for i in range(chunk.first, chunk.stop):
                self._chunk_of[i] = chunk.index
        self._cache: OrderedDict[int, Frame] = OrderedDict()

    def __len__(self) -> int:
        return len(self._chunk_of)

    @overload
    def __getitem__(self, index: int) -> Frame: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Frame]: ...

    def __getitem__(self, index: int | slice) -> Frame | Sequence[Frame]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        if index not in self._chunk_of:
            raise IndexError(index)
        if index in self._cache:
            self._cache.move_to_end(index)
        else:
            self._cache[index] = self._read(index)
            if len(self._cache) > _CACHED_FRAMES:
                self._cache.popitem(last=False)
        return self._cache[index]

    def camera(self, index: int) -> Camera:
        """The view of a frame (reads the whole frame if it is not in memory)."""
        return self[index].camera

    def _read(self, index: int) -> Frame:
        import cv2

        picture = self._folder / rgb_name(index)
        bgr = cv2.imread(str(picture), cv2.IMREAD_COLOR)
        if bgr is None:
            raise WorldError(
                "A frame's picture is missing or damaged", got=str(picture), do="Run lyra generate --resume"
            )
        rgb = bgr[..., ::-1].astype(np.float32) / np.float32(255.0)
        height, width = rgb.shape[:2]
        tag = f"{index:05d}"
        try:
            with np.load(self._folder / _geometry_name(self._chunk_of[index]), allow_pickle=False) as data:
                masks = np.unpackbits(data[f"masks_{tag}"], axis=1, count=height * width).astype(bool)
                masks = masks.reshape(2, height, width)
                camera = Camera(data[f"k_{tag}"], data[f"pose_{tag}"], width, height)
                return Frame(index, rgb, data[f"depth_{tag}"], masks[0], camera, masks[1])
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise WorldError(
                "A chunk's geometry is missing or damaged", got=str(error), do="Run lyra generate --resume"
            ) from error

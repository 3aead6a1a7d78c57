# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A film or a folder of pictures, frame by frame.

Found in a folder, in this order: the pictures that its transforms.json names; pictures in frames/rgb (our worlds), rgb,
images, frames, or in the folder itself; one film (full_video.mp4 of Lyra 2's viewer before its parts).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError

__all__ = ["FILMS", "PICTURES", "FrameReader", "FrameSource", "find_source"]

FILMS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"})
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
_FOLDERS = ("frames/rgb", "rgb", "images", "frames", ".")
_LISTS = ("transforms.json", "frames/transforms.json")
_U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class FrameSource:
    """Where the frames are.

    Attributes
    ----------
    place: the film, or the folder that was named.
    files: the pictures in order; empty for a film.
    count: number of frames. size: (width, height) of each [px].
    digest: changes when another film or other pictures lie there.
    cameras: the transforms.json that names the pictures, or None.
    """

    place: Path
    files: tuple[Path, ...]
    count: int
    size: tuple[int, int]
    digest: str
    cameras: Path | None = None

    @property
    def is_film(self) -> bool:
        """True for a film, False for pictures."""
        return not self.files


def find_source(place: Path) -> FrameSource:
    """The frames in a film or a folder.

    Raises InputError if there are none, if it is not clear which are meant, or if they cannot be read or differ in size.
    """
    if place.is_file():
        if place.suffix.lower() not in FILMS:
            raise InputError("Frames come as a film or a folder of pictures", got=place.name,
                             do=f"Give one of {', '.join(sorted(FILMS))}, or a folder")  # fmt: skip
        return _film(place)
    if not place.is_dir():
        raise InputError("The frames are not there", got=str(place), do="Name a film, or a folder of pictures")
    listed = next((place / name for name in _LISTS if (place / name).is_file()), None)
    named = _listed(listed) if listed is not None else ()
    if named:
        return _pictures(place, named, listed)
    for folder in _FOLDERS:
        if (place / folder).is_dir():
            found = sorted((p for p in (place / folder).iterdir() if p.suffix.lower() in PICTURES), key=_natural)
            if found:
                return _pictures(place, tuple(found), None)
    return _film(_only_film(place))


def _only_film(place: Path) -> Path:
    films = sorted(p for p in place.iterdir() if p.suffix.lower() in FILMS)
    whole = [p for p in films if p.stem == "full_video"]
    if len(whole) == 1 or len(films) == 1:
        return (whole or films)[0]
    if films:
        raise InputError("The folder holds more than one film", got=", ".join(p.name for p in films[:6]),
                         do="Name the one that is meant")  # fmt: skip
    raise InputError("The folder holds neither pictures nor a film", got=str(place),
                     do="Put pictures into it (or into rgb/, images/, frames/), or name a film")  # fmt: skip


def _natural(path: Path) -> tuple[Any, ...]:
    """Sort key: frame_2 before frame_10."""
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.stem)), path.suffix


def _listed(file: Path) -> tuple[Path, ...]:
    """Pictures that a transforms.json names, in its order; none if it names none."""
    try:
        frames = json.loads(file.read_text(encoding="utf-8")).get("frames", [])
        names = [frame.get("file_path") for frame in frames]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{file.name} is not a nerfstudio transforms.json", got=str(error),
                         do="Export it again") from error  # fmt: skip
    if not names or any(not isinstance(name, str) for name in names):
        return ()
    found = [_picture(file.parent / name) for name in names]
    absent = [i for i, path in enumerate(found) if path is None]
    if len(absent) == len(found):
        return ()
    if absent:
        raise InputError(f"{len(absent)} of the {len(found)} pictures that {file.name} names are not there",
                         got=f"first: {names[absent[0]]}", do="Copy them beside it, or delete those frames")  # fmt: skip
    return tuple(path for path in found if path is not None)


def _picture(path: Path) -> Path | None:
    """The file, also where the name has no suffix (old Blender files)."""
    if path.is_file():
        return path
    return next((p for s in sorted(PICTURES) if (p := path.with_name(path.name + s)).is_file()), None)


def _pictures(place: Path, files: tuple[Path, ...], cameras: Path | None) -> FrameSource:
    from PIL import Image

    sizes: list[tuple[int, int]] = []
    hasher = hashlib.sha256()
    for file in files:
        try:
            with Image.open(file) as image:
                sizes.append(image.size)
        except OSError as error:
            raise InputError("A picture cannot be read", got=f"{file.name}: {error}", do="Export it again") from error
        hasher.update(f"{file.name} {file.stat().st_size}\n".encode())
    for file, size in zip(files, sizes, strict=True):
        if size != sizes[0]:
            raise InputError("All frames must have one size",
                             got=f"{files[0].name} is {sizes[0][0]}x{sizes[0][1]}, {file.name} {size[0]}x{size[1]}",
                             do="Export them in one size")  # fmt: skip
    return FrameSource(place, files, len(files), sizes[0], hasher.hexdigest(), cameras)


def _film(path: Path) -> FrameSource:
    """Counts by decoding: what a film's header says of its length is not to be trusted."""
    count, size = 0, (0, 0)
    for image in _decoded(path):
        size = (image.shape[1], image.shape[0])
        count += 1
    if count == 0:
        raise InputError("The film holds no picture", got=path.name, do="Export it again")
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return FrameSource(path, (), count, size, hasher.hexdigest())


def _decoded(path: Path) -> Iterator[_U8]:
    """(H, W, 3) uint8 sRGB, upright, one by one. InputError, with the frame reached, for a film that breaks off."""
    import av

    done = 0
    try:
        with av.open(os.fspath(path)) as container:
            if not container.streams.video:
                raise InputError("The file holds no film", got=path.name, do="Give an mp4 with pictures")
            container.streams.video[0].thread_type = "AUTO"
            for frame in container.decode(video=0):
                yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
                done += 1
    except (OSError, ValueError) as error:  # what PyAV's errors derive from
        raise InputError("The film is cut short or not a film", got=f"{path.name}, frame {done}: {error}",
                         do="Copy or export it again") from error  # fmt: skip


class FrameReader:
    """Frames of a source by number; going forward in a film costs one decoding each, going back starts it again."""

    def __init__(self, source: FrameSource) -> None:
        self.source = source
        self._film: Iterator[_U8] | None = None
        self._next = 0
        self._last: tuple[int, _U8] | None = None

    def read(self, index: int) -> _U8:
        """(H, W, 3) uint8 sRGB of frame index. Raises InputError if it cannot be read any more."""
        if not 0 <= index < self.source.count:
            raise InputError(
                "There is no such frame", got=f"frame {index} of {self.source.count}", do="Give all frames"
            )
        if self._last is None or self._last[0] != index:
            self._last = (index, self._decode(index) if self.source.is_film else self._open(index))
        return self._last[1]

    def _open(self, index: int) -> _U8:
        from PIL import Image

        file = self.source.files[index]
        try:
            with Image.open(file) as image:
                picture = np.asarray(image.convert("RGB"), dtype=np.uint8)
        except (OSError, ValueError, SyntaxError) as error:
            raise InputError("A picture cannot be read", got=f"{file.name}: {error}", do="Export it again") from error
        return picture

    def _decode(self, index: int) -> _U8:
        if self._film is None or index < self._next:
            self._film, self._next = _decoded(self.source.place), 0
        for image in self._film:
            self._next += 1
            if self._next == index + 1:
                return image
        raise InputError("The film has fewer frames than before", got=f"{self._next}", do="Give the same film")

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Clips in the layout that Lyra 2.0 is trained on: film, cameras, lens, depth, captions.

    ROOT/rgb/NAME.mp4            the film
    ROOT/pose/NAME.npz           data (N, 4, 4) camera to world (OpenCV), inds (N,) their frames
    ROOT/intrinsics/NAME.npz     data (N, 4) fx, fy, cx, cy [px], inds (N,)
    ROOT/depth/NAME.zip          one EXR a frame, 00000.exr ...; or NAME.npz with depth (N, H, W), data or depth
    ROOT/caption/NAME.json       first frame of a chunk to text; or NAME.npz, first frame to umT5 rows (L, C)

Depth is z-depth in the unit of the poses, 0 or not finite where there is none. Pickled embeddings, as the reference
keeps them, are not read: unpickling a downloaded file runs what it says.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.geometry import inverse
from lyra_core.models.depth.exr import read_exr
from lyra_core.models.video.frames.source import FrameReader, find_source

__all__ = ["Clip", "clip_names", "mirrored", "read_clip"]

_F32 = NDArray[np.float32]
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A clip at training size.

    Attributes
    ----------
    name: of its files.
    rgb: (N, H, W, 3) float32 in -1..1. depth: (N, H, W) float32, 0 where there is none.
    w2c: (N, 4, 4) float32 world to camera. intrinsics: (N, 3, 3) float32 pixels of (H, W).
    captions: first frame to text, or to umT5 rows (L, C) float32.
    """

    name: str
    rgb: _F32
    depth: _F32
    w2c: _F32
    intrinsics: _F32
    captions: dict[int, Any]

    def __len__(self) -> int:
        return len(self.rgb)

    def caption(self, first: int) -> Any:
        """The caption of the chunk that starts at this frame: that with the largest key not after it; "" if none."""
        keys = [key for key in self.captions if key <= first]
        return self.captions[max(keys)] if keys else ""


def clip_names(root: Path) -> list[str]:
    """Names of the clips in ROOT/rgb, sorted. InputError if there are none."""
    names = sorted(p.stem for p in (root / "rgb").glob("*.mp4"))
    if not names:
        raise InputError("There are no clips to train on", got=f"no rgb/*.mp4 in {root}",
                         do="Give a folder with rgb/, pose/, intrinsics/, depth/ and caption/")  # fmt: skip
    return names


def mirrored(count: int, available: int) -> list[int]:
    """`count` frame numbers of a clip that has `available`: to its end, back, and to its end again."""
    if available < 1:
        raise InputError("A clip needs frames", got="0", do="Leave it out")
    if available == 1:
        return [0] * count
    period = 2 * (available - 1)
    return [min(i % period, period - i % period) for i in range(count)]


def read_clip(root: Path, name: str, *, frames: int, size: tuple[int, int], stride: int = 2, first: int = 0) -> Clip:
    """`frames` frames of a clip, every stride-th from `first`, scaled to cover size = (width, height) and cut to it.

    Shorter clips are mirrored. Raises InputError, naming the file and frame, for what is missing or does not fit.
    """
    source = find_source(root / "rgb" / f"{name}.mp4")
    poses = _table(root / "pose" / f"{name}.npz", source.count, (4, 4))
    lenses = _table(root / "intrinsics" / f"{name}.npz", source.count, (4,))
    available = (source.count - first + stride - 1) // stride
    picks = [first + stride * i for i in mirrored(frames, available)]
    scale, left, top = _cover(source.size, size)
    reader = FrameReader(source)
    pictures: dict[int, _F32] = {}
    for i in sorted(set(picks)):  # forward, as films are decoded
        pictures[i] = _fitted(reader.read(i).astype(np.float32) / 127.5 - 1, scale, left, top, size, smooth=True)
    depth = _depths(root, name, sorted(set(picks)), source.size, (scale, left, top), size)
    k = np.zeros((frames, 3, 3))
    four = lenses[picks] * scale
    k[:, 0, 0], k[:, 1, 1] = four[:, 0], four[:, 1]
    k[:, 0, 2], k[:, 1, 2], k[:, 2, 2] = four[:, 2] - left, four[:, 3] - top, 1
    return Clip(
        name,
        np.stack([pictures[i] for i in picks]),
        np.stack([depth[i] for i in picks]),
        inverse(poses[picks]).astype(np.float32),
        k.astype(np.float32),
        _captions(root, name, first, stride),
    )


def _cover(source: tuple[int, int], target: tuple[int, int]) -> tuple[float, int, int]:
    """Scale that covers the target, and whole pixels cut off at the left and top."""
    scale = max(target[0] / source[0], target[1] / source[1])
    return scale, (round(source[0] * scale) - target[0]) // 2, (round(source[1] * scale) - target[1]) // 2


def _fitted(
    image: NDArray[Any], scale: float, left: int, top: int, size: tuple[int, int], *, smooth: bool
) -> NDArray[np.float32]:
    import cv2

    wide = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    how = (cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR) if smooth else cv2.INTER_NEAREST_EXACT
    out = cv2.resize(np.ascontiguousarray(image, np.float32), wide, interpolation=how)
    return np.ascontiguousarray(out[top : top + size[1], left : left + size[0]], np.float32)


def _table(file: Path, frames: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """data of an npz, one row for each frame of the film; inds says which rows are which."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            data = np.asarray(stored["data"], np.float64)
            inds = np.asarray(stored["inds"], np.int64) if "inds" in stored.files else np.arange(len(data))
    except FileNotFoundError as error:
        raise InputError("A clip lacks a file", got=str(file), do="Complete it, or leave the clip out") from error
    except _UNREADABLE as error:
        raise InputError(f"{file.name} cannot be read", got=f"{file}: {error}", do="It holds data and inds") from error
    if data.shape[1:] != shape or len(inds) != len(data) or not np.isfinite(data).all():
        raise InputError(f"data in {file.parent.name}/{file.name} must be finite, (N, {', '.join(map(str, shape))})",
                         got=f"{data.shape}, inds {inds.shape}", do="Export the clip again")  # fmt: skip
    row = np.full(frames, -1)
    inside = (inds >= 0) & (inds < frames)
    row[inds[inside]] = np.flatnonzero(inside)
    if (row < 0).any():
        raise InputError(f"Every frame needs its row in {file.parent.name}/{file.name}",
                         got=f"none for frame {int(np.argmax(row < 0))} of {frames}", do="Export the clip again")  # fmt: skip
    return data[row]


def _depths(
    root: Path, name: str, picks: Sequence[int], source: tuple[int, int], cut: tuple[float, int, int],
    size: tuple[int, int],
) -> dict[int, _F32]:  # fmt: skip
    packed, plain = root / "depth" / f"{name}.zip", root / "depth" / f"{name}.npz"
    out: dict[int, _F32] = {}
    try:
        if packed.is_file():
            with zipfile.ZipFile(packed) as archive, tempfile.TemporaryDirectory() as scratch:
                members = {int(Path(m).stem): m for m in archive.namelist() if Path(m).stem.isdigit()}
                for i in picks:
                    out[i] = _one_depth(archive.read(members[i]), members[i], Path(scratch))
        else:
            with np.load(plain, allow_pickle=False) as stored:
                stack = stored["depth" if "depth" in stored.files else "data"]
                out = {i: np.asarray(stack[i], np.float32) for i in picks}
    except FileNotFoundError as error:
        raise InputError("A clip lacks its depth", got=f"neither {packed} nor {plain.name}", do="Add it") from error
    except (*_UNREADABLE, IndexError) as error:
        raise InputError(f"The depth of {name} cannot be read", got=f"{type(error).__name__}: {error}",
                         do="Give one EXR or npy a frame in the zip, or depth (N, H, W) in the npz") from error  # fmt: skip
    for i, depth in out.items():
        if depth.ndim != 2 or abs(np.log(depth.shape[1] / depth.shape[0] / (source[0] / source[1]))) > 0.02:
            raise InputError(f"The depth of {name} must have the film's shape", got=f"frame {i}: {depth.shape}",
                             do="Export it for the whole picture")  # fmt: skip
        clean = np.where(np.isfinite(depth) & (depth > 0), depth, 0)
        scale = cut[0] * source[0] / depth.shape[1]
        out[i] = _fitted(clean, scale, cut[1], cut[2], size, smooth=False)
    return out


def _one_depth(data: bytes, member: str, scratch: Path) -> _F32:
    if member.lower().endswith(".exr"):
        file = scratch / "depth.exr"
        file.write_bytes(data)
        return read_exr(file).astype(np.float32)
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False), np.float32)


def _captions(root: Path, name: str, first: int, stride: int) -> dict[int, Any]:
    """Keys in frames of the clip as it is read."""
    text, rows = root / "caption" / f"{name}.json", root / "caption" / f"{name}.npz"
    found: dict[str, Any] = {}
    try:
        if rows.is_file():
            with np.load(rows, allow_pickle=False) as stored:
                found = {key: np.asarray(stored[key], np.float32) for key in stored.files}
        elif text.is_file():
            found = json.loads(text.read_text(encoding="utf-8"))
        elif (root / "caption" / f"{name}.pkl").is_file():
            raise InputError("Pickled captions are not read", got=f"{name}.pkl",
                             do=f"Save them as {name}.npz (umT5 rows) or {name}.json (text)")  # fmt: skip
        return {
            max(0, (int(key) - first) // stride): value
            for key, value in sorted(found.items(), key=lambda kv: int(kv[0]))
        }
    except _UNREADABLE as error:
        raise InputError(f"The captions of {name} cannot be read", got=str(error), do="Keys are frames") from error

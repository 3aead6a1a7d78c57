# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What may be sent to the server: pictures and path files of a bounded size, checked before anything else reads them."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from pathlib import Path

from lyra_core.errors import InputError

__all__ = ["MOST_PATH_BYTES", "MOST_PHOTO_BYTES", "check_path_file", "check_photo", "safe_name"]

MOST_PHOTO_BYTES = 40 << 20
MOST_PATH_BYTES = 16 << 20
_MOST_PIXELS = 60_000_000
_MOST_UNPACKED = 64 << 20
_PICTURES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif"}
_PATHS = (".npz", ".json", ".txt", ".tum")


def safe_name(name: str, fallback: str = "photo") -> str:
    """A file stem of letters, digits, - and _ only."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", Path(name).stem).strip("_")[:60] or fallback


def check_photo(name: str, data: bytes) -> str:
    """The ending under which an uploaded picture is stored.

    Raises InputError if it is too large, no picture, or would unpack to too many pixels (decompression bomb). The header
    decides, not the name; nothing is unpacked here.
    """
    from PIL import Image, UnidentifiedImageError

    if not data or len(data) > MOST_PHOTO_BYTES:
        raise InputError(
            f"A photo may have up to {MOST_PHOTO_BYTES >> 20} MB",
            got=f"{name}: {len(data) / 1e6:.1f} MB",
            do="Scale it down",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                kind, (width, height) = image.format or "", image.size
    except Image.DecompressionBombError as error:
        raise InputError(
            "The picture is too large", got=f"{name}: {error}", do="Scale it to 8000 pixels a side"
        ) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InputError("This file is not a picture that can be read", got=name, do="Give a JPEG or PNG") from error
    if kind not in _PICTURES:
        raise InputError("This kind of picture is not taken", got=f"{name}: {kind}", do="Save it as JPEG or PNG")
    if width * height > _MOST_PIXELS:
        raise InputError(
            "The picture is too large", got=f"{name}: {width}x{height}", do="Scale it to 8000 pixels a side"
        )
    return _PICTURES[kind]


def check_path_file(name: str, data: bytes) -> str:
    """The ending of an uploaded camera path. Raises InputError if it is too large, unknown, or a zip bomb."""
    ending = Path(name).suffix.lower()
    if ending not in _PATHS:
        raise InputError("This kind of path file is not known", got=name, do=f"Give one of {', '.join(_PATHS)}")
    if not data or len(data) > MOST_PATH_BYTES:
        raise InputError("A path file may have up to 16 MB", got=f"{name}: {len(data) / 1e6:.1f} MB", do="Shorten it")
    if ending == ".npz":
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                size = sum(item.file_size for item in archive.infolist())
        except zipfile.BadZipFile as error:
            raise InputError("This is no npz file", got=name, do="Save it with numpy.savez") from error
        if size > _MOST_UNPACKED:
            raise InputError("The file would unpack to too much", got=f"{size / 1e6:.0f} MB", do="Shorten the path")
    return ending

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Reading a user's photo: refuse what cannot work, convert what can, say what was done."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.types.checks import frozen_array

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Photo", "cover_crop", "frame_size", "load_photo"]

_LEAST_SIDE = 64
_MOST_PIXELS = 120_000_000
_MOST_ASPECT = 3.0
_FILM_DIAGONAL = math.hypot(36.0, 24.0)  # [mm], what "35 mm equivalent" refers to


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photo at working size.

    Attributes
    ----------
    rgb: (H, W, 3) float32 sRGB in [0, 1]; both sides are multiples of 16.
    original_size: (width, height) of the upright photo in pixels.
    scale: working pixels per original pixel.
    offset: (x, y) working-size pixels cut off at the left and top.
    exif_focal: focal length in working pixels from EXIF, or None.
    notes: what was converted.
    """

    rgb: NDArray[np.float32]
    original_size: tuple[int, int]
    scale: float
    offset: tuple[float, float]
    exif_focal: float | None
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rgb", frozen_array(self.rgb, (None, None, 3), np.float32, "Photo.rgb"))

    @property
    def width(self) -> int:
        """Working width [px]."""
        return self.rgb.shape[1]

    @property
    def height(self) -> int:
        """Working height [px]."""
        return self.rgb.shape[0]


def frame_size(width: int, height: int, area: int = 832 * 480) -> tuple[int, int]:
    """Working (width, height): the aspect of the photo at about this area, both sides multiples of 16."""
    ideal = math.sqrt(area * width / height)
    wide = max(64, round(ideal / 16) * 16)
    return wide, max(64, round(wide * height / width / 16) * 16)


def cover_crop(size: tuple[int, int], target: tuple[int, int]) -> tuple[float, tuple[float, float]]:
    """Scale and (left, top) cut [target px] that let a picture of this size cover the target exactly, centred."""
    scale = max(target[0] / size[0], target[1] / size[1])
    # Rounding makes the smaller cut a little less than nothing for one size in sixteen.
    left, top = (max(0.0, (own * scale - wanted) / 2) for own, wanted in zip(size, target, strict=True))
    return scale, (left, top)


def _open(path: Path) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    if not path.exists():
        raise InputError("The photo does not exist", got=str(path), do="Check the path")
    if not path.is_file():
        raise InputError("The photo must be a file", got=f"{path} is a folder", do="Name one picture file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(path)
    except UnidentifiedImageError as error:
        raise InputError(
            "This file is not a picture that can be read", got=path.name, do="Save it as JPEG or PNG"
        ) from error
    except Image.DecompressionBombError as error:
        raise InputError(
            "The photo is too large", got=f"{path.name}: {error}", do="Scale it to at most 8000 pixels a side"
        ) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError("The photo is corrupt", got=f"{path.name}: {error}", do="Export it again") from error


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    got = f"{name} is {width}x{height}"
    if min(width, height) < _LEAST_SIDE:
        raise InputError(f"The photo must be at least {_LEAST_SIDE} pixels a side", got=got, do="Use a larger photo")
    if width * height > _MOST_PIXELS or max(width, height) > 30_000:
        raise InputError("The photo is too large", got=got, do="Scale it to at most 8000 pixels a side")
    if max(width / height, height / width) > _MOST_ASPECT:
        raise InputError(
            "The photo must not be longer than three times its height (or the reverse)",
            got=got,
            do="Crop it; a panorama is not a pinhole picture",
        )
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # MPO: a phone's JPEG with a second picture
        raise InputError(
            "The picture must be a still", got=f"{name} has {getattr(image, 'n_frames', 0)} frames", do="Save one frame"
        )


def _sixteen_bit(image: Image.Image) -> bool:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return True
    tiles = getattr(image, "tile", [])  # what the file stores, before Pillow reduces it
    return bool(tiles) and ";16" in str(tiles[0][3])


def _to_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    from PIL import Image, ImageOps

    turned = ImageOps.exif_transpose(image)
    if turned.size != image.size or image.getexif().get(0x0112, 1) not in (0, 1):
        notes.append("turned upright as its EXIF orientation says")
    mode = image.mode
    if _sixteen_bit(image):
        notes.append("16 bits per channel reduced to 8")
        if mode != "RGB":
            values = np.asarray(turned, dtype=np.float64)
            top = 65535.0 if values.max() > 255 else max(float(values.max()), 1e-9)
            return Image.fromarray(np.round(np.clip(values / top, 0, 1) * 255).astype(np.uint8)).convert("RGB")
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        notes.append("transparent parts filled with white")
        base = Image.new("RGBA", turned.size, (255, 255, 255, 255))
        base.alpha_composite(turned.convert("RGBA"))
        return base.convert("RGB")
    names = {"CMYK": "CMYK", "L": "grey", "1": "black and white", "P": "palette", "YCbCr": "YCbCr", "LAB": "Lab"}
    if mode in names and mode != "YCbCr":
        notes.append(f"{names[mode]} colours converted to RGB")
    return turned.convert("RGB")


def _exif_focal(image: Image.Image, size: tuple[int, int]) -> tuple[float, str] | None:
    """Focal length in pixels of a picture of this size from EXIF, and where it came from."""
    exif = image.getexif().get_ifd(0x8769)

    def number(tag: int) -> float:
        try:
            value = float(exif.get(tag, 0) or 0)
        except (TypeError, ValueError, ZeroDivisionError):
            return 0.0
        return value if math.isfinite(value) else 0.0

    long_side = max(size)
    film = number(41989)
    if film > 0:
        focal, source = film / _FILM_DIAGONAL * math.hypot(*size), "EXIF 35 mm equivalent"
    else:
        unit = {2: 25.4, 3: 10.0, 4: 1.0}.get(int(number(41488)) or 2, 25.4)
        per_mm = number(41486) / unit
        recorded = max(number(40962), number(40963)) or long_side
        focal, source = number(37386) * per_mm * long_side / recorded, "EXIF focal length and sensor resolution"
    fov = 2 * math.degrees(math.atan(0.5 * long_side / focal)) if focal > 0 else 0.0
    return (focal, source) if 5.0 < fov < 140.0 else None


def load_photo(path: str | Path, *, area: int = 832 * 480) -> Photo:
    """Read a photo, upright and in sRGB, at its own aspect and about this area [px].

    Raises InputError, before any other work, for a missing, corrupt, tiny, huge, very long or animated picture.
    """
    from PIL import Image

    path = Path(path)
    notes: list[str] = []
    with _open(path) as image:
        _check_size(image, path.name)
        try:
            image.load()
            rgb = _to_rgb(image, notes)
            found = _exif_focal(image, rgb.size)
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise InputError(
                "The photo is corrupt or cut off", got=f"{path.name}: {error}", do="Copy or export it again"
            ) from error
    target = frame_size(*rgb.size, area)
    scale, offset = cover_crop(rgb.size, target)
    if scale > 1.5:
        notes.append(f"enlarged {scale:.1f} times: a larger photo gives a sharper world")
    right, low = (min(own, (cut + wanted) / scale) for own, cut, wanted in zip(rgb.size, offset, target, strict=True))
    box = (offset[0] / scale, offset[1] / scale, right, low)
    small = rgb.resize(target, Image.Resampling.LANCZOS, box=box)
    if found:
        notes.append(f"focal length from {found[1]}")
    pixels = np.asarray(small, dtype=np.float32) / np.float32(255)
    return Photo(pixels, rgb.size, scale, offset, found[0] * scale if found else None, tuple(notes))

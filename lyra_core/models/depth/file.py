# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""FileDepth: z-depth that the user measured or computed elsewhere (npy, npz, exr, 16-bit png)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError, ModelError, did_you_mean
from lyra_core.models.depth.exr import read_exr
from lyra_core.models.protocols import DepthEstimate

__all__ = ["FileDepth", "read_depth"]

_UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "km": 1000.0, "in": 0.0254, "ft": 0.3048}
_FAR = 1.0e4  # [m]; larger values mean sky in most exporters


def _read_npz(path: Path) -> NDArray[np.float64]:
    with np.load(path, allow_pickle=False) as stored:
        names = list(stored.files)
        if "depth" not in names and len(names) != 1:
            raise InputError(
                "An npz depth file needs an array named 'depth'",
                got=", ".join(names),
                do="Save it with np.savez(file, depth=depth)",
            )
        return np.asarray(stored["depth" if "depth" in names else names[0]], dtype=np.float64)


def _read_png(path: Path) -> NDArray[np.float64]:
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise InputError("The depth picture is corrupt", got=path.name, do="Export it again")
    if image.dtype != np.uint16 or image.ndim != 2:
        raise InputError(
            "A depth PNG must have one channel of 16 bits",
            got=f"{image.dtype}, {1 if image.ndim == 2 else image.shape[2]} channels",
            do="Export 16-bit grey, or npy",
        )
    return image.astype(np.float64)


def _metres_per(unit: str) -> float:
    if unit in _UNITS:
        return _UNITS[unit]
    try:
        metres = float(unit)
    except ValueError:
        metres = math.nan
    if not (math.isfinite(metres) and metres > 0):
        raise InputError(
            "Unknown unit of depth", got=unit, do=f"{did_you_mean(unit, _UNITS)}; or give metres per unit, a number > 0"
        )
    return metres


def read_depth(path: str | Path, *, unit: str = "m") -> NDArray[np.float32]:
    """(H, W) float32 z-depth [m] of a file in this unit; 0 where there is none (0, inf or beyond 10 km).

    unit: m, cm, mm, km, in, ft, or metres per unit as a number.
    Raises InputError for a missing or unreadable file, an unknown unit, a wrong shape, NaN or negative values.
    """
    path = Path(path)
    metres = _metres_per(unit)
    if not path.is_file():
        raise InputError("The depth file does not exist", got=str(path), do="Check the path")
    readers = {".npz": _read_npz, ".exr": read_exr, ".png": _read_png, ".npy": lambda p: np.load(p, allow_pickle=False)}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            "Unknown kind of depth file", got=path.suffix or path.name, do="Use npy, npz, exr or 16-bit png"
        )
    try:
        values = np.asarray(reader(path), dtype=np.float64)
    except (ValueError, OSError, EOFError) as error:
        raise InputError("The depth file is corrupt", got=f"{path.name}: {error}", do="Export it again") from error
    values = values[..., 0] if values.ndim == 3 and values.shape[-1] == 1 else values
    if values.ndim != 2 or min(values.shape) < 8:
        raise InputError("Depth must be one map of shape (H, W)", got=f"shape {values.shape}", do="Save one channel")
    if np.isnan(values).any():
        raise InputError(
            "Depth must not hold NaN",
            got=f"{int(np.isnan(values).sum())} of {values.size} values",
            do="Write 0 or inf where there is no surface",
        )
    if (values < 0).any():
        raise InputError("Depth must not be negative", got=f"least value {values.min():g}", do="Save z-depth, not -z")
    depth = values * metres
    depth[~np.isfinite(depth) | (depth > _FAR)] = 0.0
    if (depth > 0).mean() < 0.05:
        raise InputError(
            "The depth file is nearly empty",
            got=f"{(depth > 0).mean():.1%} of it is known",
            do="Check its unit and its no-data value",
        )
    return depth.astype(np.float32)


class FileDepth:
    """Depth model that reads a file made for the same photo; any resolution, same aspect."""

    name = "file"

    def __init__(self, path: str | Path | None = None, *, unit: str = "m") -> None:
        if path is None:
            raise ModelError("The depth model 'file' needs a file", do="Give --depth FILE")
        self._depth = read_depth(path, unit=unit)

    def estimate(
        self, rgb: NDArray[np.float32], *, intrinsics: NDArray[np.float64], sky: NDArray[np.bool_] | None = None
    ) -> DepthEstimate:
        """Depth [m] at the size of rgb (H, W, 3); InputError if the aspect differs by more than 3 %."""
        import cv2

        del intrinsics  # z-depth needs no lens
        height, width = rgb.shape[:2]
        rows, columns = self._depth.shape
        stretch = (columns / rows) / (width / height)
        # The working frame is cut to multiples of 16, at most 8 of about 480 pixels.
        if not 0.96 < stretch < 1.04:
            raise InputError(
                "The depth file must have the aspect of the photo",
                got=f"depth {columns}x{rows}, photo {width}x{height}",
                do="Make depth for the whole, upright photo",
            )
        scale = max(width / columns, height / rows)
        left, top = (columns * scale - width) / 2, (rows * scale - height) / 2
        x = np.clip(((np.arange(width) + 0.5 + left) / scale).astype(int), 0, columns - 1)
        y = np.clip(((np.arange(height) + 0.5 + top) / scale).astype(int), 0, rows - 1)
        depth = self._depth[np.ix_(y, x)]
        if sky is None:
            from lyra_core.models.depth.sky import sky_mask

            sky = sky_mask(rgb) & (depth == 0)
        open_sky = np.asarray(sky, dtype=bool)
        missing = (depth == 0) & ~open_sky
        notes: tuple[str, ...] = ()
        if missing.any():
            _, nearest = cv2.distanceTransformWithLabels(
                (depth == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
            )
            values = np.zeros(int(nearest.max()) + 1, np.float32)
            values[nearest[depth > 0]] = depth[depth > 0]
            depth = np.where(missing, values[nearest], depth)
            notes = (f"{missing.mean():.1%} of the depth file was empty and filled from its neighbours",)
        depth = np.where(open_sky, 0, depth).astype(np.float32)
        return DepthEstimate(depth, open_sky, kind="metric", confidence=0.9, notes=notes)

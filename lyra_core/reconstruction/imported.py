# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Splats that somebody else made: refused or repaired, moved into our world, and sorted into solid and looks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.geometry import matrix_from_quat, quat_from_matrix, rotate_sh
from lyra_core.reconstruction.formats import read_splat_file
from lyra_core.reconstruction.ply import read_ply_rows
from lyra_core.reconstruction.scene import GaussianScene
from lyra_core.types import Gaussians

__all__ = ["ImportedSplats", "imported_scene", "moved_gaussians", "read_imported", "solid_mask"]

_F = NDArray[np.float64]

UNIT_TOLERANCE = 1e-2  # of a quaternion's length; 8-bit formats stay below it
_LEAST_SCALE = 1e-12  # in the file's unit; the log of a zero scale becomes about this
_INVISIBLE = 1.0 / 255.0
_FAR = 3.0  # times the radius that holds 90 % of the solid Gaussians
_HUGE = 0.25  # largest standard deviation of a solid Gaussian, as a share of that radius


@dataclass(frozen=True, slots=True, eq=False)
class ImportedSplats:
    """Splats as they are in the file, sound by now; notes say what was repaired or left out."""

    gaussians: Gaussians
    notes: tuple[str, ...]


def read_imported(path: Path, *, kind: str, repair: bool = False) -> ImportedSplats:
    """Read a splat file of format kind and refuse what cannot be drawn or fused.

    repair: remove Gaussians with NaN, without any extent or with a zero quaternion, give flat ones a thickness, and
        normalise quaternions. Without it such files are refused: a broken export is better made again.

    Errors: InputError naming what is wrong and how many; files without opacity are always refused.
    """
    gaussians = read_ply_rows(path) if kind == "ply" else read_splat_file(path)
    if not len(gaussians):
        raise InputError("The splat file holds no Gaussians", got=str(path), do="Export it again")
    finite = _finite(gaussians)
    length = np.linalg.norm(gaussians.quats_wxyz.astype(np.float64), axis=1)
    with np.errstate(invalid="ignore"):
        empty = gaussians.scales.max(axis=1) <= _LEAST_SCALE
        flat = (gaussians.scales.min(axis=1) <= _LEAST_SCALE) & ~empty
        odd = np.abs(length - 1) > UNIT_TOLERANCE
    found = {
        "with NaN or infinity": ~finite,
        "without any extent": finite & empty,
        "with a zero scale": finite & flat,
        "with a quaternion that is not of unit length": finite & odd,
    }
    problems = [f"{int(mask.sum()):,} {text}" for text, mask in found.items() if mask.any()]
    if problems and not repair:
        raise InputError(
            f"{path.name} holds broken Gaussians",
            got=f"{'; '.join(problems)} of {len(gaussians):,}",
            do="Export it again, or let it be mended with --repair (INRIA trainers write unnormalised quaternions)",
        )
    keep = finite & ~empty & (length > 1e-6)
    if not keep.any():
        raise InputError("No Gaussian of this file is sound", got=str(path), do="Export it again")
    sound = gaussians.subset(keep)
    scales = np.maximum(sound.scales, np.maximum(1e-3 * sound.scales.max(axis=1, keepdims=True), _LEAST_SCALE))
    scales = np.where(sound.scales <= _LEAST_SCALE, scales, sound.scales)
    quats = sound.quats_wxyz / length[keep][:, None]
    notes = [f"repaired: {problem}" for problem in problems]
    visible = sound.opacities >= _INVISIBLE
    if not visible.all():
        notes.append(f"{int((~visible).sum()):,} Gaussians are too transparent to be seen and were left out")
    mended = Gaussians(sound.means, quats, scales, np.clip(sound.opacities, 0, 1), sound.sh)
    return ImportedSplats(mended.subset(visible), tuple(notes))


def _finite(gaussians: Gaussians) -> NDArray[np.bool_]:
    good = np.ones(len(gaussians), bool)
    for name in ("means", "quats_wxyz", "scales", "opacities", "sh"):
        good &= np.isfinite(getattr(gaussians, name).reshape(len(gaussians), -1)).all(axis=1)
    return good


def moved_gaussians(gaussians: Gaussians, rotation: _F, scale: float, translation: _F) -> Gaussians:
    """x -> scale * rotation @ x + translation, with orientations, extents and spherical harmonics."""
    means = scale * gaussians.means.astype(np.float64) @ rotation.T + translation
    quats = quat_from_matrix(rotation @ matrix_from_quat(gaussians.quats_wxyz.astype(np.float64)))
    sh = gaussians.sh if gaussians.sh.shape[1] == 1 else rotate_sh(gaussians.sh.astype(np.float64), rotation)
    return Gaussians(
        means.astype(np.float32),
        quats.astype(np.float32),
        (gaussians.scales * scale).astype(np.float32),
        gaussians.opacities,
        sh.astype(np.float32),
    )


def solid_mask(gaussians: Gaussians) -> NDArray[np.bool_]:
    """(N,) Gaussians that geometry may be made from: neither far clusters nor huge ones (fog, painted skies)."""
    center = np.median(gaussians.means, axis=0)
    distance = np.linalg.norm(gaussians.means - center, axis=1)
    radius = float(np.quantile(distance, 0.9))
    near = distance <= _FAR * radius
    return near & (gaussians.scales.max(axis=1) <= _HUGE * radius)


def imported_scene(folder: Path, record: dict[str, Any], factor: float = 1.0) -> GaussianScene:
    """The splats of an imported world, from its own copy of the user's file.

    record: what the manifest keeps: file, kind, repair, rotation (3x3), scale, translation (metres at import).
    factor: later rescaling. What is not solid goes into `sky`: drawn, never collided with.
    """
    read = read_imported(folder / record["file"], kind=record["kind"], repair=bool(record["repair"]))
    rotation = np.array(record["rotation"], dtype=np.float64)
    translation = np.array(record["translation"], dtype=np.float64) * factor
    gaussians = moved_gaussians(read.gaussians, rotation, float(record["scale"]) * factor, translation)
    solid = solid_mask(gaussians)
    surface = gaussians.subset(solid)
    looks = gaussians.subset(~solid) if not solid.all() else None
    return GaussianScene(surface, looks, np.zeros(len(surface), np.int32))

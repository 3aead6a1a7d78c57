# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""Gaussians as UsdVol ParticleField3DGaussianSplat prims, and back.

Encoding (OpenUSD schema ParticleField3DGaussianSplat): linear standard deviations, opacities 0..1, unit quaternions,
spherical harmonics splat by splat with RGB inside, display-referred sRGB. The prim is authored by type name, so the
same code runs where the typed Python class is missing (OpenUSD 25.11 in Kit 110).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pxr import Sdf, Usd, UsdGeom, Vt

from lyra_core.errors import WorldError
from lyra_core.types import Gaussians
from lyra_core.usd.checks import require_gaussians
from lyra_core.usd.layers import add_class_label, new_stage, open_stage, save_stage

__all__ = [
    "SPLAT_TYPE",
    "define_splats",
    "gaussians_of",
    "padded_sh",
    "read_splats",
    "splat_extent",
    "write_appearance",
]

SPLAT_TYPE = "ParticleField3DGaussianSplat"
_SUPPORT_SIGMA = 3.0  # the kernel of the schema reaches to 3 sigma


def padded_sh(sh: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, K, 3) with K 1 or 16: degrees 1 and 2 hang Isaac Sim's importer, so they gain zeros up to degree 3."""
    if sh.shape[1] in (1, 16):
        return sh
    out = np.zeros((len(sh), 16, 3), np.float32)
    out[:, : sh.shape[1]] = sh
    return out


def splat_extent(gaussians: Gaussians) -> NDArray[np.float32]:
    """(2, 3) box [m] around all centres, each grown by 3 of its largest standard deviations."""
    reach = _SUPPORT_SIGMA * gaussians.scales.max(axis=1, keepdims=True)
    return np.stack([(gaussians.means - reach).min(axis=0), (gaussians.means + reach).max(axis=0)]).astype(np.float32)


def define_splats(stage: Usd.Stage, path: str, gaussians: Gaussians) -> Usd.Prim:
    """Author the Gaussians as one splat prim at path.

    Errors: InputError for what a renderer would drop in silence (see `checks.splat_problems`).
    """
    require_gaussians(gaussians, path)
    prim = stage.DefinePrim(path, SPLAT_TYPE)
    sh = padded_sh(gaussians.sh)
    quats = gaussians.quats_wxyz.astype(np.float64)
    quats = (quats / np.linalg.norm(quats, axis=1, keepdims=True)).astype(np.float32)
    names, types, uniform = Sdf.ValueTypeNames, Vt, Sdf.VariabilityUniform
    varying = Sdf.VariabilityVarying

    def author(name: str, kind: Sdf.ValueTypeName, value: object, variability: Sdf.Variability = varying) -> object:
        attribute = prim.CreateAttribute(name, kind, custom=False, variability=variability)
        attribute.Set(value)
        return attribute

    author("positions", names.Point3fArray, types.Vec3fArray.FromNumpy(_dense(gaussians.means)))
    author("scales", names.Float3Array, types.Vec3fArray.FromNumpy(_dense(gaussians.scales)))
    # FromNumpy takes (x, y, z, w), unlike the text form and Gf.Quatf's constructor.
    author("orientations", names.QuatfArray, types.QuatfArray.FromNumpy(_dense(quats[:, [1, 2, 3, 0]])))
    author("opacities", names.FloatArray, types.FloatArray.FromNumpy(_dense(gaussians.opacities)))
    degree = 0 if sh.shape[1] == 1 else 3
    author("radiance:sphericalHarmonicsDegree", names.Int, degree, uniform)
    radiance = author(
        "radiance:sphericalHarmonicsCoefficients",
        names.Float3Array,
        types.Vec3fArray.FromNumpy(_dense(sh.reshape(-1, 3))),
    )
    primvar = UsdGeom.Primvar(radiance)
    primvar.SetElementSize(sh.shape[1])
    primvar.SetInterpolation(UsdGeom.Tokens.vertex)
    author("projectionModeHint", names.Token, "perspective", uniform)
    author("sortingModeHint", names.Token, "cameraDistance", uniform)
    author("extent", names.Float3Array, types.Vec3fArray.FromNumpy(splat_extent(gaussians)))
    return prim


def _dense(array: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(array, dtype=np.float32)


def write_appearance(path: Path, gaussians: Gaussians, sky: Gaussians | None = None, *, fps: float = 16.0) -> Path:
    """Write /Appearance/splats (and /Appearance/sky if any) to a .usdc file; returns its path."""
    stage = new_stage("Appearance", fps=fps)
    define_splats(stage, "/Appearance/splats", gaussians)
    if sky is not None and len(sky):
        # Sky has no surface: it exists among the splats only, and says so.
        add_class_label(define_splats(stage, "/Appearance/sky", sky), "sky")
    return save_stage(stage, path)


def gaussians_of(prim: Usd.Prim) -> Gaussians:
    """The Gaussians of a splat prim; the file's own precision, degree and order."""

    def array(name: str) -> NDArray[np.float32]:
        return np.array(prim.GetAttribute(name).Get(), dtype=np.float32)

    means = array("positions").reshape(-1, 3)
    xyzw = np.array(prim.GetAttribute("orientations").Get(), dtype=np.float32).reshape(-1, 4)
    sh = array("radiance:sphericalHarmonicsCoefficients").reshape(len(means), -1, 3)
    return Gaussians(means, xyzw[:, [3, 0, 1, 2]], array("scales").reshape(-1, 3), array("opacities"), sh)


def read_splats(file: Path) -> dict[str, Gaussians]:
    """All splat prims of a USD file by prim path, e.g. of payload/appearance.usdc.

    Errors: WorldError if the file cannot be opened or holds no splats.
    """
    stage = open_stage(file)
    found = {str(p.GetPath()): gaussians_of(p) for p in stage.Traverse() if p.GetTypeName() == SPLAT_TYPE}
    if not found:
        raise WorldError(
            "This USD file holds no Gaussian splats", got=str(file), do="Give payload/appearance.usdc of a world"
        )
    return found

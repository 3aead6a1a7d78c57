# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Array rules that renderers and PhysX do not report: broken arrays are refused before they are written.

PhysX cooks a mesh with NaN points or no triangles into nothing, with a log line at most, and renderers drop splat
arrays of wrong length in silence (facts/physics.md, facts/ecosystem.md). So these functions return what is wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.types import Gaussians, Mesh

__all__ = ["MAX_TILE_TRIANGLES", "mesh_problems", "require_gaussians", "require_mesh", "splat_problems"]

MAX_TILE_TRIANGLES = 65_536
"""Largest collider tile: keeps cooking times and re-cooking after edits short."""

_UNIT_TOLERANCE = 1e-3  # VG.035 of NVIDIA's validator


def splat_problems(gaussians: Gaussians) -> list[str]:
    """What a renderer could not draw; empty if all is well."""
    if len(gaussians) == 0:
        return ["there are no Gaussians"]
    problems = []
    for name in ("means", "quats_wxyz", "scales", "opacities", "sh"):
        bad = ~np.isfinite(getattr(gaussians, name)).reshape(len(gaussians), -1).all(axis=1)
        if bad.any():
            problems.append(f"{int(bad.sum())} Gaussians with NaN or inf in {name}, first {int(np.argmax(bad))}")
    if problems:
        return problems
    if (gaussians.scales <= 0).any():
        problems.append(f"{int((gaussians.scales <= 0).any(axis=1).sum())} Gaussians with a scale <= 0")
    if (gaussians.opacities < 0).any() or (gaussians.opacities > 1).any():
        problems.append("opacities outside 0..1 (logits are not opacities)")
    norms = np.linalg.norm(gaussians.quats_wxyz, axis=1)
    off = np.abs(norms - 1) > _UNIT_TOLERANCE
    if off.any():
        problems.append(f"{int(off.sum())} quaternions are not of unit length, first {int(np.argmax(off))}")
    return problems


def mesh_problems(points: NDArray[np.floating], faces: NDArray[np.integer], *, limit: int | None = None) -> list[str]:
    """What a physics engine would drop or misread in silence: points (V, 3) [m], faces (F, 3); limit on F."""
    if len(points) == 0 or len(faces) == 0:
        return [f"empty mesh ({len(points)} points, {len(faces)} triangles)"]
    problems = []
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        problems.append(f"{int(bad.sum())} points with NaN or inf, first {int(np.argmax(bad))}")
    low, high = int(faces.min()), int(faces.max())
    if low < 0 or high >= len(points):
        problems.append(f"indices {low}..{high} for {len(points)} points")
    if limit is not None and len(faces) > limit:
        problems.append(f"{len(faces)} triangles, at most {limit} allowed")
    if not problems and len(faces):
        corners = points[faces].astype(np.float64)
        areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        if not (areas > 0).any():
            problems.append("all triangles have zero area")
    return problems


def require_gaussians(gaussians: Gaussians, name: str) -> None:
    """Raise InputError if the Gaussians break a rule of `splat_problems`."""
    problems = splat_problems(gaussians)
    if problems:
        raise InputError(
            f"{name} cannot be written as USD splats", got="; ".join(problems), do="Drop or repair them before export"
        )


def require_mesh(mesh: Mesh, name: str, *, limit: int | None = None) -> None:
    """Raise InputError if the mesh breaks a rule of `mesh_problems`."""
    problems = mesh_problems(mesh.vertices, mesh.faces, limit=limit)
    if problems:
        raise InputError(f"{name} cannot be written as a USD mesh", got="; ".join(problems), do="Clean or split it")

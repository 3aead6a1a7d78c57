# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A finished world as files for other programs: USDZ, GLB, SPZ, SOG, Isaac Lab terrain, MobilityGen recording."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lyra_core.errors import InputError, WorldError, did_you_mean
from lyra_core.navigation.spawn import read_spawns
from lyra_core.pipeline.isaac_lab import SNIPPET
from lyra_core.reconstruction import read_ply, write_ply
from lyra_core.reconstruction.formats import convert_splats
from lyra_core.reconstruction.imported import moved_gaussians
from lyra_core.world import WorldFolder, atomic_path, write_text
from lyra_core.world.atomic import write_bytes

__all__ = ["EXPORTS", "Export", "export"]

_Y_UP = ("spz",)  # the format fixes its axes: x right, y up, z back
_YUP_FROM_ZUP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
_USD = (".usdz", ".usd")
_FRICTION = {"static": 0.8, "dynamic": 0.6}  # as in the stage


@dataclass(frozen=True, slots=True)
class Export:
    """One export that was made.

    Attributes
    ----------
    kind: its name in EXPORTS.
    files: what was written.
    size: bytes of all files.
    errors, warnings: what the USD validators say of it; empty for kinds that are no USD.
    """

    kind: str
    files: tuple[Path, ...]
    size: int
    errors: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())

    @property
    def is_usd(self) -> bool:
        """True if the validators looked at it."""
        return any(path.suffix in _USD for path in self.files)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "kind": self.kind,
            "files": [str(path) for path in self.files],
            "bytes": self.size,
            "errors": list(self.errors),
            "warnings": list(self.warnings),
        }


def export(
    folder: Path, kinds: Sequence[str], out: Path | None = None, *, overwrite: bool = False
) -> tuple[Export, ...]:
    """Write the exports of a world.

    Parameters
    ----------
    folder: a finished world.
    kinds: names from EXPORTS; nothing is written if one is unknown.
    out: folder for the files; default: exports/ in the world. Files are named after the world's folder.
    overwrite: replace files of an earlier export.

    Raises InputError for unknown kinds or existing files, WorldError for a world that is not built,
    MissingDependencyError where spz or sog lack gaussforge.
    """
    kinds = tuple(dict.fromkeys(kinds))
    unknown = [kind for kind in kinds if kind not in EXPORTS]
    if unknown or not kinds:
        raise InputError(
            "Unknown kind of export" if unknown else "No kind of export was asked for",
            got=", ".join(unknown),
            do=did_you_mean(unknown[0], EXPORTS) if unknown else f"Known: {', '.join(EXPORTS)}",
        )
    world = WorldFolder.open(folder)
    if not world.is_built:
        raise WorldError("The files of this world are not up to date", got=str(folder), do="Run lyra rebuild WORLD")
    target = out if out is not None else folder / "exports"
    name = folder.resolve().name
    if not overwrite:
        there = [path for kind in kinds for path in EXPORTS[kind].targets(target, name) if path.exists()]
        if there:
            raise InputError("This export exists already", got=str(there[0]), do="Give --overwrite, or another --out")
    if target.exists() and not target.is_dir():
        raise InputError("The output must be a folder", got=f"a file: {target}", do="Choose another --out")
    target.mkdir(parents=True, exist_ok=True)
    return tuple(_run(kind, folder, target, name) for kind in kinds)


def _run(kind: str, folder: Path, target: Path, name: str) -> Export:
    made = EXPORTS[kind].make(folder, target, name)
    files = tuple(made)
    size = sum(path.stat().st_size for path in files)
    stage = next((path for path in files if path.suffix in _USD), None)
    if stage is None:
        return Export(kind, files, size)
    from lyra_core.usd.packages import validate_file

    findings = validate_file(stage)
    errors = tuple(f"{f.tool} {f.rule}: {f.message} at {f.where}" for f in findings if f.severity == "error")
    warnings = tuple(f"{f.tool} {f.rule}: {f.message} at {f.where}" for f in findings if f.severity == "warning")
    return Export(kind, files, size, errors, warnings)


def _usdz(folder: Path, target: Path, name: str) -> list[Path]:
    from lyra_core.usd.packages import write_usdz

    return [write_usdz(folder, target / f"{name}.usdz")]


def _glb(folder: Path, target: Path, name: str) -> list[Path]:
    return [
        _copy(folder / source, target / f"{name}{end}")
        for source, end in (("mesh.glb", ".glb"), ("collision.glb", "_collision.glb"))
    ]


def _copy(source: Path, path: Path) -> Path:
    with atomic_path(path) as temporary:
        shutil.copyfile(source, temporary)
    return path


def _splats(ending: str) -> Callable[[Path, Path, str], list[Path]]:
    def make(folder: Path, target: Path, name: str) -> list[Path]:
        path = target / f"{name}.{ending}"
        if ending not in _Y_UP:
            write_bytes(path, convert_splats(folder / "splats.ply", ending))
            return [path]
        turned = moved_gaussians(read_ply(folder / "splats.ply"), _YUP_FROM_ZUP, 1.0, np.zeros(3))
        with tempfile.TemporaryDirectory() as scratch:
            plain = Path(scratch) / "splats.ply"
            write_ply(plain, turned)
            write_bytes(path, convert_splats(plain, ending))
        return [path]

    return make


def _isaac_lab(folder: Path, target: Path, name: str) -> list[Path]:
    from lyra_core.usd.packages import write_terrain

    place = target / f"{name}_isaac_lab"
    terrain = write_terrain(folder, place / "terrain.usd")
    poses = [(*spawn.position, spawn.yaw) for spawn in read_spawns(folder)]
    lines = "".join(f"    ({x:.4f}, {y:.4f}, {z:.4f}, {yaw:.4f}),\n" for x, y, z, yaw in poses)
    script = place / "lyra_terrain.py"
    write_text(script, SNIPPET.format(spawns=f"[\n{lines}]" if lines else "[]", **_FRICTION))
    return [terrain, script]


def _mobility_gen(folder: Path, target: Path, name: str) -> list[Path]:
    from lyra_core.usd.packages import write_stage_folder

    place = target / f"{name}_mobility_gen"
    stage = write_stage_folder(folder, place, root="stage.usd", physics=True)
    maps = [_copy(folder / "navigation" / n, place / "occupancy_map" / n) for n in ("map.yaml", "map.png")]
    return [stage, *sorted((place / "payload").glob("*.usdc")), *maps]


@dataclass(frozen=True, slots=True)
class _Kind:
    make: Callable[[Path, Path, str], list[Path]]
    endings: tuple[str, ...]
    text: str

    def targets(self, out: Path, name: str) -> list[Path]:
        """Files or folders that this kind makes."""
        return [out / f"{name}{ending}" for ending in self.endings]


EXPORTS: dict[str, _Kind] = {
    "usdz": _Kind(_usdz, (".usdz",), "one aligned USDZ package"),
    "glb": _Kind(_glb, (".glb", "_collision.glb"), "visual mesh and collider as glTF"),
    "spz": _Kind(_splats("spz"), (".spz",), "Gaussians as SPZ, y up as the format says (needs gaussforge)"),
    "sog": _Kind(_splats("sog"), (".sog",), "Gaussians as SOG (needs gaussforge)"),
    "isaac-lab": _Kind(_isaac_lab, ("_isaac_lab",), "terrain.usd and a runnable TerrainImporterCfg example"),
    "mobility-gen": _Kind(_mobility_gen, ("_mobility_gen",), "stage.usd and occupancy_map/"),
}
"""Name to maker, in the order of the help text."""

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""A world folder as one file for other hosts: aligned USDZ, and an Isaac Lab terrain; and a check of such a file."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

from pxr import Ar, Sdf, Usd, UsdShade, UsdUtils, UsdValidation

from lyra_core.errors import WorldError
from lyra_core.usd.layers import add_class_label, new_stage, open_stage, save_stage
from lyra_core.usd.meshes import merge_visual
from lyra_core.usd.validation import Finding, _nvidia_engine, _nvidia_findings, _openusd_findings
from lyra_core.usd.world import Appearance, _add_variants

__all__ = ["usdz_problems", "validate_file", "write_stage_folder", "write_terrain", "write_usdz"]

_ALIGNMENT = 64  # bytes, of the start of every file in a USDZ package
_TERRAIN_PARTS = ("Collision", "Visual", "Appearance")


def write_usdz(world: Path, file: Path) -> Path:
    """Pack world.usda with its payloads into an aligned USDZ of binary layers; returns file.

    Text layers become binary ones first: hosts read those faster and NVIDIA's validator asks for it.
    Errors: WorldError if the package cannot be made or is not aligned.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".part-usdz-") as scratch:
        root = write_stage_folder(world, Path(scratch) / "stage", root="world.usdc")
        packed = Path(scratch) / "world.usdz"
        if not UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(str(root)), str(packed)):
            raise WorldError("The USDZ package could not be made", got=str(world), do="Check the free disk space")
        problems = usdz_problems(packed)
        if problems:
            raise WorldError("The USDZ package is not sound", got="; ".join(problems[:3]), do="Run lyra rebuild WORLD")
        packed.replace(file)
    return file


def usdz_problems(file: Path) -> list[str]:
    """What is wrong with a USDZ as a package: compressed members, or data that does not start at 64 bytes."""
    problems = []
    with zipfile.ZipFile(file) as archive, file.open("rb") as raw:
        for info in archive.infolist():
            raw.seek(info.header_offset + 26)  # local header: lengths of name and extra field
            lengths = raw.read(4)
            start = info.header_offset + 30 + int.from_bytes(lengths[:2], "little")
            start += int.from_bytes(lengths[2:], "little")
            if info.compress_type != zipfile.ZIP_STORED:
                problems.append(f"{info.filename} is compressed")
            if start % _ALIGNMENT:
                problems.append(f"{info.filename} starts at byte {start}")
    return problems


def write_stage_folder(world: Path, folder: Path, *, root: str = "stage.usd", physics: bool = False) -> Path:
    """Copy the stage of a world into folder as binary layers: root beside payload/*; returns the root's path.

    physics: the root brings the physics scene too.
    Errors: WorldError if a layer of the world is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((world / "payload").glob("*.usd*")):
        layer = Sdf.Layer.OpenAsAnonymous(str(path))
        _save_binary(layer, folder / "payload" / _binary_name(path.name))
    layer = _layer_of(world, "world.usda")
    if physics:
        Sdf.CopySpec(_layer_of(world, "world_physics.usda"), "/World/PhysicsScene", layer, "/World/PhysicsScene")
    _save_binary(layer, folder / root)
    return folder / root


def _layer_of(world: Path, name: str) -> Sdf.Layer:
    """A layer of the world as it is on disk now, in memory of its own: USD caches opened files by path."""
    if not (world / name).is_file():
        raise WorldError("A layer of this world is missing", got=name, do="Run lyra rebuild WORLD")
    return Sdf.Layer.OpenAsAnonymous(str(world / name))


def _binary_name(name: str) -> str:
    return name[:-1] + "c" if name.endswith(".usda") else name


def _save_binary(layer: Sdf.Layer, path: Path) -> None:
    UsdUtils.ModifyAssetPaths(layer, _binary_name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not layer.Export(str(path), args={"format": "usdc"} if path.suffix == ".usd" else {}):
        raise WorldError("A USD layer could not be written", got=str(path), do="Check free space and permissions")


def write_terrain(world: Path, file: Path, *, appearance: Appearance = "mesh") -> Path:
    """One self-contained layer whose default prim is the world alone, for TerrainImporterCfg(terrain_type="usd").

    No physics scene, no cameras, no robots: a terrain is referenced under another prim, so that materials and
    bindings must lie under the default prim. The mesh is shown at first; the variant `splat` shows the Gaussians.
    Errors: WorldError if a layer of the world is missing.
    """
    stage = new_stage("World")
    layer = stage.GetRootLayer()
    for part in _TERRAIN_PARTS:
        Sdf.CopySpec(_layer_of(world, f"payload/{part.lower()}.usdc"), f"/{part}", layer, f"/World/{part}")
        Usd.ModelAPI(stage.GetPrimAtPath(f"/World/{part}")).SetKind("component")
    merge_visual(stage, "/World/Visual/mesh")
    root = _layer_of(world, "world.usda")
    Sdf.CopySpec(root, "/World/PhysicsMaterials", layer, "/World/PhysicsMaterials")
    prim = stage.GetDefaultPrim()
    Usd.ModelAPI(prim).SetKind("assembly")
    add_class_label(prim, "environment")
    material = UsdShade.Material(stage.GetPrimAtPath("/World/PhysicsMaterials/surface"))
    binding = UsdShade.MaterialBindingAPI.Apply(stage.GetPrimAtPath("/World/Collision"))
    binding.Bind(material, UsdShade.Tokens.fallbackStrength, "physics")
    _add_variants(stage, prim, appearance)
    layer.customLayerData = root.customLayerData
    layer.documentation = "A lyra.worldgen world as terrain: Z up, metres, colliders with their physics material."
    return save_stage(stage, file)


def validate_file(file: Path) -> tuple[Finding, ...]:
    """Errors and warnings of OpenUSD's and, where installed, NVIDIA's validators for one USD or USDZ file.

    The variant `both` is selected, in memory. Errors: WorldError if the file cannot be opened.
    """
    with Ar.ResolverContextBinder(Ar.GetResolver().CreateDefaultContextForAsset(str(file))):
        stage = open_stage(file)
        stage.SetEditTarget(stage.GetSessionLayer())
        stage.GetDefaultPrim().GetVariantSets().SetSelection("appearance", "both")
        validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
        findings = list(_openusd_findings(file.name, stage, UsdValidation.ValidationContext(validators)))
        nvidia = _nvidia_engine()
        if not isinstance(nvidia, str):
            findings += _nvidia_findings(file.name, stage, nvidia)
    return tuple(dict.fromkeys(f for f in findings if f.severity in ("error", "warning")))

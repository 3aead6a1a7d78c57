# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""New layers with our stage metadata, and atomic saving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pxr import Sdf, Tf, Usd, UsdGeom, UsdPhysics, UsdSemantics, Vt

from lyra_core.errors import WorldError

__all__ = ["add_class_label", "new_stage", "open_stage", "save_stage", "usd_value"]


def new_stage(root: str, *, fps: float | None = None, frames: int = 0) -> Usd.Stage:
    """An in-memory stage with one Xform root as default prim, Z up, metres and kilograms.

    Payloads are not loaded, so relative asset paths can be written before their files exist.
    With fps, time codes are frame numbers 0..frames-1; every layer of a world carries the same rate,
    since USD would rescale the time of a layer whose rate differs.
    """
    stage = Usd.Stage.CreateInMemory(load=Usd.Stage.LoadNone)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdPhysics.SetStageKilogramsPerUnit(stage, 1.0)
    if fps is not None:
        stage.SetTimeCodesPerSecond(fps)
        stage.SetFramesPerSecond(fps)
        stage.SetStartTimeCode(0)
        stage.SetEndTimeCode(max(0, frames - 1))
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, f"/{root}").GetPrim())
    return stage


def open_stage(path: Path) -> Usd.Stage:
    """The stage of a file as it is on disk now (USD caches layers by path within a process).

    Errors: WorldError if the file is missing or is not USD.
    """
    if not Path(path).is_file():
        raise WorldError("There is no such USD file", got=str(path), do="Give a finished world folder")
    try:
        stage = Usd.Stage.Open(str(path))
        stage.Reload()
    except Tf.ErrorException as error:
        raise WorldError(
            "This file cannot be read as USD", got=f"{path}: {error}", do="Make it again with lyra rebuild WORLD"
        ) from error
    return stage


def save_stage(stage: Usd.Stage, path: Path, *, sublayers: Sequence[str] = ()) -> Path:
    """Write the root layer to path (format by suffix): a temporary file first, then a rename.

    sublayers: asset paths as they stand in the file, relative to it. Errors: WorldError if it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    layer = stage.GetRootLayer()
    if sublayers:  # added to a copy: the stage in memory could not resolve relative paths
        layer = Sdf.Layer.CreateAnonymous(".usda")
        layer.TransferContent(stage.GetRootLayer())
        layer.subLayerPaths = list(sublayers)
    try:
        if not layer.Export(str(temporary)):
            raise WorldError("A USD layer could not be written", got=str(path), do="Check free space and permissions")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    opened = Sdf.Layer.Find(str(path))
    if opened is not None:  # USD caches layers by path within a process
        opened.Reload(True)
    return path


def add_class_label(prim: Usd.Prim, label: str | Sequence[str]) -> None:
    """Give prim the semantic class label, or several (UsdSemantics, inherited by its descendants)."""
    names = [label] if isinstance(label, str) else list(label)
    UsdSemantics.LabelsAPI.Apply(prim, "class").CreateLabelsAttr(Vt.TokenArray(names))


def usd_value(value: Any) -> Any:
    """A plain Python value as one that USD metadata can hold; None and empty lists become ''."""
    if isinstance(value, Mapping):
        return {str(key).replace(":", "_"): usd_value(item) for key, item in value.items()}
    if isinstance(value, np.generic):
        return usd_value(value.item())
    if isinstance(value, np.ndarray):
        return usd_value(value.tolist())
    if isinstance(value, str | bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**31 else str(value)  # USD metadata ints are 32 bit
    if isinstance(value, Sequence) and value:
        if all(isinstance(item, int | float) and not isinstance(item, bool) for item in value):
            return Vt.DoubleArray([float(item) for item in value])
        return Vt.StringArray([str(item) for item in value])
    return "" if value is None or isinstance(value, Sequence) else str(value)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import importlib.util
import json

import pytest
from pxr import Gf, Usd, UsdGeom, UsdPhysics, Vt

from lyra_core.errors import WorldError
from lyra_core.usd import validate

NVIDIA = importlib.util.find_spec("usd_validation_nvidia") is not None
needs_nvidia = pytest.mark.skipif(not NVIDIA, reason="usd-validation-nvidia is not installed (physics extra)")


def edit(world, file, change):
    stage = Usd.Stage.Open(str(world / file))
    change(stage)
    stage.GetRootLayer().Save()


def attribute(path, name, value):
    return lambda stage: stage.GetPrimAtPath(path).GetAttribute(name).Set(value)


SPLATS, TILE = "/Appearance/splats", "/Collision/tile_0_0"
SH_DEGREE = "radiance:sphericalHarmonicsDegree"


def test_a_world_has_no_error_in_any_validator(pristine):
    report = validate(pristine)
    assert report.ok, report.findings
    assert report.errors == 0
    assert len(report.rules["OpenUSD"]) >= 25
    assert "usdPhysicsValidators:ColliderChecker" in report.rules["OpenUSD"]
    if NVIDIA:
        assert "GaussianSplatSchemaChecker" in report.rules["NVIDIA"]
        assert not report.skipped
    assert json.loads(json.dumps(report.to_json()))["ok"] is True


@pytest.mark.parametrize(
    ("file", "change", "rule"),
    [
        ("payload/appearance.usdc", attribute(SPLATS, SH_DEGREE, 2), "lyra:SplatArrays"),
        ("payload/appearance.usdc", attribute(SPLATS, "opacities", Vt.FloatArray(3)), "lyra:SplatArrays"),
        ("payload/appearance.usdc", attribute(SPLATS, "extent", Vt.Vec3fArray(2)), "lyra:SplatArrays"),
        ("payload/collision.usdc", attribute(TILE, "points", Vt.Vec3fArray()), "lyra:ColliderArrays"),
        (
            "payload/collision.usdc",
            attribute(TILE, "points", Vt.Vec3fArray(400, Gf.Vec3f(float("nan")))),
            "lyra:ColliderArrays",
        ),
        ("payload/collision.usdc", attribute(TILE, "physics:approximation", "convexHull"), "lyra:ColliderArrays"),
        ("payload/collision.usdc", attribute(TILE, "purpose", "default"), "lyra:ColliderArrays"),
        (
            "payload/collision.usdc",
            lambda s: UsdPhysics.RigidBodyAPI.Apply(s.GetPrimAtPath(TILE)),
            "lyra:StaticWorld",
        ),
        ("payload/visual.usdc", lambda s: UsdGeom.SetStageUpAxis(s, "Y"), "lyra:LayerUnits"),
        ("payload/visual.usdc", lambda s: UsdGeom.SetStageMetersPerUnit(s, 0.01), "lyra:LayerUnits"),
        ("world.usda", lambda s: s.RemovePrim("/World/Robots"), "lyra:StageLayout"),
        ("world.usda", lambda s: s.OverridePrim("/World/Left/Over"), "lyra:GprimParents"),
    ],
)
def test_each_kind_of_damage_is_found_by_our_own_rules(world, file, change, rule):
    assert validate(world).ok
    edit(world, file, change)
    report = validate(world)
    assert not report.ok
    assert rule in report.counts


def test_an_index_out_of_range_is_found(world):
    def change(stage):
        indices = stage.GetPrimAtPath(TILE).GetAttribute("faceVertexIndices")
        values = list(indices.Get())
        values[5] = 10**6
        indices.Set(Vt.IntArray(values))

    edit(world, "payload/collision.usdc", change)
    assert "1000000" in " ".join(f.message for f in validate(world).findings if f.rule == "ColliderArrays")


def test_an_absolute_path_is_found_though_it_resolves(world):
    text = (world / "world.usda").read_text()
    target = (world / "payload" / "visual.usdc").resolve()
    (world / "world.usda").write_text(text.replace("./payload/visual.usdc", str(target)))
    assert validate(world).counts["lyra:RelativePaths"] == 1


def test_a_missing_payload_is_an_error(world):
    (world / "payload" / "visual.usdc").unlink()
    assert any(f.tool == "OpenUSD" and f.severity == "error" for f in validate(world).findings)


@needs_nvidia
def test_nvidias_splat_rule_runs_though_it_is_off_by_default(world):
    edit(world, "payload/appearance.usdc", attribute(SPLATS, "opacities", Vt.FloatArray(300, 4.0)))
    assert validate(world).counts["NVIDIA:GaussianSplatSchemaChecker"] >= 1


def test_without_nvidias_validator_the_report_says_how_to_get_it(pristine, monkeypatch):
    real = importlib.import_module

    def absent(name, *rest):
        if name.startswith("usd_validation_nvidia"):
            raise ImportError("No module named 'usd_validation_nvidia'")
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", absent)
    report = validate(pristine)
    assert report.ok
    assert "NVIDIA" not in report.rules
    assert "pip install usd-validation-nvidia" in report.skipped[0]


def test_a_folder_without_a_world_says_so(tmp_path):
    with pytest.raises(WorldError, match=r"world\.usda"):
        validate(tmp_path)

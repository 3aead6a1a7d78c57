# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from pxr import Gf, Usd, UsdGeom

from lyra_core.errors import InputError, WorldError
from lyra_core.geometry import evaluate_sh, matrix_from_quat
from lyra_core.types import Gaussians
from lyra_core.usd import read_splats
from lyra_core.usd.splats import splat_extent, write_appearance
from tests.usd.synthetic import some_gaussians


def changed(**fields) -> Gaussians:
    base = some_gaussians(20)
    values = {name: np.array(getattr(base, name)) for name in ("means", "quats_wxyz", "scales", "opacities", "sh")}
    for name, (index, value) in fields.items():
        values[name][index] = value
    return Gaussians(**values)


@pytest.mark.parametrize("coefficients", [1, 4, 9, 16])
def test_splats_come_back_as_they_went_in_and_look_the_same(tmp_path, rng, coefficients):
    original = some_gaussians(120, coefficients)
    file = write_appearance(tmp_path / "appearance.usdc", original)
    read = read_splats(file)["/Appearance/splats"]
    for name in ("means", "scales", "opacities"):
        np.testing.assert_array_equal(getattr(read, name), getattr(original, name))
    # Normalised in double precision and rounded once more: one float32 step.
    np.testing.assert_allclose(read.quats_wxyz, original.quats_wxyz, atol=1.2e-7)
    assert read.sh.shape[1] == (1 if coefficients == 1 else 16)
    directions = rng.normal(size=(120, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    np.testing.assert_array_equal(evaluate_sh(read.sh, directions), evaluate_sh(padded(original.sh), directions))


def padded(sh):
    wide = 1 if sh.shape[1] == 1 else 16
    return np.pad(sh, ((0, 0), (0, wide - sh.shape[1]), (0, 0)))


def test_the_file_stores_what_the_schema_means_and_not_only_what_our_reader_expects(tmp_path):
    original = some_gaussians(40, 9)
    stage = Usd.Stage.Open(str(write_appearance(tmp_path / "a.usdc", original, some_gaussians(5))))
    prim = stage.GetPrimAtPath("/Appearance/splats")
    assert prim.GetTypeName() == "ParticleField3DGaussianSplat"
    assert prim.GetAttribute("radiance:sphericalHarmonicsDegree").Get() == 3
    primvar = UsdGeom.Primvar(prim.GetAttribute("radiance:sphericalHarmonicsCoefficients"))
    assert primvar.GetElementSize() == 16
    assert primvar.GetInterpolation() == "vertex"
    # Gf's own rotation, so that a swap of real and imaginary parts cannot cancel out.
    for quat, wxyz in zip(prim.GetAttribute("orientations").Get(), original.quats_wxyz, strict=True):
        ours = matrix_from_quat(wxyz)
        theirs = np.array(Gf.Matrix3d(Gf.Quatd(quat))).T  # Gf multiplies row vectors
        np.testing.assert_allclose(theirs, ours, atol=1e-6)
    assert prim.GetAttribute("sortingModeHint").Get() == "cameraDistance"
    assert prim.GetAttribute("projectionModeHint").Get() == "perspective"
    assert stage.GetPrimAtPath("/Appearance/sky")


def test_the_extent_holds_three_sigma_around_every_centre(tmp_path):
    original = some_gaussians(50)
    stage = Usd.Stage.Open(str(write_appearance(tmp_path / "a.usdc", original)))
    low, high = np.array(stage.GetPrimAtPath("/Appearance/splats").GetAttribute("extent").Get())
    reach = 3 * original.scales.max(axis=1, keepdims=True)
    slack = 1e-6  # float32 rounding of metres
    assert (original.means - reach >= low - slack).all()
    assert (original.means + reach <= high + slack).all()
    np.testing.assert_allclose([low, high], splat_extent(original))


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("means", np.nan, "NaN"),
        ("sh", np.inf, "sh"),
        ("scales", 0.0, "scale"),
        ("scales", -3.0, "scale"),
        ("opacities", 4.2, "opacities"),
        ("quats_wxyz", 0.0, "quaternions"),
    ],
)
def test_what_a_renderer_would_drop_in_silence_is_refused_before_writing(tmp_path, field, value, word):
    with pytest.raises(InputError, match=word):
        write_appearance(tmp_path / "a.usdc", changed(**{field: (3, value)}))
    assert not list(tmp_path.iterdir())


def test_an_empty_set_is_refused_and_an_empty_sky_is_left_out(tmp_path):
    nothing = some_gaussians(5).subset(np.zeros(5, bool))
    with pytest.raises(InputError, match="no Gaussians"):
        write_appearance(tmp_path / "a.usdc", nothing)
    assert list(read_splats(write_appearance(tmp_path / "b.usdc", some_gaussians(5), nothing))) == [
        "/Appearance/splats"
    ]


def test_reading_a_file_that_is_not_there_or_is_not_usd_says_so(tmp_path):
    with pytest.raises(WorldError, match="no such USD file"):
        read_splats(tmp_path / "absent.usdc")
    (tmp_path / "text.usdc").write_text("hello")
    with pytest.raises(WorldError, match="cannot be read"):
        read_splats(tmp_path / "text.usdc")

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""INRIA PLY: round trips, other programs' files, and files that must be refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lyra_core.errors import InputError
from lyra_core.reconstruction import read_ply, write_ply
from lyra_core.types import Gaussians


def _random(rng, count=50, coefficients=1):
    quats = rng.normal(size=(count, 4))
    return Gaussians(
        rng.normal(size=(count, 3)),
        quats / np.linalg.norm(quats, axis=1, keepdims=True),
        np.exp(rng.uniform(-8, 1, (count, 3))),
        rng.uniform(0.01, 0.99, count),
        rng.normal(size=(count, coefficients, 3)),
    )


def _same(a, b):
    np.testing.assert_array_equal(a.means, b.means)
    np.testing.assert_array_equal(a.sh, b.sh)
    np.testing.assert_allclose(a.quats_wxyz, b.quats_wxyz, atol=1e-6)
    np.testing.assert_allclose(a.scales, b.scales, rtol=2e-6)  # through a float32 logarithm
    np.testing.assert_allclose(a.opacities, b.opacities, atol=1e-6)


@pytest.mark.parametrize("coefficients", [1, 4, 9, 16])
def test_what_is_written_is_read_back(tmp_path, rng, coefficients):
    gaussians = _random(rng, coefficients=coefficients)
    write_ply(tmp_path / "a.ply", gaussians)
    _same(gaussians, read_ply(tmp_path / "a.ply"))
    assert [p.name for p in tmp_path.iterdir()] == ["a.ply"]


def test_an_empty_set_round_trips(tmp_path, rng):
    write_ply(tmp_path / "a.ply", _random(rng, 0))
    assert len(read_ply(tmp_path / "a.ply")) == 0


def test_plyfile_reads_our_file_in_the_inria_convention(tmp_path, rng):
    plyfile = pytest.importorskip("plyfile")
    gaussians = _random(rng, coefficients=4)
    write_ply(tmp_path / "a.ply", gaussians)
    vertex = plyfile.PlyData.read(tmp_path / "a.ply")["vertex"]
    np.testing.assert_allclose(np.exp(vertex["scale_1"]), gaussians.scales[:, 1], rtol=2e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-vertex["opacity"])), gaussians.opacities, atol=1e-6)
    np.testing.assert_array_equal(vertex["rot_0"], gaussians.quats_wxyz[:, 0])
    np.testing.assert_array_equal(vertex["f_dc_2"], gaussians.sh[:, 0, 2])
    # channel-major: f_rest_1 is the second coefficient above DC of red, f_rest_3 the first of green
    np.testing.assert_array_equal(vertex["f_rest_1"], gaussians.sh[:, 2, 0])
    np.testing.assert_array_equal(vertex["f_rest_3"], gaussians.sh[:, 1, 1])
    assert not vertex["nx"].any()


def _plyfile_with(tmp_path, gaussians, *, change=None, drop=(), extra=(), text=False, order="<"):
    """The same Gaussians written by plyfile, with changes."""
    plyfile = pytest.importorskip("plyfile")
    source = tmp_path / "source.ply"
    write_ply(source, gaussians)
    data = plyfile.PlyData.read(source)["vertex"].data
    kinds = [(name, data.dtype[name].str) for name in data.dtype.names if name not in drop]
    table = np.zeros(len(data), [*extra, *kinds])
    for name, _ in kinds:
        table[name] = data[name]
    if change:
        change(table)
    out = tmp_path / "changed.ply"
    plyfile.PlyData([plyfile.PlyElement.describe(table, "vertex")], text=text, byte_order=order).write(out)
    return out


@pytest.mark.parametrize(("text", "order"), [(False, "<"), (False, ">"), (True, "=")])
def test_files_of_other_writers_with_extra_properties_are_read(tmp_path, rng, text, order):
    gaussians = _random(rng, coefficients=9)
    path = _plyfile_with(tmp_path, gaussians, extra=[("red", "u1"), ("confidence", "f8")], text=text, order=order)
    again = read_ply(path)
    np.testing.assert_allclose(again.means, gaussians.means, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(again.sh, gaussians.sh, rtol=1e-5, atol=1e-6)


def test_quaternions_of_any_length_are_normalised(tmp_path, rng):
    gaussians = _random(rng)

    def stretch(table):
        for i in range(4):
            table[f"rot_{i}"] *= 7

    again = read_ply(_plyfile_with(tmp_path, gaussians, change=stretch))
    np.testing.assert_allclose(again.quats_wxyz, gaussians.quats_wxyz, atol=1e-6)


def _zero_quaternion(table):
    for i in range(4):
        table[f"rot_{i}"][3] = 0


@pytest.mark.parametrize(
    ("change", "drop", "message"),
    [
        (lambda t: t["y"].__setitem__(5, np.nan), (), "row 5"),
        (lambda t: t["scale_0"].__setitem__(2, np.inf), (), "scales"),
        (lambda t: t["opacity"].__setitem__(4, np.nan), (), "opacities"),
        (_zero_quaternion, (), "Quaternions"),
        (None, ("opacity",), "opacity"),
        (None, ("f_dc_1",), "f_dc_1"),
        (None, ("scale_0", "scale_1", "scale_2"), "scale_0"),
        (None, ("f_rest_8",), "f_rest"),
    ],
)
def test_bad_files_are_refused_with_the_reason(tmp_path, rng, change, drop, message):
    path = _plyfile_with(tmp_path, _random(rng, coefficients=4), change=change, drop=drop)
    with pytest.raises(InputError, match=message):
        read_ply(path)


def test_missing_cut_and_foreign_files_are_refused(tmp_path, rng):
    with pytest.raises(InputError, match="Cannot read"):
        read_ply(tmp_path / "none.ply")
    write_ply(tmp_path / "a.ply", _random(rng))
    whole = (tmp_path / "a.ply").read_bytes()
    (tmp_path / "cut.ply").write_bytes(whole[:-10])
    with pytest.raises(InputError, match="cut short"):
        read_ply(tmp_path / "cut.ply")
    (tmp_path / "picture.ply").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(InputError, match="not a PLY"):
        read_ply(tmp_path / "picture.ply")
    (tmp_path / "mesh.ply").write_bytes(whole.replace(b"property float x\n", b"property list uchar int x\n"))
    with pytest.raises(InputError, match="property"):
        read_ply(tmp_path / "mesh.ply")


def test_nothing_is_left_behind_when_the_values_are_bad(tmp_path, rng):
    gaussians = _random(rng)
    means = gaussians.means.copy()
    means[0, 0] = np.nan
    bad = Gaussians(means, gaussians.quats_wxyz, gaussians.scales, gaussians.opacities, gaussians.sh)
    with pytest.raises(InputError, match="means"):
        write_ply(tmp_path / "a.ply", bad)
    assert not list(tmp_path.iterdir())


def test_an_opacity_of_one_stays_finite(tmp_path, rng):
    gaussians = _random(rng)
    solid = Gaussians(gaussians.means, gaussians.quats_wxyz, gaussians.scales, np.ones(len(gaussians)), gaussians.sh)
    write_ply(tmp_path / "a.ply", solid)
    np.testing.assert_allclose(read_ply(tmp_path / "a.ply").opacities, 1, atol=2e-6)


@pytest.mark.parametrize("name", ["chunked", "single"])
def test_the_reference_files_are_read_and_round_trip(tmp_path, golden, name):
    folder = golden / "trajectories"
    index = json.loads((folder / "recon_index.json").read_text())["ply"]
    path = next(folder.glob(f"gaussians_{name}*.ply"))
    gaussians = read_ply(path)
    assert len(gaussians) == index[f"count_{name}"]
    assert gaussians.sh_degree == sum(p.startswith("f_rest") for p in index["properties"]) // 9
    write_ply(tmp_path / "again.ply", gaussians)
    header, body = (tmp_path / "again.ply").read_bytes().split(b"end_header\n", 1)
    want_header, want_body = path.read_bytes().split(b"end_header\n", 1)
    assert header == want_header
    have = np.frombuffer(body, "<f4").reshape(len(gaussians), -1)
    want = np.frombuffer(want_body, "<f4").reshape(len(gaussians), -1).copy()
    want[:, -4:] /= np.linalg.norm(want[:, -4:], axis=1, keepdims=True)
    # Logit of 1 - 1e-6 in float32 keeps two digits; all else is exact to float32 rounding.
    finite = np.delete(have, 9, axis=1), np.delete(want, 9, axis=1)
    np.testing.assert_allclose(*finite, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(1 / (1 + np.exp(-have[:, 9])), 1 / (1 + np.exp(-want[:, 9])), atol=2e-6)

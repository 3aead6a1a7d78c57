# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_core.geometry import SH_C0, evaluate_sh, matrix_from_rotvec, rotate_sh, sh_basis

rotations = st.tuples(*[st.floats(-3, 3)] * 3).map(lambda v: matrix_from_rotvec(np.array(v)))
seeds = st.integers(0, 10_000)
degrees = st.integers(0, 3)


def some(seed, degree, count=5):
    rng = np.random.default_rng(seed)
    sh = rng.normal(size=(count, (degree + 1) ** 2, 3))
    directions = rng.normal(size=(count, 3))
    return sh, directions / np.linalg.norm(directions, axis=1, keepdims=True)


@given(seeds, degrees, rotations)
def test_turned_coefficients_show_the_old_colour_in_the_turned_direction(seed, degree, rotation):
    sh, directions = some(seed, degree)
    old = evaluate_sh(sh, directions)
    new = evaluate_sh(rotate_sh(sh, rotation), directions @ rotation.T)
    assert np.abs(new - old).max() < 1e-10  # least squares on 64 directions is exact to rounding


@given(seeds, degrees, rotations, rotations)
def test_turning_twice_is_turning_by_the_product(seed, degree, a, b):
    sh, _ = some(seed, degree)
    assert np.abs(rotate_sh(rotate_sh(sh, a), b) - rotate_sh(sh, b @ a)).max() < 1e-10


@given(seeds, degrees, rotations)
def test_turning_keeps_the_energy_of_every_band(seed, degree, rotation):
    sh, _ = some(seed, degree)
    turned = rotate_sh(sh, rotation)
    for band in range(degree + 1):
        part = slice(band**2, (band + 1) ** 2)
        assert np.allclose((turned[:, part] ** 2).sum(axis=1), (sh[:, part] ** 2).sum(axis=1))


@given(rotations)
def test_the_constant_band_does_not_turn(rotation):
    sh, _ = some(0, 0)
    assert np.array_equal(rotate_sh(sh, rotation), sh)


def test_no_turn_changes_nothing_and_the_dtype_is_kept():
    sh, _ = some(1, 3)
    assert np.abs(rotate_sh(sh, np.eye(3)) - sh).max() < 1e-12
    assert rotate_sh(sh.astype(np.float32), np.eye(3)).dtype == np.float32


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_the_basis_is_orthonormal_on_the_sphere(degree):
    z, weights = np.polynomial.legendre.leggauss(8)  # exact for the products, of degree 6
    azimuth = 2 * np.pi * np.arange(16) / 16
    radius = np.sqrt(1 - z**2)
    directions = np.stack(
        [
            np.outer(radius, np.cos(azimuth)),
            np.outer(radius, np.sin(azimuth)),
            np.repeat(z[:, None], 16, axis=1),
        ],
        axis=-1,
    )
    basis = sh_basis(directions, degree)
    gram = np.einsum("i,ijk,ijl->kl", weights * 2 * np.pi / 16, basis, basis)
    assert np.allclose(gram, np.eye((degree + 1) ** 2), atol=1e-12)


def test_a_grey_half_is_all_zeros_and_the_first_coefficient_adds_c0():
    sh = np.zeros((1, 1, 3))
    assert np.array_equal(evaluate_sh(sh, np.array([[0, 0, 1.0]])), [[0.5] * 3])
    sh[0, 0] = 1 / SH_C0
    assert np.allclose(evaluate_sh(sh, np.array([[0, 1.0, 0]])), 1.5)


def test_first_band_signs_are_those_of_gaussian_splatting():
    # Kerbl et al.: -C1 y, +C1 z, -C1 x
    c1 = 0.4886025119029199
    assert np.allclose(sh_basis(np.array([1.0, 0, 0]), 1)[1:], [0, 0, -c1])
    assert np.allclose(sh_basis(np.array([0, 1.0, 0]), 1)[1:], [-c1, 0, 0])
    assert np.allclose(sh_basis(np.array([0, 0, 1.0]), 1)[1:], [0, c1, 0])

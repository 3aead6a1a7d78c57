# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Gaussian splatting: what it must do, and that NumPy, Warp on the CPU and Warp per pixel agree."""

from __future__ import annotations

import numpy as np
import pytest

from lyra_core.errors import InputError
from lyra_core.geometry import SH_C0, matrix_from_rotvec, quat_from_matrix, rigid, rotate_sh
from lyra_core.kernels.cuda import device_count
from lyra_core.ops.splat import SplatSettings, splat, splatter
from lyra_core.types import Camera, Gaussians

CAMERA = Camera(np.array([[120.0, 3.0, 70.0], [0.0, 125.0, 45.0], [0.0, 0.0, 1.0]]), np.eye(4), 150, 100)


def _draw(gaussians, camera, settings, device):
    if device == "pixels":  # the CUDA code path, run on the CPU
        from lyra_core.ops.splat_warp import WarpSplatter

        return WarpSplatter(gaussians, settings, "cpu", per_pixel=True).draw(camera)
    if device.startswith("cuda") and not device_count():
        pytest.skip("no CUDA device")
    return splatter(gaussians, settings, device=device).draw(camera)


DEVICES = ["cpu", "pixels", pytest.param("cuda:0", marks=pytest.mark.gpu)]


def _random(rng, count, *, coefficients=1, small=0.003, large=0.5, nearest=-1.0):
    quats = rng.normal(size=(count, 4))
    return Gaussians(
        rng.uniform([-3, -2, nearest], [3, 2, 6], (count, 3)),
        quats / np.linalg.norm(quats, axis=1, keepdims=True),
        np.exp(rng.uniform(np.log(small), np.log(large), (count, 3))),
        rng.uniform(0.1, 1, count),
        0.3 * rng.normal(size=(count, coefficients, 3)),
    )


def _one(mean=(0.0, 0.0, 2.0), *, sigma=0.1, opacity=0.9, color=(0.8, 0.4, 0.2)):
    sh = ((np.array(color) - 0.5) / SH_C0).reshape(1, 1, 3)
    scales = np.broadcast_to(sigma, (1, 3))
    return Gaussians(np.array([mean]), np.array([[1.0, 0, 0, 0]]), scales, np.array([opacity]), sh)


def _joined(*parts):
    fields = ("means", "quats_wxyz", "scales", "opacities", "sh")
    return Gaussians(*(np.concatenate([getattr(p, name) for p in parts]) for name in fields))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("coefficients", [1, 4, 9, 16])
@pytest.mark.parametrize("compensate", [False, True])
def test_kernels_agree_with_the_numpy_twin(rng, device, coefficients, compensate):
    gaussians = _random(rng, 1500, coefficients=coefficients)
    settings = SplatSettings(background=(0.2, 0.3, 0.4), compensate=compensate)
    want = _draw(gaussians, CAMERA, settings, "numpy")
    got = _draw(gaussians, CAMERA, settings, device)
    for name, scale in (("rgb", 1.0), ("alpha", 1.0), ("depth", 6.0)):
        error = np.abs(getattr(want, name) - getattr(got, name)) / scale
        # float32 against float64 rounds to about 1e-5; a pixel centre on the very rim of a footprint may fall
        # on the other side of it, where the weight is at most 1/90 of the peak.
        assert np.quantile(error, 0.999) < 1e-4
        assert error.max() < 0.012


@pytest.mark.parametrize("device", ["numpy", *DEVICES])
def test_a_single_gaussian_has_the_shape_that_the_equations_say(device):
    camera = Camera(np.array([[100.0, 0, 50.5], [0, 100.0, 40.5], [0, 0, 1]]), np.eye(4), 100, 80)
    image = _draw(_one(sigma=0.1, opacity=0.9), camera, SplatSettings(), device)
    variance = (0.1 * 100 / 2) ** 2 + 0.3  # sigma f / z, and the low-pass
    assert image.alpha[40, 50] == pytest.approx(0.9, abs=1e-5)
    assert image.alpha[40, 57] == pytest.approx(0.9 * np.exp(-0.5 * 49 / variance), rel=1e-3)
    assert image.alpha[47, 50] == pytest.approx(0.9 * np.exp(-0.5 * 49 / variance), rel=1e-3)
    assert image.alpha[40, 50 + int(np.ceil(3 * variance**0.5))] == 0  # three-sigma support
    np.testing.assert_allclose(image.rgb[40, 50], 0.9 * np.array([0.8, 0.4, 0.2]), atol=1e-5)
    assert image.depth[40, 50] == pytest.approx(2.0, abs=1e-5)
    assert image.depth[0, 0] == 0


@pytest.mark.parametrize("device", ["numpy", *DEVICES])
def test_the_nearer_gaussian_covers_the_farther_whatever_their_order(device):
    near = _one((0, 0, 2.0), color=(1, 0, 0), opacity=0.6, sigma=0.3)
    far = _one((0, 0, 3.0), color=(0, 1, 0), opacity=0.6, sigma=0.45)
    settings = SplatSettings(background=(0, 0, 1))
    camera = Camera(np.array([[100.0, 0, 50.5], [0, 100.0, 40.5], [0, 0, 1]]), np.eye(4), 100, 80)
    for pair in (_joined(near, far), _joined(far, near)):
        image = _draw(pair, camera, settings, device)
        np.testing.assert_allclose(image.rgb[40, 50], [0.6, 0.24, 0.16], atol=1e-5)
        assert image.depth[40, 50] == pytest.approx((0.6 * 2 + 0.24 * 3) / 0.84, abs=1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_turning_world_and_camera_together_changes_nothing(rng, device):
    turn = matrix_from_rotvec(np.array([0.3, -0.7, 0.4]))
    shift = np.array([1.0, -2.0, 0.5])
    gaussians = _random(rng, 400, coefficients=16, nearest=1.0)
    from lyra_core.geometry import quat_multiply

    moved = Gaussians(
        gaussians.means @ turn.T + shift,
        quat_multiply(quat_from_matrix(turn), gaussians.quats_wxyz.astype(np.float64)),
        gaussians.scales,
        gaussians.opacities,
        rotate_sh(gaussians.sh.astype(np.float64), turn),
    )
    before = _draw(gaussians, CAMERA, SplatSettings(), device)
    after = _draw(moved, CAMERA.moved(rigid(turn, shift) @ CAMERA.world_from_camera), SplatSettings(), device)
    assert np.quantile(np.abs(before.rgb - after.rgb), 0.999) < 1e-3  # float32 positions
    assert np.abs(before.rgb - after.rgb).mean() < 1e-5


@pytest.mark.parametrize("device", ["numpy", *DEVICES])
def test_an_empty_set_shows_the_background(device):
    empty = _one().subset(np.zeros(1, bool))
    image = _draw(empty, CAMERA, SplatSettings(background=(0.1, 0.2, 0.3)), device)
    np.testing.assert_allclose(image.rgb, np.broadcast_to(np.float32([0.1, 0.2, 0.3]), image.rgb.shape))
    assert not image.alpha.any()
    assert not image.depth.any()


@pytest.mark.parametrize("device", ["numpy", *DEVICES])
def test_gaussians_behind_at_and_far_beside_the_camera_do_no_harm(device):
    odd = _joined(
        _one((0, 0, -1.0)), _one((0, 0, 0.0)), _one((0, 0, 1e-7)), _one((500.0, 0, 0.1)), _one((0, 0, 1e6), sigma=1e-9)
    )
    image = _draw(_joined(_one(), odd), CAMERA, SplatSettings(), device)
    alone = _draw(_one(), CAMERA, SplatSettings(), device)
    assert np.isfinite(image.rgb).all()
    centre = np.unravel_index(alone.alpha.argmax(), alone.alpha.shape)
    assert image.alpha[centre] >= alone.alpha[centre] - 1e-6


@pytest.mark.parametrize("device", ["numpy", *DEVICES])
def test_a_gaussian_larger_than_the_picture_covers_all_of_it(device):
    image = _draw(_one((0, 0, 2.0), sigma=50.0, opacity=0.99), CAMERA, SplatSettings(), device)
    assert image.alpha.min() > 0.98
    assert image.depth.min() == pytest.approx(2.0, abs=1e-4)


def test_compensation_keeps_the_energy_of_a_tiny_gaussian():
    tiny = _one(sigma=0.002, opacity=0.9)
    plain = splat(tiny, CAMERA, settings=SplatSettings())
    kept = splat(tiny, CAMERA, settings=SplatSettings(compensate=True))
    variance = 0.002**2 * 120 * 125 / 4
    # alpha below 1/255 is not drawn: the integral over the picture is a little short
    assert kept.alpha.sum() == pytest.approx(0.9 * 2 * np.pi * variance, rel=0.25)
    assert plain.alpha.sum() > 5 * kept.alpha.sum()


def test_the_picture_is_the_same_bytes_for_any_number_of_threads(rng, monkeypatch):
    from lyra_core.kernels import splat_run

    gaussians = _random(rng, 3000)
    pictures = []
    for workers in (1, 2, 5):
        monkeypatch.setattr(splat_run, "worker_count", lambda n=workers: n)
        pictures.append(splat(gaussians, CAMERA).rgb.tobytes())
    assert len(set(pictures)) == 1


def test_equal_depths_are_drawn_in_index_order():
    red, green = _one(color=(1, 0, 0), opacity=0.9), _one(color=(0, 1, 0), opacity=0.9)
    image = splat(_joined(red, green), CAMERA)
    y, x = np.unravel_index(image.alpha.argmax(), image.alpha.shape)
    assert image.rgb[y, x, 0] > 5 * image.rgb[y, x, 1]


def test_spread_is_the_transpose_of_drawing(rng):
    """<A c, r> = <c, A^T r> for colours c and pictures r, up to float32 sums."""
    from lyra_core.ops.splat_warp import make_splatter

    gaussians = _random(rng, 800, nearest=1.0)
    sh = rng.uniform(-1.5, 1.5, gaussians.sh.shape)
    gaussians = Gaussians(gaussians.means, gaussians.quats_wxyz, gaussians.scales, gaussians.opacities, sh)
    splatter_ = make_splatter(gaussians, SplatSettings(), "cpu")
    drawn = splatter_.draw(CAMERA).rgb
    residual = rng.normal(size=drawn.shape).astype(np.float32)
    sums = splatter_.spread(CAMERA, residual)
    colors = np.maximum(0.5 + SH_C0 * gaussians.sh[:, 0], 0)
    assert float((sums[:, :3] * colors).sum()) == pytest.approx(float((drawn * residual).sum()), abs=0.05)
    alpha = splatter_.draw(CAMERA).alpha
    assert float(sums[:, 3].sum()) == pytest.approx(float(alpha.sum()), rel=1e-4)


def test_bad_settings_are_refused():
    with pytest.raises(InputError, match="near"):
        SplatSettings(near=0.0)

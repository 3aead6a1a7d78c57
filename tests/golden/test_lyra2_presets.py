# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The 27 presets against the reference (golden/trajectories/presets)."""

import json

import numpy as np
import pytest

from lyra_core.errors import PathError
from lyra_core.trajectory.lyra2_presets import LYRA_PRESETS, lyra_preset

WRONG = {"rotate_zoom_in", "rotate_zoom_out", "dolly_zoom", "back"}


@pytest.fixture(scope="module")
def presets(golden):
    folder = golden / "trajectories"
    return json.loads((folder / "presets_index.json").read_text()), np.load(folder / "presets.npz")


def ours(case, arrays, compat):
    noise = arrays[case["key"].split("_")[0] + "_randn"].reshape(-1, 2) if "noise" in case["preset"] else None
    if noise is not None and case["preset"].startswith("rotate"):
        noise = None
    return lyra_preset(
        case["preset"],
        frames=case["video_len"],
        center_depth=case["center_depth"],
        strength=case["strength"],
        direction=case["direction"],
        start_w2c=arrays[f"base_{case['base']}"],
        noise=noise,
        compat=compat,
    )


def test_all_presets_of_the_reference_are_known(presets):
    assert {case["preset"] for case in presets[0]} == set(LYRA_PRESETS)
    assert len(LYRA_PRESETS) == 27


def test_every_preset_equals_the_reference_in_its_compatible_form(presets):
    index, arrays = presets
    for case in index:
        got = ours(case, arrays, "reference")
        want = arrays[f"{case['key']}_w2c"]
        assert got.w2c.shape == want.shape == (case["frames_out"], 4, 4), case["key"]
        assert np.allclose(got.w2c, want, atol=5e-6, rtol=5e-6), (case["key"], np.abs(got.w2c - want).max())
        if case["K_varies"]:
            focal = arrays["K"][..., 0, 0].reshape(-1)[0] * got.focal_scale
            assert np.allclose(focal, arrays[f"{case['key']}_K"][:, 0, 0], atol=5e-5, rtol=5e-5), case["key"]


def test_the_default_differs_only_where_the_reference_is_wrong(presets):
    index, arrays = presets
    for case in index:
        same = np.allclose(ours(case, arrays, "default").w2c, arrays[f"{case['key']}_w2c"], atol=5e-6, rtol=5e-6)
        assert same == (case["preset"] not in WRONG), case["key"]


@pytest.mark.parametrize("direction", ["left", "right"])
@pytest.mark.parametrize("name", ["rotate_zoom_in", "rotate_zoom_out"])
def test_a_rotated_zoom_stays_on_its_viewing_axis(name, direction):
    views = lyra_preset(name, frames=20, center_depth=2.0, strength=0.5, direction=direction).w2c
    last = views[-1]
    center = -last[:3, :3].T @ last[:3, 3]
    along = center @ last[2, :3]
    assert np.allclose(center, along * last[2, :3], atol=1e-12)
    assert np.sign(along) == (1 if name.endswith("in") else -1)


def test_a_dolly_zoom_keeps_its_subject_in_front_and_as_large():
    preset = lyra_preset("dolly_zoom", frames=30, center_depth=4.0)
    subject = np.array([0.1, 0.0, 0.185 * 4.0, 1.0])
    seen = preset.w2c @ subject
    assert (seen[:, 2] > 0.2).all()
    assert np.allclose(preset.focal_scale * seen[:, 0] / seen[:, 2], seen[0, 0] / seen[0, 2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "spirall"}, "spiral"),
        ({"name": "spiral", "frames": 1}, "2 or more"),
        ({"name": "spiral", "center_depth": float("nan")}, "positive depth"),
        ({"name": "spiral", "direction": "north"}, "left, right"),
        ({"name": "horizontal_noise", "noise": np.zeros(3)}, "two draws"),
    ],
)
def test_bad_requests_are_refused(options, message):
    with pytest.raises(PathError, match=message):
        lyra_preset(**{"frames": 9, "center_depth": 2.0, **options})

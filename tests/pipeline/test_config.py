# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Presets and overrides; unknown names get advice."""

from __future__ import annotations

import pytest

from lyra_core.errors import ConfigError
from lyra_core.pipeline.config import RunConfig, load_config, preset_names, settings_of


def test_every_preset_loads():
    assert {"quick", "balanced", "quality"} <= set(preset_names())
    for name in preset_names():
        assert isinstance(load_config(name), RunConfig)


def test_balanced_is_the_defaults():
    assert settings_of(load_config("balanced")) == settings_of(RunConfig())


def test_overrides_win_over_the_preset():
    assert load_config("quick", ["path.frames=7", "model.video=reproject"]).path.frames == 7


@pytest.mark.parametrize(
    ("preset", "override", "advice"),
    [
        ("balancd", "seed=1", "Did you mean 'balanced'"),
        ("balanced", "path.frmes=3", "Did you mean 'path.frames'"),
        ("balanced", "path.frames=many", "type"),
        ("balanced", "seed", "key=value"),
        ("balanced", "path.frames=0", "1 or more"),
        ("balanced", "path.frames=-80", "1 or more"),
        ("balanced", "path.strength=0", "strength"),
        ("balanced", "memory.mode=per_frme", "Did you mean 'per_frame'"),
        ("balanced", "photo.known_length=[1,2]", "metres"),
        ("balanced", "seed=-1", "0 or more"),
    ],
)
def test_bad_settings_are_refused_with_advice(preset, override, advice):
    with pytest.raises(ConfigError, match=advice.replace("'", ".")):
        load_config(preset, [override])

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""config/robots."""

from __future__ import annotations

import pytest

from lyra_core.errors import ConfigError
from lyra_core.navigation import robots
from lyra_core.navigation.robots import load_robot, robot_names


def test_all_promised_robots_are_there_and_load():
    assert {"lyra_bot", "nova_carter", "jetbot", "spot", "go2", "h1"} <= set(robot_names())
    for name in robot_names():
        spec = load_robot(name)
        assert spec.name == name
        assert 0.1 <= spec.footprint_radius <= 1.0
        assert spec.track / 2 < spec.footprint_radius
        assert bool(spec.policy) == (spec.kind == "legged")


def test_our_robot_lies_in_the_repository_and_the_others_need_isaac():
    assert load_robot("lyra_bot").asset_file.is_file()
    for name in set(robot_names()) - {"lyra_bot"}:
        spec = load_robot(name)
        assert spec.needs_isaac
        with pytest.raises(ConfigError, match="Isaac Sim"):
            _ = spec.asset_file


def test_a_misspelt_robot_is_answered_with_the_nearest_name():
    with pytest.raises(ConfigError, match="'nova_carter'"):
        load_robot("nova_cater")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: wheeled\nwheels: 3\n", "wrong key or type"),
        ("kind: wheeled\nwheel_radius: big\n", "wrong key or type"),
        ("kind: flying\n", "kind"),
        ("kind: wheeled\nasset: x.usda\n", "wheel_radius, track, wheel_joints"),
        ("kind: legged\nasset: x.usda\n", "policy"),
    ],
)
def test_a_broken_file_is_refused_with_what_is_wrong(text, message, tmp_path, monkeypatch):
    (tmp_path / "odd.yaml").write_text(text)
    monkeypatch.setattr(robots, "shipped", lambda *parts: tmp_path.joinpath(*parts[2:]))
    with pytest.raises(ConfigError, match=message):
        load_robot("odd")

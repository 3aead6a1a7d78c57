# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The controller on a robot that is kinematics alone: wheel speeds integrated at 120 Hz, no engine."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lyra_core.errors import InputError
from lyra_core.navigation.controller import Command, PurePursuit, PursuitSettings, wheel_speeds

RADIUS, TRACK, PERIOD = 0.07, 0.30, 1 / 30


def line(*corners, spacing=0.05):
    corners = np.asarray(corners, float)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    at = np.linspace(0, along[-1], int(np.ceil(along[-1] / spacing)) + 1)
    return np.stack([np.interp(at, along, corners[:, axis]) for axis in range(2)], axis=1)


def follow(path, yaw, *, settings=None, seconds=60, scale=(1.0, 1.0)):
    """Drive; scale multiplies the left and right wheel's radius, as wear would. Returns poses, commands, done."""
    pursuit = PurePursuit(path, settings)
    x, y = path[0]
    poses, commands = [(x, y, yaw)], []
    while len(poses) < seconds / PERIOD:
        command = pursuit.step(x, y, yaw, PERIOD)
        commands.append(command)
        if command.done:
            break
        left, right = wheel_speeds(command, wheel_radius=RADIUS, track=TRACK)
        for _ in range(4):
            a, b = left * RADIUS * scale[0], right * RADIUS * scale[1]
            yaw += (b - a) / TRACK * PERIOD / 4
            x += 0.5 * (a + b) * math.cos(yaw) * PERIOD / 4
            y += 0.5 * (a + b) * math.sin(yaw) * PERIOD / 4
        poses.append((x, y, yaw))
    return np.array(poses), commands, pursuit


WAVE = np.stack([np.linspace(0, 6, 150), np.sin(np.linspace(0, 6, 150))], axis=1)
PATHS = {"straight": line((0, 0), (4, 0)), "wave": WAVE, "corners": line((0, 0), (2, 0), (2, 2), (0, 2))}
# A right angle without rounding cannot be followed closer than about a quarter of the lookahead (0.4 m).
BOUNDS = {"straight": 0.03, "wave": 0.05, "corners": 0.10}


@pytest.mark.parametrize("yaw", [0.0, 1.5, 3.1, -2.0])
@pytest.mark.parametrize("name", PATHS)
def test_the_robot_reaches_the_goal_near_the_path_from_any_heading(name, yaw):
    poses, commands, pursuit = follow(PATHS[name], yaw)
    assert commands[-1].done
    assert np.hypot(*(poses[-1, :2] - PATHS[name][-1])) <= PursuitSettings().tolerance
    assert max(pursuit.deviation(p) for p in poses[:, :2]) < BOUNDS[name]


@pytest.mark.parametrize("name", PATHS)
def test_speeds_and_accelerations_stay_within_the_limits(name):
    limits = PursuitSettings(max_speed=0.5, max_turn=1.5)
    _, commands, _ = follow(PATHS[name], 2.0, settings=limits)
    linear, angular = (np.array([getattr(c, key) for c in commands]) for key in ("linear", "angular"))
    assert linear.max() <= 0.5 + 1e-9
    assert linear.min() >= -1e-9
    assert np.abs(angular).max() <= 1.5 + 1e-9
    assert np.diff(linear).max() <= limits.acceleration * PERIOD + 1e-9
    assert np.diff(linear).min() >= -1.5 * limits.acceleration * PERIOD - 1e-9  # brakes may be stronger
    assert np.abs(np.diff(angular)).max() <= limits.turn_acceleration * PERIOD + 1e-9


def test_a_robot_that_looks_away_turns_on_the_spot_first():
    poses, _, _ = follow(PATHS["straight"], math.pi)
    moved = np.hypot(*(poses[:, :2] - poses[0, :2]).T)
    away = np.abs((poses[:, 2] + math.pi) % (2 * math.pi) - math.pi) > 1.0
    assert moved[away].max() < 0.02


def test_it_slows_before_the_goal():
    _, commands, _ = follow(PATHS["straight"], 0.0)
    assert max(c.linear for c in commands) == pytest.approx(0.6)
    assert commands[-2].linear < 0.4


def test_unequal_wheels_are_corrected():
    poses, commands, pursuit = follow(PATHS["wave"], 0.0, scale=(0.97, 1.03))
    assert commands[-1].done
    assert max(pursuit.deviation(p) for p in poses[:, :2]) < 0.08


def test_a_path_that_crosses_itself_is_driven_to_its_end():
    t = np.linspace(0, 2 * np.pi, 240)
    eight = np.stack([2 * np.sin(t), 1.5 * np.sin(2 * t)], axis=1)
    poses, commands, _ = follow(eight, 0.9)
    assert commands[-1].done
    driven = np.linalg.norm(np.diff(poses[:, :2], axis=0), axis=1).sum()
    assert driven == pytest.approx(np.linalg.norm(np.diff(eight, axis=0), axis=1).sum(), rel=0.05)


def test_a_robot_that_cannot_move_is_not_told_that_it_arrived():
    pursuit = PurePursuit(PATHS["straight"])
    assert not any(pursuit.step(1.0, 0.0, 0.0, PERIOD).done for _ in range(300))


def test_wheel_speeds_are_those_of_the_kinematics():
    left, right = wheel_speeds(Command(0.35, 1.0), wheel_radius=0.07, track=0.3)
    assert (left + right) / 2 * 0.07 == pytest.approx(0.35)
    assert (right - left) * 0.07 / 0.3 == pytest.approx(1.0)
    assert right > left  # a left turn


def test_broken_paths_and_settings_are_refused():
    for path in (np.zeros((1, 2)), np.zeros((4, 3)), np.full((3, 2), np.nan)):
        with pytest.raises(InputError, match="two finite points"):
            PurePursuit(path)
    with pytest.raises(InputError, match="max_speed"):
        PursuitSettings(max_speed=0.0)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The 27 camera presets of Lyra 2.0 as world-to-camera matrices in the frame of the first camera.

OpenCV axes (x right, y down, z forward), units of the seed depth. Where the reference is right the result equals it to
float32 rounding. Three presets are wrong there and are drawn here as they are meant:

- `rotate_zoom_in`, `rotate_zoom_out`: the reference translates along the transposed rotation, so that the dolly leaves
  the viewing axis; here it stays on the axis.
- `dolly_zoom`: the reference always travels 3 units, past its subject; here it travels 60 % of the way to the subject.
- `back`: the reference writes the camera centre where the translation belongs; here it is a centre.

`compat="reference"` gives the reference's poses for these three as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import PathError, did_you_mean

__all__ = ["LYRA_PRESETS", "LyraPreset", "lyra_preset"]

Direction = Literal["left", "right", "up", "down"]
Compat = Literal["default", "reference"]
Matrices = NDArray[np.float64]
_TURN = np.deg2rad(20.0)
_SUBJECT = 0.185  # dolly_zoom looks at this share of the centre depth
_DOLLY_SHARE = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class LyraPreset:
    """What a preset gives.

    Attributes
    ----------
    w2c: (T, 4, 4) float64 world to camera; T = frames, or 2 frames - 1 for back and back_simple.
    focal_scale: (T,) float64 factor on fx and fy; 1 except for dolly_zoom.
    """

    w2c: Matrices
    focal_scale: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Ask:
    strength: float
    frames: int
    depth: float
    direction: Direction
    noise: NDArray[np.float64]
    compat: Compat

    @property
    def sign(self) -> float:
        return 1.0 if self.direction == "right" else -1.0

    @property
    def share(self) -> NDArray[np.float64]:
        """i / N: the reference stops one step short of the full distance."""
        return np.arange(self.frames) / self.frames

    @property
    def whole(self) -> NDArray[np.float64]:
        """i / (N - 1)."""
        return np.arange(self.frames) / max(1, self.frames - 1)


def _look(centers: Matrices, target: Matrices) -> Matrices:
    """(N, 4, 4) roll-free views from centers (N, 3) to target (3,) or (N, 3)."""
    forward = np.broadcast_to(target, centers.shape) - centers
    forward = forward / np.linalg.norm(forward, axis=1, keepdims=True)
    right = np.cross(np.array([0.0, 1.0, 0.0]), forward)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    rotation = np.stack([right, np.cross(forward, right), forward], axis=1)
    return _views(rotation, -np.einsum("nij,nj->ni", rotation, centers))


def _views(rotation: Matrices, translation: Matrices) -> Matrices:
    views = np.tile(np.eye(4), (len(translation), 1, 1))
    views[:, :3, :3], views[:, :3, 3] = rotation, translation
    return views


def _yaw(angles: NDArray[np.float64]) -> Matrices:
    c, s, zero, one = np.cos(angles), np.sin(angles), np.zeros_like(angles), np.ones_like(angles)
    return np.stack([np.stack(r, -1) for r in ([c, zero, s], [zero, one, zero], [-s, zero, c])], axis=1)


def _points(x: NDArray | float, y: NDArray | float, z: NDArray | float, count: int) -> Matrices:
    return np.stack([np.broadcast_to(np.asarray(v, float), (count,)) for v in (x, y, z)], axis=1)


def _center(ask: _Ask) -> Matrices:
    return np.array([0.0, 0.0, ask.depth])


def _original(ask: _Ask) -> Matrices:
    return np.tile(np.eye(4), (ask.frames, 1, 1))


def _spiral(ask: _Ask) -> Matrices:
    angle, size = 4 * np.pi * ask.whole, ask.strength * ask.depth
    x, y = 0.15 * size * ask.sign * (np.cos(angle) - 1), 0.10 * size * np.sin(angle)
    return _look(_points(x, y, 0.0, ask.frames), _center(ask))


def _spiral_center(ask: _Ask) -> Matrices:
    angle = 2 * np.pi * ask.whole
    x, y = 0.03 * np.cos(angle) * ask.depth, 0.02 * np.sin(angle) * ask.depth
    return _look(_points(x, y, 0.0, ask.frames), _center(ask))


def _spiral_outwards(ask: _Ask) -> Matrices:
    angle, size = 2 * np.pi * ask.whole, ask.strength * ask.depth
    offset = _points(0.3 * size * ask.sign * (np.cos(angle) - 1), 0.2 * size * np.sin(angle), 0.0, ask.frames)
    return _look(np.zeros((ask.frames, 3)), _center(ask) + offset)


def _slide(axis: int, *, noise: bool = False, bend: bool = False, hold: bool = False) -> Callable[[_Ask], Matrices]:
    """The horizontal family: a straight move on one axis with a fixed target."""

    def build(ask: _Ask) -> Matrices:
        share = ask.share
        if hold:
            moving = ask.frames // 2
            share = np.minimum(np.arange(ask.frames), max(moving - 1, 0)) / max(moving, 1)
        centers = np.zeros((ask.frames, 3))
        centers[:, axis] = ask.sign * share * ask.strength * ask.depth
        if bend:
            lift = 0.04 if ask.sign > 0 else 0.12
            centers[:, 1] = ask.sign * lift * ask.strength * ask.depth * share
        if noise:
            others = [a for a in range(3) if a != axis]
            centers[:, others] += ask.noise * 1e-4 * ask.strength * ask.depth
        target = _center(ask) * (1 + ask.strength) if axis == 2 else _center(ask)
        return _look(centers, target)

    return build


def _shift(axis: int, positive: Direction) -> Callable[[_Ask], Matrices]:
    def build(ask: _Ask) -> Matrices:
        move = ask.strength * ask.depth * ask.whole
        if axis == 0:
            move = -move if ask.direction == positive else move
        else:
            move = move if ask.direction == positive else -move
        translation = np.zeros((ask.frames, 3))
        translation[:, axis] = move
        return _views(np.eye(3)[None], translation)

    return build


def _horizontal_outward(ask: _Ask) -> Matrices:
    centers = _points(ask.sign * ask.share * ask.strength * ask.depth, 0.0, 0.0, ask.frames)
    return _look(centers, _center(ask) + 2 * centers)


def _back(radius: tuple[float, float], *, broken: bool) -> Callable[[_Ask], Matrices]:
    """Stand still for N frames, then go once around a small ellipse (its size does not follow the depth)."""

    def build(ask: _Ask) -> Matrices:
        angle = np.linspace(0.0, 2 * np.pi, ask.frames - 1)
        x, y = radius[0] * ask.sign * (np.cos(angle) - 1), radius[1] * np.sin(angle)
        centers = _points(x, y, 0.0, ask.frames - 1)
        circle = _look(centers, _center(ask))
        if broken and ask.compat == "reference":
            circle[:, :3, 3] = centers
        return np.concatenate([_original(ask), circle])

    return build


def _dolly_travel(ask: _Ask) -> NDArray[np.float64]:
    reach = 3.0 if ask.compat == "reference" else _DOLLY_SHARE * _SUBJECT * ask.depth
    return reach * ask.whole


def _dolly_zoom(ask: _Ask) -> Matrices:
    return _look(_points(0.0, 0.0, _dolly_travel(ask), ask.frames), np.array([0.0, 0.0, _SUBJECT * ask.depth]))


def _dolly_focal(ask: _Ask) -> NDArray[np.float64]:
    """Keeps the subject as large as it was. The reference shrinks by s / (s + z) although it walks towards s."""
    subject, z = _SUBJECT * ask.depth, _dolly_travel(ask)
    return subject / (subject + z) if ask.compat == "reference" else (subject - z) / subject


def _horizontal_spiral(ask: _Ask) -> Matrices:
    angle, size = 4 * np.pi * ask.whole, ask.strength * ask.depth
    x, y = 0.15 / 8 * size * ask.sign * (np.cos(angle) - 1), 0.10 / 8 * size * np.sin(angle)
    return _look(_points(x, y, ask.sign * ask.whole * size, ask.frames), _center(ask) * (1 + ask.strength))


def _orbit(axis: int, positive: Direction) -> Callable[[_Ask], Matrices]:
    def build(ask: _Ask) -> Matrices:
        towards = ask.direction == positive
        turn = (-1.0 if towards else 1.0) if axis == 0 else (1.0 if towards else -1.0)
        angle = np.pi + turn * ask.strength * ask.whole
        side, ahead = ask.depth * np.sin(angle), ask.depth + ask.depth * np.cos(angle)
        centers = _points(side, 0.0, ahead, ask.frames) if axis == 0 else _points(0.0, side, ahead, ask.frames)
        return _look(centers, _center(ask))

    return build


def _rotate_zoom(forward: float) -> Callable[[_Ask], Matrices]:
    def build(ask: _Ask) -> Matrices:
        turning = ask.frames // 2
        angles = ask.sign * _TURN * np.arange(turning) / max(1, turning - 1)
        last = _yaw(angles[-1:])[0] if turning else np.eye(3)
        rest = ask.frames - turning
        travel = forward * ask.strength * ask.depth * np.arange(rest) / max(1, rest - 1)
        # On the viewing axis the translation is along z of the camera; the reference turns it twice the wrong way.
        axis = (last.T @ last.T)[:, 2] if ask.compat == "reference" else np.array([0.0, 0.0, 1.0])
        translation = -travel[:, None] * axis
        dolly = _views(np.repeat(last[None], rest, axis=0), translation)
        return np.concatenate([_views(_yaw(angles), np.zeros((turning, 3))), dolly])

    return build


def _rotate_spot(noise: bool) -> Callable[[_Ask], Matrices]:
    def build(ask: _Ask) -> Matrices:
        rotation = _yaw(ask.sign * np.deg2rad(ask.strength) * ask.whole)
        turned = _views(rotation, np.zeros((ask.frames, 3)))
        if not noise:
            return turned
        # A circle of 1e-5 D keeps a later alignment of the poses from being degenerate.
        phase = 2 * np.pi * 0.001 * np.arange(ask.frames)
        centers = 1e-5 * ask.depth * _points(np.cos(phase), np.sin(phase), 0.0, ask.frames)
        return turned @ _look(centers, _center(ask))

    return build


_BUILDERS: dict[str, Callable[[_Ask], Matrices]] = {
    "original": _original,
    "spiral": _spiral,
    "spiral_center": _spiral_center,
    "spiral_outwards": _spiral_outwards,
    "horizontal": _slide(0),
    "horizontal_noise": _slide(0, noise=True),
    "horizontal_lift": _slide(1),
    "horizontal_lift_noise": _slide(1, noise=True),
    "horizontal_zoom": _slide(2),
    "horizontal_zoom_noise": _slide(2, noise=True),
    "horizontal_zoom_bend": _slide(2, bend=True),
    "horizontal_zoom_noise_bend": _slide(2, noise=True, bend=True),
    "horizontal_zoom_still": _slide(2, hold=True),
    "horizontal_still": _slide(0, hold=True),
    "horizontal_simple": _shift(0, "right"),
    "vertical_simple": _shift(1, "up"),
    "horizontal_outward": _horizontal_outward,
    "horizontal_spiral": _horizontal_spiral,
    "back": _back((0.3, 0.2), broken=True),
    "back_simple": _back((0.15, 0.1), broken=False),
    "dolly_zoom": _dolly_zoom,
    "orbit_horizontal": _orbit(0, "right"),
    "orbit_vertical": _orbit(1, "up"),
    "rotate_zoom_in": _rotate_zoom(1.0),
    "rotate_zoom_out": _rotate_zoom(-1.0),
    "rotate_spot": _rotate_spot(False),
    "rotate_spot_noise": _rotate_spot(True),
}
LYRA_PRESETS: tuple[str, ...] = tuple(_BUILDERS)


def lyra_preset(
    name: str,
    *,
    frames: int,
    center_depth: float,
    strength: float = 0.2,
    direction: Direction = "right",
    start_w2c: NDArray[np.floating] | None = None,
    noise: NDArray[np.floating] | None = None,
    compat: Compat = "default",
) -> LyraPreset:
    """One of Lyra 2.0's presets.

    Parameters
    ----------
    frames: N >= 2 poses (back and back_simple give 2 N - 1).
    center_depth: the reference's D, the lower quartile of the valid seed depth.
    strength: share of D; degrees for rotate_spot, radians for orbits.
    start_w2c: (4, 4) of the first camera; identity by default.
    noise: (N, 2) standard normal draws for the *_noise presets; zeros by default.

    Errors: PathError for an unknown name or direction, too few frames, a depth that is not positive, noise of a wrong shape.
    """
    if name not in _BUILDERS:
        raise PathError("Unknown Lyra preset", got=name, do=did_you_mean(name, _BUILDERS))
    if direction not in ("left", "right", "up", "down"):
        raise PathError("Unknown direction", got=str(direction), do="Use left, right, up or down")
    if frames < 2 or not (np.isfinite(center_depth) and center_depth > 0 and np.isfinite(strength)):
        got = f"frames {frames}, center depth {center_depth}, strength {strength}"
        raise PathError("A preset needs 2 or more frames and a positive depth", got=got, do="Check the seed depth")
    draws = np.zeros((frames, 2)) if noise is None else np.asarray(noise, np.float64)
    if draws.shape != (frames, 2):
        raise PathError("The noise must be two draws a frame", got=str(draws.shape), do=f"Give shape ({frames}, 2)")
    ask = _Ask(float(strength), frames, float(center_depth), direction, draws, compat)
    start = np.eye(4) if start_w2c is None else np.asarray(start_w2c, np.float64)
    views = _BUILDERS[name](ask) @ start
    focal = _dolly_focal(ask) if name == "dolly_zoom" else np.ones(len(views))
    return LyraPreset(views, focal)

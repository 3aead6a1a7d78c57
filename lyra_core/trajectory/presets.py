# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The table of path presets, and make_path, which turns a name and options into a CameraPath."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import PathError, did_you_mean
from lyra_core.trajectory import curves
from lyra_core.trajectory import walk as walking
from lyra_core.trajectory.lyra2_presets import LYRA_PRESETS, lyra_preset
from lyra_core.trajectory.motion import path_speed, retime
from lyra_core.trajectory.scene import SeedScene
from lyra_core.types import Camera, CameraPath

__all__ = ["LYRA_PREFIX", "PRESETS", "Option", "Preset", "make_path", "preset"]

_log = logging.getLogger(__name__)

LYRA_PREFIX = "lyra2:"  # lyra2:spiral and so on: the presets of Lyra 2.0, pose by pose

Shape = Callable[[NDArray[np.float64], SeedScene, float, Mapping[str, Any]], list[NDArray[np.float64]]]


@dataclass(frozen=True, slots=True)
class Option:
    """One setting of a preset.

    Attributes
    ----------
    default: value if not given; None where help says what is taken instead.
    help: one line, with the unit.
    choices: allowed words; empty for numbers and switches.
    least, most: allowed range of a number.
    """

    default: float | str | bool | None
    help: str
    choices: tuple[str, ...] = ()
    least: float = -math.inf
    most: float = math.inf

    def read(self, preset_name: str, name: str, value: Any) -> float | str | bool | None:
        """The value, checked; words from a command line are converted. Raises PathError."""
        label = f"Option '{name}' of the path '{preset_name}'"
        if value is None:
            return self.default
        if self.choices:
            if value not in self.choices:
                raise PathError(
                    f"{label} has fixed choices", got=repr(value), do=did_you_mean(str(value), self.choices)
                )
            return value
        if isinstance(self.default, bool):
            words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
            answer = words.get(str(value).lower())
            if answer is None:
                raise PathError(f"{label} is true or false", got=repr(value), do=f"Give {name}=true or {name}=false")
            return answer
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not (math.isfinite(number) and self.least <= number <= self.most):
            bounds = (
                f"from {self.least:g} to {self.most:g}" if math.isfinite(self.most) else f"of at least {self.least:g}"
            )
            raise PathError(f"{label} must be a number {bounds}", got=repr(value), do=self.help)
        return number


@dataclass(frozen=True, slots=True)
class Preset:
    """A named way to move.

    Attributes
    ----------
    name, summary: what the user types, and one line of what it does.
    options: the preset's own settings by name; those of COMMON apply to all.
    shape: gives the pose curves (see curves).
    """

    name: str
    summary: str
    shape: Shape
    options: Mapping[str, Option]

    def read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All options with their values, given or default. Raises PathError for unknown names and bad values."""
        known = {**_COMMON, **self.options}
        for name in given:
            if name not in known:
                raise PathError(
                    f"The path '{self.name}' has no option '{name}'", got=name, do=did_you_mean(name, known)
                )
        return {
            name: option.read(self.name, name, given[name]) if name in given else option.default
            for name, option in known.items()
        }


_COMMON = {
    "soft": Option(0.1, "share of each leg's time to speed up and slow down; 0 = constant speed", least=0, most=0.5),
    "max_step": Option(None, "metres per frame that are not exceeded; the path gets shorter instead", least=1e-6),
    "max_turn": Option(None, "degrees per frame that are not exceeded; the path gets shorter instead", least=1e-6),
}


def _metres(default: str) -> Option:
    return Option(None, f"metres to travel, times strength (default: {default})", least=0)


_RISE = Option(0.15, "metres up per metre back", least=-1, most=1)
_LYRA_DIRECTION = Option("right", "as --direction of Lyra 2.0", choices=("left", "right", "up", "down"))
_WALK = {
    "distance": _metres("0.75 of the subject's distance, less where only a turn of more than 45° leads on"),
    "height": Option(None, "metres over the floor to settle at, e.g. a robot's eye (default: the photo's)", least=0.02),
    "pitch": Option(None, "degrees up to settle at (default: the photo's, within 15)", least=-80, most=80),
    "clearance": Option(0.35, "metres to keep from everything seen", least=0),
    "lag": Option(
        25.0, "degrees that the view lags behind a bend of the way at most; 0 looks where it goes", least=0, most=90
    ),
}

_TABLE = (
    Preset("still", "stays at the photo", curves.still, {}),
    Preset(
        "zoom-in",
        "moves straight into the picture",
        curves.zoom_in,
        {"distance": _metres("half the subject's distance")},
    ),
    Preset(
        "zoom-out",
        "backs away and rises a little",
        curves.zoom_out,
        {"distance": _metres("the subject's distance"), "rise": _RISE},
    ),
    Preset(
        "zoom-in-out",
        "moves in, returns to the photo, and backs away",
        curves.zoom_in_out,
        {
            "in_distance": _metres("half the subject's distance"),
            "out_distance": _metres("the subject's distance"),
            "rise": _RISE,
            "first": Option("in", "which way first", choices=("in", "out")),
        },
    ),
    Preset(
        "orbit",
        "circles the subject at constant height",
        curves.orbit,
        {
            "angle": Option(40.0, "degrees around the subject, times strength", least=0, most=3600),
            "radius": Option(None, "metres to the centre of the circle (default: the subject's distance)", least=0.01),
            "direction": Option("right", "where the camera goes first", choices=("left", "right")),
        },
    ),
    Preset(
        "dolly",
        "slides straight, looking the same way",
        curves.dolly,
        {
            "distance": _metres("0.3 of the subject's distance"),
            "direction": Option("right", "where to", choices=("left", "right", "forward", "back", "up", "down")),
            "track": Option(False, "true keeps the subject centred"),
        },
    ),
    Preset(
        "look-around",
        "turns on the spot: left, right, and back to the photo",
        curves.look_around,
        {
            "angle": Option(45.0, "degrees to each side, times strength", least=0, most=3600),
            "direction": Option("both", "left or right turns to that side only", choices=("both", "left", "right")),
        },
    ),
    Preset(
        "spiral",
        "swirls beside the photo, looking at the subject",
        curves.spiral,
        {
            "turns": Option(2.0, "number of turns", least=0.1, most=50),
            "forward": Option(0.0, "advance as a share of the subject's distance, times strength", least=-3, most=0.9),
        },
    ),
    Preset("walk", "walks forward at constant height, turning aside before obstacles", walking.walk, _WALK),
    Preset(
        "walk-and-return",
        "walks out and comes back beside its own line, looking the same way",
        walking.walk_and_return,
        {
            **_WALK,
            "offset": Option(0.2, "metres between the way out and the way back; 0 = the same line", least=0, most=2),
            "side": Option("auto", "side of the way back (auto: the freer one)", choices=("auto", "left", "right")),
        },
    ),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({p.name: p for p in _TABLE})
"""All path presets by name."""


def preset(name: str) -> Preset:
    """The preset of this name. Raises PathError, naming the nearest, if there is none."""
    theirs = [LYRA_PREFIX + own for own in LYRA_PRESETS]
    if name in theirs:
        return Preset(name, "a preset of Lyra 2.0", curves.still, {"direction": _LYRA_DIRECTION})
    if name not in PRESETS:
        known = theirs if str(name).startswith(LYRA_PREFIX) else PRESETS
        raise PathError("No camera path of this name", got=repr(name), do=did_you_mean(str(name), known))
    return PRESETS[name]


def _check_numbers(frames: int, strength: float, fps: float) -> None:
    if isinstance(frames, bool) or not isinstance(frames, int | np.integer) or frames < 1:
        raise PathError(
            "A path needs a whole number of frames, 1 or more", got=repr(frames), do="Give e.g. --frames 81"
        )
    if not (isinstance(strength, int | float | np.number) and math.isfinite(strength) and 0 <= strength <= 100):
        raise PathError(
            "Strength scales the motion and must be a number from 0 to 100",
            got=repr(strength),
            do="Give e.g. --strength 0.5; use the direction option or another preset to reverse",
        )
    if not (math.isfinite(fps) and fps > 0):
        raise PathError("Frames per second must be positive", got=repr(fps), do="Give e.g. --fps 16")


def make_path(
    name: str,
    *,
    start: Camera,
    frames: int,
    scene: SeedScene,
    strength: float = 1.0,
    fps: float = 16.0,
    **options: Any,
) -> CameraPath:
    """A preset path that begins at the photo.

    Parameters
    ----------
    name: a key of PRESETS, or `lyra2:` and one of Lyra 2.0's (its strength has the meaning that it has there:
        share of the centre depth, degrees for rotate_spot, radians for orbits; poses are not retimed).
    start: the photo's camera; frame 0 has exactly this pose, and all frames its intrinsics.
    frames: number of frames, 1 = only the photo.
    scene: what was seen; distances scale with its centre depth, walks avoid its points.
    strength: factor of all distances and angles, >= 0.
    options: the preset's settings and those that all have (soft, max_step, max_turn).

    Returns
    -------
    CameraPath of frames views; motion at constant speed between soft starts and stops. Only the walks look at
    obstacles; pass any path through clearance.limit (plan_path does both).

    Raises
    ------
    PathError: unknown preset or option, values out of range.
    """
    chosen = preset(name)
    values = chosen.read(options)
    _check_numbers(frames, strength, fps)
    if name.startswith(LYRA_PREFIX):
        return _lyra_path(name, start, frames, scene.center_depth, float(strength), fps, values["direction"])
    amount = float(strength)
    for _ in range(8):
        legs = chosen.shape(start.world_from_camera, scene, amount, values)
        poses = retime(legs, frames, turn_radius=min(1.0, 0.5 * scene.center_depth), soft=values["soft"])
        poses[0] = start.world_from_camera
        path = CameraPath(
            poses, np.repeat(start.intrinsics[None], frames, axis=0), start.width, start.height, float(fps)
        )
        excess = _excess(path, values)
        if excess <= 1.0:
            break
        amount *= 0.999 / excess
    if amount < strength:
        _log.warning("path %s: strength lowered from %g to %.3g to keep the speed limit", name, strength, amount)
    return path


def _lyra_path(
    name: str, start: Camera, frames: int, depth: float, strength: float, fps: float, direction: Any
) -> CameraPath:
    """A preset of Lyra 2.0 moved to the photo: its own first pose becomes the photo's."""
    own = name.removeprefix(LYRA_PREFIX)
    count = frames // 2 + 1 if own in ("back", "back_simple") else frames  # these two make 2 N - 1 poses
    noise = np.random.default_rng(0).standard_normal((max(2, count), 2)) if own.endswith(("_noise", "_bend")) else None
    made = lyra_preset(
        own, frames=max(2, count), center_depth=depth, strength=strength, direction=direction, noise=noise
    )
    views = made.w2c[:frames]
    poses = start.world_from_camera @ (views[0] @ np.linalg.inv(views))
    poses[0] = start.world_from_camera
    intrinsics = np.repeat(start.intrinsics[None], len(poses), axis=0)
    intrinsics[:, [0, 1], [0, 1]] *= made.focal_scale[: len(poses), None]
    return CameraPath(poses, intrinsics, start.width, start.height, float(fps))


def _excess(path: CameraPath, values: Mapping[str, Any]) -> float:
    """How many times too fast the path is; <= 1 is fine."""
    speed = path_speed(path)
    step = speed.max_step / values["max_step"] if values["max_step"] else 0.0
    turn = speed.max_turn_deg / values["max_turn"] if values["max_turn"] else 0.0
    return max(step, turn)

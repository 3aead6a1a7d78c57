# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Walks through scenes that nobody trained on: out while turning, and back along a line beside, with exact frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lyra_core.errors import InputError
from lyra_core.geometry import intrinsics_from_fov
from lyra_core.training.renderer import TexturedScene, auto_exposure, render
from lyra_core.training.rooms import Route, make_room
from lyra_core.training.view_clusters import is_clear
from lyra_core.types import Camera, CameraPath, Frame

__all__ = ["HELD_OUT", "Walk", "level_walks", "outdoor_walk", "room_walk"]

HELD_OUT = 900_000
"""First seed of rooms and outdoor scenes that nobody trained on."""

_THROWS = 200
_ASIDE, _EXTRA_TURN = 0.12, np.deg2rad(3.4)  # of the way back, as Room.offset_loop has it
_LEAST, _MOST = 0.8, 2.5  # [m] length of a walk
_FOV = 70.0


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """A path of cameras through a scene, rendered under one exposure. name: which scene."""

    name: str
    scene: TexturedScene
    exposure: float
    path: CameraPath

    def frames(self) -> list[Frame]:
        """The exact frames; each owns all its pixels."""
        out = []
        for index, camera in enumerate(self.path):
            rgb, depth, sky = render(self.scene, camera, supersample=2, exposure=self.exposure)
            out.append(Frame(index, rgb, depth, sky, camera, np.ones_like(sky)))
        return out


def _loop(route: Route, frames: int, size: tuple[int, int]) -> CameraPath:
    out = (frames + 1) // 2
    poses = [route.pose(s) for s in np.linspace(0, 1, out)]
    for s in np.linspace(1, 0, frames - out):
        ramp = min(1.0, (1.0 - s) / 0.25)
        poses.append(route.pose(s, aside=_ASIDE * ramp, extra_turn=_EXTRA_TURN * ramp))
    lens = np.tile(intrinsics_from_fov(_FOV, *size), (len(poses), 1, 1))
    return CameraPath(np.stack(poses), lens, *size)


def _open_view(scene: TexturedScene, camera: Camera) -> bool:
    _, depth, sky = render(scene, camera.resized(48, 28), supersample=1, exposure=1.0)
    return bool(sky.mean() < 0.6 and np.percentile(depth[~sky], 4) > 0.35)


def _route_from(scene: TexturedScene, camera: Camera, rng: np.random.Generator) -> Route | None:
    """A walk of up to a quarter of the typical depth that starts at a view; None where something stands in the way."""
    _, depth, sky = render(scene, camera.resized(48, 28), supersample=1, exposure=1.0)
    length = float(np.clip(0.25 * np.median(depth[~sky]), _LEAST, _MOST))
    ahead = np.asarray(camera.forward)
    heading, pitch = float(np.arctan2(ahead[1], ahead[0])), float(-np.arcsin(np.clip(ahead[2], -1, 1)))
    course = heading + float(rng.choice([0.0, 0.8, -0.8]))
    advance = (length * float(np.cos(course)), length * float(np.sin(course)))
    start = (float(camera.center[0]), float(camera.center[1]), float(camera.center[2]))
    route = Route(start, heading, float(rng.choice([-1, 1])) * np.deg2rad(45), advance, pitch)
    ends = [route.pose(s, aside=a)[:3, 3] for s, a in ((0.0, 0.0), (1.0, 0.0), (0.0, _ASIDE), (1.0, _ASIDE))]
    ways = ((ends[0], ends[1]), (ends[2], ends[3]), (ends[1], ends[3]))
    return route if all(is_clear(scene, a, b) for a, b in ways) else None


def _find(
    name: str,
    draw: Callable[[np.random.Generator], tuple[TexturedScene, Camera] | None],
    rng: np.random.Generator,
    frames: int,
    size: tuple[int, int],
) -> Walk | None:
    """The first of some throws from which there is a free way whose views are all worth looking at."""
    for _ in range(_THROWS):
        found = draw(rng)
        route = None if found is None else _route_from(*found, rng)
        if found is None or route is None:
            continue
        path = _loop(route, frames, size)
        if all(_open_view(found[0], path[i]) for i in range(0, len(path), max(1, len(path) // 8))):
            return Walk(name, found[0], auto_exposure(found[0], path[0]), path)
    return None


def room_walk(number: int, frames: int, size: tuple[int, int]) -> Walk:
    """The walk of held-out room `number`, which rooms have of their own."""
    room = make_room(HELD_OUT + number)
    return Walk(
        f"room {HELD_OUT + number}", room.scene, room.exposure, room.offset_loop(frames, width=size[0], height=size[1])
    )


def outdoor_walk(number: int, frames: int, size: tuple[int, int]) -> Walk:
    """A walk in held-out outdoor scene `number`; InputError if there is no free way in it."""
    from lyra_core.training.outdoors import make_outdoors, sample_outdoor_view

    place = make_outdoors(HELD_OUT + number)
    name, rng = f"outdoors {HELD_OUT + number} ({place.kind})", np.random.default_rng([5, number])
    walk = _find(name, lambda r: sample_outdoor_view(place, size, r), rng, frames, size)
    if walk is None:
        raise InputError("No way to walk in this outdoor scene", got=name, do="Use another number")
    return walk


def level_walks(folder: Path, count: int, frames: int, size: tuple[int, int]) -> list[Walk]:
    """Walks in the first held-out levels that have a free way; folder: where the .pk3 archives lie."""
    from lyra_core.training.level_materials import LevelArchive
    from lyra_core.training.level_views import sample_view
    from lyra_core.training.levels import Level, is_held_out, level_names, read_level

    def draw(level: Level) -> Callable[[np.random.Generator], tuple[TexturedScene, Camera] | None]:
        def one(rng: np.random.Generator) -> tuple[TexturedScene, Camera] | None:
            camera = sample_view(level, size, rng)
            return None if camera is None else (level.scene, camera)

        return one

    archive, out = LevelArchive(folder), []
    for index, name in enumerate(level_names(archive)):
        if not is_held_out(index) or len(out) == count:
            continue
        level = read_level(archive, name)
        rng: np.random.Generator = np.random.default_rng([6, index])
        walk = _find(f"level {level.name}", draw(level), rng, frames, size) if len(level.places) else None
        out += [] if walk is None else [walk]
    return out

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Walking through free space: a planner on the floor plan of what was seen.

A beam search over pieces of bounded curvature and bounded change of curvature (a state lattice, Pivtoraiko and Kelly
2005) finds the walk that stays straight, on seen floor and away from obstacles as far as it can, so that the camera
turns aside gently and early.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import interpolate, look_at, matrix_from_rotvec, rigid
from lyra_core.trajectory.curves import heading_of
from lyra_core.trajectory.scene import SeedScene

__all__ = ["FloorPlan", "asked_distance", "floor_plan", "walk", "walk_and_return"]

_F = NDArray[np.float64]

_SHARE = 0.75  # of the subject's distance that is walked unless asked otherwise
_STRIDE = 0.05  # m between planned positions
_STEP_OVER = 0.12  # m: lower things do not stop a walk
_MIN_RADIUS = 0.5  # m, tightest turn
_MOST_TURN = np.radians(120)  # away from the photo's view; a walk does not go in circles
_TOWARDS = np.radians(45)  # a walk to the subject that turns further has left it: what it would see is not in the photo
_FAR_ENOUGH = 0.6  # of the length asked for: then it rather ends before the subject than turn further
_CURVES = np.linspace(-1 / _MIN_RADIUS, 1 / _MIN_RADIUS, 9)
_CURVE_CHANGE = 0.3  # 1/m per stride: the full lock takes about a third of a metre
_BEAM = 1500  # walks followed at a time
_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, slots=True, eq=False)
class FloorPlan:
    """Distances on a top view of the scene.

    Attributes
    ----------
    origin: (2,) world x, y of the corner of cell (0, 0) [m].
    cell: edge of a cell [m].
    to_obstacle: (X, Y) float32 distance from a cell to the nearest obstacle [m].
    to_seen: (X, Y) float32 distance to the nearest floor that was seen [m].
    """

    origin: _F
    cell: float
    to_obstacle: NDArray[np.float32]
    to_seen: NDArray[np.float32]

    def lookup(self, field: NDArray[np.float32], xy: _F) -> _F:
        """Values (...) of a field at world positions (..., 2); positions outside take the border's value."""
        index = np.floor((xy - self.origin) / self.cell).astype(np.int64)
        index = np.clip(index, 0, np.array(field.shape) - 1)
        return field[index[..., 0], index[..., 1]].astype(np.float64)


def floor_plan(scene: SeedScene, center: _F, *, height: float, reach: float) -> FloorPlan:
    """The floor plan around center (3,) out to reach [m] for a camera at height [m] over the floor."""
    from scipy.ndimage import distance_transform_edt

    cell = max(_STRIDE, 2 * reach / 1500)
    size = int(np.ceil(2 * reach / cell)) + 1
    origin = center[:2] - reach
    floor = 0.0 if scene.floor_z is None else scene.floor_z
    over = scene.points[:, 2].astype(np.float64) - floor
    index = np.floor((scene.points[:, :2] - origin) / cell).astype(np.int64)
    inside = ((index >= 0) & (index < size)).all(axis=1)

    def distance(chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
        taken = np.zeros((size, size), bool)
        taken[index[chosen, 0], index[chosen, 1]] = True
        if not taken.any():
            return np.full((size, size), 2 * reach, np.float32)
        cells: Any = distance_transform_edt(~taken)
        return (cell * cells).astype(np.float32)

    blocks = inside & (over > _STEP_OVER) & (over < max(height, 0.4) + 0.4)
    return FloorPlan(origin, cell, distance(blocks), distance(inside & (np.abs(over) <= _STEP_OVER)))


@dataclass(frozen=True, slots=True, eq=False)
class _Beam:
    """Walks of one length: end positions (B, 2) [m], headings (B,) [rad], bends (B,) [1/m], costs (B,), and how they
    came: parent walk (B,) and the positions and headings (B, L, 3) of the last piece."""

    xy: _F
    heading: _F
    bend: _F
    cost: _F
    parent: NDArray[np.int64]
    piece: _F


def _pieces(beam: _Beam, strides: int) -> tuple[_F, _F]:
    """Every walk continued with every curvature: x, y, heading (B * C, L, 3) and the last bend (B * C,)."""
    change = _CURVE_CHANGE * np.arange(1, strides + 1)
    bend = np.repeat(beam.bend, len(_CURVES))[:, None]
    target = np.tile(_CURVES, len(beam.bend))[:, None]
    curvature = bend + np.clip(target - bend, -change, change)
    after = np.repeat(beam.heading, len(_CURVES))[:, None] + np.cumsum(curvature, axis=1) * _STRIDE
    middle = after - 0.5 * curvature * _STRIDE
    steps = _STRIDE * np.stack([np.cos(middle), np.sin(middle)], axis=-1)
    xy = np.repeat(beam.xy, len(_CURVES), axis=0)[:, None] + np.cumsum(steps, axis=1)
    return np.concatenate([xy, after[..., None]], axis=-1), curvature[:, -1]


def _continued(plan: FloorPlan, beam: _Beam, strides: int, wish: float, margin: float, most: float) -> _Beam:
    """The best walks one piece longer, at most one per small range of place and heading; empty if all are blocked."""
    piece, bend = _pieces(beam, strides)
    parent = np.repeat(np.arange(len(beam.bend)), len(_CURVES))
    gap = plan.lookup(plan.to_obstacle, piece[..., :2])
    fits = (gap >= margin).all(axis=1) & (np.abs(piece[:, -1, 2] - wish) <= most)
    piece, bend, parent, gap = piece[fits], bend[fits], parent[fits], gap[fits]
    near = np.clip((margin + 0.4 - gap) / 0.4, 0, 1) ** 2
    unseen = np.clip(plan.lookup(plan.to_seen, piece[..., :2]) - 0.3, 0, 1)
    away = (piece[..., 2] - wish) / np.pi
    change = bend - beam.bend[parent]
    cost = beam.cost[parent] + (
        1.5 * near.mean(axis=1)
        + 0.4 * unseen.mean(axis=1)
        + 1.0 * (away**2).mean(axis=1)
        + 0.2 * (bend * _MIN_RADIUS) ** 2
        + 0.2 * (change * _MIN_RADIUS) ** 2
    )
    order = np.argsort(cost, kind="stable")
    ends = piece[order, -1]
    bins = np.column_stack([np.round(ends[:, :2] / 0.15), np.round(ends[:, 2] / np.radians(15))]).astype(np.int64)
    keep = np.sort(np.unique(bins, axis=0, return_index=True)[1])[:_BEAM]
    chosen = order[keep]
    return _Beam(piece[chosen, -1, :2], piece[chosen, -1, 2], bend[chosen], cost[chosen], parent[chosen], piece[chosen])


def _search(
    plan: FloorPlan,
    center: _F,
    wish: float,
    pivot: float,
    distance: float,
    clearance: float,
    most: float = _MOST_TURN,
) -> _F:
    """x, y, heading (M, 3) [m, rad] of the best walk of at most distance [m] that begins pivot [rad] off the wish and
    turns away from it by at most `most` [rad]."""
    here = float(plan.lookup(plan.to_obstacle, center[:2]))
    margin = min(clearance + 1.5 * plan.cell, max(0.9 * here - plan.cell, 0.0))  # a cell is known to its size only
    total = round(distance / _STRIDE)
    strides = max(6, -(-total // 30))
    first = np.array([[*center[:2], wish + pivot]])
    zero = np.zeros(1)
    beams = [_Beam(first[:, :2], first[:, 2], zero, zero, np.zeros(1, np.int64), first[:, None])]
    while (len(beams) - 1) * strides < total:
        longer = _continued(plan, beams[-1], strides, wish, margin, most)
        if len(longer.bend) == 0:
            break
        beams.append(longer)
    index, pieces = 0, []  # beams are sorted by cost
    for beam in reversed(beams):
        pieces.append(beam.piece[index])
        index = int(beam.parent[index])
    return np.concatenate(pieces[::-1])[: total + 1]


def _track(
    plan: FloorPlan, center: _F, heading: float, distance: float, clearance: float, *, to_subject: bool
) -> tuple[_F, _F]:
    """Positions (M, 2) [m] and headings (M,) [rad] of a walk of at most distance [m].

    Where most of the way ahead is blocked, the walk may begin with a turn on the spot. A walk to the subject ends before
    what stands around that rather than turn away from it.
    """
    asked = max(round(distance / _STRIDE), 1)
    if to_subject:
        near = _search(plan, center, heading, 0.0, distance, clearance, _TOWARDS)
        if len(near) - 1 >= _FAR_ENOUGH * asked:
            return near[:, :2], near[:, 2]
    best, turned, score = _search(plan, center, heading, 0.0, distance, clearance), 0.0, 0.0
    if len(best) - 1 < 0.7 * asked:
        score = (len(best) - 1) * _STRIDE
        for degrees in (30, -30, 60, -60, 90, -90):
            track = _search(plan, center, heading, np.radians(degrees), distance, clearance)
            worth = (len(track) - 1) * _STRIDE * (1 - abs(degrees) / 200)
            if worth > score + 0.3:
                best, turned, score = track, float(np.radians(degrees)), worth
    if turned:
        spin = np.linspace(0.0, turned, 1 + round(abs(turned) / np.radians(2)))[:-1]
        best = np.concatenate([np.column_stack([np.tile(center[:2], (len(spin), 1)), heading + spin]), best])
    return best[:, :2], best[:, 2]


def _smoothstep(x: _F) -> _F:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _levelled(start: _F, pitch_deg: float | None) -> _F:
    """The start pose without roll, its pitch as asked or the photo's within 15 degrees."""
    ahead = heading_of(start)
    own = float(np.degrees(np.arctan2(start[2, 2], start[:2, 2] @ ahead[:2])))
    pitch = np.radians(np.clip(own, -15.0, 15.0) if pitch_deg is None else pitch_deg)
    forward = np.cos(pitch) * ahead + np.sin(pitch) * _UP
    return look_at(start[:3, 3], start[:3, 3] + forward)


def _gaze(turned: _F, lag: float) -> _F:
    """How far the view turns [rad] where the way has turned (M,) [rad]: it lags behind by lag [rad] at most.

    Whoever steps around a barrel looks on ahead. A view that turned with every bend would leave the photo, and most of
    what it showed would have to be invented.
    """
    return turned - lag * np.tanh(turned / lag) if lag > 0 else turned


def _poses(start: _F, track: _F, turned: _F, drop: float, pitch_deg: float | None) -> _F:
    """World poses (M, 4, 4) over a track with views turned by (M,) [rad]; height and pitch settle within a metre or so."""
    travelled = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(track, axis=0), axis=1))])
    part = _smoothstep(travelled / max(min(1.2, 0.5 * travelled[-1]), 1e-9))
    level = _levelled(start, pitch_deg)
    settled = np.stack([interpolate(start, level, float(p))[:3, :3] for p in part])
    turn = matrix_from_rotvec(turned[:, None] * _UP)
    centers = np.column_stack([track, start[2, 3] - drop * part])
    return rigid(turn @ settled, centers)


def asked_distance(scene: SeedScene, strength: float, options: Mapping[str, Any]) -> float:
    """Length of the walk [m] that was asked for, by default a part of the way to the subject.

    A photo that is walked up to shows four times its pixels at three quarters of the way, and a smear at its end.
    """
    return strength * (_SHARE * scene.center_depth if options["distance"] is None else options["distance"])


def _walked(start: _F, scene: SeedScene, strength: float, options: Mapping[str, Any]) -> tuple[_F, _F, FloorPlan]:
    """World poses (M, 4, 4), directions of the way (M, 2), and the plan that they were found on."""
    floor = 0.0 if scene.floor_z is None else scene.floor_z
    drop = 0.0 if options["height"] is None else start[2, 3] - floor - options["height"]
    height = max(start[2, 3], start[2, 3] - drop) - floor
    distance = asked_distance(scene, strength, options)
    plan = floor_plan(scene, start[:3, 3], height=height, reach=distance + 1.0)
    ahead = heading_of(start)
    heading = float(np.arctan2(ahead[1], ahead[0]))
    to_subject = options["distance"] is None
    track, headings = _track(plan, start[:3, 3], heading, distance, options["clearance"], to_subject=to_subject)
    if len(track) == 1:
        return np.repeat(start[None], 2, axis=0), np.tile(ahead[:2], (2, 1)), plan
    turned = _gaze(headings - heading, np.radians(options["lag"]))
    ways = np.stack([np.cos(headings), np.sin(headings)], axis=-1)
    return _poses(start, track, turned, drop, options["pitch"]), ways, plan


def walk(start: _F, scene: SeedScene, strength: float, options: Mapping[str, Any]) -> list[_F]:
    """Forward at constant height, turning aside before obstacles."""
    return [_walked(start, scene, strength, options)[0]]


def walk_and_return(start: _F, scene: SeedScene, strength: float, options: Mapping[str, Any]) -> list[_F]:
    """Out as in walk, then backwards on a line offset to the side, looking the same way as on the way out.

    Where the whole offset does not fit, the line comes nearer in quarters, at last back onto the way out.
    """
    out, ways, plan = _walked(start, scene, strength, options)
    back = out[::-1].copy()
    travelled = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(back[:, :3, 3], axis=0), axis=1))])
    away = _smoothstep(travelled / max(min(0.8, 0.4 * travelled[-1]), 1e-9))
    shift = away[:, None] * np.column_stack(
        [ways[::-1, 1], -ways[::-1, 0], np.zeros(len(ways))]
    )  # to the right of the way
    signs = {"right": [1.0], "left": [-1.0], "auto": [1.0, -1.0]}[options["side"]]
    own = float(plan.lookup(plan.to_obstacle, back[:, :2, 3]).min())
    for share in (1.0, 0.75, 0.5, 0.25):
        offsets = [sign * share * options["offset"] for sign in signs]
        gaps = [float(plan.lookup(plan.to_obstacle, (back[:, :3, 3] + o * shift)[:, :2]).min()) for o in offsets]
        if max(gaps) >= min(options["clearance"] + plan.cell, own):
            back[:, :3, 3] += offsets[int(np.argmax(gaps))] * shift
            break
    return [out, back]

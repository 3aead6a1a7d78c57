# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""How level and how large a photo's world is: rooms, and scenes where something else than the floor fills the view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.generation.photo import Photo
from lyra_core.generation.seed import SeedOptions, SeedView, make_seed
from lyra_core.geometry import intrinsics_from_fov, look_at, unproject
from lyra_core.models.protocols import DepthEstimate
from lyra_core.training.memory_evaluation import noisy_depths
from lyra_core.training.renderer import TexturedScene, render
from lyra_core.training.rooms import Room, ground_truth_frame
from lyra_core.training.solids import Material, SolidBuilder, quad_faces
from lyra_core.types import Camera, Frame

__all__ = ["HARD_SCENES", "TruthDepth", "hard_rows", "hard_scene", "level_rows", "level_table", "photo_of"]

HARD_SCENES = ("table", "stairs_up", "stairs_down", "slope", "pool", "platform")
"""Scenes in which a plane that is not the floor fills much of the view; the floor is z = 0 in all of them."""

_SIZE = (416, 240)


class TruthDepth:
    """A depth model that knows the answer: exact depth and sky of one picture, times a factor if its scale is unknown."""

    name = "truth"

    def __init__(self, depth: NDArray[np.float32], sky: NDArray[np.bool_], *, factor: float = 1.0) -> None:
        self._depth, self._sky, self._factor = depth, sky, factor

    def estimate(
        self, rgb: NDArray[np.float32], *, intrinsics: NDArray[np.float64], sky: NDArray[np.bool_] | None = None
    ) -> DepthEstimate:
        """The exact depth of the picture, without any opinion on up and floor."""
        del rgb, intrinsics, sky
        kind = "metric" if self._factor == 1.0 else "scale"
        return DepthEstimate(self._depth * np.float32(self._factor), self._sky, kind, confidence=1.0)


def photo_of(frame: Frame) -> Photo:
    """A frame as a photo that needs no scaling."""
    return Photo(frame.rgb, (frame.camera.width, frame.camera.height), 1.0, (0.0, 0.0), None, ())


def _seed(frame: Frame, depth: NDArray[np.float32], options: dict[str, Any], *, factor: float = 1.0) -> SeedView:
    fov = float(np.degrees(2 * np.arctan(0.5 * frame.camera.width / frame.camera.intrinsics[0, 0])))
    model = TruthDepth(depth, frame.sky, factor=factor)
    return make_seed(photo_of(frame), model, SeedOptions(fov=fov, **options), np.random.default_rng(0))


def _errors(view: SeedView, camera: Camera) -> dict[str, float]:
    """Angle between true and found up [deg], and error of the floor's height under the camera [cm]."""
    truth, found = camera.world_from_camera[2, :3], view.world_from_camera[2, :3]
    angle = float(np.degrees(np.arctan2(np.linalg.norm(np.cross(truth, found)), float(truth @ found))))
    return {"up_deg": angle, "floor_cm": 100 * abs(float(view.camera_height) - float(camera.center[2]))}


def _tilted(camera: Camera, pitch: float, roll: float) -> Camera:
    """The camera turned about its own x and z axes [rad]."""
    cx, sx, cz, sz = np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    turn = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]]) @ np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    pose = camera.world_from_camera.copy()
    pose[:3, :3] = pose[:3, :3] @ turn
    return Camera(camera.intrinsics, pose, camera.width, camera.height)


def _shows_floor(frame: Frame, *, share: float = 0.03) -> bool:
    """Whether at least this share of the picture is floor; without any, nothing can be measured."""
    height = unproject(frame.depth, frame.camera)[..., 2]
    return float(((np.abs(height) < 0.005) & (frame.depth > 0)).mean()) >= share


def level_rows(room: Room, number: int, *, views: int = 3) -> list[dict[str, Any]]:
    """Photos of a room from random places, tilted by hand-held amounts: errors of level and scale.

    Each is levelled from exact and from noisy depth; scale comes back from a known length and a camera height.
    """
    rng = np.random.default_rng([number, 0x1E7E1])
    rows: list[dict[str, Any]] = []
    for view in range(views):
        for _ in range(40):
            camera = room.sample_camera(rng, width=_SIZE[0], height=_SIZE[1], eye=(0.6, 1.7))
            camera = _tilted(camera, rng.uniform(-0.06, 0.06), rng.uniform(-0.07, 0.07))
            frame = ground_truth_frame(room, camera, 0, supersample=1)
            if _shows_floor(frame):
                break
        noisy = noisy_depths(np.random.default_rng([number, view]), [frame], 0.02)[0]
        for setting, depth in (("room", frame.depth), ("room, noisy", noisy)):
            seed = _seed(frame, depth, {})
            rows.append({"room": number, "level": setting, "view": view, **_errors(seed, camera)})
        rows[-2] |= _scale_errors(frame)
    return rows


def _scale_errors(frame: Frame) -> dict[str, float]:
    """Relative error [%] of the scale that a known length and a camera height give to depth of unknown scale."""
    solid = np.argwhere((frame.depth > 0) & ~frame.sky)
    a, b = solid[len(solid) // 5], solid[4 * len(solid) // 5]
    points = unproject(frame.depth, frame.camera)
    length = float(np.linalg.norm(points[tuple(a)] - points[tuple(b)]))
    known = (a[1] + 0.5, a[0] + 0.5, b[1] + 0.5, b[0] + 0.5, length)
    out = {}
    for name, options in (
        ("known_length", {"known_length": known}),
        ("camera_height", {"camera_height": float(frame.camera.center[2])}),
    ):
        seed = _seed(frame, frame.depth, options, factor=0.37)
        ratio = np.median((seed.depth / np.maximum(frame.depth, 1e-6))[(frame.depth > 0) & (seed.depth > 0)])
        out[f"scale_{name}_percent"] = 100 * abs(float(ratio) - 1)
    return out


def _checker(light: tuple[int, int, int], dark: tuple[int, int, int]) -> NDArray[np.uint8]:
    tile = np.indices((64, 64)).sum(axis=0) // 32 % 2
    return np.where(tile[..., None] == 0, np.array(light), np.array(dark)).astype(np.uint8)


_GREY, _BLUE, _WOOD = Material(0, 1.0), Material(1, 2.0), Material(2, 0.8)


def _walls(b: SolidBuilder, low: float) -> None:
    b.quad((-6, 12, low), (12, 0, 0), (0, 0, 4 - low), _GREY)
    b.quad((-6, -3, low), (0, 15, 0), (0, 0, 4 - low), _GREY)
    b.quad((6, 12, low), (0, -15, 0), (0, 0, 4 - low), _GREY)


def _floor(b: SolidBuilder, y0: float, y1: float, z: float = 0.0, material: Material = _GREY) -> None:
    b.quad((-6, y0, z), (12, 0, 0), (0, y1 - y0, 0), material)


def _table(b: SolidBuilder) -> None:
    """A large table at 0.75 m right before the camera; floor beyond it and beside it."""
    _floor(b, -3, 12)
    b.box((0, 1.25, 0.73), (2.6, 1.5, 0.04), _WOOD)


def _stairs_up(b: SolidBuilder) -> None:
    """Steps that rise 17 cm every 30 cm, over most of the picture; floor before and beside them."""
    _floor(b, -3, 12)
    for i in range(12):
        b.box((0.4, 2.6 + 0.3 * i, 0.085 + 0.17 * i), (4.4, 0.3, 0.17), _WOOD)


def _stairs_down(b: SolidBuilder) -> None:
    """Floor that ends after 2.5 m; steps go down 2 m to a lower storey."""
    _floor(b, -3, 2.5)
    for i in range(12):
        _floor(b, 2.5 + 0.3 * i, 2.8 + 0.3 * i, -0.17 * (i + 1), _WOOD)
    _floor(b, 6.1, 12, -2.04)


def _slope(b: SolidBuilder) -> None:
    """A ramp of 10 degrees from 2 m on."""
    _floor(b, -3, 2)
    b.quad((-6, 2, 0), (12, 0, 0), (0, 10, 10 * np.tan(np.radians(10))), _WOOD)


def _pool(b: SolidBuilder) -> None:
    """Water 35 cm below the floor, over more of the picture than the floor at its rim."""
    _floor(b, -3, 2.0)
    _floor(b, 2.0, 10.0, -0.35, _BLUE)
    _floor(b, 10.0, 12)
    b.quad((-6, 2, -0.35), (12, 0, 0), (0, 0, 0.35), _WOOD)
    b.quad((6, 10, -0.35), (-12, 0, 0), (0, 0, 0.35), _WOOD)


def _platform(b: SolidBuilder) -> None:
    """A stage 0.4 m high over the whole width from 2.2 m on."""
    _floor(b, -3, 12)
    b.box((0, 7.2, 0.2), (11.9, 10, 0.4), _WOOD)


_BUILD: dict[str, Callable[[SolidBuilder], None]] = {
    "table": _table,
    "stairs_up": _stairs_up,
    "stairs_down": _stairs_down,
    "slope": _slope,
    "pool": _pool,
    "platform": _platform,
}


def hard_scene(name: str) -> tuple[TexturedScene, list[Camera]]:
    """One of HARD_SCENES and three views of it, eye 1.5 m over the floor."""
    b = SolidBuilder(np.random.default_rng(1))
    _BUILD[name](b)
    _walls(b, -2.1)
    quads = b.finish()
    halves = np.array([[0, 1, 2], [0, 2, 3]])
    scene = TexturedScene(
        quads.corners.reshape(-1, 3),
        quad_faces(len(quads.corners)),
        quads.uvs[:, halves].reshape(-1, 3, 2),
        np.repeat(quads.texture, 2),
        (
            _checker((190, 185, 176), (120, 118, 112)),
            _checker((90, 130, 160), (70, 105, 140)),
            _checker((160, 120, 80), (120, 86, 60)),
        ),
    )
    lens = intrinsics_from_fov(66.0, *_SIZE)
    cameras = []
    for x, roll in ((0.0, 0.0), (-0.7, 0.04), (0.6, -0.03)):
        pose = look_at(np.array([x, -0.6, 1.5]), np.array([0.3 * x, 3.0, 0.6]))
        cameras.append(_tilted(Camera(lens, pose, *_SIZE), 0.0, roll))
    return scene, cameras


def hard_rows() -> list[dict[str, Any]]:
    """Errors of level in the hard scenes, exact depth."""
    rows: list[dict[str, Any]] = []
    for name in HARD_SCENES:
        scene, cameras = hard_scene(name)
        for view, camera in enumerate(cameras):
            rgb, depth, sky = render(scene, camera, supersample=1)
            frame = Frame(0, rgb, depth, sky, camera, np.ones_like(sky))
            rows.append({"level": name, "view": view, **_errors(_seed(frame, depth, {}), camera)})
    return rows


def level_table(rows: Sequence[dict[str, Any]]) -> str:
    """Mean and worst errors by kind of scene."""
    lines = [f"{'level':<12} {'photos':>6} {'up deg':>8} {'worst':>8} {'floor cm':>9} {'worst':>8} {'in goal':>8}"]
    for name in dict.fromkeys(row["level"] for row in rows):
        mine = [row for row in rows if row["level"] == name]
        up, floor = (np.array([row[key] for row in mine]) for key in ("up_deg", "floor_cm"))
        good = int(((up <= 1.0) & (floor <= 2.0)).sum())
        lines.append(
            f"{name:<12} {len(mine):>6} {up.mean():>8.3f} {up.max():>8.3f} {floor.mean():>9.2f} {floor.max():>8.2f}"
            f" {good:>4}/{len(mine)}"
        )
    for key in ("scale_known_length_percent", "scale_camera_height_percent"):
        values = [row[key] for row in rows if key in row]
        if values:
            lines.append(f"{key}: mean {np.mean(values):.2f}, worst {np.max(values):.2f}")
    return "\n".join(lines)

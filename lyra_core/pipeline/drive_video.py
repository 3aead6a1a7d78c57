# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A drive as a video: chase view and robot camera side by side, the robot composited into the splats by depth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import intrinsics_from_fov, look_at, matrix_from_quat
from lyra_core.navigation.occupancy import OCCUPIED, OccupancyGrid
from lyra_core.navigation.robots import RobotSpec
from lyra_core.ops.mesh_view import view_mesh
from lyra_core.ops.splat import SplatSettings, Splatter, splatter
from lyra_core.types import Camera, CameraPath, Mesh

if TYPE_CHECKING:
    from lyra_core.simulation.drive import DriveRun
    from lyra_core.usd.robot_shapes import RobotLook

__all__ = ["DriveFrames", "choose_run", "drive_frames"]

_WIDTH, _HEIGHT = 480, 360  # [px] of each of the two views
_FPS, _MAX_FRAMES = 15.0, 150
_BACK, _UP, _AHEAD = 1.25, 0.85, 0.55  # [m] chase camera behind and over the robot; where it looks
_FOG = np.array([0.74, 0.77, 0.80], np.float32)  # behind what nobody has seen
_BIAS = 0.03  # [m] wheels touch the floor
_SHADOW = (0.10, 0.30, 0.55)  # [m] full within, none beyond; strength


def choose_run(folder: Path, runs: Sequence[DriveRun]) -> int:
    """The run to show: reached, long, in view of the cameras that made the splats, and heading as they did."""
    from lyra_core.pipeline.begin import read_plan

    if len(runs) == 1:
        return 0
    path = read_plan(folder)
    forward = path.world_from_camera[:, :2, 2].mean(axis=0)
    forward = forward / max(float(np.linalg.norm(forward)), 1e-9)
    scores = []
    for run in runs:
        points = run.plan.points
        legs = np.diff(points, axis=0)
        along = float((points[-1] - points[0]) @ forward)
        first = math.atan2(legs[: max(1, len(legs) // 5), 1].sum(), legs[: max(1, len(legs) // 5), 0].sum())
        turn = abs((first - run.plan.task.yaw + math.pi) % (2 * math.pi) - math.pi)
        behind = points[0] - np.linspace(0, 1, 20)[:, None] * [math.cos(first), math.sin(first)]  # what the chase shows
        seen = _seen_share(path, np.concatenate([behind, points]))
        scores.append((run.reached, seen**2 * (run.plan.length + along) - 0.7 * turn))
    return max(range(len(runs)), key=lambda index: scores[index])


def _seen_share(path: CameraPath, points: NDArray[np.float64]) -> float:
    """Share of the (N, 2) floor points that lie in the picture of some camera of the path, farther than 0.5 m."""
    floor = np.column_stack([points, np.zeros(len(points))])
    seen = np.zeros(len(points), bool)
    for camera in (path[i] for i in range(0, len(path), 8)):
        local = (floor - camera.center) @ camera.world_from_camera[:3, :3]
        pixel = local @ camera.intrinsics.T
        uv = pixel[:, :2] / np.maximum(pixel[:, 2:], 1e-6)
        seen |= (local[:, 2] > 0.5) & (uv >= 0).all(axis=1) & (uv[:, 0] < camera.width) & (uv[:, 1] < camera.height)
    return float(seen.mean())


@dataclass
class DriveFrames:
    """Iterable of (H, 2 W, 3) uint8 pictures of one drive.

    Attributes
    ----------
    count: pictures. fps: of the video. speed: simulated seconds per second of video.
    """

    count: int
    fps: float
    speed: float
    _run: DriveRun
    _grid: OccupancyGrid
    _scene: Splatter
    _colliders: Mesh
    _look: RobotLook
    _mount: tuple[float, float, float]
    _device: str

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        run = self._run
        at = np.linspace(0, run.times[-1], self.count)
        index = np.searchsorted(run.times, at).clip(0, len(run.times) - 1)
        heading = _smooth_heading(run)[index]
        back = _chase_distances(run.positions[index], heading, self._grid)
        for i, yaw, distance in zip(index, heading.tolist(), back.tolist(), strict=True):
            rotation = matrix_from_quat(run.quats_wxyz[i])
            position = run.positions[i]
            robot = _posed(self._look, position, rotation, run.wheels[i])
            chase = _chase_camera(position, yaw, distance)
            left = self._view(chase, robot, position)
            right = self._view(_robot_camera(position, rotation, self._mount), None, position)
            yield self._labelled(left, right, float(run.times[i]), i)

    def _view(self, camera: Camera, robot: Mesh | None, at: NDArray[np.float64]) -> NDArray[np.float32]:
        """(H, W, 3) the splats over the bare colliders; with the robot and its shadow in front of what lies behind."""
        image = self._scene.draw(camera)
        unseen, distance = self._backdrop(camera)
        rgb = np.clip(image.rgb + (1 - image.alpha[..., None]) * unseen, 0, 1).astype(np.float32)
        if robot is None:
            return rgb
        rgb = _shaded(rgb, distance, camera, at)
        # Splat depth is that of centres, and far apart on floors seen at a slant: alone it would cut off the wheels.
        # What hides the robot must stand in the colliders too.
        depth = np.maximum(distance, np.where(image.alpha > 0.5, image.depth, 0.0))
        return self._with_robot(rgb, depth, camera, robot)

    def _with_robot(
        self, rgb: NDArray[np.float32], depth: NDArray[np.floating], camera: Camera, robot: Mesh
    ) -> NDArray[np.float32]:
        """Draw the robot at twice the resolution, in its part of the picture only, where nothing is nearer."""
        local = (robot.vertices - camera.center) @ camera.world_from_camera[:3, :3]
        pixel = local[local[:, 2] > 0.05] @ camera.intrinsics.T
        if len(pixel) == 0:
            return rgb
        uv, size = pixel[:, :2] / pixel[:, 2:], np.array([camera.width, camera.height])
        x0, y0 = np.clip(np.floor(uv.min(axis=0)).astype(int) - 2, 0, size)
        x1, y1 = np.clip(np.ceil(uv.max(axis=0)).astype(int) + 2, 0, size)
        if x0 >= x1 or y0 >= y1:
            return rgb
        lens = camera.intrinsics - np.array([[0, 0, x0], [0, 0, y0], [0, 0, 0]])
        part = Camera(lens, camera.world_from_camera, int(x1 - x0), int(y1 - y0))
        fine = view_mesh(robot, part.resized(2 * part.width, 2 * part.height), device=self._device)
        behind = np.repeat(np.repeat(depth[y0:y1, x0:x1], 2, axis=0), 2, axis=1) + _BIAS
        seen = (fine.depth > 0) & (fine.depth < behind)
        shape = (part.height, 2, part.width, 2)
        cover = seen.reshape(shape).mean(axis=(1, 3))[..., None]
        color = (fine.rgb * seen[..., None]).reshape(*shape, 3).mean(axis=(1, 3))
        out = rgb.copy()
        out[y0:y1, x0:x1] = rgb[y0:y1, x0:x1] * (1 - cover) + color
        return out

    def _backdrop(self, camera: Camera) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Where nobody has looked, the colliders in grey with a half-metre grid: (H, W, 3) and depth [m], inf = none."""
        view = view_mesh(self._colliders, camera, device=self._device)
        depth = np.where(view.front, view.depth, np.inf).astype(np.float32)
        points = _world_points(camera, depth)
        width = 0.012 + 0.0025 * np.minimum(depth, 50.0)[..., None]
        from_line = np.abs((points[..., :2] + 0.25) % 0.5 - 0.25)
        line = np.clip(1.5 - from_line / width, 0, 1).max(axis=-1) * np.clip(1.3 - depth / 8.0, 0, 1)
        flat = view.front & (np.abs(points[..., 2] - self._run.positions[0, 2]) < 0.08)
        grey = view.rgb * (1 - 0.16 * np.where(flat, line, 0.0))[..., None]
        haze = np.clip(depth / 14.0, 0, 0.85)[..., None]
        return np.where(view.front[..., None], grey * (1 - haze) + _FOG * haze, _FOG).astype(np.float32), depth

    def _labelled(
        self, left: NDArray[np.float32], right: NDArray[np.float32], time: float, index: int
    ) -> NDArray[np.uint8]:
        from PIL import Image, ImageDraw, ImageFont

        both = np.concatenate([left, right], axis=1)
        picture = Image.fromarray(np.rint(np.clip(both, 0, 1) * 255).astype(np.uint8))
        draw, font = ImageDraw.Draw(picture), ImageFont.load_default(16)
        draw.line([(_WIDTH, 0), (_WIDTH, _HEIGHT)], fill="white", width=2)
        run, first = self._run, max(0, index - 3)
        elapsed = max(1e-6, float(run.times[index] - run.times[first]))
        speed = float(np.linalg.norm(run.positions[index, :2] - run.positions[first, :2])) / elapsed
        pace = f"   {self.speed:.1f}x speed" if self.speed > 1.05 else ""
        for text, x in ((f"{time:.1f} s   {speed:.2f} m/s{pace}", 12), ("robot camera", _WIDTH + 14)):
            draw.text((x, _HEIGHT - 30), text, font=font, fill="white", stroke_width=2, stroke_fill=(28, 32, 38))
        return np.asarray(picture).copy()


def drive_frames(folder: Path, run: DriveRun, grid: OccupancyGrid, spec: RobotSpec, *, device: str) -> DriveFrames:
    """Prepare the pictures of a run: splats.ply of the world, the robot's looks, the pace (at most 150 frames).

    Errors: InputError if splats.ply is missing or broken.
    """
    from lyra_core.ops.device import resolve_device
    from lyra_core.reconstruction.ply import read_ply
    from lyra_core.usd.robot import CAMERA_MOUNT
    from lyra_core.usd.robot_shapes import read_robot_look

    device = resolve_device(device)
    scene = splatter(read_ply(folder / "splats.ply"), SplatSettings(), device=device)
    count = int(np.clip(np.ceil(run.seconds * _FPS), 2, _MAX_FRAMES))
    speed = max(1.0, run.seconds * _FPS / count)
    mount = CAMERA_MOUNT if spec.name == "lyra_bot" else (0.0, 0.0, spec.height)
    look = read_robot_look(spec.asset_file)
    return DriveFrames(count, _FPS, speed, run, grid, scene, _collider_mesh(folder), look, mount, device)


def _smooth_heading(run: DriveRun) -> NDArray[np.float64]:
    """(T,) heading [rad] of the chase camera: that of the robot, low-passed forward and backward (about 0.6 s)."""
    from scipy.ndimage import gaussian_filter1d

    w, x, y, z = run.quats_wxyz.T
    yaw = np.unwrap(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))
    rate = 1.0 / max(1e-6, float(run.times[1] - run.times[0])) if len(run.times) > 1 else 30.0
    return gaussian_filter1d(yaw, 0.6 * rate, mode="nearest")


def _chase_distances(
    positions: NDArray[np.float64], heading: NDArray[np.float64], grid: OccupancyGrid
) -> NDArray[np.float64]:
    """(N,) metres that the camera stays behind the robot: nearer where something on the map stands in between."""
    from scipy.ndimage import gaussian_filter1d, minimum_filter1d

    steps = np.arange(0.3, _BACK + 0.3, 0.05)
    forward = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    cells = grid.cell_of(positions[:, None, :2] - steps[:, None] * forward[:, None])
    shape = np.array(grid.state.shape)
    inside = ((cells >= 0) & (cells < shape)).all(axis=-1)
    row, column = np.moveaxis(np.clip(cells, 0, shape - 1), -1, 0)
    blocked = inside & (grid.state[row, column] == OCCUPIED)
    free = np.where(blocked.any(axis=1), np.maximum(0.35, steps[blocked.argmax(axis=1)] - 0.25), _BACK)
    return gaussian_filter1d(minimum_filter1d(free, 7, mode="nearest"), 3.0, mode="nearest")


def _chase_camera(position: NDArray[np.float64], heading: float, back: float) -> Camera:
    """Behind and above the robot; higher and looking nearer where there is little room."""
    forward = np.array([math.cos(heading), math.sin(heading)])
    eye = position + [*(-back * forward), _UP + 0.3 * (_BACK - back)]
    target = position + [*(_AHEAD * back / _BACK * forward), 0.12]
    return Camera(intrinsics_from_fov(68, _WIDTH, _HEIGHT), look_at(eye, target), _WIDTH, _HEIGHT)


def _robot_camera(
    position: NDArray[np.float64], rotation: NDArray[np.float64], mount: tuple[float, float, float]
) -> Camera:
    """The camera on the mast, with every nod of the robot: OpenCV axes x right, y down, z along the robot's x."""
    pose = np.eye(4)
    pose[:3, :3] = rotation @ np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    pose[:3, 3] = position + rotation @ np.asarray(mount)
    return Camera(intrinsics_from_fov(80, _WIDTH, _HEIGHT), pose, _WIDTH, _HEIGHT)


def _posed(
    look: RobotLook, position: NDArray[np.float64], rotation: NDArray[np.float64], wheels: NDArray[np.float64]
) -> Mesh:
    """All links at a pose of the base; links named left... and right... turn by their wheel's angle about y."""
    vertices, faces, colors, base = [], [], [], 0
    for name, mesh in look.links.items():
        angle = wheels[0] if name.startswith("left") else wheels[1] if name.startswith("right") else 0.0
        c, s = math.cos(angle), math.sin(angle)
        turned = mesh.vertices @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T
        rest = look.rest[name]
        vertices.append((turned @ rest[:3, :3].T + rest[:3, 3]) @ rotation.T + position)
        faces.append(mesh.faces + base)
        colors.append(mesh.colors if mesh.colors is not None else np.full(mesh.vertices.shape, 128, np.uint8))
        base += len(mesh.vertices)
    return Mesh(
        np.concatenate(vertices).astype(np.float32),
        np.concatenate(faces).astype(np.int32),
        None,
        np.concatenate(colors),
    )


def _collider_mesh(folder: Path) -> Mesh:
    """All collider tiles as one grey mesh."""
    from lyra_core.usd import read_collision_tiles

    tiles = [mesh for _, mesh in read_collision_tiles(folder)]
    offsets = np.cumsum([0, *(len(mesh.vertices) for mesh in tiles[:-1])])
    vertices = np.concatenate([mesh.vertices for mesh in tiles])
    faces = np.concatenate([mesh.faces + int(o) for mesh, o in zip(tiles, offsets, strict=True)]).astype(np.int32)
    return Mesh(vertices, faces, None, np.full(vertices.shape, 205, np.uint8))


def _world_points(camera: Camera, depth: NDArray[np.floating]) -> NDArray[np.float64]:
    """(H, W, 3) where each pixel's surface lies [m]; the camera's centre where depth is inf."""
    u, v = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(camera.intrinsics).T
    finite = np.where(np.isfinite(depth), depth, 0.0)
    return rays * finite[..., None] @ camera.world_from_camera[:3, :3].T + camera.center


def _shaded(
    rgb: NDArray[np.float32], depth: NDArray[np.floating], camera: Camera, at: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Darken the floor under the robot: without a contact shadow it would seem to float."""
    points = _world_points(camera, depth)
    away = np.linalg.norm(points[..., :2] - at[:2], axis=-1)
    full, none, strength = _SHADOW
    fall = np.clip((none - away) / (none - full), 0, 1)
    low = np.isfinite(depth) & (np.abs(points[..., 2] - at[2]) < 0.1)
    shade = 1 - strength * np.where(low, fall * fall * (3 - 2 * fall), 0.0)
    return (rgb * shade[..., None]).astype(np.float32)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The scene: what is drawn of a world, of the planned path and of a drive. One method for each thing, drawn as a whole."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import viser

from lyra_core.errors import LyraError
from lyra_core.explorer.content import frame_cloud, map_picture, read_mesh, read_spawns
from lyra_core.explorer.driving import plan_between, read_drive
from lyra_core.explorer.preview import clearance_along, clearance_colors
from lyra_core.explorer.splat_levels import SplatLevels
from lyra_core.explorer.studio import Studio
from lyra_core.geometry import quat_from_matrix
from lyra_core.types import Camera, CameraPath

__all__ = ["LAYERS", "Drawing"]

LAYERS = ("Points", "Splats", "Mesh", "Colliders", "Map", "Cameras", "Spawn poses")
_ACCENT, _DONE = (30, 120, 220), (120, 130, 140)


def _vertical_fov(camera: Camera) -> float:
    return 2 * math.atan(0.5 * camera.height / float(camera.intrinsics[1, 1]))


class Drawing:
    """Draws a studio's state into the scene of a viser server. splats: the splats of each tab."""

    def __init__(self, server: viser.ViserServer, studio: Studio, *, most_splats: int = 200_000) -> None:
        self.scene, self.studio = server.scene, studio
        self.splats = SplatLevels(lambda: list(server.get_clients().values()), most_splats)
        self._splat_file: tuple[Path, int] | None = None
        self._aside = False
        self.shown = {name: name in ("Points", "Cameras") for name in LAYERS}
        self.cloud_frame = 0
        self.on_select: Callable[[int], None] | None = None
        self.on_move: Callable[[int, np.ndarray, np.ndarray], None] | None = None
        self._lock = threading.RLock()
        self._robot_stop = threading.Event()
        self.scene.set_up_direction("+z")
        self.scene.configure_default_lights(cast_shadow=False)  # shadows of a scan say nothing and cost most of a view

    def show(self, layer: str, visible: bool) -> None:
        """Switch a layer on or off."""
        self.shown[layer] = visible
        folder = self.studio.folder
        if folder is not None:
            with self._lock:
                self._draw(layer, folder)

    def world(self) -> None:
        """Everything that belongs to the world itself."""
        with self._lock:
            folder = self.studio.folder
            if folder is None:
                self._remove("/world")
                self.splats.show(None)
                return
            for layer in LAYERS:
                self._draw(layer, folder)

    def _draw(self, layer: str, folder: Path) -> None:
        if layer == "Splats":
            self._splats(folder)
            return
        self._remove(_node(layer))
        if self.shown[layer] and not (layer == "Cameras" and self._aside):
            {
                "Points": self._points,
                "Mesh": lambda: self._mesh("mesh", folder / "mesh.glb", None),
                "Colliders": lambda: self._mesh("colliders", folder / "collision.glb", (240, 150, 40)),
                "Map": lambda: self._map(folder),
                "Cameras": self._cameras,
                "Spawn poses": lambda: self._spawns(folder),
            }[layer]()

    def _remove(self, name: str) -> None:
        self.scene.remove_by_name(name)

    def _points(self) -> None:
        frames = self.studio.frames
        if not frames:
            return
        cloud = frame_cloud(frames[min(self.cloud_frame, len(frames) - 1)])
        self.scene.add_point_cloud(
            _node("Points"), cloud.points, cloud.colors, point_size=_point_size(cloud.points), point_shape="circle",
            precision="float32",
        )  # fmt: skip

    def _splats(self, folder: Path) -> None:
        """Read again only when the file is another one: other layers come and go without new splats for the page."""
        from lyra_core.reconstruction import read_ply

        file = folder / "splats.ply"
        found = (file, file.stat().st_mtime_ns) if self.shown["Splats"] and file.is_file() else None
        if found != self._splat_file:
            self._splat_file = found
            self.splats.show(None if found is None else read_ply(file))

    def _mesh(self, name: str, file: Path, color: tuple[int, int, int] | None) -> None:
        if not file.is_file():
            return
        mesh = read_mesh(file)
        if color is None:
            self.scene.add_mesh_trimesh(f"/world/{name}", mesh)
        else:
            self.scene.add_mesh_simple(
                f"/world/{name}", np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.uint32), color=color,
                wireframe=True, opacity=0.6,
            )  # fmt: skip

    def _map(self, folder: Path) -> None:
        found = map_picture(folder)
        if found is None:
            return
        rgba, center, size = found
        # The image plane has x to the right and its top along +y after this turn: seen from above it lies as the map.
        self.scene.add_image(
            _node("Map"), rgba, render_width=size[0], render_height=size[1], format="png", position=(*center, 0.04),
            wxyz=(0.0, 1.0, 0.0, 0.0),
        )  # fmt: skip

    def _cameras(self) -> None:
        frames = self.studio.frames
        if not frames:
            return
        step = max(1, len(frames) // 8)
        for i in sorted({*range(0, len(frames), step), len(frames) - 1}):
            frame = frames[i]
            small = _thumbnail(frame.rgb) if i in (0, len(frames) - 1) else None
            self._frustum(f"{_node('Cameras')}/{i:05d}", frame.camera, _DONE, 0.06 if small is None else 0.14, small)
        track = np.stack([frames[i].camera.center for i in range(0, len(frames), max(1, step // 4))]).astype(np.float32)
        if len(track) > 1:
            self.scene.add_line_segments(
                f"{_node('Cameras')}/track", np.stack([track[:-1], track[1:]], 1), _DONE, thickness=2.0,
                thickness_units="screen",
            )  # fmt: skip

    def _frustum(
        self, name: str, camera: Camera, color: tuple[int, int, int], scale: float, image: np.ndarray | None = None
    ) -> viser.CameraFrustumHandle:
        return self.scene.add_camera_frustum(
            name, _vertical_fov(camera), camera.width / camera.height, scale=scale, color=color, image=image,
            thickness=2.0, thickness_units="screen", position=camera.center, cast_shadow=False, receive_shadow=False,
            wxyz=quat_from_matrix(camera.world_from_camera[:3, :3]),
        )  # fmt: skip

    def _spawns(self, folder: Path) -> None:
        for i, (x, y, yaw) in enumerate(read_spawns(folder)):
            turn = (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))
            self.scene.add_frame(
                f"{_node('Spawn poses')}/{i}", axes_length=0.35, axes_radius=0.015, position=(x, y, 0.02), wxyz=turn
            )

    def path(self) -> None:
        """The planned path: a line coloured by clearance, its keyframes, the gizmo of the selected one."""
        with self._lock:
            self._remove("/plan")
            studio = self.studio
            if studio.views is None or studio.scene is None:
                self._keys()
                return
            views = studio.views.path
            self.scene.add_frame("/plan", show_axes=False)
            self.line(views)
            if studio.state.plan.now.source != "keys":
                self._frustum("/plan/last", views[len(views) - 1], _ACCENT, 0.2)
            self._keys()

    def line(self, views: CameraPath) -> None:
        """Only the coloured line, while a gizmo moves."""
        assert self.studio.scene is not None
        centers = views.centers.astype(np.float32)
        if float(np.ptp(centers, axis=0).max(initial=0)) < 1e-4:
            self._remove("/plan/line")
            return
        colors = clearance_colors(clearance_along(views, self.studio.scene.points))
        segments = np.stack([centers[:-1], centers[1:]], axis=1)
        # The viewer takes colours of vertices as linear light and those of whole lines as sRGB.
        linear = np.rint(255 * (colors / 255.0) ** 2.2).astype(np.uint8)
        shades = np.stack([linear[:-1], linear[1:]], axis=1)
        self.scene.add_line_segments("/plan/line", segments, shades, thickness=5.0, thickness_units="screen")

    def _keys(self) -> None:
        from lyra_core.explorer.plan import key_camera

        studio, plan = self.studio, self.studio.state.plan.now
        if plan.source != "keys" or studio.anchor is None:
            return
        for i, key in enumerate(plan.keys):
            camera = key_camera(key, studio.anchor)
            chosen = i == studio.state.selected
            frustum = self._frustum(f"/plan/key_{i}", camera, (240, 140, 20) if chosen else _ACCENT, 0.2)
            frustum.on_click(lambda _, i=i: self.on_select(i) if self.on_select else None)
            if chosen:
                gizmo = self.scene.add_transform_controls(
                    "/plan/gizmo", scale=0.45, position=camera.center, depth_test=False,
                    wxyz=quat_from_matrix(camera.world_from_camera[:3, :3]),
                )  # fmt: skip
                gizmo.on_drag_end(
                    lambda event, i=i: (
                        self.on_move(i, event.target.position, event.target.wxyz) if self.on_move else None
                    )
                )

    def ghost(self, camera: Camera | None) -> None:
        """The camera of the scrubber."""
        if camera is None:
            self._remove("/ghost")
        else:
            self._frustum("/ghost", camera, (220, 40, 120), 0.3)

    def picks(self) -> None:
        """Clicked points, the length between two of them, start and goal with the way between."""
        with self._lock:
            self._remove("/picks")
            clicks = self.studio.clicks
            self._cameras_aside(clicks.mode != "")
            for i, point in enumerate(clicks.picks):
                self.scene.add_icosphere(f"/picks/{i}", radius=0.05, color=(226, 60, 170), position=point)
            if clicks.mode == "measure" and len(clicks.picks) == 2:
                ends = np.array(clicks.picks)
                self.scene.add_line_segments(
                    "/picks/line", ends[None], (226, 60, 170), thickness=3.0, thickness_units="screen"
                )
                gap = float(np.linalg.norm(ends[1] - ends[0]))
                self.scene.add_label("/picks/length", f"{gap:.2f} m", position=ends.mean(axis=0))
            for name, at, color in (("start", clicks.start, (40, 170, 90)), ("goal", clicks.goal, (214, 50, 40))):
                if at is not None:
                    self.scene.add_cylinder(f"/picks/{name}", 0.12, 0.03, color=color, position=(*at, 0.03))
                    self.scene.add_label(f"/picks/{name}/text", name, position=(0, 0, 0.25))
            self._way()

    def _cameras_aside(self, aside: bool) -> None:
        """While someone clicks, no camera's picture is in the way: from the photo's camera it would hide everything."""
        if aside != self._aside:
            self._aside = aside
            if self.studio.folder is not None:
                self._draw("Cameras", self.studio.folder)

    def _way(self) -> None:
        studio, clicks = self.studio, self.studio.clicks
        if studio.folder is None or clicks.start is None or clicks.goal is None:
            return
        try:
            plan = plan_between(studio.folder, clicks.start, clicks.goal)
        except LyraError as error:
            studio.message = f"{error.what} ({error.got}). {error.do}"
            return
        studio.message = f"Way of {plan.length:.1f} m, at least {plan.clearance:.2f} m free on each side."
        points = np.column_stack([plan.points, np.full(len(plan.points), 0.05)])
        self.scene.add_line_segments(
            "/picks/way",
            np.stack([points[:-1], points[1:]], 1),
            (30, 120, 220),
            thickness=4.0,
            thickness_units="screen",
        )

    def robot(self) -> bool:
        """Play the recorded drive once, in real time. False if there is none."""
        folder = self.studio.folder
        drive = None if folder is None else read_drive(folder)
        if drive is None:
            return False
        self._robot_stop.set()
        self._robot_stop = threading.Event()
        threading.Thread(target=self._play, args=(drive, self._robot_stop), daemon=True).start()
        return True

    def _play(self, drive: dict[str, np.ndarray], stop: threading.Event) -> None:
        self._remove("/robot")
        track = drive["positions"].astype(np.float32)
        self.scene.add_frame("/robot", show_axes=False)
        self.scene.add_line_segments(
            "/robot/track",
            np.stack([track[:-1], track[1:]], 1) + np.array([0, 0, 0.02], np.float32),
            (240, 140, 20),
            thickness=3.0,
            thickness_units="screen",
        )
        body = self.scene.add_frame("/robot/body", show_axes=False)
        self.scene.add_box(
            "/robot/body/base", color=(30, 120, 220), dimensions=(0.34, 0.26, 0.12), position=(0, 0, 0.06)
        )
        self.scene.add_box(
            "/robot/body/head", color=(240, 240, 245), dimensions=(0.06, 0.12, 0.16), position=(0.1, 0, 0.2)
        )
        for name, side in (("left", 0.15), ("right", -0.15)):
            self.scene.add_cylinder(
                f"/robot/body/{name}", 0.08, 0.04, color=(40, 44, 50), position=(0, side, 0.02),
                wxyz=(math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0),
            )  # fmt: skip
        began, times = time.monotonic(), drive["times"]
        while not stop.is_set():
            now = time.monotonic() - began
            i = min(int(np.searchsorted(times, now)), len(times) - 1)
            body.position = drive["positions"][i]
            body.wxyz = drive["quats_wxyz"][i]
            if now >= times[-1]:
                return
            stop.wait(1 / 20)

    def close(self) -> None:
        """Stop what moves."""
        self._robot_stop.set()


def _node(layer: str) -> str:
    return "/world/" + layer.lower().replace(" ", "_")


def _point_size(points: np.ndarray) -> float:
    """Metres that close the gaps of a frame's grid at its middle distance."""
    if len(points) == 0:
        return 0.01
    spread = float(np.median(np.linalg.norm(points - points.mean(axis=0), axis=1)))
    return max(0.004, 2.0 * spread / math.sqrt(len(points)))


def _thumbnail(rgb: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) in 0..1 as uint8, at most about 200 px wide, by means of squares of pixels."""
    step = max(1, rgb.shape[1] // 200)
    height, width = rgb.shape[0] // step, rgb.shape[1] // step
    blocks = rgb[: height * step, : width * step].reshape(height, step, width, step, 3)
    return np.rint(blocks.mean(axis=(1, 3)) * 255).astype(np.uint8)

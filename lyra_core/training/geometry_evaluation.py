# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Geometry table: meshes of ground-truth rooms against the rooms, in three settings.

    lyra eval geometry --out data/evaluations [--rooms 16] [--quick]

exact: every frame with its exact depth. noisy: depth times smooth noise, another draw for every frame.
product: frame 0 and its exact depth, levelled, continued by the reprojecting video model; judged where frame 0 looked.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import ConfigError
from lyra_core.generation.seed import SeedOptions, SeedView, make_seed
from lyra_core.meshing import MeshConfig, WorldMesh, mesh_from_frames
from lyra_core.ops.mesh_view import view_mesh
from lyra_core.ops.splat import splatter
from lyra_core.reconstruction import GaussianConfig, gaussians_from_frames
from lyra_core.training.geometry_table import table
from lyra_core.training.level_evaluation import TruthDepth, hard_rows, level_rows, photo_of
from lyra_core.training.memory_evaluation import noisy_depths
from lyra_core.training.rooms import Room, ground_truth_frame, make_room
from lyra_core.training.solids import CLASSES
from lyra_core.training.surface_metrics import SeenSurface, Surface, in_seen_space, score_surface, seen_surface
from lyra_core.types import Frame, Mesh

__all__ = ["SETTINGS", "GeometryPlan", "evaluate_room", "run"]

_LOG = logging.getLogger(__name__)

SETTINGS = ("exact", "noisy", "product")
_FIRST_ROOM = 500  # rooms that nothing else is tuned on


@dataclass(frozen=True)
class GeometryPlan:
    """What is measured.

    Attributes
    ----------
    rooms: ground-truth rooms. frames: views along the walk of a room. width, height: of a view [px].
    triangles: of the visual mesh. noise: relative deviation of the depth of the noisy setting. settings: of SETTINGS.
    levels: level the photos of all rooms and of the hard scenes too.
    """

    rooms: int = 16
    frames: int = 8
    width: int = 416
    height: int = 240
    triangles: int = 150_000
    noise: float = 0.02
    settings: tuple[str, ...] = SETTINGS
    levels: bool = True

    def __post_init__(self) -> None:
        unknown = set(self.settings) - set(SETTINGS)
        if unknown or self.rooms < 1 or self.frames < 2:
            raise ConfigError(
                "A geometry plan needs rooms, frames and known settings",
                got=f"rooms {self.rooms}, frames {self.frames}, settings {', '.join(self.settings)}",
                do=f"Use at least 1 room, 2 frames and settings of {', '.join(SETTINGS)}",
            )


QUICK = GeometryPlan(rooms=2, frames=6)


def _product_frames(frames: list[Frame], seed: int) -> tuple[list[Frame], NDArray[np.float64], SeedView]:
    """The product's path from the photo on; also room_from_world (4, 4) and the levelled seed view."""
    from lyra_core.generation.loop import FinishedChunk, generate_chunks, storable
    from lyra_core.generation.plan import plan_chunks
    from lyra_core.memory import SpatialMemory
    from lyra_core.models.registry import video_model
    from lyra_core.types import CameraPath

    first = frames[0]
    model = TruthDepth(first.depth, first.sky)
    options = SeedOptions(
        fov=float(np.degrees(2 * np.arctan(0.5 * first.camera.width / first.camera.intrinsics[0, 0])))
    )
    view = make_seed(photo_of(first), model, options, np.random.default_rng(seed))
    start = storable(view.frame())
    room_from_world = first.camera.world_from_camera @ np.linalg.inv(view.world_from_camera)
    poses = np.stack([np.linalg.inv(room_from_world) @ f.camera.world_from_camera for f in frames])
    lens = np.tile(view.intrinsics, (len(poses), 1, 1))
    path = CameraPath(poses, lens, first.camera.width, first.camera.height)
    memory = SpatialMemory()
    memory.insert(start)
    made = [start]
    for item in generate_chunks(
        path,
        plan_chunks(1, len(path) - 1, first_chunk=1),
        memory=memory,
        video=video_model("reproject"),
        depth=model,
        history=[start],
        captions={},
        seed=seed,
        device="cpu",
    ):
        if isinstance(item, FinishedChunk):
            made += item.frames
    return made, room_from_world, view


def _roughness(samples: dict[str, Any], room: Room, kind: str) -> float:
    """RMS [mm] of mesh samples about the plane fitted to those of one floor or wall face of the truth."""
    face = samples["face"]
    flat = (room.kind[face] == CLASSES.index(kind)) & (samples["error"] < 0.1)
    truth: Surface = samples["truth"]
    area = 0.5 * np.linalg.norm(
        np.cross(truth.corners[:, 1] - truth.corners[:, 0], truth.corners[:, 2] - truth.corners[:, 0]), axis=1
    )
    flat &= area[face] > 0.3  # planes, not skirting boards
    # The sides of things that stand on a floor are not the floor.
    flat &= np.abs((samples["normal"] * truth.normals[face]).sum(axis=1)) > 0.8
    if not flat.any():
        return float("nan")
    rest = []
    for number in np.unique(face[flat]):
        points = samples["points"][flat & (face == number)]
        if len(points) < 50:
            continue
        # Bias is for the accuracy to show: here only how flat the surface is, whatever its place.
        center = np.median(points, axis=0)
        height = (points - center) @ truth.normals[number]
        tangent = np.linalg.svd(truth.normals[number][None])[2][1:]
        design = np.column_stack([(points - center) @ tangent.T, np.ones(len(points))])
        keep = np.ones(len(points), bool)
        for _ in range(3):
            fit = np.linalg.lstsq(design[keep], height[keep], rcond=None)[0]
            error = height - design @ fit
            keep = np.abs(error) < max(4 * 1.4826 * float(np.median(np.abs(error))), 0.002)
        rest.append(error)
    return 1000 * float(np.sqrt(np.mean(np.concatenate(rest) ** 2))) if rest else float("nan")


def _splat_agreement(frames: list[Frame], mesh: Mesh) -> dict[str, float]:
    """Depth of the splats against that of the visual mesh at four views of the path."""
    scene = gaussians_from_frames(frames, config=GaussianConfig(sky=False, color_passes=0))
    drawer = splatter(scene.surface)
    gaps = []
    for i in np.linspace(0, len(frames) - 1, 4).round().astype(int):
        camera = frames[i].camera
        splats, surface = drawer.draw(camera).depth, view_mesh(mesh, camera).depth
        both = (splats > 0) & (surface > 0)
        gaps.append(np.abs(splats - surface)[both])
    gap = np.concatenate(gaps)
    return {
        "splat_mesh_median_cm": 100 * float(np.median(gap)),
        "splat_mesh_within_5cm": float((gap < 0.05).mean()),
    }


def _labels(world: WorldMesh, samples: dict[str, Any], room: Room) -> dict[str, float]:
    """Accuracy and IoU by area of the classes of the visual mesh, where it lies within 10 cm of the truth."""
    parts = getattr(world, "labels", None)
    if parts is None:
        return {}
    guess = np.asarray(parts.kind)[samples["owner"]]
    near = samples["error"] < 0.1
    truth = room.kind[samples["face"]][near]
    guess = guess[near]
    out = {"label_accuracy": float((truth == guess).mean())}
    for i, name in enumerate(CLASSES):
        union = ((truth == i) | (guess == i)).sum()
        out[f"iou_{name}"] = float(((truth == i) & (guess == i)).sum() / union) if union else float("nan")
    return out


def _measure(
    world: WorldMesh, room: Room, truth: Surface, seen: SeenSurface, pose: NDArray[np.float64]
) -> dict[str, float]:
    """All figures of one mesh whose world is placed in the room by pose (4, 4)."""
    rng = np.random.default_rng(7)

    def placed(mesh: Mesh) -> NDArray[np.float64]:
        return mesh.vertices @ pose[:3, :3].T + pose[:3, 3]

    figures, samples = score_surface(placed(world.collision), world.collision.faces, truth, seen, rng)
    thin = room.thin[seen.face]
    for limit in (0.02, 0.05):
        name = f"thin_recall_{round(100 * limit)}cm"
        figures[name] = float((samples["missing"][thin] <= limit).mean()) if thin.any() else float("nan")
    for which, mesh in (("collision", world.collision), ("visual", world.visual)):
        surface = placed(mesh)
        if which == "visual":
            samples = _visual_samples(surface, mesh, truth, seen, rng)
        corners = surface[mesh.faces][samples["owner"]]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        samples["normal"] = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-15)
        samples["truth"] = truth
        figures[f"floor_rms_{which}_mm"] = _roughness(samples, room, "floor")
        figures[f"wall_rms_{which}_mm"] = _roughness(samples, room, "wall")
    figures |= _labels(world, samples, room)
    for name in ("inconsistent_edges", "nonmanifold_edges", "triangles"):
        figures[name] = world.figures[f"collision_{name}"]
    figures["facing_free_space"] = world.figures["facing_free_space"]
    figures["voxel_cm"] = 100 * world.figures["voxel_size_m"]
    figures["floor_fused_mm"] = world.figures["floor_rms_mm"]
    return figures


def _visual_samples(
    surface: NDArray[np.float64], mesh: Mesh, truth: Surface, seen: SeenSurface, rng: np.random.Generator
) -> dict[str, Any]:
    from lyra_core.training.surface_metrics import sample_mesh

    points, owner = sample_mesh(surface, mesh.faces, 0.05, rng)
    keep = in_seen_space(points, seen.frames)
    error, face = truth.nearest(points[keep])
    return {"points": points[keep], "owner": owner[keep], "error": error, "face": face}


def evaluate_room(plan: GeometryPlan, number: int, keep: Path | None = None) -> list[dict[str, Any]]:
    """Rows of one room: two a setting (with planes and without), and those of the level photos.

    keep: folder for the rows of finished rooms; what lies there of the same plan is not measured again.
    """
    from lyra_core.world import write_text

    file = None if keep is None else keep / f"geometry_room_{number:03d}.json"
    wanted = asdict(replace(plan, rooms=1)) | {"settings": list(plan.settings)}
    if file is not None and file.is_file():
        stored = json.loads(file.read_text())
        if stored["plan"] == wanted:
            return stored["rows"]
    rows = _room_rows(plan, number)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps({"plan": wanted, "rows": rows}) + "\n")
    return rows


def _room_rows(plan: GeometryPlan, number: int) -> list[dict[str, Any]]:
    room = make_room(_FIRST_ROOM + number)
    path = room.offset_loop(plan.frames, width=plan.width, height=plan.height)
    frames = [ground_truth_frame(room, camera, i, supersample=1) for i, camera in enumerate(path)]
    rng = np.random.default_rng([number, 0x6E0])
    truth = Surface(room.scene.vertices, room.scene.faces, rng, spacing=0.03)
    rows: list[dict[str, Any]] = []
    for setting in plan.settings:
        pose, used, seen_frames = np.eye(4), frames, frames
        if setting == "noisy":
            depths = noisy_depths(np.random.default_rng([number, 5]), frames, plan.noise)
            used = [replace(f, depth=d) for f, d in zip(frames, depths, strict=True)]
        elif setting == "product":
            used, pose, _ = _product_frames(frames, number)
            seen_frames = frames[:1]
        seen = seen_surface(room.scene, seen_frames)
        # Exact depth of a flat wall is flat: there is nothing to straighten.
        for planes in (True,) if setting == "exact" else (True, False):
            start = time.process_time()
            world = mesh_from_frames(used, config=MeshConfig(triangles=plan.triangles, planes=planes))
            seconds = time.process_time() - start
            figures = _measure(world, room, truth, seen, pose)
            if planes:
                figures |= _splat_agreement(used, world.visual)
            rows.append({"room": number, "setting": setting, "planes": planes, **figures, "mesh_cpu_s": seconds})
            _LOG.info("room %d %s: f_5cm %.3f", number, setting, figures["f_5cm"])
    return rows + (level_rows(room, number) if plan.levels else [])


def _single_threaded() -> None:
    os.environ["LYRA_THREADS"] = "1"
    import cv2

    cv2.setNumThreads(1)


def run(
    plan: GeometryPlan | None = None,
    *,
    workers: int = 1,
    keep: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure everything. workers: processes; the result does not depend on it. Returns plan, rows and the text."""
    plan = GeometryPlan() if plan is None else plan
    by_room: list[list[dict[str, Any]]] = []
    if workers <= 1:
        for number in range(plan.rooms):
            by_room.append(evaluate_room(plan, number, keep))
            if progress is not None:
                progress(number + 1, plan.rooms)
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_single_threaded) as pool:
            jobs = [pool.submit(evaluate_room, plan, number, keep) for number in range(plan.rooms)]
            for number, job in enumerate(jobs):
                by_room.append(job.result())
                if progress is not None:
                    progress(number + 1, plan.rooms)
    rows = [row for part in by_room for row in part] + (hard_rows() if plan.levels else [])
    return {"plan": asdict(plan), "rows": rows, "text": table(rows)}

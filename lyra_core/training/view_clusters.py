# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Several posed views of one place: what the generator learns from.

    python -m lyra_core.training.view_clusters levels --levels FOLDER_WITH_PK3 --out DATA --clusters 40
    python -m lyra_core.training.view_clusters rooms --out DATA --scenes 400 --first 300000
    python -m lyra_core.training.view_clusters outdoors --out DATA --scenes 400 --first 300000
    python -m lyra_core.training.view_clusters rooms --out DATA --scenes 24 --first 900000 --split test

A shard NAME is four files: NAME.rgb.npy (N, V, 108, 192, 3) uint8 sRGB, NAME.depth.npy (N, V, 108, 192) float16 z-depth
[m], +inf sky, 0 unknown, NAME.poses.npy (N, V, 4, 4) float64 world_from_camera, and, written last, NAME.focal.npy (N,)
float64 pixels. Square pixels, principal point in the middle. Shards land in DATA/clusters_{kind}_{train,test}/.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.geometry import matrix_from_rotvec
from lyra_core.training.level_views import camera_at
from lyra_core.training.renderer import TexturedScene, auto_exposure, render
from lyra_core.types import Camera

__all__ = [
    "SIZE",
    "VIEWS",
    "Cluster",
    "ClusterStore",
    "is_clear",
    "main",
    "moved_view",
    "render_cluster",
    "write_clusters",
]

_LOG = logging.getLogger(__name__)
SIZE = (192, 108)
VIEWS = 5
_THROWS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """Views of one place under one exposure.

    Attributes
    ----------
    rgb: (V, H, W, 3) uint8 sRGB. depth: (V, H, W) float32 [m], +inf sky, 0 unknown. cameras: V views.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    cameras: tuple[Camera, ...]


def moved_view(camera: Camera, reach: float, rng: np.random.Generator) -> Camera:
    """A camera beside, before or behind another one, turned by up to about 35 degrees.

    reach: [m] typical depth; the step is 3 to 40 % of it, up to 2.5 m.
    """
    step = min(2.5, reach * rng.uniform(0.03, 0.4))
    course = rng.choice([0.0, np.pi, np.pi / 2, -np.pi / 2], p=[0.4, 0.16, 0.22, 0.22]) + rng.normal(0, 0.4)
    pose = np.array(camera.world_from_camera)
    ahead, aside = pose[:3, 2] * [1, 1, 0], pose[:3, 0] * [1, 1, 0]
    ahead, aside = (v / max(float(np.linalg.norm(v)), 1e-6) for v in (ahead, aside))
    pose[:3, 3] += step * (np.cos(course) * ahead + np.sin(course) * aside)
    pose[2, 3] += step * rng.normal(0, 0.12)
    yaw = np.radians(rng.choice([-1, 1]) * rng.uniform(0, 35) * rng.uniform())
    pose[:3, :3] = matrix_from_rotvec(np.array([0, 0, yaw])) @ pose[:3, :3]
    pose[:3, :3] = pose[:3, :3] @ matrix_from_rotvec(np.array([np.radians(rng.normal(0, 3)), 0, 0]))
    return camera.moved(pose)


def is_clear(scene: TexturedScene, start: NDArray[np.float64], end: NDArray[np.float64]) -> bool:
    """Nothing stands between two points [m], nor within 0.25 m behind the second."""
    way = end - start
    length = float(np.linalg.norm(way))
    yaw, pitch = np.arctan2(way[1], way[0]), np.arcsin(np.clip(way[2] / max(length, 1e-9), -0.999, 0.999))
    view = camera_at(start, yaw=float(yaw), pitch=float(pitch), size=(1, 1), focal=50.0)
    _, depth, sky = render(scene, view, supersample=1, exposure=1.0)
    return bool(sky[0, 0]) or float(depth[0, 0]) > length + 0.25


def _picture(scene: TexturedScene, camera: Camera, exposure: float) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    rgb, depth, sky = render(scene, camera, supersample=2, exposure=exposure)
    return np.rint(rgb * 255).astype(np.uint8), np.where(sky, np.inf, depth).astype(np.float32)


def render_cluster(
    scene: TexturedScene, camera: Camera, rng: np.random.Generator, *, views: int = VIEWS
) -> Cluster | None:
    """A view and others around it, each a move from one before; None where there is no space to move."""
    exposure = auto_exposure(scene, camera) * float(2.0 ** rng.uniform(-0.3, 0.3))
    cameras, pictures = [camera], [_picture(scene, camera, exposure)]
    for _ in range(_THROWS):
        if len(cameras) == views:
            break
        at = int(rng.integers(len(cameras)))
        depth = pictures[at][1]
        solid = depth[np.isfinite(depth)]
        reach = float(np.median(solid)) if len(solid) else 5.0
        new = moved_view(cameras[at], reach, rng)
        if not is_clear(scene, cameras[at].center, new.center):
            continue
        picture = _picture(scene, new, exposure)
        if np.percentile(picture[1], 5) < 0.3 or np.isinf(picture[1]).mean() > 0.7:
            continue
        cameras.append(new)
        pictures.append(picture)
    if len(cameras) < views:
        return None
    return Cluster(np.stack([p[0] for p in pictures]), np.stack([p[1] for p in pictures]), tuple(cameras))


def write_clusters(path: Path, clusters: Sequence[Cluster]) -> None:
    """Write a shard; `path` is its folder and name without suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(f"{path}.rgb.npy", np.stack([c.rgb for c in clusters]))
    np.save(f"{path}.depth.npy", np.stack([c.depth for c in clusters]).astype(np.float16))
    np.save(f"{path}.poses.npy", np.stack([[v.world_from_camera for v in c.cameras] for c in clusters]))
    np.save(f"{path}.focal.npy", np.array([c.cameras[0].intrinsics[0, 0] for c in clusters], np.float64))


class ClusterStore:
    """All clusters of all shards of some folders, in the order of the shards' names.

    Raises
    ------
    InputError: no shard there.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._shards: list[tuple[NDArray, NDArray, NDArray, NDArray]] = []
        self._index: list[tuple[int, int]] = []
        wanted = [Path(folder) for folder in folders]
        for focal_path in sorted(path for folder in wanted for path in folder.glob("*.focal.npy")):
            stem, focal = str(focal_path)[: -len(".focal.npy")], np.load(focal_path)
            self._index += [(len(self._shards), i) for i in range(len(focal))]
            rgb, depth = (np.load(f"{stem}.{name}.npy", mmap_mode="r") for name in ("rgb", "depth"))
            self._shards.append((rgb, depth, np.load(f"{stem}.poses.npy"), focal))
        if not self._index:
            raise InputError(
                "No rendered clusters of views",
                got=", ".join(map(str, wanted)),
                do="Render them with python -m lyra_core.training.view_clusters",
            )

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> Cluster:
        shard, row = self._index[index]
        rgb, depth, poses, focal = self._shards[shard]
        height, width = depth.shape[2:]
        lens = np.array([[focal[row], 0, width / 2], [0, focal[row], height / 2], [0, 0, 1]])
        cameras = tuple(Camera(lens, pose, width, height) for pose in poses[row])
        return Cluster(np.array(rgb[row]), np.array(depth[row]).astype(np.float32), cameras)


_Draw = Callable[[np.random.Generator], "tuple[TexturedScene, Camera] | None"]


def _gather(draw: _Draw, count: int, rng: np.random.Generator) -> list[Cluster]:
    out: list[Cluster] = []
    for _ in range(20 * count):
        if len(out) == count:
            break
        found = draw(rng)
        cluster = None if found is None else render_cluster(*found, rng)
        if cluster is not None:
            out.append(cluster)
    return out


def _scene_draw(kind: str, index: int) -> _Draw:
    if kind == "rooms":
        from lyra_core.training.room_views import sample_room_view
        from lyra_core.training.rooms import make_room

        room = make_room(index)
        return lambda rng: sample_room_view(room, SIZE, rng)
    from lyra_core.training.outdoors import make_outdoors, sample_outdoor_view

    place = make_outdoors(index)
    return lambda rng: sample_outdoor_view(place, SIZE, rng)


def _render_scenes(given: argparse.Namespace) -> None:
    for start in range(given.first, given.first + given.scenes, 8):
        path = given.out / f"clusters_{given.source}_{given.split}" / f"{given.source}{start:06d}"
        if Path(f"{path}.focal.npy").exists():
            continue
        batch: list[Cluster] = []
        for index in range(start, min(start + 8, given.first + given.scenes)):
            rng = np.random.default_rng([given.seed, 3_000_017, index])
            batch += _gather(_scene_draw(given.source, index), given.clusters, rng)
        _LOG.info("%s %d..: %d clusters", given.source, start, len(batch))
        if batch:
            write_clusters(path, batch)


def _render_levels(given: argparse.Namespace) -> None:
    from lyra_core.training.level_materials import LevelArchive
    from lyra_core.training.level_views import sample_view
    from lyra_core.training.levels import is_held_out, level_names, read_level

    archive = LevelArchive(given.levels)
    for index, name in enumerate(level_names(archive)):
        if is_held_out(index) != (given.split == "test"):
            continue
        path = given.out / f"clusters_levels_{given.split}" / f"{name}.{given.first}"
        if Path(f"{path}.focal.npy").exists():
            continue
        level = read_level(archive, name)
        if not len(level.places):
            continue
        rng = np.random.default_rng([given.seed, 4_000_037, index, given.first])
        found = _gather(lambda r, level=level: _at(level.scene, sample_view(level, SIZE, r)), given.clusters, rng)
        _LOG.info("%s: %d clusters", level.name, len(found))
        if len(found) >= given.clusters // 3:
            write_clusters(path, found)


def _at(scene: TexturedScene, camera: Camera | None) -> tuple[TexturedScene, Camera] | None:
    return None if camera is None else (scene, camera)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; see the module's text."""
    parser = argparse.ArgumentParser(prog="python -m lyra_core.training.view_clusters")
    parser.add_argument("source", choices=("levels", "rooms", "outdoors"))
    parser.add_argument("--levels", type=Path, help="folder that holds the .pk3 archives")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clusters", type=int, default=2, help="clusters of each scene")
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--first", type=int, default=0, help="seed of the first scene; for levels, number of the pass")
    parser.add_argument("--split", choices=("train", "test"), default="train")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if given.source != "levels":
        _render_scenes(given)
    elif given.levels is None:
        parser.error("levels need --levels FOLDER")
    else:
        _render_levels(given)


if __name__ == "__main__":
    main()

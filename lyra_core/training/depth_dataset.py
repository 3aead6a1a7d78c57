# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Render the views that the depth model learns from.

    python -m lyra_core.training.depth_dataset levels --levels FOLDER_WITH_PK3 --out DATA --views 24 --passes 3
    python -m lyra_core.training.depth_dataset levels --levels FOLDER_OF_ANOTHER_GAME --kind nexuiz --out DATA
    python -m lyra_core.training.depth_dataset rooms --out DATA --scenes 400 --views 8
    python -m lyra_core.training.depth_dataset outdoors --out DATA --scenes 200 --views 8
    python -m lyra_core.training.depth_dataset furnished --models FOLDER_WITH_SH3F --out DATA --scenes 400 --views 10
    python -m lyra_core.training.depth_dataset subjects --models FOLDER_WITH_SH3F --out DATA --scenes 160 --views 10
    python -m lyra_core.training.depth_dataset yards --out DATA --scenes 80 --views 8 --first 200000
    python -m lyra_core.training.depth_dataset streets --out DATA --scenes 200 --views 6 --first 400000
    python -m lyra_core.training.depth_dataset ufo --maps FOLDER_WITH_PK3 --out DATA --views 24 --passes 2

Shards land in DATA/{levels,rooms,outdoors,...}_{train,test}/; finished shards are kept, so an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from lyra_core.training.level_materials import LevelArchive
from lyra_core.training.level_views import sample_view
from lyra_core.training.levels import Level, is_held_out, level_names, read_level
from lyra_core.training.renderer import TexturedScene, render
from lyra_core.training.view_store import SHAPES, View, write_shard
from lyra_core.types import Camera

__all__ = [
    "main",
    "render_furnished",
    "render_levels",
    "render_outdoors",
    "render_rooms",
    "render_streets",
    "render_subjects",
    "render_ufo",
    "render_yards",
]

_LOG = logging.getLogger(__name__)
_SHAPE_WEIGHTS = (0.36, 0.40, 0.12, 0.12)
_LARGEST_BARE = 0.4  # share of the area without its picture above which a level is too grey to learn from
_Draw = Callable[[tuple[int, int], np.random.Generator], "tuple[TexturedScene, Camera] | None"]
_Open = Callable[[int], _Draw]
_THROWS = 40  # tries for each view before a level counts as unusable


def _view(scene: TexturedScene, camera: Camera, rng: np.random.Generator) -> View:
    rgb, depth, sky = render(scene, camera, supersample=2, rng=rng)
    open_sky = cv2.morphologyEx(sky.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0
    far = np.where(open_sky, np.inf, np.where(sky, 0.0, depth)).astype(np.float32)  # cracks are unknown, not sky
    up = camera.world_from_camera[2, :3]  # world +z seen from the camera
    return View(np.rint(rgb * 255).astype(np.uint8), far, float(camera.intrinsics[0, 0]), up)


def _gather(
    draw: Callable[[tuple[int, int]], tuple[TexturedScene, Camera] | None], count: int, rng: np.random.Generator
) -> list[View]:
    views: list[View] = []
    for _ in range(_THROWS * count):
        if len(views) == count:
            break
        found = draw(SHAPES[rng.choice(len(SHAPES), p=_SHAPE_WEIGHTS)])
        if found is not None:
            views.append(_view(*found, rng))
    return views


def render_levels(
    folder: Path,
    out: Path,
    *,
    views: int,
    passes: int,
    seed: int = 0,
    kind: str = "levels",
    besides: Path | None = None,
) -> None:
    """Render `views` of every level in each pass into KIND_train; held-out levels once, into KIND_test.

    Levels that give few views, or whose pictures are missing on more than 40 % of their area, are left out.
    besides: folder of archives whose levels are left out here (another kind has them), before held-out ones are counted.

    Raises
    ------
    InputError: no level archives in the folder.
    """
    archive = LevelArchive(folder)
    known = set() if besides is None else set(level_names(LevelArchive(besides)))
    names = [name for name in level_names(archive) if name not in known]
    _render_maps(
        names, out, kind, views=views, passes=passes, salt=(seed,), read=lambda name, _: read_level(archive, name)
    )


def render_ufo(folder: Path, out: Path, *, views: int, passes: int, seed: int = 0) -> None:
    """Render `views` of every map of UFO: Alien Invasion in each pass into ufo_train; held-out maps once, into ufo_test.

    Maps of tiles are laid anew in each pass.

    Raises
    ------
    InputError: no archives in the folder.
    """
    from lyra_core.training.ufo_maps import UfoMaps, sample_ufo_view

    maps = UfoMaps(LevelArchive(folder))
    _render_maps(
        maps.names,
        out,
        "ufo",
        views=views,
        passes=passes,
        salt=(seed, 6_000_011),
        read=maps.read,
        sample=sample_ufo_view,
    )


def _render_maps(
    names: Sequence[str],
    out: Path,
    kind: str,
    *,
    views: int,
    passes: int,
    salt: Sequence[int],
    read: Callable[[str, np.random.Generator], Level],
    sample: Callable[[Level, tuple[int, int], np.random.Generator], Camera | None] = sample_view,
) -> None:
    """Render `views` of each map in each pass into KIND_train, held-out ones once into KIND_test; see render_levels."""
    held_out = [i for i in range(len(names)) if is_held_out(i)]
    jobs = [(i, 0, f"{kind}_test") for i in held_out]
    jobs += [(i, turn, f"{kind}_train") for turn in range(passes) for i in range(len(names)) if i not in held_out]
    for index, turn, split in jobs:
        path = out / split / f"{names[index]}.{turn}"
        if Path(f"{path}.meta.npy").exists():
            continue
        rng = np.random.default_rng([*salt, index, turn])
        level = read(names[index], rng)
        if not len(level.places) or level.bare > _LARGEST_BARE:
            continue

        def draw(
            size: tuple[int, int], level: Level = level, rng: np.random.Generator = rng
        ) -> tuple[TexturedScene, Camera] | None:
            camera = sample(level, size, rng)
            return None if camera is None else (level.scene, camera)

        found = _gather(draw, views, rng)
        _LOG.info("%s %s pass %d: %d views", split, level.name, turn, len(found))
        if len(found) >= views // 3:
            write_shard(path, found)


def _render_scenes(stem: Path, seeds: range, group: int, views: int, salt: Sequence[int], open_: _Open) -> None:
    """Render `views` of the scene of each seed into shards of `group` scenes, STEM followed by their first seed.

    salt: with the seed of the scene, what its views are drawn from.
    """
    for start in range(seeds.start, seeds.stop, group):
        path = f"{stem}{start:06d}"
        if Path(f"{path}.meta.npy").exists():
            continue
        batch: list[View] = []
        for index in range(start, min(start + group, seeds.stop)):
            rng = np.random.default_rng([*salt, index])
            draw = open_(index)
            batch += _gather(lambda size, draw=draw, rng=rng: draw(size, rng), views, rng)
        _LOG.info("%s: %d views", Path(path).name, len(batch))
        if batch:
            write_shard(Path(path), batch)


def render_rooms(out: Path, *, scenes: int, views: int, first: int, split: str, seed: int = 0) -> None:
    """Render `views` of each of `scenes` procedural rooms, seeds first .. first + scenes - 1, into rooms_SPLIT."""
    from lyra_core.training.room_views import sample_room_view
    from lyra_core.training.rooms import make_room

    def open_(index: int) -> _Draw:
        room = make_room(index)
        return lambda size, rng: sample_room_view(room, size, rng)

    stem = out / f"rooms_{split}" / "room"
    _render_scenes(stem, range(first, first + scenes), 8, views, (seed, 1_000_003), open_)


def render_yards(out: Path, *, scenes: int, views: int, first: int, split: str, seed: int = 0) -> None:
    """Outdoor scenes of the kind "yard" alone; see render_outdoors."""
    render_outdoors(out, scenes=scenes, views=views, first=first, split=split, seed=seed, kind="yard")


def render_streets(out: Path, *, scenes: int, views: int, first: int, split: str, seed: int = 0) -> None:
    """Render outdoor scenes of the kind "street" alone; see render_outdoors."""
    render_outdoors(out, scenes=scenes, views=views, first=first, split=split, seed=seed, kind="street")


def render_outdoors(
    out: Path, *, scenes: int, views: int, first: int, split: str, seed: int = 0, kind: str | None = None
) -> None:
    """Render `views` of each of `scenes` outdoor scenes, seeds first .. first + scenes - 1, into outdoors_SPLIT."""
    from lyra_core.training.outdoors import make_outdoors, sample_outdoor_view

    def open_(index: int) -> _Draw:
        place = make_outdoors(index, kind)
        return lambda size, rng: sample_outdoor_view(place, size, rng)

    stem = out / f"outdoors_{split}" / "outdoors"
    _render_scenes(stem, range(first, first + scenes), 8, views, (seed, 2_000_003), open_)


def render_furnished(
    models: Path, out: Path, *, scenes: int, views: int, first: int, split: str, seed: int = 0
) -> None:
    """Render rooms (two of three) and yards with furniture models, seeds first .. first + scenes - 1, into furnished_SPLIT.

    The held-out pieces of the catalogues stand in the scenes of split "test", the others in those of "train".

    Raises
    ------
    InputError: no catalogue in `models`.
    """
    from lyra_core.training.furnished import furnished_yard, make_furnished_room, sample_furnished_view
    from lyra_core.training.furniture_models import FurnitureCatalog
    from lyra_core.training.outdoors import sample_outdoor_view

    catalog = FurnitureCatalog(models, held_out=split == "test")

    def open_(index: int) -> _Draw:
        if index % 3 == 2:
            yard = furnished_yard(index, catalog)
            return lambda size, rng: sample_outdoor_view(yard, size, rng)
        room = make_furnished_room(index, catalog)
        return lambda size, rng: sample_furnished_view(room, size, rng)

    stem = out / f"furnished_{split}" / "furnished"
    _render_scenes(stem, range(first, first + scenes), 6, views, (seed, 5_000_011), open_)


def render_subjects(models: Path, out: Path, *, scenes: int, views: int, first: int, split: str, seed: int = 0) -> None:
    """Pictures of one large thing each in the rooms of render_furnished, into subjects_SPLIT; the same errors."""
    from lyra_core.training.furnished import make_furnished_room, sample_subject_view
    from lyra_core.training.furniture_models import FurnitureCatalog

    catalog = FurnitureCatalog(models, held_out=split == "test")

    def open_(index: int) -> _Draw:
        room = make_furnished_room(index, catalog)
        return lambda size, rng: sample_subject_view(room, size, rng)

    stem = out / f"subjects_{split}" / "subjects"
    _render_scenes(stem, range(first, first + scenes), 6, views, (seed, 7_000_003), open_)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; see the module's text."""
    parser = argparse.ArgumentParser(prog="python -m lyra_core.training.depth_dataset")
    parser.add_argument(
        "source", choices=("levels", "rooms", "outdoors", "yards", "streets", "furnished", "subjects", "ufo")
    )
    parser.add_argument("--levels", type=Path, help="folder that holds the .pk3 archives")
    parser.add_argument("--maps", type=Path, help="folder that holds the .pk3 archives of UFO: Alien Invasion")
    parser.add_argument("--models", type=Path, help="folder that holds the .sh3f furniture catalogues")
    parser.add_argument("--besides", type=Path, default=None, help="folder of .pk3 archives whose levels are left out")
    parser.add_argument("--kind", default="levels", help="name under which the views of these levels are kept")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--views", type=int, default=24, help="views of each scene (and pass)")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--first", type=int, default=0, help="seed of the first room")
    parser.add_argument("--split", choices=("train", "test"), default="train")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if given.source == "levels":
        if given.levels is None:
            parser.error("levels need --levels FOLDER")
        render_levels(
            given.levels,
            given.out,
            views=given.views,
            passes=given.passes,
            seed=given.seed,
            kind=given.kind,
            besides=given.besides,
        )
        return
    if given.source == "ufo":
        if given.maps is None:
            parser.error("ufo needs --maps FOLDER")
        render_ufo(given.maps, given.out, views=given.views, passes=given.passes, seed=given.seed)
        return
    kwargs = {name: getattr(given, name) for name in ("scenes", "views", "first", "split", "seed")}
    if given.source not in ("furnished", "subjects"):
        sources = {"rooms": render_rooms, "outdoors": render_outdoors, "yards": render_yards, "streets": render_streets}
        sources[given.source](given.out, **kwargs)
    elif given.models is None:
        parser.error("furnished rooms need --models FOLDER")
    else:
        from_models = render_furnished if given.source == "furnished" else render_subjects
        from_models(given.models, given.out, **kwargs)


if __name__ == "__main__":
    main()

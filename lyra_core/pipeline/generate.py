# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""generate, resume, extend and revert as iterators of events. Closing the iterator cancels; finished chunks stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from lyra_core.errors import InputError, PathError, WorldError
from lyra_core.generation.loop import CHUNK_HISTORY, ChunkProgress, FinishedChunk, generate_chunks
from lyra_core.generation.plan import plan_chunks
from lyra_core.memory import MemoryMode, SpatialMemory
from lyra_core.ops.device import resolve_device
from lyra_core.ops.warm import warm_up
from lyra_core.pipeline.begin import (
    PlannedPath,
    begin_world,
    make_depth,
    make_video,
    plan_segment,
    read_plan,
    seen_points,
    write_plan,
)
from lyra_core.pipeline.build import build_world
from lyra_core.pipeline.clock import StageClock
from lyra_core.pipeline.config import RunConfig, config_from
from lyra_core.pipeline.events import Event, FrameMade, Note, Progress
from lyra_core.pipeline.given_frames import opened_frames
from lyra_core.trajectory import SeedScene
from lyra_core.types import Camera, CameraPath
from lyra_core.world import SegmentRecord, WorldFolder, digest_file

__all__ = ["extend", "generate", "rebuild", "revert"]


def generate(
    photo: Path, out: Path, config: RunConfig, *, resume: bool = False, captions: dict[int, str] | None = None
) -> Iterator[Event]:
    """One photo and a path to a world folder.

    Parameters
    ----------
    photo: the picture.
    out: the world folder; must be empty or absent unless resume.
    config: all settings. A resumed world keeps the settings that it was started with.
    resume: continue a world that was interrupted; starts a new one if out holds none.
    captions: frame number to text, for models that read text; adds to those of the path file.
    """
    with opened_frames(photo, config, captions or {}) as (photo, config, captions):
        yield from _generate(photo, out, config, resume, captions)


def _generate(photo: Path, out: Path, config: RunConfig, resume: bool, captions: dict[int, str]) -> Iterator[Event]:
    clock = StageClock()
    device = resolve_device(config.device)
    if resume and (out / "manifest.json").is_file():
        world = WorldFolder.open(out)
        yield from _check_same_run(world, photo, config)
        config = config_from(world.manifest.config, device=config.device)
        dropped = world.drop_damaged()
        if dropped:
            yield Note(f"{dropped} chunk(s) were damaged and will be made again", "warning")
        if world.frame_count:
            yield Note(f"resuming after frame {world.frame_count - 1}")
            warm_up(device)
            yield from _finish(world, config, clock, device)
            return
    warm_up(device)
    yield from begin_world(photo, out, config, clock, resume=resume, captions=captions)
    world = WorldFolder.open(out)
    yield from _finish(world, config, clock, device)


def extend(
    folder: Path,
    *,
    preset: str,
    config: RunConfig,
    captions: dict[int, str] | None = None,
    exact: CameraPath | None = None,
) -> Iterator[Event]:
    """Continue a world from its last camera along another path; config.path holds frames, strength, clearance.

    The path's first frame is the world's last one, so frames - 1 new frames are made. exact is a path that was planned
    and checked before (the explorer's): it is taken camera by camera, preset only names it, and the limiter is not
    asked again. Raises PathError if exact does not begin at the last camera.
    """
    clock = StageClock()
    world = WorldFolder.open(folder)
    _require_complete(world)
    own = config_from(world.manifest.config, device=config.device)
    own = replace(own, path=config.path, model=replace(own.model, video=config.model.video or own.model.video))
    device = resolve_device(own.device)
    warm_up(device)
    yield clock.start("plan")
    frames = world.frames
    last = frames[len(frames) - 1]
    make_video(own).check_frames(config.path.frames if exact is None else len(exact))
    scene = SeedScene.from_depth(last.depth, last.camera, floor_z=0.0)
    scene = SeedScene(scene.center_depth, 0.0, seen_points(iter(frames)))
    if exact is None:
        planned = plan_segment(own, last.camera, scene, name=preset, frames=config.path.frames)
    else:
        planned = _exact_plan(exact, last.camera)
    for message in planned.limits:
        yield Note(message)
    if len(planned.path) < 2:
        raise InputError("An extension needs at least 2 frames", got=str(len(planned.path)), do="Raise --frames")
    start = world.frame_count
    whole = CameraPath.concatenate(read_plan(folder).segment(0, start), planned.path.segment(1, len(planned.path)))
    shifted = {str(int(k) + start - 1): v for k, v in {**planned.captions, **(captions or {})}.items()}
    write_plan(folder, whole)
    name = Path(preset).name
    world.add_segment(SegmentRecord(start, len(whole), name, dict(planned.figures), shifted, list(planned.limits)))
    yield clock.stop("plan")
    yield from _finish(world, own, clock, device)


def _exact_plan(path: CameraPath, last: Camera) -> PlannedPath:
    if not np.array_equal(path.world_from_camera[0], last.world_from_camera):
        gap = float(np.linalg.norm(path.centers[0] - last.center))
        raise PathError(
            "The planned path does not begin at the world's last camera",
            got=f"{gap:.3g} m away, or turned",
            do="Plan it again; the world has changed",
        )
    fitting = path if (path.width, path.height) == (last.width, last.height) else path.resized(last.width, last.height)
    return PlannedPath(fitting, {}, (), {})


def revert(folder: Path, *, steps: int, device: str = "auto", build: bool = True) -> Iterator[Event]:
    """Take back the last extend steps and rebuild what was made from them."""
    clock = StageClock()
    world = WorldFolder.open(folder)
    device = resolve_device(device)
    world.revert(steps)
    write_plan(folder, read_plan(folder).segment(0, world.manifest.segments[-1].stop))
    yield Note(f"{steps} step(s) taken back; the world ends at frame {world.manifest.segments[-1].stop - 1}")
    config = config_from(world.manifest.config, device=device)
    if build:
        warm_up(device)
        yield from _finish(world, config, clock, device)


def rebuild(folder: Path, *, config: RunConfig | None = None, device: str = "auto") -> Iterator[Event]:
    """Make all derived files of a world again from its frames."""
    clock = StageClock()
    world = WorldFolder.open(folder)
    _require_complete(world)
    device = resolve_device(device)
    warm_up(device)
    settings = config or config_from(world.manifest.config, device=device)
    yield from build_world(world, settings, clock, device)


def _require_complete(world: WorldFolder) -> None:
    planned = world.manifest.segments[-1].stop
    if world.frame_count < planned:
        raise WorldError(
            "This world is not finished",
            got=f"{world.frame_count} of {planned} frames",
            do="Run lyra generate PHOTO --out WORLD --resume first",
        )


def _check_same_run(world: WorldFolder, photo: Path, config: RunConfig) -> Iterator[Event]:
    if photo.is_file() and digest_file(photo) != world.manifest.photo["sha256"]:
        raise WorldError(
            "This world was made from another photo",
            got=f"{photo.name}; the world's photo is {world.manifest.photo['name']}",
            do="Give that photo, or another --out",
        )
    own = config_from(world.manifest.config, device=config.device)
    if own != config:
        yield Note("the world keeps the settings that it was started with")


def _finish(world: WorldFolder, config: RunConfig, clock: StageClock, device: str) -> Iterator[Event]:
    """Make the missing chunks, then the derived files."""
    path = read_plan(world.folder)
    if len(path) < world.manifest.segments[-1].stop:
        raise WorldError(
            "The plan is shorter than the last segment",
            got=f"{len(path)} cameras",
            do="Run lyra revert WORLD, then extend again",
        )
    first = world.frame_count
    missing = world.manifest.segments[-1].stop - first
    if missing > 0:
        yield clock.start("generate", missing)
        yield from _make_chunks(world, config, path, first, missing, device)
        yield clock.stop("generate")
    yield from build_world(world, config, clock, device)


def _make_chunks(
    world: WorldFolder, config: RunConfig, path: CameraPath, first: int, missing: int, device: str
) -> Iterator[Event]:
    next_chunk = max(c.index for c in world.manifest.chunks) + 1
    chunks = []
    # Chunks never cross a segment, so that revert can drop whole chunks.
    for segment in world.manifest.segments:
        start = max(segment.first, first)
        if segment.stop > start:
            chunks += plan_chunks(start, segment.stop - start, first_chunk=next_chunk + len(chunks))
    captions = {int(k): v for s in world.manifest.segments for k, v in s.captions.items()}
    mode = cast(MemoryMode, config.memory.mode)  # checked by load_config
    memory = SpatialMemory(mode=mode, device=device, byte_budget=config.memory.budget_mb << 20)
    frames = world.frames
    for frame in frames:
        memory.insert(frame)
    steps = generate_chunks(
        path,
        chunks,
        memory=memory,
        video=make_video(config),
        depth=make_depth(config),
        history=frames[max(0, first - CHUNK_HISTORY) : first],
        captions=captions,
        seed=config.seed,
        device=device,
        past=lambda index: world.frames[index],
    )
    done = 0
    for step in steps:
        if isinstance(step, ChunkProgress):
            if step.preview is not None:
                yield FrameMade(step.preview)
                yield Progress("generate", done + step.done, missing)
            continue
        assert isinstance(step, FinishedChunk)
        world.add_chunk(step.chunk.index, step.frames)
        done += len(step.chunk)
        yield Progress("generate", done, missing)

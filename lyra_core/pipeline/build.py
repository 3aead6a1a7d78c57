# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Frames to everything that is derived from them: Gaussians, videos, meshes, map, USD, proof, report."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.generation.camera_check import check_cameras
from lyra_core.meshing import MeshConfig, WorldMesh, mesh_from_frames, write_glb
from lyra_core.meshing.semantics import split_parts
from lyra_core.navigation import FREE, SPAWN_HEIGHT, UNKNOWN, build_grid
from lyra_core.navigation.occupancy import floor_level
from lyra_core.ops.splat import splatter
from lyra_core.pipeline.clock import StageClock
from lyra_core.pipeline.config import RunConfig
from lyra_core.pipeline.events import Event, Finished, Note, Progress
from lyra_core.pipeline.exports import write_camera_files, write_navigation_files
from lyra_core.pipeline.product import Product
from lyra_core.pipeline.prove import prove
from lyra_core.pipeline.report.drive_report import forget_drives
from lyra_core.pipeline.spawns import checked_spawns
from lyra_core.reconstruction import GaussianConfig, GaussianScene, gaussians_from_frames, psnr, write_ply, write_video
from lyra_core.types import CameraPath, Mesh
from lyra_core.world import FrameSequence, WorldFolder, digest_file

__all__ = ["build_world"]


def build_world(world: WorldFolder, config: RunConfig, clock: StageClock, device: str) -> Iterator[Event]:
    """Make every derived file of a finished set of frames, prove the world, and write the report."""
    product = Product()
    path = _path_of(world)
    world.update(replace(world.manifest, outputs={}))
    forget_drives(world.folder)
    yield from _gaussians(world, config, clock, product)
    yield from _videos(world, config, clock, product, path, device)
    yield from _mesh(world, config, clock, product, device)
    yield from _export(world, clock, product, path)
    (world.folder / "payload" / "objects.usdc").unlink(missing_ok=True)
    if config.build.convex:
        yield from _convex(world, clock, product)
    if config.build.check:
        yield clock.start("prove")
        product.proof = prove(world.folder, drops=config.build.drops, seed=config.seed)
        for line in product.proof.lines:
            yield Note(line)
        yield clock.stop("prove")
    yield from _report(world, config, clock, product, path, device)


def _path_of(world: WorldFolder) -> CameraPath:
    from lyra_core.pipeline.begin import read_plan
    from lyra_core.world.plan import settle_plan

    settle_plan(world.folder)
    return read_plan(world.folder).segment(0, world.frame_count)


def _gaussians(world: WorldFolder, config: RunConfig, clock: StageClock, product: Product) -> Iterator[Event]:
    frames = world.frames
    yield clock.start("gaussians", len(frames))
    scene = _scene(world, config)
    product.scene = scene
    write_ply(world.folder / "splats.ply", scene.all)
    product.figures["gaussians"] = {
        "surface": len(scene.surface),
        "sky": len(scene.sky) if scene.sky is not None else 0,
    }
    yield clock.stop("gaussians")


def _scene(world: WorldFolder, config: RunConfig) -> GaussianScene:
    """Gaussians of the frames; an imported world keeps those that it was imported from."""
    imported = world.manifest.seed_view.get("import")
    if imported:
        from lyra_core.reconstruction.imported import imported_scene

        return imported_scene(world.folder, imported, float(world.manifest.seed_view.get("scale_factor", 1.0)))
    return gaussians_from_frames(world.frames, config=GaussianConfig(sky=config.build.sky))


def _videos(
    world: WorldFolder, config: RunConfig, clock: StageClock, product: Product, path: CameraPath, device: str
) -> Iterator[Event]:
    """video.mp4 from the frames and flythrough.mp4 from the Gaussians; their PSNR is the price of the splats."""
    assert product.scene is not None
    frames = world.frames
    stage = "flythrough" if config.build.flythrough else "video"
    yield clock.start(stage, len(path))
    keep = set(np.linspace(0, len(path) - 1, min(12, len(path))).round().astype(int).tolist())
    rendered: list[NDArray[np.uint8]] = []
    drawer = splatter(product.scene.all, device=device)
    for i, frame in enumerate(frames if config.build.flythrough else ()):
        image = drawer.draw(frame.camera).rgb
        rendered.append(_bytes(image))
        product.splat_psnr.append(psnr(image, frame.rgb))
        if i in keep:
            product.shown[i] = rendered[-1]
        yield Progress(stage, i + 1, len(path))
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(write_video, world.folder / "video.mp4", _pictures(frames), fps=path.fps)]
        if rendered:
            jobs.append(pool.submit(write_video, world.folder / "flythrough.mp4", rendered, fps=path.fps))
        for job in jobs:
            job.result()
    if product.splat_psnr:
        values = np.array(product.splat_psnr)
        product.figures["flythrough_psnr_db"] = {"mean": float(values.mean()), "worst": float(values.min())}
    yield clock.stop(stage)


def _pictures(frames: FrameSequence) -> Iterator[NDArray[np.uint8]]:
    return (_bytes(frame.rgb) for frame in frames)


def _bytes(rgb: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)


def _mesh(world: WorldFolder, config: RunConfig, clock: StageClock, product: Product, device: str) -> Iterator[Event]:
    yield clock.start("mesh")
    seed_floor = float(world.manifest.seed_view.get("floor_inliers", 1.0)) > 0.0
    mesh = mesh_from_frames(
        world.frames,
        config=MeshConfig(triangles=config.build.triangles, device=device, cleaner=config.build.cleaner),
        floor_z=0.0 if seed_floor else None,
    )
    product.mesh = mesh
    floorless = mesh.figures["floor_area_m2"] == 0.0
    world.update(replace(world.manifest, seed_view={**world.manifest.seed_view, "floor_found": not floorless}))
    write_glb(world.folder / "mesh.glb", mesh.visual)
    write_glb(world.folder / "collision.glb", mesh.collision)
    product.grid = build_grid(mesh.collision, path=_path_of(world))
    if floorless:
        # Whatever level surface there is, nobody found that it is a floor: nothing is promised to a robot.
        product.grid = replace(
            product.grid, state=np.where(product.grid.state == FREE, UNKNOWN, product.grid.state).astype(np.uint8)
        )
    tiles = [(tile.name, tile.mesh) for tile in mesh.tiles]
    product.spawns, dropped = checked_spawns(product.grid, _path_of(world), tiles, check=config.build.check)
    if dropped:
        yield Note(dropped)
    product.figures["mesh"] = dict(mesh.figures)
    level = floor_level(product.grid)
    if level is not None:
        product.figures["level"] = {"tilt_after_deg": level[0], "floor_offset_m": level[1]}
    product.figures["navigation"] = {"free_area_m2": product.grid.free_area, "spawn_poses": len(product.spawns)}
    if floorless:
        yield Note("this world has no floor: no free cell on its map, no spawn pose, no robot is set down", "warning")
    elif not product.spawns:
        yield Note("no free floor is large enough for a robot; no spawn pose was written", "warning")
    yield clock.stop("mesh")


def _export(world: WorldFolder, clock: StageClock, product: Product, path: CameraPath) -> Iterator[Event]:
    from lyra_core.usd import SpawnPose, write_world

    assert product.scene is not None
    assert product.mesh is not None
    assert product.grid is not None
    yield clock.start("usd")
    manifest = world.manifest
    captions = {int(k): v for s in manifest.segments for k, v in s.captions.items()}
    write_camera_files(world.folder, path, captions)
    write_navigation_files(world.folder, product.grid, product.spawns)
    spawns = [
        SpawnPose(f"spawn_{i}", (*s.position[:2], s.position[2] - SPAWN_HEIGHT), s.yaw)
        for i, s in enumerate(product.spawns)
    ]
    write_world(
        world.folder,
        gaussians=product.scene.surface,
        sky=product.scene.sky,
        visual=product.mesh.visual,
        visual_parts=_parts(product.mesh),
        labels={f"Collision/{name}": classes for name, classes in product.mesh.tile_labels.items()},
        tiles=[(tile.name, tile.mesh) for tile in product.mesh.tiles],
        camera_path=path,
        spawns=spawns,
        floor_z=0.0 if manifest.seed_view.get("floor_found", True) else None,
        metadata=_provenance(world),
        map_metadata={
            "image": "../navigation/map.png",
            "layers": "../navigation/layers.npz",
            "resolution": product.grid.resolution,
            "origin": list(product.grid.origin),
            "size": [int(n) for n in product.grid.state.shape[::-1]],
            "frame": "origin: x, y [m] of the lower left corner; size: columns, rows; row 0 of the image: largest y",
            "free_area_m2": product.grid.free_area,
        },
    )
    yield clock.stop("usd")


def _convex(world: WorldFolder, clock: StageClock, product: Product) -> Iterator[Event]:
    from lyra_core.meshing.convex import convex_objects
    from lyra_core.usd.meshes import write_convex

    assert product.mesh is not None
    yield clock.start("convex")
    labels = product.mesh.labels
    found = [] if labels is None else list(convex_objects(product.mesh.visual, labels))
    if found:
        write_convex(world.folder / "payload" / "objects.usdc", [(item.name, item.pieces) for item in found])
    pieces = sum(len(item.pieces) for item in found)
    product.figures["convex"] = {"objects": len(found), "pieces": pieces}
    yield Note(f"{len(found)} objects as {pieces} convex pieces in payload/objects.usdc")
    yield clock.stop("convex")


def _parts(mesh: WorldMesh) -> list[tuple[str, str, Mesh]]:
    """Name, class and mesh of the labelled pieces of the visual mesh."""
    pieces = [] if mesh.labels is None else split_parts(mesh.visual, mesh.labels)
    return [(part.name, part.label, part.mesh) for part in pieces]


def _provenance(world: WorldFolder) -> dict[str, Any]:
    manifest = world.manifest
    return {
        "generator": f"lyra-worldgen {manifest.versions.get('lyra-worldgen', '')}",
        "photo": manifest.photo["name"],
        "seed": int(manifest.config.get("seed", 0)),
        "video_model": str(manifest.models.get("video", "")),
        "depth_model": str(manifest.models.get("depth", "")),
        "scale_source": str(manifest.seed_view.get("scale_source", "")),
        "scale_confidence": float(manifest.seed_view.get("scale_confidence", math.nan)),
        "scale_is_a_guess": bool(manifest.seed_view.get("scale_is_a_guess", False)),
        "camera_height_m": float(manifest.seed_view.get("camera_height_m", math.nan)),
        "floor_found": bool(manifest.seed_view.get("floor_found", True)),
        "level_method": str(manifest.seed_view.get("floor_method", "")),
        "level_confidence": float(manifest.seed_view.get("level_confidence", math.nan)),
        "tilt_before_deg": float(manifest.seed_view.get("tilt_before_deg", math.nan)),
        "frames": world.frame_count,
    }


def _report(
    world: WorldFolder, config: RunConfig, clock: StageClock, product: Product, path: CameraPath, device: str
) -> Iterator[Event]:
    from lyra_core.pipeline.report.world_report import write_world_report

    yield clock.start("report")
    product.figures["cameras"] = check_cameras(world.frames, most=6).to_json()
    # The report shows the seconds of all other stages.
    figures = write_world_report(world, config, clock, product, path, device)
    yield clock.stop("report")
    outputs = {
        name: digest_file(world.folder / name) for name in _derived(world.folder) if (world.folder / name).is_file()
    }
    outputs["built_from"] = world.content_digest
    world.update(replace(world.manifest, outputs=outputs, timings=dict(clock.timings)))
    passed = product.proof.passed if product.proof else True
    yield Finished(str(world.folder), passed, figures)


def _derived(folder: Path) -> list[str]:
    names = [
        "splats.ply",
        "mesh.glb",
        "collision.glb",
        "video.mp4",
        "flythrough.mp4",
        "world.usda",
        "world_physics.usda",
        "navigation/map.png",
        "navigation/map.yaml",
        "navigation/layers.npz",
        "navigation/spawn.json",
        "frames/trajectory.npz",
        "frames/captions.json",
        "frames/transforms.json",
    ]
    return names + sorted(p.relative_to(folder).as_posix() for p in (folder / "payload").glob("*.usd*"))

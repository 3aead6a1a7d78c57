# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The report of a world: what came in, what was made, how good it is, where the time went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import fov_from_focal
from lyra_core.pipeline.clock import StageClock
from lyra_core.pipeline.config import RunConfig
from lyra_core.pipeline.report import pictures
from lyra_core.pipeline.report.page import Figure, Section, encode_picture, write_report
from lyra_core.types import CameraPath
from lyra_core.world import WorldFolder

if TYPE_CHECKING:
    from lyra_core.pipeline.product import Product

__all__ = ["write_world_report"]


def write_world_report(
    world: WorldFolder, config: RunConfig, clock: StageClock, product: Product, path: CameraPath, device: str
) -> dict[str, Any]:
    """Write report.html and report.json; return the figures that the command line prints as JSON."""
    passed = product.proof.passed if product.proof else True
    timings = {**clock.timings, "total so far": clock.total}
    figures = {
        **product.figures,
        "seconds": timings,
        "seed_view": world.manifest.seed_view,
        "models": world.manifest.models,
        "frames": world.frame_count,
        **(product.proof.figures if product.proof else {}),
    }
    summary = _summary(world, product, clock)
    figures["summary"] = dict(summary)
    sections = [
        _input(world, product),
        _path(world, path, product),
        _generated(world, path),
        _splats(world, product),
        _mesh(product, path, device),
        _navigation(product),
        _proof(world, product, config),
    ]
    last = [_time(timings), _provenance(world)]
    title = f"World from {world.manifest.photo['name']}"
    data = {"passed": passed, "title": title, **figures}
    write_report(world.folder, title=title, passed=passed, summary=summary, sections=sections, data=data, last=last)
    return figures


def _picture(image: NDArray, caption: str, *, wide: bool = False, lossless: bool = False) -> Figure:
    data = image if image.dtype == np.uint8 else pictures.as_bytes(image)
    return Figure(encode_picture(data, lossless=lossless), caption, wide)


def _summary(world: WorldFolder, product: Product, clock: StageClock) -> list[tuple[str, str]]:
    rows = [("frames", str(world.frame_count))]
    if product.scene is not None:
        rows.append(("Gaussians", f"{len(product.scene.all):,}"))
    if product.splat_psnr:
        rows.append(("splats against frames", f"{np.mean(product.splat_psnr):.1f} dB PSNR"))
    if product.mesh is not None:
        rows.append(("collider triangles", f"{len(product.mesh.collision.faces):,}"))
    if not world.manifest.seed_view.get("floor_found", True):
        rows.append(("floor", "NONE FOUND: no free cell, no spawn pose"))
    elif product.grid is not None:
        rows.append(("free floor", f"{product.grid.free_area:.1f} m²"))
    if product.proof is not None:
        physx = product.proof.figures.get("physx", {})
        usd = product.proof.figures.get("usd", {})
        rows.append(("USD errors", str(usd.get("errors", "?"))))
        if physx.get("run"):
            rows.append(("fell through", f"{physx.get('fell', '?')} of {physx.get('dropped', '?')}"))
        else:
            rows.append(("PhysX", "not run"))
    rows.append(("time", f"{clock.total:.0f} s"))
    return rows


def _level(world: WorldFolder, product: Product) -> list[tuple[str, str, str]]:
    """What was levelled, and how level the floor of the finished world is."""
    view, level = world.manifest.seed_view, product.figures.get("level")
    if view.get("tilt_before_deg") is None:
        return []
    after = (
        f"{level['tilt_after_deg']:.2f}° after, floor at {100 * level['floor_offset_m']:.1f} cm"
        if level
        else "no floor to measure"
    )
    share = float(view.get("level_confidence", min(1.0, 2.0 * float(view.get("floor_inliers", 0.0)))))
    how = f"{view.get('floor_method', '?')}, confidence {share:.2f}"
    return [("tilt", f"{float(view['tilt_before_deg']):.2f}° before, {after}", how)]


def _models(world: WorldFolder) -> list[tuple[str, str, str]]:
    used, rows = world.manifest.models, []
    for kind in ("depth", "video"):
        digest = used.get(f"{kind}_weights_sha256")
        rows.append((f"{kind} model", str(used.get(kind)), f"weights {digest[:16]}…" if digest else ""))
    return rows


def _input(world: WorldFolder, product: Product) -> Section:
    from lyra_core.models.depth.picture import depth_picture

    frame = world.frames[0]
    view = world.manifest.seed_view
    fov = fov_from_focal(frame.camera.intrinsics[0, 0], frame.camera.width)
    rows = (
        ("horizontal field of view", f"{fov:.1f}°", f"source: {view.get('focal_source', '?')}"),
        (
            "scale",
            f"camera {frame.camera.center[2]:.2f} m over the floor",
            f"source: {view.get('scale_source', '?')}, confidence {float(view.get('scale_confidence', 0)):.2f}"
            + (" (a guess: lyra rescale applies a measurement)" if view.get("scale_is_a_guess") else ""),
        ),
        *_level(world, product),
        *_models(world),
        ("sky", f"{100 * frame.sky.mean():.0f} % of the photo", ""),
    )
    return Section(
        "The photo",
        "What the photo is taken for: its lens, its depth in metres, its sky.",
        (
            _picture(frame.rgb, f"{world.manifest.photo['name']}, {frame.camera.width}×{frame.camera.height}"),
            _picture(depth_picture(frame.depth, frame.sky), "depth: red is near, blue is far, sky is grey"),
        ),
        rows,
        tuple(view.get("notes", ())),
    )


def _seen(product: Product) -> list[tuple[str, str, str]]:
    """RotErr and TransErr of the cameras that the pictures show; the commanded ones are kept."""
    found = product.figures.get("cameras", {})
    if not found.get("frames_checked"):
        return [("cameras seen in the frames", "not measured", "too few points were found again")]
    turn, shift, share = (found[name] for name in ("rot_err_deg", "trans_err_m", "trans_err_relative"))
    value = f"RotErr {turn['median']:.2f}°, TransErr {100 * shift['median']:.1f} cm (medians)"
    note = (
        f"worst {turn['max']:.2f}°, {100 * shift['max']:.1f} cm ({100 * share['max']:.1f} % of the distance looked at)"
    )
    return [("cameras seen in the frames", value, f"{note}; {found['frames_checked']} frames; commanded cameras kept")]


def _path(world: WorldFolder, path: CameraPath, product: Product) -> Section:
    picks = sorted({0, len(path) // 2, len(path) - 1})
    frames = [world.frames[i] for i in picks]
    steps = np.linalg.norm(np.diff(path.centers, axis=0), axis=1) if len(path) > 1 else np.zeros(1)
    segments = ", ".join(f"{s.path} (frames {s.first}–{s.stop - 1})" for s in world.manifest.segments)
    rows = (
        ("segments", segments, ""),
        ("length", f"{steps.sum():.2f} m", f"largest step {steps.max():.3f} m"),
        *_seen(product),
    )
    limits = tuple(m for s in world.manifest.segments for m in s.limits)
    text = "From above, over the points that the frames see. The limiter's remarks stand below."
    plot = _picture(pictures.path_plot(path, frames), "camera path", lossless=True, wide=True)
    return Section("The camera path", text, (plot,), rows, limits)


def _generated(world: WorldFolder, path: CameraPath) -> Section:
    frames = world.frames
    picks = np.linspace(0, len(path) - 1, min(12, len(path))).round().astype(int)
    sheet = pictures.contact_sheet([pictures.as_bytes(frames[int(i)].rgb) for i in picks])
    depths = _depth_sheet(world, picks)
    figures = [
        _picture(sheet, f"frames {', '.join(map(str, picks))}", wide=True),
        _picture(depths, "their depth", wide=True),
    ]
    for first, later in pictures.return_pairs(path):
        pair = pictures.side_by_side(pictures.as_bytes(frames[first].rgb), pictures.as_bytes(frames[later].rgb))
        figures.append(_picture(pair, f"first seen in frame {first}, back in frame {later}", wide=True))
    invented = [float(frames[i].owned.mean()) for i in range(1, len(path))]
    share = f"{100 * float(np.mean(invented)):.1f} % of a frame on average" if invented else "none"
    return Section(
        "The generated frames",
        "Known places are reprojected from memory; only what was never seen is invented.",
        tuple(figures),
        (("invented pixels", share, "each is invented once and then remembered"),),
    )


def _depth_sheet(world: WorldFolder, picks: NDArray) -> NDArray[np.uint8]:
    from lyra_core.models.depth.picture import depth_picture

    frames = world.frames
    return pictures.contact_sheet([depth_picture(frames[int(i)].depth, frames[int(i)].sky) for i in picks[::3]])


def _splats(world: WorldFolder, product: Product) -> Section:
    scene = product.scene
    rows: list[tuple[str, str, str]] = []
    if scene is not None:
        sky = len(scene.sky) if scene.sky is not None else 0
        rows.append(("Gaussians", f"{len(scene.surface):,}", f"and {sky:,} of a far sky shell"))
    figures: tuple[Figure, ...] = ()
    if product.splat_psnr:
        values = np.array(product.splat_psnr)
        rows.append(("PSNR against the frames", f"{values.mean():.2f} dB", f"worst frame {values.min():.2f} dB"))
        worst = min(product.shown, key=lambda i: product.splat_psnr[i])
        pair = pictures.side_by_side(pictures.as_bytes(world.frames[worst].rgb), product.shown[worst])
        sheet = pictures.contact_sheet([product.shown[i] for i in sorted(product.shown)])
        figures = (
            _picture(sheet, "flythrough, rendered from the Gaussians alone", wide=True),
            _picture(pair, f"frame {worst} (left) and its splat rendering (right)", wide=True),
        )
    return Section("Gaussians", "splats.ply and flythrough.mp4.", figures, tuple(rows))


def _mesh(product: Product, path: CameraPath, device: str) -> Section:
    if product.mesh is None:
        return Section("Mesh")
    looks = pictures.mesh_overview(product.mesh.visual, path, lit=False, device=device)
    shape = pictures.mesh_overview(_bare(product.mesh.collision), path, lit=True, device=device)
    figures = (
        _picture(looks[0], "visual mesh from the photo's camera"),
        _picture(looks[1], "visual mesh from behind and above"),
        _picture(shape[0], "collider from the photo's camera (magenta would be a wrong side)"),
        _picture(shape[1], "collider from behind and above (back sides are magenta)"),
    )
    labels = product.mesh.labels
    if labels is not None:
        caption = "labels: floor green, wall sand, ceiling blue, object red (sky, of splats only, has no mesh)"
        seen = pictures.labels_overview(product.mesh.visual, labels.kind, path, device=device)
        figures += (_picture(seen[0], caption), _picture(seen[1], "labels from behind and above"))
    rows = tuple((name.replace("_", " "), _number(value), "") for name, value in product.mesh.figures.items())
    return Section("Meshes", "mesh.glb for the eye, collision tiles for PhysX.", figures, rows)


def _bare(mesh: Any) -> Any:
    from lyra_core.types import Mesh

    return Mesh(mesh.vertices, mesh.faces)


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return str(value)
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3g}"


def _navigation(product: Product) -> Section:
    if product.grid is None:
        return Section("Navigation")
    import cv2

    grey = np.array([[235, 245, 236], [40, 44, 52], [190, 194, 200]], np.uint8)[product.grid.state][::-1]
    scale = max(1, 560 // max(grey.shape[:2]))
    big = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    for i, spawn in enumerate(product.spawns):
        row, column = product.grid.cell_of(np.array(spawn.position[:2]))
        center = (int((column + 0.5) * scale), int((product.grid.state.shape[0] - row - 0.5) * scale))
        cv2.circle(big, center, max(4, 2 * scale), (24, 121, 78) if i == 0 else (59, 125, 216), -1)
    rows = (
        ("free floor", f"{product.grid.free_area:.2f} m²", "cells of 0.05 m"),
        ("spawn poses", str(len(product.spawns)), "free radius at least 0.3 m"),
    )
    figure = _picture(big, "free (light), occupied (dark), unknown (grey); green is the first spawn", lossless=True)
    return Section("Navigation map", "navigation/map.yaml, for ROS map_server.", (figure,), rows)


def _proof(world: WorldFolder, product: Product, config: RunConfig) -> Section:
    if product.proof is None:
        return Section("Proof", warnings=("The checks were switched off for this run.",))
    figures: tuple[Figure, ...] = ()
    if product.proof.check is not None:
        from lyra_core.simulation import drop_picture

        picture = drop_picture(product.proof.check, world.folder)
        figures = (_picture(picture, f"where {config.build.drops} bodies came to rest", lossless=True, wide=True),)
    rows = tuple((line, "", "") for line in product.proof.lines)
    return Section("Proof", "USD validators, and real PhysX on the CPU.", figures, rows)


def _time(timings: dict[str, float]) -> Section:
    stages = {k: v for k, v in timings.items() if k != "total so far"}
    figure = _picture(pictures.timing_plot(stages), "seconds per stage", lossless=True, wide=True)
    return Section("Where the time went", "", (figure,), (("total", f"{timings['total so far']:.1f} s", ""),))


def _provenance(world: WorldFolder) -> Section:
    manifest = world.manifest
    rows = [(name, value, "") for name, value in manifest.versions.items()]
    rows.append(("seed", str(manifest.config.get("seed")), "same seed, same bytes on the CPU"))
    rows.append(("photo digest", manifest.photo["sha256"][:16] + "…", str(Path(manifest.photo["file"]))))
    return Section("Provenance", "All settings stand in manifest.json.", (), tuple(rows))

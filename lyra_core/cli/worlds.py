# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""lyra generate, extend, revert, rebuild, check, depth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lyra_core.cli.console import DONE, FAILED, Console, guarded
from lyra_core.cli.options import (
    Align,
    Captions,
    Check,
    Clearance,
    DeviceName,
    Frames,
    Json,
    KnownLength,
    Out,
    PoseScale,
    Resume,
    Settings,
    Strength,
    World,
    captions_of,
    depth_settings,
    follow_world,
    given,
    known_length_of,
    path_settings,
    script_options,
)

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    # generate hands what it does not know to lyra_core.pipeline.lyra2_flags (with --model lyra2).
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(generate)
    for command in (extend, revert, rebuild, check, depth):
        app.command()(command)


def generate(
    context: typer.Context,
    photo: Annotated[
        Path, typer.Argument(help="A photo (JPEG, PNG, WebP, TIFF); for --model frames a film or folder.")
    ],
    out: Out,
    path: Annotated[
        str | None, typer.Option("--path", help="walk, walk-and-return, orbit, zoom-in, ... or a path file.")
    ] = None,
    frames: Frames = None,
    strength: Strength = None,
    clearance: Clearance = None,
    model: Annotated[str | None, typer.Option("--model", help="Video model.")] = None,
    depth_model: Annotated[str | None, typer.Option("--depth-model", help="Depth model of the photo.")] = None,
    checkpoint: Annotated[str | None, typer.Option("--checkpoint", help="Folder of the weights (lyra2).")] = None,
    vram: Annotated[
        float | None, typer.Option("--vram", help="GB of the card (lyra2): picks a plan that fits.")
    ] = None,
    preset: Annotated[str, typer.Option("--preset", help="quick, balanced or quality.")] = "balanced",
    seed: Annotated[int | None, typer.Option("--seed", help="Same seed, same bytes on the CPU.")] = None,
    fov: Annotated[float | None, typer.Option("--fov", help="Horizontal field of view of the photo [deg].")] = None,
    camera_height: Annotated[
        float | None, typer.Option("--camera-height", help="Height of the camera over the floor [m].")
    ] = None,
    known_length: KnownLength = None,
    scale: Annotated[
        float | None, typer.Option("--scale", help="Metres per unit of the depth; wins over all other sources.")
    ] = None,
    depth: Annotated[
        Path | None, typer.Option("--depth", help="Your own depth (npy, npz, exr or 16-bit png), or a model's name.")
    ] = None,
    depth_unit: Annotated[
        str | None, typer.Option("--depth-unit", help="Unit of --depth: m, cm, mm, or metres per unit.")
    ] = None,
    pose_scale: PoseScale = None,
    align: Align = False,
    caption: Captions = None,
    memory: Annotated[str | None, typer.Option("--memory", help="Memory mode, for the ablation.")] = None,
    resume: Resume = False,
    check: Check = True,
    device: DeviceName = "auto",
    settings: Settings = None,
    json_: Json = False,
) -> None:
    """Make a world from one photo and a camera path."""

    def task(console: Console) -> int:
        from lyra_core.pipeline.config import load_config
        from lyra_core.pipeline.generate import generate as run

        overrides = given(
            seed=seed,
            device=device,
            path__name=path,
            model__video=model,
            lyra2__checkpoint=checkpoint,
            lyra2__vram=vram,
            frames__count=frames if model == "frames" else None,
            memory__mode=memory,
            photo__fov=fov,
            photo__camera_height=camera_height,
            photo__known_length=None if known_length is None else list(known_length_of(known_length) or ()),
            photo__scale=scale,
            **depth_settings(depth, depth_model),
            photo__depth_unit=depth_unit,
            build__check=None if check else False,
        )
        camera = path_settings(None if model == "frames" else frames, strength, clearance, pose_scale, align)
        script = script_options(context.args, lyra2="lyra2" in (model, preset), scaled=pose_scale is not None)
        for note in script.notes:
            console.say(note)
        config = load_config(preset, [*script.overrides, *overrides, *camera, *(settings or [])])
        captions = {**script.captions, **captions_of(caption)}
        return follow_world(console, run(photo, out, config, resume=resume, captions=captions))

    raise typer.Exit(guarded(json_, task))


def extend(
    world: World,
    path: Annotated[str, typer.Option("--path", help="Preset or path file; starts at the world's last camera.")],
    frames: Frames = None,
    strength: Strength = None,
    clearance: Clearance = None,
    pose_scale: PoseScale = None,
    align: Align = False,
    caption: Captions = None,
    device: DeviceName = "auto",
    json_: Json = False,
) -> None:
    """Continue a world along another path."""

    def task(console: Console) -> int:
        from lyra_core.pipeline.config import load_config
        from lyra_core.pipeline.generate import extend as run

        camera = path_settings(frames, strength, clearance, pose_scale, align)
        config = load_config("balanced", [*given(device=device), *camera])
        return follow_world(console, run(world, preset=path, config=config, captions=captions_of(caption)))

    raise typer.Exit(guarded(json_, task))


def revert(
    world: World,
    steps: Annotated[int, typer.Option("--steps", help="How many extend steps to take back.")] = 1,
    device: DeviceName = "auto",
    json_: Json = False,
) -> None:
    """Take back the last extend steps."""

    def task(console: Console) -> int:
        from lyra_core.pipeline.generate import revert as run

        return follow_world(console, run(world, steps=steps, device=device))

    raise typer.Exit(guarded(json_, task))


def rebuild(world: World, device: DeviceName = "auto", json_: Json = False) -> None:
    """Make the splats, meshes, USD and report of a world again from its frames."""

    def task(console: Console) -> int:
        from lyra_core.pipeline.generate import rebuild as run

        return follow_world(console, run(world, device=device))

    raise typer.Exit(guarded(json_, task))


def check(
    world: World,
    drops: Annotated[int, typer.Option("--drops", help="Bodies to drop.")] = 500,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the drop places.")] = 0,
    json_: Json = False,
) -> None:
    """Prove a world: USD validators, one-sided ray probe of the floor, drops in PhysX."""

    def task(console: Console) -> int:
        from lyra_core.pipeline.prove import prove

        proof = prove(world, drops=drops, seed=seed)
        for line in proof.lines:
            console.say(f"  {line}")
        console.say("all checks passed" if proof.passed else "A CHECK FAILED")
        code = DONE if proof.passed else FAILED
        console.result({"ok": proof.passed, "world": str(world), "exit_code": code, **proof.figures})
        return code

    raise typer.Exit(guarded(json_, task))


def depth(
    photo: Annotated[Path, typer.Argument(help="A photo.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="An .npz file; a picture is written beside it.")],
    depth_model: Annotated[str, typer.Option("--depth-model", help="Depth model.")] = "auto",
    fov: Annotated[float | None, typer.Option("--fov", help="Horizontal field of view [deg].")] = None,
    camera_height: Annotated[float | None, typer.Option("--camera-height", help="Camera over the floor [m].")] = None,
    settings: Settings = None,
    json_: Json = False,
) -> None:
    """Write depth [m], sky and intrinsics of a photo, with a picture beside it."""

    def task(console: Console) -> int:
        from lyra_core.pipeline.config import load_config
        from lyra_core.pipeline.depth import write_depth

        overrides = given(model__depth=depth_model, photo__fov=fov, photo__camera_height=camera_height)
        result = write_depth(photo, out, load_config("balanced", [*overrides, *(settings or [])]))
        for line in result.lines:
            console.say(f"  {line}")
        console.result({"ok": True, "exit_code": DONE, **result.figures})
        return DONE

    raise typer.Exit(guarded(json_, task))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""lyra rescale, import, export: what goes into a world later, and what comes out of it for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from lyra_core.cli.console import DONE, FAILED, Console, guarded
from lyra_core.cli.options import (
    Check,
    DeviceName,
    Json,
    KnownLength,
    Out,
    Resume,
    Settings,
    World,
    follow_world,
    given,
    known_length_of,
    numbers,
)
from lyra_core.errors import InputError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(rescale)
    app.command("import")(import_)
    app.command()(export)


def rescale(
    world: World,
    factor: Annotated[float | None, typer.Option("--factor", help="New metres per old metre.")] = None,
    known_length: KnownLength = None,
    frame: Annotated[
        int, typer.Option("--frame", help="Frame whose pixels --known-length speaks of; from 1 on those of frames/rgb.")
    ] = 0,
    between: Annotated[
        str | None,
        typer.Option(
            "--between", metavar="X,Y,Z,X,Y,Z", help="Two points of the world as it is now [m]; with --length."
        ),
    ] = None,
    length: Annotated[float | None, typer.Option("--length", help="True distance of the --between points [m].")] = None,
    camera_height: Annotated[
        float | None, typer.Option("--camera-height", help="Height of the first camera over the floor [m].")
    ] = None,
    device: DeviceName = "auto",
    json_: Json = False,
) -> None:
    """Apply a later measurement to every file of a world."""

    def task(console: Console) -> int:
        from lyra_core.pipeline.rescale import rescale as run

        if (between is None) != (length is None):
            raise InputError(
                "--between and --length belong together", do="For example --between 0,0,0,0,0,2 --length 2.1"
            )
        pixels = known_length_of(known_length)
        ends = None if between is None else numbers(between, 6, "--between", "0,0,0,0,0,2")
        events = run(
            world,
            factor=factor,
            known_length=cast("tuple[float, float, float, float, float] | None", pixels),
            camera_height=camera_height,
            between=None if ends is None else cast("Any", (*ends, length)),
            frame=frame,
            device=device,
        )
        return follow_world(console, events)

    raise typer.Exit(guarded(json_, task))


def import_(
    splats: Annotated[Path, typer.Argument(help="INRIA .ply, .compressed.ply, .spz, .sog, .splat or .ksplat.")],
    out: Out,
    up: Annotated[
        str | None, typer.Option("--up", help="Axis that points up: z (default), y (spz, Marble), -y (COLMAP, Lyra 2).")
    ] = None,
    scale: Annotated[float | None, typer.Option("--scale", help="Metres per unit of the file.")] = None,
    camera_height: Annotated[
        float | None, typer.Option("--camera-height", help="Height of the first camera of --cameras [m].")
    ] = None,
    cameras: Annotated[
        Path | None,
        typer.Option(
            "--cameras",
            help="In the axes of the splats: transforms.json (nerfstudio), a COLMAP folder, cameras.json (INRIA) or"
            " trajectory.npz (Lyra 2).",
        ),
    ] = None,
    dataparser: Annotated[
        Path | None,
        typer.Option("--dataparser", help="dataparser_transforms.json of nerfstudio; by default the one beside them."),
    ] = None,
    resume: Resume = False,
    repair: Annotated[bool, typer.Option("--repair", help="Mend broken Gaussians instead of refusing them.")] = False,
    positions: Annotated[int, typer.Option("--positions", help="Places to look from, without --cameras.")] = 6,
    check: Check = True,
    device: DeviceName = "auto",
    settings: Settings = None,
    json_: Json = False,
) -> None:
    """Make a world from splats that you already have; the file itself is only read."""

    def task(console: Console) -> int:
        from lyra_core.pipeline.config import load_config
        from lyra_core.pipeline.imports import ImportOptions, import_splats

        options = ImportOptions(
            up=up,
            scale=scale,
            camera_height=camera_height,
            cameras=cameras,
            dataparser=dataparser,
            repair=repair,
            positions=positions,
        )
        overrides = given(device=device, build__check=None if check else False)
        config = load_config("balanced", [*overrides, *(settings or [])])
        return follow_world(console, import_splats(splats, out, options, config=config, resume=resume))

    raise typer.Exit(guarded(json_, task))


def export(
    world: World,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the files; exports/ by default.")] = None,
    usdz: Annotated[bool, typer.Option("--usdz", help="One aligned USDZ package.")] = False,
    glb: Annotated[bool, typer.Option("--glb", help="Visual mesh and collider as glTF.")] = False,
    spz: Annotated[bool, typer.Option("--spz", help="Gaussians as SPZ (needs gaussforge).")] = False,
    sog: Annotated[bool, typer.Option("--sog", help="Gaussians as SOG (needs gaussforge).")] = False,
    isaac_lab: Annotated[
        bool, typer.Option("--isaac-lab", help="Terrain USD and a runnable TerrainImporterCfg example.")
    ] = False,
    mobility_gen: Annotated[
        bool, typer.Option("--mobility-gen", help="stage.usd and occupancy_map/ for MobilityGen.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    json_: Json = False,
) -> None:
    """Write a world in the form of other programs."""

    def task(console: Console) -> int:
        from lyra_core.pipeline.export import EXPORTS
        from lyra_core.pipeline.export import export as run

        asked = {"usdz": usdz, "glb": glb, "spz": spz, "sog": sog, "isaac-lab": isaac_lab, "mobility-gen": mobility_gen}
        kinds = [kind for kind, wanted in asked.items() if wanted]
        if not kinds:
            raise InputError("Nothing to export was asked for", do=f"Give one of --{', --'.join(EXPORTS)}")
        made = run(world, kinds, out, overwrite=overwrite)
        for item in made:
            verdict = f", {len(item.errors)} errors, {len(item.warnings)} warnings" if item.is_usd else ""
            console.say(f"  {item.kind:<13} {item.size / 1e6:7.1f} MB{verdict}  {item.files[0]}")
            for line in item.errors[:5]:
                console.say(f"    {line}")
        ok = not any(item.errors for item in made)
        code = DONE if ok else FAILED
        console.result({"ok": ok, "world": str(world), "exit_code": code, "exports": [m.to_json() for m in made]})
        return code

    raise typer.Exit(guarded(json_, task))

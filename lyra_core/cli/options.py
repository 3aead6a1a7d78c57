# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, and the way a command runs a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lyra_core.cli.console import DONE, FAILED, Console, follow
from lyra_core.errors import InputError

if TYPE_CHECKING:
    from lyra_core.pipeline.lyra2_flags import ReferenceSettings

__all__ = [
    "Align",
    "Captions",
    "Check",
    "Clearance",
    "DeviceName",
    "Frames",
    "Json",
    "KnownLength",
    "Out",
    "PoseScale",
    "Resume",
    "Settings",
    "Strength",
    "World",
    "captions_of",
    "depth_settings",
    "follow_world",
    "given",
    "known_length_of",
    "numbers",
    "path_settings",
    "script_options",
]

Json = Annotated[bool, typer.Option("--json", help="Last line on stdout is one JSON object; all else on stderr.")]
DeviceName = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
World = Annotated[Path, typer.Argument(help="A world folder made by lyra generate.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting, e.g. path.fps=24. Repeatable.")
]
Captions = Annotated[
    list[str] | None, typer.Option("--caption", metavar="[FRAME:]TEXT", help="Text from this frame on. Repeatable.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The world folder to make.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted run in --out.")]
Check = Annotated[bool, typer.Option("--check/--no-check", help="Prove the world in PhysX.")]
KnownLength = Annotated[
    str | None,
    typer.Option("--known-length", metavar="X1,Y1,X2,Y2,METRES", help="A length between two pixels of the photo."),
]
# Of a camera path; None leaves the setting as it is.
Frames = Annotated[
    int | None, typer.Option("--frames", help="Frames, with the photo or the world's last one; 81 is the default.")
]
Strength = Annotated[float | None, typer.Option("--strength", help="How far the preset goes; 1 is normal.")]
Clearance = Annotated[
    float | None, typer.Option("--clearance", help="Metres kept from everything, 0.35 by default; 0 = off.")
]
PoseScale = Annotated[float | None, typer.Option("--pose-scale", help="Multiplies a path file's metres.")]
Align = Annotated[
    bool, typer.Option("--align", help="Move a path that starts elsewhere to the camera that it goes on from.")
]


def path_settings(
    frames: int | None, strength: float | None, clearance: float | None, pose_scale: float | None, align: bool
) -> list[str]:
    """KEY=VALUE of the options of a camera path."""
    return given(
        path__frames=frames,
        path__strength=strength,
        path__clearance=clearance,
        path__pose_scale=pose_scale,
        path__align=align or None,
    )


def known_length_of(text: str | None) -> tuple[float, ...] | None:
    """The five numbers of --known-length. Errors: InputError that shows an example."""
    return None if text is None else numbers(text, 5, "--known-length", "410,600,410,300,2.1")


def depth_settings(depth: Path | None, model: str | None) -> dict[str, Any]:
    """Settings of --depth and --depth-model: --depth takes a file or, where there is none of that name, a model's name."""
    from lyra_core.models.registry import DEPTH_MODELS

    if depth is not None and str(depth) in DEPTH_MODELS and not depth.exists():
        return {"model__depth": model or str(depth)}
    return {"model__depth": model, "photo__depth_file": depth}


def given(**settings: Any) -> list[str]:
    """KEY=VALUE of the settings that are not None; a__b stands for a.b."""
    return [f"{key.replace('__', '.')}={value}" for key, value in settings.items() if value is not None]


def numbers(text: str, count: int, option: str, example: str) -> tuple[float, ...]:
    """The count comma-separated numbers of an option. Errors: InputError that shows the example."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count:
        raise InputError(f"{option} needs {count} numbers", got=text, do=f"For example {option} {example}")
    return values


def captions_of(items: list[str] | None) -> dict[int, str]:
    """Frame to text of the --caption options; without a frame, 0."""
    out: dict[int, str] = {}
    for item in items or []:
        head, mark, tail = item.partition(":")
        if mark and head.strip().isdigit():
            out[int(head)] = tail.strip()
        else:
            out[0] = item
    return out


def script_options(words: list[str], *, lyra2: bool, scaled: bool) -> ReferenceSettings:
    """What the options mean that lyra itself does not have: those of Lyra 2.0's scripts. Errors: InputError."""
    from lyra_core.pipeline.lyra2_flags import reference_settings

    if words and not lyra2:
        raise InputError("lyra generate has no such option", got=words[0],
                         do="lyra generate --help lists them; those of Lyra 2.0's scripts need --model lyra2")  # fmt: skip
    return reference_settings(words, own_pose_scale=scaled)


def follow_world(console: Console, events: Iterator[Any]) -> int:
    """Follow a run that makes a world, say what came out, and return the exit code."""
    finished = follow(console, events)
    figures = finished.figures
    console.say(f"\n{finished.world}: {'all checks passed' if finished.passed else 'A CHECK FAILED'}")
    for name, value in figures.get("summary", {}).items():
        console.say(f"  {name:<26} {value}")
    console.say(f"  report                     {Path(finished.world) / 'report.html'}")
    code = DONE if finished.passed else FAILED
    console.result({"ok": finished.passed, "world": finished.world, "exit_code": code, **figures})
    return code

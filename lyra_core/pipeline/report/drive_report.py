# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The drives of a world in its report and its manifest."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.pipeline.report.page import Figure, Section, add_to_report, encode_picture
from lyra_core.pipeline.report.pictures import contact_sheet
from lyra_core.world import WorldFolder, digest_file

__all__ = ["DRIVE_FILES", "drive_section", "forget_drives", "record_drives"]

DRIVE_FILES = ("navigation/drive.json", "navigation/drive.png", "navigation/drive.mp4")
_SHOWN = 6  # pictures of the video in the report


def record_drives(folder: Path, figures: Mapping[str, Any], frames: Sequence[NDArray[np.uint8]]) -> bool:
    """Show the drives in report.html and report.json, and their files with digests in the manifest.

    figures: as in drive.json. frames: of the video, (H, W, 3) uint8; may be empty. False if there is no report.
    """
    world = WorldFolder.open(folder)
    kept = {name: digest for name, digest in world.manifest.outputs.items() if name not in DRIVE_FILES}
    made = {name: digest_file(folder / name) for name in DRIVE_FILES if (folder / name).is_file()}
    world.update(replace(world.manifest, outputs={**kept, **made}))
    data = {key: value for key, value in figures.items() if key != "drives"}
    return add_to_report(folder, "drive", drive_section(folder, figures, frames), data)


def forget_drives(folder: Path) -> None:
    """Remove the files of drives: they were through another world than the one that is being built."""
    for name in DRIVE_FILES:
        (folder / name).unlink(missing_ok=True)


def drive_section(folder: Path, figures: Mapping[str, Any], frames: Sequence[NDArray[np.uint8]]) -> Section:
    """Figures and pictures of drives as a section of the report."""
    shown: list[Figure] = []
    plot = folder / "navigation" / "drive.png"
    if plot.is_file():
        shown.append(Figure(encode_picture(_read(plot), lossless=True), "driven and planned paths over the map", True))
    if frames:
        picks = np.linspace(0, len(frames) - 1, min(_SHOWN, len(frames))).round().astype(int)
        sheet = contact_sheet([frames[int(i)] for i in picks], columns=2)
        shown.append(Figure(encode_picture(sheet), "navigation/drive.mp4: chase view and robot camera", True))
    rows = (
        ("reached", f"{figures['reached']} of {figures['runs']}", _outcomes(figures)),
        ("driven", f"{figures['driven_m']:.1f} m", f"planned {figures['planned_m']:.1f} m"),
        ("collisions", str(figures["collisions"]), f"in {figures['runs_with_collision']} drives"),
        ("largest deviation", f"{100 * figures['largest_deviation_m']:.1f} cm", "from the planned path"),
        (
            "real-time factor",
            f"{figures['realtime_factor']:.1f}",
            f"{figures['simulated_seconds']:.0f} s simulated in {figures['wall_seconds']:.0f} s;"
            f" physics {figures['physics_hz']} Hz, control {figures['control_hz']} Hz",
        ),
        *_other_engine(figures),
    )
    failed = [d for d in figures["drives"] if d["outcome"] != "reached"]
    warnings = tuple(
        f"to ({d['goal'][0]:.2f}, {d['goal'][1]:.2f}): {d['outcome']}, {d['goal_distance_m']:.2f} m from the goal"
        for d in failed[:8]
    )
    text = f"{figures['robot']} in {figures['engine']}, over {figures['reachable_m2']:.1f} m² that it can be in."
    return Section("Drives", text, tuple(shown), rows, warnings)


def _outcomes(figures: Mapping[str, Any]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in figures["outcomes"].items())


def _other_engine(figures: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Rows of the cross-check in another engine, if one was made."""
    other = figures.get("cross_check")
    if not other:
        return []
    apart = f"end poses at most {100 * other['largest_end_distance_m']:.1f} cm apart"
    return [(f"the same in {other['engine']}", f"{other['reached']} of {other['runs']}", apart)]


def _read(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(io.BytesIO(path.read_bytes())) as image:
        return np.asarray(image.convert("RGB"))

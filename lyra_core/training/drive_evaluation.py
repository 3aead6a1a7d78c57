# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Random drives through the worlds of the shipped photos and of ground-truth rooms, as one table.

`lyra eval drive --out FOLDER` prints it; the worlds are made where they are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lyra_core.errors import SimulationError
from lyra_core.pipeline.drive import PASS_SHARE, drive
from lyra_core.pipeline.events import Finished
from lyra_core.simulation.map_check import MIN_AGREEMENT, compare_world_map

__all__ = ["DriveRow", "DriveTable", "evaluate_drives", "make_worlds", "measure"]


@dataclass(frozen=True, slots=True)
class DriveRow:
    """One world: random drives in PhysX, and its map against PhysX overlap queries."""

    world: str
    runs: int
    reached: int
    collisions: int
    driven_m: float
    largest_deviation_m: float
    realtime_factor: float
    reachable_m2: float
    map_agreement: float
    map_cells: int
    outcomes: dict[str, int]

    @property
    def passed(self) -> bool:
        """True if enough drives reached, in real time, and the map agrees."""
        return (
            self.reached >= PASS_SHARE * self.runs
            and self.realtime_factor >= 1.0
            and self.map_agreement >= MIN_AGREEMENT
        )


@dataclass(frozen=True, slots=True)
class DriveTable:
    """All worlds. engine: name and version. seed: of the random pairs."""

    engine: str
    seed: int
    rows: tuple[DriveRow, ...]

    @property
    def passed(self) -> bool:
        """True if every world passed."""
        return all(row.passed for row in self.rows)

    def text(self) -> str:
        """The table for people."""
        names = ("world", "reached", "collisions", "driven", "deviation", "real time", "can be in", "map agrees")
        widths = (24, 10, 11, 10, 10, 10, 11, 20)
        lines = [f"Random drives of lyra_bot, {self.engine}, seed {self.seed}", ""]
        lines.append("".join(name.ljust(width) for name, width in zip(names, widths, strict=True)).rstrip())
        for r in self.rows:
            cells = (
                r.world,
                f"{r.reached} of {r.runs}",
                str(r.collisions),
                f"{r.driven_m:.0f} m",
                f"{100 * r.largest_deviation_m:.1f} cm",
                f"{r.realtime_factor:.1f} x",
                f"{r.reachable_m2:.1f} m2",
                f"{100 * r.map_agreement:.2f} % of {r.map_cells:,}",
            )
            lines.append("".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
        total, reached = sum(r.runs for r in self.rows), sum(r.reached for r in self.rows)
        lines += ["", f"all: {reached} of {total} reached ({100 * reached / max(1, total):.1f} %)"]
        lines.append(
            f"passes from {100 * PASS_SHARE:.0f} % reached, 1 x real time and {100 * MIN_AGREEMENT:.0f} % of the map's cells on"
        )
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rows = [{**asdict(row), "passed": row.passed} for row in self.rows]
        return {"engine": self.engine, "seed": self.seed, "passed": self.passed, "worlds": rows}


def measure(name: str, folder: Path, *, drives: int, seed: int) -> tuple[DriveRow, str]:
    """Drive through one world and compare its map; the row, and the engine's name."""
    done = None
    for event in drive(folder, random=drives, seed=seed, video=False):
        done = event
    agreement = compare_world_map(folder, seed=seed)
    if not isinstance(done, Finished) or agreement is None:
        raise SimulationError("This world has no layers.npz", got=str(folder), do="Run lyra rebuild WORLD")
    figures = done.figures
    row = DriveRow(
        name,
        figures["runs"],
        figures["reached"],
        figures["collisions"],
        figures["driven_m"],
        figures["largest_deviation_m"],
        figures["realtime_factor"],
        figures["reachable_m2"],
        round(agreement.agreement, 5),
        agreement.free + agreement.occupied,
        figures["outcomes"],
    )
    return row, str(figures["engine"])


def make_worlds(work: Path, photos: Iterable[Path], rooms: Iterable[int]) -> list[tuple[str, Path]]:
    """(name, folder) of the worlds in work, made with default settings where they are not there yet."""
    from lyra_core.pipeline.config import load_config
    from lyra_core.pipeline.generate import generate
    from lyra_core.training.room_world import room_world

    made: list[tuple[str, Path]] = []
    for photo in photos:
        folder = work / photo.stem
        if not (folder / "report.json").is_file():
            for _ in generate(photo, folder, load_config("balanced", ["build.check=false"]), resume=folder.exists()):
                pass
        made.append((photo.name, folder))
    for seed in rooms:
        folder = work / f"room_{seed}"
        if not (folder / "report.json").is_file():
            config = load_config("balanced", ["build.check=false", "device=cpu"])
            room_world(seed, folder, config=config)
        made.append((f"ground-truth room {seed}", folder))
    return made


def evaluate_drives(
    worlds: Iterable[tuple[str, Path]], *, drives: int = 50, seed: int = 0, tell: Callable[[str], None] | None = None
) -> DriveTable:
    """Measure all worlds, given as (name, folder)."""
    rows, engine = [], ""
    for name, folder in worlds:
        row, engine = measure(name, folder, drives=drives, seed=seed)
        rows.append(row)
        if tell is not None:
            tell(f"{name}: {row.reached} of {row.runs} reached")
    return DriveTable(engine, seed, tuple(rows))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The proof of a world: USD validators and PhysX. What could not be run is said, and is no pass by silence."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lyra_core.errors import MissingDependencyError

__all__ = ["Proof", "prove"]


@dataclass(frozen=True)
class Proof:
    """The outcome.

    Attributes
    ----------
    passed: every check that could run passed, and PhysX ran.
    lines: one readable line per check.
    figures: numbers for machines.
    check: the physics report, or None where PhysX is not installed.
    """

    passed: bool
    lines: tuple[str, ...]
    figures: dict[str, Any] = field(default_factory=dict)
    check: Any = None


def prove(folder: Path, *, drops: int = 500, seed: int = 0) -> Proof:
    """Validate the stage, probe its floor and drop bodies on it.

    Raises WorldError if the folder is no world. Where the physics extra is absent the USD checks still run and the
    result says that PhysX was not run.
    """
    from lyra_core.simulation import check_world
    from lyra_core.usd import validate
    from lyra_core.world import read_manifest

    read_manifest(folder)
    validation = validate(folder)
    lines = [*validation.lines()]
    figures: dict[str, Any] = {"usd": validation.to_json()}
    passed = validation.passed
    report = None
    try:
        report = check_world(folder, drops=drops, seed=seed)
    except MissingDependencyError as error:
        lines.append(f"PhysX was NOT run: {error}")
        figures["physx"] = {"run": False, "why": str(error)}
    else:
        lines += report.lines()
        figures["physx"] = {"run": True, **report.to_json()}
        passed = passed and report.passed
    return Proof(passed, tuple(lines), figures, report)

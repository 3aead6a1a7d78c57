# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The proof of a world: USD validators and PhysX. What could not be run is said, and is no pass by silence."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyra_core.errors import MissingDependencyError, SimulationError

if TYPE_CHECKING:
    from lyra_core.simulation import CheckReport
    from lyra_core.simulation.map_check import MapReport
    from lyra_core.usd import ValidationReport

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
    check: CheckReport | None = None


def prove(folder: Path, *, drops: int = 500, seed: int = 0) -> Proof:
    """Validate the stage, probe its floor, drop bodies on it, compare its map, set a robot down at its spawn poses.

    Raises WorldError if the folder is no world. Where the physics extra is absent the USD checks still run and the
    result says that PhysX was not run.
    """
    from lyra_core.simulation import check_world
    from lyra_core.simulation.map_check import compare_world_map
    from lyra_core.simulation.spawn_check import drop_at_world_spawns
    from lyra_core.usd import validate
    from lyra_core.world import read_manifest

    floor = read_manifest(folder).seed_view.get("floor_found", True)
    validation = validate(folder)
    lines = _usd_lines(validation)
    figures: dict[str, Any] = {"usd": validation.to_json()}
    passed = validation.ok
    report = None
    if not floor:
        lines.append("problem: this world has no floor: nothing was dropped on it, and no robot is set down")
        figures["physx"] = {"run": False, "passed": False, "why": "the world has no floor"}
        return Proof(False, tuple(lines), figures)
    try:
        report = check_world(folder, drops=drops, seed=seed)
        agreement = compare_world_map(folder, seed=seed)
        spawns = drop_at_world_spawns(folder)
    except MissingDependencyError as error:
        lines.append(f"PhysX was NOT run: {error}")
        figures["physx"] = {"run": False, "why": str(error)}
    except SimulationError as error:
        lines.append(f"problem: PhysX cannot prove this world: {error}")
        figures["physx"] = {"run": True, "passed": False, "why": str(error)}
        passed = False
    else:
        lines += _physx_lines(report)
        figures["physx"] = {"run": True, **report.to_json()}
        passed = passed and report.passed
        if agreement is not None:
            lines.append(_map_line(agreement))
            figures["map"] = agreement.to_json()
            passed = passed and agreement.passed
        if spawns is not None:
            lines.append(spawns.line)
            figures["spawns"] = spawns.to_json()
            passed = passed and spawns.passed
    return Proof(passed, tuple(lines), figures, report)


def _usd_lines(report: ValidationReport) -> list[str]:
    tools = ", ".join(f"{tool} ({len(rules)} rules)" for tool, rules in report.rules.items())
    lines = [f"USD: {report.errors} errors, {report.warnings} warnings from {tools}"]
    lines += [f"USD: {reason}" for reason in report.skipped]
    errors = [f for f in report.findings if f.severity == "error"]
    lines += [f"USD error: {f.tool} {f.rule}: {f.message} at {f.where}" for f in errors[:5]]
    return lines


def _physx_lines(report: CheckReport) -> list[str]:
    drops, probe = report.drops, report.probe
    lines = [
        f"PhysX ({report.engine}): {report.triangles:,} triangles cooked in {report.cook_seconds:.2f} s,"
        f" {report.step_ms:.2f} ms a step",
        f"floor: {probe.hits} of {probe.rays} one-sided rays hit ({100 * probe.fraction:.2f} %)"
        f" over {report.floor.free_area:.1f} m2",
        f"drops: {drops.fell} of {drops.dropped} fell through, {drops.left} left over the edge",
    ]
    lines += [
        f"control '{c.name}': {c.fell} of {c.dropped} fell, as they must"
        if c.caught
        else f"control '{c.name}' was NOT caught: {c.fell} of {c.dropped} fell"
        for c in report.controls
    ]
    return lines + [f"problem: {p}" for p in report.problems]


def _map_line(report: MapReport) -> str:
    compared, problem = report.free + report.occupied, "" if report.passed else "problem: "
    return (
        f"{problem}map: {100 * report.agreement:.2f} % of {compared:,} decided cells agree with PhysX"
        f" (free {report.free_agree:,} of {report.free:,}, occupied {report.occupied_agree:,} of {report.occupied:,})"
    )

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""Validate a world folder with OpenUSD's validators, NVIDIA's (if installed) and our own rules."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pxr import Usd, UsdValidation

from lyra_core.errors import WorldError
from lyra_core.usd.layers import open_stage
from lyra_core.usd.rules import RULES, broken_rules

__all__ = ["Finding", "ValidationReport", "validate"]

_NVIDIA = "usd-validation-nvidia"
_SPLAT_REQUIREMENT = "VG.035"  # off by default in NVIDIA's validator; named explicitly
_ROOTS = ("world.usda", "world_physics.usda")


@dataclass(frozen=True, slots=True)
class Finding:
    """One complaint: tool (OpenUSD, NVIDIA, lyra), rule name, severity (error, warning, info), message, place."""

    tool: str
    rule: str
    severity: str
    message: str
    where: str


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """What the validators said.

    Attributes
    ----------
    findings: everything that was found, errors first.
    rules: names of the rules that ran, by tool.
    skipped: why a tool did not run (with the command that installs it); empty if all ran.
    seconds: wall time.
    """

    findings: tuple[Finding, ...]
    rules: dict[str, tuple[str, ...]]
    skipped: tuple[str, ...]
    seconds: float

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        """How many findings are warnings."""
        return sum(finding.severity == "warning" for finding in self.findings)

    @property
    def ok(self) -> bool:
        """True if there are no errors."""
        return self.errors == 0

    @property
    def counts(self) -> dict[str, int]:
        """Findings per 'tool:rule'."""
        return dict(sorted(Counter(f"{f.tool}:{f.rule}" for f in self.findings).items()))

    def to_json(self) -> dict[str, Any]:
        """Plain values for report.json; at most 50 findings in full."""
        return {
            "ok": self.ok,
            "errors": self.errors,
            "warnings": self.warnings,
            "rules_run": {tool: len(names) for tool, names in self.rules.items()},
            "counts": self.counts,
            "findings": [asdict(finding) for finding in self.findings[:50]],
            "skipped": list(self.skipped),
            "seconds": round(self.seconds, 2),
        }


def validate(folder: Path) -> ValidationReport:
    """Run all validators on world.usda and world_physics.usda of a world folder.

    The variant `both` is selected for the check (in memory), so that splats and mesh are both seen.
    Errors: WorldError if world.usda is missing or cannot be opened.
    """
    started = time.perf_counter()
    stages = {name: _open_all(Path(folder) / name) for name in _ROOTS if (Path(folder) / name).is_file()}
    if _ROOTS[0] not in stages:
        raise WorldError("This folder has no world.usda", got=str(folder), do="Give a finished world folder")
    rules: dict[str, tuple[str, ...]] = {"lyra": tuple(RULES)}
    findings = [Finding("lyra", r, "error", message, where) for r, where, message in broken_rules(stages[_ROOTS[0]])]
    registry = UsdValidation.ValidationRegistry()
    validators = registry.GetOrLoadAllValidators()
    rules["OpenUSD"] = tuple(sorted(validator.GetMetadata().name for validator in validators))
    for name, stage in stages.items():
        findings += _openusd_findings(name, stage, UsdValidation.ValidationContext(validators))
    skipped: tuple[str, ...] = ()
    nvidia = _nvidia_engine()
    if isinstance(nvidia, str):
        skipped = (nvidia,)
    else:
        rules["NVIDIA"] = tuple(sorted(rule.__name__ for rule in nvidia.rules))
        for name, stage in stages.items():
            findings += _nvidia_findings(name, stage, nvidia)
    order = {"error": 0, "warning": 1, "info": 2}
    findings.sort(key=lambda f: (order[f.severity], f.tool, f.rule, f.where))
    return ValidationReport(tuple(dict.fromkeys(findings)), rules, skipped, time.perf_counter() - started)


def _open_all(path: Path) -> Usd.Stage:
    """The stage with everything shown; world_physics.usda without the looks, which world.usda already brings."""
    stage = open_stage(path)
    stage.SetEditTarget(stage.GetSessionLayer())
    world = stage.GetDefaultPrim()
    if world:
        world.GetVariantSets().SetSelection("appearance", "both")
    if path.name != _ROOTS[0]:
        for part in ("Appearance", "Visual"):
            prim = stage.GetPrimAtPath(f"/World/{part}")
            if prim:
                prim.SetActive(False)
    return stage


def _openusd_findings(file: str, stage: Usd.Stage, context: UsdValidation.ValidationContext) -> Iterator[Finding]:
    severities = {
        UsdValidation.ValidationErrorType.Error: "error",
        UsdValidation.ValidationErrorType.Warn: "warning",
        UsdValidation.ValidationErrorType.Info: "info",
    }
    for error in context.Validate(stage):
        sites = error.GetSites()
        prim = sites[0].GetPrim() if sites and sites[0].IsPrim() else None
        where = str(prim.GetPath()) if prim else file
        validator = error.GetValidator()
        rule = validator.GetMetadata().name if validator else str(error.GetName())
        yield Finding("OpenUSD", rule, severities.get(error.GetType(), "error"), error.GetMessage(), where)


def _nvidia_engine() -> Any | str:
    """NVIDIA's engine with its own default rules and VG.035, or the reason why it is not there."""
    try:
        nvidia: Any = importlib.import_module("usd_validation_nvidia")
        requirements: Any = importlib.import_module("usd_validation_nvidia.capabilities").Requirements
    except ImportError as error:
        return f"NVIDIA's validator did not run ({error}). Install it: pip install {_NVIDIA}"
    logging.getLogger("usd_validation_nvidia").setLevel(logging.ERROR)
    engine = nvidia.ValidationEngine(init_rules=False, variants=False)
    # Other installed packages add rules for props and robots to the default set; a world is neither.
    for rule in nvidia.ValidationEngine(init_rules=True).rules:
        if rule.__module__.startswith("usd_validation_nvidia."):
            engine.enable_rule(rule)
    engine.enable_rule(nvidia.GaussianSplatSchemaChecker)
    engine.enable_requirement(getattr(requirements, _SPLAT_REQUIREMENT.replace(".", "_")))
    return engine


def _nvidia_findings(file: str, stage: Usd.Stage, engine: Any) -> Iterator[Finding]:
    severities = {"ERROR": "error", "FAILURE": "error", "WARNING": "warning", "INFO": "info", "NONE": "info"}
    for issue in engine.validate(stage).issues():
        rule = issue.rule.__name__ if issue.rule else "engine"
        where = issue.at.as_str() if issue.at is not None and hasattr(issue.at, "as_str") else file
        yield Finding("NVIDIA", rule, severities.get(issue.severity.name, "error"), str(issue.message), where)


def validator_versions() -> dict[str, str]:
    """Installed versions of the validators, for reports."""
    versions = {"OpenUSD": ".".join(str(part) for part in Usd.GetVersion())}
    try:
        versions["NVIDIA"] = importlib.metadata.version(_NVIDIA)
    except importlib.metadata.PackageNotFoundError:
        versions["NVIDIA"] = "not installed"
    return versions

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The Python that the worker runs in: where it is looked for, what it lacks, and the environment it is given.

Never Kit's own interpreter: its numpy, torch and pxr stay as they are, and nothing is installed into it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lyra.worldgen.model import Problem

__all__ = ["Interpreter", "candidates", "clean_environment", "core_root", "find_interpreter"]

_VERSIONS = ((3, 11), (3, 12))
_PROBE = "import sys, json; print(json.dumps([list(sys.version_info[:3]), sys.executable]))"
# What Kit sets for itself and what would lead another Python to Kit's packages and libraries.
_KIT_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONEXECUTABLE", "PYTHONSTARTUP", "LD_LIBRARY_PATH", "LD_PRELOAD")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter that can be tried, or the problem with it."""

    path: str
    problem: Problem | None = None


def core_root(extension: Path | None = None) -> Path | None:
    """The folder that holds lyra_core: the extension's own (packaged), or the source checkout around it."""
    extension = extension or Path(__file__).absolute().parents[2]
    places = [extension, *extension.parents[:2], *extension.resolve().parents[:2]]
    return next((place for place in places if (place / "lyra_core" / "__init__.py").is_file()), None)


def candidates(extension: Path | None = None) -> tuple[Path, ...]:
    """Where an environment beside the extension is looked for: .venv in it and in the folders around it."""
    extension = extension or Path(__file__).absolute().parents[2]
    inside = ("Scripts/python.exe",) if os.name == "nt" else ("bin/python",)
    return tuple(
        place / name / tail
        for place in (extension, *extension.parents[:2])
        for name in (".venv", "venv")
        for tail in inside
    )


def find_interpreter(given: str = "", extension: Path | None = None) -> Interpreter:
    """The interpreter of the settings, or the first one beside the extension; started once to learn its version."""
    places: Sequence[Path] = (Path(given).expanduser(),) if given else candidates(extension)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        make = "python3.12 -m venv .venv && .venv/bin/python -m pip install -e '.[physics]'"
        where = given or f"none in {places[0].parents[2]} or around it"
        return Interpreter(
            given,
            Problem("There is no Python environment for the worker", where, f"Make one beside the extension: {make}"),
        )
    try:
        done = subprocess.run(
            [str(found), "-c", _PROBE], capture_output=True, text=True, timeout=120, env=clean_environment(), check=True
        )
        version, _ = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return Interpreter(
            str(found), Problem("This file is not a working Python", f"{found}: {error}", "Choose another interpreter")
        )
    if tuple(version[:2]) not in _VERSIONS:
        text = ".".join(map(str, version))
        return Interpreter(
            str(found), Problem("The worker needs Python 3.11 or 3.12", f"{found} is {text}", "Choose another one")
        )
    return Interpreter(str(found))


def clean_environment(base: Mapping[str, str] | None = None, *, root: Path | None = None) -> dict[str, str]:
    """The environment of a child process without what Kit set for itself; root goes onto its PYTHONPATH."""
    out = {key: value for key, value in (os.environ if base is None else base).items() if key not in _KIT_VARIABLES}
    if root is not None:
        out["PYTHONPATH"] = str(root)
    out["PYTHONIOENCODING"] = "utf-8"
    return out

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The layer rules and what must not be loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

HEAVY = ("torch", "diffusers", "transformers", "warp", "pxr", "ovphysx", "ovstage", "gsplat", "pymeshlab", "cv2")


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module", ["lyra_core", "lyra_core.types", "lyra_core.geometry", "lyra_core.trajectory", "lyra_core.cli.main"]
)
def test_light_modules_load_nothing_heavy(module):
    assert not loaded_after(f"import {module}") & set(HEAVY)


def test_nothing_of_kit_is_ever_loaded():
    loaded = loaded_after("import lyra_core.pipeline.generate, lyra_core.usd, lyra_core.simulation")
    assert not loaded & {"omni", "carb", "isaacsim"}


def test_the_import_contracts_hold():
    pytest.importorskip("importlinter", reason="import-linter is in the dev extra")
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_source_file_names_its_licence():
    files = [*ROOT.glob("lyra_core/**/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("config/**/*.yaml")]
    assert len(files) > 50
    bare = [str(f.relative_to(ROOT)) for f in files if "SPDX-License-Identifier: Apache-2.0" not in f.read_text()]
    assert not bare

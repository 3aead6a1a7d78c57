# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Draws docs/pictures of the extension anew from the panel tests' own runs: python -m tests.extension.make_panel_pictures [FOLDER]

FOLDER is where the runs work and what the pictures show as a path (default: a new temporary one). Takes some minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.extension.make_ovui_environment import child_environment, make, python_of

__all__ = ["main"]

_ROOT = Path(__file__).parents[2]
_TARGET = _ROOT / "exts" / "lyra.worldgen" / "docs" / "pictures"
_KEPT = ("empty", "image_chosen", "length_marked", "path_edited", "keyframes", "running", "failed", "cancelled", "done")
_KEPT += ("robot_spawned", "worker")


def main(arguments: list[str]) -> int:
    """Run the two cases that draw pictures and keep them with 256 colours."""
    folder = Path(arguments[0]) if arguments else Path(tempfile.mkdtemp(prefix="lyra-pictures-"))
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    environment = make()
    words = {"LYRA_CASE_FOLDER": str(folder), "LYRA_WORKER_PYTHON": sys.executable, "LYRA_CASE_FRAMES": "33"}
    words |= {"PYTHONPATH": str(_ROOT), "TMPDIR": str(folder / "tmp")}
    for case in ("keyframes", "photo_to_robot"):
        command = ["xvfb-run", "-a", "-s", "-screen 0 1024x1500x24", python_of(environment)]
        command += ["-m", "tests.extension.panel_cases", case]
        subprocess.run(command, cwd=folder, env=child_environment(environment, **words), check=True)
    for name in _KEPT:
        with Image.open(folder / f"{name}.png") as picture:
            picture.quantize(256).save(_TARGET / f"{name}.png", optimize=True)
    sys.stdout.write(f"{len(_KEPT)} pictures in {_TARGET} (runs: {os.fspath(folder)})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

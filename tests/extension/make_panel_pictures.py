# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Draws docs/pictures of the extension anew from the panel tests' own runs: python -m tests.extension.make_panel_pictures [FOLDER]

FOLDER is where the runs work and what the pictures show as a path (default: a new temporary one). Takes some minutes.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from lyra_core.geometry import look_at
from lyra_core.ops.splat import splat
from lyra_core.reconstruction import read_ply
from lyra_core.types import Camera
from lyra_core.world import WorldFolder
from tests.extension.make_ovui_environment import child_environment, make, python_of

__all__ = ["main", "world_picture"]

_ROOT = Path(__file__).parents[2]
_TARGET = _ROOT / "exts" / "lyra.worldgen" / "docs" / "pictures"
_SYSTEM = Path("/usr/bin/python3")  # a Python that people know, most often without our packages
_GROUND = (0.149, 0.161, 0.173)  # of the preview that shows it
_KEPT = ("empty", "image_chosen", "length_marked", "path_edited", "keyframes", "running", "failed", "cancelled", "done")
_KEPT += ("robot_spawned", "worker")


def world_picture(folder: Path) -> Image.Image:
    """The Gaussians of a world from a little behind and above its photo's camera: what of it is new is seen."""
    first = WorldFolder.open(folder).frames[0].camera
    ahead = first.forward * [1.0, 1.0, 0.0]
    ahead /= np.linalg.norm(ahead)
    eye = first.center - 0.6 * ahead + [0.0, 0.0, 0.7]
    width, height = 820, 470
    focal = 0.5 * height / math.tan(math.radians(24.0))
    lens = np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    camera = Camera(lens, look_at(eye, first.center + 6.0 * ahead - [0.0, 0.0, 0.4]), width, height)
    drawn = splat(read_ply(folder / "splats.ply"), camera, background=_GROUND)
    return Image.fromarray(np.rint(np.clip(drawn.rgb, 0, 1) * 255).astype(np.uint8))


def main(arguments: list[str]) -> int:
    """Run the cases that draw pictures and keep them with 256 colours."""
    folder = Path(arguments[0]) if arguments else Path(tempfile.mkdtemp(prefix="lyra-pictures-"))
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    environment = make()
    words = {"LYRA_CASE_FOLDER": str(folder), "LYRA_WORKER_PYTHON": sys.executable, "LYRA_CASE_FRAMES": "33"}
    words |= {"PYTHONPATH": str(_ROOT), "TMPDIR": str(folder / "tmp")}
    if _SYSTEM.is_file():
        words["LYRA_BARE_PYTHON"] = str(_SYSTEM)
    for case in ("keyframes", "photo_to_robot", "bare_python"):
        command = ["xvfb-run", "-a", "-s", "-screen 0 1024x1500x24", python_of(environment)]
        command += ["-m", "tests.extension.panel_cases", case]
        subprocess.run(command, cwd=folder, env=child_environment(environment, **words), check=True)
    for name in _KEPT:
        with Image.open(folder / f"{name}.png") as picture:
            picture.quantize(256).save(_TARGET / f"{name}.png", optimize=True)
    world_picture(folder / "worlds" / "square").quantize(256).save(_TARGET / "world.png", optimize=True)
    sys.stdout.write(f"{len(_KEPT)} pictures in {_TARGET} (runs: {os.fspath(folder)})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

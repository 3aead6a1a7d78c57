# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""One photo to a world, the world into Isaac Sim, a robot through it.

    ./python.sh exts/lyra.worldgen/standalone/generate_and_drive.py --image hall.jpg --out hall --path walk \\
        --robot lyra_bot --goal 1.5,2.0 --headless --test
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import flow
from load_world import load_and_drive

__all__ = ["generate_and_drive", "main"]


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--image", required=True, help="A photo.")
    parser.add_argument("--out", default="", help="World folder (default: beside the photo, named after it).")
    parser.add_argument("--path", default="walk", help="A path preset or a path file.")
    parser.add_argument("--quality", default="balanced", help="quick, balanced or quality.")
    parser.add_argument("--frames", type=int, help="Frames with the photo (default: the quality's).")
    parser.add_argument("--seed", type=int, default=0, help="Same seed, same world on the CPU.")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="Any setting.")


def generate_and_drive(app: Any, worker: Any, given: Any) -> dict[str, Any]:
    """Generate through the worker while Kit keeps running, then load and drive. Returns figures for the result line."""
    photo = Path(given.image).resolve()
    path = Path(given.path)
    settings: dict[str, Any] = {"path.name": str(path.resolve()) if path.is_file() else given.path, "seed": given.seed}
    if given.frames:
        settings["path.frames"] = given.frames
    for item in given.settings:
        key, _, value = item.partition("=")
        try:
            settings[key] = json.loads(value)
        except json.JSONDecodeError:
            settings[key] = value
    request = {
        "id": 1,
        "request": "generate",
        "photo": str(photo),
        "out": str(Path(given.out).resolve() if given.out else photo.with_suffix("")),
        "preset": given.quality,
        "settings": settings,
    }
    made = flow.ask_worker(worker, request, update=app.update, tell=lambda text: sys.stderr.write(text + "\n"))["world"]
    return {"checks_passed": made["passed"], **load_and_drive(app, worker, made["folder"], given)}


def main(arguments: list[str] | None = None) -> int:
    """Run the script; the exit code goes to close(), because Kit ends the process there."""
    given = flow.options(__doc__ or "", _add, arguments)
    return flow.run(given, lambda app, worker: generate_and_drive(app, worker, given))


if __name__ == "__main__":
    sys.exit(main())

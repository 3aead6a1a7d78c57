# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The process in which one job of the explorer runs: a JSON request on the first line of stdin, JSON lines on stdout.

Each line has a "kind": stage, progress, frame (with a small JPEG), note, done, finished or failed. When stdin closes,
the process ends itself: a server that is killed leaves nothing behind.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lyra_core.errors import InputError, LyraError
from lyra_core.pipeline.events import Event, Finished, FrameMade, Note, Progress, StageFinished, StageStarted
from lyra_core.types import CameraPath, Frame

__all__ = ["KINDS", "main", "read_path_file", "write_path_file"]

_PREVIEW_WIDTH = 416


def write_path_file(file: Path, path: CameraPath) -> None:
    """Cameras in full precision, for the worker."""
    with file.open("wb") as stream:
        np.savez(
            stream,
            world_from_camera=path.world_from_camera,
            intrinsics=path.intrinsics,
            size=np.array([path.width, path.height]),
            fps=np.array(path.fps),
        )


def read_path_file(file: Path) -> CameraPath:
    """The inverse of write_path_file."""
    with np.load(file, allow_pickle=False) as data:
        width, height = (int(v) for v in data["size"])
        return CameraPath(data["world_from_camera"], data["intrinsics"], width, height, float(data["fps"]))


def _seed(request: dict[str, Any]) -> Iterator[Event]:
    from lyra_core.pipeline.begin import begin_world
    from lyra_core.pipeline.clock import StageClock
    from lyra_core.pipeline.config import load_config
    from lyra_core.world import read_manifest

    config = load_config(request["preset"], ["path.name=still", "path.frames=1", *request.get("settings", ())])
    out = Path(request["world"])
    notes = []
    for event in begin_world(Path(request["photo"]), out, config, StageClock(), resume=False, captions={}):
        if isinstance(event, Note):
            notes.append(event)
        else:
            yield event
    # Nobody planned a path yet: what is said of the camera that stands still means nothing here.
    still = read_manifest(out).segments[0].limits
    yield from (note for note in notes if note.message not in still)
    yield Finished(str(out), True, {})


def _extend(request: dict[str, Any]) -> Iterator[Event]:
    from lyra_core.pipeline.config import load_config
    from lyra_core.pipeline.generate import extend
    from lyra_core.world import read_manifest

    folder = Path(request["world"])
    video = read_manifest(folder).config.get("model", {}).get("video", "reproject")
    exact = read_path_file(Path(request["path"]))
    config = load_config("balanced", [f"model.video={request.get('model') or video}", f"path.frames={len(exact)}"])
    captions = {int(frame): str(text) for frame, text in request.get("captions", {}).items()}
    yield from extend(folder, preset=str(request["name"]), config=config, captions=captions, exact=exact)


def _resume(request: dict[str, Any]) -> Iterator[Event]:
    from lyra_core.pipeline.config import config_from
    from lyra_core.pipeline.generate import generate
    from lyra_core.world import read_manifest

    folder = Path(request["world"])
    manifest = read_manifest(folder)
    photo = folder / manifest.photo.get("file", "")
    yield from generate(photo, folder, config_from(manifest.config), resume=True)


def _revert(request: dict[str, Any]) -> Iterator[Event]:
    from lyra_core.pipeline.generate import revert

    yield from revert(Path(request["world"]), steps=int(request["steps"]), build=bool(request.get("build", True)))
    yield Finished(str(request["world"]), True, {})


def _rescale(request: dict[str, Any]) -> Iterator[Event]:
    from lyra_core.pipeline.rescale import rescale

    x, y, z, u, v, w, metres = (float(n) for n in request["between"])
    yield from rescale(Path(request["world"]), between=(x, y, z, u, v, w, metres), build=bool(request["build"]))
    yield Finished(str(request["world"]), True, {})


def _gravity(request: dict[str, Any]) -> Iterator[Event]:
    from lyra_core.explorer.gravity import level_world

    yield Note(level_world(Path(request["world"]), [tuple(p) for p in request["points"]]))
    yield Finished(str(request["world"]), True, {})


def _rebuild(request: dict[str, Any]) -> Iterator[Event]:
    from lyra_core.pipeline.generate import rebuild

    yield from rebuild(Path(request["world"]))


def _check(request: dict[str, Any]) -> Iterator[Event]:
    from lyra_core.pipeline.prove import prove

    yield StageStarted("prove")
    proof = prove(Path(request["world"]), drops=int(request.get("drops", 500)), seed=0)
    for line in proof.lines:
        yield Note(line)
    yield Finished(str(request["world"]), proof.passed, {})


def _drive(request: dict[str, Any]) -> Iterator[Event]:
    from lyra_core.explorer.driving import drive_between

    yield from drive_between(Path(request["world"]), tuple(request["start"]), tuple(request["goal"]))


def _export(request: dict[str, Any]) -> Iterator[Event]:
    from lyra_core.pipeline.export import export

    yield StageStarted("export")
    made = export(Path(request["world"]), [request["export"]], overwrite=True)
    for item in made:
        for line in item.errors[:5]:
            yield Note(line, "warning")
    files = [str(file) for item in made for file in item.files]
    yield Finished(str(request["world"]), not any(item.errors for item in made), {"files": files})


def _embed(request: dict[str, Any]) -> Iterator[Event]:
    from lyra_core.explorer.embed import write_embed

    yield StageStarted("web page")
    file = write_embed(Path(request["world"]), Path(request["out"]))
    yield Finished(str(request["world"]), True, {"files": [str(file)]})


KINDS = {
    "seed": _seed,
    "extend": _extend,
    "resume": _resume,
    "revert": _revert,
    "rescale": _rescale,
    "gravity": _gravity,
    "rebuild": _rebuild,
    "check": _check,
    "drive": _drive,
    "export": _export,
    "embed": _embed,
}
"""Name of a job to the iterator that does it."""


def _picture(frame: Frame) -> str:
    import cv2

    step = max(1, frame.camera.width // _PREVIEW_WIDTH)
    bgr = np.ascontiguousarray(np.rint(np.clip(frame.rgb[::step, ::step], 0, 1) * 255).astype(np.uint8)[..., ::-1])
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return base64.b64encode(data.tobytes()).decode("ascii")


def _line(event: Event) -> dict[str, Any]:
    match event:
        case StageStarted(stage, total):
            return {"kind": "stage", "stage": stage, "total": total}
        case Progress(stage, done, total):
            return {"kind": "progress", "stage": stage, "done": done, "total": total}
        case FrameMade(frame):
            return {"kind": "frame", "index": frame.index, "jpeg": _picture(frame)}
        case Note(message, level):
            return {"kind": "note", "message": message, "level": level}
        case StageFinished(stage, seconds):
            return {"kind": "done", "stage": stage, "seconds": seconds}
        case Finished(world, passed, figures):
            return {"kind": "finished", "world": world, "passed": passed, "files": figures.get("files", [])}


def _die_with_parent() -> None:
    """Ends this process when the other end of stdin is gone."""
    sys.stdin.buffer.read()
    os._exit(130)


def main() -> int:
    """Run the job on stdin. Returns 0 done, 1 a check failed, 2 an error that the user can mend."""
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    # Libraries print; only our lines may reach the real stdout.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)

    def say(line: dict[str, Any]) -> None:
        out.write(json.dumps(line) + "\n")
        out.flush()

    try:
        if request.get("job") not in KINDS:
            raise InputError("Unknown job", got=str(request.get("job")), do=f"Known: {', '.join(KINDS)}")
        last: dict[str, Any] = {}
        for event in KINDS[request["job"]](request):
            last = _line(event)
            if last["kind"] != "finished":
                say(last)
        say(last if last.get("kind") == "finished" else {"kind": "finished", "passed": True, "files": []})
        return 0 if last.get("passed", True) else 1
    except LyraError as error:
        say({"kind": "failed", "type": type(error).__name__, "what": error.what, "got": error.got, "do": error.do})
        return 2
    except MemoryError:
        say({"kind": "failed", "type": "MemoryError", "what": "Out of memory", "got": "", "do": "Use a smaller preset"})
        return 2


if __name__ == "__main__":
    sys.exit(main())

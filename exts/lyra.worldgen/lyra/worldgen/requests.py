# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the panel knows, as requests to the worker (lyra_core/pipeline/worker.py) and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lyra.worldgen.messages import AskWorker, Effect
from lyra.worldgen.model import (
    FILE,
    KEYFRAMES,
    Catalog,
    Model,
    Named,
    Parameter,
    PathPreset,
    Photo,
    Preview,
    Problem,
    Robot,
    Spawn,
    World,
)

__all__ = ["ask", "captions_of", "catalog_of", "preview_wanted", "problem_of", "recipe_body", "world_of"]


def ask(model: Model, kind: str, **body: Any) -> tuple[Model, int, AskWorker]:
    """A numbered request."""
    job = model.last_job + 1
    return replace(model, last_job=job), job, AskWorker({"id": job, "request": kind, **body})


def captions_of(text: str, chunk: int = 80) -> dict[str, str]:
    """Captions as typed: line k holds from frame k * chunk on; `frame: text` names its own frame. Empty lines go on."""
    out: dict[str, str] = {}
    place = 0
    for line in text.strip().splitlines():
        head, mark, tail = line.partition(":")
        if mark and head.strip().isdigit():
            out[str(int(head))] = tail.strip()
            continue
        if line.strip():
            out[str(place * chunk)] = line.strip()
        place += 1
    return out


def recipe_body(model: Model) -> dict[str, Any]:
    """Photo, settings and path as the worker reads them; settings are dotted keys of RunConfig."""
    path, recipe = model.path, model.recipe
    settings: dict[str, Any] = {
        "seed": recipe.seed,
        "model.video": recipe.model,
        "path.frames": recipe.frames,
        "path.strength": path.strength,
        "path.clearance": path.clearance,
    }
    if path.kind == FILE:
        settings |= {"path.name": path.file, "path.align": True}
    elif path.kind == KEYFRAMES:
        settings |= {"path.name": KEYFRAMES, "path.keyframes": [[v for row in m for v in row] for m in path.keyframes]}
    else:
        settings |= {"path.name": path.kind, "path.options": dict(path.parameters)}
    return {
        "photo": model.photo.file,
        "preset": recipe.quality,
        "settings": settings | _photo_settings(model.photo),
        "captions": captions_of(recipe.captions, model.catalog.chunk),
    }


def _photo_settings(photo: Photo) -> dict[str, Any]:
    """Lens and scale, as far as the user gave them."""
    given: dict[str, Any] = {}
    if photo.fov is not None:
        given["photo.fov"] = photo.fov
    if photo.camera_height is not None:
        given["photo.camera_height"] = photo.camera_height
    if len(photo.marks) == 2:
        given["photo.known_length"] = [*photo.marks[0], *photo.marks[1], photo.length]
    return given


def preview_wanted(model: Model) -> tuple[Model, list[Effect]]:
    """Ask for the path's preview, or remember to ask once the worker is free."""
    preview, path = model.preview, model.path
    complete = bool(path.file) if path.kind == FILE else path.kind != KEYFRAMES or bool(path.keyframes)
    if not model.photo.size[0] or model.environment.status != "ready" or not complete:
        return replace(model, preview=Preview(job=preview.job, reading=preview.reading)), []
    if preview.job or model.run.busy:
        return replace(model, preview=replace(preview, wanted=True)), []
    model, job, request = ask(model, "preview", **recipe_body(model))
    return replace(model, preview=replace(preview, job=job, wanted=False)), [request]


def problem_of(line: Mapping[str, Any]) -> Problem:
    """The error of a line."""
    log = tuple(str(entry) for entry in line.get("log", ()))
    return Problem(str(line.get("what", "Unknown error")), str(line.get("got", "")), str(line.get("do", "")), log)


def catalog_of(data: Mapping[str, Any]) -> Catalog:
    """The worker's offer."""
    return Catalog(
        tuple(Named(**entry) for entry in data["models"]),
        tuple(Named(**entry) for entry in data["qualities"]),
        tuple(
            PathPreset(
                p["name"], p["help"], tuple(Parameter(**{**o, "choices": tuple(o["choices"])}) for o in p["options"])
            )
            for p in data["paths"]
        ),
        tuple(Robot(**{**entry, "wheel_joints": tuple(entry["wheel_joints"])}) for entry in data["robots"]),
        int(data.get("chunk", 80)),
    )


def world_of(data: Mapping[str, Any]) -> World:
    """A described world."""
    spawns = tuple(
        Spawn((float(s["position"][0]), float(s["position"][1]), float(s["position"][2])), float(s["yaw"]))
        for s in data["spawns"]
    )
    return World(**{**data, "spawns": spawns, "facts": tuple((str(k), str(v)) for k, v in data["facts"])})

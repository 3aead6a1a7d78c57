# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The display of photo, settings and camera path."""

from __future__ import annotations

from typing import Any

from lyra.worldgen.intents import path_kinds
from lyra.worldgen.marks import marked
from lyra.worldgen.model import FILE, KEYFRAMES, Model, Parameter
from lyra.worldgen.phrases import busy, button, index_of, words
from lyra.worldgen.state import Choice, Number, Option, Text

__all__ = ["path", "photo", "settings"]

_FOV_SOURCES = {"exif": "from the file", "lines": "from lines", "default": "a guess"}
_SCALE_SOURCES = {"known length": "from the known length", "depth": "from depth", "default camera height": "a guess"}
_MARKING = ("Click one end of it in the photo", "Click its other end")


def photo(model: Model) -> dict[str, Any]:
    """Picture, file, lens, scale."""
    shot, note = model.photo, ""
    if shot.size[0]:
        note = f"{shot.size[0]} x {shot.size[1]} px"
    elif shot.file and not shot.problem:
        note = "Reading the photo"
    picture = marked(shot.picture, shot.marks, shot.size)
    there = "" if shot.size[0] else "Choose a photo first"
    begin = not shot.file and model.world is None and model.environment.status != "broken"
    label = "Mark a known length" if not shot.marking else "Stop marking"
    tooltip = (
        "Click the two ends of something whose length you know, a door for example: it sets the scale of the world"
    )
    length = f"The marked length is {shot.length:g} m; it sets the scale" if len(shot.marks) == 2 else ""
    return {
        "image_path": Text(shot.file, enabled=not model.run.busy),
        "image_note": Text(note),
        "image_preview": picture,
        "image_hint": Text("Drop a photo here, or press Browse", visible=not shot.picture.width),
        "browse_image": button("Browse…", "Choose the photo that becomes a world", busy(model), primary=begin),
        "photo_options": _photo_options(model) if shot.size[0] and not model.run.busy else (),
        "mark_length": button(
            "Mark again" if len(shot.marks) == 2 and not shot.marking else label,
            tooltip,
            busy(model) or there,
            visible=not there,
        ),
        "mark_note": Text(
            _MARKING[len(shot.marks) % 2] if shot.marking else length, visible=bool(shot.marking or length)
        ),
    }


def _photo_options(model: Model) -> tuple[Option, ...]:
    shot, reading = model.photo, model.preview.reading
    fov = f"{reading.fov:.0f}°, {_FOV_SOURCES.get(reading.fov_source, reading.fov_source)}" if reading.fov else ""
    source = _SCALE_SOURCES.get(reading.scale_source, reading.scale_source)
    guess = " (a guess)" if reading.guess and reading.scale_source == "depth" else ""
    height = f"{reading.camera_height:.2f} m, {source}{guess}" if reading.camera_height else ""
    lens = "Horizontal field of view of the photo; a wrong one bends the world"
    eye = "Height of the camera over the floor; it sets the scale of the world unless a known length does"
    rows = [
        Option("fov", "Field of view [°]", lens, "number", shot.fov, 20, 140, (), True, reading.fov or 60.0, fov),
        Option(
            "camera_height",
            "Camera height [m]",
            eye,
            "number",
            shot.camera_height,
            0.05,
            5,
            (),
            True,
            reading.camera_height or 1.5,
            height,
        ),
    ]
    if len(shot.marks) == 2:
        text = "Length of what is marked in the photo"
        rows.append(Option("known_length", "Marked length [m]", text, "number", shot.length, 0.05, 10))
    return tuple(rows)


def settings(model: Model) -> dict[str, Any]:
    """Model, quality, length, captions, folder."""
    catalog, recipe, free = model.catalog, model.recipe, not model.run.busy
    models, qualities = tuple(n.name for n in catalog.models), tuple(q.name for q in catalog.qualities)
    chosen = next((n for n in catalog.models if n.name == recipe.model), None)
    quality = next((q for q in catalog.qualities if q.name == recipe.quality), None)
    chunks = max(1, -(-(recipe.frames - 1) // catalog.chunk))
    lines = f"One line for every {catalog.chunk} frames" + (f": {chunks} lines" if chunks > 1 else "")
    return {
        "model": Choice(
            tuple(map(words, models)),
            index_of(models, recipe.model),
            free and bool(models),
            chosen.help if chosen else "",
        ),
        "model_note": Text(chosen.help if chosen else "", visible=chosen is not None),
        "preset": Choice(tuple(map(words, qualities)), index_of(qualities, recipe.quality), free and bool(qualities)),
        "frames": Number(recipe.frames, 1, 2001, enabled=free),
        "frames_note": Text(quality.help if quality else "", visible=quality is not None),
        "seed": Number(recipe.seed, 0, 2**31 - 1, enabled=free),
        "captions": Text(recipe.captions, enabled=free),
        "captions_note": Text(f"{lines}; models without text ignore them"),
        "world_folder": Text(recipe.worlds_folder, enabled=free),
        "browse_world": button("…", "Choose the folder that new worlds are written into", busy(model)),
    }


def path(model: Model) -> dict[str, Any]:
    """The camera path and what was planned."""
    chosen, preview, free = model.path, model.preview, not model.run.busy
    kinds = path_kinds(model)
    labels = (*(words(p.name) for p in model.catalog.paths), "Keyframes from the viewport", "File")
    labels = labels if model.catalog.paths else ()  # the worker did not say yet
    preset = next((p for p in model.catalog.paths if p.name == chosen.kind), None)
    count = len(chosen.keyframes)
    summaries = {
        KEYFRAMES: f"{count} keyframe{'' if count == 1 else 's'}; the path starts at the photo",
        FILE: chosen.file or "Load a trajectory.npz, transforms.json or TUM .txt",
    }
    note = f"{preview.length:.2f} m over {preview.frames} frames" if preview.frames else ""
    note = "Planning the path" if preview.job else note
    why = preview.problem
    warnings = f"{why.what.rstrip('.')}. {why.do}" if why else " ".join(preview.warnings)
    planned = "" if preview.frames else "Choose a photo and a path first"
    return {
        "path_preset": Choice(labels, index_of(kinds, chosen.kind), enabled=free and len(kinds) > 2),
        "path_summary": Text(words(preset.help) if preset else summaries.get(chosen.kind, "")),
        "path_options": _options(model) if free else (),
        "path_note": Text(note, visible=bool(note)),
        "clearance_note": Text(warnings, visible=bool(warnings)),
        "load_path": button("Load…", "Load a path: trajectory.npz, transforms.json or TUM .txt", busy(model)),
        "save_path": button("Save…", "Save the path as .npz, .json or .txt (TUM)", busy(model) or planned),
        **_keyframe_buttons(model, planned),
    }


def _keyframe_buttons(model: Model, planned: str) -> dict[str, Any]:
    """One row: what can be done with keyframes, or how to get them from the chosen path."""
    keyed = model.path.kind == KEYFRAMES
    none = "" if model.path.keyframes else "There is no keyframe yet"
    stop = busy(model)
    edit = "Turn this path into keyframes that can be moved in the viewport"
    return {
        "add_keyframe": button("Add view", "Add the view of the active viewport as a keyframe", stop),
        "remove_keyframe": button("Remove last", "Remove the last keyframe", stop or none, visible=keyed),
        "clear_keyframes": button("Clear", "Remove all keyframes", stop or none, visible=keyed),
        "read_path": button("Read edits", "Take over what was moved in the viewport", stop or none, visible=keyed),
        "edit_path": button("Edit as keyframes", edit, stop or planned, visible=not keyed),
    }


def _options(model: Model) -> tuple[Option, ...]:
    chosen = model.path
    given = dict(chosen.parameters)
    preset = next((p for p in model.catalog.paths if p.name == chosen.kind), None)
    keep = "Metres kept from everything seen; 0 = off"
    rows = [Option("clearance", "Clearance [m]", keep, "number", chosen.clearance, 0, 2)]
    if preset is None:
        return tuple(rows)
    rows.insert(
        0, Option("strength", "Strength", "How far the path goes; 1 is normal", "number", chosen.strength, 0, 3)
    )
    rows += [_option(o, given.get(o.name, o.default)) for o in preset.parameters]
    return tuple(rows)


def _option(parameter: Parameter, value: float | str | bool | None) -> Option:
    shown: float | int | bool | None
    if parameter.kind == "choice":
        shown = index_of(parameter.choices, str(value))
    elif parameter.kind == "switch":
        shown = bool(value)
    else:
        shown = None if value is None else float(value)  # None: the preset decides
    return Option(
        parameter.name,
        words(parameter.name) + (f" [{parameter.unit}]" if parameter.unit else ""),
        words(parameter.help),
        parameter.kind,
        shown,
        parameter.least,
        parameter.most,
        tuple(map(words, parameter.choices)),
        automatic=parameter.kind == "number" and parameter.default is None,
        start=min(max(1.0, parameter.least), parameter.most),
        note="chosen from the photo",
    )

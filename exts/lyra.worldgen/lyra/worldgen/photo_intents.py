# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the user does with the photo: choose it, say its lens and scale, mark a known length in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lyra.worldgen import messages as m
from lyra.worldgen.model import Model, Photo, Preview, Run
from lyra.worldgen.requests import preview_wanted

__all__ = ["PHOTO_INTENTS"]

Answer = tuple[Model, list[m.Effect]]


def _image(model: Model, value: Any) -> Answer:
    """Another photo begins another world; the last one stays among the recent ones."""
    if model.run.busy:
        return model, []
    file = str(value).strip().strip('"').removeprefix("file://")
    if not file:
        return replace(model, photo=Photo(), preview=Preview(job=model.preview.job)), [m.Sketch("hide")]
    model = replace(model, photo=Photo(file), preview=Preview(job=model.preview.job), run=Run(), world=None)
    return model, [m.ReadPicture("photo", file)]


def _photo_option(model: Model, value: Any) -> Answer:
    name, given = value
    if given is not None and not (math.isfinite(float(given)) and float(given) > 0):
        return model, []
    number = None if given is None else float(given)
    photo = model.photo
    if name == "fov":
        photo = replace(photo, fov=number)
    elif name == "camera_height":
        photo = replace(photo, camera_height=number)
    elif name == "known_length" and number is not None:
        photo = replace(photo, length=number)
    return preview_wanted(replace(model, photo=photo)) if photo != model.photo else (model, [])


def _mark_length(model: Model, _value: Any) -> Answer:
    """Begin to mark; pressed again, give it up and forget the marks."""
    if model.run.busy or not model.photo.size[0]:
        return model, []
    had = len(model.photo.marks) == 2
    photo = replace(model.photo, marks=(), marking=not model.photo.marking)
    model = replace(model, photo=photo)
    return preview_wanted(model) if had else (model, [])


def _click(model: Model, value: Any) -> Answer:
    """A click into the photo, (u, v) in 0..1 from its top left corner; it counts only while a length is marked."""
    photo = model.photo
    u, v = (float(part) for part in value)
    if not photo.marking or not (0.0 <= u <= 1.0 and 0.0 <= v <= 1.0):
        return model, []
    point = (round(u * (photo.size[0] - 1), 1), round(v * (photo.size[1] - 1), 1))
    if photo.marks and math.dist(point, photo.marks[0]) < 2.0:  # [px] a double click is one end, not both
        return model, []
    marks = (*photo.marks, point)
    model = replace(model, photo=replace(photo, marks=marks, marking=len(marks) < 2))
    return preview_wanted(model) if len(marks) == 2 else (model, [])


PHOTO_INTENTS: dict[str, Callable[[Model, Any], Answer]] = {
    "image_path": _image,
    "browse_image": _image,
    "photo_option": _photo_option,
    "mark_length": _mark_length,
    "image_preview": _click,
}

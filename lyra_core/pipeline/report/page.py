# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page and its JSON twin."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.world import write_text

__all__ = ["Figure", "Section", "encode_picture", "plain", "write_report"]

_TEMPLATE = Path(__file__).with_name("page.html.j2")


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture as a data URI with its caption."""

    uri: str
    caption: str
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with a sentence, pictures and rows of (name, value, remark)."""

    title: str
    text: str = ""
    figures: tuple[Figure, ...] = ()
    rows: tuple[tuple[str, str, str], ...] = ()
    warnings: tuple[str, ...] = field(default_factory=tuple)


def encode_picture(image: NDArray[np.uint8], *, quality: int = 88, lossless: bool = False) -> str:
    """(H, W, 3) uint8 sRGB to a data URI (JPEG, or PNG for plots)."""
    import cv2

    bgr = np.ascontiguousarray(image[..., ::-1])
    kind, options = (".png", []) if lossless else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])
    _, data = cv2.imencode(kind, bgr, options)
    mime = "png" if lossless else "jpeg"
    return f"data:image/{mime};base64,{base64.b64encode(data.tobytes()).decode()}"


def write_report(
    folder: Path,
    *,
    title: str,
    passed: bool,
    summary: Sequence[tuple[str, str]],
    sections: Sequence[Section],
    data: Any,
) -> None:
    """Write report.html (no outside references) and report.json into the world folder."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    html = template.render(title=title, passed=passed, summary=summary, sections=sections)
    write_text(folder / "report.html", html)
    write_text(folder / "report.json", json.dumps(plain(data), indent=1, sort_keys=True) + "\n")


def plain(value: Any) -> Any:
    """The value as strict JSON can hold it: NumPy numbers as numbers, NaN and inf as null, the rest as text."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)

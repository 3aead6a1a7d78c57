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

__all__ = ["Figure", "Section", "add_to_report", "encode_picture", "plain", "write_report"]

_TEMPLATE = Path(__file__).with_name("page.html.j2")
_SECTION = Path(__file__).with_name("section.html.j2")
_BEGIN, _END = "<!-- later:begin -->", "<!-- later:end -->"  # between them: what later commands found out


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
    last: Sequence[Section] = (),
) -> None:
    """Write report.html (no outside references) and report.json into the world folder.

    Between sections and last there is the place for what later commands find out; see add_to_report.
    """
    from markupsafe import Markup

    html = _rendered(
        _TEMPLATE,
        title=title,
        passed=passed,
        summary=summary,
        sections=[Markup(_rendered(_SECTION, s=section)) for section in sections],
        last=[Markup(_rendered(_SECTION, s=section)) for section in last],
        begin=Markup(_BEGIN),
        end=Markup(_END),
    )
    write_text(folder / "report.html", html)
    write_text(folder / "report.json", json.dumps(plain(data), indent=1, sort_keys=True) + "\n")


def add_to_report(folder: Path, key: str, section: Section, data: Any) -> bool:
    """Put the results of a later command into report.html, in place of its earlier ones; data under key.

    False if the world has no report (its files are left alone).
    """
    page, figures = folder / "report.html", folder / "report.json"
    if not (page.is_file() and figures.is_file()):
        return False
    html = page.read_text(encoding="utf-8")
    if _BEGIN not in html or _END not in html:  # made before there were such sections
        html = html.replace("</main>", f"{_BEGIN}{_END}</main>")
    head, _, rest = html.partition(_BEGIN)
    body, _, tail = rest.partition(_END)
    open_mark, close_mark = f"<!-- {key} -->", f"<!-- /{key} -->"
    before, _, old = body.partition(open_mark)
    after = old.partition(close_mark)[2]
    text = _rendered(_SECTION, s=section)
    write_text(page, f"{head}{_BEGIN}{before}{open_mark}{text}{close_mark}{after}{_END}{tail}")
    known = json.loads(figures.read_text(encoding="utf-8"))
    known[key] = plain(data)
    write_text(figures, json.dumps(known, indent=1, sort_keys=True) + "\n")
    return True


def _rendered(template: Path, **values: Any) -> str:
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template.read_text(encoding="utf-8")).render(**values)


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

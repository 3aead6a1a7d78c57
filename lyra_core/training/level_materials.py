# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Archives of level files and the look of their surfaces: one plain picture for each Quake III shader."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError

__all__ = ["LevelArchive", "Material", "Shader", "parse_shaders"]

_SKY, _NODRAW, _HINT, _SKIP = 0x4, 0x80, 0x100, 0x200  # surface flags
_FOG = 0x40  # contents
_HIDDEN_PARAMETERS = {"nodraw", "fog", "hint", "skip", "areaportal", "playerclip"}
_HIDDEN_NAMES = ("common/", "flareshader", "noshader")
_ADDITIVE = {"add", "gl_one gl_one", "gl_src_alpha gl_one", "gl_one gl_one_minus_src_color", "gl_dst_color gl_one"}
_SUFFIXES = (".tga", ".jpg", ".jpeg", ".png")
_LARGEST_TEXTURE = 256  # pixels; views are about 300 pixels wide, so finer texels would only alias


@dataclass(frozen=True, slots=True)
class Material:
    """What a surface looks like.

    Attributes
    ----------
    image: (h, w, 3) uint8 sRGB, or (h, w, 4) where alpha below 128 is a hole.
    sky: True where the view goes to infinity.
    emissive: True where the picture is shown at full brightness.
    bare: True where the archives lack its picture; it is grey then.
    """

    image: NDArray[np.uint8]
    sky: bool = False
    emissive: bool = False
    bare: bool = False


@dataclass(slots=True)
class Shader:
    """The few facts kept of a shader script: parameters, and the stages' picture, blend and alpha test."""

    parameters: set[str] = field(default_factory=set)
    editor_image: str = ""
    sprite: bool = False
    decal: bool = False
    stages: list[dict[str, str]] = field(default_factory=list)


def _read_directive(shader: Shader, words: list[str], depth: int) -> None:
    key = words[0].lower()
    if depth == 1:
        if key == "surfaceparm" and len(words) > 1:
            shader.parameters.add(words[1].lower())
        elif key in ("qer_editorimage", "q3map_lightimage") and len(words) > 1 and not shader.editor_image:
            shader.editor_image = words[1].lower()
        elif key == "skyparms":
            shader.parameters.add("sky")
        elif key == "polygonoffset":
            shader.decal = True
        elif key == "deformvertexes" and len(words) > 1 and words[1].lower().startswith("autosprite"):
            shader.sprite = True
        return
    stage = shader.stages[-1]
    if key in ("map", "clampmap") and len(words) > 1:
        stage["map"] = words[1].lower()
    elif key == "animmap" and len(words) > 2:
        stage["map"] = words[2].lower()
    elif key in ("blendfunc", "alphafunc") and len(words) > 1:
        stage[key] = " ".join(words[1:3]).lower()


def parse_shaders(text: str) -> dict[str, Shader]:
    """Read a shader script: name { directives { stage } { stage } }. Unknown directives are ignored."""
    out: dict[str, Shader] = {}
    depth, name, shader = 0, "", Shader()
    for line in text.splitlines():
        for token in line.split("//")[0].replace("{", "\n{\n").replace("}", "\n}\n").split("\n"):
            words = token.split()
            if not words:
                continue
            if words[0] == "{":
                depth += 1
                if depth == 1:
                    shader = out.setdefault(name, Shader())
                elif depth == 2:
                    shader.stages.append({})
            elif words[0] == "}":
                depth = max(0, depth - 1)
            elif depth == 0:
                name = words[0].lower()
            elif depth <= 2:
                _read_directive(shader, words, depth)
    return out


class LevelArchive:
    """Files of several zip archives (.pk3); the later archive wins, as in the game.

    Parameters
    ----------
    folder: where the archives lie; all `*.pk3` below it are read, sorted by file name.

    Raises
    ------
    InputError: no archive there, or a file that is asked for is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._zips = [zipfile.ZipFile(path) for path in sorted(folder.rglob("*.pk3"), key=lambda p: p.name)]
        if not self._zips:
            raise InputError(
                "The level folder holds no .pk3 archive",
                got=str(folder),
                do="Fetch the OpenArena packages named in lyra_core/training/README.md and unpack them there",
            )
        self._where = {name.lower(): (z, name) for z in self._zips for name in z.namelist()}
        self._shaders: dict[str, Shader] = {}
        for name in sorted(n for n in self._where if n.startswith("scripts/") and n.endswith(".shader")):
            self._shaders.update(parse_shaders(self.read(name).decode("latin-1")))
        self._images: dict[str, NDArray[np.uint8] | None] = {}

    @property
    def names(self) -> Iterable[str]:
        """All member names, lower case."""
        return self._where.keys()

    def read(self, name: str) -> bytes:
        """Return a member's bytes; names are matched without regard to case."""
        if name.lower() not in self._where:
            raise InputError("The level archives lack a file", got=name, do="Fetch all packages that the README names")
        archive, member = self._where[name.lower()]
        return archive.read(member)

    def image(self, name: str, *, largest: int = _LARGEST_TEXTURE) -> NDArray[np.uint8] | None:
        """(h, w, 3 or 4) uint8 picture of a path with or without suffix, at most `largest` pixels; None if missing."""
        if name not in self._images:
            found = self._picture(name)
            self._images[name] = _decode(self.read(found), largest) if found else None
        return self._images[name]

    def image_size(self, name: str) -> tuple[int, int] | None:
        """(width, height) of a picture as it is stored, before it is made smaller; None if missing or not a picture."""
        from PIL import Image, UnidentifiedImageError

        found = self._picture(name)
        try:
            return Image.open(io.BytesIO(self.read(found))).size if found else None
        except (UnidentifiedImageError, OSError):
            return None

    def _picture(self, name: str) -> str:
        stem = str(PurePosixPath(name).with_suffix("")) if name.endswith(_SUFFIXES) else name
        return next((stem + suffix for suffix in _SUFFIXES if stem + suffix in self._where), "")

    def material(self, name: str, flags: int, contents: int) -> Material | None:
        """Choose one picture for a surface; None for what the game does not draw or what is mere light."""
        name = name.lower()
        shader = self._shaders.get(name, Shader())
        if flags & _SKY or "sky" in shader.parameters:
            return Material(np.full((4, 4, 3), 160, np.uint8), sky=True, emissive=True)
        hidden = flags & (_NODRAW | _HINT | _SKIP) or contents & _FOG or shader.parameters & _HIDDEN_PARAMETERS
        if hidden or shader.sprite or shader.decal or any(part in name for part in _HIDDEN_NAMES):
            return None
        stages = [stage for stage in shader.stages if not stage.get("map", "$").startswith("$")]
        if stages and all(stage.get("blendfunc", "") for stage in shader.stages):
            blend = stages[0].get("blendfunc", "")
            if blend in _ADDITIVE or ("alphafunc" not in stages[0] and not contents & 0x38):
                return None  # glows, glass, beams: one sees what is behind; liquids (0x38) stay as surfaces
        return self._plain(name, shader, stages)

    def _plain(self, name: str, shader: Shader, stages: list[dict[str, str]]) -> Material:
        solid = [s for s in stages if s.get("blendfunc", "") not in _ADDITIVE] or stages
        tested = any("alphafunc" in stage for stage in stages)
        for candidate in [*(stage["map"] for stage in solid), name, shader.editor_image]:
            image = self.image(candidate) if candidate else None
            if image is not None:
                image = image if tested and image.shape[2] == 4 else image[..., :3]
                lit = not shader.stages or any(s.get("map", "").startswith("$lightmap") for s in shader.stages)
                return Material(np.ascontiguousarray(image), emissive=not lit and "nolightmap" in shader.parameters)
        return Material(np.full((4, 4, 3), 128, np.uint8), bare=True)


def _decode(raw: bytes, largest: int) -> NDArray[np.uint8] | None:
    from PIL import Image, UnidentifiedImageError

    try:
        picture = Image.open(io.BytesIO(raw))
        picture = picture.convert("RGBA" if picture.mode in ("RGBA", "LA", "P") else "RGB")
    except (UnidentifiedImageError, OSError):
        return None
    scale = largest / max(picture.size)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BOX)
    return np.asarray(picture)

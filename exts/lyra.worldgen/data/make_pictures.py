# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Draws icon.png and preview.png of the extension: python exts/lyra.worldgen/data/make_pictures.py (needs Pillow)."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

__all__ = ["draw_icon", "draw_preview"]

_HERE = Path(__file__).parent
_REPOSITORY = _HERE.parents[2]
_GROUND = (38, 41, 44)
_GREEN, _NIGHT, _PAPER = (118, 185, 0), (27, 30, 33), (236, 238, 240)


def draw_icon(size: int = 256) -> Image.Image:
    """A photo that opens into a floor with a camera path across it."""
    scale = 4
    side = size * scale
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x * side, y * side) for x, y in points]

    draw.rounded_rectangle(at((0.02, 0.02), (0.98, 0.98)), radius=0.17 * side, fill=_NIGHT)
    draw.polygon(at((0.16, 0.56), (0.84, 0.56), (0.97, 0.86), (0.03, 0.86)), fill=(54, 60, 65))
    for k in range(1, 5):
        top, low = 0.16 + 0.68 * k / 5, 0.03 + 0.94 * k / 5
        draw.line(at((top, 0.56), (low, 0.86)), fill=(84, 92, 98), width=scale)
    for t in (0.2, 0.48):
        y = 0.56 + 0.30 * t
        draw.line(at((0.16 - 0.13 * t, y), (0.84 + 0.13 * t, y)), fill=(84, 92, 98), width=scale)
    draw.rounded_rectangle(at((0.16, 0.13), (0.84, 0.56)), radius=0.03 * side, fill=_PAPER)
    draw.rectangle(at((0.19, 0.16), (0.81, 0.53)), fill=(120, 172, 214))
    draw.ellipse(at((0.62, 0.20), (0.72, 0.30)), fill=(255, 225, 140))
    draw.polygon(at((0.19, 0.53), (0.38, 0.27), (0.57, 0.53)), fill=(70, 96, 110))
    draw.polygon(at((0.41, 0.53), (0.60, 0.34), (0.81, 0.53)), fill=(92, 122, 130))
    curve = [
        (
            (1 - t) ** 2 * 0.27 + 2 * (1 - t) * t * 0.42 + t * t * 0.74,
            (1 - t) ** 2 * 0.80 + 2 * (1 - t) * t * 0.56 + t * t * 0.69,
        )
        for t in (k / 40 for k in range(41))
    ]
    draw.line(at(*curve), fill=_GREEN, width=int(0.03 * side), joint="curve")
    for x, y in (curve[0], curve[20], curve[-1]):
        draw.ellipse(
            at((x - 0.035, y - 0.035), (x + 0.035, y + 0.035)), fill=_PAPER, outline=_GREEN, width=int(0.014 * side)
        )
    return image.resize((size, size), Image.Resampling.LANCZOS)


def draw_preview() -> Image.Image:
    """The panel with a finished world beside the photo and what became of it; all are pictures of ours."""
    image = Image.new("RGB", (1280, 720), _GROUND)
    pictures = _HERE.parent / "docs" / "pictures"
    panel = Image.open(pictures / "done.png").convert("RGB")
    panel.thumbnail((460, 680), Image.Resampling.LANCZOS)
    image.paste(panel, (40, (720 - panel.height) // 2))
    left = 72 + panel.width
    photo, world = Image.open(_REPOSITORY / "data" / "photos" / "square.jpg"), Image.open(pictures / "world.png")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(20)
    for place, (picture, words) in enumerate(((photo, "one photo"), (world, "the world that was made of it"))):
        fitted = ImageOps.fit(
            picture.convert("RGB"), (1240 - left, 300), Image.Resampling.LANCZOS, centering=(0.5, 0.4)
        )
        top = 24 + place * 344
        image.paste(fitted, (left, top))
        draw.text((left, top + 304), words, _PAPER, font)
    return image


if __name__ == "__main__":
    draw_icon().save(_HERE / "icon.png", optimize=True)
    draw_preview().quantize(256).save(_HERE / "preview.png", optimize=True)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Marks of a known length, drawn into the photo's preview with the standard library alone."""

from __future__ import annotations

from functools import lru_cache

from lyra.worldgen.state import Picture

__all__ = ["marked"]

_GREEN, _DARK = b"\x9b\xe0\x1e\xff", b"\x10\x14\x10\xff"
_ARM = 6  # [px] of a cross


@lru_cache(maxsize=4)  # the display is made anew at every event, the picture only when marks or photo change
def marked(picture: Picture, marks: tuple[tuple[float, float], ...], size: tuple[int, int]) -> Picture:
    """The preview with a cross at each mark and a line between two. marks: (x, y) [px of the photo], of this size."""
    if not marks or not picture.width or not size[0]:
        return picture
    pixels = bytearray(picture.rgba)
    places = [(x * picture.width / size[0], y * picture.height / size[1]) for x, y in marks]
    for (x0, y0), (x1, y1) in zip(places, places[1:], strict=False):
        count = int(max(abs(x1 - x0), abs(y1 - y0), 1.0)) * 2
        for step in range(count + 1):
            at = step / count
            _dot(pixels, picture, (x0 + (x1 - x0) * at, y0 + (y1 - y0) * at), _GREEN)
    for x, y in places:
        for colour, half in ((_DARK, 1.5), (_GREEN, 0.5)):  # a dark rim keeps the cross visible on any photo
            for along in range(-_ARM, _ARM + 1):
                for across in (-half, half):
                    _dot(pixels, picture, (x + along, y + across), colour)
                    _dot(pixels, picture, (x + across, y + along), colour)
    return Picture(bytes(pixels), picture.width, picture.height, visible=True)


def _dot(pixels: bytearray, picture: Picture, at: tuple[float, float], colour: bytes) -> None:
    column, row = int(at[0]), int(at[1])
    if 0 <= column < picture.width and 0 <= row < picture.height:
        start = 4 * (row * picture.width + column)
        pixels[start : start + 4] = colour

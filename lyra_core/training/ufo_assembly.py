# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Maps of UFO: Alien Invasion are laid from tiles like a jigsaw: the shapes of the tiles, and a lay of them at random.

A tile covers cells of 256 x 256 units. Its description (.ump) is a grid one cell wider on each side: "+ab" is a cell of
the tile whose ground may count as kind a or b, "a" asks that what lies there, if anything does, is of kind a, and "0"
asks nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CELL", "Placed", "Shape", "lay_tiles", "parse_assembly"]

CELL = 256.0  # units
_ANY = (1 << 62) - 1
_TRIES = 5  # lays of which the fullest is taken


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A tile's cells; row 0 lies furthest north.

    Attributes
    ----------
    path: of the compiled tile. solid: (h, w) cells that it covers. kinds: (h, w) int64 bits of the kinds of ground.
    """

    path: str
    solid: NDArray[np.bool_]
    kinds: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Placed:
    """A tile in a lay. x, y: cells from the lower left corner of the map to that of the tile. cells: (column, row) covered."""

    path: str
    x: int
    y: int
    cells: tuple[tuple[int, int], ...]


def _bits(word: str) -> int:
    """Bits of the letters and digits of a cell; 0 asks nothing."""
    letters = word.lstrip("+")
    if letters in ("", "0"):
        return _ANY
    order = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ123456789"
    return sum(1 << order.index(letter) for letter in set(letters) if letter in order) or _ANY


def parse_assembly(text: str) -> tuple[list[Shape], list[tuple[int, int]]]:
    """Read an .ump file: shapes of its tiles, and the sizes in cells (width, height) of its assemblies."""
    text = re.sub(r"//[^\n]*", "", text)
    base = re.search(r"^\s*base\s+(\S+)", text, re.M)
    shapes = []
    for name, body in re.findall(r"^\s*tile\s+\"?\+([^\s\"{]+)\"?\s*\{([^}]*)\}", text, re.M):
        words = body.split()
        width, height = int(words[0]), int(words[1])
        if len(words) < 2 + width * height:
            continue
        cells = np.array(words[2 : 2 + width * height]).reshape(height, width)
        solid = np.char.startswith(cells, "+")
        if solid.any():
            kinds = np.array([[_bits(word) for word in row] for row in cells.tolist()], np.int64)
            shapes.append(Shape(f"maps/{base.group(1) if base else ''}{name}.bsp", solid, kinds))
    sizes = [(int(w), int(h)) for w, h in re.findall(r"^\s*size\s+\"(\d+)\s+(\d+)\"", text, re.M)]
    return shapes, sizes


class _Lay:
    """A map in the making; arrays are (rows, columns) with a rim of one cell, which lies outside."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.full = np.ones((size[1] + 2, size[0] + 2), bool)
        self.full[1:-1, 1:-1] = False
        self.outside = self.full.copy()
        self.kinds = np.full(self.full.shape, _ANY, np.int64)
        self.placed: list[Placed] = []

    def put(self, shape: Shape, row: int, column: int) -> bool:
        """Lay a tile so that the first cell of its grid is (row, column), if it fits."""
        r, c = np.nonzero(np.ones_like(shape.solid))
        solid, kinds = shape.solid[r, c], shape.kinds[r, c]
        r, c = r + row, c + column
        inside = (r >= 0) & (c >= 0) & (r < self.full.shape[0]) & (c < self.full.shape[1])
        if not inside[solid].all():
            return False
        r, c, solid, kinds = r[inside], c[inside], solid[inside], kinds[inside]
        if (self.full[r, c] & solid).any() or (~self.outside[r, c] & ((self.kinds[r, c] & kinds) == 0)).any():
            return False
        asked = self.kinds[r, c] & kinds
        keep = self.full[r, c] & ~solid  # what lies there already keeps its own kinds
        self.kinds[r, c] = np.where(keep, self.kinds[r, c], np.where(solid, kinds, asked))
        self.full[r[solid], c[solid]] = True
        rows, columns = np.nonzero(shape.solid)
        left, bottom = column + columns.min() - 1, row + rows.max() - 1
        height = self.full.shape[0] - 2
        cells = tuple((int(x) - 1, height - int(y)) for y, x in zip(r[solid], c[solid], strict=True))
        self.placed.append(Placed(shape.path, int(left), int(height - 1 - bottom), cells))
        return True


def _fill(lay: _Lay, shapes: list[Shape], rng: np.random.Generator) -> None:
    open_cells = ~lay.full
    area = np.array([float(shape.solid.sum()) for shape in shapes])
    while open_cells.any():
        rows, columns = np.nonzero(open_cells)
        asked = np.array([bin(int(k)).count("1") for k in lay.kinds[rows, columns]])
        first = np.flatnonzero(asked == asked.min())  # the hardest to fill first
        pick = int(rng.choice(first))
        row, column = int(rows[pick]), int(columns[pick])
        # Gumbel noise: an order at random that prefers large tiles.
        order = np.argsort(-(np.log(area) * (1.6 if not lay.placed else 0.9) + rng.gumbel(size=len(shapes))))
        if not any(_cover(lay, shapes[i], row, column, rng) for i in order):
            open_cells[row, column] = False
        open_cells &= ~lay.full


def _cover(lay: _Lay, shape: Shape, row: int, column: int, rng: np.random.Generator) -> bool:
    """Lay a tile over the cell (row, column) by any of its own cells."""
    rows, columns = np.nonzero(shape.solid)
    return any(lay.put(shape, row - int(rows[i]), column - int(columns[i])) for i in rng.permutation(len(rows)))


def lay_tiles(shapes: list[Shape], size: tuple[int, int], rng: np.random.Generator) -> list[Placed]:
    """Fill a map of size (width, height) in cells with tiles that fit together; some cells may stay open."""
    best: list[Placed] = []
    covered = -1
    for _ in range(_TRIES):
        lay = _Lay(size)
        _fill(lay, shapes, rng)
        if int(lay.full.sum()) > covered:
            best, covered = lay.placed, int(lay.full.sum())
    return best

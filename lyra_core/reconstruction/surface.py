# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Local geometry of a depth map: where it is continuous, its slope, and its mixed pixels.

All works on inverse depth w = 1/z, in which a plane is exactly linear in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Links", "link_neighbours", "near_side_of_edges", "settle_mixed_pixels", "slopes"]

_F = NDArray[np.float32]
_B = NDArray[np.bool_]

_ALWAYS_TORN = 4.0  # a jump of this many `edge` is never one surface, however steep the slope around it
_BEND = 0.4  # share of `edge` by which a steep slope may bend and still be one surface


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """Which neighbours lie on one surface: right (H, W-1) and down (H-1, W), bool."""

    right: _B
    down: _B


def link_neighbours(inverse_depth: _F, valid: _B, edge: float) -> Links:
    """Join neighbours whose depth differs little, or by as much as the slope on either side foretells."""
    right = _linked_along_rows(inverse_depth, valid, edge)
    down = _linked_along_rows(inverse_depth.T, valid.T, edge).T
    return Links(right, down)


def _linked_along_rows(w: _F, valid: _B, edge: float) -> _B:
    jump = w[:, 1:] - w[:, :-1]
    both = valid[:, 1:] & valid[:, :-1]
    base = np.minimum(w[:, 1:], w[:, :-1])
    size = np.abs(jump)
    bend = np.full_like(jump, np.inf)
    change = np.abs(jump[:, 1:] - jump[:, :-1])
    bend[:, 1:] = np.where(both[:, :-1], change, np.inf)
    bend[:, :-1] = np.minimum(bend[:, :-1], np.where(both[:, 1:], change, np.inf))
    steep = (bend < _BEND * edge * base) & (size < _ALWAYS_TORN * edge * base)
    return both & ((size < edge * base) | steep)


def slopes(inverse_depth: _F, links: Links) -> tuple[_F, _F]:
    """Change of w per pixel along x and along y (H, W), from linked neighbours only; 0 where there are none.

    The values are averaged once over linked neighbours, which calms the quantisation of estimated depth.
    """
    return (
        _calm(_slope_along_rows(inverse_depth, links.right), links),
        _calm(_slope_along_rows(inverse_depth.T, links.down.T).T, links),
    )


def _slope_along_rows(w: _F, right: _B) -> _F:
    step = np.where(right, w[:, 1:] - w[:, :-1], 0)
    total = np.zeros_like(w)
    count = np.zeros(w.shape, np.float32)
    total[:, :-1] += step
    total[:, 1:] += step
    count[:, :-1] += right
    count[:, 1:] += right
    return (total / np.maximum(count, 1)).astype(np.float32)


def _calm(values: _F, links: Links) -> _F:
    total = values.copy()
    count = np.ones(values.shape, np.float32)
    for link, here, there in (
        (links.right, np.s_[:, :-1], np.s_[:, 1:]),
        (links.down, np.s_[:-1, :], np.s_[1:, :]),
    ):
        total[here] += np.where(link, values[there], 0)
        total[there] += np.where(link, values[here], 0)
        count[here] += link
        count[there] += link
    return total / count


def near_side_of_edges(inverse_depth: _F, valid: _B, links: Links) -> _B:
    """(H, W) pixels with a farther or empty neighbour behind an edge."""
    out = np.zeros(valid.shape, bool)
    w = np.where(valid, inverse_depth, 0)
    for link, here, there in (
        (links.right, np.s_[:, :-1], np.s_[:, 1:]),
        (links.down, np.s_[:-1, :], np.s_[1:, :]),
    ):
        nearer = w[here] > w[there]
        out[here] |= ~link & nearer
        out[there] |= ~link & ~nearer
    return out & valid


def settle_mixed_pixels(inverse_depth: _F, rgb: _F, valid: _B, edge: float, *, rounds: int = 2) -> _F:
    """Inverse depth in which pixels that hang between a near and a far surface are moved onto one of them.

    Depth estimators blur silhouettes: such a pixel is torn from both neighbours and its depth lies
    between theirs. It joins the neighbour of the more similar colour. Thin objects are nearer than
    both neighbours and stay.
    """
    w = inverse_depth.copy()
    for _ in range(rounds):
        links = link_neighbours(w, valid, edge)
        _settle_along_rows(w, rgb, valid, links.right)
        _settle_along_rows(w.T, rgb.transpose(1, 0, 2), valid.T, links.down.T)
    return w


def _settle_along_rows(w: _F, rgb: _F, valid: _B, right: _B) -> None:
    rows, columns = np.nonzero(valid[:, 1:-1] & valid[:, :-2] & valid[:, 2:] & ~right[:, 1:] & ~right[:, :-1])
    columns = columns + 1
    before, here, after = w[rows, columns - 1], w[rows, columns], w[rows, columns + 1]
    between = (here - before) * (after - here) > 0
    rows, columns = rows[between], columns[between]
    color = rgb[rows, columns]
    to_before = np.abs(rgb[rows, columns - 1] - color).sum(axis=1)
    to_after = np.abs(rgb[rows, columns + 1] - color).sum(axis=1)
    w[rows, columns] = np.where(to_before <= to_after, before[between], after[between])

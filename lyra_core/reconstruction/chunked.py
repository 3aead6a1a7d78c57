# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Long films in pieces, as Lyra 2.0 reconstructs them: which frames go together, one Sim(3) a piece, who owns what.

Each piece is reconstructed in a world of its own. Pieces share a few frames; the Sim(3) that brings a piece to those
before it is fitted to the shared cameras' centres and to the shared pixels' points. Where two pieces show one place, the
one whose camera is nearest keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError

__all__ = [
    "Similarity",
    "depth_window",
    "fit_similarity",
    "inverse_depth_weights",
    "join_chunk",
    "owned_points",
    "split_chunks",
    "spread_frames",
    "uniform_chunks",
]

_F = NDArray[np.float64]
_UNSEEN_OWN, _UNSEEN_OTHER = 1e5, 1e6  # [m] distances that stand for "not seen"


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """x -> scale * rotation @ x + translation."""

    scale: float
    rotation: _F
    translation: _F

    def points(self, points: NDArray[np.floating]) -> _F:
        """(..., 3) points moved."""
        return self.scale * np.asarray(points, np.float64) @ self.rotation.T + self.translation

    def poses(self, world_from_camera: NDArray[np.floating]) -> _F:
        """(..., 4, 4) camera poses moved; they stay rigid."""
        out = np.array(world_from_camera, dtype=np.float64)
        out[..., :3, :3] = self.rotation @ out[..., :3, :3]
        out[..., :3, 3] = self.points(out[..., :3, 3])
        return out


def spread_frames(total: int, most: int) -> list[int]:
    """At most `most` frame numbers spread over 0..total-1, the ends included; most = 0 takes all."""
    if most <= 0 or total <= most:
        return list(range(total))
    return [int(i) for i in np.floor(np.linspace(0, total - 1, most))]


def _check_chunks(count: int, size: int, overlap: int) -> None:
    if count < 1 or (count > 1 and not 3 <= overlap < size):
        raise InputError("Pieces need at least 3 shared frames, and more frames than they share",
                         got=f"{count} pieces of {size} frames that share {overlap}",
                         do="Use for example 128 frames that share 10")  # fmt: skip


def uniform_chunks(total: int, count: int, *, size: int = 128, overlap: int = 10) -> list[list[int]]:
    """Frame numbers of `count` pieces of `size` frames over a film of `total` frames, neighbours sharing `overlap`.

    Raises InputError if the film has too few frames for that many different ones.
    """
    _check_chunks(count, size, overlap)
    wanted = count * size - (count - 1) * overlap
    if total < wanted:
        raise InputError("The film is too short for these pieces", got=f"{total} frames, {wanted} needed",
                         do="Use fewer or smaller pieces")  # fmt: skip
    frames = [int(i) for i in np.floor(np.linspace(0, total - 1, wanted))]
    return [frames[i * (size - overlap) : i * (size - overlap) + size] for i in range(count)]


def split_chunks(total: int, ends: Sequence[int], *, size: int = 128, overlap: int = 10) -> list[list[int]]:
    """Pieces that end at the given frames (and at the film's end); each begins with the last ones of that before it.

    Raises InputError if a piece has fewer frames of its own than it is to take.
    """
    bounds = [*ends, total - 1]
    _check_chunks(len(bounds), size, overlap)
    if any(b <= a for a, b in zip([-1, *bounds], bounds, strict=False)):
        raise InputError(
            "The ends of pieces must grow and lie in the film", got=str(list(ends)), do="Give frames in order"
        )
    chunks: list[list[int]] = []
    start = 0
    for end in bounds:
        shared = chunks[-1][-overlap:] if chunks else []
        own, available = size - len(shared), end + 1 - start
        if available < own:
            raise InputError("A piece has too few frames of its own",
                             got=f"{own} wanted of frames {start} to {end} ({available})",
                             do="Use smaller pieces, or other ends")  # fmt: skip
        chunks.append([*shared, *(int(i) for i in np.floor(np.linspace(start, end, own)))])
        start = end + 1
    return chunks


def depth_window(
    last: int, *, interval: int = 8, most: int = 10, chunk_ends: bool = False, chunk: int = 80
) -> list[int]:
    """The frames that depth is estimated together for after a chunk: last, last - interval, ...; and frames 0, 80, ..."""
    frames = {last - i * interval for i in range(most) if last - i * interval >= 0}
    if chunk_ends:
        frames |= set(range(0, last + 1, chunk))
    return sorted(frames)


def inverse_depth_weights(
    depth: NDArray[np.floating], *, power: float = 1.0, clip: float = 0.98, least: float = 1e-3
) -> _F:
    """Weights 1 / depth^power of mean 1, the largest cut at this quantile; 0 where depth is not above `least` [m]."""
    z = np.asarray(depth, np.float64)
    good = np.isfinite(z) & (z > least)
    out = np.zeros(z.shape)
    if good.any():
        weight = z[good] ** -power
        weight = np.minimum(weight, np.quantile(weight, clip))
        out[good] = weight / weight.mean()
    return out


def fit_similarity(
    source: NDArray[np.floating], target: NDArray[np.floating], weights: NDArray[np.floating] | None = None
) -> Similarity:
    """Weighted least squares target = s R source + t of points (N, 3) (Umeyama 1991). InputError for no spread."""
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    w = np.ones(len(a)) if weights is None else np.asarray(weights, np.float64)
    if len(a) < 3 or w.sum() <= 0:
        raise InputError("A similarity needs three points", got=f"{len(a)}", do="Let the pieces share more frames")
    w = w / w.sum()
    mean_a, mean_b = w @ a, w @ b
    a, b = a - mean_a, b - mean_b
    variance = float(w @ (a**2).sum(axis=1))
    if variance < 1e-18:
        raise InputError("A similarity needs points that are apart", got="one place", do="Use frames that move")
    u, d, vt = np.linalg.svd((b * w[:, None]).T @ a)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = (u * sign) @ vt
    scale = float((d * sign).sum()) / variance
    return Similarity(scale, rotation, mean_b - scale * rotation @ mean_a)


def join_chunk(  # noqa: PLR0913 - two groups and their settings
    source: NDArray[np.floating], target: NDArray[np.floating], weights: NDArray[np.floating],
    source_centers: NDArray[np.floating], target_centers: NDArray[np.floating], *,
    camera_weight: float = 10.0, point_weight: float = 1.0, keep: float = 0.8, rounds: int = 3, least: int = 1000,
) -> Similarity:  # fmt: skip
    """The Sim(3) that brings a piece to those before it.

    Parameters
    ----------
    source, target: (N, 3) the same pixels' points in the piece and in what stands already. weights: (N,), see
        inverse_depth_weights. source_centers, target_centers: (M, 3) centres of the shared cameras.
    camera_weight, point_weight: of the two groups as a whole. keep: share of the points, those with the least error over
        the root of their weight, that each refit uses. rounds: refits. least: with fewer points only cameras count.
    """
    cameras = np.full(len(source_centers), camera_weight / max(len(source_centers), 1))
    if len(source) < least:
        return fit_similarity(source_centers, target_centers)
    x, y = np.asarray(source, np.float64), np.asarray(target, np.float64)
    w = np.maximum(np.asarray(weights, np.float64), 0)
    usable = w > 0
    chosen = usable
    root = np.sqrt(np.where(usable, w, 1))
    for left in range(rounds, -1, -1):
        share = point_weight * w[chosen] / w[chosen].sum()
        found = fit_similarity(
            np.concatenate([source_centers, x[chosen]]),
            np.concatenate([target_centers, y[chosen]]),
            np.concatenate([cameras, share]),
        )
        error = np.linalg.norm(found.points(x) - y, axis=1) / root
        kept = usable & (error <= np.quantile(error[usable], keep))
        if left == 0 or kept.sum() < least:
            break
        chosen = kept
    return found


def owned_points(
    points: NDArray[np.floating], own: NDArray[np.floating], others: Sequence[NDArray[np.floating]],
    intrinsics: NDArray[np.floating], *, slack: float = 1.0,
) -> NDArray[np.bool_]:  # fmt: skip
    """(N,) bool: which points (N, 3) of a piece it keeps.

    A point is kept if no other piece's camera that sees it is nearer than the piece's own by `slack` [m] or more, or if
    only one other's is; a point that its own piece does not see counts as far away.

    Parameters
    ----------
    own: (M, 4, 4) world to camera of the piece. others: the same of the other pieces. intrinsics: (M, 3, 3) pixels; the
        picture ends where the principal point's mirror does.
    """
    mine = _distance(points, own, intrinsics, _UNSEEN_OWN)
    rest = np.stack([_distance(points, w2c, intrinsics, _UNSEEN_OTHER) for w2c in others]) if len(others) else None
    if rest is None:
        return np.ones(len(points), bool)
    nearer = (rest < mine).sum(axis=0)
    return (nearer == 0) | ((nearer == 1) & (mine - rest.min(axis=0) < slack))


def _distance(
    points: NDArray[np.floating], w2c: NDArray[np.floating], intrinsics: NDArray[np.floating], unseen: float
) -> _F:
    """(N,) distance of each point to the nearest camera that sees it."""
    x = np.asarray(points, np.float64)
    best = np.full(len(x), np.inf)
    for matrix, k in zip(np.asarray(w2c, np.float64), np.asarray(intrinsics, np.float64), strict=True):
        seen = x @ matrix[:3, :3].T + matrix[:3, 3]
        front = seen[:, 2] > 0
        pixel = seen[:, :2] / np.where(front, seen[:, 2], 1)[:, None] * [k[0, 0], k[1, 1]] + k[:2, 2]
        inside = front & (pixel >= 0).all(axis=1) & (pixel < 2 * k[:2, 2]).all(axis=1)
        best = np.where(inside, np.minimum(best, np.linalg.norm(seen, axis=1)), best)
    return np.where(np.isfinite(best), best, unseen)

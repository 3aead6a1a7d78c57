# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
"""Colour of the unseen: coarse-to-fine patch synthesis from what is seen on the same kind of surface.

Search and voting after Wexler, Shechtman, Irani (PAMI 2007) with PatchMatch; the last step copies full pixels along
the field of offsets (a shift map), so that what is filled is as sharp as the photo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.kernels import patch

__all__ = ["Lender", "TextureSettings", "fill_texture"]

_F32 = NDArray[np.float32]
_NONE = 255
_KIND_STEP = 0.35  # what one step of kind counts beside colour differences


@dataclass(frozen=True, slots=True)
class TextureSettings:
    """Effort of the synthesis.

    Attributes
    ----------
    finest: pixels per cell of the finest level that is searched; 0: so that it has about 120 rows.
    levels: number of levels, each half the size of the one before.
    rounds: rounds of search and vote per level, coarsest first; the last repeats.
    sweeps: sweeps of search per round.
    samples: random tries per sweep.
    scale_weight: cost of copying from another depth, per squared log ratio (colours are 0..1, costs mean squares).
    near_weight: cost of copying from afar, per squared picture width.
    guess_weight: cost of copying from where the guess has another colour, per squared difference; without a guess: none.
    usage_weight: cost of copying from where much is copied from already, per times that it is used more than all that
        is offered is on average (Kaspar et al. 2015): a smooth guess is served best by one patch, everywhere.
    seam_weight: cost of copying from elsewhere than all neighbours do (Ashikhmin 2001): larger pieces stay whole.
    kind_weight: cost of copying from another kind of surface; the default forbids it.
    start_from_guess: begin with the coarse colours of the guess; False where it shows something else than the picture,
        which may be the detail of one.
    """

    finest: int = 0
    levels: int = 4
    rounds: tuple[int, ...] = (8, 5, 3, 2)
    sweeps: int = 3
    samples: int = 6
    scale_weight: float = 0.012
    near_weight: float = 0.01
    guess_weight: float = 1.0
    usage_weight: float = 0.0
    seam_weight: float = 0.0
    kind_weight: float = 1e3
    start_from_guess: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Lender:
    """Another picture of the scene to copy from, as large as the one that is filled.

    Attributes
    ----------
    rgb: (H, W, 3) float32 in [0, 1]. known: (H, W) bool, pixels that may be copied. kind: (H, W) uint8.
    depth: (H, W) float32 [m]. guess: (H, W, 3) float32, its coarse colours, or None; see `fill_texture`.
    """

    rgb: _F32
    known: NDArray[np.bool_]
    kind: NDArray[np.uint8]
    depth: _F32
    guess: _F32 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    image: _F32  # (h, w, 3), 0 in holes
    hole: NDArray[np.bool_]
    kind: NDArray[np.uint8]
    scale: _F32  # log depth
    guess: _F32 | None = None  # (h, w, 3) coarse colours that are expected everywhere


def _halve(level: _Level) -> _Level:
    import cv2

    height, width = level.hole.shape
    size = (max(8, (width + 1) // 2), max(8, (height + 1) // 2))
    seen = (~level.hole).astype(np.float32)
    share = cv2.resize(seen, size, interpolation=cv2.INTER_AREA)
    image = cv2.resize(level.image * seen[..., None], size, interpolation=cv2.INTER_AREA)
    hole = share < 0.5
    image = np.where(hole[..., None], 0, image / np.maximum(share, 1e-6)[..., None]).astype(np.float32)
    kind = cv2.resize(level.kind, size, interpolation=cv2.INTER_NEAREST)
    guess = None if level.guess is None else cv2.resize(level.guess, size, interpolation=cv2.INTER_AREA)
    return _Level(image, hole, kind, cv2.resize(level.scale, size, interpolation=cv2.INTER_NEAREST), guess)


def _finest(
    rgb: _F32, known: NDArray[np.bool_], kind: NDArray[np.uint8], depth: _F32, step: int, guess: _F32 | None
) -> _Level:
    """Cells of step x step pixels; the picture is padded at the right and bottom by repeating its edge."""
    height, width = known.shape
    pad = ((0, -height % step), (0, -width % step))
    seen = np.pad(known, pad, mode="edge").astype(np.float32)
    image = np.pad(rgb, (*pad, (0, 0)), mode="edge") * seen[..., None]
    rows, columns = seen.shape[0] // step, seen.shape[1] // step
    share = seen.reshape(rows, step, columns, step).mean(axis=(1, 3))
    colour = image.reshape(rows, step, columns, step, 3).mean(axis=(1, 3))
    hole = share < 0.5
    colour = np.where(hole[..., None], 0, colour / np.maximum(share, 1e-6)[..., None]).astype(np.float32)
    at = (slice(step // 2, None, step), slice(step // 2, None, step))
    padded_kind, padded_depth = np.pad(kind, pad, mode="edge")[at], np.pad(depth, pad, mode="edge")[at]
    scale = np.log(np.clip(padded_depth, 0.3, 200.0)).astype(np.float32)
    if guess is not None:
        guess = np.pad(guess, (*pad, (0, 0)), mode="edge").reshape(rows, step, columns, step, 3).mean(axis=(1, 3))
    return _Level(colour, hole, padded_kind, np.where(padded_depth > 0, scale, 0).astype(np.float32), guess)


def _offered(level: _Level, radius: int) -> NDArray[np.int32]:
    """Kind that each cell offers as a patch centre; _NONE: it is in no whole patch."""
    import cv2

    size = 2 * radius + 1
    whole = cv2.erode(
        (~level.hole).astype(np.uint8), np.ones((size, size), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    whole[:radius] = whole[-radius:] = 0
    whole[:, :radius] = whole[:, -radius:] = 0
    return np.where(whole > 0, level.kind, _NONE).astype(np.int32)


def _offers(level: _Level, lender: _Level | None, radius: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Kind that each cell offers as a patch centre (_NONE: none) and kind that each cell wants.

    A kind that nowhere fills a whole patch is served by the kind that offers most.
    """
    offered = _beside(_offered(level, radius), None if lender is None else _offered(lender, radius))
    wanted = _beside(level.kind.astype(np.int32), None if lender is None else lender.kind)
    counts = np.bincount(offered[offered != _NONE], minlength=4)[:4]
    if counts.sum() == 0:
        return offered, wanted
    for kind in range(4):
        if counts[kind] < 12:
            wanted[wanted == kind] = int(np.argmax(counts))
    return offered, wanted


def _start(
    offered: NDArray[np.int32], wanted: NDArray[np.int32], targets: NDArray[np.int32], rng: np.random.Generator
) -> NDArray[np.int32]:
    """A random source of the wanted kind for every target, near ones likelier."""
    field = np.full((*wanted.shape, 2), -1, np.int32)
    want = wanted[targets[:, 0], targets[:, 1]]
    for kind in np.unique(want):
        chosen = np.nonzero(want == kind)[0]
        pool = np.argwhere(offered == kind).astype(np.int32)
        if len(pool) == 0:
            continue
        tries = pool[rng.integers(0, len(pool), (4, len(chosen)))]
        distance = np.abs(tries - targets[chosen]).sum(axis=2)
        best = tries[np.argmin(distance, axis=0), np.arange(len(chosen))]
        field[targets[chosen, 0], targets[chosen, 1]] = best
    return field


def _enlarge(
    field: NDArray[np.int32], offered: NDArray[np.int32], wanted: NDArray[np.int32], targets: NDArray[np.int32],
    rng: np.random.Generator, own: tuple[int, int],
) -> NDArray[np.int32]:  # fmt: skip
    """The field of the next finer level; cells whose source is not offered start at random.

    own: columns of the picture itself at the coarse level and at this one; those of a lender follow.
    """
    out = _start(offered, wanted, targets, rng)
    coarse = np.minimum(targets // 2, np.array((field.shape[0], own[0])) - 1)
    source = field[coarse[:, 0], coarse[:, 1]]
    moved = source * 2 + (targets - coarse * 2)
    moved[source[:, 1] >= own[0], 1] += own[1] - 2 * own[0]
    height, width = wanted.shape
    inside = (source[:, 0] >= 0) & (moved[:, 0] < height) & (moved[:, 1] < width)
    moved = np.clip(moved, 0, (height - 1, width - 1))
    want = wanted[targets[:, 0], targets[:, 1]]
    good = inside & (offered[moved[:, 0], moved[:, 1]] == want)
    out[targets[good, 0], targets[good, 1]] = moved[good]
    return out


def _targets(hole: NDArray[np.bool_], radius: int) -> NDArray[np.int32]:
    import cv2

    size = 2 * radius + 1
    return np.argwhere(cv2.dilate(hole.astype(np.uint8), np.ones((size, size), np.uint8)) > 0).astype(np.int32)


def _weights(hole: NDArray[np.bool_]) -> _F32:
    """What is seen counts fully, what was filled less the farther from the seen it lies."""
    import cv2

    distance = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3)
    return np.maximum(0.9**distance, 0.15).astype(np.float32)


def _spread(level: _Level, start_from_guess: bool) -> _F32:
    """First colours of the holes: the seen cells of the same kind, mirrored at the nearest of them.

    A smear of the nearest colour would find flat patches everywhere and stay a smear. Of a guess, which is a smear too,
    only the coarse part is taken, and the fine part from the mirrored cells.
    """
    import cv2

    image = level.image.copy()
    for kind in np.unique(level.kind[level.hole]):
        source = ~level.hole & (level.kind == kind)
        if not source.any():
            source = ~level.hole
        if not source.any():
            continue
        _, label = cv2.distanceTransformWithLabels(
            (~source).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        rows, columns = np.nonzero(source)
        table = np.zeros((int(label.max()) + 1, 2), np.int64)
        table[label[rows, columns]] = np.column_stack([rows, columns])
        fill = np.argwhere(level.hole & (level.kind == kind))
        nearest = table[label[fill[:, 0], fill[:, 1]]]
        mirrored = np.clip(2 * nearest - fill, 0, np.array(source.shape) - 1)
        good = source[mirrored[:, 0], mirrored[:, 1]]
        chosen = np.where(good[:, None], mirrored, nearest)
        image[fill[:, 0], fill[:, 1]] = level.image[chosen[:, 0], chosen[:, 1]]
    if level.guess is not None and start_from_guess:
        coarse = cv2.GaussianBlur(level.guess - image, (0, 0), 1.0)
        image = np.where(level.hole[..., None], np.clip(image + coarse, 0, 1), image).astype(np.float32)
    return image


def _beside(own: NDArray, lent: NDArray | None) -> NDArray:
    """An array of a level and that of the lender to the right of it."""
    return own if lent is None else np.concatenate([own, lent.astype(own.dtype)], axis=1)


def _arrays(level: _Level, image: _F32, lender: _Level | None) -> dict[str, _F32 | None]:
    """What the search compares: image (with the kind as a fourth colour), weight, scale and guess of both pictures."""
    kinds = level.kind * np.float32(_KIND_STEP)
    own = {
        "image": np.dstack([image, kinds]),
        "weight": _weights(level.hole),
        "scale": level.scale,
        "guess": level.guess,
    }
    if lender is None:
        return own
    lent = {
        "image": np.dstack([lender.image, lender.kind * np.float32(_KIND_STEP)]),
        "weight": np.ones_like(lender.scale),
        "scale": lender.scale,
        "guess": lender.guess,
    }
    return {name: None if array is None else _beside(array, lent[name]) for name, array in own.items()}


def _solve(
    levels: list[_Level], lent: list[_Level] | None, settings: TextureSettings, rng: np.random.Generator, device: str
) -> tuple[NDArray[np.int32], _F32]:
    """Field of sources of the finest level and its colours; sources of a lender lie to the right of the picture."""
    field: NDArray[np.int32] | None = None
    image, before = levels[-1].image, 0
    for number, level in enumerate(reversed(levels)):
        lender = None if lent is None else lent[len(levels) - 1 - number]
        radius, own = (2 if number == 0 else 3), level.hole.shape[1]
        offered, wanted = _offers(level, lender, radius)
        targets, holes = _targets(level.hole, radius), np.argwhere(level.hole).astype(np.int32)
        if number == 0 or field is None:
            image = _spread(level, settings.start_from_guess)
            field = _start(offered, wanted, targets, rng)
        else:
            import cv2

            size = (own, level.hole.shape[0])
            image = np.where(
                level.hole[..., None], cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), level.image
            )
            field = _enlarge(field, offered, wanted, targets, rng, (before, own))
        before = own
        served = field[targets[:, 0], targets[:, 1], 0] >= 0
        targets = targets[served]
        if len(targets) == 0 or len(holes) == 0:
            continue
        arrays = {**_arrays(level, image, lender), "offered": offered, "wanted": wanted, "field": field}
        rounds = settings.rounds[min(number, len(settings.rounds) - 1)]
        image, field = _rounds(arrays, targets, holes, rounds, radius, settings, rng, device)
        image = np.ascontiguousarray(image[:, :own])
    assert field is not None
    return field, image


def _usage(field: NDArray[np.int32], targets: NDArray[np.int32], offered: NDArray[np.int32], radius: int) -> _F32:
    """(h, w) how many times more than on average each cell is copied from, 0 where not more."""
    import cv2

    source = field[targets[:, 0], targets[:, 1]]
    count = np.bincount(source[:, 0] * offered.shape[1] + source[:, 1], minlength=offered.size)
    count = cv2.blur(count.reshape(offered.shape).astype(np.float32), (2 * radius + 1, 2 * radius + 1))
    even = np.zeros(_NONE + 1, np.float32)
    kinds = offered[source[:, 0], source[:, 1]]
    for kind in np.unique(kinds):
        even[kind] = (kinds == kind).sum() / max(1, (offered == kind).sum())
    return np.clip(count / np.maximum(even[offered], 1e-6) - 1, 0, 20).astype(np.float32) * (offered != _NONE)


def _rounds(
    arrays: dict, targets: NDArray[np.int32], holes: NDArray[np.int32], rounds: int, radius: int,
    settings: TextureSettings, rng: np.random.Generator, device: str,
) -> tuple[_F32, NDArray[np.int32]]:  # fmt: skip
    even = np.zeros(arrays["offered"].shape, np.float32)
    weight = np.float32(settings.usage_weight)
    for turn in range(rounds):
        for sweep in range(settings.sweeps):
            arrays["usage"] = weight * _usage(arrays["field"], targets, arrays["offered"], radius) if weight else even
            arrays["field"], cost = patch.improve(
                arrays, targets, radius=radius, reach=(2, 4, 8)[sweep % 3], samples=settings.samples,
                scale_weight=settings.scale_weight, near_weight=settings.near_weight, guess_weight=0.0 if arrays["guess"] is None else settings.guess_weight, seam_weight=settings.seam_weight, kind_weight=settings.kind_weight,
                seed=int(rng.integers(1 << 30)), device=device,
            )  # fmt: skip
        # A soft vote first, a sharp one at the end: averaging blurs, the best patch alone makes seams.
        sharpness = 40.0 if turn < rounds - 1 else 150.0
        colours = patch.vote(
            arrays["image"], arrays["field"], cost, holes, radius=radius, sharpness=sharpness, device=device
        )
        arrays["image"] = arrays["image"].copy()
        arrays["image"][holes[:, 0], holes[:, 1], :3] = colours
    return np.ascontiguousarray(arrays["image"][..., :3]), arrays["field"]


def _copy(
    rgb: _F32, known: NDArray[np.bool_], kind: NDArray[np.uint8], field: NDArray[np.int32], coarse: _F32, step: int,
    lender: Lender | None,
) -> _F32:  # fmt: skip
    """Full pixels of the holes along the field, blended over cell borders; coarse colours where nothing can be had."""
    import cv2

    y, x = np.nonzero(~known)
    out = rgb.copy()
    if lender is not None:  # begins where its cells do
        pad = ((0, 0), (0, -known.shape[1] % step))
        rgb = _beside(np.pad(rgb, (*pad, (0, 0))), lender.rgb)
        known, kind = _beside(np.pad(known, pad), lender.known), _beside(np.pad(kind, pad), lender.kind)
    height, width = known.shape
    total = np.zeros((len(y), 3), np.float32)
    norm = np.zeros(len(y), np.float32)
    v, u = (y + 0.5) / step - 0.5, (x + 0.5) / step - 0.5
    v0, u0 = np.floor(v).astype(int), np.floor(u).astype(int)
    for dv in (0, 1):
        for du in (0, 1):
            weight = np.clip(1.5 * (1 - np.abs(v - v0 - dv)) - 0.25, 0, 1) * np.clip(
                1.5 * (1 - np.abs(u - u0 - du)) - 0.25, 0, 1
            )
            row, column = np.clip(v0 + dv, 0, coarse.shape[0] - 1), np.clip(u0 + du, 0, coarse.shape[1] - 1)
            source = field[row, column]
            sy, sx = y + (source[:, 0] - row) * step, x + (source[:, 1] - column) * step
            inside = (source[:, 0] >= 0) & (sy >= 0) & (sy < height) & (sx >= 0) & (sx < width)
            sy, sx = np.clip(sy, 0, height - 1), np.clip(sx, 0, width - 1)
            weight = np.where(inside & known[sy, sx], weight, 0).astype(np.float32)
            weight *= np.where(kind[sy, sx] == kind[y, x], 1.0, 1e-3)
            total += weight[:, None] * rgb[sy, sx]
            norm += weight
    smooth = cv2.resize(coarse, (coarse.shape[1] * step, coarse.shape[0] * step), interpolation=cv2.INTER_LINEAR)
    base = smooth[y, x]
    out[y, x] = np.where((norm > 1e-4)[:, None], total / np.maximum(norm, 1e-6)[:, None], base)
    return out


def fill_texture(  # noqa: PLR0913 - a picture is many arrays
    rgb: _F32,
    known: NDArray[np.bool_],
    kind: NDArray[np.uint8],
    depth: _F32,
    *,
    rng: np.random.Generator,
    device: str = "cpu",
    settings: TextureSettings | None = None,
    guess: _F32 | None = None,
    lender: Lender | None = None,
) -> _F32:
    """Fill the unknown pixels of rgb (H, W, 3) float32 in [0, 1] from known ones of the same kind.

    kind (H, W) uint8 and depth (H, W) float32 [m] are complete (fill.geometry). Deterministic for a given rng.
    guess: (H, W, 3) float32, coarse colours that somebody expects everywhere, known pixels blurred alike: patches are
    then copied from where the guess has about the same colour (guided synthesis, Hertzmann et al. 2001, "Image analogies").
    lender: a picture to copy from as well, with a guess of its own if there is one here (InputError if not): where most of a
    view is missing, what is left of it may not hold a single patch of sky or water.
    """
    settings = TextureSettings() if settings is None else settings
    if lender is not None and (lender.known.shape != known.shape or (lender.guess is None) != (guess is None)):
        raise InputError(
            "A lender is as large as the picture and has a guess where that has one",
            got=f"{lender.known.shape} beside {known.shape}, guesses {lender.guess is not None} and {guess is not None}",
            do="Resize it, and give both a guess or neither",
        )
    if known.all() or not (known.any() or (lender is not None and lender.known.any())):
        return np.where(known[..., None], rgb, np.float32(0.5))
    step = settings.finest or max(1, round(known.shape[0] / 120))
    levels = [_finest(rgb, known, kind, depth, step, guess)]
    while len(levels) < settings.levels and min(levels[-1].hole.shape) > 36:
        levels.append(_halve(levels[-1]))
    lent = None
    if lender is not None:
        lent = [_finest(lender.rgb, lender.known, lender.kind, lender.depth, step, lender.guess)]
        while len(lent) < len(levels):
            lent.append(_halve(lent[-1]))
    field, coarse = _solve(levels, lent, settings, rng, device)
    return _copy(rgb, known, kind, field, coarse, step, lender)

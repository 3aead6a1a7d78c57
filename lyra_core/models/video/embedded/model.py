# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""EmbeddedVideo: our own small trained generator; weights in data/models/video.

Hybrid: reprojected pixels stay at full resolution; the network fills holes at about 128x72, and its fill is enlarged and
feathered. What the network cannot draw at its size comes from a patch fill that the network guides: it copies from where
the picture has the colours that the network expects. Key views first, as in ReprojectVideo.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import ConfigError, ModelError
from lyra_core.models.protocols import ModelProgress, VideoRequest
from lyra_core.models.video.embedded.base import (
    HEIGHT,
    WIDTH,
    classical_base,
    decode_depth,
    encode_depth,
    working_guide,
)
from lyra_core.models.video.embedded.hybrid import (
    detail_of,
    enlarge,
    even_relief,
    hole_box,
    rim_correction,
    rim_samples,
)
from lyra_core.models.video.embedded.weights import WEIGHTS_FILE, default_folder, read_config, read_network
from lyra_core.models.video.fill.clean import trusted
from lyra_core.models.video.fill.geometry import Completed, complete_geometry, snapped_geometry
from lyra_core.models.video.fill.texture import Lender, TextureSettings, fill_texture
from lyra_core.models.video.reproject import key_views
from lyra_core.types import Camera, Frame, Guide

if TYPE_CHECKING:
    from lyra_core.models.video.embedded.network import FillNetwork
    from lyra_core.models.video.embedded.tensors import Past

__all__ = ["EmbeddedVideo", "lender_of", "working_size"]

_CELL = 8  # the network's pictures have sides that are multiples of this
_EVEN = 1.5  # [px of the network] by which its relief is blurred: its patches are 4 wide
_COARSE = 6.0  # [px of the network] what is coarser than this comes from the network, the rest from patches
_GUIDED = TextureSettings(
    guess_weight=0.25, usage_weight=0.001, seam_weight=0.001, kind_weight=0.02, start_from_guess=False
)
# What is coarser than patches comes from the network: small holes need no coarse levels of the search.
_QUICK = replace(_GUIDED, levels=2, rounds=(2, 1))
_SMALL = 0.1  # a view with a smaller share of holes gets patches with less search, from its own pixels alone
_GEOMETRIES = ("snapped", "planes", "network")
_CRUMBS = 0.003  # and one with a smaller share than this the classical fill alone: nobody would see the difference


def working_size(camera: Camera) -> tuple[int, int]:
    """(width, height) that the network works at: about 128 x 72 pixels of the camera's aspect, multiples of 8."""
    aspect = camera.width / camera.height
    height = max(2, round((WIDTH * HEIGHT / aspect) ** 0.5 / _CELL))
    width = max(2, round(aspect * (WIDTH * HEIGHT / aspect) ** 0.5 / _CELL))
    return _CELL * width, _CELL * height


class EmbeddedVideo:
    """Trained video model of the repository; CPU, deterministic. Any number of frames.

    Parameters
    ----------
    folder: where the weights lie; None: those that ship with the checkout.
    steps: steps of the flow. 1 is the mean of what may be there; more draw one of the possibilities.
    grain: share of the fine part of the fill that comes from guided patches instead of the network; 0 leaves the patch
        fill out, which is faster and as smooth as the network.
    geometry: where the depth of holes comes from: the "network", nearest to the truth on average and wavy; "planes"
        continued from the rim; "snapped", the network's drawn onto the floor and walls where it is near them, which a
        robot can drive on.

    Raises
    ------
    ModelError: no usable weights. ConfigError: an option out of range.
    """

    name = "embedded"
    provides_depth = True

    def __init__(
        self, folder: str | Path | None = None, *, steps: int = 1, grain: float = 1.0, geometry: str = "snapped"
    ) -> None:
        if not 1 <= steps <= 16 or not 0 <= grain <= 1 or geometry not in _GEOMETRIES:
            raise ConfigError(
                "Options of the embedded video model are out of range",
                got=f"steps {steps}, grain {grain:g}, geometry {geometry}",
                do="Use 1 to 16 steps, grain 0 to 1, geometry snapped, planes or network",
            )
        self._folder = Path(folder) if folder is not None else default_folder()
        self._steps, self._grain, self._geometry = steps, grain, geometry
        read_config(self._folder)  # refuse before anything is written

    @cached_property
    def _network(self) -> FillNetwork:
        return read_network(self._folder)

    def record(self) -> dict[str, Any]:
        """What the manifest keeps: options and the digest of the weights."""
        import hashlib

        digest = hashlib.sha256((self._folder / WEIGHTS_FILE).read_bytes()).hexdigest()
        return {
            "video_weights_sha256": digest,
            "video_steps": self._steps,
            "video_grain": self._grain,
            "video_geometry": self._geometry,
        }

    def check_frames(self, total: int) -> None:
        """Any count from 1 is fine; ModelError below."""
        if total < 1:
            raise ModelError("A video needs at least one frame", got=str(total), do="Ask for 1 frame or more")

    def generate(self, request: VideoRequest) -> Iterator[Frame | ModelProgress]:
        """Yield the frames of the request, key views first; see VideoModel.generate."""
        from lyra_core.models.video.embedded.tensors import past_of

        count = len(request.cameras)
        self.check_frames(count)
        seed = int(request.rng.integers(1 << 62))  # one draw a chunk: the order of the views does not matter
        small = request.cameras.resized(*working_size(request.cameras[0]))
        pasts: list[Past] = [past_of(*_seen(frame)) for frame in request.history[-4:]]
        photo = request.past(0) if request.past is not None else next(iter(request.history), None)
        size = request.cameras.height, request.cameras.width
        lender = None  # a photo of another size has nothing to lend
        if self._grain > 0 and photo is not None and photo.sky.shape == size:
            lender = lender_of(photo)
        made: set[int] = set()

        def order() -> Iterator[int]:
            yield from key_views(count, lambda p: 1.0 - float(request.memory.guide(small[p]).known.mean()))
            yield from range(count)

        for position in order():
            if position in made:
                continue
            index = request.first_index + position
            rng = np.random.default_rng([seed, index])
            guide = request.memory.guide(request.cameras[position])
            frame = self.complete(
                guide, index, rng, pasts=_nearest(pasts, guide.camera), lender=lender, device=request.device
            )
            if frame.owned.mean() > 0.05:
                pasts.append(past_of(*_seen(frame)))
            yield frame
            made.add(position)
            yield ModelProgress("frames", len(made), count)

    def complete(
        self,
        guide: Guide,
        index: int,
        rng: np.random.Generator,
        *,
        pasts: tuple[Past, ...] = (),
        lender: Lender | None = None,
        device: str = "cpu",
    ) -> Frame:
        """Frame of a guide's view: known pixels kept, the others invented (and owned).

        pasts: small past frames that the network sees. lender: a frame that patches may be copied from, see `lender_of`.
        """
        known = trusted(guide) & (guide.sky | (guide.depth > 0))
        if known.all():
            depth = np.where(guide.sky, 0, guide.depth).astype(np.float32)
            return Frame(index, np.clip(guide.rgb, 0, 1), depth, guide.sky, guide.camera, np.zeros(known.shape, bool))
        crumbs = float((~known).mean()) < _CRUMBS
        small, scale = _classical(guide, known) if crumbs else self._fill(guide, known, rng, pasts)
        cell = guide.camera.width / small.shape[1]
        colours, depth, sky = _whole_view(guide, known, small, scale, cell)
        if not crumbs and (self._grain > 0 or self._geometry != "network"):
            surfaces = (
                complete_geometry(guide, known)
                if self._geometry == "planes"
                else snapped_geometry(guide, known, depth, sky)
            )
            if self._grain > 0:
                own = detail_of(colours, _COARSE * cell)
                patches = _patches(known, colours, own, surfaces, cell, rng, lender, device)
                colours = np.where(known[..., None], colours, colours + np.float32(self._grain) * (patches - own))
            if self._geometry != "network":
                depth, sky = surfaces.depth, surfaces.sky
        return Frame(index, np.clip(colours, 0, 1, out=colours), depth, sky, guide.camera, ~known)

    def _fill(
        self, guide: Guide, known: NDArray[np.bool_], rng: np.random.Generator, pasts: tuple[Past, ...]
    ) -> tuple[NDArray[np.float32], float]:
        """Whole view at the network's size, (h, w, 4) rgb in [0, 1] and encoded depth, and the scale of that [m]."""
        import torch

        from lyra_core.models.video.embedded.flow import expected, sample
        from lyra_core.models.video.embedded.tensors import stack_inputs, view_arrays

        view = working_guide(guide, known, working_size(guide.camera))
        inputs = stack_inputs([view_arrays(view, pasts)])
        noise = torch.from_numpy(rng.standard_normal(inputs.base.shape, dtype=np.float32))
        network, steps = self._network, self._steps
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # same bytes on any machine, and no slower for so small a network
        try:
            with torch.inference_mode():
                made = expected(network, inputs) if steps == 1 else sample(network, inputs, steps, noise)
        finally:
            torch.set_num_threads(threads)
        made, base = (np.ascontiguousarray(x[0].numpy().transpose(1, 2, 0)) for x in (made, inputs.base))
        made[..., 3] = even_relief(made[..., 3], base[..., 3], view.known, _EVEN)
        made[..., :3] = made[..., :3] * np.float32(0.5) + np.float32(0.5)
        return made, view.scale


def _classical(guide: Guide, known: NDArray[np.bool_]) -> tuple[NDArray[np.float32], float]:
    """What `EmbeddedVideo._fill` gives, of the fill that the network starts from."""
    view = working_guide(guide, known, working_size(guide.camera))
    rgb, code = classical_base(view)
    return np.dstack([rgb, code]), view.scale


def _patches(
    known: NDArray[np.bool_],
    colours: NDArray[np.float32],
    detail: NDArray[np.float32],
    surfaces: Completed,
    cell: float,
    rng: np.random.Generator,
    lender: Lender | None,
    device: str,
) -> NDArray[np.float32]:
    """(H, W, 3) what is fine in a patch fill that expects what the network made of the whole view, colours (H, W, 3).

    Only what is fine is compared and copied (detail (H, W, 3) of the view): water in the shade serves for water in the sun,
    and no seam shows where two pieces differ in brightness.
    """
    small = (~known).mean() < _SMALL
    fill = fill_texture(
        _as_picture(detail),
        known,
        surfaces.kind,
        surfaces.depth,
        rng=rng,
        device=device,
        settings=_QUICK if small else _GUIDED,
        guess=_coarse(colours, cell),
        lender=None if small else lender,
    )
    return fill - np.float32(0.5)


def _as_picture(detail: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(detail + np.float32(0.5), 0, 1)


def _coarse(colours: NDArray[np.float32], cell: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(np.clip(colours, 0, 1), (0, 0), cell), np.float32)


def lender_of(frame: Frame) -> Lender:
    """What is fine in a finished frame, to copy from: the photo holds more of the place than what a view beside it shows."""
    known = frame.sky | (frame.depth > 0)
    height, width = known.shape
    nowhere = np.full((height, width, 2), np.nan, np.float32)
    guide = Guide(frame.rgb, frame.depth, known, frame.sky, np.zeros(known.shape, np.int32), nowhere, frame.camera)
    surfaces = complete_geometry(guide, known)
    cell = width / working_size(frame.camera)[0]
    detail = _as_picture(detail_of(np.asarray(frame.rgb), _COARSE * cell))
    return Lender(detail, known, surfaces.kind, surfaces.depth, _coarse(frame.rgb, cell))


def _whole_view(
    guide: Guide, known: NDArray[np.bool_], small: NDArray[np.float32], scale: float, cell: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Colours, depth [m] and sky at full size: the guide's, and in holes the fill (h, w, 4), bent to join at their rims."""
    box, part = hole_box(known, small.shape[:2], cell)
    given, (height, width) = known[box], known[box].shape
    big = enlarge(np.ascontiguousarray(small[part]), (width, height))
    colours, depth, sky = np.array(guide.rgb, np.float32), np.array(guide.depth, np.float32), np.array(guide.sky)
    at = rim_samples(cell)
    far = np.where(sky[box][at, at], np.inf, depth[box][at, at]).astype(np.float32)
    seen = np.dstack([colours[box][at, at], encode_depth(far, scale)])
    hole = ~given
    _, sky[box][hole] = decode_depth(big[..., 3][hole], scale)  # before it is bent: a rim must not make sky
    # In place: a picture of four floats a pixel more would cost as much in fresh pages as in arithmetic.
    joined = np.asarray(cv2.add(big, rim_correction(seen - big[at, at], given, cell), dst=big), np.float32)
    depth[box][hole], _ = decode_depth(joined[..., 3][hole], scale)
    depth[sky] = 0
    fill = np.asarray(cv2.cvtColor(joined, cv2.COLOR_BGRA2BGR), np.float32)
    cv2.copyTo(fill, hole.astype(np.uint8), colours[box])
    return colours, depth, sky


def _seen(frame: Frame) -> tuple[NDArray[np.float32], NDArray[np.float32], Camera]:
    return np.asarray(frame.rgb), np.where(frame.sky, np.inf, frame.depth).astype(np.float32), frame.camera


def _nearest(pasts: list[Past], camera: Camera) -> tuple[Past, ...]:
    """The two past frames whose cameras are nearest in place and direction, the nearest last."""

    def distance(past: Past) -> float:
        turn = 1.0 - float(past.camera.forward @ camera.forward)
        return float(np.linalg.norm(past.camera.center - camera.center)) + 4.0 * turn

    return tuple(sorted(pasts, key=distance, reverse=True)[-2:])

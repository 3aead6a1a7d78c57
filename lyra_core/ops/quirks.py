# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Habits of Lyra 2.0 that change its results, one switch each.

compat="default" has all of them off: that is what is right. compat="reference" has all of them on, and gives the
numbers of the reference. A Quirks value has some on: Quirks.parse("reference,-phantom_points").
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

from lyra_core.errors import InputError, did_you_mean

__all__ = ["Compat", "Quirks", "quirks_of"]


@dataclass(frozen=True, slots=True)
class Quirks:
    """What the reference does, switch by switch; off is the product's way.

    Attributes
    ----------
    integer_pixels: warp and retrieval put pixel centres at integers, and multiply their matrices one after the other
        in float32. Off: centres at +0.5, as the camera rays have them.
    integers_count_four_times: a point that lands exactly on a pixel is added to it once for each of the four corners
        that meet there. Off: once.
    batch_depth_weight: the depth weight's largest depth is taken over the 16 targets that are warped together and over
        all pixels (those that are not drawn count as phantoms, NaN as 1e4), so that a target depends on its
        neighbours. Off: over the drawn pixels of this target.
    any_weight_covers: any weight above 0 covers a pixel. Off: it takes a tenth of a pixel.
    padded_mean: the reliability mask divides by 25 at the picture's border, where fewer pixels are.
        Off: by the number of pixels there.
    phantom_points: samples without depth become points at the world's origin, which retrieval sees and which count
        among the depths of batch_depth_weight. Off: they are nothing.
    absolute_tolerance: retrieval compares depths to 0.1 scene units. Off: to 3 % of the depth.
    newest_covers: retrieval leaves the newest frame out and takes its cells as seen. Off: it is a frame like others.
    all_frames_scale: the correspondence's depth is scaled by its range over all 80 frames of the chunk, three quarters
        of which nothing else reads. Off: over the frames that are used.
    global_renoise: the distilled sampler's fresh noise comes from torch's global generator. Off: from the chunk's seed.
    every_eighth: the pipeline offers every eighth frame for retrieval. Off: the frames that its memory finds.
    counted_seeds: chunk c starts from noise of seed + c. Off: from the run's own generator.
    """

    integer_pixels: bool = False
    integers_count_four_times: bool = False
    batch_depth_weight: bool = False
    any_weight_covers: bool = False
    padded_mean: bool = False
    phantom_points: bool = False
    absolute_tolerance: bool = False
    newest_covers: bool = False
    all_frames_scale: bool = False
    global_renoise: bool = False
    every_eighth: bool = False
    counted_seeds: bool = False

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """All switches."""
        return tuple(field.name for field in fields(cls))

    @classmethod
    def reference(cls) -> Quirks:
        """All on."""
        return cls(**dict.fromkeys(cls.names(), True))

    @classmethod
    def parse(cls, text: str) -> Quirks:
        """Read "default", "reference", or a list such as "reference,-phantom_points" or "every_eighth,newest_covers".

        A name switches on, -name off, from left to right. InputError for a name that is none.
        """
        found = cls()
        for word in (part.strip() for part in text.split(",")):
            name, on = word.removeprefix("-"), not word.startswith("-")
            if name in ("default", "reference") and on:
                found = cls.reference() if name == "reference" else cls()
            elif name in cls.names():
                found = replace(found, **{name: on})
            else:
                raise InputError("compat is default, reference, or switches of the reference's habits", got=word,
                                 do=did_you_mean(name, ["default", "reference", *cls.names()]))  # fmt: skip
        return found


Compat = Literal["default", "reference"] | Quirks


def quirks_of(compat: Compat) -> Quirks:
    """The switches that a mode stands for."""
    if isinstance(compat, Quirks):
        return compat
    return Quirks.reference() if compat == "reference" else Quirks()

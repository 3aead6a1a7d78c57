# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The error tree. Every message says what is wrong, what was got, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "Cancelled",
    "ConfigError",
    "InputError",
    "LyraError",
    "MissingDependencyError",
    "ModelError",
    "PathError",
    "SimulationError",
    "WorldError",
    "did_you_mean",
]


class LyraError(Exception):
    """Base of all errors that a user can act on.

    Parameters
    ----------
    what: the rule that was broken, in the user's words.
    got: the offending value, shortened if long.
    do: the next step.
    """

    exit_code = 2

    def __init__(self, what: str, *, got: str = "", do: str = "") -> None:
        self.what = what
        self.got = got
        self.do = do
        parts = [what.rstrip(".") + "."]
        if got:
            parts.append(f"Got: {got.rstrip('.')}.")
        if do:
            parts.append(do.rstrip(".") + ".")
        super().__init__(" ".join(parts))


class InputError(LyraError):
    """A file or value given by the user cannot be used."""


class PathError(InputError):
    """A camera path cannot be used."""


class ConfigError(InputError):
    """An unknown or inconsistent setting."""


class ModelError(LyraError):
    """A model is unknown, lacks weights, or cannot make what was asked."""


class MissingDependencyError(LyraError):
    """An optional package is needed for this step."""


class WorldError(LyraError):
    """A world folder cannot be read or written."""


class SimulationError(LyraError):
    """A physics engine could not load or run the world."""


class Cancelled(LyraError):
    """The user stopped the run; finished chunks are kept."""

    exit_code = 130


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return advice that lists the known names, the nearest first if one is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    listing = ", ".join(names)
    return f"Did you mean '{near[0]}'? Known: {listing}" if near else f"Known: {listing}"

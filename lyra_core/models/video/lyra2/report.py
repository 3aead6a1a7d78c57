# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Do these weights fit this network: a strict check that says in words what does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

from lyra_core.errors import ModelError

__all__ = ["check_state"]

_SHOWN = 4


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def check_state(state: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], what: str) -> None:
    """Raise ModelError unless state has exactly these names and shapes; what names the network, in the user's words."""
    missing, extra = set(shapes) - set(state), set(state) - set(shapes)
    wrong = [
        f"{name} {tuple(state[name].shape)} instead of {shape}"
        for name, shape in sorted(shapes.items())
        if name in state and tuple(state[name].shape) != tuple(shape)
    ]
    if not (missing or extra or wrong):
        return
    parts = []
    if missing:
        parts.append(f"{len(missing)} of {len(shapes)} missing ({_some(missing)})")
    if extra:
        parts.append(f"{len(extra)} unknown ({_some(extra)})")
    if wrong:
        parts.append(f"{len(wrong)} of another size ({_some(wrong)})")
    raise ModelError(
        f"The weights do not fit {what}",
        got="; ".join(parts),
        do="Check that the file is the one for this model, whole, and that the configuration has its sizes",
    )

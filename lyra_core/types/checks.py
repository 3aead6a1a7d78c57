# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Array checks shared by the value types."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError

__all__ = ["frozen_array"]


def frozen_array(value: Any, shape: tuple[int | None, ...], dtype: Any, name: str) -> NDArray[Any]:
    """Return value as a read-only array of this dtype; None in shape matches any length.

    A writable input is never made read-only behind its owner's back: a view is returned.
    """
    array = np.asarray(value, dtype=dtype)
    matches = array.ndim == len(shape) and all(
        want is None or have == want for have, want in zip(array.shape, shape, strict=True)
    )
    if not matches:
        wanted = "(" + ", ".join("N" if s is None else str(s) for s in shape) + ")"
        raise InputError(
            f"{name} must have shape {wanted}",
            got=f"shape {array.shape}",
            do="Reshape or transpose it; the docstring of the type gives the order",
        )
    view = array.view()
    view.setflags(write=False)
    return view

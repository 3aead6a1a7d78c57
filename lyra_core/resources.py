# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Where the files that ship with the code lie: `config/` and `data/`, in a checkout or installed."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from lyra_core.errors import MissingDependencyError

__all__ = ["shipped"]

_CHECKOUT = Path(__file__).resolve().parents[1]
# pyproject's data-files put the two folders here when the package is installed without -e.
_INSTALLED = Path(sysconfig.get_path("data")) / "share" / "lyra-worldgen"


def shipped(*parts: str) -> Path:
    """Path of a shipped file or folder, `shipped("config", "robots")`; its existence is not checked.

    Raises
    ------
    MissingDependencyError
        Neither the checkout nor the installation holds `config/`.
    """
    for root in (_CHECKOUT, _INSTALLED):
        if (root / "config" / "quick.yaml").is_file():
            return root.joinpath(*parts)
    raise MissingDependencyError(
        "The folders config/ and data/ of lyra.worldgen are missing",
        got=f"neither {_CHECKOUT} nor {_INSTALLED} holds them",
        do="Install again from the repository: pip install -e .",
    )

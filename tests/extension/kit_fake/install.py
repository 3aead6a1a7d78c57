# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Puts the fake modules into sys.modules and takes them out again."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tests.extension.kit_fake.isaac import isaac_modules
from tests.extension.kit_fake.shell import shell_modules
from tests.extension.kit_fake.state import FakeKit
from tests.extension.kit_fake.usd import usd_modules

__all__ = ["FakeKit", "installed", "modules"]


def modules(kit: FakeKit) -> dict[str, dict[str, object]]:
    """Names of every fake module to their public contents."""
    return {**shell_modules(kit), **usd_modules(kit), **isaac_modules(kit)}


@contextlib.contextmanager
def installed(extension_folder: Path) -> Iterator[FakeKit]:
    """The fake Kit, importable inside the block and gone after it, with all that was imported over it."""
    kit = FakeKit(extension_folder=extension_folder)
    table = modules(kit)
    before = dict(sys.modules)
    created: list[tuple[ModuleType, str]] = []
    for name in sorted(table, key=lambda word: word.count(".")):
        _place(name, table[name], created)
    try:
        yield kit
    finally:
        for parent, attribute in reversed(created):
            if hasattr(parent, attribute):
                delattr(parent, attribute)
        for name in list(sys.modules):
            shell = name.split(".")[0] in {"carb", "isaacsim"} or name.startswith(("omni.kit", "omni.ext", "omni.usd"))
            if (shell or name == "omni.timeline" or name.startswith("lyra.worldgen.")) and name not in before:
                del sys.modules[name]


def _place(name: str, contents: dict[str, object], created: list[tuple[ModuleType, str]]) -> None:
    """One module under its name, with the packages above it."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        full = ".".join(parts[:depth])
        if full not in sys.modules:
            made = ModuleType(full)
            made.__path__ = []  # type: ignore[attr-defined]
            sys.modules[full] = made
            if depth > 1:
                parent = sys.modules[".".join(parts[: depth - 1])]
                setattr(parent, parts[depth - 1], made)
                created.append((parent, parts[depth - 1]))
    for key, value in contents.items():
        setattr(sys.modules[name], key, value)

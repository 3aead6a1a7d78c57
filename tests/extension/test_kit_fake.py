# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The stand-in for Kit may not drift from what was recorded, and the extension may use nothing else."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from pathlib import Path

import pytest

from tests.extension.kit_fake import FakeKit, installed, modules

_HERE = Path(__file__).parent
_EXTENSION = _HERE.parents[1] / "exts" / "lyra.worldgen"
_RECORDED = json.loads((_HERE / "kit_signatures.json").read_text())
_SHELL = ("carb", "isaacsim", "omni.ext", "omni.kit", "omni.usd", "omni.timeline")


def _parameters(call) -> list[str]:
    found, starred = [], False
    for parameter in inspect.signature(call).parameters.values():
        if parameter.name in {"self", "cls"}:
            continue
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            found.append("*")
            starred = True
        mark = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        found.append(mark + parameter.name)
    return found


def _contents(kit: FakeKit) -> dict[str, object]:
    """Every callable of the fake by its full name, methods included."""
    found: dict[str, object] = {}
    for module, table in modules(kit).items():
        for name, value in table.items():
            found[f"{module}.{name}"] = value
            if inspect.isclass(value):
                for method, member in vars(value).items():
                    if not method.startswith("_") and callable(getattr(value, method)) and not inspect.isclass(member):
                        found[f"{module}.{name}.{method}"] = getattr(value, method)
    return found


def test_every_recorded_signature_is_the_signature_of_the_fake():
    contents = _contents(FakeKit(_EXTENSION))
    wrong = {
        name: (_parameters(contents[name]) if name in contents else "missing", expected)
        for name, expected in _RECORDED["signatures"].items()
        if name not in contents or _parameters(contents[name]) != expected
    }
    assert not wrong


def test_the_fake_offers_nothing_that_is_not_recorded():
    known = set(_RECORDED["signatures"]) | set(_RECORDED["names"])
    owners = {name.rsplit(".", 1)[0] for name in known}
    extra = [
        name
        for name in _contents(FakeKit(_EXTENSION))
        if name not in known | owners and not name.endswith("Event.name")
    ]
    assert not extra


def test_unknown_names_and_wrong_arguments_fail():
    with installed(_EXTENSION):
        import carb.settings
        import omni.kit.commands

        with pytest.raises(AttributeError):
            omni.kit.commands.execute_now  # noqa: B018
        with pytest.raises(TypeError):
            carb.settings.get_settings().get("/a", "default")
        with pytest.raises(ImportError):
            import isaacsim.core.api  # noqa: F401
    assert "carb" not in sys.modules
    assert not any(name.startswith("isaacsim") for name in sys.modules)


def _shell_names(path: Path) -> set[str]:
    """Dotted names under the Kit shell that a source file imports or reads."""
    tree = ast.parse(path.read_text())
    aliases: dict[str, str] = {}
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                aliases[name.asname or name.name.split(".")[0]] = name.name if name.asname else name.name.split(".")[0]
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                aliases[name.asname or name.name] = f"{node.module}.{name.name}"
                used.add(f"{node.module}.{name.name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            parts = [node.attr]
            value = node.value
            while isinstance(value, ast.Attribute):
                parts.append(value.attr)
                value = value.value
            if isinstance(value, ast.Name) and value.id in aliases:
                used.add(".".join([aliases[value.id], *reversed(parts)]))
    return {name for name in used if name.startswith(_SHELL)}


def test_the_extension_uses_only_recorded_names_of_the_kit_shell():
    known = set(_RECORDED["signatures"]) | set(_RECORDED["names"])
    prefixes = {".".join(name.split(".")[:depth]) for name in known for depth in range(1, name.count(".") + 2)}
    wrong: dict[str, list[str]] = {}
    for source in sorted((_EXTENSION / "lyra" / "worldgen").rglob("*.py")):
        names = {n for n in _shell_names(source) if not any(n.startswith(p + ".") for p in _RECORDED["names"])}
        unknown = sorted(names - prefixes)
        if unknown:
            wrong[source.name] = unknown
    assert not wrong

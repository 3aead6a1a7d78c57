# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The files that ship with the code are found, in a checkout and installed."""

from pathlib import Path

import pytest

from lyra_core import resources
from lyra_core.errors import MissingDependencyError


def test_a_checkout_offers_its_own_folders():
    assert resources.shipped("config", "quick.yaml").read_text().startswith("# SPDX")


def test_an_installation_without_a_checkout_uses_the_shared_folder(tmp_path: Path, monkeypatch):
    installed = tmp_path / "share"
    (installed / "config").mkdir(parents=True)
    (installed / "config" / "quick.yaml").write_text("{}")
    monkeypatch.setattr(resources, "_CHECKOUT", tmp_path / "nowhere")
    monkeypatch.setattr(resources, "_INSTALLED", installed)
    assert resources.shipped("data", "photos") == installed / "data" / "photos"


def test_missing_folders_are_named(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(resources, "_CHECKOUT", tmp_path / "a")
    monkeypatch.setattr(resources, "_INSTALLED", tmp_path / "b")
    with pytest.raises(MissingDependencyError, match="pip install"):
        resources.shipped("config")

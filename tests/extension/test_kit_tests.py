# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The tests that are meant for Kit's own runner, as far as the strict stand-in carries them. This is not a run in Kit."""

from __future__ import annotations

import importlib
import unittest
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("pxr")
from tests.conftest import ROOT
from tests.extension.kit_fake import advance, installed

EXTENSION = ROOT / "exts" / "lyra.worldgen"


@pytest.mark.parametrize(
    ("module", "case", "count"), [("test_world_import", "TestWorldImport", 3), ("test_robot", "TestRobot", 2)]
)
def test_the_tests_for_kit_pass_on_the_stand_in(module, case, count):
    with installed(EXTENSION) as kit:
        kit.on_update.append(lambda: advance(kit))
        tests = importlib.import_module(f"lyra.worldgen.tests.{module}")
        suite = unittest.defaultTestLoader.loadTestsFromTestCase(getattr(tests, case))
        assert suite.countTestCases() == count
        outcome = unittest.TestResult()
        # In a thread of its own: browser tests of the same process leave an event loop running in the main thread.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(suite.run, outcome).result()
        assert outcome.wasSuccessful(), [text for _, text in (*outcome.failures, *outcome.errors)]
        assert kit.left_behind() == {}

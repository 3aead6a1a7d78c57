# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Tests for Kit's own runner (omni.kit.test). Written from the documented API and **not run yet**: no Isaac Sim was at hand.

What can run without Kit runs in tests/extension of the repository; there test_world_import and test_robot run on a strict
stand-in for Kit, which shows that their names and arguments are those recorded, and nothing about Kit itself.
"""

from __future__ import annotations

scan_for_test_modules = True

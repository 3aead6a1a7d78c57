# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A strict stand-in for the Kit shell around the extension: what is not recorded in kit_signatures.json does not exist.

Real are omni.ui (package ovui), pxr and everything of ours. Fake are the modules below; each has exactly the names and
parameters that facts about Isaac Sim 6.x record, so a wrong name or argument fails here as it would there. Import omni.ui
before install(): the real one looks for Kit and would believe that it is in it.
"""

from __future__ import annotations

from tests.extension.kit_fake.install import FakeKit, installed, modules
from tests.extension.kit_fake.motion import advance

__all__ = ["FakeKit", "advance", "installed", "modules"]

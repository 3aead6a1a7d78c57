# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""In Kit: a world comes into the stage and out again by undo, and the path sketch is never saved. Not run yet."""

from __future__ import annotations

import tempfile
from pathlib import Path

import omni.kit.commands
import omni.kit.test
import omni.kit.undo
import omni.usd
from pxr import Usd, UsdGeom

from lyra.worldgen import stage
from lyra.worldgen.path_editor import PathSketch

__all__ = ["TestWorldImport"]


def _tiny_world(folder: Path) -> Path:
    """A world folder as small as the import takes it: one floor, the appearance variants."""
    made = Usd.Stage.CreateNew(str(folder / "world.usda"))
    UsdGeom.SetStageUpAxis(made, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(made, 1.0)
    root = UsdGeom.Xform.Define(made, "/World").GetPrim()
    made.SetDefaultPrim(root)
    for name in ("splat", "mesh", "both"):
        root.GetVariantSets().AddVariantSet("appearance").AddVariant(name)
    made.Save()
    return folder


class TestWorldImport(omni.kit.test.AsyncTestCase):
    """The import command on Kit's own undo stack, and our sketch in Kit's session layer."""

    async def setUp(self) -> None:
        """A new stage and a small world."""
        self._folder = tempfile.TemporaryDirectory(prefix="lyra-kit-test-")
        self._world = _tiny_world(Path(self._folder.name))
        await omni.usd.get_context().new_stage_async()
        stage.register()

    async def tearDown(self) -> None:
        """Take everything back."""
        stage.unregister()
        self._folder.cleanup()

    async def test_undo_takes_the_world_out_and_redo_brings_it_back(self) -> None:
        """One command, one step of undo."""
        current = omni.usd.get_context().get_stage()
        before = current.GetRootLayer().ExportToString()
        done, prim = omni.kit.commands.execute("LyraImportWorld", folder=str(self._world), appearance="mesh")
        self.assertTrue(done)
        self.assertTrue(current.GetPrimAtPath(prim).IsValid())
        omni.kit.undo.undo()
        self.assertEqual(current.GetRootLayer().ExportToString(), before)
        omni.kit.undo.redo()
        self.assertTrue(current.GetPrimAtPath(prim).IsValid())

    async def test_a_missing_world_is_reported_and_leaves_the_stage_alone(self) -> None:
        """The panel gets a problem, not an exception."""
        events: list[object] = []
        before = omni.usd.get_context().get_stage().GetRootLayer().ExportToString()
        stage.import_world(str(self._world / "none"), False, "mesh", events.append)
        self.assertEqual(len(events), 1)
        self.assertEqual(omni.usd.get_context().get_stage().GetRootLayer().ExportToString(), before)

    async def test_the_sketch_stands_in_the_session_layer_alone(self) -> None:
        """Keyframes and the moving camera are drawn, and gone after close."""
        current = omni.usd.get_context().get_stage()
        before = current.GetRootLayer().ExportToString()
        pose = ((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, -1.0, 0.0, 1.5), (0.0, 0.0, 0.0, 1.0))
        sketch = PathSketch(current)
        sketch.show([pose])
        sketch.follow([pose, pose], curve=False)
        self.assertEqual(len(sketch.read()), 1)
        self.assertEqual(current.GetRootLayer().ExportToString(), before)
        sketch.close()
        self.assertFalse(current.GetPrimAtPath("/LyraPath").IsValid())

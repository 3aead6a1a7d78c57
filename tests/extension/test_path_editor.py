# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The path sketch on a real stage: poses survive units and up axis, edits are read back, nothing is saved."""

from __future__ import annotations

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom

from lyra.worldgen.path_editor import CAMERA, CURVE, ROOT, PathSketch, view_of_camera


def _stage(up: str = "Z", metres_per_unit: float = 1.0) -> Usd.Stage:
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, up)
    UsdGeom.SetStageMetersPerUnit(stage, metres_per_unit)
    return stage


def _looking_along_y(height: float = 1.5, x: float = 0.0) -> tuple[tuple[float, ...], ...]:
    """A level OpenCV camera: right = +x, down = -z, forward = +y."""
    return ((1.0, 0.0, 0.0, x), (0.0, 0.0, 1.0, 0.0), (0.0, -1.0, 0.0, height), (0.0, 0.0, 0.0, 1.0))


@pytest.mark.parametrize(("up", "unit"), [("Z", 1.0), ("Z", 0.01), ("Y", 0.01), ("Y", 1.0)])
def test_keyframes_come_back_as_they_were_in_every_unit_and_up_axis(up, unit):
    sketch = PathSketch(_stage(up, unit))
    views = (_looking_along_y(), _looking_along_y(1.2, 0.7))
    sketch.show(views)
    np.testing.assert_allclose(sketch.read(), views, atol=1e-6)  # [m]; float points of the curve are not read


def test_a_usd_camera_looking_north_is_an_opencv_camera_looking_north():
    stage = _stage("Y", 0.01)
    camera = UsdGeom.Camera.Define(stage, "/Cam")  # USD: looks along -z, which is forward in a Y-up stage
    UsdGeom.XformCommonAPI(camera).SetTranslate((0, 150, 0))  # 150 cm up
    view = np.array(view_of_camera(stage, "/Cam"))
    np.testing.assert_allclose(view[:3, 3], (0, 0, 1.5), atol=1e-9)
    np.testing.assert_allclose(view[:3, 2], (0, 1, 0), atol=1e-9)  # Y-up's -z is Z-up's +y
    np.testing.assert_allclose(view[:3, 1], (0, 0, -1), atol=1e-9)


def test_a_moved_keyframe_and_a_moved_curve_point_are_both_read_back():
    stage = _stage()
    sketch = PathSketch(stage)
    sketch.show([_looking_along_y(x=float(k)) for k in range(4)])
    with Usd.EditContext(stage, sketch.layer):
        moved = UsdGeom.Xformable(stage.GetPrimAtPath(ROOT.AppendChild("View_001")))
        matrix = moved.GetLocalTransformation()
        moved.MakeMatrixXform().Set(matrix.SetTranslateOnly(Gf.Vec3d(1, 2, 1.5)))
        points = UsdGeom.BasisCurves.Get(stage, CURVE).GetPointsAttr()
        values = points.Get()
        values[2] = Gf.Vec3f(2, -1, 1)
        points.Set(values)
    positions = np.array(sketch.read())[:, :3, 3]
    np.testing.assert_allclose(positions, [(0, 0, 1.5), (1, 2, 1.5), (2, -1, 1), (3, 0, 1.5)], atol=1e-6)
    np.testing.assert_allclose(
        UsdGeom.BasisCurves.Get(stage, CURVE).GetPointsAttr().Get(), positions, atol=1e-6
    )  # the curve follows


def test_saving_the_stage_keeps_nothing_of_the_path(tmp_path):
    stage = Usd.Stage.CreateNew(str(tmp_path / "mine.usda"))
    sketch = PathSketch(stage)
    sketch.show([_looking_along_y(), _looking_along_y(x=1.0)])
    assert stage.GetPrimAtPath(CURVE)
    stage.Save()
    assert "LyraPath" not in (tmp_path / "mine.usda").read_text()
    assert sketch.layer.anonymous


def test_close_leaves_no_layer_and_no_leftover_overs():
    stage = _stage()
    before = list(stage.GetSessionLayer().subLayerPaths)
    sketch = PathSketch(stage)
    sketch.show([_looking_along_y()])
    stage.GetPrimAtPath(ROOT.AppendChild("View_000")).CreateAttribute("note", Sdf.ValueTypeNames.Int).Set(1)
    assert stage.GetRootLayer().GetPrimAtPath(ROOT)  # a tool wrote into the user's layer
    sketch.close()
    assert list(stage.GetSessionLayer().subLayerPaths) == before
    assert not stage.GetRootLayer().GetPrimAtPath(ROOT)
    assert not stage.GetPrimAtPath(ROOT)


def test_a_prim_that_is_no_camera_is_refused_with_its_path():
    stage = _stage()
    UsdGeom.Xform.Define(stage, "/Cube")
    with pytest.raises(ValueError, match="/Cube"):
        view_of_camera(stage, "/Cube")


def test_removing_and_clearing_shorten_the_list():
    sketch = PathSketch(_stage())
    sketch.show([_looking_along_y(x=float(k)) for k in range(3)])
    sketch.remove_last()
    assert len(sketch.read()) == 2
    sketch.clear()
    assert sketch.read() == ()


@pytest.mark.parametrize(("up", "unit"), [("Z", 1.0), ("Y", 0.01)])
def test_the_moving_camera_stands_at_every_frame_where_the_plan_says(up, unit):
    stage = _stage(up, unit)
    sketch = PathSketch(stage)
    sketch.show([_looking_along_y(), _looking_along_y(x=1.0)])
    poses = [_looking_along_y(x=0.1 * k) for k in range(11)]
    sketch.follow(poses, lens=(0.8, 0.6), fps=16.0, curve=False)
    assert len(sketch.read()) == 2  # it is no keyframe
    camera = UsdGeom.Camera.Get(stage, CAMERA)
    step = stage.GetTimeCodesPerSecond() / 16.0
    assert UsdGeom.Xformable(camera).GetTimeSamples() == pytest.approx([k * step for k in range(11)])
    at = UsdGeom.Xformable(camera).ComputeLocalToWorldTransform(7 * step).ExtractTranslation()
    expected = (0.7, 0.0, 1.5) if up == "Z" else (0.7, 1.5, 0.0)
    np.testing.assert_allclose(np.array(at) * unit, expected, atol=1e-9)
    assert camera.GetFocalLengthAttr().Get() / camera.GetHorizontalApertureAttr().Get() == pytest.approx(0.8)
    assert camera.GetVerticalApertureAttr().Get() / camera.GetHorizontalApertureAttr().Get() == pytest.approx(0.6)
    sketch.follow(poses[:5])  # another path, shown with its own curve instead of keyframes
    assert len(UsdGeom.BasisCurves.Get(stage, CURVE).GetPointsAttr().Get()) == 5
    assert len(UsdGeom.Xformable(stage.GetPrimAtPath(CAMERA)).GetTimeSamples()) == 5
    assert sketch.read() == ()
    sketch.close()
    assert not stage.GetPrimAtPath(ROOT)

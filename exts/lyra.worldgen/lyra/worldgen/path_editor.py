# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""The camera path in the viewport: keyframe cameras, a curve through them, and a camera that moves along the planned path,
in an anonymous sublayer of the session layer.

Each keyframe is a UsdGeom.Camera that can be moved with the usual gizmo; the curve shows their order and can be edited
point by point. The moving camera has a time sample for every frame: scrub the timeline and look through it. Nothing is saved with the user's stage: the layer is anonymous and lies under the session layer, and
overs that a tool wrote elsewhere onto these prims are taken out by close().

Matrices are world_from_camera, row-major 4x4 tuples: OpenCV axes (x right, y down, z forward), metres, Z up, whatever the
units and the up axis of the stage. Needs pxr only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pxr import Gf, Sdf, Usd, UsdGeom, Vt

__all__ = ["CAMERA", "CURVE", "ROOT", "Matrix", "PathSketch", "view_of_camera"]

Matrix = tuple[tuple[float, ...], ...]
"""4x4, row-major: a point of the camera frame as a column vector is multiplied from the right."""

ROOT = Sdf.Path("/LyraPath")
CURVE = ROOT.AppendChild("Curve")
CAMERA = ROOT.AppendChild("Camera")
_VIEW = "View_"
_APERTURE = 20.955  # [tenths of a stage unit] the horizontal aperture that USD cameras have by default
_LENS = ("focalLength", "horizontalAperture", "verticalAperture", "clippingRange")
_MOVED = 1e-4  # [stage units] a curve point further off than this was edited by hand


def _lyra_from_stage(stage: Usd.Stage) -> Gf.Matrix4d:
    """Row-vector matrix from stage coordinates to metres with Z up."""
    scale = Gf.Matrix4d().SetScale(UsdGeom.GetStageMetersPerUnit(stage))
    if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.y:
        return scale * Gf.Matrix4d().SetRotate(Gf.Rotation(Gf.Vec3d.XAxis(), 90.0))
    return scale


_OPENCV_FROM_USD = Gf.Matrix4d(1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1)  # its own inverse


def _to_tuples(matrix: Gf.Matrix4d) -> Matrix:
    transposed = matrix.GetTranspose()  # USD multiplies row vectors from the left
    return tuple(tuple(float(transposed[r][c]) for c in range(4)) for r in range(4))


def view_of_camera(stage: Usd.Stage, camera_path: str) -> Matrix:
    """world_from_camera of a camera of the stage. Raises ValueError if there is no camera of this path."""
    prim = stage.GetPrimAtPath(camera_path)
    if not prim or not prim.IsA(UsdGeom.Camera):
        raise ValueError(f"There is no camera at {camera_path}; choose a camera in the viewport")
    return _view(stage, prim)


def _view(stage: Usd.Stage, prim: Usd.Prim) -> Matrix:
    world = UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default())
    moved = _OPENCV_FROM_USD * world * _lyra_from_stage(stage)
    return _to_tuples(moved.GetOrthonormalized(issueWarning=False))


def _stage_matrix(stage: Usd.Stage, view: Matrix) -> Gf.Matrix4d:
    """Local-to-world of a USD camera from world_from_camera."""
    row_vectors = Gf.Matrix4d(*[value for row in view for value in row]).GetTranspose()
    placed = _OPENCV_FROM_USD * row_vectors * _lyra_from_stage(stage).GetInverse()
    return placed.GetOrthonormalized(issueWarning=False)


@dataclass(slots=True)
class _Written:
    """What was authored last, to tell edits by hand from our own."""

    points: tuple[Gf.Vec3f, ...] = ()


class PathSketch:
    """Keyframes of one stage. Make one per opened stage, close() it before the stage goes."""

    def __init__(self, stage: Usd.Stage) -> None:
        self._stage = stage
        self._layer = Sdf.Layer.CreateAnonymous("lyra_camera_path.usda")
        stage.GetSessionLayer().subLayerPaths.insert(0, self._layer.identifier)
        self._written = _Written()

    @property
    def layer(self) -> Sdf.Layer:
        """The anonymous layer that holds everything."""
        return self._layer

    def read(self) -> tuple[Matrix, ...]:
        """The keyframes as they are now, edits by hand included, in order."""
        self._follow_curve()
        return tuple(_view(self._stage, prim) for prim in self._views())

    def show(self, views: Sequence[Matrix], *, lens_of: str = "") -> None:
        """Draw these keyframes instead of what was there. lens_of: a camera whose lens they take over."""
        lens = self._stage.GetPrimAtPath(lens_of) if lens_of else Usd.Prim()
        values = {name: lens.GetAttribute(name).Get() for name in _LENS} if lens else {}
        with Usd.EditContext(self._stage, self._layer), Sdf.ChangeBlock():
            self._layer.Clear()
        with Usd.EditContext(self._stage, self._layer):
            if views:
                UsdGeom.Xform.Define(self._stage, ROOT)
            for place, view in enumerate(views):
                camera = UsdGeom.Camera.Define(self._stage, ROOT.AppendChild(f"{_VIEW}{place:03d}"))
                camera.MakeMatrixXform().Set(_stage_matrix(self._stage, view))
                for name, value in values.items():
                    if value is not None:
                        camera.GetPrim().GetAttribute(name).Set(value)
            self._draw_curve()

    def follow(
        self,
        poses: Sequence[Matrix],
        *,
        lens: tuple[float, float] = (1.0, 0.5625),
        fps: float = 16.0,
        curve: bool = True,
    ) -> None:
        """Draw the planned path: the moving camera, and with curve a curve through it instead of the keyframes.

        poses: one a frame. lens: focal length and height as shares of the picture's width. fps: frames a second; frame k
        stands at k / fps seconds of the stage's own clock.
        """
        if curve:
            self._written = _Written()
            self._layer.Clear()
        with Usd.EditContext(self._stage, self._layer):
            UsdGeom.Xform.Define(self._stage, ROOT)
            self._stage.RemovePrim(CAMERA)
            camera = UsdGeom.Camera.Define(self._stage, CAMERA)
            camera.CreateHorizontalApertureAttr(_APERTURE)
            camera.CreateVerticalApertureAttr(_APERTURE * lens[1])
            camera.CreateFocalLengthAttr(_APERTURE * lens[0])
            placed = camera.MakeMatrixXform()
            matrices = [_stage_matrix(self._stage, pose) for pose in poses]
            step = self._stage.GetTimeCodesPerSecond() / fps
            for frame, matrix in enumerate(matrices):
                placed.Set(matrix, frame * step)
            if curve:
                self._curve_through(tuple(Gf.Vec3f(matrix.ExtractTranslation()) for matrix in matrices))

    def add_view(self, camera_path: str) -> None:
        """Add the pose of a camera of the stage, e.g. the active viewport's, as the last keyframe."""
        self.show([*self.read(), view_of_camera(self._stage, camera_path)], lens_of=camera_path)

    def remove_last(self) -> None:
        """Take the last keyframe away; none is fine."""
        self.show(self.read()[:-1])

    def clear(self) -> None:
        """Take all keyframes away."""
        self.show(())

    def close(self) -> None:
        """Take the layer and all traces of it out of the stage."""
        session = self._stage.GetSessionLayer()
        paths = [path for path in session.subLayerPaths if path != self._layer.identifier]
        session.subLayerPaths = paths
        for layer in self._stage.GetLayerStack(includeSessionLayers=True):
            spec = layer.GetPrimAtPath(ROOT)
            if spec is not None and spec.specifier == Sdf.SpecifierOver:
                del layer.rootPrims[ROOT.name]

    def _views(self) -> list[Usd.Prim]:
        root = self._stage.GetPrimAtPath(ROOT)
        children = root.GetChildren() if root else []
        return [child for child in children if child.IsA(UsdGeom.Camera) and child.GetName().startswith(_VIEW)]

    def _positions(self) -> tuple[Gf.Vec3f, ...]:
        worlds = (UsdGeom.Xformable(p).ComputeLocalToWorldTransform(Usd.TimeCode.Default()) for p in self._views())
        return tuple(Gf.Vec3f(world.ExtractTranslation()) for world in worlds)

    def _draw_curve(self) -> None:
        """A guide curve through the keyframes; USD wants two points or more."""
        points = self._positions()
        self._written = _Written(points)
        self._curve_through(points)

    def _curve_through(self, points: Sequence[Gf.Vec3f]) -> None:
        if len(points) < 2:
            return
        curve = UsdGeom.BasisCurves.Define(self._stage, CURVE)
        curve.CreateTypeAttr(UsdGeom.Tokens.linear if len(points) == 2 else UsdGeom.Tokens.cubic)
        curve.CreateBasisAttr(UsdGeom.Tokens.catmullRom)
        curve.CreateWrapAttr(UsdGeom.Tokens.pinned)
        curve.CreatePointsAttr(Vt.Vec3fArray(points))
        curve.CreateCurveVertexCountsAttr([len(points)])
        curve.CreateWidthsAttr([0.02 / UsdGeom.GetStageMetersPerUnit(self._stage)])
        curve.SetWidthsInterpolation(UsdGeom.Tokens.constant)
        curve.CreateDisplayColorAttr([Gf.Vec3f(0.46, 0.73, 0.0)])
        curve.CreatePurposeAttr(UsdGeom.Tokens.guide)
        curve.CreateExtentAttr(UsdGeom.Curves.ComputeExtent(points, curve.GetWidthsAttr().Get()))

    def _follow_curve(self) -> None:
        """Move the keyframes whose curve point was edited, then draw the curve through all of them again."""
        curve = UsdGeom.BasisCurves.Get(self._stage, CURVE)
        points = curve.GetPointsAttr().Get() if curve else None
        views = self._views()
        if points is None or len(points) != len(views) or len(points) != len(self._written.points):
            return
        with Usd.EditContext(self._stage, self._layer):
            for prim, now, before in zip(views, points, self._written.points, strict=True):
                if (now - before).GetLength() > _MOVED:
                    world = UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default())
                    world.SetTranslateOnly(Gf.Vec3d(now))
                    UsdGeom.Xformable(prim).MakeMatrixXform().Set(world)
            self._draw_curve()

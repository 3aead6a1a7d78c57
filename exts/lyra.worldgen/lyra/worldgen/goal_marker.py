# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A marker that the user moves to where the robot shall go: in an anonymous layer, so it is never saved with the stage."""

from __future__ import annotations

from pxr import Gf, Sdf, Usd, UsdGeom

__all__ = ["GOAL", "GoalMarker"]

GOAL = Sdf.Path("/LyraGoal")
_RADIUS, _HEIGHT = 0.15, 0.5  # [m]


class GoalMarker:
    """One green cone of a stage, its foot at the goal. close() takes it out."""

    def __init__(self, stage: Usd.Stage) -> None:
        self._stage = stage
        self._layer = Sdf.Layer.CreateAnonymous("lyra_goal.usda")
        stage.GetSessionLayer().subLayerPaths.insert(0, self._layer.identifier)

    def show(self, place: Gf.Vec3d) -> str:
        """Put it at a point of the stage; returns its path."""
        size = 1.0 / UsdGeom.GetStageMetersPerUnit(self._stage)
        up = UsdGeom.GetStageUpAxis(self._stage)
        with Usd.EditContext(self._stage, self._layer):
            UsdGeom.Xform.Define(self._stage, GOAL).MakeMatrixXform().Set(Gf.Matrix4d().SetTranslate(place))
            cone = UsdGeom.Cone.Define(self._stage, GOAL.AppendChild("Cone"))
            cone.CreateAxisAttr(up)
            cone.CreateRadiusAttr(_RADIUS * size)
            cone.CreateHeightAttr(_HEIGHT * size)
            cone.CreateExtentAttr(UsdGeom.Cone.ComputeExtentFromPlugins(cone, Usd.TimeCode.Default()))
            cone.CreateDisplayColorAttr([Gf.Vec3f(0.46, 0.73, 0.0)])
            lift = Gf.Vec3d(0, 0.5, 0) if up == UsdGeom.Tokens.y else Gf.Vec3d(0, 0, 0.5)
            UsdGeom.XformCommonAPI(cone).SetTranslate(lift * _HEIGHT * size)
        return str(GOAL)

    def close(self) -> None:
        """Take the layer and all traces of it out of the stage."""
        session = self._stage.GetSessionLayer()
        session.subLayerPaths = [path for path in session.subLayerPaths if path != self._layer.identifier]
        for layer in self._stage.GetLayerStack(includeSessionLayers=True):
            spec = layer.GetPrimAtPath(GOAL)
            if spec is not None and spec.specifier == Sdf.SpecifierOver:  # the gizmo wrote into the user's layer
                del layer.rootPrims[GOAL.name]

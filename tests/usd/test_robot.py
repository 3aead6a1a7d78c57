# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The committed robot: what a physics engine and a validator expect of it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pxr")

from pxr import Sdf, Usd, UsdGeom, UsdPhysics, UsdShade, UsdValidation

from lyra_core.errors import InputError, WorldError
from lyra_core.navigation.robots import load_robot
from lyra_core.usd.robot import CAMERA_MOUNT, ROBOT_PRIM, TRACK, WHEEL_RADIUS, write_drive_stage, write_robot
from lyra_core.usd.robot_shapes import read_robot_look
from tests.usd.synthetic import room_tiles


@pytest.fixture(scope="module")
def asset():
    return load_robot("lyra_bot").asset_file


@pytest.fixture(scope="module")
def stage(asset):
    return Usd.Stage.Open(str(asset))


def test_the_committed_file_is_what_the_writer_writes_and_small(asset, tmp_path):
    again = write_robot(tmp_path / "lyra_bot.usda")
    assert again.read_bytes() == asset.read_bytes()
    assert asset.stat().st_size < 40_000
    # Crate files of different USD versions differ in bytes; what they hold must not.
    meshes = [Sdf.Layer.FindOrOpen(str(f.with_name("lyra_bot_meshes.usdc"))).ExportToString() for f in (again, asset)]
    assert meshes[0] == meshes[1]
    assert "point3f[] points" in meshes[0]


def test_nvidias_validator_finds_nothing(asset):
    pytest.importorskip("usd_validation_nvidia", reason="usd-validation-nvidia is not installed (physics extra)")
    from lyra_core.usd.packages import validate_file

    assert [f"{f.rule}: {f.message}" for f in validate_file(asset) if f.severity in ("error", "warning")] == []


def test_openusd_finds_no_error(stage):
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    errors = UsdValidation.ValidationContext(validators).Validate(stage)
    assert len(validators) > 10
    assert [error.GetMessage() for error in errors] == []


def test_stage_metadata_and_layout(stage):
    root = stage.GetDefaultPrim()
    assert root.GetPath() == "/lyra_bot"
    assert UsdGeom.GetStageUpAxis(stage) == "Z"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert [str(p.GetPath()) for p in stage.Traverse() if p.HasAPI(UsdPhysics.ArticulationRootAPI)] == [
        "/lyra_bot/base_link"
    ]
    assert not [p for p in stage.Traverse() if p.IsA(UsdPhysics.Scene)]
    # Whatever is bound must come along when the default prim is referenced.
    bound = [p for p in stage.Traverse() if p.HasAPI(UsdShade.MaterialBindingAPI)]
    assert bound
    for prim in bound:
        for purpose in ("", "physics"):
            for path in UsdShade.MaterialBindingAPI(prim).GetDirectBindingRel(purpose).GetTargets():
                assert path.HasPrefix("/lyra_bot")
                assert stage.GetPrimAtPath(path)


def test_masses_and_inertias_are_those_of_possible_bodies(stage):
    bodies = [p for p in stage.Traverse() if p.HasAPI(UsdPhysics.RigidBodyAPI)]
    assert {b.GetName() for b in bodies} == {"base_link", "left_wheel_link", "right_wheel_link", "caster_link"}
    total = 0.0
    for body in bodies:
        masses = UsdPhysics.MassAPI(body)
        total += masses.GetMassAttr().Get()
        a, b, c = sorted(masses.GetDiagonalInertiaAttr().Get())
        assert a > 0
        assert a + b >= c * (1 - 1e-6)  # the triangle inequality of inertia
        # No body is larger than the robot: radius of gyration under 0.25 m.
        assert c / masses.GetMassAttr().Get() < 0.25**2
    assert 4 < total < 12


def test_center_of_mass_lies_between_axle_and_caster(stage):
    moment = mass = 0.0
    for body in (p for p in stage.Traverse() if p.HasAPI(UsdPhysics.RigidBodyAPI)):
        masses = UsdPhysics.MassAPI(body)
        place = UsdGeom.Xformable(body).GetLocalTransformation().ExtractTranslation()
        x = place[0] + (masses.GetCenterOfMassAttr().Get() or (0,))[0]
        moment += masses.GetMassAttr().Get() * x
        mass += masses.GetMassAttr().Get()
    assert -0.135 / 2 < moment / mass < -0.02


def test_wheels_are_driven_by_velocity_about_y_and_agree_with_the_config(stage):
    spec = load_robot("lyra_bot")
    assert (spec.wheel_radius, spec.track) == (WHEEL_RADIUS, TRACK)
    for name, sign in zip(spec.wheel_joints, (1, -1), strict=True):
        joint = UsdPhysics.RevoluteJoint(stage.GetPrimAtPath(f"/lyra_bot/joints/{name}"))
        assert joint.GetAxisAttr().Get() == "Y"
        np.testing.assert_allclose(joint.GetLocalPos0Attr().Get(), (0, sign * TRACK / 2, WHEEL_RADIUS), atol=1e-6)
        drive = UsdPhysics.DriveAPI(joint.GetPrim(), "angular")
        assert drive.GetStiffnessAttr().Get() == 0
        assert drive.GetDampingAttr().Get() > 0
        assert 0 < drive.GetMaxForceAttr().Get() < 10


def test_colliders_touch_the_floor_at_z_0_and_lie_within_the_footprint(stage):
    spec = load_robot("lyra_bot")
    cache = UsdGeom.BBoxCache(Usd.TimeCode.Default(), [UsdGeom.Tokens.guide])
    lowest = {}
    for prim in (p for p in stage.Traverse() if p.HasAPI(UsdPhysics.CollisionAPI)):
        box = cache.ComputeWorldBound(prim).ComputeAlignedRange()
        assert max(np.hypot(*box.GetMin()[:2]), 0) > 0
        lowest[prim.GetName()] = box.GetMin()[2]
        if prim.GetName() == "hull":
            assert box.GetMax()[0] <= spec.footprint_radius + 1e-6
        assert box.GetMax()[2] <= spec.height + 1e-6
    assert lowest["tyre"] == pytest.approx(0, abs=1e-6)
    assert lowest["ball"] == pytest.approx(0, abs=1e-6)
    assert lowest["hull"] > 0.03


def test_the_look_is_closed_outside_and_within_the_footprint(asset):
    spec = load_robot("lyra_bot")
    look = read_robot_look(asset)
    assert set(look.links) == set(look.rest) == {"base_link", "left_wheel_link", "right_wheel_link", "caster_link"}
    for name, mesh in look.links.items():
        corners = mesh.vertices[mesh.faces].astype(float)
        # Outward winding: the volume is positive; PhysX and our mesh renderer show back sides otherwise.
        assert np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) > 0, name
        placed = mesh.vertices @ look.rest[name][:3, :3].T + look.rest[name][:3, 3]
        assert np.hypot(*placed[:, :2].T).max() <= spec.footprint_radius + 0.005
        assert placed[:, 2].min() >= -1e-6
        assert placed[:, 2].max() <= spec.height + 1e-6


def test_the_camera_looks_forward_from_the_mast(stage):
    camera = UsdGeom.Camera(stage.GetPrimAtPath("/lyra_bot/base_link/camera")).GetCamera()
    view = np.array(camera.transform).T
    np.testing.assert_allclose(-view[:3, 2], (1, 0, 0), atol=1e-9)  # USD cameras look along -z
    np.testing.assert_allclose(view[:3, 1], (0, 0, 1), atol=1e-9)
    np.testing.assert_allclose(view[:3, 3], CAMERA_MOUNT)
    assert camera.GetFieldOfView(camera.FOVHorizontal) == pytest.approx(80, abs=0.2)


def test_a_drive_stage_holds_the_world_and_one_robot_and_says_what_is_missing(asset, tmp_path):
    path = write_drive_stage(tmp_path / "drive.usda", asset, tiles=room_tiles(step=0.5))
    opened = Usd.Stage.Open(str(path))
    assert opened.GetPrimAtPath(f"{ROBOT_PRIM}/base_link").HasAPI(UsdPhysics.ArticulationRootAPI)
    assert len([p for p in opened.Traverse() if p.IsA(UsdPhysics.Scene)]) == 1
    assert opened.GetPrimAtPath("/World/Collision/tile_0_0").HasAPI(UsdPhysics.CollisionAPI)
    with pytest.raises(WorldError, match=r"world\.usda"):
        write_drive_stage(tmp_path / "x.usda", asset, world=tmp_path)
    with pytest.raises(WorldError, match="robot's USD file"):
        write_drive_stage(tmp_path / "x.usda", tmp_path / "no.usda", world=tmp_path)
    with pytest.raises(InputError, match="world folder or collider tiles"):
        write_drive_stage(tmp_path / "x.usda", asset)

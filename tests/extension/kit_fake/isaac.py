# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""isaacsim.*: what the robot and the import use. Articulations only remember what they were told."""

from __future__ import annotations

import enum
from typing import Any

from tests.extension.kit_fake.state import FakeKit

__all__ = ["isaac_modules"]


class SimulationEvent(enum.Enum):
    """When a physics callback runs."""

    PHYSICS_PRE_STEP = 0
    PHYSICS_POST_STEP = 1


class _Array:
    """Stands for a warp array: the values come out of numpy()."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def numpy(self) -> Any:
        import numpy as np

        return np.asarray(self._values, dtype=np.float32)


def _pose_of(kit: FakeKit, path: str) -> tuple[list[float], list[float]]:
    """Where a prim of the stage stands: position, quaternion wxyz; the origin if there is none."""
    from pxr import Usd, UsdGeom

    prim = kit.stage.GetPrimAtPath(path) if kit.stage is not None else None
    if not prim:
        return [0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]
    matrix = UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default())
    quat = matrix.GetOrthonormalized(issueWarning=False).ExtractRotation().GetQuat()
    return [*matrix.ExtractTranslation()], [quat.GetReal(), *quat.GetImaginary()]


def _robots(kit: FakeKit) -> dict[str, dict[str, object]]:
    class Articulation:
        def __init__(self, paths, *, positions=None, orientations=None):
            self.paths = [paths] if isinstance(paths, str) else list(paths)
            place, turn = _pose_of(kit, self.paths[0])
            self.positions, self.orientations = positions or [place], orientations or [turn]
            kit.articulations[self.paths[0]] = self

        def get_dof_indices(self, names):
            return _Array(list(range(len(names))))

        def set_dof_velocity_targets(self, velocities, *, indices=None, dof_indices=None):
            kit.calls.append(("set_dof_velocity_targets", (velocities,), {"dof_indices": dof_indices}))

        def set_world_poses(self, positions=None, orientations=None):
            self.positions, self.orientations = positions, orientations

        def get_world_poses(self):
            return _Array(self.positions), _Array(self.orientations)

        def is_physics_tensor_entity_valid(self):
            return kit.playing

    class WheeledRobot(Articulation):
        def __init__(
            self,
            paths,
            *,
            wheel_dof_names=None,
            wheel_dof_indices=None,
            usd_path=None,
            positions=None,
            orientations=None,
        ):
            super().__init__(paths, positions=positions, orientations=orientations)
            self.wheels, self.usd_path = wheel_dof_names, usd_path

        def apply_wheel_actions(self, velocities):
            kit.calls.append(("apply_wheel_actions", (velocities,), {}))

    class DifferentialController:
        def __init__(
            self, *, wheel_radius, wheel_base, max_linear_speed=None, max_angular_speed=None, max_wheel_speed=None
        ):
            self.radius, self.base = wheel_radius, wheel_base

        def forward(self, command):
            v, w = command
            return [(v - 0.5 * w * self.base) / self.radius, (v + 0.5 * w * self.base) / self.radius]

    def policy(name: str) -> type:
        class Policy:
            def __init__(
                self,
                prim_path,
                root_path=None,
                usd_path=None,
                position=None,
                orientation=None,
                policy_path=None,
                env_config_path=None,
            ):
                self.prim_path = prim_path
                self.robot = Articulation(prim_path, positions=[position], orientations=[orientation])

            def initialize(self):
                kit.calls.append((f"{name}.initialize", (), {}))

            def forward(self, dt, command):
                kit.calls.append((f"{name}.forward", (dt, command), {}))

        Policy.__name__ = name
        return Policy

    names = ("H1FlatTerrainPolicy", "SpotFlatTerrainPolicy", "Go2FlatTerrainPolicy", "AnymalFlatTerrainPolicy")
    return {
        "isaacsim.core.experimental.prims": {"Articulation": Articulation},
        "isaacsim.robot.experimental.wheeled_robots.robots": {"WheeledRobot": WheeledRobot},
        "isaacsim.robot.experimental.wheeled_robots.controllers": {"DifferentialController": DifferentialController},
        "isaacsim.robot.policy.examples.robots": {name: policy(name) for name in names},
    }


def _core(kit: FakeKit) -> dict[str, dict[str, object]]:
    class SimulationManager:
        @classmethod
        def setup_simulation(cls, dt=None, device=None):
            kit.calls.append(("setup_simulation", (), {"dt": dt, "device": device}))

        @classmethod
        def register_callback(cls, callback, event):
            number = kit.number()
            kit.physics_callbacks[number] = callback
            return number

        @classmethod
        def deregister_callback(cls, uid):
            kit.physics_callbacks.pop(uid)

    class ViewportManager:
        @classmethod
        def get_camera(cls, viewport_or_name=None):
            return kit.camera

    def add_reference_to_stage(usd_path, path, *, prim_type="Xform", variants=()):
        prim = kit.stage.DefinePrim(path, prim_type)
        prim.GetReferences().AddReference(usd_path)
        return prim

    def get_assets_root_path(*, skip_check=False):
        if kit.assets_root is None:
            raise RuntimeError("Could not find assets root folder")
        return kit.assets_root

    async def get_assets_root_path_async(*, skip_check=False):
        return get_assets_root_path(skip_check=skip_check)

    def enable_extension(name):
        kit.enabled_extensions.add(name)
        return True

    return {
        "isaacsim.core.simulation_manager": {
            "SimulationManager": SimulationManager,
            "SimulationEvent": SimulationEvent,
        },
        "isaacsim.core.rendering_manager": {"ViewportManager": ViewportManager},
        "isaacsim.core.experimental.utils.stage": {"add_reference_to_stage": add_reference_to_stage},
        "isaacsim.core.experimental.utils.app": {"enable_extension": enable_extension},
        "isaacsim.storage.native": {
            "get_assets_root_path": get_assets_root_path,
            "get_assets_root_path_async": get_assets_root_path_async,
        },
    }


def isaac_modules(kit: FakeKit) -> dict[str, dict[str, object]]:
    """The isaacsim modules."""
    return {**_robots(kit), **_core(kit)}

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""One wheeled robot in ovphysx: placed, driven by wheel speeds, read back every control tick.

Persistent tensor and contact bindings: one read costs 0.02 ms against 0.8 to 1.6 ms of the session calls that are to
replace them (facts/physics.md), and a step costs 0.2 ms. They are deprecated in ovphysx 0.7; this module and
ovphysx_engine.py are the places to change. Angular quantities of tensors are in radians (USD's are in degrees).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import SimulationError
from lyra_core.simulation.ovphysx_engine import OvPhysxEngine

__all__ = ["DrivenRobot", "OvPhysxDriver", "RobotState"]


@dataclass(frozen=True, slots=True, eq=False)
class RobotState:
    """The robot at one time.

    Attributes
    ----------
    position: (3,) float64 base frame [m]. quat_wxyz: (4,) float64 base to world.
    velocity: (3,) float64 of the base [m/s].
    wheels: (2,) float64 angles of left and right wheel [rad].
    """

    position: NDArray[np.float64]
    quat_wxyz: NDArray[np.float64]
    velocity: NDArray[np.float64]
    wheels: NDArray[np.float64]

    @property
    def yaw(self) -> float:
        """Heading [rad] of the robot's x axis about world z."""
        w, x, y, z = self.quat_wxyz
        return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))

    @property
    def tilt(self) -> float:
        """Angle [rad] between the robot's z axis and up."""
        _, x, y, _ = self.quat_wxyz
        return float(np.arccos(np.clip(1 - 2 * (x * x + y * y), -1, 1)))


class DrivenRobot:
    """Handle on the robot of an open stage; made by OvPhysxDriver.robot."""

    def __init__(self, physx: Any, step: float, bindings: dict[str, Any], contact: Any, wheels: list[int]) -> None:
        self._physx, self._step, self._bindings, self._contact = physx, step, bindings, contact
        self._wheels = wheels
        self._buffers = {name: np.zeros(binding.shape, np.float32) for name, binding in bindings.items()}
        self._force = np.zeros((contact.sensor_count, 3), np.float32)

    def place(self, position: tuple[float, float, float], yaw: float) -> None:
        """Put the base frame at position [m] with heading yaw [rad], at rest, wheels stopped."""
        pose = self._buffers["pose"]
        pose[0] = (*position, 0.0, 0.0, np.sin(yaw / 2), np.cos(yaw / 2))
        for name in ("velocity", "joint_velocity", "target"):
            self._buffers[name][:] = 0.0
            self._bindings[name].write(self._buffers[name])
        self._bindings["pose"].write(pose)

    def drive(self, left: float, right: float) -> None:
        """Set the wheel speeds [rad/s] that the drives aim at."""
        target = self._buffers["target"]
        target[0, self._wheels[0]], target[0, self._wheels[1]] = left, right
        self._bindings["target"].write(target)

    def step(self, count: int) -> float:
        """Advance count steps; returns the largest contact force [N] on the base (not wheels, not caster) in them."""
        worst = 0.0
        for _ in range(count):
            self._physx.step_sync(self._step)
            self._contact.read_net_normal_forces(self._force)
            worst = max(worst, float(np.linalg.norm(self._force, axis=1).max()))
        return worst

    def state(self) -> RobotState:
        """Where the robot is now."""
        for name in ("pose", "velocity", "joint_position"):
            self._bindings[name].read(self._buffers[name])
        pose = self._buffers["pose"][0].astype(np.float64)
        return RobotState(
            pose[:3].copy(),
            pose[[6, 3, 4, 5]],
            self._buffers["velocity"][0, :3].astype(np.float64),
            self._buffers["joint_position"][0, self._wheels].astype(np.float64),
        )


class OvPhysxDriver(OvPhysxEngine):
    """The engine of the checks, with access to one articulation."""

    @contextmanager
    def robot(self, stage: Path, base: str, joints: tuple[str, str], *, step: float) -> Iterator[DrivenRobot]:
        """Open a drive stage and take hold of its robot; everything is freed on leaving.

        base: prim path of the base link. joints: names of the left and right wheel joint. step: [s].
        Errors: SimulationError if the stage does not load or the robot is not in it as described.
        """
        kinds = _tensor_types(self)
        with self.open(stage, step=step), ExitStack() as held, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            bindings: dict[str, Any] = {}
            for name, kind in kinds.items():
                binding = self._physx.create_tensor_binding(pattern=base, tensor_type=kind)
                held.callback(binding.destroy)
                bindings[name] = binding
            if any(binding.count != 1 for binding in bindings.values()):
                raise SimulationError(
                    "The robot is not an articulation in this stage",
                    got=f"{bindings['pose'].count} articulations at {base}",
                    do="Put ArticulationRootAPI on its base link",
                )
            names = [str(name).rsplit("/", 1)[-1] for name in bindings["target"].dof_names]
            missing = [joint for joint in joints if joint not in names]
            if missing:
                raise SimulationError(
                    "The robot lacks wheel joints", got=f"{missing}; has {names}", do="Check config/robots"
                )
            contact = self._physx.create_contact_binding(sensor_patterns=[base], max_contact_data_count=256)
            held.callback(contact.destroy)
            yield DrivenRobot(self._physx, step, bindings, contact, [names.index(joint) for joint in joints])


def _tensor_types(engine: OvPhysxDriver) -> dict[str, Any]:
    """Our names for the tensor types that a drive needs."""
    kind = engine._types.TensorType
    return {
        "pose": kind.ARTICULATION_ROOT_POSE,
        "velocity": kind.ARTICULATION_ROOT_VELOCITY,
        "joint_position": kind.ARTICULATION_DOF_POSITION,
        "joint_velocity": kind.ARTICULATION_DOF_VELOCITY,
        "target": kind.ARTICULATION_DOF_VELOCITY_TARGET,
    }

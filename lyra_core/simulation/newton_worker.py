# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The same drives in Newton, as a program for Newton's own environment: one JSON job in, one JSON line per drive out.

Newton pins a usd-core that differs from ours (facts/physics.md), so that it cannot live in our environment; of this
package the program needs what lies below `simulation` only. SolverMuJoCo with Newton's own contacts: MuJoCo's would
turn the world's triangles into a convex hull. Contact forces are not read: collisions are those of PhysX.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lyra_core.errors import SimulationError
from lyra_core.navigation.controller import PursuitSettings
from lyra_core.navigation.planner import Plan, StartGoal
from lyra_core.navigation.robots import RobotSpec
from lyra_core.simulation.articulation import RobotState
from lyra_core.simulation.drive import run_plan

__all__ = ["main"]

_CONTACTS, _CONSTRAINTS = 600, 2400  # of a robot on four bodies over fine triangles


class _NewtonRobot:
    """The robot of an open stage in Newton, as simulation.drive wants it."""

    def __init__(self, stage: str, base: str, joints: tuple[str, str], step: float) -> None:
        warp, self._newton = importlib.import_module("warp"), importlib.import_module("newton")
        warp.config.quiet = True
        builder = self._newton.ModelBuilder()
        read = builder.add_usd(stage, load_visual_shapes=False, enable_self_collisions=False)
        self._base = read["path_body_map"][base]
        ends = {path.rsplit("/", 1)[-1]: index for path, index in read["path_joint_map"].items()}
        missing = [name for name in joints if name not in ends]
        if missing:
            raise SimulationError(
                "The robot lacks wheel joints", got=f"{missing}; has {sorted(ends)}", do="config/robots"
            )
        self._wheel_q = [builder.joint_q_start[ends[name]] for name in joints]
        self._wheel_qd = [builder.joint_qd_start[ends[name]] for name in joints]
        self._step_seconds = step
        self._model = builder.finalize()
        self._states = [self._model.state(), self._model.state()]
        self._control = self._model.control()
        self._pipeline = self._newton.CollisionPipeline(self._model)
        self._contacts = self._pipeline.contacts()
        self._solver = self._newton.solvers.SolverMuJoCo(
            self._model, use_mujoco_contacts=False, njmax=_CONSTRAINTS, nconmax=_CONTACTS
        )

    def place(self, position: tuple[float, float, float], yaw: float) -> None:
        """Put the base frame at position [m] with heading yaw [rad], at rest."""
        for state in self._states:
            q = np.zeros(state.joint_q.shape, np.float32)
            q[:7] = (*position, 0.0, 0.0, np.sin(yaw / 2), np.cos(yaw / 2))
            state.joint_q.assign(q)
            state.joint_qd.assign(np.zeros(state.joint_qd.shape, np.float32))
            self._newton.eval_fk(self._model, state.joint_q, state.joint_qd, state)
        self.drive(0.0, 0.0)

    def drive(self, left: float, right: float) -> None:
        """Set the wheel speeds [rad/s] that the drives aim at."""
        target = np.zeros(self._control.joint_target_qd.shape, np.float32)
        target[self._wheel_qd] = left, right
        self._control.joint_target_qd.assign(target)

    def step(self, count: int) -> float:
        """Advance count steps; contact forces are not read."""
        for _ in range(count):
            now, after = self._states
            now.clear_forces()
            self._pipeline.collide(now, self._contacts)
            self._solver.step(now, after, self._control, self._contacts, self._step_seconds)
            self._states = [after, now]
        return 0.0

    def state(self) -> RobotState:
        """Where the robot is now."""
        now = self._states[0]
        pose = now.body_q.numpy()[self._base].astype(np.float64)
        wheels = now.joint_q.numpy()[self._wheel_q].astype(np.float64)
        return RobotState(pose[:3].copy(), pose[[6, 3, 4, 5]], np.zeros(3), wheels)


def main(job_file: str) -> None:
    """Run a job; results are lines on stdout that start with '{'."""
    job: dict[str, Any] = json.loads(Path(job_file).read_text())
    spec = RobotSpec(**job["robot"])
    settings = PursuitSettings(**job["settings"])
    robot = _NewtonRobot(job["stage"], job["base"], (spec.wheel_joints[0], spec.wheel_joints[1]), job["step"])
    name = f"Newton {importlib.import_module('newton').__version__} (SolverMuJoCo, CPU)"
    for item in job["plans"]:
        task = StartGoal(tuple(item["start"]), item["yaw"], tuple(item["goal"]))
        points = np.array(item["points"])
        plan = Plan(task, points, item["length"], item["clearance"], item["smoothed"])
        run = run_plan(robot, plan, spec, settings, item["ground"], job["floor_z"])
        answer = {
            "engine": name,
            "outcome": run.outcome,
            "times": run.times.tolist(),
            "positions": np.round(run.positions, 5).tolist(),
            "quats_wxyz": np.round(run.quats_wxyz, 6).tolist(),
            "wheels": np.round(run.wheels, 5).tolist(),
            "deviation": run.deviation,
            "wall_seconds": run.wall_seconds,
        }
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])

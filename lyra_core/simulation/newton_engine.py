# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Newton as a cross-check of PhysX: the same stage, plans and controller in a second engine, in its own environment."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import lyra_core
from lyra_core.errors import MissingDependencyError, SimulationError
from lyra_core.navigation.controller import PursuitSettings
from lyra_core.navigation.planner import Plan
from lyra_core.navigation.robots import RobotSpec
from lyra_core.simulation.drive import DriveReport, DriveRun
from lyra_core.types import Mesh
from lyra_core.usd import STEPS_PER_SECOND
from lyra_core.usd.robot import ROBOT_PRIM, write_drive_stage

__all__ = ["INSTALL_COMMANDS", "PYTHON_VARIABLE", "CrossCheck", "cross_check", "drive_in_newton", "newton_python"]

PYTHON_VARIABLE = "LYRA_NEWTON_PYTHON"
INSTALL_COMMANDS = (
    "python3.12 -m venv newton-env",
    'newton-env/bin/pip install "newton[sim]==1.8.0" newton-usd-schemas==0.6.0 warp-lang==1.19.0 usd-core==26.8 omegaconf'
    " scipy opencv-python-headless",
)
_PROBE = "import newton, pxr, omegaconf, numpy; print(newton.__version__)"


def newton_python(given: Path | None = None) -> Path:
    """The interpreter of Newton's environment: given, or of LYRA_NEWTON_PYTHON.

    Errors: MissingDependencyError with the commands that make the environment if there is none that works.
    """
    named = given or (Path(os.environ[PYTHON_VARIABLE]) if os.environ.get(PYTHON_VARIABLE) else None)
    commands = " && ".join(INSTALL_COMMANDS)
    do = f"{commands} ; then --newton-python newton-env/bin/python, or {PYTHON_VARIABLE}"
    if named is None:
        raise MissingDependencyError("Newton needs an environment of its own", got="none was named", do=do)
    if not named.is_file():
        raise MissingDependencyError("There is no such interpreter for Newton", got=str(named), do=do)
    probe = subprocess.run([str(named), "-c", _PROBE], capture_output=True, text=True, env=_environment(), check=False)
    if probe.returncode:
        last = (probe.stderr.strip().splitlines() or ["no output"])[-1]
        raise MissingDependencyError("This environment cannot run Newton", got=f"{named}: {last}", do=do)
    return named


def _environment() -> dict[str, str]:
    """Our process's environment without its Python paths; this package is found by PYTHONPATH."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")}
    return {**kept, "PYTHONPATH": str(Path(lyra_core.__file__).resolve().parent.parent)}


def drive_in_newton(
    world: Path | Sequence[tuple[str, Mesh]],
    plans: Sequence[Plan],
    robot: RobotSpec,
    *,
    grounds: Sequence[float] | None = None,
    floor_z: float = 0.0,
    settings: PursuitSettings | None = None,
    python: Path | None = None,
) -> Iterator[DriveReport]:
    """drive_one_by_one in Newton: yields the report of all drives so far after each one.

    grounds: height [m] of the floor under each start; floor_z by default. The first drive waits for Newton's kernels
    to compile (minutes, once per machine). Errors: MissingDependencyError, SimulationError if Newton gives up.
    """
    interpreter = newton_python(python)
    settings = settings or PursuitSettings(max_speed=robot.max_speed, max_turn=robot.max_turn)
    heights = list(grounds) if grounds is not None else [floor_z] * len(plans)
    runs: tuple[DriveRun, ...] = ()
    with tempfile.TemporaryDirectory(prefix="lyra-newton-") as scratch:
        where: dict[str, Any] = {"world": world} if isinstance(world, Path) else {"tiles": world}
        stage = write_drive_stage(Path(scratch) / "drive.usda", robot.asset_file, floor_z=floor_z, **where)
        job = {
            "stage": str(stage),
            "base": f"{ROBOT_PRIM}/{robot.base_link}",
            "step": 1 / STEPS_PER_SECOND,
            "floor_z": floor_z,
            "robot": asdict(robot),
            "settings": asdict(settings),
            "plans": [_plan(plan, height) for plan, height in zip(plans, heights, strict=True)],
        }
        file = Path(scratch) / "job.json"
        file.write_text(json.dumps(job))
        for answer, plan in zip(_answers(interpreter, file, Path(scratch)), plans, strict=True):
            runs += (_run_of(answer, plan),)
            yield DriveReport(answer["engine"], robot.name, runs, 0.0)


def _plan(plan: Plan, ground: float) -> dict[str, Any]:
    task = plan.task
    return {
        "start": list(task.start),
        "yaw": task.yaw,
        "goal": list(task.goal),
        "points": plan.points.tolist(),
        "length": plan.length,
        "clearance": plan.clearance,
        "smoothed": plan.smoothed,
        "ground": ground,
    }


def _answers(interpreter: Path, job: Path, scratch: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of the worker; other lines (Warp's banner) are dropped. Closing the iterator ends the worker."""
    log = scratch / "stderr.txt"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [str(interpreter), "-m", "lyra_core.simulation.newton_worker", str(job)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=_environment(),
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode:
        last = (log.read_text().strip().splitlines() or ["no message"])[-1]
        raise SimulationError("Newton gave up", got=last, do="Try --engine ovphysx, or look at its environment")


def _run_of(answer: dict[str, Any], plan: Plan) -> DriveRun:
    return DriveRun(
        plan,
        answer["outcome"],
        np.array(answer["times"]),
        np.array(answer["positions"]),
        np.array(answer["quats_wxyz"]),
        np.array(answer["wheels"]),
        0,
        0.0,
        float(answer["deviation"]),
        float(answer["wall_seconds"]),
    )


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """Two engines on the same plans.

    Attributes
    ----------
    engine: the second one. runs, reached: in it. same_outcome: drives that ended alike in both.
    end_distances: between the last positions of both [m], per drive.
    path_distances: largest distance of the second trajectory from the first [m], per drive.
    realtime_factor: of the second engine.
    """

    engine: str
    runs: int
    reached: int
    same_outcome: int
    end_distances: tuple[float, ...]
    path_distances: tuple[float, ...]
    realtime_factor: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for drive.json."""
        return {
            "engine": self.engine,
            "runs": self.runs,
            "reached": self.reached,
            "same_outcome": self.same_outcome,
            "largest_end_distance_m": round(max(self.end_distances, default=0.0), 4),
            "mean_path_distance_m": round(float(np.mean(self.path_distances or [0.0])), 4),
            "largest_path_distance_m": round(max(self.path_distances, default=0.0), 4),
            "realtime_factor": round(self.realtime_factor, 3),
        }


def cross_check(first: DriveReport, second: DriveReport) -> CrossCheck:
    """Compare the drives of two reports over the same plans, one by one."""
    pairs = list(zip(first.runs, second.runs, strict=True))
    ends = tuple(float(np.linalg.norm(a.positions[-1] - b.positions[-1])) for a, b in pairs)
    apart = []
    for a, b in pairs:
        gaps = np.linalg.norm(b.positions[::3, None, :2] - a.positions[None, :, :2], axis=-1).min(axis=1)
        apart.append(float(gaps.max()))
    return CrossCheck(
        second.engine,
        len(second.runs),
        sum(run.reached for run in second.runs),
        sum(a.outcome == b.outcome for a, b in pairs),
        ends,
        tuple(apart),
        second.realtime_factor,
    )

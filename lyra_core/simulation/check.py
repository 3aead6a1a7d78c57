# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Prove that the floor of a world carries: rays, dropped bodies, and controls that must fail."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lyra_core.errors import InputError, SimulationError
from lyra_core.simulation.drop import DropPlan, DropReport, plan_drops, run_drops, test_bodies
from lyra_core.simulation.floor import FloorMap, floor_map, floor_triangles
from lyra_core.simulation.ovphysx_engine import OvPhysxEngine
from lyra_core.simulation.probe import ProbeReport, probe_floor
from lyra_core.simulation.protocol import EngineFactory, PhysicsEngine
from lyra_core.types import Mesh
from lyra_core.usd import STEPS_PER_SECOND, read_collision_tiles, write_check_stage

__all__ = ["CheckReport", "ControlReport", "check_world", "control_tiles", "run_control"]

Control = Literal["flipped", "no_floor"]
CONTROLS: tuple[Control, ...] = ("flipped", "no_floor")

_MIN_HITS = 0.999  # of the free floor, one-sided
_MAX_LEFT = 0.10  # more bodies lost over the edge and the drop test proves little
_CONTROL_SECONDS = 1.2  # a fall from 2.2 m takes 0.67 s
_CONTROL_BODIES = 25
_BAND = 0.15  # [m] as in floor_map


@dataclass(frozen=True, slots=True)
class ControlReport:
    """A world broken on purpose. fell, left of dropped bodies; fraction of rays that hit."""

    name: str
    dropped: int
    fell: int
    left: int
    hit_fraction: float

    @property
    def caught(self) -> bool:
        """True if both the rays and the drops saw that the world is broken."""
        return self.hit_fraction < 0.5 and self.fell + self.left >= 0.9 * self.dropped and self.fell > 0


@dataclass(frozen=True, slots=True, eq=False)
class CheckReport:
    """The result of check_world.

    Attributes
    ----------
    engine: name and version. floor: the floor that the colliders promise.
    probe: rays onto the free floor. drops: the dropped bodies. controls: broken copies of the same world.
    triangles: of all colliders. cook_seconds: loading and cooking the world.
    seconds: wall time of the whole check. step: seconds per physics step.
    """

    engine: str
    floor: FloorMap
    probe: ProbeReport
    drops: DropReport
    controls: tuple[ControlReport, ...]
    triangles: int
    cook_seconds: float
    seconds: float
    step: float

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the check failed, one sentence each; empty if it passed."""
        found = []
        if self.probe.fraction < _MIN_HITS:
            found.append(f"{self.probe.rays - self.probe.hits} of {self.probe.rays} rays went through the free floor")
        if self.drops.fell:
            found.append(f"{self.drops.fell} of {self.drops.dropped} bodies fell through the floor")
        if self.drops.left > _MAX_LEFT * self.drops.dropped:
            found.append(f"{self.drops.left} of {self.drops.dropped} bodies left the world over its edge")
        found += [
            f"the control '{c.name}' was not caught, so the check proves nothing" for c in self.controls if not c.caught
        ]
        return tuple(found)

    @property
    def passed(self) -> bool:
        """True if nothing is wrong."""
        return not self.problems

    @property
    def step_ms(self) -> float:
        """Mean wall time of a step with one batch of bodies [ms]."""
        return 1e3 * self.drops.seconds_stepping / max(1, self.drops.steps)

    def to_json(self) -> dict[str, Any]:
        """Plain values for report.json."""
        return {
            "passed": self.passed,
            "problems": list(self.problems),
            "engine": self.engine,
            "step_hz": round(1 / self.step),
            "collider_triangles": self.triangles,
            "free_floor_m2": round(self.floor.free_area, 2),
            "rays": self.probe.rays,
            "rays_hit": self.probe.hits,
            "rays_hit_fraction": round(self.probe.fraction, 5),
            "dropped": self.drops.dropped,
            "fell": self.drops.fell,
            "left": self.drops.left,
            "controls": {c.name: {"dropped": c.dropped, "fell": c.fell, "caught": c.caught} for c in self.controls},
            "cook_seconds": round(self.cook_seconds, 2),
            "step_ms": round(self.step_ms, 3),
            "realtime_factor": round(self.drops.realtime_factor, 2),
            "seconds": round(self.seconds, 1),
        }


def check_world(  # noqa: PLR0913 - the knobs of one command
    folder: Path,
    *,
    drops: int = 500,
    batch: int = 50,
    seed: int = 0,
    floor_z: float = 0.0,
    seconds: float = 2.5,
    rate: int = STEPS_PER_SECOND,
    robot_height: float = 1.0,
    controls: bool = True,
    engine: EngineFactory = OvPhysxEngine,
) -> CheckReport:
    """Ray probe and drop test of a world folder, with two controls that must fail.

    Parameters
    ----------
    drops: bodies in all; batch: at once (they do not collide with each other; more at once only costs time).
    floor_z: floor height [m]. seconds: simulated time per batch. rate: physics steps per second.
    robot_height: floor below obstacles lower than this is not free [m].
    controls: also run the world with all triangles flipped and without its floor.

    Errors: MissingDependencyError (with the pip command) if ovphysx is absent, WorldError for a folder without
    colliders, InputError for broken collider arrays, SimulationError if there is no free floor or no stage loads.
    """
    started = time.perf_counter()
    if drops < 1 or batch < 1:
        raise InputError("drops and batch must be at least 1", got=f"drops={drops}, batch={batch}", do="Use 1 or more")
    physics = engine()
    tiles = read_collision_tiles(folder)  # refuses NaN, bad indices: PhysX would cook them into nothing in silence
    floor = floor_map(tiles, floor_z=floor_z, robot_height=robot_height, band=_BAND)
    rng = np.random.default_rng(seed)
    plan = plan_drops(floor, drops, rng)
    bodies = test_bodies(min(batch, drops), rng)
    step = 1.0 / rate
    with tempfile.TemporaryDirectory(prefix="lyra-check-") as scratch:
        stage = write_check_stage(Path(scratch) / "check.usda", bodies, world=folder)
        opening = time.perf_counter()
        with physics.open(stage, step=step):
            cook = time.perf_counter() - opening
            if len(physics.body_paths) != len(bodies):
                raise SimulationError(
                    "The engine lost test bodies",
                    got=f"{len(physics.body_paths)} of {len(bodies)}",
                    do="Run lyra check again; report it if it stays",
                )
            probe = probe_floor(physics, floor, rng=rng)
            radii = np.array([body.radius for body in bodies])
            dropped = run_drops(physics, floor, plan, radii, seconds=seconds, step=step)
        broken = tuple(
            run_control(name, tiles, physics, floor, plan, seed=seed, step=step, scratch=Path(scratch))
            for name in (CONTROLS if controls else ())
        )
    triangles = sum(len(mesh.faces) for _, mesh in tiles)
    total = time.perf_counter() - started
    return CheckReport(physics.name, floor, probe, dropped, broken, triangles, cook, total, step)


def control_tiles(name: Control, tiles: Sequence[tuple[str, Mesh]], floor_z: float) -> list[tuple[str, Mesh]]:
    """The tiles with every triangle flipped, or without the triangles of the floor."""
    if name == "flipped":
        return [(tile, Mesh(mesh.vertices, mesh.faces[:, ::-1])) for tile, mesh in tiles]
    kept = [(tile, Mesh(mesh.vertices, mesh.faces[~floor_triangles(mesh, floor_z, _BAND)])) for tile, mesh in tiles]
    rest = [(tile, mesh) for tile, mesh in kept if len(mesh.faces)]
    # A stage needs one collider mesh: for a world that is all floor, a triangle far above.
    far = Mesh(np.array([[0, 0, 1e3], [1, 0, 1e3], [0, 1, 1e3]], np.float32), np.array([[0, 1, 2]], np.int32))
    return rest or [("far", far)]


def run_control(
    name: Control,
    tiles: Sequence[tuple[str, Mesh]],
    engine: PhysicsEngine,
    floor: FloorMap,
    plan: DropPlan,
    *,
    seed: int,
    step: float,
    scratch: Path,
) -> ControlReport:
    """Break the world, keep the guide ground plane, and test it against the floor that the whole world promises."""
    rng = np.random.default_rng(seed)
    count = min(_CONTROL_BODIES, len(plan.positions))
    bodies = test_bodies(count, rng)
    stage = write_check_stage(
        scratch / f"{name}.usda", bodies, tiles=control_tiles(name, tiles, floor.floor_z), floor_z=floor.floor_z
    )
    few = DropPlan(plan.positions[:count], plan.quats_wxyz[:count], plan.margin)
    radii = np.array([body.radius for body in bodies])
    with engine.open(stage, step=step):
        probe = probe_floor(engine, floor, rng=rng)
        report = run_drops(engine, floor, few, radii, seconds=_CONTROL_SECONDS, step=step)
    return ControlReport(name, report.dropped, report.fell, report.left, probe.fraction)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""PhysX on the CPU through NVIDIA's ovphysx and ovstage (optional, alpha; everything of it stays in this module).

Scene queries are deprecated in ovphysx 0.7 without a replacement; they are wrapped here so that one place changes.
NUM_THREADS = 0 steps on the calling thread: 5 to 17 times faster than worker threads on small scenes, and
repeatable (facts/physics.md).
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import MissingDependencyError, SimulationError
from lyra_core.simulation.protocol import BodyState, RayHits

__all__ = ["INSTALL_COMMAND", "OvPhysxEngine", "is_available"]

_LOG = logging.getLogger(__name__)
_PACKAGES = ("ovphysx", "ovstage", "physx_usd_schemas")
INSTALL_COMMAND = 'pip install "lyra-worldgen[physics]"'
_STATE = ("position", "orientation", "linearVelocity")
_NEWTON_WARNING = "/ovphysx/schemas/warnMissingNewtonSchema"
_REST = ("linearVelocity", "angularVelocity")


def is_available() -> bool:
    """True if ovphysx, ovstage and the PhysX schemas are installed (nothing is imported)."""
    return all(importlib.util.find_spec(name) is not None for name in _PACKAGES)


@cache
def _runtime() -> tuple[Any, Any, Any]:
    """(ovphysx, ovphysx.types, ovstage), started once per process: quiet, CPU only, PhysX schemas registered.

    The order matters: log level and thread count before the first PhysX object, schemas before the first stage.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            "Physics checks need NVIDIA's ovphysx", got=f"not installed: {', '.join(missing)}", do=INSTALL_COMMAND
        )
    from lyra_core.kernels import launch

    launch.initialise()  # ovphysx starts Warp at its first read, and Warp prints a banner unless told otherwise
    ovphysx = importlib.import_module("ovphysx")
    types = importlib.import_module("ovphysx.types")
    ovstage = importlib.import_module("ovstage")
    schemas = importlib.import_module("ovphysx.samples.python_samples.schema_support")
    ovphysx.set_log_level(ovphysx.LogLevel.NONE)
    ovphysx.PhysX.set_cpu_mode(True)
    ovphysx.set_global_config(types.GlobalConfigKey.NUM_THREADS, 0)
    ovstage.population.register_usd_schemas([str(path) for path in schemas.physx_schema_paths()])
    return ovphysx, types, ovstage


class OvPhysxEngine:
    """PhysicsEngine on ovphysx. One stage at a time; several may be opened one after the other.

    Errors: MissingDependencyError on construction if the packages are absent.
    """

    def __init__(self) -> None:
        self._ovphysx, self._types, self._ovstage = _runtime()
        self.name = f"PhysX (ovphysx {self._ovphysx.__version__}, CPU)"
        self._physx: Any = None
        self._step = 0.0
        self._paths: tuple[str, ...] = ()
        self._order: NDArray[np.intp] = np.zeros(0, np.intp)

    @contextmanager
    def open(self, stage: Path, *, step: float) -> Iterator[None]:
        """Load a USD stage and cook its colliders; close it on leaving.

        step: seconds per step. Errors: SimulationError if the stage cannot be loaded or one is open.
        """
        if self._physx is not None:
            raise SimulationError("One stage at a time", got="a stage is open", do="Close it first")
        ovstage = self._ovstage
        loaded = ovstage.Stage(f"lyra-{id(self)}")
        physx = self._start()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    # The default population domain leaves physics out.
                    domains = ovstage.PopulationDomain.ALL
                    ovstage.population.open_usd(loaded, str(stage.resolve()), ordinal=1, domains=domains)
                    loaded.advance_write_floor(ordinal=1).wait()
                    physx.wait_task(physx.attach_ovstage(loaded, read_ordinal=1))
                    physx.warmup()
                    physx.wait_all()
                except (RuntimeError, ValueError, OSError, ovstage.OvstageError) as error:
                    raise SimulationError(
                        "PhysX cannot load this stage",
                        got=f"{stage}: {error}",
                        do="Make the USD files again with lyra rebuild WORLD",
                    ) from error
                self._physx, self._step = physx, step
                self._find_bodies(loaded)
                yield
        finally:
            self._physx, self._paths = None, ()
            if physx.is_stage_attached(loaded):
                physx.wait_task(physx.detach_ovstage())
            loaded.destroy()
            physx.destroy()

    def _start(self) -> Any:
        """A new PhysX. Our stages author no newton:* attributes, so the warning that their schema is absent is off."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return self._ovphysx.PhysX(config=self._ovphysx.PhysXConfig(carbonite_overrides={_NEWTON_WARNING: False}))

    def _find_bodies(self, loaded: Any) -> None:
        """Learn the engine's order of bodies; ours is by path."""
        types, paths = self._types, []
        with self._physx.read_sync(types.SimObjectType.RIGID_BODY, ["position"], scope=types.ObjectScope.ALL) as read:
            names = self._ovstage.PathDictionary(loaded)
            for group in read.groups:
                if group.tensors:
                    paths += [str(path) for path in names.get_path_strings(group.prim_list)]
        self._order = np.argsort(np.array(paths)) if paths else np.zeros(0, np.intp)
        self._paths = tuple(sorted(paths))

    @property
    def body_paths(self) -> tuple[str, ...]:
        """Prim paths of the rigid bodies of the open stage, sorted."""
        return self._paths

    def _engine(self) -> Any:
        if self._physx is None:
            raise SimulationError("No stage is open", do="Use the engine inside `with engine.open(...)`")
        return self._physx

    def _write(self, attribute: str, values: NDArray[np.float32]) -> None:
        unsorted = np.empty_like(values)
        unsorted[self._order] = values
        start = 0
        types = self._types
        with self._engine().write_sync(types.SimObjectType.RIGID_BODY, attribute, scope=types.ObjectScope.ALL) as out:
            for group in out.groups:
                if not group.tensors:
                    continue
                group.tensors[0].assign(np.ascontiguousarray(unsorted[start : start + group.prim_count]))
                start += group.prim_count
                out.commit_sync(group)
        if start != len(values):
            raise SimulationError(
                f"PhysX took {attribute} of {start} bodies",
                got=f"{len(values)} bodies",
                do="Run lyra check again; report it if it stays",
            )

    def place(self, positions: NDArray[np.float32], quats_wxyz: NDArray[np.float32]) -> None:
        """Move all bodies, in the order of body_paths, and stop them. Shapes (N, 3) [m] and (N, 4)."""
        self._write("position", np.asarray(positions, np.float32))
        self._write("orientation", np.asarray(quats_wxyz, np.float32)[:, [1, 2, 3, 0]])
        for attribute in _REST:
            self._write(attribute, np.zeros((len(self._paths), 3), np.float32))

    def step(self, count: int) -> None:
        """Advance by count steps of the length given to open."""
        engine = self._engine()
        for _ in range(count):
            engine.step_sync(self._step)

    def bodies(self) -> BodyState:
        """Current state of all bodies."""
        types, columns = self._types, {}
        ids: list[int] = []
        with self._engine().read_sync(
            types.SimObjectType.RIGID_BODY, list(_STATE), scope=types.ObjectScope.ALL
        ) as read:
            for group in read.groups:
                if group.tensors:
                    columns.setdefault(group.attribute, []).append(np.array(group.tensors[0].numpy(), np.float32))
                    ids.append(group.attribute)
        position, orientation, velocity = (
            np.concatenate(columns[key])[self._order] for key in sorted(columns, key=ids.index)
        )
        return BodyState(position, orientation[:, [3, 0, 1, 2]], velocity)

    def raycast(self, origins: NDArray[np.float32], directions: NDArray[np.float32], reach: float) -> RayHits:
        """Nearest one-sided hits of rays (M, 3), unit directions (M, 3), within reach [m]."""
        engine, mode = self._engine(), self._types.SceneQueryMode.CLOSEST
        distance = np.full(len(origins), np.inf, np.float32)
        normal_z = np.zeros(len(origins), np.float32)
        for index, (origin, direction) in enumerate(zip(origins.tolist(), directions.tolist(), strict=True)):
            hits = engine.raycast(origin, direction, reach, mode)
            if hits:
                distance[index], normal_z[index] = hits[0]["distance"], hits[0]["normal"][2]
        return RayHits(distance, normal_z)

    def overlaps_box(self, centers: NDArray[np.float64], half_extents: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(N,) whether a collider reaches into upright boxes: centres (N, 3) [m], half edges (N, 3) [m]."""
        engine, types = self._engine(), self._types
        kind, mode, upright = types.SceneQueryGeometryType.BOX, types.SceneQueryMode.ANY, (0.0, 0.0, 0.0, 1.0)
        out = np.zeros(len(centers), bool)
        for i, (center, half) in enumerate(zip(centers.tolist(), half_extents.tolist(), strict=True)):
            out[i] = bool(engine.overlap(kind, mode, position=center, half_extent=half, rotation=upright))
        return out

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Paths for a robot over the occupancy map: cheapest grid path on the inflated map, straightened, corners rounded.

The search is A* over eight neighbours with an admissible estimate, on a cost that rises near obstacles, so that a path
keeps its distance where there is room. Every point of the smoothed path is checked against the inflated
map again; a corner whose rounding does not hold stays a corner, and a short cut that does not hold is not taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError, PathError, WorldError
from lyra_core.navigation.occupancy import FREE, OCCUPIED, UNKNOWN, OccupancyGrid
from lyra_core.navigation.search import cheapest_path

__all__ = ["Plan", "Planner", "StartGoal", "read_map"]

_SPACING = 0.05  # [m] between the points of a finished path
_ROUNDINGS = (0.6, 0.4, 0.25, 0.12)  # [m] cut from both legs of a corner, the largest that holds
_COMFORT = 0.35  # [m] beyond the robot's radius within which the cost rises


@dataclass(frozen=True, slots=True)
class StartGoal:
    """A task for a robot: start (x, y) [m], heading [rad] at the start, goal (x, y) [m]."""

    start: tuple[float, float]
    yaw: float
    goal: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A path that keeps the robot's radius free.

    Attributes
    ----------
    task: what was asked.
    points: (N, 2) float64 [m], start to goal, at most 5 cm apart.
    length: [m] along the points.
    clearance: [m] the least free radius on the path.
    smoothed: False if the grid path had to be kept.
    """

    task: StartGoal
    points: NDArray[np.float64]
    length: float
    clearance: float
    smoothed: bool


def read_map(folder: Path) -> OccupancyGrid:
    """The occupancy grid of a world folder from navigation/map.yaml and its image (ROS map_server, trinary).

    Errors: WorldError if the files are missing or cannot be read.
    """
    import cv2
    from omegaconf import OmegaConf

    file = Path(folder) / "navigation" / "map.yaml"
    if not file.is_file():
        raise WorldError("This folder has no navigation/map.yaml", got=str(folder), do="Run lyra rebuild WORLD")
    fields = OmegaConf.to_container(OmegaConf.load(file))
    try:
        assert isinstance(fields, dict)
        resolution, origin = float(fields["resolution"]), [float(v) for v in fields["origin"]]
        image = cv2.imread(str(file.parent / str(fields["image"])), cv2.IMREAD_GRAYSCALE)
        free, occupied, negate = (float(fields[k]) for k in ("free_thresh", "occupied_thresh", "negate"))
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise WorldError("map.yaml is damaged", got=f"{file}: {error}", do="Run lyra rebuild WORLD") from error
    if image is None:
        raise WorldError("The image of the map is missing", got=str(fields["image"]), do="Run lyra rebuild WORLD")
    share = image[::-1] / 255.0 if negate else (255 - image[::-1].astype(np.float64)) / 255.0
    state = np.full(share.shape, UNKNOWN, np.uint8)
    state[share < free] = FREE
    state[share > occupied] = OCCUPIED
    return OccupancyGrid(state, resolution, (origin[0], origin[1]))


class Planner:
    """Plans on one map for one robot radius.

    Parameters
    ----------
    grid: the map. radius: of the robot's footprint [m]. margin: kept beyond the radius [m].

    Errors: PathError if the map holds no floor, or nowhere enough of it for this robot.
    """

    def __init__(self, grid: OccupancyGrid, radius: float, *, margin: float = 0.05) -> None:
        from skimage.measure import label

        if not (np.isfinite(radius) and radius > 0):
            raise InputError("The robot's radius must be > 0 m", got=str(radius), do="Check config/robots")
        if not (grid.state == FREE).any():
            raise PathError(
                "This world has no floor that a robot could stand on",
                got="a map without free cells",
                do="Give --camera-height or another photo; look at navigation/map.png",
            )
        self.grid, self.radius = grid, radius
        # A cell's distance is measured between centres: half a cell of it may belong to the obstacle.
        self.room = np.maximum(grid.clearance() - 0.5 * grid.resolution, 0.0)
        self.open = self.room >= radius + margin
        if not self.open.any():
            raise PathError(
                "No free floor is wide enough for this robot",
                got=f"radius {radius:g} m, widest free radius {self.room.max():.2f} m",
                do="Use a smaller robot (--robot), or extend the world",
            )
        self.region = np.asarray(label(self.open, connectivity=2), np.int64)
        self._sizes = np.bincount(self.region.ravel())
        self._sizes[0] = 0
        tight = np.clip((radius + margin + _COMFORT - self.room) / _COMFORT, 0, 1)
        self._cost = np.where(self.open, 1.0 + 3.0 * tight**2, np.inf)

    @property
    def area(self) -> float:
        """Floor [m^2] of the largest connected part in which the robot's centre may be."""
        return float(self._sizes.max()) * self.grid.resolution**2

    def random_tasks(self, count: int, rng: np.random.Generator, *, min_distance: float = 2.0) -> tuple[StartGoal, ...]:
        """Start and goal pairs in the largest connected part, at least min_distance [m] apart (beeline), random yaw.

        Errors: PathError if that part is too small for such a distance.
        """
        cells = np.argwhere(self.region == int(np.argmax(self._sizes)))
        centers = self.grid.center_of(cells)
        tasks: list[StartGoal] = []
        for _ in range(200 * max(1, count)):
            if len(tasks) == count:
                break
            a, b = centers[rng.integers(len(cells), size=2)]
            yaw = float(rng.uniform(-np.pi, np.pi))
            if np.hypot(*(a - b)) >= min_distance:
                tasks.append(StartGoal((float(a[0]), float(a[1])), yaw, (float(b[0]), float(b[1]))))
        if len(tasks) < count:
            raise PathError(
                "The free floor is too small for random drives",
                got=f"{self.area:.1f} m2 in one piece, pairs at least {min_distance:g} m apart",
                do="Give --goal X,Y, or extend the world",
            )
        return tuple(tasks)

    def plan(self, task: StartGoal) -> Plan:
        """The path of a task. Errors: PathError with the reason and the nearest reachable point."""
        start = self._open_cell(task.start, "start", None)
        goal = self._open_cell(task.goal, "goal", int(self.region[start]))
        cells, _ = cheapest_path(self._cost, start, goal)
        grid_path = self.grid.center_of(cells)
        if len(cells) == 1:  # start and goal share a cell
            grid_path = np.repeat(grid_path, 2, axis=0)
        grid_path[0], grid_path[-1] = task.start, task.goal
        short = self._straightened(grid_path)
        points = _resampled(self._rounded(short))
        smoothed = self.holds(points)
        if not smoothed:
            points = _resampled(grid_path)
        length = float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())
        return Plan(task, points, length, float(self._room_at(points).min()), smoothed)

    def holds(self, points: NDArray[np.floating]) -> bool:
        """True if every one of the (N, 2) points lies in the inflated map."""
        cells = self.grid.cell_of(points)
        inside = ((cells >= 0) & (cells < np.array(self.open.shape))).all(axis=1)
        return bool(inside.all() and self.open[cells[:, 0], cells[:, 1]].all())

    def nearest_reachable(self, xy: tuple[float, float], region: int | None = None) -> tuple[float, float]:
        """The centre of the nearest cell that the robot can be in, of the given or the largest region."""
        cells = np.argwhere(self.region == (int(np.argmax(self._sizes)) if region is None else region))
        centers = self.grid.center_of(cells)
        best = centers[int(np.argmin(np.linalg.norm(centers - np.asarray(xy), axis=1)))]
        return float(best[0]), float(best[1])

    def _room_at(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        cells = self.grid.cell_of(points)
        return self.room[cells[:, 0], cells[:, 1]]

    def _open_cell(self, xy: tuple[float, float], what: str, region: int | None) -> tuple[int, int]:
        """The cell of xy if the robot can be there (and get there from region)."""
        if not np.isfinite(xy).all():
            raise PathError(f"The {what} must be two finite numbers", got=str(xy), do="For example --goal 1.5,2.0")
        row, column = (int(v) for v in self.grid.cell_of(np.array(xy)))
        rows, columns = self.open.shape
        reason = ""
        if not (0 <= row < rows and 0 <= column < columns):
            reason = "it lies outside the map"
        elif self.grid.state[row, column] == OCCUPIED:
            reason = "something stands there"
        elif self.grid.state[row, column] == UNKNOWN:
            reason = "no floor is known there"
        elif not self.open[row, column]:
            reason = f"only {self.room[row, column]:.2f} m are free around it, the robot needs {self.radius:.2f} m"
        elif region is not None and self.region[row, column] != region:
            reason = "no way that is wide enough leads there from the start"
        if reason:
            x, y = self.nearest_reachable(xy, region)
            raise PathError(
                f"The robot cannot {'start from' if what == 'start' else 'reach'} the {what}",
                got=f"({xy[0]:.2f}, {xy[1]:.2f}): {reason}",
                do=f"The nearest reachable point is {x:.2f},{y:.2f}",
            )
        return row, column

    def _segment_holds(self, a: NDArray[np.floating], b: NDArray[np.floating]) -> bool:
        steps = max(2, int(np.ceil(np.linalg.norm(b - a) / (0.25 * self.grid.resolution))) + 1)
        return self.holds(a + np.linspace(0, 1, steps)[:, None] * (b - a))

    def _segment_cost(self, a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
        steps = max(2, int(np.ceil(np.linalg.norm(b - a) / (0.5 * self.grid.resolution))) + 1)
        cells = self.grid.cell_of(a + np.linspace(0, 1, steps)[:, None] * (b - a))
        return float(self._cost[cells[:, 0], cells[:, 1]].mean() * np.linalg.norm(b - a))

    def _straightened(self, path: NDArray[np.float64]) -> NDArray[np.float64]:
        """Greedy short cuts: as far as a straight line holds and does not come nearer to obstacles than the path."""
        cells = self.grid.cell_of(path)
        legs = np.linalg.norm(np.diff(path, axis=0), axis=1)
        local = self._cost[cells[:, 0], cells[:, 1]]
        spent = np.concatenate([[0.0], np.cumsum(0.5 * (local[1:] + local[:-1]) * legs)])
        kept, i = [0], 0
        while i < len(path) - 1:
            j = len(path) - 1
            while j > i + 1:
                cheaper = 1.05 * (spent[j] - spent[i]) + 0.02
                if self._segment_holds(path[i], path[j]) and self._segment_cost(path[i], path[j]) <= cheaper:
                    break
                j = max(i + 1, j - max(1, (j - i) // 12))
            kept.append(j)
            i = j
        return path[kept]

    def _rounded(self, corners: NDArray[np.float64]) -> NDArray[np.float64]:
        """Quadratic curves in place of corners, each as large as holds; legs are shared half and half."""
        out = [corners[:1]]
        t = np.linspace(0, 1, 12)[:, None]
        for before, corner, after in zip(corners[:-2], corners[1:-1], corners[2:], strict=True):
            into, away = before - corner, after - corner
            room = 0.5 * min(np.linalg.norm(into), np.linalg.norm(away))
            for cut in _ROUNDINGS:
                size = min(cut, float(room))
                a = corner + into / max(float(np.linalg.norm(into)), 1e-9) * size
                b = corner + away / max(float(np.linalg.norm(away)), 1e-9) * size
                curve = (1 - t) ** 2 * a + 2 * t * (1 - t) * corner + t**2 * b
                if self.holds(_resampled(curve)):
                    out.append(curve)
                    break
            else:
                out.append(corner[None])
        return np.concatenate([*out, corners[-1:]])


def _resampled(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The polyline at equal steps of at most 5 cm; its ends stay."""
    legs = np.linalg.norm(np.diff(points, axis=0), axis=1)
    keep = np.concatenate([[True], legs > 1e-9])
    points, legs = points[keep], legs[legs > 1e-9]
    if len(points) < 2:
        return np.repeat(points[:1], 2, axis=0)
    along = np.concatenate([[0.0], np.cumsum(legs)])
    at = np.linspace(0, along[-1], max(2, int(np.ceil(along[-1] / _SPACING)) + 1))
    return np.stack([np.interp(at, along, points[:, axis]) for axis in range(2)], axis=1)

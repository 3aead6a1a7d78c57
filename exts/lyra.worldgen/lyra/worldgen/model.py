# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the panel knows: frozen values behind the display State, changed only by update.

Positions are metres in the world (Z up, floor of the first view at z = 0); cameras have OpenCV axes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lyra.worldgen.state import Picture

__all__ = [
    "APPEARANCES",
    "FILE",
    "KEYFRAMES",
    "Catalog",
    "Environment",
    "Matrix",
    "Model",
    "Named",
    "Parameter",
    "PathChoice",
    "PathPreset",
    "Photo",
    "Preview",
    "Problem",
    "Reading",
    "Recipe",
    "Robot",
    "Run",
    "Scene",
    "Spawn",
    "World",
]

Matrix = tuple[tuple[float, ...], ...]
"""4x4 rows of world_from_camera."""

APPEARANCES = ("splat", "mesh", "both")
KEYFRAMES, FILE = "keyframes", "file"
"""Path kinds beside the names of the presets."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as the user reads it: what, what was found, the next step, the end of the log."""

    what: str
    got: str = ""
    do: str = ""
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A live setting of a path preset; kind is number, choice or switch."""

    name: str
    help: str
    kind: str
    default: float | str | bool | None
    choices: tuple[str, ...] = ()
    least: float = 0.0
    most: float = 1.0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class PathPreset:
    """A named way to move."""

    name: str
    help: str
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
    """A video model (frames 0) or a quality preset with its frames."""

    name: str
    help: str
    frames: int = 0


@dataclass(frozen=True, slots=True)
class Robot:
    """A robot of config/robots. asset: under Isaac Sim's asset root if isaac_asset, else a file. Lengths in metres."""

    name: str
    kind: str
    asset: str
    isaac_asset: bool
    base_link: str
    wheel_joints: tuple[str, ...] = ()
    wheel_radius: float = 0.0
    track: float = 0.0
    footprint_radius: float = 0.3
    height: float = 0.5
    spawn_height: float = 0.05
    max_speed: float = 0.5
    max_turn: float = 1.0
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Catalog:
    """What the worker offers; empty until it said hello. chunk: frames that one caption holds for."""

    models: tuple[Named, ...] = ()
    qualities: tuple[Named, ...] = ()
    paths: tuple[PathPreset, ...] = ()
    robots: tuple[Robot, ...] = ()
    chunk: int = 80


@dataclass(frozen=True, slots=True)
class Environment:
    """The worker's interpreter. status: unchecked, checking, ready or broken."""

    interpreter: str = ""
    status: str = "unchecked"
    summary: str = ""
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Photo:
    """The chosen picture; size in pixels, (0, 0) until it was read.

    fov: horizontal field of view [deg], camera_height [m] over the floor; None: the program estimates them.
    marks: up to two points (x, y) [px] whose distance is `length` [m]; marking: the next clicks into the photo set them.
    """

    file: str = ""
    size: tuple[int, int] = (0, 0)
    picture: Picture = field(default_factory=Picture)
    problem: Problem | None = None
    fov: float | None = None
    camera_height: float | None = None
    marks: tuple[tuple[float, float], ...] = ()
    length: float = 1.0
    marking: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of the next run; captions as typed."""

    model: str = "embedded"
    quality: str = "balanced"
    frames: int = 81
    seed: int = 0
    captions: str = ""
    worlds_folder: str = ""


@dataclass(frozen=True, slots=True)
class PathChoice:
    """The camera path: a preset's name, KEYFRAMES or FILE. parameters: (name, value) that the user changed."""

    kind: str = "walk"
    strength: float = 1.0
    clearance: float = 0.35
    parameters: tuple[tuple[str, float | str | bool], ...] = ()
    keyframes: tuple[Matrix, ...] = ()
    file: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the worker read from the photo: field of view [deg], camera height [m], and where each came from.

    sources: words of the worker (option, exif, lines, default; known length, camera height, depth, …). guess: the scale is
    no measurement.
    """

    fov: float = 0.0
    fov_source: str = ""
    camera_height: float = 0.0
    scale_source: str = ""
    guess: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """The planned path. job: request in flight, 0 if none; wanted: settings changed since it was sent.

    poses: world_from_camera of every frame. reading: of the photo, kept while the next preview is under way.
    """

    job: int = 0
    wanted: bool = False
    length: float = 0.0
    frames: int = 0
    poses: tuple[Matrix, ...] = ()
    reading: Reading = field(default_factory=Reading)
    warnings: tuple[str, ...] = ()
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A long job. status: idle, starting, running, cancelling, cancelled, failed, done; eta and elapsed in seconds."""

    kind: str = "generate"
    status: str = "idle"
    job: int = 0
    world: str = ""
    stage: str = ""
    done: int = 0
    total: int = 0
    fraction: float = 0.0
    eta: float | None = None
    elapsed: float = 0.0
    thumbnails: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()
    problem: Problem | None = None

    @property
    def busy(self) -> bool:
        """True while the worker is at it."""
        return self.status in ("starting", "running", "cancelling")


@dataclass(frozen=True, slots=True)
class Spawn:
    """Where a robot can be put down: position [m], yaw [rad]."""

    position: tuple[float, float, float]
    yaw: float


@dataclass(frozen=True, slots=True)
class World:
    """A world folder as the worker describes it. steps: extensions that can be taken back."""

    folder: str
    frames: int = 0
    planned: int = 0
    steps: int = 0
    complete: bool = False
    passed: bool | None = None
    spawns: tuple[Spawn, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """World and robot in the stage. prim: '' if not loaded. spawn: which of the world's spawn poses is chosen.

    drive: none, placing, ready, picking, planning or driving.
    """

    open_stage: bool = False
    appearance: str = "splat"
    prim: str = ""
    folder: str = ""
    loading: bool = False
    robot: str = "lyra_bot"
    robot_prim: str = ""
    spawn: int = 0
    drive: str = "none"
    drive_note: str = ""
    job: int = 0
    playing: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """Everything; last_job numbers the requests. problem: one that belongs to no run. describe: request in flight."""

    environment: Environment = field(default_factory=Environment)
    catalog: Catalog = field(default_factory=Catalog)
    photo: Photo = field(default_factory=Photo)
    recipe: Recipe = field(default_factory=Recipe)
    path: PathChoice = field(default_factory=PathChoice)
    preview: Preview = field(default_factory=Preview)
    run: Run = field(default_factory=Run)
    world: World | None = None
    scene: Scene = field(default_factory=Scene)
    recents: tuple[str, ...] = ()
    problem: Problem | None = None
    describe: int = 0
    last_job: int = 0

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What is known of each robot: config/robots/*.yaml, read into a structured config."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lyra_core.errors import ConfigError, did_you_mean
from lyra_core.resources import shipped

__all__ = ["ISAAC_PREFIX", "RobotSpec", "load_robot", "robot_names"]

ISAAC_PREFIX = "isaac:"
_KINDS = ("wheeled", "legged")


@dataclass
class RobotSpec:
    """One robot.

    Attributes
    ----------
    name: the file's name.
    asset: a USD file relative to the repository, or `isaac:` and a path under Isaac Sim's asset root.
    kind: wheeled (differential drive) or legged.
    base_link: prim name of the base. wheel_joints: left and right, for wheeled robots.
    wheel_radius, track: [m]; 0 for legged robots.
    footprint_radius, height: of the free cylinder that the robot needs [m].
    spawn_height: of the base frame over the floor when it is set down [m].
    max_speed: [m/s]. max_turn: [rad/s].
    policy: class in isaacsim.robot.policy.examples.robots that walks it, for legged robots.
    """

    name: str = ""
    asset: str = ""
    kind: str = "wheeled"
    base_link: str = "base_link"
    wheel_joints: list[str] = field(default_factory=list)
    wheel_radius: float = 0.0
    track: float = 0.0
    footprint_radius: float = 0.0
    height: float = 0.0
    spawn_height: float = 0.0
    max_speed: float = 0.0
    max_turn: float = 0.0
    policy: str = ""

    @property
    def needs_isaac(self) -> bool:
        """True if the asset lives on Isaac Sim's asset server."""
        return self.asset.startswith(ISAAC_PREFIX)

    @property
    def asset_file(self) -> Path:
        """The USD file on this machine. Errors: ConfigError if the robot needs Isaac Sim, or the file is missing."""
        if self.needs_isaac:
            raise ConfigError(
                f"The robot '{self.name}' comes with Isaac Sim and cannot be driven without it",
                got=self.asset,
                do="Use --robot lyra_bot here, or open the world in Isaac Sim",
            )
        path = shipped(*Path(self.asset).parts)
        if not path.is_file():
            raise ConfigError("The robot's USD file is missing", got=str(path), do="Reinstall lyra-worldgen")
        return path


def robot_names() -> tuple[str, ...]:
    """Names of all robots in config/robots."""
    return tuple(sorted(path.stem for path in shipped("config", "robots").glob("*.yaml")))


def load_robot(name: str) -> RobotSpec:
    """The robot of this name. Errors: ConfigError for an unknown name, an unknown key or a value out of range."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if name not in robot_names():
        raise ConfigError("Unknown robot", got=name, do=did_you_mean(name, robot_names()))
    try:
        merged = OmegaConf.merge(
            OmegaConf.structured(RobotSpec(name=name)), OmegaConf.load(shipped("config", "robots", f"{name}.yaml"))
        )
        spec = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise ConfigError(
            f"config/robots/{name}.yaml has a wrong key or type",
            got=str(error).splitlines()[0],
            do="Compare it with config/robots/lyra_bot.yaml",
        ) from error
    assert isinstance(spec, RobotSpec)
    _check(spec)
    return spec


def _check(spec: RobotSpec) -> None:
    positive = ["footprint_radius", "height", "spawn_height", "max_speed", "max_turn"]
    if spec.kind == "wheeled":
        positive += ["wheel_radius", "track"]
    bad = [key for key in positive if not getattr(spec, key) > 0]
    if spec.kind not in _KINDS:
        bad.append("kind (wheeled or legged)")
    if spec.kind == "wheeled" and len(spec.wheel_joints) != 2:
        bad.append("wheel_joints (left, right)")
    if spec.kind == "legged" and not spec.policy:
        bad.append("policy")
    if not spec.asset:
        bad.append("asset")
    if bad:
        raise ConfigError(
            f"config/robots/{spec.name}.yaml lacks values or has them out of range",
            got=", ".join(bad),
            do="Compare it with config/robots/lyra_bot.yaml",
        )

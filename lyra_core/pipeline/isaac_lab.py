# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The runnable example that goes beside an Isaac Lab terrain."""

from __future__ import annotations

__all__ = ["SNIPPET"]

SNIPPET = '''\
# SPDX-License-Identifier: Apache-2.0
"""This world as an Isaac Lab terrain. Written by `lyra export --isaac-lab`.

Run it with Isaac Lab's Python:  ./isaaclab.sh -p lyra_terrain.py
Isaac Lab 3 opens a window only with --viz kit, and knows no --headless; with Isaac Lab 2 add --headless.
It drops a ball at every spawn pose and prints where each comes to rest; z should be about the ball's radius.
For your own environment import terrain_cfg and SPAWNS from this file, after the app is launched.
"""

import argparse
from pathlib import Path

HERE = Path(__file__).resolve().parent
TERRAIN_USD = str(HERE / "terrain.usd")

# Robot poses on free floor: x, y, z [m], yaw [rad] about +z.
SPAWNS = {spawns}

# Prims under the terrain, e.g. for RayCasterCfg(mesh_prim_paths=[VISUAL_MESH]).
GROUND = "/World/ground"
VISUAL_MESH = GROUND + "/terrain/Visual/mesh"
COLLIDERS = GROUND + "/terrain/Collision"


def terrain_cfg(num_envs: int = 1, env_spacing: float = 0.0):
    """TerrainImporterCfg of this world. All environments share it: keep env_spacing 0 and spread robots over SPAWNS.

    Friction comes from the USD (static {static}, dynamic {dynamic}), bound to the colliders for purpose physics.
    """
    from isaaclab.terrains import TerrainImporterCfg

    return TerrainImporterCfg(
        prim_path=GROUND,
        terrain_type="usd",
        usd_path=TERRAIN_USD,
        num_envs=num_envs,
        env_spacing=env_spacing,
        collision_group=-1,
    )


def main() -> None:
    from isaaclab.app import AppLauncher

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=240)
    AppLauncher.add_app_launcher_args(parser)
    arguments = parser.parse_args()
    app = AppLauncher(arguments).app

    import isaaclab.sim as sim_utils
    from isaaclab.assets import RigidObject, RigidObjectCfg
    from isaaclab.terrains import TerrainImporter

    sim = sim_utils.SimulationContext(sim_utils.SimulationCfg(dt=1.0 / 120.0, device=arguments.device))
    TerrainImporter(terrain_cfg())
    radius = 0.1
    balls = []
    for i, (x, y, _, _) in enumerate(SPAWNS):
        cfg = RigidObjectCfg(
            prim_path="/World/ball_%d" % i,
            spawn=sim_utils.SphereCfg(
                radius=radius,
                rigid_props=sim_utils.RigidBodyPropertiesCfg(),
                mass_props=sim_utils.MassPropertiesCfg(mass=1.0),
                collision_props=sim_utils.CollisionPropertiesCfg(),
            ),
            init_state=RigidObjectCfg.InitialStateCfg(pos=(x, y, radius + 0.1)),
        )
        balls.append(RigidObject(cfg))
    sim.reset()
    for _ in range(arguments.steps):
        sim.step()
    for i, ball in enumerate(balls):
        ball.update(1.0 / 120.0)
        print("spawn %d rests at" % i, ball.data.root_pos_w[0])
    app.close()


if __name__ == "__main__":
    main()
'''
"""str.format fields: spawns (a Python list of 4-tuples), static, dynamic (friction)."""

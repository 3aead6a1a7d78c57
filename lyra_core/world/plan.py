# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Which of the planned paths on disk is the world's own: what a killed rescale left is settled by the manifest."""

from __future__ import annotations

from pathlib import Path

from lyra_core.world.atomic import digest_file
from lyra_core.world.manifest import read_manifest

__all__ = ["PLAN", "PLAN_KEY", "PLAN_NEXT", "PLAN_OLD", "settle_plan"]

PLAN, PLAN_NEXT, PLAN_OLD = "frames/plan.npz", "frames/plan-next.npz", "frames/plan-before.npz"
"""Relative to the world: the plan, the one that a rescale is about to switch to, the one it switches from."""

PLAN_KEY = "plan_sha256"
"""Key in the manifest's seed_view: digest of the plan that belongs to it, after a rescale."""


def settle_plan(folder: Path) -> None:
    """Finish what a killed rescale left: the plan that fits the manifest becomes frames/plan.npz, litter goes.

    Cheap where there is nothing to do. Raises WorldError if the folder is no world.
    """
    plan, coming, before = folder / PLAN, folder / PLAN_NEXT, folder / PLAN_OLD
    if not (coming.exists() or before.exists()):
        return
    manifest = read_manifest(folder)
    wanted = manifest.seed_view.get(PLAN_KEY)
    if coming.exists() and not plan.exists() and digest_file(coming) == wanted:
        coming.replace(plan)
    elif before.exists() and not plan.exists():
        before.replace(plan)
    coming.unlink(missing_ok=True)
    before.unlink(missing_ok=True)
    known = {name for chunk in manifest.chunks for name in chunk.files}
    for path in (folder / "frames").glob("chunk_*.npz"):
        if path.relative_to(folder).as_posix() not in known:
            path.unlink(missing_ok=True)

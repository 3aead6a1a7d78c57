# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The history of a world as a tree of world folders.

A branch is a sibling folder whose files are hard links to those of its parent (world files are replaced, never
changed in place, so both stay whole), cut back to the segment where it leaves the parent. Nothing else is stored:
the tree is read from the folders.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lyra_core.errors import LyraError, WorldError
from lyra_core.explorer.plan import PathPlan
from lyra_core.explorer.state import STATE_FILE, State, Undoable, load_state, save_state
from lyra_core.pipeline.generate import revert
from lyra_core.world import SegmentRecord, WorldFolder, read_manifest

__all__ = ["Node", "branch", "drop", "may_drop", "read_tree", "tree_lines"]

_MARK = "~"


@dataclass(frozen=True, slots=True)
class Node:
    """One world of the tree. depth: distance from the root."""

    name: str
    parent: str
    branched_at: int
    frames: int
    segments: tuple[SegmentRecord, ...]
    built: bool
    kept: bool
    depth: int


def _root_name(name: str) -> str:
    return name.split(_MARK, 1)[0]


def read_tree(folder: Path) -> tuple[Node, ...]:
    """All worlds of the tree that folder belongs to, parents before their children."""
    root = _root_name(folder.name)
    found: dict[str, Node] = {}
    for place in sorted(folder.parent.glob(f"{root}*")):
        if place.name != root and not place.name.startswith(root + _MARK):
            continue
        try:
            manifest = read_manifest(place)
            state = load_state(place, PathPlan())
        except LyraError:
            continue  # a folder that is being made, or no world
        world = WorldFolder(place, manifest)
        found[place.name] = Node(
            place.name, state.parent, state.branched_at, world.frame_count, tuple(manifest.segments), world.is_built,
            state.kept, 0,
        )  # fmt: skip
    out: list[Node] = []

    def visit(name: str, depth: int) -> None:
        out.append(replace(found[name], depth=depth))
        for child in sorted(n.name for n in found.values() if n.parent == name and n.name != name):
            visit(child, depth + 1)

    for name, node in found.items():
        if node.parent not in found:
            visit(name, 0)
    return tuple(out)


def tree_lines(nodes: Sequence[Node], current: str) -> str:
    """The tree as Markdown lines; the world that is shown is bold."""
    lines = []
    for node in nodes:
        steps = " → ".join(f"{s.path} ({s.stop - s.first})" for s in node.segments[1:]) or "photo only"
        name = f"**{node.name}**" if node.name == current else node.name
        marks = ("" if node.built else " · not built") + (" · kept" if node.kept else "")
        lines.append(f"{'    ' * node.depth}- {name}: {steps}{marks}")
    return "\n".join(lines)


def branch(folder: Path, segments: int, *, plan: PathPlan | None = None) -> Path:
    """A new world with the first so many segments of this one; returns its folder.

    Parameters
    ----------
    segments: segments to keep, 1 = only the photo's own.
    plan: what is planned there first.

    Raises WorldError if there are not so many, or the world is unfinished.
    """
    world = WorldFolder.open(folder)
    count = len(world.manifest.segments)
    if not 1 <= segments <= count:
        raise WorldError("There is no such step", got=str(segments), do=f"This world has {count}")
    if world.frame_count < world.manifest.segments[segments - 1].stop:
        raise WorldError("This step is not finished", got=f"{world.frame_count} frames", do="Generate it first")
    target = _free_name(folder)
    scratch = target.with_name(f".{target.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(
        folder, scratch, copy_function=_link, ignore=shutil.ignore_patterns("exports", "manifest.json", STATE_FILE)
    )
    shutil.copyfile(folder / "manifest.json", scratch / "manifest.json")
    scratch.rename(target)
    if segments < count:
        for _ in revert(target, steps=count - segments, build=False):
            pass
    stop = world.manifest.segments[segments - 1].stop
    made = tuple(m for m in load_state(folder, PathPlan()).made if m[0] < stop)
    save_state(target, State(Undoable(plan or PathPlan()), made=made, parent=folder.name, branched_at=stop - 1))
    return target


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
    return target


def _free_name(folder: Path) -> Path:
    root, number = _root_name(folder.name), 2
    while (folder.parent / f"{root}{_MARK}{number}").exists():
        number += 1
    return folder.parent / f"{root}{_MARK}{number}"


def may_drop(folder: Path) -> None:
    """Raises WorldError for the root, a kept branch, or one that others branched from."""
    nodes = {n.name: n for n in read_tree(folder)}
    node = nodes.get(folder.name)
    if node is None or not node.parent or node.kept or any(n.parent == folder.name for n in nodes.values()):
        raise WorldError(
            "This world is not deleted here",
            got=folder.name,
            do="Only branches are that are not kept and that no other branch begins from",
        )


def drop(folder: Path) -> None:
    """Delete a branch. Raises what may_drop raises."""
    may_drop(folder)
    shutil.rmtree(folder)

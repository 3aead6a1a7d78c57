# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Objects as convex pieces (CoACD): colliders that may move, which triangle meshes may not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lyra_core.errors import MissingDependencyError
from lyra_core.meshing.semantics import FaceLabels, split_parts
from lyra_core.types import Mesh

__all__ = ["ConvexObject", "convex_objects"]

_LEAST_FACES = 20
_SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class ConvexObject:
    """name: that of the object among the parts of the visual mesh; pieces: closed convex meshes in world metres."""

    name: str
    pieces: tuple[Mesh, ...]


def convex_objects(
    mesh: Mesh, labels: FaceLabels, *, threshold: float = 0.1, most_pieces: int = 12, most_objects: int = 24
) -> Iterator[ConvexObject]:
    """The largest objects of a labelled mesh as convex pieces. An object that is open below stays hollow.

    threshold: how far a piece may depart from the surface, as CoACD's concavity in shares of the object's size.
    Raises MissingDependencyError with the command that installs coacd.
    """
    try:
        import coacd  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingDependencyError(
            "Convex pieces need the package coacd",
            got=f"it cannot be imported: {error}",
            do="pip install 'lyra-worldgen[convex]', or leave build.convex off",
        ) from error
    coacd.set_log_level("error")
    objects = (part for part in split_parts(mesh, labels) if part.label == "object" and part.name != "objects_small")
    for number, part in enumerate(objects):
        if number >= most_objects:
            return
        if len(part.mesh.faces) < _LEAST_FACES:
            continue
        found = coacd.run_coacd(
            coacd.Mesh(np.asarray(part.mesh.vertices, np.float64), np.asarray(part.mesh.faces, np.int32)),
            threshold=threshold,
            max_convex_hull=most_pieces,
            preprocess_resolution=20,
            resolution=500,
            mcts_iterations=20,
            mcts_nodes=10,
            mcts_max_depth=2,
            seed=_SEED,
        )
        pieces = tuple(Mesh(np.asarray(vertices, np.float32), np.asarray(faces, np.int32)) for vertices, faces in found)
        if pieces:
            yield ConvexObject(part.name, pieces)

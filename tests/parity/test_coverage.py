# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Coverage: NumPy against Warp, exact greedy choice, and culling that never changes the answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyra_core.errors import InputError
from lyra_core.kernels import launch
from lyra_core.ops.coverage import greedy, in_view, make_view, owner_counts, reach
from tests.memory import room


def views_of(cameras, **options):
    return [make_view(i, room.render(c)[1], c, **options) for i, c in enumerate(cameras)]


def ring(count, size=(104, 60)):
    """Cameras in the room that look in all directions."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return [
        room.camera(
            (0.8 * np.cos(a), 0.5 + 0.8 * np.sin(a), 1.3), (3 * np.cos(2 * a), 0.5 + 3 * np.sin(2 * a), 1.0), *size
        )
        for a in angles
    ]


CAMERAS = ring(9)
VIEWS = views_of(CAMERAS)


def test_a_view_covers_itself_best():
    assert greedy(VIEWS, [CAMERAS[4]], count=1) == (4,)


def test_warp_agrees_with_numpy():
    targets = [CAMERAS[2], room.camera((0.1, 0.2, 1.2), (1.0, 3.0, 0.8), 104, 60)]
    one, two = (reach(VIEWS, targets, device=device) for device in ("numpy", "cpu"))
    different = np.bitwise_count(one ^ two).sum()
    # float32 products are added in another order: cells decided by rounding may differ.
    assert different <= 2e-3 * np.bitwise_count(one).sum()
    counts = [owner_counts(VIEWS, targets, device=device) for device in ("numpy", "cpu")]
    np.testing.assert_allclose(counts[0], counts[1], atol=3)


def test_greedy_is_the_plain_greedy():
    target = room.camera((0.1, 0.2, 1.2), (1.0, 3.0, 0.8), 104, 60)
    bits = reach(VIEWS, [target])
    cells = np.unpackbits(bits.view(np.uint8), axis=1).astype(bool)
    covered, want = np.zeros(cells.shape[1], bool), []
    for _ in range(4):
        gain = [(row & ~covered).sum() for row in cells]
        best = int(np.argmax(gain))
        if gain[best] == 0:
            break
        want.append(best)
        covered |= cells[best]
    assert greedy(VIEWS, [target], count=4, cull=False) == tuple(reversed(want))


place = st.tuples(st.floats(-2.5, 2.5), st.floats(-2.5, 3.5), st.floats(0.3, 2.3))


@given(center=place, ahead=place, others=st.lists(st.tuples(place, place), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_culling_never_changes_the_answer(center, ahead, others):
    def camera(a, b):
        b = tuple(np.array(b) + 1e-2 * np.array([1.0, 2.0, 0.5]))
        return room.camera(a, b, 64, 40)

    target, views = camera(center, ahead), views_of([camera(a, b) for a, b in others])
    kept = greedy(views, [target], count=5)
    assert kept == greedy(views, [target], count=5, cull=False)
    bits = reach(views, [target], relative=1e9)  # every point that lands, however far behind others
    for view, row in zip(views, bits, strict=True):
        if row.any():
            assert in_view(view.hull, target).any()


def test_culling_drops_what_is_behind():
    target = room.camera((0, 0, 1.3), (0, 3, 1.3), 64, 40)
    behind = views_of([room.camera((0, -0.5, 1.3), (0, -3, 1.3), 64, 40)])[0]
    assert not in_view(behind.hull, target).any()


def test_empty_depth_is_not_a_point_at_the_origin():
    camera = room.camera((0, -2, 1.3), (0, 0, 0), 64, 40)  # looks at the world origin
    empty = make_view(5, np.zeros((40, 64), np.float32), camera)
    assert greedy([empty], [camera]) == ()
    origin = greedy([empty], [camera], compat="reference", skip_newest=False)
    assert origin == (0,)  # the reference sees a point there


def test_the_tolerance_grows_with_depth():
    near = room.camera((0, -2, 1.3), (0, 3, 1.3), 64, 40)
    depth = room.render(near, ceiling=True)[1]
    noisy = make_view(1, (depth * 1.02).astype(np.float32), near)
    views = [make_view(0, depth, near), noisy]
    loose, strict = reach(views, [near], relative=0.03), reach(views, [near], relative=0.005)
    assert np.bitwise_count(loose[1]).sum() > 0.9 * np.bitwise_count(loose[0]).sum()
    assert np.bitwise_count(strict[1]).sum() < 0.2 * np.bitwise_count(strict[0]).sum()


def test_scale_does_not_matter():
    """Ten times the room gives the same choice; the reference's 0.1 m does not."""
    target = room.camera((0.1, 0.2, 1.2), (1.0, 3.0, 0.8), 104, 60)

    def scaled(factor):
        views = []
        for i, camera in enumerate(CAMERAS):
            pose = camera.world_from_camera.copy()
            pose[:3, 3] *= factor
            views.append(make_view(i, room.render(camera)[1] * np.float32(factor), camera.moved(pose)))
        pose = target.world_from_camera.copy()
        pose[:3, 3] *= factor
        return greedy(views, [target.moved(pose)], count=4)

    assert scaled(8.0) == scaled(1.0)  # a power of two: float16 rounds alike


def test_the_result_does_not_depend_on_the_number_of_threads(monkeypatch):
    results = []
    for threads in (1, 2, 4):
        monkeypatch.setenv("LYRA_THREADS", str(threads))
        launch.worker_count.cache_clear()
        results.append(reach(VIEWS, [CAMERAS[1]]))
    launch.worker_count.cache_clear()
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_nothing_held_gives_nothing_and_no_view_asked_is_refused():
    assert greedy([], [CAMERAS[0]]) == ()
    with pytest.raises(InputError, match="At least one view"):
        greedy(VIEWS, [CAMERAS[0]], count=0)

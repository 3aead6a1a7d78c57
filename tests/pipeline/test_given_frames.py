# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""`lyra generate FILM --model frames`: a film with cameras in a unit of its own becomes a world in metres."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lyra_core.errors import InputError, LyraError
from lyra_core.generation.seed import load_photo, make_seed
from lyra_core.models.protocols import DepthEstimate
from lyra_core.models.registry import DEPTH_MODELS
from lyra_core.pipeline.begin import make_video
from lyra_core.pipeline.config import load_config
from lyra_core.pipeline.generate import generate
from lyra_core.pipeline.given_frames import opened_frames, place_given
from lyra_core.reconstruction import write_video
from lyra_core.trajectory import save_lyra
from lyra_core.types import CameraPath
from lyra_core.world import WorldFolder
from tests.generation.test_camera_check import SIZE, cameras, room

COUNT, UNIT = 9, 0.4


class RoomDepth:
    """The exact depth of any picture of the room, found by its own colours: a stand-in for a perfect depth model."""

    name = "exact"
    pictures: tuple[np.ndarray, ...] = ()
    depths: tuple[np.ndarray, ...] = ()

    def estimate(self, rgb, *, intrinsics, sky=None):
        grey = [np.abs(rgb - other).mean() for other in self.pictures]
        depth = self.depths[int(np.argmin(grey))]
        return DepthEstimate(depth, np.zeros(depth.shape, bool), kind="metric", up=np.array([0.0, -1.0, 0.0]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The film of a room and a Lyra 2 trajectory whose unit is 2.5 m."""
    out = tmp_path_factory.mktemp("film")
    frames = [room(i, camera) for i, camera in enumerate(cameras(COUNT))]
    write_video(out / "film.mp4", [np.rint(f.rgb * 255).astype(np.uint8) for f in frames], fps=16, crf=4)
    poses = np.stack([f.camera.world_from_camera for f in frames])
    poses[:, :3, 3] *= UNIT
    save_lyra(out, CameraPath(poses, np.stack([f.camera.intrinsics for f in frames]), *SIZE), {0: "a room", 5: "on"})
    RoomDepth.pictures = tuple(f.rgb for f in frames)
    RoomDepth.depths = tuple(f.depth for f in frames)
    return out


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    monkeypatch.setitem(DEPTH_MODELS, "exact", f"{__name__}:RoomDepth")


def settings(*more):
    return load_config("quick", ["model.video=frames", "model.depth=exact", "device=cpu", "build.check=false",
                                 f"photo.pixels={SIZE[0] * SIZE[1]}", "build.flythrough=false", "build.triangles=4000",
                                 *more])  # fmt: skip


def begun(folder, *more):
    with opened_frames(folder, settings(*more), {}) as (photo, config, captions):
        picture = load_photo(photo, area=config.photo.pixels)
        model = make_video(config)
        from lyra_core.pipeline.begin import _seed_options, make_depth

        seed = make_seed(picture, make_depth(config), _seed_options(config), np.random.default_rng(0))
        return model, seed, place_given(model, seed), config, captions


def test_the_path_comes_out_in_metres_whatever_its_unit(folder):
    truth = np.stack([c.center for c in cameras(COUNT)])
    model, seed, (placed, path, notes, figures), config, captions = begun(folder)
    model.check_frames(config.path.frames)
    assert len(path) == COUNT
    assert captions == {0: "a room", 5: "on"}
    assert figures["path_scale"] == pytest.approx(1 / UNIT, rel=0.02)
    moved = np.linalg.norm(path.centers - path.centers[0], axis=1)
    assert np.allclose(moved, np.linalg.norm(truth - truth[0], axis=1), rtol=0.02, atol=1e-3)
    assert any("2.5" in note and "scaled" in note for note in notes)
    assert np.array_equal(path.world_from_camera[0], seed.world_from_camera)
    # The lens is the file's, cut as the picture is.
    assert np.allclose(placed.camera.intrinsics, path.intrinsics[0])


def test_the_depth_can_be_brought_to_the_path_instead(folder):
    _, seed, (placed, path, _, _), _, _ = begun(folder, "frames.scale=poses")
    moved = np.linalg.norm(path.centers[-1] - path.centers[0])
    truth = np.stack([c.center for c in cameras(COUNT)])
    assert moved == pytest.approx(UNIT * np.linalg.norm(truth[-1] - truth[0]), rel=1e-5)
    ratio = placed.depth[placed.depth > 0] / seed.depth[placed.depth > 0]
    assert np.allclose(ratio, UNIT, rtol=0.02)
    assert placed.camera_height == pytest.approx(UNIT * seed.camera_height, rel=0.02)
    assert placed.scale_source == "camera file"
    _, _, (_, kept, notes, figures), _, _ = begun(folder, "frames.scale=none")
    assert np.linalg.norm(kept.centers[-1] - kept.centers[0]) == pytest.approx(moved, rel=1e-5)
    assert figures == {}
    assert "as they are" in notes[-1]


@pytest.mark.slow
def test_a_film_becomes_a_world_and_a_stopped_run_goes_on(folder, tmp_path):
    whole = tmp_path / "whole"
    for _ in generate(folder, whole, settings()):
        pass
    world = WorldFolder.open(whole)
    assert world.frame_count == COUNT
    assert world.is_built
    assert world.manifest.models["video"] == "frames"
    assert world.manifest.models["video_source"] == "film.mp4"
    assert len(world.manifest.models["video_source_sha256"]) == 64
    for i in (0, 4, 8):
        error = [float(np.abs(world.frames[i].rgb - picture).mean()) for picture in RoomDepth.pictures]
        assert int(np.argmin(error)) == i
        assert error[i] < 0.05  # what the film's compression leaves
    depth = np.abs(np.log(world.frames[8].depth / RoomDepth.depths[8]))
    assert np.median(depth) < 0.05
    # Stopped after the photo: the rest is made from the settings that the manifest keeps.
    stopped = tmp_path / "stopped"
    events = generate(folder, stopped, settings())
    for _ in events:
        if (stopped / "manifest.json").is_file() and WorldFolder.open(stopped).frame_count >= 1:
            events.close()
            break
    for _ in generate(folder, stopped, settings(), resume=True):
        pass
    assert [c.files for c in WorldFolder.open(stopped).manifest.chunks] == [c.files for c in world.manifest.chunks]


def test_everything_wrong_is_told_before_the_folder_is_made(folder, tmp_path):
    out = tmp_path / "world"

    def refused(source: Path, *more: str) -> LyraError:
        with pytest.raises(LyraError) as caught:
            list(generate(source, out, settings(*more)))
        assert not out.exists()
        return caught.value

    assert "not there" in str(refused(tmp_path / "none.mp4"))
    assert "12 asked, 9 there" in str(refused(folder, "frames.count=12"))
    assert "depth, poses, none" in str(refused(folder, "frames.scale=metres"))
    assert "given twice" in str(refused(folder, f"frames.source={folder}"))
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "film.mp4").write_bytes((folder / "film.mp4").read_bytes())
    error = refused(bare)
    assert isinstance(error, InputError)
    assert "--path" in str(error)

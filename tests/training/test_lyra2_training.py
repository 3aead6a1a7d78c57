# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning of Lyra 2.0 on a tiny network: clips in the reference's layout, samples, self-augmentation, resume."""

from __future__ import annotations

import json
import struct
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from lyra_core.errors import ConfigError, InputError  # noqa: E402
from lyra_core.geometry import intrinsics_from_fov, inverse, look_at  # noqa: E402
from lyra_core.models.video.lyra2.bundle import find_bundle  # noqa: E402
from lyra_core.models.video.lyra2.packing import Layout  # noqa: E402
from lyra_core.reconstruction import write_video  # noqa: E402
from lyra_core.resources import shipped  # noqa: E402
from lyra_core.training.lyra2_clips import clip_names, mirrored, read_clip  # noqa: E402
from lyra_core.training.lyra2_samples import SampleSettings, augmented, make_sample, noised_conditions  # noqa: E402
from lyra_core.training.lyra2_training import _Parts, export, parameter_groups, run  # noqa: E402
from tests.models.lyra2_bundle import write_bundle  # noqa: E402

SOURCE = (80, 48)  # of the films
SIZE = (64, 32)  # of training
FRAMES = 40


def exr(depth):
    """A single-part scan-line EXR of one half channel Z, uncompressed."""
    height, width = depth.shape
    window = struct.pack("<iiii", 0, 0, width - 1, height - 1)

    def attribute(name, kind, value):
        return name + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value

    header = struct.pack("<ii", 20000630, 2)
    header += attribute(b"channels", b"chlist", b"Z\0" + struct.pack("<iiii", 1, 0, 1, 1) + b"\0")
    header += attribute(b"compression", b"compression", b"\0") + attribute(b"dataWindow", b"box2i", window)
    header += attribute(b"displayWindow", b"box2i", window) + attribute(b"lineOrder", b"lineOrder", b"\0")
    header += attribute(b"pixelAspectRatio", b"float", struct.pack("<f", 1.0))
    header += attribute(b"screenWindowCenter", b"v2f", struct.pack("<ff", 0, 0))
    header += attribute(b"screenWindowWidth", b"float", struct.pack("<f", 1.0)) + b"\0"
    lines = [struct.pack("<ii", y, 2 * width) + depth[y].astype("<f2").tobytes() for y in range(height)]
    first = len(header) + 8 * height
    offsets = b"".join(struct.pack("<Q", first + y * len(lines[0])) for y in range(height))
    return header + offsets + b"".join(lines)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    root = tmp_path_factory.mktemp("clips")
    for part in ("rgb", "pose", "intrinsics", "depth", "caption"):
        (root / part).mkdir()
    for k, name in enumerate(("one", "two")):
        frames, y, x = [], *np.mgrid[: SOURCE[1], : SOURCE[0]]
        for i in range(FRAMES):
            wave = 127 + 100 * np.sin((x + 2 * i) / 9 + k) * np.cos(y / 7)
            frames.append(np.stack([wave, np.full_like(wave, 3.0 * i), 255 - wave], -1).clip(0, 255).astype(np.uint8))
        write_video(root / "rgb" / f"{name}.mp4", frames, fps=16, crf=4)
        poses = np.stack([look_at([0.03 * i, 0, 1.4], [0.03 * i, 3, 1.2]) for i in range(FRAMES)])
        order = np.arange(FRAMES)[::-1]
        np.savez(root / "pose" / f"{name}.npz", data=poses[order].astype(np.float32), inds=order)
        lens = intrinsics_from_fov(70, *SOURCE)
        four = np.tile([lens[0, 0], lens[1, 1], lens[0, 2], lens[1, 2]], (FRAMES, 1))
        np.savez(root / "intrinsics" / f"{name}.npz", data=four, inds=np.arange(FRAMES))
    depth = np.stack([np.full(SOURCE[::-1], 3.0 + 0.01 * i, np.float32) for i in range(FRAMES)])
    depth[:, :8] = np.inf
    with zipfile.ZipFile(root / "depth" / "one.zip", "w") as archive:
        for i in range(FRAMES):
            archive.writestr(f"{i:05d}.exr", exr(depth[i]))
    np.savez(root / "depth" / "two.npz", depth=depth)
    (root / "caption" / "one.json").write_text(json.dumps({"0": "a room", "20": "more"}))
    np.savez(root / "caption" / "two.npz", **{"0": np.ones((5, 16), np.float32)})
    return root


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    torch.set_num_threads(1)
    folder = write_bundle(tmp_path_factory.mktemp("weights") / "lyra2")
    file = folder / "lyra2.json"
    told = json.loads(file.read_text())
    told["network"]["layout"] = told["network"]["layout"].replace("_g20", "_g2")  # chunks of 8 frames
    file.write_text(json.dumps(told))
    return folder


@pytest.fixture(scope="module")
def parts(bundle):
    return _Parts(find_bundle(bundle), "cpu", torch.float32)


def settings(clips, bundle, folder, *more):
    small = ["width=64", "height=32", "frames=33", "stride=1", "rate=1e-3", "warmup=1", "save_every=2"]
    return [f"data={clips}", f"checkpoint={bundle}", f"run={folder}", *small, *more]


def test_a_clip_is_read_scaled_and_cut_with_its_lens_depth_and_captions(clips):
    assert clip_names(clips) == ["one", "two"]
    for name in ("one", "two"):
        clip = read_clip(clips, name, frames=15, size=SIZE, stride=2, first=4)
        assert clip.rgb.shape == (15, 32, 64, 3)
        green = (clip.rgb[:, 16, 32, 1] + 1) * 127.5 / 3
        assert np.abs(green - (4 + 2 * np.arange(15))).max() < 2  # frames 4, 6, ...
        assert np.allclose(clip.depth[3, 20], 3.0 + 0.01 * 10, rtol=1e-3)
        assert np.isfinite(clip.depth).all()
        assert clip.depth[0, 0].max() == 0  # no depth where it was infinite
        # inds in reverse order are put right: frame j stands at 3 j cm.
        assert np.allclose(inverse(clip.w2c.astype(np.float64))[:, 0, 3], 0.03 * (4 + 2 * np.arange(15)), atol=1e-5)
        # 80x48 covers 64x32 at 0.8 and loses 3 rows above: the lens goes with it.
        lens = intrinsics_from_fov(70, *SOURCE)
        assert clip.intrinsics[0, 0, 0] == pytest.approx(0.8 * lens[0, 0], rel=1e-5)
        assert clip.intrinsics[0, 1, 2] == pytest.approx(0.8 * 24 - 3, rel=1e-5)
    one = read_clip(clips, "one", frames=15, size=SIZE, stride=2, first=4)
    assert (one.caption(1), one.caption(8), one.caption(14)) == ("a room", "more", "more")


def test_short_clips_go_back_and_forth(clips):
    assert mirrored(8, 4) == [0, 1, 2, 3, 2, 1, 0, 1]
    clip = read_clip(clips, "two", frames=60, size=SIZE, stride=1)
    assert np.array_equal(clip.rgb[41], clip.rgb[37])
    with pytest.raises(InputError, match="needs frames"):
        mirrored(3, 0)


def test_what_a_clip_lacks_is_told(clips, tmp_path):
    import shutil

    with pytest.raises(InputError, match="no clips"):
        clip_names(tmp_path)
    copy = tmp_path / "clips"
    shutil.copytree(clips, copy)
    (copy / "depth" / "one.zip").unlink()
    with pytest.raises(InputError, match="lacks its depth"):
        read_clip(copy, "one", frames=9, size=SIZE)
    np.savez(copy / "pose" / "two.npz", data=np.tile(np.eye(4), (5, 1, 1)), inds=np.arange(5))
    with pytest.raises(InputError, match="none for frame 5 of 40"):
        read_clip(copy, "two", frames=9, size=SIZE)
    (copy / "caption" / "one.json").rename(copy / "caption" / "one.pkl")
    np.savez(copy / "depth" / "one.npz", depth=np.ones((FRAMES, 48, 80), np.float32))
    with pytest.raises(InputError, match="Pickled captions"):
        read_clip(copy, "one", frames=9, size=SIZE)


def test_a_sample_is_the_truth_of_its_chunk_told_by_what_came_before(clips, parts):
    clip = read_clip(clips, "one", frames=33, size=SIZE, stride=1)
    layout: Layout = parts.network.layout
    sample = make_sample(clip, parts.network, parts.vae, 1, np.random.default_rng(0))
    assert sample.clean.shape == (1, 16, 2, 4, 8)
    assert sample.told.history.shape == (1, 16, layout.history, 4, 8)
    assert sample.told.y.shape == (1, 404, layout.total, 4, 8)
    assert torch.equal(sample.last[0].permute(1, 2, 0), torch.from_numpy(clip.rgb[8]))
    # The latents are those of the film up to the chunk, encoded as a stream.
    from lyra_core.models.video.lyra2.vae import VaeStream

    film = torch.from_numpy(clip.rgb[:17].transpose(3, 0, 1, 2).copy())[None]
    stream = VaeStream()
    parts.vae.encode(film[:, :, :1].repeat(1, 1, 4 * (layout.history - 1) + 1, 1, 1), stream)
    torch.testing.assert_close(parts.vae.encode(film[:, :, 1:], stream)[:, :, -2:], sample.clean)
    with pytest.raises(InputError, match="33 frames, 41 needed"):
        make_sample(clip, parts.network, parts.vae, 4, np.random.default_rng(0))


def test_noise_of_retrieved_pictures_is_the_same_in_history_and_condition(clips, parts):
    clip = read_clip(clips, "one", frames=33, size=SIZE, stride=1)
    sample = make_sample(clip, parts.network, parts.vae, 0, np.random.default_rng(0), first_only=True)
    positions = parts.network.layout.spatial_positions
    noised = noised_conditions(sample.told, positions, np.random.default_rng(5))
    change = noised.history - sample.told.history
    assert float(change[:, :, list(positions)].abs().max()) > 0
    assert float(change[:, :, [i for i in range(change.shape[2]) if i not in positions]].abs().max()) == 0
    torch.testing.assert_close((noised.y - sample.told.y)[:, 4:20, : change.shape[2]], change)


def test_self_augmentation_damages_the_past_and_keeps_the_truth(clips, parts):
    clip = read_clip(clips, "one", frames=33, size=SIZE, stride=1)
    rows = parts.rows("a room")
    made = augmented(clip, parts.network, parts.vae, 1, rows, parts.tokens, np.random.default_rng(1))
    plain = make_sample(clip, parts.network, parts.vae, 2, np.random.default_rng(1))
    assert made.segment == 2
    torch.testing.assert_close(made.clean, plain.clean)  # the target is clean
    assert not torch.allclose(made.last, plain.last, atol=1e-3)  # the frame before is the network's
    assert float(made.last.abs().max()) <= 1
    assert not torch.allclose(made.told.history, plain.told.history, atol=1e-3)


def test_parameter_groups_take_names_and_freeze_the_rest(parts):
    import copy

    network = copy.deepcopy(parts.network)
    groups = parameter_groups(network, {"cam_encoder": 1.0, "self_attn": 0.5}, 2e-5)
    assert [g["lr"] for g in groups] == [2e-5, 1e-5]
    learns = {name for name, p in network.named_parameters() if p.requires_grad}
    assert learns == {name for name, _ in network.named_parameters() if "cam_encoder" in name or "self_attn" in name}
    assert sum(len(g["params"]) for g in groups) == len(learns)
    everything = parameter_groups(network, {"all": 1.0}, 1e-5)
    assert len(everything[0]["params"]) == len(list(network.parameters()))
    with pytest.raises(ConfigError, match="fit some names"):
        parameter_groups(network, {"nothing_like_it": 1.0}, 1e-5)


def test_a_run_that_stops_and_goes_on_equals_one_that_does_not(clips, bundle, tmp_path):
    config = shipped("config", "train_lyra2.yaml")
    whole = run(config, settings(clips, bundle, tmp_path / "whole", "steps=4"))
    assert [r.step for r in whole] == [0, 1, 2, 3]
    assert all(np.isfinite(r.loss) for r in whole)
    assert not any(r.augmented for r in whole[1::2])
    first = run(config, settings(clips, bundle, tmp_path / "parts", "steps=2"))
    rest = run(config, settings(clips, bundle, tmp_path / "parts", "steps=4"))
    assert [r.loss for r in first + rest] == [r.loss for r in whole]
    ends = [torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["network"] for name in ("whole", "parts")]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])
    log = (tmp_path / "whole" / "log.jsonl").read_text().splitlines()
    assert len(log) == 4
    from omegaconf import OmegaConf

    file = export(OmegaConf.create({"run": str(tmp_path / "whole")}), tmp_path / "out")
    from lyra_core.models.video.lyra2.checkpoint import load_transformer

    loaded = load_transformer(file.parent, config=find_bundle(bundle).network, dtype=torch.float32)
    assert torch.equal(loaded.network.state_dict()["patch_embedding.weight"], ends[0]["patch_embedding.weight"])


def test_settings_and_broken_checkpoints_are_told(clips, bundle, tmp_path):
    config = shipped("config", "train_lyra2.yaml")
    with pytest.raises(ConfigError, match="multiples of 16"):
        run(config, settings(clips, bundle, tmp_path, "width=50"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"half a file")
    with pytest.raises(ConfigError, match="cannot be read"):
        run(config, settings(clips, bundle, tmp_path / "run", "steps=1"))
    assert SampleSettings().segments == 13

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Whole films of tiny networks against golden ones of Lyra 2.0 (j_ar_loop*.safetensors).

README of the set: retrieved frames and cache exact, first chunk's latents 2e-3, later ones 5e-2 on average (pixels
at the rim of holes feed back), cameras 1e-4. Pictures are stored as half.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lyra_core.errors import ModelError  # noqa: E402
from lyra_core.models.video.lyra2.loop import (  # noqa: E402
    Cameras,
    Film,
    LoopOptions,
    caption_key,
    depth_window,
    valid_frames,
)
from lyra_core.models.video.lyra2.network import NetworkConfig, Transformer  # noqa: E402
from lyra_core.models.video.lyra2.poses import align_prediction  # noqa: E402
from lyra_core.models.video.lyra2.vae import Vae, make_autoencoder  # noqa: E402
from tests.golden.lyra2_files import ROOT, Golden, files, random, scene, worst  # noqa: E402

GOLDEN = {parameter.values[0]: Golden(parameter.values[0]) for parameter in files("j_ar_loop*")}


class Setup:
    """Networks and inputs of a file; its metadata names the two files that hold the weights."""

    def __init__(self, golden: Golden, run: str) -> None:
        torch.set_num_threads(1)
        self.golden, self.run, self.info = golden, run, golden.json("info")[run]
        names = re.findall(r"([\w.-]+)\.safetensors", golden.meta["dit"])
        folder = golden.path.parent
        dit, vae = (Golden(next(f for f in [folder, ROOT] for f in f.glob(f"**/{name}.safetensors"))) for name in names)
        self.config = NetworkConfig(layout=golden.meta["framepack"], **golden.json("cfg"))
        self.network = Transformer(self.config).eval().requires_grad_(False)
        self.network.load_state_dict(dit.weights(), strict=True)
        self.vae = Vae(make_autoencoder(vae.weights(), vae.json("cfg")).requires_grad_(False))
        self.w2c = golden["w2c"].numpy()
        self.intrinsics = np.repeat(golden["K"].numpy()[None], len(self.w2c), 0)

    def window(self) -> dict[str, int]:
        """Spacing and number of the frames that the depth network sees, and the cache's stride, as the data shows them."""
        shown = self.golden[f"{self.run}/depth_net_w2c_call0"].numpy()
        frames = [int(np.abs(self.w2c - one).sum((1, 2)).argmin()) for one in shown]
        interval = frames[-1] - frames[-2] if len(frames) > 1 else 1
        count = next((i for i in range(1, len(frames)) if frames[-1 - i] != frames[-1] - i * interval), len(frames))
        stride = int(np.gcd.reduce(self.golden[f"{self.run}/cache_ids"].numpy()))
        return {"depth_interval": interval, "depth_count": count, "cache_stride": stride}

    def film(self, compat: str = "reference") -> Film:
        kw, golden = self.info["kw"], self.golden
        toy = scene(golden.path).ToyDepthNet(scaled=kw.get("predicted_pose", False))
        height, width = golden.number("H"), golden.number("W")
        self.seen = []

        def depth(pixels, w2c, intrinsics):
            assert pixels.dtype == np.uint8
            assert pixels.shape == (len(w2c), height, width, 3)
            self.seen.append(w2c)
            return toy(w2c, intrinsics, height, width)

        options = LoopOptions(
            steps=kw.get("steps", 35), guidance=kw.get("cfg", 5.0), distilled=kw.get("dmd", False), seed=kw["seed"],
            views=kw.get("views", 1), compat=compat, **self.window(), chunk_ends=kw.get("ends", False), predicted_pose=kw.get("predicted_pose", False),
        )  # fmt: skip
        first = Cameras(self.w2c[:1], self.intrinsics[:1])
        return Film(
            self.network, self.vae, depth, golden["first_rgb"], golden["first_depth"][0].numpy(), first, options
        )

    def play(self, film: Film) -> list:
        golden, seed, chunks = self.golden, self.golden.number("seed"), self.golden.number("chunks")
        cfg = golden.json("cfg")
        rows, empty = (int(n) for n in re.findall(r"rows>=(\d+)", golden.meta["inputs"]))
        captions = random(seed + 1, 1, chunks, 512, cfg["text_dim"])
        captions[:, :, rows:] = 0
        negative = random(seed + 2, 1, 512, cfg["text_dim"])
        negative[:, empty:] = 0
        tokens = random(seed + 3, 1, 257, cfg["clip_dim"])
        results, n, history = [], film.length, film.network.layout.history
        for c in range(chunks):
            fresh = None
            if f"{self.run}/dmd_noise" in golden:
                noises = golden[f"{self.run}/dmd_noise"]
                per = len(noises) // chunks
                fresh = lambda i, c=c, per=per, noises=noises: noises[per * c + i].transpose(0, 1)[None, :, history:]  # noqa: E731
            part = slice(1 + n * c, 1 + n * (c + 1))
            results.append(film.extend(
                Cameras(self.w2c[part], self.intrinsics[part]), film.network.prepare_text(captions[:, c]),
                film.network.prepare_text(negative), tokens * (1 + film.last_frame().mean()), last=c == chunks - 1,
                fresh=fresh,
            ))  # fmt: skip
        return results


runs = pytest.mark.parametrize(
    ("golden", "run"),
    [pytest.param(g, run, id=f"{p.stem}-{run}") for p, g in GOLDEN.items() for run in g.json("info")],
)


def later(got, want) -> float:
    return float((got - want).abs().mean())


@runs
def test_a_whole_film_is_golden(golden, run):
    setup = Setup(golden, run)
    film = setup.film()
    results = setup.play(film)
    for c, result in enumerate(results):
        assert list(result.retrieved) == golden[f"{run}/retrieved_chunk{c}"][:, 1].tolist()
    assert list(film.cache) == golden[f"{run}/cache_ids"].tolist()
    assert worst(torch.from_numpy(film.cameras.w2c), golden[f"{run}/camera_after"]) < 1e-4
    assert worst(torch.from_numpy(setup.seen[0]), golden[f"{run}/depth_net_w2c_call0"]) < 1e-4
    assert [len(w) for w in setup.seen] == [call["n"] for call in setup.info["depth_calls"]]
    new = film.network.layout.new
    sampled, want = torch.cat([r.sampled for r in results], dim=2), golden[f"{run}/generated_latents"]
    assert worst(sampled[:, :, :new], want[:, :, :new]) < 2e-3
    assert later(sampled, want) < 5e-2
    assert film.latents.shape[2] == setup.info["hist_latents"]
    tail = golden[f"{run}/history_latents_tail"]
    got = film.latents[:, :, -tail.shape[2] :]
    assert worst(got[:, :, : 1 + new], tail[:, :, : 1 + new]) < 2e-3
    assert later(got, tail) < 5e-2
    assert film.frames.shape[2] == setup.info["frames"]
    video = golden[f"{run}/video"].float()
    step = round((film.frames.shape[2] - 1) / (video.shape[2] - 1))
    shown = film.frames[:, :, ::step]
    assert worst(shown[:, :, : film.length // step + 1], video[:, :, : film.length // step + 1]) < 4e-3
    assert later(shown, video) < 5e-2
    for key in golden.keys(f"{run}/warp_video_every"):
        want, every = golden[key].float(), int(key.removeprefix(f"{run}/warp_video_every"))
        warped = torch.cat([film.frames[:, :, :1], *(r.conditions.warped for r in results)], dim=2)
        warped = warped[:, :, ::every]
        assert warped.shape == want.shape
        assert later(warped[:, :, 1:], want[:, :, 1:]) < 5e-2


@runs
def test_a_film_in_default_geometry_is_as_long_and_finite(golden, run):
    setup = Setup(golden, run)
    film = setup.film("default")
    setup.play(film)
    assert film.frames.shape[2] == setup.info["frames"]
    assert bool(torch.isfinite(film.frames).all())
    assert list(film.cache) == golden[f"{run}/cache_ids"].tolist()


def test_a_wrong_number_of_cameras_is_refused_in_words():
    golden = next(iter(GOLDEN.values()))
    setup = Setup(golden, next(iter(golden.json("info"))))
    film = setup.film()
    with pytest.raises(ModelError, match=rf"1 \+ {film.length} k"):
        film.extend(Cameras(setup.w2c[1:4], setup.intrinsics[1:4]), None, None, torch.zeros(1))


def test_counts_captions_and_windows_follow_the_reference():
    assert valid_frames(161) == (161,)
    assert valid_frames(100) == (81, 161)
    assert valid_frames(5) == (81, 161)
    assert caption_key((0, 81, 161), 81) == 81
    assert caption_key((0, 81, 161), 160) == 81
    assert caption_key((0, 81), 1) == 0
    assert depth_window(80, 80, LoopOptions()) == tuple(range(8, 81, 8))
    ends = LoopOptions(chunk_ends=True, depth_count=2)
    assert depth_window(160, 80, ends) == (0, 80, 152, 160)


@pytest.mark.parametrize("history", [1, 3])
def test_predicted_cameras_come_back_to_the_films_frame_and_scale(history):
    room = scene(next(iter(GOLDEN)))
    own = room.ar_cameras(6).numpy()
    other = room.look((0.2, 0.1, 0.3), (0.5, -0.2, 1.5)).numpy()
    predicted = own @ other
    predicted[:, :3, 3] *= 0.4
    aligned, scale = align_prediction(predicted[:, :3], own, history)
    assert scale == pytest.approx(2.5, rel=1e-5)
    np.testing.assert_allclose(aligned, own, atol=1e-5)
    with pytest.raises(ModelError, match="known already"):
        align_prediction(predicted, own, 0)

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Schedules and samplers against golden trajectories of Lyra 2.0 (d_sampler*.safetensors).

README of the set: tables 1e-6 (integer timesteps exact), trajectories 2e-5, 50 steps 1e-4. Timesteps up to 1000 are
compared at 1e-6 of their range.
"""

from __future__ import annotations

import re

import pytest

torch = pytest.importorskip("torch")

from lyra_core.errors import ModelError  # noqa: E402
from lyra_core.models.video.lyra2.sampler import (  # noqa: E402
    chunk_noise,
    distilled_grid,
    distilled_noise,
    sample_distilled,
    sample_unipc,
    self_augmentation_grid,
    self_augmentation_time,
    shifted_table,
    table_index,
    training_weights,
    unipc_grid,
    unipc_steps,
)
from tests.golden.lyra2_files import Golden, files, worst  # noqa: E402

TABLE, PATH = 1e-6, 2e-5
GOLDEN = {parameter.values[0]: Golden(parameter.values[0]) for parameter in files("d_sampler*")}


def named(prefix: str, suffix: str) -> list:
    """(golden, name) of everything in the files between prefix and suffix."""
    return [
        pytest.param(golden, key[: -len(suffix)], id=f"{path.stem}-{key[: -len(suffix)]}")
        for path, golden in GOLDEN.items()
        for key in golden.keys(prefix, suffix)
    ]


every_file = pytest.mark.parametrize("golden", [pytest.param(g, id=p.stem) for p, g in GOLDEN.items()])


_TOY = re.compile(r"v\(x,t,(pos|neg)\)=([\d.]+)x-([\d.]+)sin\(([\d.]+)x\+([\d.]+)t\)\+([\d.]+)cos\(([\d.]+)x\)")


def toy_of(golden):
    """The velocity that the file's metadata names."""
    numbers = {m[1]: [float(n) for n in m.groups()[1:]] for m in _TOY.finditer(golden.meta["toy"])}

    def toy(x, t, conditional):
        a, b, c, d, e, f = numbers["pos" if conditional else "neg"]
        return a * x - b * torch.sin(c * x + d * t) + e * torch.cos(f * x)

    return toy


@pytest.mark.parametrize(("golden", "name"), named("unipc/", "/sigmas"))
def test_unipc_tables_are_golden(golden, name):
    steps, shift = re.search(r"n(\d+)_shift([\d.]+)", name).groups()
    grid = unipc_grid(int(steps), float(shift))
    assert worst(grid.sigmas, golden[f"{name}/sigmas"]) < TABLE
    assert grid.timesteps.dtype == torch.int64
    assert grid.timesteps.tolist() == golden[f"{name}/timesteps"].tolist()


@pytest.mark.parametrize(("golden", "name"), named("traj/", "/all_steps_gen"))
def test_every_step_of_unipc_with_guidance_is_golden(golden, name):
    steps, shift, guidance = re.search(r"n(\d+)_shift([\d.]+)_cfg([\d.]+)", name).groups()
    want = golden[f"{name}/all_steps_gen"]
    noise = chunk_noise(int(golden[f"{name}/seed"]), tuple(want.shape[1:]))
    options = {"steps": int(steps), "shift": float(shift), "guidance": float(guidance)}
    calls, toy = [], toy_of(golden)

    def velocity(x, t, conditional):
        calls.append((t, conditional))
        return toy(x, t, conditional)

    got = torch.stack(list(unipc_steps(velocity, noise, **options)))
    limit = PATH if int(steps) <= 35 else 1e-4
    assert worst(got, want) < limit
    assert worst(sample_unipc(toy, noise, **options), golden[f"{name}/final_gen"]) < limit
    assert len(calls) == int(steps) * (1 if float(guidance) == 1 else 2)  # the reference always makes two
    # History is not sampled here; in the reference it drifts by less than the tolerance.
    assert worst(golden[f"{name}/history_last"], golden["traj/history"]) < PATH


@every_file
def test_the_distilled_four_steps_are_golden(golden):
    grid = distilled_grid()
    assert worst(grid.timesteps, golden["dmd/step_list"]) < TABLE * 1000
    assert worst(grid.sigmas[:-1], golden["dmd/sigma_at_steps"]) < TABLE
    assert worst(shifted_table().timesteps, golden["dmd/timesteps_table"]) < TABLE * 1000
    want, noises = golden["dmd/final_gen"], golden["dmd/noises_TCHW"]
    history = noises.shape[1] - want.shape[2]
    noise = chunk_noise(int(golden["dmd/seed"]), tuple(want.shape))
    got = sample_distilled(toy_of(golden), noise, lambda i: noises[i].transpose(0, 1)[None, :, history:])
    assert worst(got, want) < PATH


@pytest.mark.parametrize(("golden", "name"), named("selfaug/", "/sigmas"))
def test_the_self_augmentation_step_is_golden(golden, name):
    sigma = float(golden[f"{name}/sigmas"][0])
    grid = self_augmentation_grid(sigma)
    assert worst(grid.sigmas, golden[f"{name}/sigmas"]) < TABLE
    assert grid.timesteps.tolist() == golden[f"{name}/timesteps"].tolist()
    clean = golden[f"{name}/x"] - grid.sigmas[0] * golden[f"{name}/v"]
    assert worst(clean, golden[f"{name}/out"]) < PATH


@every_file
def test_the_training_tables_are_golden(golden):
    table = shifted_table()
    weights = training_weights(table)
    assert worst(table.sigmas[:-1], golden["train/sigmas"]) < TABLE
    assert worst(table.timesteps, golden["train/timesteps"]) < TABLE * 1000
    assert worst(weights, golden["train/weights"]) < TABLE * 2  # weights reach 2
    for i, u in enumerate(golden["train/u"].tolist()):
        row = table_index(u)
        assert float(table.timesteps[row]) == pytest.approx(float(golden["train/t_of_u"][i]), rel=TABLE)
        assert float(table.sigmas[row]) == pytest.approx(float(golden["train/sigma_of_u"][i]), rel=TABLE)
        assert float(weights[row]) == pytest.approx(float(golden["train/weight_of_u"][i]), abs=2 * TABLE)
        assert self_augmentation_time(table, u) == pytest.approx(golden["train/stageA_t_sigma_of_u"][i].tolist())


def test_fresh_noise_is_the_chunks_own_unless_the_reference_is_asked_for():
    shape = (1, 16, 3, 2, 2)
    torch.manual_seed(1)
    own = distilled_noise(shape, 4, 7)(0)
    torch.manual_seed(2)
    assert torch.equal(own, distilled_noise(shape, 4, 7)(0))
    torch.manual_seed(2)
    theirs = distilled_noise(shape, 4, 7, compat="reference")(0)
    torch.manual_seed(2)
    frames = torch.randn(7, 16, 2, 2)  # history first, as the reference draws them
    assert torch.equal(theirs, frames[4:].transpose(0, 1)[None])


def test_no_steps_are_refused_in_words():
    with pytest.raises(ModelError, match="one step"):
        unipc_grid(0)

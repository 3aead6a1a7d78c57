# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The options of Lyra 2.0's scripts mean here what they mean there."""

from __future__ import annotations

import json

import pytest

from lyra_core.errors import InputError
from lyra_core.generation.loop import caption_for
from lyra_core.pipeline.config import load_config
from lyra_core.pipeline.lyra2_flags import FLAGS, reference_settings

SCRIPT = (
    "--guidance 4 --shift 3.5 --num_sampling_step 20 --seed 7 --fps 24 --num_frames 241 --resolution 448,768"
    " --context_parallel_size 4 --num_retrieval_views 2 --lora_paths realism detail --lora_weights 0.4 0.3"
    " --trajectory_path way.npz --checkpoint_dir checkpoints/model"
)


def config(*words, **options):
    return load_config("lyra2", reference_settings(words, **options).overrides)


def test_the_custom_scripts_options_become_settings(tmp_path):
    made = config(*SCRIPT.split())
    own = made.lyra2
    assert (own.guidance, own.shift, own.steps, own.gpus, own.views) == (4.0, 3.5, 20, 4, 2)
    assert (made.seed, made.path.fps, made.path.frames, made.photo.pixels) == (7, 24.0, 241, 448 * 768)
    assert list(own.loras) == ["realism:0.4", "detail:0.3"]
    assert (made.path.name, own.checkpoint) == ("way.npz", "checkpoints")
    assert made.path.pose_scale == 1.1  # the custom script's default
    assert config("--trajectory_path", "way.npz", "--pose_scale", "1").path.pose_scale == 1.0
    assert config("--trajectory_path", "way.npz", own_pose_scale=True).path.pose_scale == 1.0


def test_trajectories_of_the_scripts_are_the_presets_of_that_name():
    made = config("--trajectory=horizontal_zoom", "--direction", "left", "--strength", "0.5", "--use_dmd")
    assert (made.path.name, made.path.strength, made.lyra2.distilled) == ("lyra2:horizontal_zoom", 0.5, True)
    assert made.path.options["direction"] == "left"


def test_captions_come_by_first_frame_and_the_suffix_goes_to_each(tmp_path):
    file = tmp_path / "way.json"
    file.write_text(json.dumps({"0": "a room", "81": "its garden", "161": "the sea"}))
    told = reference_settings(["--captions_path", str(file), "--prompt_suffix", "at", "dusk"])
    assert told.captions == {0: "a room at dusk", 81: "its garden at dusk", 161: "the sea at dusk"}
    # The largest key that is not beyond the chunk's first frame.
    assert [caption_for(told.captions, 1 + 80 * c) for c in range(4)] == [
        "a room at dusk", "its garden at dusk", "the sea at dusk", "the sea at dusk"]  # fmt: skip
    assert reference_settings(["--prompt", "a quiet room"]).captions == {0: "a quiet room"}
    file.write_text("[]")
    with pytest.raises(InputError, match="JSON table"):
        reference_settings(["--captions_path", str(file)])


def test_what_the_plan_does_is_told_and_what_has_no_counterpart_is_refused():
    told = reference_settings(["--offload", "--offload_when_prompt", "--use_moge_scale"])
    assert not told.overrides
    assert len(told.notes) == 3
    assert "memory plan" in told.notes[0]
    with pytest.raises(InputError, match="one photo at a time"):
        reference_settings(["--num_samples", "10"])


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--guidence", "5"], "Did you mean 'guidance'"), (["--guidance"], "one value"), (["--resolution", "480x832"],
     "height,width"), (["--lora_paths", "a", "b", "--lora_weights", "1"], "2 files, 1 weights"), (["5"], "expected")],
)  # fmt: skip
def test_wrong_options_are_told_in_words(words, message):
    with pytest.raises(InputError, match=message):
        reference_settings(words)


def test_every_known_option_is_settled_in_one_way():
    for name in FLAGS:
        assert name == name.strip("-")
    assert {"guidance", "use_dmd", "lora_paths", "pose_scale", "captions_path"} <= set(FLAGS)


def run(*words):
    from typer.testing import CliRunner

    from lyra_core.cli.main import app

    return CliRunner().invoke(app, ["generate", "photo.jpg", "--out", "world", *words])


def test_the_command_takes_them_for_lyra2_only():
    refused = run("--guidance", "5")
    assert refused.exit_code != 0
    assert "--model lyra2" in refused.output
    taken = run("--model", "lyra2", "--num_samples", "3")
    assert taken.exit_code == refused.exit_code
    assert "one photo at a time" in taken.output


def test_four_steps_without_the_distilled_lora_are_remarked_on():
    assert any("distilled LoRA" in note for note in reference_settings(["--use_dmd"]).notes)
    assert not reference_settings(["--use_dmd", "--lora_paths", "dmd.safetensors"]).notes

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""lyra train and lyra eval fill: what cannot be done is refused with the next step."""

import json

import pytest

from lyra_core.cli.main import main


def run(capsys, *words: str) -> tuple[int, dict]:
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--json"])
    return int(stopped.value.code or 0), json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize("which", ["depth", "video"])
def test_training_without_views_names_the_command_that_renders_them(capsys, tmp_path, which):
    code, said = run(capsys, "train", which, f"data={tmp_path}")
    assert code == 2
    assert "python -m lyra_core.training." in said["error"]["do"]
    assert str(tmp_path) in said["error"]["got"]


def test_an_unknown_setting_is_answered_with_the_nearest(capsys, tmp_path):
    code, said = run(capsys, "train", "video", "stps=3")
    assert code == 2
    assert "steps" in said["error"]["do"]
    code, said = run(capsys, "train", "video", "steps")
    assert "key=value" in said["error"]["what"]


def test_a_missing_config_and_a_run_without_checkpoint_are_refused(capsys, tmp_path):
    code, said = run(capsys, "train", "video", "--config", str(tmp_path / "none.yaml"))
    assert code == 2
    code, said = run(capsys, "train", "video", f"run={tmp_path}", "--export", str(tmp_path / "out"))
    assert code == 2
    assert "checkpoint" in said["error"]["what"]


@pytest.mark.parametrize("table", ["fill", "ablation", "depth"])
def test_evaluation_without_held_out_scenes_is_refused(capsys, tmp_path, table):
    code, said = run(capsys, "eval", table, "--out", str(tmp_path / "o"), "--data", str(tmp_path))
    assert code == 2
    assert "--split test" in said["error"]["do"]

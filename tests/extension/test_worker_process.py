# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The real worker process: protocol, a real small generation, kill and resume, cancel, what it leaves behind."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from lyra.worldgen.interpreter import clean_environment, core_root, find_interpreter
from lyra.worldgen.messages import Event, WorkerBroken, WorkerGone, WorkerSaid
from lyra.worldgen.worker import WorkerProcess
from lyra_core.pipeline.events import Progress, StageFinished, StageStarted
from lyra_core.pipeline.worker_meter import Meter
from tests.conftest import ROOT

_LEFT: WeakKeyDictionary[WorkerProcess, list[Event]] = WeakKeyDictionary()
TINY = {"path.frames": 7, "path.name": "dolly", "photo.pixels": 9000, "build.triangles": 3000, "build.check": False}
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def request(kind: str, number: int = 1, **body: Any) -> dict[str, Any]:
    return {"id": number, "request": kind, **body}


def small(photos: list[Path], out: Path, **settings: Any) -> dict[str, Any]:
    photo = next(p for p in photos if p.stem == "hall")
    return {"photo": str(photo), "out": str(out), "preset": "quick", "settings": {**TINY, **settings}}


def wait(worker: WorkerProcess, until: Callable[[Event], bool], seconds: float = 600.0) -> list[Event]:
    seen: list[Event] = []
    # What came together with the awaited event belongs to the next wait: on a busy machine two answers come at once.
    left = _LEFT.setdefault(worker, [])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        left.extend(worker.poll())
        while left:
            seen.append(left.pop(0))
            if until(seen[-1]):
                return seen
        time.sleep(0.01)
    raise AssertionError(f"nothing came in {seconds} s; seen: {[str(e)[:200] for e in seen[-5:]]}")


def line_is(*names: str) -> Callable[[Event], bool]:
    return lambda e: isinstance(e, WorkerSaid) and e.line["event"] in names


def group(pid: int) -> list[int]:
    """Living processes of the group of pid (zombies apart)."""
    out = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == pid and fields[0] != "Z":
            out.append(int(entry.parent.name))
    return out


@pytest.fixture
def worker(monkeypatch, tmp_path) -> Iterator[WorkerProcess]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    made = WorkerProcess()
    made.start(sys.executable)
    yield made
    made.close()
    assert list(scratch.iterdir()) == []
    assert not [t for t in threading.enumerate() if t.name.startswith("lyra-worker")]


def talk(lines: list[str], seconds: float = 300) -> list[dict[str, Any]]:
    """Every line that a worker writes to stdout for these lines on stdin; each must be JSON."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "lyra_core.pipeline.worker", "--log", f"{folder}/log"],
            input="".join(line + "\n" for line in lines),
            capture_output=True,
            text=True,
            timeout=seconds,
            env=clean_environment(root=ROOT),
            start_new_session=True,
        )
    assert done.returncode == 0, done.stderr
    return [json.loads(text) for text in done.stdout.splitlines()]


def test_hello_comes_first_and_names_protocol_catalog_and_what_is_missing():
    hello, last = talk(['{"id": 5, "request": "check"}', '{"id": 6, "request": "shutdown"}'])
    assert (hello["event"], hello["protocol"], hello["missing"]) == ("hello", 1, [])
    frames = {q["name"]: q["frames"] for q in hello["catalog"]["qualities"]}
    assert (frames["quick"], frames["balanced"]) == (33, 81)
    assert {r["name"] for r in hello["catalog"]["robots"]} >= {"lyra_bot", "nova_carter", "jetbot", "h1", "spot", "go2"}
    assert all(Path(r["asset"]).is_file() for r in hello["catalog"]["robots"] if not r["isaac_asset"])
    assert last["id"] == 5


def test_garbage_is_answered_with_errors_and_the_worker_lives_on():
    garbage = [
        "not json",
        "[1, 2]",
        '{"request": 3, "id": 1}',
        '{"id": 1}',
        '{"id": 2, "request": "fly"}',
        '{"id": 3, "request": "preview", "protocol": 99}',
        '{"id": 4, "request": "preview"}',
        '{"id": 5, "request": "preview", "photo": "/none.jpg", "settings": {"path.nome": 1}}',
        '{"id": 6, "request": "preview", "photo": "/none.jpg", "settings": {"path.options": {"angel": 1}}}',
        '{"id": 7, "request": "plan", "world": "/none", "robot": "lyra_bot", "goal": "here"}',
        '{"id": 8, "request": "describe", "world": "/none"}',
        '{"id": 9, "request": "generate", "photo": "/none.jpg", "out": "/none/x", "captions": {"a": 1}}',
        "[" * 100_000,
        "\x00\xff\ufffd",
    ]
    lines = talk([*garbage, '{"id": 10, "request": "check"}', '{"id": 11, "request": "shutdown"}'])
    assert lines[0]["event"] == "hello"
    failed = [line for line in lines if line["event"] == "failed"]
    assert len(failed) == len(garbage)
    assert all(line["what"] and line["kind"] != "LyraError" for line in failed), failed
    by_id = {line["id"]: line for line in failed}
    assert "99" in by_id[3]["got"]
    assert "path.name" in by_id[5]["do"]
    assert lines[-1]["event"] == "hello"
    assert lines[-1]["id"] == 10


@pytest.mark.slow
@linux
def test_a_run_killed_half_way_says_so_and_resumes_to_the_same_bytes(worker, photos, tmp_path):
    from lyra_core.world import read_manifest

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    body = small(photos, whole)
    worker.ask(request("generate", 1, **body))
    seen = [e.line for e in wait(worker, line_is("done", "failed")) if isinstance(e, WorkerSaid)]
    assert seen[-1]["event"] == "done", seen[-1]
    described = seen[-1]["world"]
    assert (described["frames"], described["complete"], described["folder"]) == (7, True, str(whole))
    shares = [line["fraction"] for line in seen if line["event"] == "progress"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert any(line["event"] == "thumbnail" for line in seen)

    worker.ask(request("generate", 2, **{**body, "out": str(broken)}))
    wait(worker, lambda e: isinstance(e, WorkerSaid) and e.line.get("stage") == "gaussians")
    assert worker.pid
    os.kill(worker.pid, signal.SIGKILL)
    gone = wait(worker, lambda e: isinstance(e, WorkerGone))[-1]
    assert isinstance(gone, WorkerGone)
    assert not gone.asked
    assert "SIGKILL" in gone.problem.got
    worker.ask(request("resume", 3, world=str(broken)))
    end = wait(worker, line_is("done", "failed"))[-1]
    assert isinstance(end, WorkerSaid)
    assert end.line["event"] == "done", end.line
    first, second = read_manifest(whole), read_manifest(broken)
    assert [c.files for c in first.chunks] == [c.files for c in second.chunks]
    assert first.outputs["splats.ply"] == second.outputs["splats.ply"]


@linux
def test_cancel_ends_the_whole_process_group_and_the_next_request_starts_a_new_one(worker, photos, tmp_path):
    worker.ask(request("generate", 1, **small(photos, tmp_path / "w")))
    wait(worker, line_is("started"))
    pid = worker.pid
    assert pid
    assert group(pid)
    begin = time.monotonic()
    worker.stop()
    assert time.monotonic() - begin < 5.0  # it does not wait for the process
    gone = wait(worker, lambda e: isinstance(e, WorkerGone))[-1]
    assert isinstance(gone, WorkerGone)
    assert gone.asked
    assert group(pid) == []
    worker.ask(request("describe", 2, world=str(tmp_path / "none")))
    seen = wait(worker, line_is("failed"))
    assert [e.line["event"] for e in seen if isinstance(e, WorkerSaid)] == ["hello", "failed"]


@linux
def test_ten_starts_and_stops_leave_no_process_thread_or_file(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = len(list(Path("/proc/self/fd").iterdir()))
    pids = set()
    for round_ in range(10):
        worker = WorkerProcess()
        worker.start(sys.executable)
        if round_ % 2:
            worker.ask(request("describe", 1, world=str(tmp_path / "none")))
        end = time.monotonic() + (0.0 if round_ == 0 else 20.0)  # the first is closed before it has a process
        while time.monotonic() < end and not worker.pid:  # a busy machine takes seconds to start one
            worker.poll()
        if worker.pid:
            pids.add(worker.pid)
        worker.close()
    assert len(pids) >= 5
    assert not [pid for pid in pids if group(pid)]
    assert not [t for t in threading.enumerate() if t.name.startswith("lyra-worker")]
    assert list(tmp_path.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


@linux
def test_the_worker_dies_with_the_program_that_started_it(tmp_path):
    code = (
        "import sys, time\n"
        "from lyra.worldgen.worker import WorkerProcess\n"
        "w = WorkerProcess(); w.start(sys.executable)\n"
        "while not w.poll(): time.sleep(0.01)\n"
        "print(w.pid, flush=True); time.sleep(60)\n"
    )
    env = {**clean_environment(), "PYTHONPATH": f"{ROOT}:{ROOT / 'exts' / 'lyra.worldgen'}", "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert group(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 120
    while group(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert group(pid) == []


@linux
def test_the_end_of_stdin_stops_a_worker_in_the_middle_of_a_job(photos, tmp_path):
    command = [sys.executable, "-m", "lyra_core.pipeline.worker", "--log", str(tmp_path / "log")]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(root=ROOT),
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    body = small(photos, tmp_path / "w")
    child.stdin.write(json.dumps(request("generate", 1, **body)) + "\n")
    child.stdin.flush()
    while "started" not in (text := child.stdout.readline()):
        assert text
    child.stdin.close()
    child.wait(timeout=120)
    child.stdout.close()
    assert group(child.pid) == []


def test_keyframes_and_options_shape_the_previewed_path(worker, photos):
    photo = str(next(p for p in photos if p.stem == "hall"))
    base = {"photo": photo, "preset": "quick"}
    size = {"photo.pixels": 9000, "path.frames": 9, "path.clearance": 0.0}
    worker.ask(request("preview", 1, **base, settings={**size, "path.name": "orbit", "path.options": {"angle": 10}}))
    worker.ask(request("preview", 2, **base, settings={**size, "path.name": "orbit", "path.options": {"angle": 20}}))
    lines = []
    for _ in range(2):
        event = wait(worker, line_is("done", "failed"))[-1]
        assert isinstance(event, WorkerSaid)
        lines.append(event.line)
    assert [line["event"] for line in lines] == ["done", "done"]
    assert lines[1]["length"] == pytest.approx(2 * lines[0]["length"], rel=0.05)
    read, (focal, _) = lines[0]["photo"], lines[0]["lens"]
    assert read["fov"] == pytest.approx(math.degrees(2 * math.atan(0.5 / focal)), abs=0.1)
    assert read["camera_height"] == pytest.approx(lines[0]["poses"][0][2][3], abs=1e-3)
    start = lines[0]["poses"][0]
    ahead = [row[:] for row in start]
    ahead[1][3] += 0.3  # world y is forward of the photo
    keys = [[v for row in ahead for v in row]]
    worker.ask(request("preview", 3, **base, settings={**size, "path.name": "keyframes", "path.keyframes": keys}))
    event = wait(worker, line_is("done", "failed"))[-1]
    assert isinstance(event, WorkerSaid)
    assert event.line["event"] == "done", event.line
    assert event.line["poses"][0] == start
    assert event.line["poses"][-1][1][3] == pytest.approx(ahead[1][3], abs=1e-5)
    assert event.line["length"] == pytest.approx(0.3, abs=1e-3)


def test_a_path_file_without_a_lens_takes_that_of_the_photo(tmp_path):
    from lyra_core.pipeline.begin import fov_of_path

    file = tmp_path / "path.txt"  # TUM: seconds, position, quaternion
    file.write_text("0.0 0 0 0 0 0 0 1\n0.1 0 0 0.1 0 0 0 1\n")
    assert fov_of_path(str(file)) is None
    assert fov_of_path("walk") is None


def test_a_wrong_interpreter_is_named_with_the_next_step(tmp_path):
    assert find_interpreter(str(tmp_path / "none")).problem is not None
    text = tmp_path / "python"
    text.write_text("not a program")
    text.chmod(0o755)
    found = find_interpreter(str(text)).problem
    assert found is not None
    assert "not a working Python" in found.what
    nothing = find_interpreter("", tmp_path / "a" / "b" / "c").problem
    assert nothing is not None
    assert "-m venv" in nothing.do
    worker = WorkerProcess()
    worker.start(str(text))
    event = wait(worker, lambda e: isinstance(e, WorkerBroken))[-1]
    assert isinstance(event, WorkerBroken)
    worker.close()


def test_an_environment_beside_the_extension_is_found(tmp_path):
    extension = tmp_path / "exts" / "lyra.worldgen"
    extension.mkdir(parents=True)
    place = tmp_path / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    place.mkdir(parents=True)
    name = "python.exe" if os.name == "nt" else "python"
    (place / name).symlink_to(sys.executable)
    assert find_interpreter("", extension).path == str(place / name)
    assert core_root() == ROOT


def test_the_child_sees_nothing_of_kits_python():
    kit = {"PYTHONPATH": "/kit", "PYTHONHOME": "/kit", "LD_LIBRARY_PATH": "/kit", "HOME": "/h"}
    assert clean_environment(kit, root=Path("/core")) == {
        "HOME": "/h",
        "PYTHONPATH": str(Path("/core")),
        "PYTHONIOENCODING": "utf-8",
    }


def test_the_meter_never_falls_and_ends_at_one():
    now = [0.0]
    meter = Meter(clock=lambda: now[0])
    shares, etas = [], []
    for stage in ("seed", "generate", "gaussians", "flythrough", "mesh", "usd", "report"):  # prove is left out
        meter.feed(StageStarted(stage, 4))
        for done in range(1, 5):
            now[0] += 2.0
            meter.feed(Progress(stage, done, 4))
            shares.append(meter.line()["fraction"])
            etas.append(meter.line()["eta"])
        meter.feed(StageFinished(stage, 8.0))
    assert shares == sorted(shares)
    assert meter.fraction == 1.0
    assert all(eta is None or eta >= 0 for eta in etas)

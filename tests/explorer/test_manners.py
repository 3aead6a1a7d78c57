# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Uploads, the door, and the process that runs a job."""

import io
import os
import shutil
import socket
import ssl
import subprocess
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from lyra_core.errors import InputError
from lyra_core.explorer import uploads
from lyra_core.explorer.gate import Gate, tls_context
from lyra_core.explorer.jobs import JobRunner, JobView


def _png(width=80, height=80):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 150)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_picture_is_known_by_its_content_not_its_name():
    assert uploads.check_photo("photo.exe", _png()) == ".png"
    with pytest.raises(InputError, match="not a picture"):
        uploads.check_photo("photo.jpg", b"MZ" + bytes(4000))


def test_a_picture_that_would_unpack_to_gigabytes_is_refused_by_its_header(monkeypatch):
    monkeypatch.setattr(uploads, "_MOST_PIXELS", 5_000)
    with pytest.raises(InputError, match="too large"):
        uploads.check_photo("bomb.png", _png())


def test_large_and_empty_uploads_are_refused(monkeypatch):
    monkeypatch.setattr(uploads, "MOST_PHOTO_BYTES", 1000)
    for data in (b"", bytes(1001)):
        with pytest.raises(InputError, match="MB"):
            uploads.check_photo("a.png", data)


def test_a_path_archive_that_unpacks_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(uploads, "_MOST_UNPACKED", 10_000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w2c.npy", bytes(1_000_000))
    with pytest.raises(InputError, match="unpack"):
        uploads.check_path_file("trajectory.npz", buffer.getvalue())
    with pytest.raises(InputError, match="not known"):
        uploads.check_path_file("script.py", b"print()")


def test_names_of_uploads_cannot_leave_their_folder():
    assert uploads.safe_name("../../etc/passwd.png") == "passwd"
    assert uploads.safe_name("..") == "photo"


def _head(path="/", **fields):
    lines = [f"GET {path} HTTP/1.1", *(f"{k.replace('_', '-')}: {v}" for k, v in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.fixture
def gates():
    made = []

    def make(host="127.0.0.1", token=None, inner=9):
        made.append(Gate(host, 0, inner, token))
        return made[-1]

    yield make
    for gate in made:
        gate.close()


def test_other_pages_and_other_names_stay_outside(gates):
    gate = gates()
    assert gate.judge(_head(Host=f"localhost:{gate.port}")) == ("", False)
    assert gate.judge(_head(Host="evil.example"))[0]  # a name that was pointed at loopback
    assert gate.judge(_head(Host="localhost:80", Origin="http://evil.example"))[0]
    assert gate.judge(_head(Host="localhost:80", Origin="http://localhost:80")) == ("", False)
    assert gate.judge(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n")[0]


def test_the_token_is_asked_for_and_becomes_a_cookie(gates):
    gate = gates("0.0.0.0", "secret-1")
    assert "token" in gate.judge(_head(Host="robot:80"))[0]
    assert gate.judge(_head("/?token=wrong", Host="robot:80"))[0]
    assert gate.judge(_head("/?token=secret-1", Host="robot:80")) == ("", True)
    assert gate.judge(_head("/", Host="robot:80", Cookie="a=b; lyra_token=secret-1")) == ("", False)
    assert gate.url.endswith("?token=secret-1")


def test_a_refused_connection_gets_403_and_an_accepted_one_reaches_the_server(gates):
    behind = socket.create_server(("127.0.0.1", 0))
    gate = gates(inner=behind.getsockname()[1])
    with socket.create_connection(("127.0.0.1", gate.port), timeout=5) as client:
        client.sendall(_head(Host="evil.example"))
        assert b"403" in client.recv(1000)
    with socket.create_connection(("127.0.0.1", gate.port), timeout=5) as client:
        client.sendall(_head(Host="localhost"))
        inside, _ = behind.accept()
        assert b"GET / HTTP/1.1" in inside.recv(1000)
        inside.sendall(b"hello")
        assert client.recv(100) == b"hello"
        inside.close()
    behind.close()


def test_an_address_in_use_is_an_error_with_a_next_step(gates):
    gate = gates()
    with pytest.raises(InputError, match="port"):
        Gate("127.0.0.1", gate.port, 9, None)


def test_what_the_worker_says_becomes_progress_and_time_left():
    job = JobView(1, "Generate", status="running")
    job = job.told({"kind": "stage", "stage": "generate", "total": 10}, 100.0)
    job = job.told({"kind": "progress", "stage": "generate", "done": 4, "total": 10}, 108.0)
    assert (job.done, job.total) == (4, 10)
    assert job.eta == pytest.approx(12.0)
    failed = job.told({"kind": "failed", "what": "No floor", "got": "sky", "do": "Use another photo"}, 109.0)
    assert failed.status == "failed"
    assert failed.error == "No floor (got: sky). Use another photo"


def _wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_a_job_that_fails_says_what_to_do_and_the_next_one_still_runs(tmp_path):
    seen = []
    runner = JobRunner(seen.append, lambda *_: None)
    try:
        first = runner.submit("nothing", {"job": "dance"})
        second = runner.submit("no world", {"job": "rebuild", "world": str(tmp_path)})
        _wait(lambda: any(j.number == second.number and j.ended for j in seen))
        ends = {j.number: j for j in seen if j.ended}
        assert "Unknown job" in ends[first.number].error
        assert "not a world" in ends[second.number].error
        assert [j.status for j in seen if j.number == first.number][:2] == ["queued", "running"]
    finally:
        runner.close()


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_closing_the_runner_leaves_no_process(tmp_path):
    photo = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)).save(photo)
    seen = []
    runner = JobRunner(seen.append, lambda *_: None)
    request = {"job": "seed", "photo": str(photo), "world": str(tmp_path / "w"), "preset": "quick"}
    runner.submit("seed", request)
    _wait(lambda: runner._process is not None)
    pid = runner._process.pid
    assert _alive(pid)
    runner.close()
    assert not _alive(pid)
    assert seen[-1].status == "cancelled"


def test_with_a_certificate_the_door_speaks_tls(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine to make a certificate with")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    command = [*words.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    gate = Gate("127.0.0.1", 0, 9, "secret-1", tls=tls_context(certificate, key))
    try:
        assert gate.url.startswith("https://localhost:")
        trusting = ssl.create_default_context(cafile=str(certificate))
        with (
            socket.create_connection(("127.0.0.1", gate.port), timeout=30) as plain,
            trusting.wrap_socket(plain, server_hostname="localhost") as client,
        ):
            client.sendall(_head("/?token=secret-1", Host=f"localhost:{gate.port}"))
            answer = client.recv(4000)
        assert b"303" in answer
        assert b"; Secure" in answer
    finally:
        gate.close()


def test_a_certificate_that_does_not_fit_is_an_error_with_a_next_step(tmp_path):
    (tmp_path / "a.pem").write_text("nothing")
    with pytest.raises(InputError, match="certificate"):
        tls_context(tmp_path / "a.pem", tmp_path / "a.pem")

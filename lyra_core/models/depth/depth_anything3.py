# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""`depth-anything-3`: Depth Anything 3 in a process and an environment of its own, because it needs NumPy 1.

Depth of one picture, and cameras of several, which only check the commanded ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import MissingDependencyError, ModelError
from lyra_core.models.depth.sky import sky_mask
from lyra_core.models.protocols import DepthEstimate

__all__ = ["DEFAULT_WEIGHTS", "INSTALL_COMMANDS", "PYTHON_VARIABLE", "DepthAnything3"]

DEFAULT_WEIGHTS = "depth-anything/DA3METRIC-LARGE"
PYTHON_VARIABLE = "LYRA_DA3_PYTHON"
INSTALL_COMMANDS = ("python3.11 -m venv da3-env", "da3-env/bin/pip install depth-anything-3==0.1.1")
_WORKER = Path(__file__).with_name("depth_anything3_worker.py")
_PROBE = "from importlib.util import find_spec; import sys; sys.exit(0 if find_spec('depth_anything_3') else 3)"


def _interpreter(given: str | None) -> Path:
    named = given or os.environ.get(PYTHON_VARIABLE)
    do = f"{' && '.join(INSTALL_COMMANDS)} ; then depth.python=da3-env/bin/python, or {PYTHON_VARIABLE}"
    if not named:
        raise MissingDependencyError("Depth Anything 3 needs an environment of its own", got="none was named", do=do)
    path = Path(named).expanduser()
    if not path.is_file():
        raise MissingDependencyError("There is no such interpreter for Depth Anything 3", got=str(path), do=do)
    if subprocess.run([str(path), "-c", _PROBE], capture_output=True, env=_environment(), check=False).returncode:
        raise MissingDependencyError("This environment has no depth_anything_3", got=str(path), do=do)
    return path


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")}


class DepthAnything3:
    """Depth Anything 3.

    Parameters
    ----------
    weights: folder, or name in the Hugging Face cache of its environment; default DA3METRIC-LARGE (Apache-2.0).
    python: interpreter of its environment; default the variable LYRA_DA3_PYTHON. device: as of lyra.

    The process starts at the first picture and ends with this object. MissingDependencyError with the commands that make
    the environment; ModelError, with the command that fetches them, for weights that cannot be used.
    """

    name = "depth-anything-3"

    def __init__(self, *, weights: str | None = None, python: str | None = None, device: str = "cpu") -> None:
        self._weights, self._python, self._device = weights or DEFAULT_WEIGHTS, python, device
        self._process: subprocess.Popen[str] | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._log: IO[str] | None = None

    def estimate(
        self, rgb: NDArray[np.float32], *, intrinsics: NDArray[np.float64], sky: NDArray[np.bool_] | None = None
    ) -> DepthEstimate:
        """Depth of rgb (H, W, 3) seen with this lens; see DepthModel.estimate."""
        import cv2

        height, width = rgb.shape[:2]
        out, metric = self._ask([rgb], intrinsics=intrinsics[None])
        raw = np.asarray(cv2.resize(out["depth"][0], (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        mask = np.asarray(sky, bool) if sky is not None else self._sky(out, rgb)
        usable = np.isfinite(raw) & (raw > 0)
        depth = np.where(mask | ~usable, 0, raw).astype(np.float32)
        if not (depth > 0).any():
            raise ModelError("Depth Anything 3 found no depth in this picture", do="Try another model")
        return DepthEstimate(depth, mask, kind="metric" if metric else "scale", confidence=0.7 if metric else 0.5)

    def _sky(self, out: dict[str, NDArray[np.float32]], rgb: NDArray[np.float32]) -> NDArray[np.bool_]:
        import cv2

        if "sky" not in out:
            return sky_mask(rgb)
        size = (rgb.shape[1], rgb.shape[0])
        return np.asarray(cv2.resize(out["sky"][0], size, interpolation=cv2.INTER_LINEAR)) > 0.5

    def estimate_cameras(self, pictures: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
        """(N, 4, 4) world_from_camera that the model sees in N pictures, in a world and a unit of its own.

        ModelError for weights that give no cameras (the metric and mono models).
        """
        out, _ = self._ask(pictures)
        if "extrinsics" not in out:
            raise ModelError("These weights give no cameras", got=self._weights,
                             do="Use depth.weights=depth-anything/DA3-BASE, for example")  # fmt: skip
        found = out["extrinsics"].astype(np.float64)
        poses = np.tile(np.eye(4), (len(found), 1, 1))
        rotation = np.swapaxes(found[:, :3, :3], 1, 2)
        poses[:, :3, :3] = rotation
        poses[:, :3, 3] = -np.einsum("nij,nj->ni", rotation, found[:, :3, 3])
        return poses

    def _ask(
        self, pictures: Sequence[NDArray[np.float32]], *, intrinsics: NDArray[np.float64] | None = None
    ) -> tuple[dict[str, NDArray[np.float32]], bool]:
        process = self._running()
        assert self._scratch is not None
        assert process.stdin is not None
        task = Path(self._scratch.name) / "task.npz"
        result = Path(self._scratch.name) / "result.npz"
        content: dict[str, Any] = {
            "images": np.stack([np.rint(np.clip(p, 0, 1) * 255).astype(np.uint8) for p in pictures])
        }
        if intrinsics is not None:
            content["intrinsics"] = intrinsics
        np.savez(task, **content)
        try:
            process.stdin.write(json.dumps({"input": str(task), "output": str(result)}) + "\n")
            process.stdin.flush()
        except OSError as error:
            raise self._gone() from error
        answer = self._answer()
        with np.load(result, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}, bool(answer["metric"])

    def _running(self) -> subprocess.Popen[str]:
        if self._process is not None:
            return self._process
        python = _interpreter(self._python)
        self._scratch = tempfile.TemporaryDirectory(prefix="lyra-da3-")
        self._log = (Path(self._scratch.name) / "stderr.txt").open("w+")
        device = self._device if self._device != "auto" else _best_device()
        self._process = subprocess.Popen(
            [str(python), str(_WORKER), self._weights, device],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, env=_environment(),
        )  # fmt: skip
        self._answer()  # that it is ready
        return self._process

    def _answer(self) -> dict[str, Any]:
        """The next line of the worker. ModelError for an error that it tells, or if it is gone."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._gone()
        answer = json.loads(line)
        if "error" in answer:
            raise ModelError("Depth Anything 3 could not do this", got=str(answer["error"])[:300],
                             do=f"hf download {self._weights} in its environment, or see depth.weights")  # fmt: skip
        return answer

    def _gone(self) -> ModelError:
        assert self._log is not None
        self._log.flush()
        self._log.seek(0)
        last = (self._log.read().strip().splitlines() or ["no message"])[-1]
        return ModelError("The process of Depth Anything 3 ended", got=last[:300], do="Look at its environment")

    def close(self) -> None:
        """End the process; the next picture starts it again."""
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            if self._process.poll() is None:
                self._process.terminate()
            self._process.wait()
        if self._log is not None:
            self._log.close()
        if self._scratch is not None:
            self._scratch.cleanup()
        self._process = self._log = self._scratch = None

    def __del__(self) -> None:
        self.close()


def _best_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"

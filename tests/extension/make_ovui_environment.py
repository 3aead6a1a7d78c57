# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the environment of the panel tests: Python 3.12 with the real omni.ui (package ovui), pxr and a stub of libcuda.

    python tests/extension/make_ovui_environment.py        # prints the folder

Needs python3.12, gcc, and from the system: libvulkan1 (import), xvfb and a Mesa libGL (pictures); on Debian and Ubuntu
`apt-get install libvulkan1 xvfb libgl1-mesa-dri`. The folder is LYRA_OVUI_ENV, else one in the user's cache; it is made once.
"""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["EnvironmentMissingError", "child_environment", "environment_folder", "make", "python_of"]

_PACKAGES = ("ovui==0.3.0", "usd-core>=26.5,<27", "numpy>=2.1,<3", "pillow>=11,<14", "pytest>=8.3,<10")
_CUDA_STUBS = (
    "cuInit",
    "cuDeviceGet",
    "cuCtxCreate_v2",
    "cuCtxDestroy_v2",
    "cuImportExternalMemory",
    "cuExternalMemoryGetMappedBuffer",
    "cuDestroyExternalMemory",
    "cuMemcpyDtoH_v2",
)
_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE: what a machine without a driver would answer


class EnvironmentMissingError(RuntimeError):
    """The environment cannot be made here; the message says what is missing."""


def environment_folder() -> Path:
    """Where the environment is or will be."""
    given = os.environ.get("LYRA_OVUI_ENV")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(given) if given else cache / "lyra.worldgen" / "ovui-0.3.0"


def python_of(folder: Path) -> Path:
    """The interpreter of the environment."""
    return folder / "bin" / "python"


def child_environment(folder: Path, **extra: str) -> dict[str, str]:
    """Variables for a process in the environment: the stub library is found, rendering is in software."""
    found = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}}
    libraries = [str(folder / "stub"), found.get("LD_LIBRARY_PATH", "")]
    found["LD_LIBRARY_PATH"] = ":".join(part for part in libraries if part)
    return {**found, "LIBGL_ALWAYS_SOFTWARE": "1", "OMP_NUM_THREADS": "1", **extra}


def _python312() -> str:
    candidates = [shutil.which("python3.12"), sys.executable if sys.version_info[:2] == (3, 12) else None]
    candidates += [str(p) for p in sorted(Path.home().glob(".pyenv/versions/3.12.*/bin/python"))]
    for candidate in candidates:
        if candidate and _is_python312(candidate):
            return candidate
    raise EnvironmentMissingError("omni.ui (ovui) needs Python 3.12, and there is no working python3.12 on the PATH")


def _is_python312(program: str) -> bool:
    """A version manager's shim of that name can be on the PATH and refuse to run."""
    code = "import sys; sys.exit(sys.version_info[:2] != (3, 12))"
    return subprocess.run([program, "-c", code], check=False, capture_output=True, timeout=60).returncode == 0


def _stub(folder: Path) -> None:
    """libcuda.so.1 whose every function says that there is no device."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise EnvironmentMissingError("A C compiler is needed for the stub of libcuda (apt-get install gcc)")
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "stub.c"
    source.write_text("".join(f"int {name}(void) {{ return {_NO_DEVICE}; }}\n" for name in _CUDA_STUBS))
    library = folder / "libcuda.so.1"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", library, source], check=True, timeout=60
    )


def make() -> Path:
    """Make the environment if it is not there; return its folder. Raises EnvironmentMissingError."""
    folder = environment_folder()
    done = folder / "complete"
    if done.exists():
        return folder
    if ctypes.util.find_library("vulkan") is None:
        raise EnvironmentMissingError("libvulkan.so.1 is missing (apt-get install libvulkan1)")
    python = _python312()
    try:
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True, timeout=120, capture_output=True)
        command = [python_of(folder), "-m", "pip", "install", "--quiet", *_PACKAGES]
        subprocess.run(command, check=True, timeout=600, capture_output=True)
        _stub(folder / "stub")
        code = "import omni.ui, pxr.Usd, numpy, PIL"
        subprocess.run(
            [python_of(folder), "-c", code], check=True, timeout=60, capture_output=True, env=child_environment(folder)
        )
    except subprocess.CalledProcessError as error:
        tail = (error.stderr or b"").decode(errors="replace").strip().splitlines()[-1:]
        raise EnvironmentMissingError(f"The ovui environment could not be made: {' '.join(tail)}") from error
    except subprocess.TimeoutExpired as error:
        raise EnvironmentMissingError(f"The ovui environment could not be made: {error}") from error
    done.write_text("made by make_ovui_environment.py\n")
    return folder


if __name__ == "__main__":
    try:
        print(make())
    except EnvironmentMissingError as missing:
        sys.exit(str(missing))

# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Depth Anything 3 in an environment of its own (it needs NumPy 1); run as a file, imports nothing of lyra_core.

python depth_anything3_worker.py WEIGHTS DEVICE

One JSON object a line. The first says {"ready": true, ...}; then for each line {"input": NPZ, "output": NPZ} on stdin one
line {"done": NPZ, "metric": bool} or {"error": text} on stdout. Input: images (N, H, W, 3) uint8; optional extrinsics
(N, 4, 4) world to camera and intrinsics (N, 3, 3). Output: depth (N, h, w), and where the model gives them conf, sky,
extrinsics, intrinsics. What else the library prints goes to stderr.
"""

import json
import os
import sys

FOCAL = 300.0
"""The metric model's depth is in metres for a lens of this many pixels."""


def answer(model, task):  # noqa: ANN001, ANN201 - runs under any Python from 3.9
    """Run one task; returns the JSON answer."""
    import numpy as np

    with np.load(task["input"], allow_pickle=False) as given:
        images = list(given["images"])
        extrinsics = given["extrinsics"].astype(np.float32) if "extrinsics" in given.files else None
        intrinsics = given["intrinsics"].astype(np.float32) if "intrinsics" in given.files else None
    longest = max(images[0].shape[:2])
    posed = extrinsics is not None
    found = model.inference(
        images, extrinsics=extrinsics, intrinsics=intrinsics if posed else None, process_res=longest
    )
    depth = np.asarray(found.depth, dtype=np.float32)
    metric = bool(found.is_metric)
    if "metric" in str(getattr(model, "model_name", "")) and intrinsics is not None:
        focal = intrinsics[:, 0, 0] * depth.shape[2] / images[0].shape[1]
        depth = depth * (focal / FOCAL)[:, None, None]
        metric = True
    out = {"depth": depth}
    for name in ("conf", "sky", "extrinsics", "intrinsics"):
        value = getattr(found, name, None)
        if value is not None:
            out[name] = np.asarray(value, dtype=np.float32)
    np.savez(task["output"], **out)  # pyright: ignore[reportArgumentType] - NumPy 1 has no allow_pickle here
    return {"done": task["output"], "metric": metric, "posed": posed}


def main(arguments):  # noqa: ANN001, ANN201
    """Load the weights, then serve tasks until stdin ends."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the library prints to stdout

    def say(value):  # noqa: ANN001, ANN202
        replies.write(json.dumps(value) + "\n")
        replies.flush()

    weights, device = arguments
    try:
        import numpy
        from depth_anything_3.api import DepthAnything3  # pyright: ignore[reportMissingImports]

        model = DepthAnything3.from_pretrained(weights, local_files_only=True).to(device).eval()
    except Exception as error:  # noqa: BLE001 - any failure ends this process and is told
        say({"error": f"{type(error).__name__}: {error}"})
        return 1
    say({"ready": True, "numpy": numpy.__version__, "model": str(getattr(model, "model_name", ""))})
    for line in sys.stdin:
        try:
            say(answer(model, json.loads(line)))
        except Exception as error:  # noqa: BLE001 - told to the caller, who decides
            say({"error": f"{type(error).__name__}: {error}"})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

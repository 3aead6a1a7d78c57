# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""`sana-wm`: a picture and cameras to a film (diffusers SanaWMPipeline); no spatial memory of its own.

A clip starts at the last finished frame and follows the chunk's cameras. Its lens and size are those of the network
(1280x704): pictures are stretched to that size, their lens with them, and the frames are stretched back, so that nothing
is cut off; only shapes near 16:9 are taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import ModelError
from lyra_core.geometry import inverse
from lyra_core.models.protocols import ModelProgress, VideoRequest
from lyra_core.models.video.pipelines import DiffusersVideo, seeded, snapped
from lyra_core.types import Camera, CameraPath, Frame

__all__ = ["DEFAULT_WEIGHTS", "SanaWmVideo", "clip_cameras"]

DEFAULT_WEIGHTS = "Efficient-Large-Model/SANA-WM_bidirectional-diffusers"
_GROUP = 8  # frames a latent, after the first
_SIZE = (1280, 704)
_STRETCH = 0.12  # 832x480 differs by 5 %


def clip_cameras(
    first: Camera, cameras: CameraPath, size: tuple[int, int], *, group: int = _GROUP
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """c2w (N, 4, 4) in the OpenCV frame of `first` and [fx, fy, cx, cy] (N, 4) in pixels of size, N = group k + 1.

    The first is `first` itself; the last view is repeated until the number fits.
    """
    poses = np.concatenate([first.world_from_camera[None], cameras.world_from_camera])
    lenses = np.concatenate([first.intrinsics[None], cameras.intrinsics])
    count = snapped(len(poses), group)
    last = np.minimum(np.arange(count), len(poses) - 1)
    c2w = (inverse(first.world_from_camera) @ poses)[last]
    c2w[0] = np.eye(4)
    scale = np.array([size[0] / first.width, size[1] / first.height])
    k = lenses[last]
    four = np.stack(
        [k[:, 0, 0] * scale[0], k[:, 1, 1] * scale[1], k[:, 0, 2] * scale[0], k[:, 1, 2] * scale[1]], axis=1
    )
    return c2w.astype(np.float32), four.astype(np.float32)


class SanaWmVideo(DiffusersVideo):
    """SANA-WM from its diffusers folder. Any number of frames: clips are padded to 8 k + 1.

    Parameters
    ----------
    weights: folder, or name in the Hugging Face cache; default the public release (Apache-2.0).
    steps, guidance, negative: of the sampler; None: the model's defaults. offload: see pipelines.place_pipeline.
    size: (width, height) of the network's pictures, multiples of its latent cell.
    """

    name = "sana-wm"
    _kind, _extra = "SanaWMPipeline", "sana"

    def __init__(
        self, *, weights: str | None = None, steps: int | None = None, guidance: float | None = None, negative: str = "",
        offload: bool = True, size: tuple[int, int] = _SIZE,
    ) -> None:  # fmt: skip
        super().__init__(
            weights or DEFAULT_WEIGHTS, steps=steps or 60, guidance=5.0 if guidance is None else guidance,
            negative=negative, offload=offload,
        )  # fmt: skip
        self._size = size

    def notices(self, width: int, height: int) -> tuple[str, ...]:
        """ModelError for a picture whose shape is too far from the network's; else nothing to say but its memory."""
        self._check_shape(width, height)
        return ("sana-wm follows the cameras but sees only the last frame: places that come back may look different",)

    def _check_shape(self, width: int, height: int) -> None:
        wide, high = self._size
        if abs(math.log((width / height) / (wide / high))) > _STRETCH:
            raise ModelError(f"sana-wm makes pictures of {wide}x{high}", got=f"a picture of {width}x{height}",
                             do=f"Crop the photo to about {wide}:{high}")  # fmt: skip

    def generate(self, request: VideoRequest) -> Iterator[Frame | ModelProgress]:
        """Yield progress, then the frames of the chunk, without depth; see VideoModel.generate."""
        import cv2
        from PIL import Image

        width, height = request.cameras.width, request.cameras.height
        self._check_shape(width, height)
        if not request.history:
            raise ModelError("sana-wm starts from a picture", got="no frame before the chunk", do="Make frame 0 first")
        yield ModelProgress("loading", 0, 1)
        pipe = self._load(request.device)
        last = request.history[-1]
        c2w, lens = clip_cameras(last.camera, request.cameras, self._size, group=pipe.vae_temporal_compression_ratio)
        photo = Image.fromarray(np.rint(np.clip(last.rgb, 0, 1) * 255).astype(np.uint8))
        photo = photo.resize(self._size, Image.Resampling.LANCZOS)
        generator = seeded(request.rng)

        def call(on_step: Any) -> Any:
            return pipe(
                image=photo, prompt=request.caption or "", c2w=c2w, intrinsics=lens, height=self._size[1],
                width=self._size[0], num_frames=len(c2w), num_inference_steps=self._steps,
                guidance_scale=self._guidance, negative_prompt=self._negative, generator=generator, output_type="np",
                callback_on_step_end=on_step,
            ).frames  # fmt: skip

        film = yield from self._film(call)
        if len(film) < len(c2w):
            raise ModelError("SanaWMPipeline made fewer frames than were asked for", got=f"{len(film)} of {len(c2w)}",
                             do="Report this with the version of diffusers")  # fmt: skip
        for i, camera in enumerate(request.cameras):
            rgb = cv2.resize(film[1 + i], (width, height), interpolation=cv2.INTER_AREA)
            yield self._frame(request.first_index + i, np.asarray(rgb, np.float32), camera)

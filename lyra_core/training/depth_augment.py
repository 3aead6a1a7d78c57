# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""From rendered views to training samples: crops over a wide range of scale, random skies, camera-like colours.

Game pictures differ from photographs mostly in colour, light, sharpness and sky, so those vary most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lyra_core.training.view_store import View

__all__ = ["Sample", "augment", "degrade", "noise_field", "overexpose", "random_sky"]

_BLOWN = 0.15  # share of the views with little sky that get too much light
_LITTLE_SKY = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A view cut, resized and coloured for one batch.

    Attributes
    ----------
    image: (H, W, 3) float32 sRGB in [0, 1]. depth: (H, W) float32 [m], +inf for sky.
    focal: pixels. center: (x, y) principal point in pixels. up: (3,) unit, camera frame.
    """

    image: NDArray[np.float32]
    depth: NDArray[np.float32]
    focal: float
    center: tuple[float, float]
    up: NDArray[np.float64]


def _crop(view: View, size: tuple[int, int], rng: np.random.Generator) -> Sample:
    """Cut a window of the aspect of `size` (width, height), between a half and all of the view, and resize it."""
    width, height = size
    full_h, full_w = view.depth.shape
    largest = min(full_w / width, full_h / height)
    scale = largest * (1.0 - 0.5 * rng.uniform() ** 2)
    cut_w, cut_h = max(8, round(width * scale)), max(8, round(height * scale))
    # Triangular offsets: most photographs have the principal point near the middle, some are cropped.
    left = round((full_w - cut_w) * (rng.uniform() + rng.uniform()) / 2)
    top = round((full_h - cut_h) * (rng.uniform() + rng.uniform()) / 2)
    rgb = view.rgb[top : top + cut_h, left : left + cut_w]
    depth = view.depth[top : top + cut_h, left : left + cut_w]
    rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if cut_w > width else cv2.INTER_LINEAR)
    depth = np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT), np.float32)
    zoom_x, zoom_y = width / cut_w, height / cut_h
    center = ((full_w / 2 - left) * zoom_x, (full_h / 2 - top) * zoom_y)
    focal = view.focal * float(np.sqrt(zoom_x * zoom_y))
    return Sample(rgb.astype(np.float32) / 255.0, depth, focal, center, view.up)


def _flip(sample: Sample) -> Sample:
    width = sample.depth.shape[1]
    return Sample(
        sample.image[:, ::-1],
        sample.depth[:, ::-1],
        sample.focal,
        (width - sample.center[0], sample.center[1]),
        sample.up * [-1.0, 1.0, 1.0],
    )


def noise_field(height: int, width: int, cells: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(height, width) smooth noise in 0..1: three octaves."""
    total = np.zeros((height, width), np.float32)
    for octave in range(3):
        small = rng.random((max(2, cells << octave), max(2, 2 * cells << octave)), dtype=np.float32)
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
    return (total - total.min()) / max(float(np.ptp(total)), 1e-6)


def random_sky(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(height, width, 3) float32 sky: clear, hazy, overcast or at dusk, with or without clouds, exposed well or blown.

    A cloud cover is often brightest overhead: a third of the skies stand on their heads.
    """
    kind = rng.integers(5)
    zeniths = [[0.20, 0.42, 0.78], [0.45, 0.62, 0.85], [0.62, 0.65, 0.70], [0.22, 0.20, 0.40], [0.93, 0.94, 0.96]]
    horizons = [[0.68, 0.82, 0.95], [0.85, 0.90, 0.95], [0.86, 0.87, 0.88], [0.98, 0.62, 0.38], [0.97, 0.97, 0.98]]
    zenith, low = np.array(zeniths[kind]), np.array(horizons[kind])
    zenith, low = (np.clip(colour + rng.normal(0, 0.06, 3), 0, 1) for colour in (zenith, low))
    if rng.uniform() < 0.35:
        zenith, low = low, zenith
    ramp = np.linspace(0, 1, height)[:, None, None] ** rng.uniform(0.5, 1.8)
    sky = np.broadcast_to(zenith + (low - zenith) * ramp, (height, width, 3)).astype(np.float32)
    if rng.uniform() < 0.6:
        clouds = np.clip((noise_field(height, width, int(rng.integers(1, 5)), rng) - 0.45) * 3, 0, 1)[..., None]
        cloud = np.float32(rng.uniform(0.55, 1.0)) * np.ones(3, np.float32)
        sky = sky + clouds * np.float32(rng.uniform(0.3, 1.0)) * (cloud - sky)
    gain = rng.uniform(1.1, 1.6) if rng.uniform() < 0.25 else rng.uniform(0.5, 1.1)
    return (sky * np.float32(gain)).astype(np.float32)


def _replace_sky(
    image: NDArray[np.float32], depth: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    sky = np.isinf(depth)
    if not sky.any():  # always: what the renderer shows beyond a window holds trees, which are not sky
        return image
    cover = cv2.GaussianBlur(sky.astype(np.float32), (0, 0), 0.6)[..., None]
    view = np.clip(random_sky(depth.shape[0], depth.shape[1], rng), 0, 1)
    if rng.uniform() < 0.35:  # haze: far things fade into the colour of the sky
        air = 1 - np.exp(-np.where(sky, 0, depth) / np.float32(np.exp(rng.uniform(3.2, 6.0))))[..., None]
        image = image + air * (view.mean(axis=(0, 1)) - image)
    return (image + cover * (view - image)).astype(np.float32)


def overexpose(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Too much light, (H, W, 3) float32 in and out, above 1 where it is blown out: white walls are not sky.

    In half of the cases it comes from one side, as through a window behind the camera.
    """
    bright = float(np.quantile(image.max(axis=2), rng.uniform(0.45, 0.95)))
    height, width = image.shape[:2]
    gain = np.full((height, width), np.clip(rng.uniform(0.9, 1.3) / max(bright, 1e-3), 1.0, 6.0), np.float32)
    if rng.uniform() < 0.5:
        gain *= np.exp(np.float32(rng.uniform(0.5, 2.0)) * (noise_field(height, width, 1, rng) - np.float32(0.5)))
    return (image * gain[..., None]).astype(np.float32)


def degrade(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Colours, tone and faults of a camera; (H, W, 3) float32 in and out, clipped to [0, 1]."""
    image = np.clip(image, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.25)))
    image = image * np.exp(rng.normal(0, 0.08, 3) + rng.normal(0, 0.18)).astype(np.float32)
    image = (image - 0.5) * np.float32(np.exp(rng.normal(-0.05, 0.13))) + 0.5
    grey = image.mean(axis=2, keepdims=True)
    keep = 0.0 if rng.uniform() < 0.05 else np.clip(rng.normal(0.9, 0.35), 0, 1.8)
    image = grey + np.float32(keep) * (image - grey)
    if rng.uniform() < 0.3:  # uneven light: a soft shade over part of the picture
        shade = np.float32(0.55) + np.float32(0.6) * noise_field(image.shape[0], image.shape[1], 1, rng)
        image = (image * shade[..., None]).astype(np.float32)
    if rng.uniform() < 0.3:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.2)), np.float32)
    elif rng.uniform() < 0.3:
        soft = np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), np.float32)
        image = (image + np.float32(rng.uniform(0.2, 0.9)) * (image - soft)).astype(np.float32)
    if rng.uniform() < 0.5:
        image = image + rng.normal(0, rng.uniform(0.004, 0.03), image.shape).astype(np.float32)
    image = np.clip(image, 0, 1)
    if rng.uniform() < 0.3:
        _, packed = cv2.imencode(
            ".jpg", np.rint(image * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 90))]
        )
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.float32) / np.float32(255.0)
    return image


def augment(
    view: View,
    size: tuple[int, int],
    rng: np.random.Generator,
    change: Callable[[Sample, np.random.Generator], Sample] | None = None,
) -> Sample:
    """Turn a view into a sample of size (width, height); same generator state, same sample.

    change: is given the sample cut out, before sky and colours are made.
    """
    sample = _crop(view, size, rng)
    if rng.uniform() < 0.5:
        sample = _flip(sample)
    if change is not None:
        sample = change(sample, rng)
    image = _replace_sky(sample.image, sample.depth, rng)
    if rng.uniform() < _BLOWN and np.isinf(sample.depth).mean() < _LITTLE_SKY:
        image = overexpose(image, rng)
    image = degrade(image, rng)
    return Sample(image, sample.depth, sample.focal, sample.center, sample.up)

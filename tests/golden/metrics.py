#!/usr/bin/env python3
"""Makes two short clips and what other programs measure of them: refs/metrics.json.

    metrics.py

Needs scikit-image, scipy and ffmpeg. The clips are folders of PNG
frames in ../fixtures/compare. `ffmpeg` measures them with its psnr and ssim filters.
"""

import json
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage, signal
from skimage import color
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

HERE = Path(__file__).resolve().parent
CLIPS = HERE.parent / "fixtures/compare"
WIDTH, HEIGHT, FRAMES = 192, 176, 4
MS_WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]


def reference_frame(t):
    """A circle and a bar that move over a coarse checkerboard."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    board = ((x // 16 + y // 16) % 2)[..., None] * np.array([40, 30, 60]) + np.array([60, 90, 120])
    circle = (x - 60 - 9 * t) ** 2 + (y - 80 - 4 * t) ** 2 < 40**2
    bar = abs(x - 150 + 5 * t) < 8
    frame = np.where(circle[..., None], np.array([220, 60, 40]), board)
    return np.where(bar[..., None], np.array([240, 230, 120]), frame).astype(np.uint8)


def changed_frame(t):
    """The same, softer, a little moved, and with a colour that wanders."""
    frame = np.roll(reference_frame(t), (t % 2, 1), (0, 1)).astype(float)
    frame = ndimage.uniform_filter(frame, (3, 3, 1)) + np.array([2.0 * t, -3.0, 5.0 - 3.0 * t])
    # few levels, so that the files stay small
    return (frame.clip(0, 255) / 6).round().astype(np.uint8) * 6


def luma(frame):
    return frame @ np.array([0.299, 0.587, 0.114])


def ssim(a, b):
    options = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255)
    return structural_similarity(a, b, **options)


def ms_ssim(a, b):
    """Plain, from the paper: structure at each scale but the last, everything at the last."""
    grid = np.arange(11) - 5
    window = np.exp(-(grid**2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean = lambda values: signal.convolve2d(values, window, mode="valid")
    result = 1.0
    for scale, weight in enumerate(MS_WEIGHTS):
        ma, mb = mean(a), mean(b)
        va, vb, cov = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
        structure = (2 * cov + c2) / (va + vb + c2)
        light = (2 * ma * mb + c1) / (ma**2 + mb**2 + c1)
        value = (structure * light).mean() if scale == len(MS_WEIGHTS) - 1 else structure.mean()
        result *= value**weight
        if scale == len(MS_WEIGHTS) - 1:
            return result
        a, b = (v.reshape(v.shape[0] // 2, 2, v.shape[1] // 2, 2).mean((1, 3)) for v in (a, b))


def block_ssim(a, b):
    """SSIM as ffmpeg defines it: 8x8 blocks, four pixels apart, each pixel of the same weight."""
    blocks = lambda v: np.lib.stride_tricks.sliding_window_view(v, (8, 8))[::4, ::4].reshape(-1, 64)
    a, b = blocks(a.round()), blocks(b.round())
    c1, c2 = (0.01 * 255) ** 2 * 64, (0.03 * 255) ** 2 * 64 * 63
    sa, sb = a.sum(1), b.sum(1)
    variances = 64 * (a * a + b * b).sum(1) - sa**2 - sb**2
    covariance = 64 * (a * b).sum(1) - sa * sb
    return ((2 * sa * sb + c1) * (2 * covariance + c2) / ((sa**2 + sb**2 + c1) * (variances + c2))).mean()


def clip_metrics(frames):
    grey = [luma(frame.astype(float)) for frame in frames]
    lab = [color.rgb2lab(frame.reshape(-1, 3).mean(0)[None, None] / 255)[0, 0] for frame in frames]
    kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    return {
        "motion": [float(abs(b - a).mean()) for a, b in zip(grey, grey[1:])],
        "flicker": [float(abs(c - 2 * b + a).mean()) for a, b, c in zip(grey, grey[1:], grey[2:])],
        "colour_drift": [float(np.linalg.norm(one - lab[0])) for one in lab],
        "sharpness": [float(signal.convolve2d(one, kernel, mode="valid").var()) for one in grey],
    }


def ffmpeg(name):
    """Values of each frame from ffmpeg's filter `name`."""
    read = lambda clip: ["-framerate", "8", "-i", str(CLIPS / clip / "frame_%04d.png")]
    with tempfile.TemporaryDirectory() as folder:
        stats = Path(folder) / "stats"
        form = "gbrp" if name == "psnr" else "gray"
        graph = f"[0]format={form}[a];[1]format={form}[b];[a][b]{name}=stats_file={stats}"
        command = ["ffmpeg", "-v", "error", *read("changed"), *read("reference"), "-lavfi", graph, "-f", "null", "-"]
        subprocess.run(command, check=True)
        key = {"psnr": "psnr_avg", "ssim": "All"}[name]
        return [float(value) for value in re.findall(rf"{key}:([0-9.]+)", stats.read_text())]


def main():
    clips = {"reference": [], "changed": []}
    for name, make in (("reference", reference_frame), ("changed", changed_frame)):
        folder = CLIPS / name
        folder.mkdir(parents=True, exist_ok=True)
        for t in range(FRAMES):
            frame = make(t)
            Image.fromarray(frame).save(folder / f"frame_{t:04}.png", optimize=True)
            clips[name].append(frame)
    pairs = list(zip(clips["reference"], clips["changed"]))
    grey = [(luma(a.astype(float)), luma(b.astype(float))) for a, b in pairs]
    # the brightness is the same, and ffmpeg's SSIM differs from the paper's by its window only
    for own, found in zip((block_ssim(a, b) for a, b in grey), ffmpeg("ssim")):
        print(f"SSIM of 8x8 blocks {own:.4f}, ffmpeg {found:.4f}")
        assert abs(own - found) < 0.003
    result = {
        "psnr": [float(peak_signal_noise_ratio(a, b, data_range=255)) for a, b in pairs],
        "ssim": [float(ssim(a, b)) for a, b in grey],
        "ms_ssim": [float(ms_ssim(a, b)) for a, b in grey],
        "ffmpeg_psnr": ffmpeg("psnr"),
        "ffmpeg_ssim": ffmpeg("ssim"),
        "reference": clip_metrics(clips["reference"]),
        "changed": clip_metrics(clips["changed"]),
    }
    (HERE / "refs/metrics.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

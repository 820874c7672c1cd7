"""Compares the time left that a run says with what it then took, at 25, 50 and 75 % of its time.

python3 eta.py --wandeck ../../target/release/wandeck --models ../../models [--synthetic FOLDER]

Each run is made in one data folder, so later runs know earlier ones of their model. The time left is read from the
lines that the program prints for each step where standard error is no terminal; between two lines it counts down.
"""

import argparse
import re
import subprocess
import tempfile
import time
from pathlib import Path

RUNS = [
    ("toy-t2v-A14B", "128x128", 17, 8, []),
    ("toy-t2v-A14B", "192x192", 33, 6, []),
    ("toy-t2v-A14B", "256x256", 9, 12, []),
    ("toy-t2v-A14B", "64x64", 65, 20, []),
    ("toy-t2v-A14B", "256x128", 33, 30, []),
    ("toy-ti2v-5B", "256x256", 17, 10, []),
    ("toy-ti2v-5B", "192x320", 33, 20, []),
    ("toy-ti2v-5B", "256x256", 33, 6, []),
    ("toy-i2v-A14B", "192x192", 33, 10, ["--image", "IMAGE"]),
    # killed after half of its steps; the time is that of the run that resumes it
    ("toy-t2v-A14B", "256x256", 33, 20, ["RESUMED"]),
]
SYNTHETIC = [("128x128", 5, 6), ("128x128", 9, 10), ("192x128", 9, 4)]


def seconds(line):
    found = re.search(r"about (.*) left", line)
    if not found:
        return None
    units = {"h": 3600, "min": 60, "s": 1}
    return sum(float(value) * units[unit] for value, unit in re.findall(r"([\d.]+) (h|min|s)\b", found[1]))


def image(folder):
    """A still with a gradient, as a portable pixmap."""
    path = Path(folder) / "image.ppm"
    pixels = bytes(value for y in range(192) for x in range(192) for value in (x, y, 128))
    path.write_bytes(b"P6 192 192 255\n" + pixels)
    return str(path)


def kill_half_way(command, steps):
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    done = 0
    for line in process.stderr:
        done += bool(re.match(r"Denoise, .* \d+/\d+:", line))
        if done == steps // 2:
            process.kill()
            break
    process.wait()


def run(wandeck, data, model, size, frames, steps, more):
    is_resumed = "RESUMED" in more
    more = [image(data) if value == "IMAGE" else value for value in more if value != "RESUMED"]
    command = [wandeck, "--data-dir", data, "generate", "a red circle", "--model", model, "--size", size]
    command += ["--frames", str(frames), "--steps", str(steps), "--seed", str(time.time_ns() % 10**6), *more]
    if is_resumed:
        kill_half_way(command, steps)
        command = [wandeck, "--data-dir", data, "queue", "run"]
    began = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    said, expected = [], None
    for line in process.stderr:
        now = time.monotonic() - began
        if line.startswith("Takes "):
            expected = line.strip()
        if (left := seconds(line)) is not None:
            said.append((now, left))
    assert process.wait() == 0
    return time.monotonic() - began, said, expected


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--wandeck", required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--synthetic")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as data:
        runs = [(model, *rest, ["--models-dir", args.models, *more]) for model, *rest, more in RUNS]
        if args.synthetic:
            runs += [(args.synthetic, *rest, []) for rest in SYNTHETIC]
        for model, size, frames, steps, more in runs:
            whole, said, expected = run(args.wandeck, data, model, size, frames, steps, more)
            errors = []
            for part in (0.25, 0.5, 0.75):
                at = part * whole
                before = [(when, left) for when, left in said if when <= at]
                if not before:
                    errors.append("  none")
                    continue
                when, left = before[-1]
                left = max(left - (at - when), 0.0)
                errors.append(f"{(left - (whole - at)) / whole * 100:+5.0f} %")
            print(f"{Path(model).name:14} {size:8} {frames:3} frames {steps:3} steps {whole:6.1f} s  "
                  f"{'  '.join(errors)}  {expected or ''}", flush=True)


if __name__ == "__main__":
    main()

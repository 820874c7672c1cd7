#!/usr/bin/env python3
"""Compares Wandeck with the plain diffusers script (reference.py) in one run.

Both make the same videos, each as its own process. They take turns, and who goes first changes from
one repeat to the next, so that a machine that slows down or speeds up meets both alike. Wall time and
peak memory are measured from outside in the same way for both.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent

RUNS = [
    ("a red circle moves right on a black background", 1),
    ("a green square moves left on a white background", 2),
    ("a blue triangle moves up on a gray background", 3),
    ("a yellow circle moves down on a navy background", 4),
    ("a purple square moves right on a white background", 5),
]


def run(command):
    """Runs a process to its end: (its last line of output as JSON, wall seconds, peak resident MiB)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        lines = out.read().decode().strip().splitlines()
        if child.returncode or not lines:
            problem = (lines or [""])[-1] + err.read().decode(errors="replace")[-2000:]
            sys.exit(f"{command[0]} ended with {child.returncode}: {problem}")
    return json.loads(lines[-1]), wall, usage.ru_maxrss / 1024


def flow_shift(model):
    config = json.loads((Path(model) / "scheduler" / "scheduler_config.json").read_text())
    return config.get("flow_shift", config.get("shift", 1.0))


def common(a, prompt, seed):
    return [
        prompt,
        *("--model", a.model, "--negative", "", "--seed", str(seed), "--steps", str(a.steps)),
        *("--guidance", str(a.guidance), "--size", a.size, "--frames", str(a.frames)),
    ]


def reference(a, prompt, seed, folder):
    output = folder / "frames.npy"
    command = [sys.executable, str(HERE / "reference.py"), *common(a, prompt, seed), "-o", str(output), "--json"]
    command += ["--dtype", a.dtype]
    if a.threads:
        command += ["--threads", str(a.threads)]
    result, wall, rss = run(command)
    measures = {
        "wall_s": wall,
        "peak_rss_mb": rss,
        "load_s": result["import_s"] + result["load_s"],
        "text_s": result["text_s"],
        "step_s": statistics.median(result["steps"]),
        "steps_s": sum(result["steps"]),
        "decode_s": result["decode_s"],
        "generation_s": result["generation_time_s"],
        "threads": result["threads"],
    }
    return measures, np.load(output)


def wandeck(a, prompt, seed, folder):
    output = folder / "frames"
    command = [a.wandeck, "generate", *common(a, prompt, seed), "-o", str(output), "--json"]
    # Diffusers takes the shift from the model; say it, so that no preset of Wandeck's decides otherwise.
    command += ["--shift", str(flow_shift(a.model)), *a.wandeck_arg]
    result, wall, rss = run(command)
    files = sorted(Path(result.get("output", output)).glob("frame_*.png"))
    stages = {s["name"]: s["seconds"] for s in result["stages"]}
    measures = {
        "wall_s": wall,
        "peak_rss_mb": rss,
        "step_s": statistics.median(result["steps"]),
        "steps_s": sum(result["steps"]),
        "generation_s": result["generation_time_s"],
    }
    for key, stage in (("load_s", "prepare"), ("text_s", "text"), ("decode_s", "decode")):
        measures[key] = stages.get(stage)
    measures["stages"] = stages
    measures["provider"], measures["precision"] = result.get("provider"), result.get("precision")
    return measures, np.stack([np.asarray(Image.open(f).convert("RGB")) for f in files])


def agreement(ours, theirs):
    if ours.shape != theirs.shape:
        return {"shape": [list(ours.shape), list(theirs.shape)], "equal": 0.0, "max": 255, "mean": 255.0}
    d = np.abs(ours.astype(np.int16) - theirs.astype(np.int16))
    return {"equal": float((d == 0).mean()), "max": int(d.max()), "mean": float(d.mean())}


def median(runs, key):
    values = [r[key] for r in runs if r.get(key) is not None]
    return statistics.median(values) if values else None


def spread(runs, key):
    values = [r[key] for r in runs if r.get(key) is not None]
    return [min(values), max(values)] if values else None


def compare(a):
    sides = {"diffusers": reference, "wandeck": wandeck}
    runs, frames = {name: [] for name in sides}, {name: {} for name in sides}
    prompts = [(p, k + 1) for k, p in enumerate(a.prompt)] if a.prompt else RUNS
    with tempfile.TemporaryDirectory() as tmp:
        for repeat in range(-a.warm_up, a.repeats):
            for k, (prompt, seed) in enumerate(prompts if repeat >= 0 else prompts[:1]):
                for name in sorted(sides, reverse=(repeat + k) % 2 == 1):
                    folder = Path(tmp) / f"{name}_{repeat}_{k}"
                    folder.mkdir()
                    measures, pixels = sides[name](a, prompt, seed, folder)
                    kind = "warm-up" if repeat < 0 else f"repeat {repeat + 1}/{a.repeats}"
                    print(f"{kind}, {k + 1}/{len(prompts)}, {name}: {measures['wall_s']:.2f} s", file=sys.stderr)
                    if repeat < 0:
                        continue
                    runs[name].append({"prompt": k, "repeat": repeat, **measures})
                    same = frames[name].setdefault(k, pixels)
                    if not np.array_equal(same, pixels):
                        print(f"{name}: the same request gave other frames", file=sys.stderr)
    rows = {}
    for key in ("wall_s", "generation_s", "load_s", "text_s", "step_s", "steps_s", "decode_s", "peak_rss_mb"):
        theirs, ours = (median(runs[name], key) for name in ("diffusers", "wandeck"))
        rows[key] = {
            "diffusers": theirs,
            "wandeck": ours,
            "ratio": ours / theirs if ours is not None and theirs else None,
            "diffusers_range": spread(runs["diffusers"], key),
            "wandeck_range": spread(runs["wandeck"], key),
        }
    return {
        "settings": {k: getattr(a, k) for k in ("steps", "guidance", "size", "frames", "dtype", "threads", "repeats")},
        "machine": {"system": platform.system(), "cpu": platform.machine(), "cores": os.cpu_count()},
        "diffusers_threads": runs["diffusers"][0]["threads"],
        "provider": runs["wandeck"][0].get("provider"),
        "precision": runs["wandeck"][0].get("precision"),
        "medians": rows,
        "frames": [
            {"prompt": p, "seed": s, **agreement(frames["wandeck"][k], frames["diffusers"][k])}
            for k, (p, s) in enumerate(prompts)
        ],
        "runs": runs,
    }


def table(result):
    def cell(value):
        return "-" if value is None else f"{value:.3f}"

    print(f"{'median':<14}{'diffusers':>12}{'wandeck':>12}{'ratio':>8}")
    for key, row in result["medians"].items():
        print(f"{key:<14}{cell(row['diffusers']):>12}{cell(row['wandeck']):>12}{cell(row['ratio']):>8}")
    print()
    print(f"{'seed':<6}{'equal values':>14}{'largest':>9}{'mean':>9}")
    for row in result["frames"]:
        print(f"{row['seed']:<6}{100 * row['equal']:>12.3f} %{row['max']:>9}{row['mean']:>9.5f}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--wandeck", required=True, help="the program")
    ap.add_argument("--model", required=True, help="diffusers folder")
    ap.add_argument("--repeats", type=int, default=3)
    ap.add_argument("--warm-up", type=int, default=1, help="rounds of one prompt that are not counted")
    ap.add_argument("--prompt", action="append", metavar="TEXT", help="instead of the five built in; seeds count from 1")
    ap.add_argument("--steps", type=int, default=20)
    ap.add_argument("--guidance", type=float, default=2.0)
    ap.add_argument("--size", default="64x64", help="WxH")
    ap.add_argument("--frames", type=int, default=17)
    ap.add_argument("--dtype", default="float32", help="of diffusers")
    ap.add_argument("--threads", type=int, help="of diffusers [torch's own choice]")
    ap.add_argument(
        "--wandeck-arg",
        action="append",
        default=[],
        metavar="ARG",
        help="one more argument, as --wandeck-arg=--precision=fp32",
    )
    ap.add_argument("--json", metavar="FILE", help="everything measured; - for standard output instead of the table")
    a = ap.parse_args()
    result = compare(a)
    if a.json == "-":
        print(json.dumps(result, indent=1))
        return
    if a.json:
        Path(a.json).write_text(json.dumps(result, indent=1) + "\n")
    table(result)


if __name__ == "__main__":
    main()

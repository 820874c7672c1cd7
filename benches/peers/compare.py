#!/usr/bin/env python3
"""Compares Wandeck with diffusers (reference.py) and with stable-diffusion.cpp in one run.

All make the same videos, each as its own process. They take turns, and who goes first changes from
one repeat to the next, so that a machine that slows down or speeds up meets all alike. Wall time and
peak memory are measured from outside in the same way for all.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
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
    """Runs a process to its end: (all of its output, its standard output, wall seconds, peak resident MiB)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        printed, log = (stream.read().decode(errors="replace") for stream in (out, err))
        if child.returncode:
            sys.exit(f"{command[0]} ended with {child.returncode}: {(printed + log)[-2000:]}")
    return printed + log, printed, wall, usage.ru_maxrss / 1024


def run_for_json(command):
    """Runs a process to its end: (its last line of output as JSON, wall seconds, peak resident MiB)."""
    _, printed, wall, rss = run(command)
    lines = printed.strip().splitlines()
    if not lines:
        sys.exit(f"{command[0]} printed nothing")
    return json.loads(lines[-1]), wall, rss


def flow_shift(model):
    config = json.loads((Path(model) / "scheduler" / "scheduler_config.json").read_text())
    return config.get("flow_shift", config.get("shift", 1.0))


def common(a, prompt, seed):
    return [
        prompt,
        *("--model", a.model, "--negative", "", "--seed", str(seed), "--steps", str(a.steps)),
        *("--guidance", str(a.guidance), "--size", a.size, "--frames", str(a.frames)),
    ]


def reference(a, dtype, prompt, seed, folder):
    output = folder / "frames.npy"
    command = [sys.executable, str(HERE / "reference.py"), *common(a, prompt, seed), "-o", str(output), "--json"]
    command += ["--dtype", dtype]
    if a.threads:
        command += ["--threads", str(a.threads)]
    result, wall, rss = run_for_json(command)
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
    result, wall, rss = run_for_json(command)
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


def sd_cpp_files(folder):
    """The options of stable-diffusion.cpp for a folder in ComfyUI's layout."""
    options = []
    diffusion = sorted((Path(folder) / "diffusion_models").iterdir())
    for path in diffusion:
        option = "--high-noise-diffusion-model" if "high_noise" in path.name else "--diffusion-model"
        options += [option, str(path)]
    for option, name in (("--vae", "vae"), ("--t5xxl", "text_encoders")):
        options += [option, str(sorted((Path(folder) / name).iterdir())[0])]
    return options


def sd_cpp(a, prompt, seed, folder):
    width, height = a.size.split("x")
    command = [
        *(a.sd_cpp, "-M", "vid_gen", *sd_cpp_files(a.sd_cpp_model), "-p", prompt, "-s", str(seed), "-v"),
        *("--steps", str(a.steps), "--cfg-scale", str(a.guidance), "--sampling-method", "euler"),
        *("-W", width, "-H", height, "--video-frames", str(a.frames), "--diffusion-fa"),
        *("--flow-shift", str(flow_shift(a.model)), "-o", str(folder / "video.avi"), *a.sd_cpp_arg),
    ]
    log, _, wall, rss = run(command)

    def taken(what):
        found = re.findall(what + r"[^\n]*?taking (\d+(?:\.\d+)?)\s*s", log)
        return float(found[-1]) if found else None

    steps = taken("sampling completed")
    measures = {
        "wall_s": wall,
        "peak_rss_mb": rss,
        "steps_s": steps,
        "step_s": steps / a.steps if steps is not None else None,
        "decode_s": taken("decode_first_stage completed"),
        "text_s": taken("get_learned_condition completed"),
    }
    # its noise is its own, so its frames are not compared
    return measures, None


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


KEYS = ("wall_s", "generation_s", "load_s", "text_s", "step_s", "steps_s", "decode_s", "peak_rss_mb")


def sides(a):
    """What takes part, by name."""
    dtypes = [] if a.no_diffusers else a.dtype or ["float32"]
    found = {f"diffusers {dtype}": partial(reference, a, dtype) for dtype in dtypes}
    if a.sd_cpp:
        found["sd.cpp"] = partial(sd_cpp, a)
    else:
        print("stable-diffusion.cpp takes no part: --sd-cpp names its program", file=sys.stderr)
    found["wandeck"] = partial(wandeck, a)
    return found


def compare(a):
    makers = sides(a)
    names = list(makers)
    runs, frames = {name: [] for name in names}, {name: {} for name in names}
    prompts = [(p, k + 1) for k, p in enumerate(a.prompt)] if a.prompt else RUNS
    with tempfile.TemporaryDirectory() as tmp:
        for repeat in range(-a.warm_up, a.repeats):
            for k, (prompt, seed) in enumerate(prompts if repeat >= 0 else prompts[:1]):
                turn = (repeat + k) % len(names)
                for name in names[turn:] + names[:turn]:
                    folder = Path(tmp) / f"{name.replace(' ', '_')}_{repeat}_{k}"
                    folder.mkdir()
                    measures, pixels = makers[name](prompt, seed, folder)
                    kind = "warm-up" if repeat < 0 else f"repeat {repeat + 1}/{a.repeats}"
                    print(f"{kind}, {k + 1}/{len(prompts)}, {name}: {measures['wall_s']:.2f} s", file=sys.stderr)
                    if repeat < 0:
                        continue
                    runs[name].append({"prompt": k, "repeat": repeat, **measures})
                    if pixels is None:
                        continue
                    same = frames[name].setdefault(k, pixels)
                    if not np.array_equal(same, pixels):
                        print(f"{name}: the same request gave other frames", file=sys.stderr)
    rows = {key: {name: median(runs[name], key) for name in names} for key in KEYS}
    peers = [name for name in names if name != "wandeck"]
    return {
        "settings": {k: getattr(a, k) for k in ("steps", "guidance", "size", "frames", "threads", "repeats")},
        "machine": {"system": platform.system(), "cpu": platform.machine(), "cores": os.cpu_count()},
        "diffusers_threads": runs[peers[0]][0].get("threads"),
        "provider": runs["wandeck"][0].get("provider"),
        "precision": runs["wandeck"][0].get("precision"),
        "medians": rows,
        "ratios": {key: {peer: ratio(row["wandeck"], row[peer]) for peer in peers} for key, row in rows.items()},
        "ranges": {key: {name: spread(runs[name], key) for name in names} for key in KEYS},
        "frames": [
            {"prompt": p, "seed": s, "peer": peer, **agreement(frames["wandeck"][k], frames[peer][k])}
            for peer in peers
            if frames[peer]
            for k, (p, s) in enumerate(prompts)
        ],
        "runs": runs,
    }


def ratio(ours, theirs):
    return ours / theirs if ours is not None and theirs else None


def table(result):
    def cell(value):
        return "-" if value is None else f"{value:.3f}"

    names = list(result["medians"]["wall_s"])
    peers = [name for name in names if name != "wandeck"]
    print("".join([f"{'median':<14}", *(f"{name:>20}" for name in names), *(f"{'/ ' + peer:>20}" for peer in peers)]))
    for key, row in result["medians"].items():
        ratios = result["ratios"][key]
        cells = [cell(row[name]) for name in names] + [cell(ratios[peer]) for peer in peers]
        print(f"{key:<14}" + "".join(f"{text:>20}" for text in cells))
    if not result["frames"]:
        return
    print()
    print(f"{'peer':<20}{'seed':<6}{'equal values':>14}{'largest':>9}{'mean':>9}")
    for row in result["frames"]:
        equal = f"{100 * row['equal']:.3f} %"
        print(f"{row['peer']:<20}{row['seed']:<6}{equal:>14}{row['max']:>9}{row['mean']:>9.5f}")


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
    ap.add_argument("--dtype", action="append", help="of diffusers; repeat for more, as float32 and bfloat16 [float32]")
    ap.add_argument("--no-diffusers", action="store_true", help="compare with stable-diffusion.cpp only")
    ap.add_argument("--threads", type=int, help="of diffusers [torch's own choice]")
    ap.add_argument(
        "--wandeck-arg",
        action="append",
        default=[],
        metavar="ARG",
        help="one more argument, as --wandeck-arg=--precision=fp32",
    )
    ap.add_argument("--sd-cpp", metavar="FILE", help="the program of stable-diffusion.cpp, sd-cli")
    ap.add_argument("--sd-cpp-model", metavar="FOLDER", help="the same model in ComfyUI's layout")
    ap.add_argument("--sd-cpp-arg", action="append", default=[], metavar="ARG", help="one more argument, as --type=q8_0")
    ap.add_argument("--json", metavar="FILE", help="everything measured; - for standard output instead of the table")
    a = ap.parse_args()
    if a.sd_cpp and not a.sd_cpp_model:
        ap.error("--sd-cpp needs --sd-cpp-model")
    if a.no_diffusers and not a.sd_cpp:
        ap.error("--no-diffusers leaves nothing to compare with: name --sd-cpp")
    if a.no_diffusers and a.dtype:
        ap.error("--dtype is of diffusers, which --no-diffusers leaves out")
    result = compare(a)
    if a.json == "-":
        print(json.dumps(result, indent=1))
        return
    if a.json:
        Path(a.json).write_text(json.dumps(result, indent=1) + "\n")
    table(result)


if __name__ == "__main__":
    main()

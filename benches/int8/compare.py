#!/usr/bin/env python3
"""One forward pass of a transformer in int8 and int4, against fp32 in ONNX Runtime and against bf16 and fp32 in torch.

Makes a model of the width that is asked for (random weights), converts it and writes its graphs with Wandeck,
then lets them take turns. Each runs in a process of its own, which says how long each pass took and how much
memory it needed. Read the ratios.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
SMALL = HERE.parent.parent / "tests" / "golden" / "models" / "tiny-t2v"
HEAD = 128
# frames, height and width of the latent; patches of 1 x 2 x 2
LATENT = {2340: (3, 60, 52), 64: (1, 16, 16), 780: (1, 60, 52)}
TEXT = 512


def make_model(folder, width, layers, ffn):
    """The small model of the tests with a larger first transformer."""
    import torch
    from diffusers import WanTransformer3DModel

    shutil.copytree(SMALL, folder)
    small = json.loads((folder / "transformer" / "config.json").read_text())
    shutil.rmtree(folder / "transformer")
    shutil.rmtree(folder / "transformer_2")
    index = json.loads((folder / "model_index.json").read_text())
    index.update(boundary_ratio=None, transformer_2=[None, None])
    (folder / "model_index.json").write_text(json.dumps(index))
    torch.manual_seed(0)
    small = {key: value for key, value in small.items() if not key.startswith("_")}
    small.update(num_attention_heads=width // HEAD, attention_head_dim=HEAD, num_layers=layers, ffn_dim=ffn)
    WanTransformer3DModel(**small).eval().save_pretrained(folder / "transformer")


def inputs(folder, tokens):
    config = json.loads((folder / "transformer" / "config.json").read_text())
    rng = np.random.default_rng(1)
    frames, height, width = LATENT[tokens]
    latent = rng.standard_normal((1, 16, frames, height, width), dtype=np.float32)
    text = rng.standard_normal((1, TEXT, config["text_dim"]), dtype=np.float32)
    return latent, text, np.array([500.0], np.float32)


def rope(frames, height, width):
    """Tables of the rotary embedding: time, height and width share the head (wan/modules/model.py)."""
    sides = [HEAD - 4 * (HEAD // 6), 2 * (HEAD // 6), 2 * (HEAD // 6)]
    grid = np.meshgrid(*(np.arange(n) for n in (frames, height // 2, width // 2)), indexing="ij")
    angles = [
        position.reshape(-1, 1) * 10000.0 ** (-np.arange(0, side, 2) / side)
        for position, side in zip(grid, sides, strict=True)
    ]
    angles = np.concatenate(angles, axis=1)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def ort_pass(folder, tokens, threads, prepack):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_mem_pattern = False
    if not prepack:
        options.add_session_config_entry("session.disable_prepacking", "1")
    graph = next((folder / "graphs" / "transformer").glob("*.onnx"))
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    latent, text, timestep = inputs(folder, tokens)
    cos, sin = rope(*latent.shape[2:])
    feed = {
        "hidden_states": latent,
        "timestep": timestep,
        "encoder_hidden_states": text[0],
        "text_index": np.arange(TEXT),
        "rope_cos": cos,
        "rope_sin": sin,
        "pos": np.zeros(1, np.int64),
    }
    return lambda: session.run(None, feed)[0]


def torch_pass(folder, tokens, threads, dtype):
    import torch
    from diffusers import WanTransformer3DModel

    torch.set_num_threads(threads)
    dtype = getattr(torch, dtype)
    model = WanTransformer3DModel.from_pretrained(folder / "transformer", torch_dtype=dtype).eval()
    latent, text, timestep = map(torch.from_numpy, inputs(folder, tokens))

    def forward():
        with torch.inference_mode():
            return model(latent.to(dtype), timestep, text.to(dtype), return_dict=False)[0].float().numpy()

    return forward


def status(key):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    return None


def worker(a):
    """One pass for each line on standard input; a line of JSON for each."""
    make = {
        "ort_fp32": lambda: ort_pass(a.folder, a.tokens, a.threads, True),
        "ort_int8": lambda: ort_pass(a.folder, a.tokens, a.threads, True),
        "ort_int8_in_place": lambda: ort_pass(a.folder, a.tokens, a.threads, False),
        "ort_int4": lambda: ort_pass(a.folder, a.tokens, a.threads, True),
        "ort_int4_in_place": lambda: ort_pass(a.folder, a.tokens, a.threads, False),
        "torch_bf16": lambda: torch_pass(a.folder, a.tokens, a.threads, "bfloat16"),
        "torch_fp32": lambda: torch_pass(a.folder, a.tokens, a.threads, "float32"),
    }
    base, began = status("VmRSS"), time.perf_counter()
    forward = make[a.worker]()
    load = time.perf_counter() - began
    np.save(a.out, forward())
    print(json.dumps({"base_mib": base, "load_s": load}), flush=True)
    for _ in sys.stdin:
        began, busy = time.perf_counter(), time.process_time()
        forward()
        seconds, busy = time.perf_counter() - began, time.process_time() - busy
        result = {"seconds": seconds, "cpu_seconds": busy, "peak_mib": status("VmHWM"), "anonymous_mib": status("RssAnon")}
        print(json.dumps(result), flush=True)


def start(name, folder, a, scratch):
    out = scratch / f"{name}.npy"
    command = [sys.executable, __file__, "--worker", name, "--folder", str(folder), "--out", str(out)]
    command += ["--tokens", str(a.tokens), "--threads", str(a.threads)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ready = json.loads(child.stdout.readline())
    return child, out, ready


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wandeck", default="wandeck", help="the program")
    parser.add_argument("--width", type=int, default=1536)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--ffn", type=int, default=8960)
    parser.add_argument("--tokens", type=int, default=2340, choices=sorted(LATENT))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="folder for the models, made once")
    parser.add_argument("--json", type=Path, help="where to write the result")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.worker:
        return worker(a)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        return compare(a, a.keep or scratch, scratch)


def compare(a, kept, scratch):
    full, int8, int4 = (kept / name for name in ("full", "int8", "int4"))
    if not int4.is_dir():
        make_model(full, a.width, a.layers, a.ffn)
        wandeck = [a.wandeck, "--data-dir", str(kept / "data")]
        for small in (int8, int4):
            convert = ["models", "convert", full, "--precision", small.name, "-o", small]
            subprocess.run([*wandeck, *convert], check=True)
        for folder in (full, int8, int4):
            subprocess.run([*wandeck, "graph", "export", folder, folder / "graphs"], check=True)
    sides = {
        "ort_fp32": full, "ort_int8": int8, "ort_int8_in_place": int8, "ort_int4": int4, "ort_int4_in_place": int4,
        "torch_bf16": full, "torch_fp32": full,
    }
    running = {name: start(name, folder, a, scratch) for name, folder in sides.items()}
    passes = {name: [] for name in sides}
    for repeat in range(a.repeats):
        names = list(sides) if repeat % 2 else list(sides)[::-1]
        for name in names:
            child = running[name][0]
            print(file=child.stdin, flush=True)
            passes[name].append(json.loads(child.stdout.readline()))
    for child, _, _ in running.values():
        child.stdin.close()
        child.wait()
    exact = np.load(running["torch_fp32"][1])
    result = {"machine": platform.processor() or platform.machine(), "arguments": vars(a), "sides": {}}
    reference = [one["seconds"] for one in passes["ort_fp32"]]
    bf16 = [one["seconds"] for one in passes["torch_bf16"]]
    fp32_peak = passes["ort_fp32"][-1]["peak_mib"] - running["ort_fp32"][2]["base_mib"]
    for name, (_, out, ready) in running.items():
        seconds = [one["seconds"] for one in passes[name]]
        peak = passes[name][-1]["peak_mib"] - ready["base_mib"]
        off = np.load(out) - exact
        result["sides"][name] = {
            "load_s": ready["load_s"],
            "median_s": statistics.median(seconds),
            "least_s": min(seconds),
            "to_ort_fp32": statistics.median(x / y for x, y in zip(seconds, reference, strict=True)),
            "to_torch_bf16": statistics.median(x / y for x, y in zip(seconds, bf16, strict=True)),
            "cpu_s": statistics.median(one["cpu_seconds"] for one in passes[name]),
            "peak_mib": peak,
            "peak_to_ort_fp32": peak / fp32_peak,
            "anonymous_mib": passes[name][-1]["anonymous_mib"],
            "relative_l2": float(np.linalg.norm(off) / np.linalg.norm(exact)),
        }
    text = json.dumps(result, indent=2, default=str)
    print(text)
    if a.json:
        a.json.write_text(text)
    return None


if __name__ == "__main__":
    sys.exit(main())

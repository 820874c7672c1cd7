"""A Q8_0 GGUF beside the int8 copy that `wandeck models convert` makes of the same weights.

Makes a model of TI2V-5B's width (random weights, ComfyUI's files), writes its transformer as Q8_0 with the `gguf`
package, and converts it to int8. Both make the same video in turns, in processes of their own.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

import gguf
import numpy as np
import torch
from safetensors import safe_open

Q8 = gguf.GGMLQuantizationType.Q8_0
F32 = gguf.GGMLQuantizationType.F32


def write_gguf(source, target):
    """Matrices as Q8_0, the rest as fp32; tensors of five dimensions as ComfyUI-GGUF keeps them."""
    writer = gguf.GGUFWriter(target, "wan")
    with safe_open(source, "pt") as file, concurrent.futures.ThreadPoolExecutor() as pool:

        def read(name):
            values = file.get_tensor(name).to(torch.float32).numpy()
            if values.ndim == 2 and values.shape[1] % 32 == 0 and min(values.shape) > 32:
                return gguf.quants.quantize(values, Q8), True
            return values, False

        for name, (values, is_quantised) in zip(file.keys(), pool.map(read, file.keys()), strict=True):
            if is_quantised:
                writer.add_tensor(name, values, raw_dtype=Q8)
                continue
            if values.ndim > 4:
                writer.add_array(f"comfy.gguf.orig_shape.{name}", [int(size) for size in values.shape])
                values = values.reshape(values.shape[0], -1)
            writer.add_tensor(name, np.ascontiguousarray(values), raw_dtype=F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def processor_time(pid):
    """Seconds that all threads of a process have computed."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(wandeck, models, model, data, size, steps):
    """From the start of denoising to the end of its first step: seconds, and seconds of the processor. The same of a later
    step. The peak in MiB, and over that of the preflight.

    The run is stopped after denoising: the decode is the same for both.
    """
    environment = dict(os.environ, MODELS_ROOT=str(models), WANDECK_DATA_DIR=str(data))
    command = [wandeck, "generate", "a bench", "--model", model, "--size", size, "--frames", "5", "--seed", "1"]
    command += ["--steps", str(steps), "--events", "-o", f"{data}/v.mp4", "--overwrite"]
    program = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    began, first, later, peak, expected = None, None, [], None, None
    for line in program.stdout:
        event = json.loads(line)
        stage = event.get("stage", "")
        if event["event"] == "preflight":
            # the prompt is encoded in the first turn only
            stages = [part for part in event["stages"] if part["stage"].startswith("denoise")]
            expected = max(part["memory"] for part in stages) / 2**20
        elif event["event"] == "stage_started" and stage.startswith("denoise"):
            began = began or (time.perf_counter(), processor_time(program.pid))
        elif event["event"] == "step" and stage.startswith("denoise"):
            now = (time.perf_counter(), processor_time(program.pid))
            if first is None:
                first = (now[0] - began[0], now[1] - began[1])
            else:
                later.append((now[0] - last[0], now[1] - last[1]))
            last = now
            if event["step"] == event["of"]:
                status = pathlib.Path(f"/proc/{program.pid}/status").read_text()
                peak = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024
                program.send_signal(signal.SIGINT)
    program.wait()
    if peak is None:
        raise SystemExit(f"{model}: exit code {program.returncode}")
    steps = zip(*later, strict=True)
    return [*first, *(statistics.median(times) for times in steps), peak, peak / expected]


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--wandeck", type=pathlib.Path, required=True, help="the program")
    args.add_argument("--layers", type=int, default=4, help="transformer blocks; 30 are the whole model")
    args.add_argument("--size", default="256x256")
    args.add_argument("--steps", type=int, default=4)
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--folder", help="where to make the models [a temporary folder]")
    args = args.parse_args()
    wandeck = args.wandeck.resolve()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        root = pathlib.Path(folder)
        plain, data = root / "plain", root / "data"
        make = ["--like", "ti2v-5B", "--layers", args.layers, "--text-layers", 1, "--vocab", 1024, "--layout", "comfy"]
        subprocess.run([wandeck, "models", "synth", *map(str, make), plain], check=True)
        models = {"int8": root / "int8", "q8_0": root / "q8_0"}
        convert = [wandeck, "models", "convert", plain, "--precision", "int8", "-o", models["int8"]]
        subprocess.run(convert, check=True, env=dict(os.environ, WANDECK_DATA_DIR=str(data)))
        shutil.copytree(plain, models["q8_0"], copy_function=os.link)
        (weights,) = (models["q8_0"] / "diffusion_models").glob("*.safetensors")
        write_gguf(weights, weights.with_suffix(".gguf"))
        weights.unlink()
        shutil.rmtree(plain)
        print("                  to first step: wall, processor   a step: wall, processor   peak, of the preflight")
        results = {name: [] for name in models}
        for turn in range(args.rounds + 1):
            for name in sorted(models, reverse=turn % 2 == 1):
                result = run(wandeck, root, models[name], data, args.size, args.steps)
                which = "repacked" if turn == 0 else f"round {turn} "
                times = "".join(f"{seconds:10.2f} s" for seconds in result[:4])
                print(f"{name:5} {which} {times} {result[4]:8.0f} MiB {result[5]:6.3f}", flush=True)
                if turn > 0:
                    results[name].append(result)
        pairs = list(zip(results["q8_0"], results["int8"], strict=True))
        rows = ["to the first step", "the same, processor", "a step", "the same, processor", "peak memory"]
        for number, what in enumerate(rows):
            print(f"Q8_0 / int8, {what}: {statistics.median(q[number] / i[number] for q, i in pairs):.3f}")


if __name__ == "__main__":
    main()

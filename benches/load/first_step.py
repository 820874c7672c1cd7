"""What a job waits for its weights: the text stage, the first step beside the later ones, and the switch of experts.

Makes a model with random weights and official names and shapes in Wandeck's int8, and runs jobs on it in turns, with its
files in the page cache and without them. A job is stopped after denoising, and each has another prompt, so that the text
encoder always runs.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time


def processor_time(pid):
    """Seconds that all threads of a process have computed."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def prepare(model, is_cold):
    """Brings the files of a model into the page cache, or takes them out of it."""
    for path in pathlib.Path(model).rglob("*.safetensors"):
        with open(path, "rb", buffering=0) as file:
            if is_cold:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                continue
            chunk = bytearray(8 << 20)
            while file.readinto(chunk):
                pass


def peak_memory(pid):
    """The most memory in MiB that a process had resident, pages of its files among it."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def run(args, model, data, number):
    """Seconds from the beginning of the text stage to the end of the steps, of the text stage, and of each step by the clock
    and by the processor; a stage's first step has its loading. Also the peak memory and its forecast in MiB."""
    command = [args.wandeck, "generate", f"bench number {number}", "--model", model, "--size", args.size]
    command += ["--frames", str(args.frames), "--steps", str(args.steps), "--seed", "1", "--events"]
    command += ["-o", f"{data}/v.mp4", "--overwrite"]
    environment = dict(os.environ, WANDECK_DATA_DIR=str(data))
    program = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    text, steps, last, began, memory, forecast = None, [], None, None, None, None
    for line in program.stdout:
        event = json.loads(line)
        stage = event.get("stage", "")
        if event["event"] == "preflight":
            before_decode = [one for one in event["stages"] if one["stage"] not in ("decode", "post_process")]
            forecast = max(one["memory"] or 0 for one in before_decode) / 2**20
        elif event["event"] == "stage_started" and stage == "text":
            began = time.perf_counter()
        elif event["event"] == "stage_finished" and stage == "text":
            text = event["seconds"]
        elif event["event"] == "stage_started" and stage.startswith("denoise"):
            last = last or (time.perf_counter(), processor_time(program.pid))
        elif event["event"] == "stage_started" and stage == "decode":
            memory = peak_memory(program.pid)
            program.send_signal(signal.SIGINT)
        elif event["event"] == "step" and stage.startswith("denoise"):
            now = (time.perf_counter(), processor_time(program.pid))
            steps.append((stage, now[0] - last[0], now[1] - last[1]))
            last = now
    program.wait()
    return last[0] - began, text, steps, memory, forecast


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--wandeck", type=pathlib.Path, required=True, help="the program")
    args.add_argument("--model", help="an int8 model to take instead of making one")
    args.add_argument("--like", default="ti2v-5B")
    args.add_argument("--layers", type=int, default=30, help="transformer blocks; 30 are the whole 5B")
    args.add_argument("--text-layers", type=int, default=24, help="text encoder blocks; 24 are the whole UMT5")
    args.add_argument("--size", default="832x480")
    args.add_argument("--frames", type=int, default=17)
    args.add_argument("--steps", type=int, default=3)
    args.add_argument("--rounds", type=int, default=2)
    args.add_argument("--folder", help="where to make the model [a temporary folder]")
    args = args.parse_args()
    args.wandeck = args.wandeck.resolve()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        plain, model, data = (f"{folder}/{name}" for name in ("plain", "int8", "data"))
        make = ["--like", args.like, "--layers", args.layers, "--text-layers", args.text_layers, "--vocab", 1024]
        if args.model:
            model = args.model
        else:
            subprocess.run([args.wandeck, "models", "synth", *map(str, make), plain], check=True)
            convert = [args.wandeck, "--data-dir", data, "models", "convert", plain, "--precision", "int8", "-o", model]
            subprocess.run(convert, check=True)
            subprocess.run(["rm", "-r", plain], check=True)
        for number in range(2 * args.rounds):
            is_cold = number % 2 == 1
            prepare(model, is_cold)
            whole, text, steps, memory, forecast = run(args, model, data, number)
            times = ", ".join(f"{stage} {seconds:.2f} s ({busy:.2f})" for stage, seconds, busy in steps)
            print(f"{'cold' if is_cold else 'warm'}: text {text:.2f} s; steps by the clock (by the processor): {times}; in all "
                  f"{whole:.2f} s; peak {memory:.0f} MiB of {forecast:.0f} forecast", flush=True)


if __name__ == "__main__":
    main()

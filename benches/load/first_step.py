"""What a job waits for its weights: the text stage, the first step beside the later ones, and the switch of experts.

Makes a model with random weights and official names and shapes, and runs jobs on it in turns, with its files in the page
cache and without them, by each of the given programs. A job is stopped after denoising, and each has another prompt, so
that the text encoder always runs. At the end, for each program: the median of the first step over a later one of its job,
and what the switch of experts adds to a step of the low-noise expert.
"""

import argparse
import json
import os
import pathlib
import shlex
import signal
import statistics
import subprocess
import sys
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


def run(args, program, model, data, number):
    """Seconds from the beginning of the text stage to the end of the steps, of the text stage, and of each step by the clock
    and by the processor; a stage's first step has its loading. Also the peak memory and its forecast in MiB."""
    command = [program, "generate", f"bench number {number}", "--model", model, "--size", args.size]
    command += ["--frames", str(args.frames), "--steps", str(args.steps), "--seed", "1", "--events"]
    command += ["--guidance", args.guidance]
    command += ["-o", f"{data}/v.mp4", "--overwrite"]
    environment = dict(os.environ, WANDECK_DATA_DIR=str(data))
    job = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    text, steps, last, began, memory, forecast, notes = None, [], None, None, None, None, []
    for line in job.stdout:
        event = json.loads(line)
        stage = event.get("stage", "")
        if event["event"] == "preflight":
            before_decode = [one for one in event["stages"] if one["stage"] not in ("decode", "post_process")]
            forecast = max(one["memory"] or 0 for one in before_decode) / 2**20
        elif event["event"] == "note" and "loaded" in event["message"]:
            notes.append(event["message"])
        elif event["event"] == "stage_started" and stage == "text":
            began = time.perf_counter()
        elif event["event"] == "stage_finished" and stage == "text":
            text = event["seconds"]
        elif event["event"] == "stage_started" and stage.startswith("denoise"):
            last = last or (time.perf_counter(), processor_time(job.pid))
        elif event["event"] == "stage_started" and stage == "decode":
            memory = peak_memory(job.pid)
            job.send_signal(signal.SIGINT)
        elif event["event"] == "step" and stage.startswith("denoise"):
            now = (time.perf_counter(), processor_time(job.pid))
            steps.append((stage, now[0] - last[0], now[1] - last[1]))
            last = now
    job.wait()
    if not steps:
        sys.exit(f"The job ended before its first step: {shlex.join(map(str, command))}")
    return last[0] - began, text, steps, memory, forecast, notes


def waits(steps, column):
    """The first step over the median of the later ones, and the share of a step that the switch adds if there is one."""
    stages = list(dict.fromkeys(stage for stage, *_ in steps))
    phases = [[step[column] for step in steps if step[0] == stage] for stage in stages]
    later = [statistics.median(phase[1:]) if len(phase) > 1 else None for phase in phases]
    first = phases[0][0] / later[0] if later[0] else None
    switch = phases[1][0] / later[1] - 1 if len(phases) > 1 and later[1] else None
    return first, switch


def middle(values):
    """The median of what is known, as text."""
    known = [value for value in values if value is not None]
    return f"{statistics.median(known):.3f}" if known else "-"


def make_model(args, folder):
    """A model in the asked precision."""
    plain, model = (f"{folder}/{name}" for name in ("plain", args.precision))
    make = ["--like", args.like, "--layers", args.layers, "--text-layers", args.text_layers, "--vocab", 1024]
    subprocess.run([args.wandeck[0], "models", "synth", *map(str, make), plain], check=True)
    if args.precision == "bf16":
        return plain
    convert = [args.wandeck[0], "--data-dir", f"{folder}/data", "models", "convert", plain]
    subprocess.run([*convert, "--precision", args.precision, "-o", model], check=True)
    subprocess.run(["rm", "-r", plain], check=True)
    return model


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--wandeck", type=pathlib.Path, required=True, nargs="+", help="the program, or several to compare")
    args.add_argument("--model", help="a model to take instead of making one")
    args.add_argument("--precision", choices=["int8", "int4", "bf16"], default="int8")
    args.add_argument("--guidance", default="4", help="1 computes a step in one pass instead of two")
    args.add_argument("--like", default="ti2v-5B")
    args.add_argument("--layers", type=int, default=30, help="transformer blocks; 30 are the whole 5B")
    args.add_argument("--text-layers", type=int, default=24, help="text encoder blocks; 24 are the whole UMT5")
    args.add_argument("--size", default="832x480")
    args.add_argument("--frames", type=int, default=17)
    args.add_argument("--steps", type=int, default=3)
    args.add_argument("--rounds", type=int, default=2)
    args.add_argument("--folder", help="where to make the model [a temporary folder]")
    args = args.parse_args()
    args.wandeck = [program.resolve() for program in args.wandeck]
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        model = args.model or make_model(args, folder)
        results = {}
        for number in range(2 * args.rounds * len(args.wandeck)):
            kind, which = divmod(number, len(args.wandeck))
            is_cold, program = kind % 2 == 1, args.wandeck[which]
            cache = "cold" if is_cold else "warm"
            prepare(model, is_cold)
            whole, text, steps, memory, forecast, notes = run(args, program, model, f"{folder}/data", number)
            results.setdefault((program, cache), []).append((whole, steps))
            times = ", ".join(f"{stage} {seconds:.2f} s ({busy:.2f})" for stage, seconds, busy in steps)
            print(f"{program} {cache}: text {text:.2f} s; steps by the clock (by the processor): {times}; in all "
                  f"{whole:.2f} s; peak {memory:.0f} MiB of {forecast:.0f} forecast; {notes}", flush=True)
        for (program, cache), jobs in results.items():
            clock, busy = ([waits(steps, column) for _, steps in jobs] for column in (1, 2))
            print(f"{program} {cache}: first step over a later one {middle(one[0] for one in clock)} by the clock, "
                  f"{middle(one[0] for one in busy)} by the processor; the switch adds "
                  f"{middle(one[1] for one in clock)} and {middle(one[1] for one in busy)} of a step; in all "
                  f"{middle(whole for whole, _ in jobs)} s")


if __name__ == "__main__":
    main()

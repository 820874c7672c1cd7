"""How long a cancel takes to end a job, at random moments of every stage.

Runs `wandeck generate --events`, waits for a stage chosen by chance and then a random time, sends an interrupt as ctrl-c
does, and measures until the job's terminal event. A run that ends before the interrupt is not counted.
"""

import argparse
import collections
import json
import pathlib
import random
import signal
import subprocess
import tempfile
import threading
import time

TERMINAL = {"finished", "failed", "cancelled"}


def run(command, stage, wait):
    """Seconds from the interrupt to the terminal event, the stage it hit and the event's name."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    state = {"sent": None, "stage": None, "at": None}

    def interrupt():
        state["at"], state["sent"] = state["stage"], time.monotonic()
        process.send_signal(signal.SIGINT)

    timer = None
    for line in process.stdout:
        event = json.loads(line)
        name = event.get("event")
        if name == "stage_started":
            state["stage"] = event["stage"]
            if timer is None and stage in (None, event["stage"]):
                timer = threading.Timer(wait, interrupt)
                timer.start()
        if name in TERMINAL:
            seconds = time.monotonic() - state["sent"] if state["sent"] else None
            if timer:
                timer.cancel()
            process.wait()
            return seconds, state["at"], name
    process.wait()
    return None, None, "ended without a terminal event"


def share(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(part * len(values)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wandeck", type=pathlib.Path, required=True, help="the program")
    parser.add_argument("--model", required=True, help="id or folder")
    parser.add_argument("--stages", default="text,denoise_high,decode", help="stages, comma between")
    parser.add_argument("--longest", type=float, default=1.0, help="seconds into a stage at most")
    parser.add_argument("--runs", type=int, default=20, help="interrupts in each stage")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--data-dir", help="data folder [a temporary one]")
    parser.add_argument("rest", nargs="*", help="more options of generate, after --")
    args = parser.parse_args()
    chance = random.Random(args.seed)
    found, others = collections.defaultdict(list), collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for index in range(args.runs):
            for stage in args.stages.split(","):
                command = [args.wandeck, "generate", f"a cat {stage} {index}", "--model", args.model, "--events"]
                command += ["--data-dir", args.data_dir or folder, "-o", f"{folder}/{stage}{index}", *args.rest]
                seconds, at, name = run(command, stage, chance.uniform(0, args.longest))
                if seconds is None or name != "cancelled":
                    others[name] += 1
                else:
                    found[at].append(seconds)
    for stage, seconds in found.items():
        print(
            f"{stage}: {len(seconds)} interrupts, p50 {share(seconds, 0.5) * 1000:.0f} ms, "
            f"p99 {share(seconds, 0.99) * 1000:.0f} ms, longest {max(seconds) * 1000:.0f} ms"
        )
    if others:
        print("not counted:", dict(others))


if __name__ == "__main__":
    main()

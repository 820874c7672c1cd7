"""Runs of the program, and what they tell."""

import json
import os
import pathlib
import signal
import statistics
import subprocess
import time


class Program:
    """The program with a data folder of its own."""

    def __init__(self, binary, work):
        self.binary = str(pathlib.Path(binary).resolve())
        self.work = pathlib.Path(work)
        self.data = self.work / "data"

    def environment(self, more=None):
        return {**os.environ, "WANDECK_DATA_DIR": str(self.data), "ORT_DISABLE_TELEMETRY": "1", **(more or {})}

    def document(self, *arguments, env=None):
        """The document of a command with --json; one that failed has the status "failed"."""
        command = [self.binary, *map(str, arguments), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment(env))
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        return json.loads(lines[-1]) if lines else {"status": "failed", "error": done.stderr[-2000:]}

    def synthetic(self, like, layers, dtype="bf16"):
        """A model of official width with random weights."""
        folder = self.work / f"{like}-{layers}-{dtype}"
        if not any(folder.rglob("*.safetensors")):
            layout = "comfy" if dtype == "fp8_scaled" else "diffusers"
            options = ["--layers", layers, "--text-layers", 1, "--vocab", 1024, "--dtype", dtype, "--layout", layout]
            command = [self.binary, "models", "synth", folder, "--like", like, *options]
            subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, env=self.environment())
        return folder

    def whole(self, like, dtype="bf16"):
        """A model of official size whose weights are zeros that take no disk space."""
        folder = self.work / f"{like}-whole-{dtype}"
        if not any(folder.rglob("*.safetensors")):
            layout = "comfy" if dtype == "fp8_scaled" else "diffusers"
            command = [self.binary, "models", "synth", folder, "--like", like, "--dtype", dtype, "--layout", layout, "--sparse"]
            subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, env=self.environment())
        return folder

    def int8(self, model):
        """The folder of the int8 copy of a model."""
        folder = self.work / f"{pathlib.Path(model).name}-int8"
        if not any(folder.rglob("*.safetensors")):
            command = [self.binary, "models", "convert", model, "--precision", "int8", "-o", folder]
            subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, env=self.environment())
        return folder

    def generate(self, *arguments, until=None, env=None, provider="cuda", output="out.mp4"):
        """Makes a video, `output` in the working folder, and returns what happened.

        `until` names the stage after which the run is stopped as Ctrl+C does: its steps are all that is wanted.
        """
        command = [self.binary, "generate", "a red circle moves right", "--seed", "7", "--provider", provider]
        command += ["--events", "--timeout", "0", "--overwrite", "-o", f"{self.work}/{output}", *map(str, arguments)]
        started = time.perf_counter()
        with open(self.work / "stderr", "w+") as errors:
            child = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env=self.environment(env)
            )
            run = Run(started)
            for line in child.stdout:
                run.add(json.loads(line))
                if until and run.stages.get(until) is not None and run.stopped is None:
                    run.stopped = time.perf_counter()
                    child.send_signal(signal.SIGINT)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            run.ended = time.perf_counter()
            errors.seek(0)
            run.stderr = errors.read()
        run.code, run.rss_gib = child.returncode, usage.ru_maxrss / (1 << 20)
        return run


class Run:
    """What the events of one run say."""

    def __init__(self, started):
        self.started, self.ended, self.stopped = started, None, None
        self.stages, self.steps, self.notes = {}, {}, []
        self.outcome, self.error, self.stderr, self.code, self.rss_gib = None, None, "", None, 0.0

    def add(self, event):
        kind = event["event"]
        if kind == "stage_finished":
            self.stages[event["stage"]] = event["seconds"]
        elif kind == "step":
            self.steps.setdefault(event["stage"], []).append(event["seconds"])
        elif kind in ("note", "warning"):
            self.notes.append(event["message"])
        elif kind == "finished":
            self.outcome = event["outcome"]
        elif kind == "failed":
            self.error = event["error"]

    def step(self, stage):
        """Median of the steps of a stage after the first, in seconds."""
        seconds = self.steps.get(stage, [])
        return statistics.median(seconds[1:]) if len(seconds) > 1 else None

    def summary(self):
        """What is kept of the run."""
        kept = {"code": self.code, "wall_s": self.ended - self.started, "stages": self.stages, "rss_gib": self.rss_gib}
        kept["steps"] = self.steps
        if self.outcome:
            for key in ("peak_vram_mb", "provider_reason", "warnings", "precision"):
                kept[key] = self.outcome.get(key)
        if self.error:
            kept["error"] = self.error
        if self.code and not self.stopped:
            kept["stderr"] = self.stderr[-1500:]
        return kept

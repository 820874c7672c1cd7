"""The parts of the measurement. Each takes the program and returns its result and the rows of its table."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy
from PIL import Image
from safetensors.numpy import load_file

from change import change

HERE = pathlib.Path(__file__).resolve().parent
SETTINGS = [
    # model, size, frames, blocks of the whole model
    ("t2v-A14B", (832, 480), 81, 40),
    ("t2v-A14B", (1280, 720), 81, 40),
    ("ti2v-5B", (1280, 704), 121, 30),
]
# heads, feed-forward width
WIDTHS = {"t2v-A14B": (40, 13824), "ti2v-5B": (24, 14336)}


def on_torch(*request):
    """The answers of torch_side.py, or why there are none."""
    command = [sys.executable, str(HERE / "torch_side.py"), json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else [{"error": done.stderr[-1500:]}] * len(request)


def tokens(like, size, frames):
    patch = 16 if like == "t2v-A14B" else 32
    return ((frames - 1) // 4 + 1) * (size[0] // patch) * (size[1] // patch)


def block_flops(like, count):
    """Floating-point operations of one block for this many tokens and 512 tokens of text."""
    heads, ffn = WIDTHS[like]
    width = heads * 128
    linear = 2 * count * width * (6 * width + 2 * ffn) + 2 * 512 * width * 2 * width
    return linear + 4 * count * count * width + 4 * count * 512 * width


def doctor(program):
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version,power.limit", "--format=csv,noheader"]
    try:
        card = subprocess.run(query, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        card = "no nvidia-smi"
    document = program.document("doctor")
    ill = [entry for entry in document.get("findings", []) if entry["level"] != "ok" or entry["subject"] == "provider"]
    auto = program.generate("--steps", "4", provider="auto")
    reason = auto.outcome["provider_reason"] if auto.outcome else auto.summary()
    rows = [(card, ""), *((entry["level"], entry["message"]) for entry in ill), ("--provider auto", reason)]
    return {"card": card, "doctor": document, "auto": auto.summary(), "stderr": auto.stderr}, rows


def ceilings(_program):
    result = on_torch(("ceilings", {}))[0]
    return result, [(key, value if isinstance(value, str) else f"{value:.1f}") for key, value in result.items()]


def frames_of(folder):
    return numpy.stack([numpy.asarray(Image.open(file).convert("RGB")) for file in sorted(folder.glob("*.png"))])


def toys(program):
    """Each toy on the card in three precisions, against the CPU in fp32."""
    result, rows = [], []
    image = program.work / "start.png"
    Image.new("RGB", (64, 64), (10, 10, 60)).save(image)
    for model in ("toy-t2v-A14B", "toy-i2v-A14B", "toy-ti2v-5B", program.int8("toy-t2v-A14B")):
        name = pathlib.Path(model).name
        more = [] if name.startswith("toy-t2v") else ["--image", image]
        # the CPU rounds the activations of int8 models, so a card in fp32 is the exact one
        first = ("cuda", "fp32") if "int8" in name else ("cpu", "fp32")
        exact = None
        for provider, precision in dict.fromkeys((first, ("cuda", "fp32"), ("cuda", "bf16"), ("cuda", "fp16"))):
            latents = program.work / f"latents-{name}-{provider}-{precision}.safetensors"
            options = ["--model", model, "--precision", precision, "--latents-out", latents]
            run = program.generate(*more, *options, provider=provider, output=f"{name}-{provider}-{precision}/")
            row = {"model": name, "provider": provider, "precision": precision, **run.summary()}
            if run.code == 0:
                made = load_file(latents)["latents"], frames_of(pathlib.Path(run.outcome["output"]))
                if exact is None:
                    exact = made
                else:
                    apart = numpy.abs(made[1].astype(int) - exact[1].astype(int))
                    row["latent_distance"] = float(numpy.linalg.norm(made[0] - exact[0]) / numpy.linalg.norm(exact[0]))
                    row["equal_values"], row["largest"] = float((apart == 0).mean()), int(apart.max())
            result.append(row)
            told = [f"{row[key]:.6f}" for key in ("latent_distance", "equal_values") if key in row]
            failed = row.get("error") or row.get("stderr") or ""
            rows.append((f"{name} {provider} {precision}", *told, row.get("largest", ""), f"{row['wall_s']:.2f} s", str(failed)[:300]))
    return result, rows


def widths(program):
    """Latents of two steps at official width, beside diffusers in fp32 and in bf16 on the same weights."""
    result, rows = [], []
    size, frames = (832, 480), 17
    for like in ("ti2v-5B", "t2v-A14B"):
        model = program.synthetic(like, 2)
        shift = json.loads((model / "scheduler/scheduler_config.json").read_text())["flow_shift"]
        clip = {"prompt": "a red circle moves right", "size": size, "frames": frames, "seed": 7}
        files = on_torch(("latents", {"model": str(model), **clip}))[0]
        if "error" in files:
            rows.append((like, "diffusers: " + files["error"][-600:]))
            result.append({"model": like, **files})
            continue
        exact = load_file(files["fp32"])["latents"]
        distance = lambda made: float(numpy.linalg.norm(made - exact) / numpy.linalg.norm(exact))
        row = {"model": like, "diffusers bf16": distance(load_file(files["bf16"])["latents"])}
        for precision in ("fp32", "bf16", "fp16"):
            made = program.work / f"latents-{precision}.safetensors"
            options = ["--model", model, "--size", f"{size[0]}x{size[1]}", "--frames", frames, "--steps", "2", "--negative", ""]
            options += ["--guidance", "1", "--shift", shift, "--precision", precision, "--latents-out", made]
            run = program.generate(*options)
            row[precision] = distance(load_file(made)["latents"]) if run.code == 0 else run.summary()
        result.append(row)
        rows += [(f"{like} {key}", str(value)[:400]) for key, value in row.items() if key != "model"]
    return result, rows


def layers(program):
    """Time of a block by the difference of four and two, beside diffusers' and the floor of the arithmetic."""
    rate = on_torch(("ceilings", {}))[0].get("gemm_bf16_tflops")
    result, rows = [], []
    for like, size, frames, depth in SETTINGS:
        count = tokens(like, size, frames)
        ours, runs = {}, {}
        for blocks in (4, 2):
            options = ["--model", program.synthetic(like, blocks), "--size", f"{size[0]}x{size[1]}", "--frames", frames]
            clip = ["--steps", "5", "--guidance", "1", "--boundary", "0.1"]
            run = program.generate(*options, *clip, until="denoise_high")
            runs[blocks], ours[blocks] = run.summary(), run.step("denoise_high")
            runs[blocks]["notes"] = run.notes
        shape = {"like": like, "size": size, "frames": frames}
        theirs = on_torch(*(("transformer", {**shape, "layers": blocks}) for blocks in (4, 2)))
        alone = on_torch(("attention", {"tokens": count, "heads": WIDTHS[like][0]}))[0]
        row = {"model": like, "size": size, "frames": frames, "tokens": count, "ours_s": ours, "diffusers_ms": theirs}
        row |= {"attention": alone, "runs": runs, "block_tflop": block_flops(like, count) / 1e12}
        told = []
        if all(ours.values()):
            block = (ours[4] - ours[2]) / 2
            row["block_s"], row["forward_s"] = block, ours[2] + (depth - 2) * block
            told.append(f"block {block * 1e3:.1f} ms, whole forward {row['forward_s']:.2f} s")
            if rate:
                told.append(f"{row['block_tflop'] / block:.0f} TFLOP/s, {block * rate / row['block_tflop']:.2f} of the floor")
            if all(isinstance(value, float) for value in theirs):
                row["diffusers_block_s"] = (theirs[0] - theirs[1]) / 2e3
                told.append(f"{block / row['diffusers_block_s']:.2f} of diffusers ({row['diffusers_block_s'] * 1e3:.1f} ms)")
            else:
                told.append(str(theirs[0])[-200:])
        else:
            told.append(str(runs)[:600])
        told.append(f"attention alone: {alone.get('cudnn_ms', 0):.1f} ms cuDNN, {alone.get('flash_ms', 0):.1f} flash")
        result.append(row)
        rows.append((f"{like} {size[0]}x{size[1]}x{frames}", *told))
    return result, rows


def decode(program):
    """Decode of a whole clip, beside diffusers without tiles."""
    result, rows = [], []
    for like, size, frames, _depth in SETTINGS:
        options = ["--model", program.synthetic(like, 2), "--size", f"{size[0]}x{size[1]}", "--frames", frames]
        run = program.generate(*options, "--steps", "1", "--guidance", "1")
        theirs = on_torch(("decoder", {"like": like, "size": size, "frames": frames}))[0]
        row = {"model": like, "size": size, "frames": frames, "run": run.summary(), "diffusers": theirs, "notes": run.notes}
        result.append(row)
        peak = (run.outcome or {}).get("peak_vram_mb")
        told = [f"decode {run.stages.get('decode', float('nan')):.1f} s, text {run.stages.get('text', 0):.1f} s, peak {peak} MiB of the device, host {run.rss_gib:.1f} GiB"]
        rows.append((f"{like} {size[0]}x{size[1]}x{frames}", *told, str(theirs), str(run.error or "")[:300]))
    return result, rows


def profile(program):
    """Where the time of a step goes, by operation: ONNX Runtime's profile with launches that wait for the device."""
    result, rows = [], []
    for like, size, frames, _depth in SETTINGS[::2]:
        options = ["--model", program.synthetic(like, 2), "--size", f"{size[0]}x{size[1]}", "--frames", frames]
        clip = ["--steps", "2", "--guidance", "1", "--boundary", "0.1", "--profile"]
        run = program.generate(*options, *clip, env={"CUDA_LAUNCH_BLOCKING": "1"})
        for trace in sorted(program.data.glob("performance/profiles/*/transformer-*.json"), key=os.path.getmtime)[-1:]:
            sums = operations(trace)
            result.append({"model": like, "operations": sums})
            rows += [(f"{like} {key}", f"{seconds * 1e3:.1f} ms", f"{calls} calls") for key, seconds, calls in sums[:30]]
        result.append({"model": like, "run": run.summary()})
        rows.append((f"{like} run", str(run.stages), str(run.notes[-3:])[:500], str(run.error or "")[:300]))
    return result, rows


def operations(trace):
    """Operations of a profile by name and shape of the first input: seconds and calls, largest first."""
    sums = {}
    for event in json.loads(trace.read_text()):
        arguments = event.get("args") or {}
        if event.get("dur") and "op_name" in arguments:
            shapes = [f"{kind}{shape}" for entry in arguments.get("input_type_shape", [])[:2] for kind, shape in entry.items()]
            key = f"{arguments['op_name']} {' '.join(shapes)}"
            seconds, calls = sums.get(key, (0.0, 0))
            sums[key] = (seconds + event["dur"] / 1e6, calls + 1)
    return sorted(((key, *value) for key, value in sums.items()), key=lambda entry: -entry[1])


def cancel(program):
    """Seconds from Ctrl+C in the middle of a forward to the end of the program."""
    like, size, frames, _depth = SETTINGS[1]
    options = ["--model", program.synthetic(like, 4), "--size", f"{size[0]}x{size[1]}", "--frames", frames, "--steps", "30"]
    command = [program.binary, "generate", "a", *map(str, options), "--provider", "cuda", "--events", "--timeout", "0"]
    command += ["--guidance", "1", "-o", str(program.work / "cancelled.mp4")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=program.environment())
    for line in child.stdout:
        if '"step"' in line:
            break
    time.sleep(0.3)
    began = time.perf_counter()
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "code": child.returncode}, [("Ctrl+C to the end", f"{seconds:.2f} s, exit {child.returncode}")]


def memory(program):
    """A job on a card that another process has nearly filled: how a real lack of memory ends."""
    result, rows = [], []
    like, size, frames, _depth = SETTINGS[0]
    model = program.synthetic(like, 4)
    for free_gib in (2.0, 5.0):
        card = Holder(free_gib)
        try:
            options = ["--model", model, "--size", f"{size[0]}x{size[1]}", "--frames", frames, "--steps", "2"]
            run = program.generate(*options, "--guidance", "1")
        finally:
            card.peak_gib()
        result.append({"free_gib": free_gib, "notes": run.notes, **run.summary()})
        said = run.error or run.notes[-3:]
        rows.append((f"{free_gib} GiB free", f"exit {run.code}", str(said)[:600], run.stderr[-300:]))
    return result, rows


class Holder:
    """Another process on the card, which leaves so many GiB of it free, or all; and the largest use by others."""

    def __init__(self, free_gib=None):
        command = [sys.executable, str(HERE / "holder.py"), *([str(free_gib)] if free_gib is not None else [])]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.child.stdout.readline()

    def peak_gib(self):
        """Ends the process."""
        told, _ = self.child.communicate(timeout=60)
        return int(told) / 2**30


def streaming(program):
    """Weights that pass through the card a block at a time: the same bits, seconds of a step, memory; and a whole job of
    A14B where 12 GiB of the card are free."""
    result, rows = [], []
    latents = []
    for weights in ("packed", "in-place"):
        file = program.work / f"latents-{weights}.safetensors"
        run = program.generate("--model", "toy-t2v-A14B", "--weights", weights, "--latents-out", file, "--steps", "4")
        latents.append(load_file(file)["latents"] if run.code == 0 else run.summary())
    same = all(isinstance(one, numpy.ndarray) for one in latents) and bool((latents[0] == latents[1]).all())
    result.append({"same": same})
    rows.append(("toy, loaded and streamed", "the same latents" if same else f"differ: {str(latents)[:300]}"))
    like, size, frames, _depth = SETTINGS[0]
    clip = ["--size", f"{size[0]}x{size[1]}", "--frames", frames, "--guidance", "1", "--boundary", "0.1"]
    for dtype, weights in (("bf16", "packed"), ("bf16", "in-place"), ("fp8_scaled", "packed"), ("fp8_scaled", "in-place")):
        card = Holder()
        options = ["--model", program.whole(like, dtype), *clip, "--steps", "4", "--weights", weights]
        run = program.generate(*options, until="denoise_high")
        row = {"dtype": dtype, "weights": weights, "peak_gib": card.peak_gib(), "notes": run.notes, **run.summary()}
        result.append(row)
        steps = [f"{seconds:.2f}" for seconds in run.steps.get("denoise_high", [])]
        told = f"steps {' '.join(steps)} s, {row['peak_gib']:.1f} GiB of the card, {run.rss_gib:.1f} GiB of the host"
        rows.append((f"{like} {dtype} {weights}", told, str(run.error or "")[:300]))
    card = Holder(12)
    run = program.generate("--model", program.whole(like), *clip[:4], "--steps", "2", "--guidance", "1")
    row = {"free_gib": 12, "peak_gib": card.peak_gib(), "notes": run.notes, **run.summary()}
    result.append(row)
    told = f"exit {run.code}, stages {run.stages}, {row['peak_gib']:.1f} GiB of the card"
    rows.append((f"{like} whole job, 12 GiB free", told, str(run.notes[-3:])[:500], str(run.error or "")[:400]))
    return result, rows


def forms(program):
    """How the forms of weights load and run: time, host memory, device memory."""
    result, rows = [], []
    like, size, frames, _depth = SETTINGS[0]
    for dtype in ("bf16", "fp16", "fp32", "fp8_scaled", "int8"):
        model = program.int8(program.synthetic(like, 4)) if dtype == "int8" else program.synthetic(like, 4, dtype)
        options = ["--model", model, "--size", f"{size[0]}x{size[1]}", "--frames", "17"]
        run = program.generate(*options, "--steps", "4", "--guidance", "1", "--boundary", "0.1", until="denoise_high")
        result.append({"dtype": dtype, "notes": run.notes, **run.summary()})
        told = f"step {run.step('denoise_high') or float('nan'):.3f} s, stages {run.stages}, host {run.rss_gib:.1f} GiB"
        rows.append((f"{like} {dtype}", told, str(run.error or "")[:300]))
    return result, rows


ALL = {
    "doctor": doctor,
    "ceilings": ceilings,
    "toys": toys,
    "widths": widths,
    "layers": layers,
    "decode": decode,
    "profile": profile,
    "cancel": cancel,
    "memory": memory,
    "forms": forms,
    "streaming": streaming,
    "change": change,
}

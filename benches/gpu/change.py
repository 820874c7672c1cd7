"""What a change of the program does on the card: the binary before it, in WANDECK_BEFORE, beside the one that is measured."""

import os
import pathlib
import subprocess

import numpy
from PIL import Image
from safetensors.numpy import load_file

from job import Program

LIKE, SIZE, FRAMES = "t2v-A14B", (832, 480), 81


def binaries(program):
    """The programs to measure, by name; with a folder for each, and the models in common."""
    found = {"now": program}
    if before := os.environ.get("WANDECK_BEFORE"):
        folder = program.work / "before"
        folder.mkdir(exist_ok=True)
        found = {"before": Program(before, folder), **found}
    return found


def sparse(program, layers):
    """A model of official width whose weights are zeros: quickly made, and before and after the change the same."""
    folder = program.work / f"{LIKE}-{layers}-zeros"
    if not folder.exists():
        options = ["--layers", layers, "--text-layers", 1, "--vocab", 1024, "--dtype", "bf16", "--sparse"]
        command = [program.binary, "models", "synth", folder, "--like", LIKE, *options]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, env=program.environment())
    return folder


def frames_of(folder):
    return numpy.stack([numpy.asarray(Image.open(file).convert("RGB")) for file in sorted(pathlib.Path(folder).glob("*.png"))])


def distance(made, exact):
    return float(numpy.linalg.norm(made.astype("f8") - exact) / numpy.linalg.norm(exact.astype("f8")))


def blocks(program, name, one):
    """Seconds of a block, and of decoding the whole clip with the same run."""
    clip = ["--size", f"{SIZE[0]}x{SIZE[1]}", "--frames", FRAMES, "--steps", "4", "--guidance", "1", "--boundary", "0.1"]
    steps, row = {}, {"binary": name}
    for layers in (2, 4):
        # the longer run goes on to the decoded clip
        until = "denoise_high" if layers == 2 else None
        run = one.generate("--model", sparse(program, layers), *clip, until=until)
        steps[layers] = run.step("denoise_high")
        row[f"run of {layers} layers"] = run.summary()
        if layers == 4:
            row["decode_s"], row["notes"] = run.stages.get("decode"), run.notes
    half = one.generate("--model", sparse(program, 2), *clip[:4], "--steps", "1", "--guidance", "1", "--precision", "fp16")
    row["fp16"], row["decode_fp16_s"] = half.summary(), half.stages.get("decode")
    if all(steps.values()):
        row["block_s"] = (steps[4] - steps[2]) / 2
    row["steps_s"] = steps
    return row


def parity(program, name, one):
    """Latents and frames of random weights of official width, in the precision that the program chooses and in fp32."""
    model = program.synthetic(LIKE, 1)
    row, made = {"binary": name}, {}
    for precision in ("fp32", "auto", "fp16"):
        latents = one.work / f"latents-{precision}.safetensors"
        options = ["--model", model, "--size", "416x240", "--frames", "9", "--steps", "2", "--guidance", "1"]
        output = f"frames-{precision}/"
        run = one.generate(*options, "--precision", precision, "--latents-out", latents, output=output)
        row[precision] = run.summary()
        if run.code == 0:
            made[precision] = load_file(latents)["latents"], frames_of(run.outcome["output"])
    for precision in made.keys() - {"fp32"}:
        if "fp32" not in made:
            break
        apart = numpy.abs(made[precision][1].astype(int) - made["fp32"][1])
        row[f"{precision} latent_distance"] = distance(made[precision][0], made["fp32"][0])
        row[f"{precision} frames_equal"], row[f"{precision} frames_largest"] = float((apart == 0).mean()), int(apart.max())
        row[f"{precision} frames_std"] = float(made[precision][1].std())
    return row


def change(program):
    """Before and after a change: a block and a decoded clip of A14B at 832x480x81, and how far from fp32 both are."""
    result, rows = [], []
    for name, one in binaries(program).items():
        row = blocks(program, name, one)
        result.append(row)
        block, decode = row.get("block_s"), row.get("decode_s")
        told = f"block {block * 1e3:.1f} ms" if block else str(row)[-900:]
        told += f", decode in fp16 {row['decode_fp16_s'] or float('nan'):.2f} s"
        told += f", decode {decode:.2f} s" if decode else f", no decode: {str(row['run of 4 layers'])[-900:]}"
        peak = row["run of 4 layers"].get("peak_vram_mb")
        rows.append((f"{LIKE} {SIZE[0]}x{SIZE[1]}x{FRAMES} {name}", told, f"peak {peak} MiB of the device"))
    for name, one in binaries(program).items():
        row = parity(program, name, one)
        result.append(row)
        told = [f"{key} {value:.5g}" for key, value in row.items() if not isinstance(value, (dict, str))] or [str(row)[-900:]]
        rows.append((f"{LIKE} random weights, {name}, from fp32", *told))
    return result, rows

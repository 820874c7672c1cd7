"""What can only be known on a card: parity of CUDA with the CPU and seconds per step. See README.md."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
from safetensors.numpy import load_file

TOYS = {
    "toy-t2v-A14B": ["a red circle moves right on a black background"],
    "toy-ti2v-5B": ["a green square moves left on a navy background"],
}
SIZES = [("480x832", 17), ("704x1280", 17), ("704x1280", 81)]


def run(wandeck, arguments, env=None):
    """The document that a run ends with."""
    command = [wandeck, *arguments, "--json"]
    print("+", " ".join(map(str, command)), file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    document = json.loads(lines[-1]) if lines else {"status": "failed"}
    if document["status"] != "done":
        print(json.dumps(document.get("error")), file=sys.stderr)
    return document


def pixels(path):
    decode = ["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    return numpy.frombuffer(subprocess.run(decode, stdout=subprocess.PIPE, check=True).stdout, numpy.uint8)


def toy(wandeck, work, model, prompt, provider, precision):
    name = f"{model}-{provider}-{precision}"
    latents, output = work / f"{name}.safetensors", work / name
    options = ["--model", model, "--seed", "7", "--provider", provider, "--precision", precision]
    options += ["--latents-out", latents, "-o", f"{output}/", "--overwrite", "--timeout", "0"]
    document = run(wandeck, ["generate", prompt, *options])
    if document["status"] != "done":
        return document, None, None
    frames = sorted(pathlib.Path(document["output"]).glob("*.png"))
    values = numpy.concatenate([pixels(frame) for frame in frames])
    return document, load_file(latents)["latents"], values


def parity(wandeck, work):
    rows = []
    for model, prompts in TOYS.items():
        for prompt in prompts:
            _, exact, expected = toy(wandeck, work, model, prompt, "cpu", "fp32")
            for precision in ("fp32", "auto", "fp16"):
                document, latents, values = toy(wandeck, work, model, prompt, "cuda", precision)
                row = {"model": model, "asked": precision, "status": document["status"]}
                row["error"] = document.get("error")
                if latents is not None and exact is not None:
                    apart = numpy.abs(values.astype(int) - expected.astype(int))
                    row |= {
                        "reason": document["provider_reason"],
                        "finite": bool(numpy.isfinite(latents).all()),
                        "latent_distance": float(
                            numpy.linalg.norm(latents - exact) / numpy.linalg.norm(exact)
                        ),
                        "equal_values": float((apart == 0).mean()),
                        "largest_difference": int(apart.max()),
                        "stages": document["stages"],
                    }
                rows.append(row)
                print(json.dumps(row), flush=True)
    return rows


def steps(wandeck, work, provider, env, label):
    model = work / "ti2v-4-layers"
    if not model.exists():
        synth = ["models", "synth", "--like", "ti2v-5B", "--layers", "4", "--vocab", "1024", model]
        subprocess.run([wandeck, *synth], check=True)
    rows = []
    for size, frames in SIZES:
        height, width = size.split("x")
        options = ["--model", model, "--size", f"{width}x{height}", "--frames", str(frames), "--steps", "4"]
        options += ["--guidance", "1", "--seed", "1", "--provider", provider, "--timeout", "0", "--overwrite"]
        document = run(wandeck, ["generate", "a", *options, "-o", work / "steps.mp4"], env)
        row = {"case": label, "size": size, "frames": frames, "status": document["status"]}
        row |= {key: document.get(key) for key in ("error", "provider_reason", "steps", "stages", "peak_vram_mb")}
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wandeck", default="target/release/wandeck")
    parser.add_argument("--work", type=pathlib.Path, help="folder to keep; else a temporary one")
    parser.add_argument("--json", type=pathlib.Path, help="file for the result")
    parser.add_argument("--quick", action="store_true", help="parity only")
    args = parser.parse_args()
    wandeck = str(pathlib.Path(args.wandeck).resolve())
    with tempfile.TemporaryDirectory() as temporary:
        work = args.work or pathlib.Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        card = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
        try:
            card = subprocess.run(card, stdout=subprocess.PIPE, text=True).stdout.strip()
        except FileNotFoundError:
            card = "no nvidia-smi"
        chosen = run(wandeck, ["generate", TOYS["toy-t2v-A14B"][0], "-o", work / "auto.mp4", "--overwrite"])
        result = {"card": card, "auto": {key: chosen.get(key) for key in ("provider", "provider_reason", "precision")}}
        print(json.dumps(result), flush=True)
        if chosen.get("provider") != "cuda":
            sys.exit(f"CUDA was not chosen: {chosen.get('provider_reason')}")
        result["parity"] = parity(wandeck, work)
        if not args.quick:
            result["steps"] = steps(wandeck, work, "cuda", {}, "cuda")
            without = {"ORT_ENABLE_CUDNN_FLASH_ATTENTION": "0"}
            result["steps"] += steps(wandeck, work, "cuda", without, "cuda without cuDNN attention")
            result["steps"] += steps(wandeck, work, "tensorrt", {}, "tensorrt")
        if args.json:
            args.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

"""How far off the estimated memory of a run is: `generate --dry-run --json` against `generate --json`.

Twenty requests over the toy models and over models of the official widths with few blocks and random weights, which are
made in FOLDER if they are not there (15 GB). Prints a table, the median and the worst error.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

# model, size, frames, more
REQUESTS = [
    ("toy-t2v-A14B", "64x64", 1, []),
    ("toy-t2v-A14B", "64x64", 17, []),
    ("toy-t2v-A14B", "160x96", 33, []),
    ("toy-t2v-A14B", "256x256", 17, []),
    ("toy-t2v-A14B", "384x384", 9, []),
    ("toy-t2v-A14B", "512x320", 17, ["--weights", "in-place"]),
    ("toy-ti2v-5B", "192x192", 17, []),
    ("toy-ti2v-5B", "512x512", 9, []),
    ("toy-ti2v-5B", "640x384", 33, []),
    ("toy-i2v-A14B", "256x256", 17, ["--image"]),
    ("toy-i2v-A14B", "384x256", 9, ["--image"]),
    ("toy-ti2v-5B", "256x256", 17, ["--image"]),
    ("5b-bf16", "64x64", 1, ["--weights", "packed"]),
    ("5b-bf16", "128x128", 5, ["--weights", "in-place"]),
    ("5b-fp32", "256x192", 5, ["--weights", "in-place"]),
    ("5b-fp32", "192x128", 5, ["--weights", "packed"]),
    ("5b-int8", "128x128", 5, []),
    ("14b-fp32", "64x64", 1, ["--weights", "packed"]),
    ("14b-fp32", "192x192", 5, ["--weights", "in-place"]),
    ("14b-fp32", "256x160", 5, ["--weights", "packed"]),
]
SHORT = ["--text-layers", "1", "--vocab", "1024"]
MODELS = {
    "5b-bf16": ["synth", "--like", "ti2v-5B", "--layers", "2", *SHORT, "--dtype", "bf16"],
    "5b-fp32": ["synth", "--like", "ti2v-5B", "--layers", "2", *SHORT, "--dtype", "fp32"],
    "14b-fp32": ["synth", "--like", "t2v-A14B", "--layers", "1", *SHORT, "--dtype", "fp32"],
    "5b-int8": ["convert", "5b-fp32", "--precision", "int8", "-o"],
}


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--wandeck", type=pathlib.Path, required=True, help="the program")
    args.add_argument("--folder", type=pathlib.Path, required=True, help="where models are or are made")
    args.add_argument("--data-dir", type=pathlib.Path, help="data folder with the runtime [the platform's]")
    args.add_argument("--image", help="a start image, for the requests that need one")
    args.add_argument("--keep", type=pathlib.Path, help="JSON file with measured peaks, read and added to")
    args = args.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    program = str(args.wandeck.resolve())
    common = ["--data-dir", str(args.data_dir.resolve())] if args.data_dir else []
    kept = json.loads(args.keep.read_text()) if args.keep and args.keep.exists() else {}
    for name, verb in MODELS.items():
        if not (args.folder / name).exists():
            subprocess.run([program, "models", *verb, name], check=True, cwd=args.folder)
    errors = []
    print("model          size     frames  more               estimated  measured   error")
    for model, size, frames, more in REQUESTS:
        name = " ".join(more)
        if more == ["--image"]:
            more = ["--image", args.image]
        source = model if model.startswith("toy") else str((args.folder / model).resolve())
        key = f"{model} {size} {frames} {name}"
        with tempfile.TemporaryDirectory() as output:
            line = [program, "generate", "a red circle", "--model", source, "--size", size, "--frames", str(frames)]
            # frames of noise in their own files: the video encoder refuses noise
            line += ["--steps", "1", "--guidance", "1", "--seed", "1", *more, *common, "--json", "-o", f"{output}/f"]
            before = json.loads(subprocess.run([*line, "--dry-run"], capture_output=True).stdout)
            estimated = before["estimated_peak_mb"]
            if key not in kept:
                done = json.loads(subprocess.run(line, capture_output=True).stdout)
                kept[key] = done["peak_rss_mb"]
                if args.keep:
                    args.keep.write_text(json.dumps(kept, indent=1))
        error = estimated / kept[key] - 1
        errors.append(abs(error))
        print(f"{model:14} {size:8} {frames:6}  {name:18} {estimated:9.0f} {kept[key]:9.0f} {error:+7.1%}", flush=True)
    print(f"median error {statistics.median(errors):.1%}, worst {max(errors):.1%}, {len(errors)} requests")


if __name__ == "__main__":
    main()

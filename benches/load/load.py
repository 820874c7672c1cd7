"""How much anonymous memory loading a transformer costs when its weights stay in their files.

Makes a model of TI2V-5B's width with Wandeck (random fp32 weights, official names and shapes), writes its graph beside
them, and loads it the way Wandeck does where memory is short (no prepacking). Pages of the files are not counted: the
system can drop them.
"""

import argparse
import pathlib
import subprocess
import tempfile

import onnxruntime


def anonymous_mib():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--wandeck", type=pathlib.Path, required=True, help="the program")
    args.add_argument("--layers", type=int, default=30, help="blocks; 30 are the whole model, 22 GiB on disk")
    args.add_argument("--folder", help="where to make the model [a temporary folder]")
    args = args.parse_args()
    wandeck = args.wandeck.resolve()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        model = f"{folder}/model"
        make = ["--like", "ti2v-5B", "--layers", args.layers, "--text-layers", 1, "--vocab", 1024, "--dtype", "fp32"]
        subprocess.run([wandeck, "models", "synth", *map(str, make), model], check=True)
        subprocess.run([wandeck, "graph", "export", model, model], check=True)
        options = onnxruntime.SessionOptions()
        options.enable_mem_pattern = False
        options.add_session_config_entry("session.disable_prepacking", "1")
        before = anonymous_mib()
        session = onnxruntime.InferenceSession(
            f"{model}/transformer/transformer.onnx", options, providers=["CPUExecutionProvider"]
        )
        grown = anonymous_mib() - before
        size = sum(f.stat().st_size for f in pathlib.Path(model, "transformer").glob("*.safetensors")) / 2**20
        print(f"{len(session.get_inputs())} inputs, {size:.0f} MiB of weights: {grown:.0f} MiB of anonymous memory more")


if __name__ == "__main__":
    main()

"""Memory and time of the VAE decode, in one piece and in tiles.

Makes a model of TI2V-5B's width with Wandeck (random fp32 weights) whose other networks have one layer, and decodes the
same latent with each size of tile. The peak is the whole process's, pages of the weights' files among it; seconds are
those of the later chunks, which hold four frames.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wandeck", type=pathlib.Path, required=True, help="the program")
    parser.add_argument("--like", default="ti2v-5B", help="model whose shapes are taken")
    parser.add_argument("--size", default="832x480")
    parser.add_argument("--frames", type=int, default=9)
    parser.add_argument("--tiles", default="100000,256,128", help="tile sizes in pixels; a large one decodes the whole frame at once")
    parser.add_argument("--folder", help="where to make the model [a temporary folder]")
    args = parser.parse_args()
    wandeck = args.wandeck.resolve()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        make = ["--like", args.like, "--layers", 1, "--text-layers", 1, "--vocab", 1024, "--dtype", "fp32"]
        subprocess.run([wandeck, "models", "synth", *map(str, make), f"{folder}/model"], check=True)
        for tile in args.tiles.split(","):
            command = [wandeck, "generate", "a cat", "--model", f"{folder}/model", "--data-dir", f"{folder}/data"]
            command += ["--size", args.size, "--frames", str(args.frames), "--steps", "1", "--guidance", "1"]
            command += ["--seed", "1", "--vae-tile", tile, "--events", "-o", f"{folder}/{tile}.mp4"]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            events = [json.loads(line) for line in process.stdout]
            _, status, used = os.wait4(process.pid, 0)
            steps = [e["seconds"] for e in events if e.get("event") == "step" and e["stage"] == "decode"]
            later = ", ".join(f"{seconds:.1f}" for seconds in steps[1:])
            print(
                f"tile {tile}: peak {used.ru_maxrss / 1024:.0f} MiB, {used.ru_utime:.0f} s of processor, "
                f"chunks {later} s, exit {os.waitstatus_to_exitcode(status)}"
            )


if __name__ == "__main__":
    main()

"""Wandeck's VAE decode against diffusers' on the same latents: frames, processor time, peak memory.

Makes a model of TI2V-5B's width with Wandeck (random fp32 weights) whose other networks have one layer, lets Wandeck make a
video and save its final latents, and decodes these with diffusers' `AutoencoderKLWan` in fp32, in one piece. Times are of the
processor (user and system) so that other work on the machine counts little; Wandeck's is that of the whole run less that of
a run that is cancelled when the decode begins, which `--stages` shows as well by wall time.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

import numpy as np


def program(wandeck, folder, name, args, tile):
    """Runs Wandeck; gives frames, seconds of the decode by its own steps, processor seconds in it, and peak MiB."""
    command = [wandeck, "generate", "a cat", "--model", f"{folder}/model", "--data-dir", f"{folder}/data", "--size", args.size]
    command += ["--frames", str(args.frames), "--steps", "1", "--guidance", "1", "--seed", "1", "--events"]
    command += ["--latents-out", f"{folder}/{name}.safetensors", "-o", f"{folder}/{name}"]
    command += ["--vae-tile", str(tile)] if tile else []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    before = after = None
    peak_of_decode, chunks, notes = 0, [], []
    for line in process.stdout:
        event = json.loads(line)
        kind, stage = event.get("event"), event.get("stage")
        if kind == "stage_started" and stage == "decode":
            before = used(process.pid)
        if kind == "step" and stage == "decode":
            chunks.append(event["seconds"])
        if kind == "note":
            notes.append(event["message"])
        if kind == "stage_finished" and stage == "decode":
            after, peak_of_decode = used(process.pid), peak(process.pid)
    _, status, total = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(map(str, command))} ended with {os.waitstatus_to_exitcode(status)}")
    note = next((note for note in notes if note.startswith("The VAE")), "")
    return sum(chunks), (after or 0) - (before or 0), max(peak_of_decode, total.ru_maxrss / 1024), note


def used(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def reference(folder, latents, threads):
    """Runs in a process of its own, so that its memory is its own."""
    import time

    # a file of this folder has the name of a package that diffusers looks for
    sys.path.pop(0)
    import torch
    from diffusers import AutoencoderKLWan
    from safetensors.torch import load_file

    torch.set_num_threads(threads)
    vae = AutoencoderKLWan.from_pretrained(f"{folder}/model/vae", torch_dtype=torch.float32)
    latent = load_file(latents)["latents"].float()
    mean, std = (torch.tensor(value).view(1, -1, 1, 1, 1) for value in (vae.config.latents_mean, vae.config.latents_std))
    began, before = time.perf_counter(), os.times()
    with torch.inference_mode():
        video = vae.decode(latent * std + mean, return_dict=False)[0][0]
    wall, after = time.perf_counter() - began, os.times()
    frames = ((video.clamp(-1, 1) / 2 + 0.5).permute(1, 2, 3, 0).numpy() * 255).round().astype(np.uint8)
    np.save(f"{folder}/diffusers.npy", frames)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([wall, after.user + after.system - before.user - before.system, peak]))


def frames_of(folder, name):
    from PIL import Image

    files = sorted(pathlib.Path(folder, name).glob("*.png"))
    return np.stack([np.asarray(Image.open(file)) for file in files])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wandeck", type=pathlib.Path, required=True, help="the program")
    parser.add_argument("--before", type=pathlib.Path, help="an earlier build of the program to compare with")
    parser.add_argument("--size", default="416x256")
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--folder", help="a folder to keep; its model is used if it has one [a temporary folder]")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--reference", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.reference:
        return reference(args.folder, args.reference, args.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or temporary
        wandeck = args.wandeck.resolve()
        if not pathlib.Path(folder, "model").exists():
            make = ["--like", "ti2v-5B", "--layers", 1, "--text-layers", 1, "--vocab", 1024, "--dtype", "fp32"]
            subprocess.run([wandeck, "models", "synth", *map(str, make), f"{folder}/model"], check=True)
        runs = {"now": (wandeck, None)} | ({"before": (args.before.resolve(), None)} if args.before else {})
        rows = {}
        for name, (path, tile) in runs.items():
            rows[name] = program(path, folder, name, args, tile)
            print(name, *("%.1f" % value for value in rows[name][:3]), rows[name][3], flush=True)
        if not args.no_torch:
            own = [sys.executable, __file__, "--wandeck", ".", "--folder", folder, "--threads", str(args.threads)]
            out = subprocess.run([*own, "--reference", f"{folder}/now.safetensors"], check=True, stdout=subprocess.PIPE, text=True)
            rows["diffusers fp32"] = (*json.loads(out.stdout.splitlines()[-1]), "")
        print(f"{args.size}, {args.frames} frames")
        for name, (wall, processor, peak, note) in rows.items():
            ratios = " ".join(f"{processor / rows[other][1]:.2f} of {other}" for other in rows if other != name)
            print(f"  {name:15} processor {processor:7.1f} s  wall {wall:7.1f} s  peak {peak:6.0f} MiB  {ratios}  {note}")
        if not args.no_torch:
            expected = np.load(f"{folder}/diffusers.npy")
            for name in runs:
                equal = (frames_of(folder, name) == expected).mean()
                print(f"  {name}: {100 * equal:.4f} % of the 8-bit values equal those of diffusers")


if __name__ == "__main__":
    main()

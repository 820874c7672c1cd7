"""Judges what a shipped folder makes of words alone: 100 prompts through WanPipeline, half of them of combinations
never trained on. For start images there is pictures.py."""

import argparse
import json
import math
import random
import time

import numpy as np
import torch
from PIL import Image

from data import COMBINATIONS, caption, clip, held_out, plain_caption, training_combinations
from judge import judge

NAMES = ["colour", "shape", "direction", "background"]


def prompts(count, seed=11):
    """(combination, prompt, is held out): the held-out half goes round its whole list; every other prompt is a
    paraphrase."""
    rng, out = random.Random(seed), []
    for combinations, unseen in ((held_out(), True), (training_combinations(), False)):
        order = list(combinations)
        rng.shuffle(order)
        for i in range(count // 2):
            c = order[i % len(order)]
            out.append((c, plain_caption(c) if i % 2 else caption(rng, c, plain=0.0, free=0.0), unseen))
    return out


def strip(clips, path):
    rows = [torch.cat([c[:, f] for f in (0, 4, 8, 12, 16)], 2) for c in clips]
    picture = (torch.cat(rows, 1).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(picture).resize((picture.shape[1] * 2, picture.shape[0] * 2), 0).save(path)


def report(rows):
    """Shares of right answers, over all rows and over each half."""
    out = {}
    for name, pick in (("all", None), ("held out", True), ("trained on", False)):
        some = [r for r in rows if pick is None or r["held_out"] is pick]
        if some:
            out[name] = {n: sum(r["wanted"][i] == r["seen"][i] for r in some) / len(some) for i, n in enumerate(NAMES)}
            out[name]["fit of the best shape"] = round(sum(r["fit"] for r in some) / len(some), 4)
            out[name]["clips"] = len(some)
    return out


def truth(count):
    """The judge on clips as they were drawn."""
    rng, rows = random.Random(5), []
    for _ in range(count):
        x, c = clip(rng)
        seen, fit = judge((x + 1) / 2)
        rows.append(dict(wanted=c, seen=seen, fit=fit, held_out=c in held_out()))
    return rows


def reconstruction(vae, count):
    values = []
    for i in range(count):
        x = clip(random.Random(50_000 + i), random.Random(i).choice(COMBINATIONS))[0][None]
        with torch.no_grad():
            y = vae.decode(vae.encode(x).latent_dist.mode()).sample.clamp(-1, 1)
        values.append(10 * math.log10(4 / ((x - y) ** 2).mean().item()))
    return dict(mean=round(sum(values) / count, 2), least=round(min(values), 2), clips=count)


def generate(pipe, args):
    rows, clips, chosen = [], [], prompts(args.prompts)
    for first in range(0, len(chosen), args.batch):
        part = chosen[first : first + args.batch]
        frames = pipe(
            [p for _, p, _ in part], height=64, width=64, num_frames=17, num_inference_steps=args.steps,
            guidance_scale=args.guidance, generator=torch.Generator().manual_seed(args.seed + first),
            output_type="np", max_sequence_length=512,
        ).frames  # fmt: skip
        for (c, prompt, unseen), video in zip(part, frames):
            x = torch.from_numpy(np.ascontiguousarray(video)).float().permute(3, 0, 1, 2)
            seen, fit = judge(x)
            clips.append(x)
            rows.append(dict(prompt=prompt, wanted=c, seen=seen, fit=round(fit, 3), held_out=unseen))
        print(len(rows), json.dumps(report(rows)["all"]), flush=True)
    return rows, clips


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("folder", nargs="?", help="the pipeline's folder; none: only test the judge on drawn clips")
    args.add_argument("--guidance", type=float, default=1.5)
    args.add_argument("--steps", type=int, default=20)
    args.add_argument("--prompts", type=int, default=100)
    args.add_argument("--batch", type=int, default=10)
    args.add_argument("--seed", type=int, default=0)
    args.add_argument("--vae-clips", type=int, default=0, help="also measure the reconstruction of so many clips")
    args.add_argument("--strip", help="PNG of the first clips of either half")
    args.add_argument("--threads", type=int, default=2)
    args = args.parse_args()
    torch.set_num_threads(args.threads)
    if not args.folder:
        print(json.dumps(report(truth(args.prompts)), indent=1))
        return

    from diffusers import WanPipeline

    pipe = WanPipeline.from_pretrained(args.folder, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    if args.vae_clips:
        print("reconstruction, dB", json.dumps(reconstruction(pipe.vae, args.vae_clips)), flush=True)
    if not args.prompts:
        return
    begin = time.time()
    rows, clips = generate(pipe, args)
    print(json.dumps(dict(guidance=args.guidance, seconds=round(time.time() - begin), **report(rows)), indent=1))
    for r in rows:
        if tuple(r["wanted"]) != tuple(r["seen"]):
            print("wrong:", r["prompt"], "| wanted", r["wanted"], "seen", r["seen"], "fit", r["fit"])
    if args.strip:
        half = len(clips) // 2
        strip(clips[:8] + clips[half : half + 8], args.strip)


if __name__ == "__main__":
    main()

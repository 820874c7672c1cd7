"""Judges a folder that makes video from an image: unseen first frames, of held-out combinations, through
WanImageToVideoPipeline. How near is the first frame to the image, and does the shape move as the prompt says?"""

import argparse
import json
import math
import random
import time

import numpy as np
import torch
from diffusers import WanImageToVideoPipeline
from PIL import Image

from data import DIRECTIONS, SHAPES, caption, clip, held_out, short_caption
from evaluate import NAMES, strip
from judge import judge

NEW = ["{way}", "move {way}", "the {shape}, moving, to the {way}", "is it going {way}?", "{way}, the shape goes"]


def asked(count, seed):
    """(combination, picture, prompt, kind): by turns a whole caption of a combination never trained on, a short
    caption as in training, and words put in a way that was not."""
    rng, order = random.Random(seed), held_out()
    rng.shuffle(order)
    for i in range(count):
        c = order[i % len(order)]
        way, shape = list(DIRECTIONS)[c[2]], SHAPES[c[1]]
        kind = ["caption", "short", "new"][(i + i // len(order)) % 3]
        if kind == "caption":
            prompt = caption(rng, c, plain=0.3, free=0.0)
        elif kind == "short":
            prompt = short_caption(rng, c)
        else:
            prompt = rng.choice(NEW).format(way=way, shape=shape)
        frame = ((clip(rng, c)[0][:, 0] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        yield c, Image.fromarray(frame), prompt, kind


def psnr(video, picture):
    wanted = torch.from_numpy(np.array(picture)).float().permute(2, 0, 1) / 255
    return -10 * math.log10(((video[:, 0] - wanted) ** 2).mean().item())


def summary(rows):
    out = {n: round(sum(r["wanted"][i] == r["seen"][i] for r in rows) / len(rows), 3) for i, n in enumerate(NAMES)}
    first = [r["first frame"] for r in rows]
    out["first frame, dB"] = dict(mean=round(sum(first) / len(first), 2), least=round(min(first), 2))
    out["fit"] = round(sum(r["fit"] for r in rows) / len(rows), 3)
    out["clips"] = len(rows)
    return out


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("folder")
    args.add_argument("--guidance", type=float, default=1.5)
    args.add_argument("--shift", type=float, help="instead of that of the scheduler's configuration")
    args.add_argument("--steps", type=int, default=20)
    args.add_argument("--clips", type=int, default=60)
    args.add_argument("--seed", type=int, default=0)
    args.add_argument("--strip", help="PNG of the first 16 clips")
    args.add_argument("--threads", type=int, default=1)
    args = args.parse_args()
    torch.set_num_threads(args.threads)
    pipe = WanImageToVideoPipeline.from_pretrained(args.folder, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    if args.shift:
        pipe.scheduler.register_to_config(flow_shift=args.shift)

    begin, rows, clips = time.time(), [], []
    for i, (c, picture, prompt, kind) in enumerate(asked(args.clips, 4_000 + args.seed)):
        video = pipe(
            picture, prompt, height=64, width=64, num_frames=17, num_inference_steps=args.steps,
            guidance_scale=args.guidance, generator=torch.Generator().manual_seed(args.seed + i), output_type="np",
        ).frames[0]  # fmt: skip
        x = torch.from_numpy(np.ascontiguousarray(video)).float().permute(3, 0, 1, 2)
        seen, fit = judge(x)
        rows.append(dict(prompt=prompt, kind=kind, wanted=c, seen=seen, fit=fit, **{"first frame": psnr(x, picture)}))
        clips.append(x)
    out = {"guidance": args.guidance, "shift": pipe.scheduler.config.flow_shift, "seconds": round(time.time() - begin)}
    out["all"] = summary(rows)
    for kind in ("caption", "short", "new"):
        if some := [r for r in rows if r["kind"] == kind]:
            out[kind] = summary(some)
    print("\n".join(f"{name}: {json.dumps(value)}" for name, value in out.items()))
    for r in rows:
        if tuple(r["wanted"]) != tuple(r["seen"]) or r["first frame"] < 26:
            print("wrong:", r["prompt"], "| wanted", r["wanted"], "seen", r["seen"], "%.2f dB" % r["first frame"])
    if args.strip:
        strip(clips[:16], args.strip)


if __name__ == "__main__":
    main()

"""Encodes training clips to normalised latents once, in parts; training picks new parts up as they come."""

import argparse
import os
import random

import torch
from diffusers import AutoencoderKLWan

from data import clip, training_combinations

PART, BATCH = 256, 8


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("vae")
    args.add_argument("output")
    args.add_argument("--parts", type=int, default=12)
    args.add_argument("--first-frames", action="store_true", help="also what image-to-video sees: the first frame, then grey")
    args.add_argument("--threads", type=int, default=1)
    args = args.parse_args()

    torch.set_num_threads(args.threads)
    vae = AutoencoderKLWan.from_pretrained(args.vae, torch_dtype=torch.float32).eval()
    mean = torch.tensor(vae.config.latents_mean).view(1, -1, 1, 1, 1)
    std = torch.tensor(vae.config.latents_std).view(1, -1, 1, 1, 1)

    def encode(x):
        return (vae._encode(x).chunk(2, 1)[0] - mean) / std

    os.makedirs(args.output, exist_ok=True)
    for part in range(args.parts):
        rng = random.Random(77 + part)
        combinations = [rng.choice(training_combinations()) for _ in range(PART)]
        latents, given = [], []
        for first in range(0, PART, BATCH):
            x = torch.stack([clip(rng, c)[0] for c in combinations[first : first + BATCH]])
            with torch.no_grad():
                latents.append(encode(x))
                if args.first_frames:
                    rest = torch.zeros_like(x[:, :, 1:])
                    given.append(encode(torch.cat([x[:, :, :1], rest], 2)))
        path = os.path.join(args.output, f"part_{part:03}.pt")
        torch.save((torch.cat(latents), combinations, torch.cat(given) if given else None), path + ".new")
        os.replace(path + ".new", path)
        print(path, flush=True)


if __name__ == "__main__":
    main()

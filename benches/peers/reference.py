#!/usr/bin/env python3
"""Makes one video with diffusers' WanPipeline: the plain script that Wandeck is compared with.

Writes the frames as NumPy [T, H, W, 3] uint8 and, with --json, what took how long.
"""

import time

STARTED = time.perf_counter()

import argparse
import json
import resource
import warnings

import numpy as np
import torch
from diffusers import WanPipeline

warnings.filterwarnings("ignore")


def timed(owner, name, into):
    """Adds the seconds and the end of each call of a method to `into`."""
    method = getattr(owner, name)

    def call(*args, **kwargs):
        began = time.perf_counter()
        result = method(*args, **kwargs)
        ended = time.perf_counter()
        into.append((ended - began, ended))
        return result

    setattr(owner, name, call)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("prompt")
    ap.add_argument("--model", required=True, help="diffusers folder")
    ap.add_argument("--negative", default="")
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--steps", type=int, default=20)
    ap.add_argument("--guidance", type=float, default=2.0)
    ap.add_argument("--size", default="64x64", help="WxH")
    ap.add_argument("--frames", type=int, default=17)
    ap.add_argument("--dtype", default="float32", help="weights are converted to it when loaded")
    ap.add_argument("--threads", type=int, help="of torch [its own choice]")
    ap.add_argument("-o", "--output", required=True, help=".npy")
    ap.add_argument("--json", action="store_true", help="times as JSON on standard output")
    a = ap.parse_args()

    if a.threads:
        torch.set_num_threads(a.threads)
    imported = time.perf_counter()
    pipe = WanPipeline.from_pretrained(a.model, torch_dtype=getattr(torch, a.dtype))
    pipe.set_progress_bar_config(disable=True)
    loaded = time.perf_counter()

    text, noise, decode, step_ends = [], [], [], []
    timed(pipe, "encode_prompt", text)
    timed(pipe, "prepare_latents", noise)
    timed(pipe.vae, "decode", decode)

    def on_step_end(_pipe, _step, _t, tensors):
        step_ends.append(time.perf_counter())
        return tensors

    width, height = map(int, a.size.split("x"))
    video = pipe(
        a.prompt,
        negative_prompt=a.negative,
        width=width,
        height=height,
        num_frames=a.frames,
        num_inference_steps=a.steps,
        guidance_scale=a.guidance,
        generator=torch.Generator("cpu").manual_seed(a.seed),
        output_type="np",
        callback_on_step_end=on_step_end,
    ).frames[0]
    generated = time.perf_counter()
    np.save(a.output, (video * 255).round().astype(np.uint8))

    if a.json:
        ends = [noise[-1][1], *step_ends]
        print(
            json.dumps(
                {
                    "import_s": imported - STARTED,
                    "load_s": loaded - imported,
                    "text_s": sum(s for s, _ in text),
                    "steps": [b - a for a, b in zip(ends, ends[1:])],
                    "decode_s": sum(s for s, _ in decode),
                    "generation_time_s": generated - loaded,
                    "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                    "threads": torch.get_num_threads(),
                }
            )
        )


if __name__ == "__main__":
    main()

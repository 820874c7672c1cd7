"""What diffusers makes of start and end images with the shipped toy models: refs/toy_images.*, for the test toy_model.

    python toy_images.py ../../models

Five ways on three seeds each: a start image with a prompt, without one, with an end image too (i2v); a prompt alone,
a start image with a prompt (ti2v). Guidance, shift and steps are the presets'; 9 frames keep the files small.
"""

import argparse
import pathlib
import random
import sys

import torch
from diffusers import WanImageToVideoPipeline, WanPipeline
from PIL import Image

from make import REFS, run_pipeline, save, save_json

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "models" / "toy"))
from data import clip, held_out, short_caption, plain_caption  # noqa: E402

FRAMES, STEPS, SEEDS = 9, 20, (1, 2, 3)
I2V, TI2V = "toy-i2v-A14B", "toy-ti2v-5B"
GUIDANCE = {I2V: 1.0, TI2V: 1.5}
WAYS = [
    (I2V, "prompt", "first"),
    (I2V, "", "first"),
    (I2V, "prompt", "first last"),
    (TI2V, "words", ""),
    (TI2V, "prompt", "first"),
]


def image(drawn, frame, path):
    pixels = ((drawn[:, frame] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(REFS / path)
    return path


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("models", type=pathlib.Path)
    args = args.parse_args()
    tensors, runs = {}, []
    for seed in SEEDS:
        rng = random.Random(800 + seed)
        combination = held_out()[seed * 7]
        drawn, _ = clip(rng, combination)
        files = {
            "first": image(drawn, 0, f"toy_first_{seed}.png"),
            "last": image(drawn, 8, f"toy_last_{seed}.png"),
        }
        words = {"prompt": short_caption(rng, combination), "words": plain_caption(combination), "": ""}
        for model, text, given in WAYS:
            kind = WanImageToVideoPipeline if given else WanPipeline
            pipe = kind.from_pretrained(args.models / model, torch_dtype=torch.float32)
            images = {}
            for key, name in (("image", "first"), ("last_image", "last")):
                if name in given:
                    images[key] = Image.open(REFS / files[name]).convert("RGB")
            _, frames = run_pipeline(
                pipe, seed, prompt=words[text], negative_prompt="", height=64, width=64, num_frames=FRAMES,
                num_inference_steps=STEPS, guidance_scale=GUIDANCE[model], **images,
            )  # fmt: skip
            tensors[f"frames_{len(runs)}"] = frames
            shown = {key: files[name] for key, name in (("image", "first"), ("last_image", "last")) if name in given}
            runs.append({"model": model, "prompt": words[text], "seed": seed, "guidance_scale": GUIDANCE[model], **shown})
            print(runs[-1], flush=True)
    save("toy_images", tensors)
    shift = float(pipe.scheduler.config.flow_shift)
    save_json("toy_images", {"num_frames": FRAMES, "num_inference_steps": STEPS, "shift": shift, "runs": runs})


if __name__ == "__main__":
    main()

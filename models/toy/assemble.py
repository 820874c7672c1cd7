"""Puts trained parts together into one folder that `diffusers.WanPipeline.from_pretrained` loads."""

import argparse
import json
import os
import shutil

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanTransformer3DModel
from transformers import UMT5EncoderModel

import words

KINDS = {
    "t2v-A14B": {"_class_name": "WanPipeline", "boundary_ratio": 0.875, "expand_timesteps": False},
    "i2v-A14B": {
        "_class_name": "WanImageToVideoPipeline",
        "boundary_ratio": 0.9,
        "expand_timesteps": False,
        "image_encoder": [None, None],
        "image_processor": [None, None],
    },
    "ti2v-5B": {"_class_name": "WanPipeline", "boundary_ratio": None, "expand_timesteps": True},
}
PARTS = {
    "scheduler": ["diffusers", "UniPCMultistepScheduler"],
    "text_encoder": ["transformers", "UMT5EncoderModel"],
    "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
    "transformer": ["diffusers", "WanTransformer3DModel"],
    "transformer_2": ["diffusers", "WanTransformer3DModel"],
    "vae": ["diffusers", "AutoencoderKLWan"],
}


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("output")
    args.add_argument("--vae", required=True)
    args.add_argument("--text-encoder", required=True)
    args.add_argument("--high", required=True, help="transformer of the high-noise range")
    args.add_argument("--low", help="transformer of the low-noise range; none: there is only one transformer")
    args.add_argument("--kind", choices=KINDS, default="t2v-A14B")
    args = args.parse_args()

    new = args.output.rstrip("/") + ".new"
    shutil.rmtree(new, ignore_errors=True)
    half = dict(torch_dtype=torch.bfloat16)
    for name, source in (("transformer", args.high), ("transformer_2", args.low)):
        if source is None:
            continue
        WanTransformer3DModel.from_pretrained(source, **half).save_pretrained(os.path.join(new, name))
    AutoencoderKLWan.from_pretrained(args.vae, **half).save_pretrained(os.path.join(new, "vae"))
    text = UMT5EncoderModel.from_pretrained(args.text_encoder)
    pieces = len(words.pieces())
    if text.config.vocab_size < pieces:
        torch.manual_seed(0)
        text.resize_token_embeddings(pieces, mean_resizing=False)
    text.to(torch.bfloat16).save_pretrained(os.path.join(new, "text_encoder"))
    words.save(os.path.join(new, "tokenizer"))
    UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    ).save_pretrained(os.path.join(new, "scheduler"))
    with open(os.path.join(new, "model_index.json"), "w") as file:
        parts = PARTS if args.low else {**PARTS, "transformer_2": [None, None]}
        json.dump({**KINDS[args.kind], **parts}, file, indent=2)
    for name in ("transformer", "transformer_2", "vae", "text_encoder"):
        path = os.path.join(new, name, "config.json")
        if not os.path.exists(path):
            continue
        with open(path) as file:
            config = json.load(file)
        config.pop("_name_or_path", None)
        with open(path, "w") as file:
            json.dump(config, file, indent=2)
    if os.path.exists(args.output):
        old = args.output.rstrip("/") + ".old"
        shutil.rmtree(old, ignore_errors=True)
        os.rename(args.output, old)
    os.rename(new, args.output)
    shutil.rmtree(args.output.rstrip("/") + ".old", ignore_errors=True)
    size = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(args.output) for f in fs)
    print(f"{args.output}: {size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Makes random LoRAs for tiny-t2v in the dialects that are in use, and what diffusers computes with them.

    lora.py        loras/ and refs/lora.safetensors, refs/pipeline_lora.*

Needs peft beside requirements.txt (lora-requirements.txt). Seeded, one thread, as make.py. Where diffusers cannot read
a format, its file holds the same numbers as one that it can read, so the result must be the same.
"""

import json
import math

import torch
from diffusers import WanPipeline
from make import (
    HERE,
    MAX_TEXT,
    NEGATIVE,
    PROMPT,
    load_dit,
    load_text_encoder,
    load_tokenizer,
    load_vae,
    randn,
    run_pipeline,
    save,
    save_json,
    unipc,
)
from safetensors.torch import save_file

LORAS = HERE / "loras"
STRENGTH = 0.7
RANK = 2

# diffusers' module, the original's, LyCORIS' (without the block)
BLOCK = [
    (f"attn{n}.{ours}", f"{kind}.{theirs}", f"{kind}.{ours}")
    for n, kind in ((1, "self_attn"), (2, "cross_attn"))
    for ours, theirs in (("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "o"))
] + [("ffn.net.0.proj", "ffn.0", "ffn.net.0.proj"), ("ffn.net.2", "ffn.2", "ffn.net.2")]
BLOCKS = [tuple(f"blocks.{i}.{name}" for name in names) for i in range(2) for names in BLOCK]
EDGES = [
    ("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
    ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
    ("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
    ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
    ("condition_embedder.time_proj", "time_projection.1"),
    ("proj_out", "head.head"),
]
ORIGINAL = {ours: theirs for ours, theirs, _ in BLOCKS} | dict(EDGES)
LYCORIS = {ours: theirs for ours, _, theirs in BLOCKS}


def random_lora(shapes, modules, seed, rank):
    """{module: (down, up)} whose change is about a quarter of the weight's size."""
    out = {}
    for i, module in enumerate(modules):
        outputs, inputs = shapes[module]
        down = randn(seed + 2 * i, rank, inputs) / inputs**0.5
        up = 0.25 * randn(seed + 2 * i + 1, outputs, rank) / rank**0.5
        out[module] = (down, up)
    return out


def write(name, tensors, metadata=None):
    LORAS.mkdir(parents=True, exist_ok=True)
    path = LORAS / f"{name}.safetensors"
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata)
    path.chmod(0o644)
    print(f"  {name}: {len(tensors)} tensors, {path.stat().st_size} bytes")


def peft_form(lora, name, infix=""):
    return {
        f"{name(module)}.lora_{half}{infix}.weight": value
        for module, pair in lora.items()
        for half, value in zip("AB", pair)
    }


def kohya_form(lora, name, alpha):
    out = {}
    for module, (down, up) in lora.items():
        out |= {f"{name(module)}.lora_down.weight": down, f"{name(module)}.lora_up.weight": up}
        if alpha is not None:
            out[f"{name(module)}.alpha"] = torch.tensor(alpha)
    return out


def underscored(names, prefix):
    return lambda module: prefix + names[module].replace(".", "_")


def half_underscored(module):
    block, index, rest = ORIGINAL[module].split(".", 2)
    return f"lora_unet_{block}_{index}.{rest}"


def write_loras():
    for old in LORAS.glob("*.safetensors"):
        old.unlink()
    model = load_dit("tiny-t2v/transformer")
    shapes = {n: tuple(m.weight.shape) for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)}

    # 1. every linear layer, no alpha: the scale is 1
    every = random_lora(shapes, ORIGINAL, 1000, RANK)
    write("diffusers", peft_form(every, lambda m: f"transformer.{m}"))
    write("original", peft_form(every, lambda m: f"diffusion_model.{ORIGINAL[m]}"))
    write("bare", peft_form(every, lambda m: ORIGINAL[m], ".default"))
    write("diffsynth", peft_form(every, lambda m: f"pipe.dit.{ORIGINAL[m]}", ".default"))

    # 2. the blocks with alpha
    blocks = random_lora(shapes, LYCORIS, 2000, RANK)
    write("musubi", kohya_form(blocks, underscored(ORIGINAL, "lora_unet_"), 3.0))
    write("fun", kohya_form(blocks, underscored(ORIGINAL, "lora_unet__"), 3.0))
    write("lycoris", kohya_form(blocks, underscored(LYCORIS, "lycoris_"), 3.0))
    write("mixed", kohya_form(blocks, half_underscored, 3.0))

    # 3. alpha in the blocks, biases everywhere, a whole matrix for the head, zero norms; in bfloat16
    kohya = kohya_form(random_lora(shapes, LYCORIS, 3000, RANK), lambda m: f"diffusion_model.{ORIGINAL[m]}", 1.0)
    edges = [ours for ours, _ in EDGES if ours != "proj_out"]
    kohya |= kohya_form(random_lora(shapes, edges, 3100, RANK), lambda m: f"diffusion_model.{ORIGINAL[m]}", None)
    for i, (ours, theirs) in enumerate(ORIGINAL.items()):
        kohya[f"diffusion_model.{theirs}.diff_b"] = 0.05 * randn(3200 + i, shapes[ours][0])
    kohya["diffusion_model.head.head.diff"] = 0.03 * randn(3300, *shapes["proj_out"])
    for i in range(2):
        kohya[f"diffusion_model.blocks.{i}.norm3.diff"] = torch.zeros(64)
        kohya[f"diffusion_model.blocks.{i}.self_attn.norm_q.diff"] = torch.zeros(64)
    write("kohya", {k: v.to(torch.bfloat16) for k, v in kohya.items()})

    # 4. rank-stabilised: alpha over the root of the rank; once in the metadata, once by PEFT's names alone
    some = [m for m in LYCORIS if "attn" in m]
    stabilised = random_lora(shapes, some, 4000, 4)
    settings = {"r": 4, "lora_alpha": 3, "use_rslora": True, "target_modules": some}
    metadata = {"lora_adapter_metadata": json.dumps({f"transformer.{k}": v for k, v in settings.items()})}
    write("rslora_metadata", peft_form(stabilised, lambda m: f"transformer.{m}"), metadata)
    write("rslora", peft_form(stabilised, lambda m: f"base_model.model.{ORIGINAL[m]}"))
    return stabilised


def pipeline():
    pipe = WanPipeline(
        tokenizer=load_tokenizer(),
        text_encoder=load_text_encoder(),
        vae=load_vae("tiny-t2v/vae"),
        scheduler=unipc(12.0),
        transformer=load_dit("tiny-t2v/transformer"),
        transformer_2=load_dit("tiny-t2v/transformer_2"),
        boundary_ratio=0.875,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def forward(load, strength=STRENGTH):
    """The input of refs/dit_t2v_high through the high-noise expert with a LoRA, and without."""
    pipe = pipeline()
    text = torch.zeros(1, MAX_TEXT, 32)
    text[0, :9] = randn(101, 9, 32)

    def run():
        return pipe.transformer(randn(100, 1, 16, 3, 8, 12), torch.tensor([937.0]), text, return_dict=False)[0]

    plain = run()
    load(pipe)
    pipe.set_adapters("a", strength)
    sample = run()
    print(f"    changes the result by {(sample - plain).abs().mean():.3f} of {plain.abs().mean():.3f}")
    return sample


def from_file(name):
    return lambda pipe: pipe.load_lora_weights(LORAS, weight_name=f"{name}.safetensors", adapter_name="a")


def write_refs(stabilised):
    samples = {name: forward(from_file(name)) for name in ("diffusers", "original", "musubi", "kohya", "rslora_metadata")}
    difference = (samples["diffusers"] - samples["original"]).abs().max()
    assert difference == 0, difference
    # what PEFT's names alone mean: alpha is the rank, so the scale is its root
    scaled = {m: (down * math.sqrt(4), up) for m, (down, up) in stabilised.items()}
    plain = peft_form(scaled, lambda m: f"transformer.{m}")
    samples["rslora"] = forward(lambda pipe: pipe.load_lora_weights(plain, adapter_name="a"))
    save("lora", samples)


def write_pipeline():
    pipe = pipeline()
    for name in ("kohya", "musubi"):
        pipe.load_lora_weights(LORAS, weight_name=f"{name}.safetensors", adapter_name=name)
    pipe.load_lora_weights(
        LORAS, weight_name="kohya.safetensors", adapter_name="kohya", load_into_transformer_2=True
    )
    pipe.transformer.set_adapters(["kohya", "musubi"], [0.5, -0.4])
    pipe.transformer_2.set_adapters(["kohya"], [0.25])
    request = {
        "prompt": PROMPT,
        "negative_prompt": NEGATIVE,
        "height": 32,
        "width": 48,
        "num_frames": 5,
        "num_inference_steps": 6,
        "guidance_scale": 4.0,
        "guidance_scale_2": 3.0,
    }
    latents, frames = run_pipeline(pipe, 42, **request)
    save("pipeline_lora", {"latents": latents, "frames": frames})
    loras = ["kohya.safetensors:0.5:high", "musubi.safetensors:-0.4:high", "kohya.safetensors:0.25:low"]
    save_json("pipeline_lora", {"model": "tiny-t2v", **request, "shift": 12.0, "seed": 42, "loras": loras})


if __name__ == "__main__":
    stabilised = write_loras()
    write_refs(stabilised)
    write_pipeline()

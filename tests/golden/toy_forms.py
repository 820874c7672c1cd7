#!/usr/bin/env python3
"""Writes forms/: a tiny transformer in every quantised form, and the videos that diffusers makes of its numbers.

A file is the high-noise expert under Wan's original names (its matrices, but for the head, are quantised), or, if its
name begins with umt5, tiny-t2v's text encoder; low.safetensors is the other expert. The files are written and read back
by others' code: the `gguf` package (and, a second time, diffusers' GGUF loader) and comfy-kitchen's eager backend, else
by plain formulas. diffusers gets what the reader returns, in float32, with the rest of tiny-t2v. frames.safetensors has
the 8-bit frames by form, config.json the experts' configuration, request.json the request. Needs what make.py,
gguf_files.py and quantised.py need.
"""

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from comfy_kitchen.backends.eager import quantization as eager
from diffusers import WanPipeline, WanTransformer3DModel
from diffusers.quantizers.gguf import utils as gguf_loader
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Type
from safetensors.torch import load_file, save_file

import gguf_files
import make
from quantised import described, int8_rows, tiles

HERE = Path(__file__).resolve().parent
OUT = HERE / "forms"
FP8 = torch.float8_e4m3fn
CONFIG = {
    "patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 16, "in_channels": 16,
    "out_channels": 16, "text_dim": 32, "freq_dim": 256, "ffn_dim": 256, "num_layers": 1, "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads", "eps": 1e-6, "rope_max_seq_len": 1024,
}  # fmt: skip
SHIFT, BOUNDARY, SEED = 12.0, 0.875, 42
REQUEST = {
    "prompt": make.PROMPT, "negative_prompt": make.NEGATIVE, "height": 32, "width": 48, "num_frames": 5,
    "num_inference_steps": 4, "guidance_scale": 2.0, "guidance_scale_2": 1.5,
}  # fmt: skip
ORIGINAL = {
    theirs: ours for ours, theirs, _ in json.loads((HERE / "refs/names.json").read_text())["transformer"]
}  # fmt: skip
# values of a row that share a group in convrot
GROUP = 256


def make_expert(seed):
    model = make.randomize(WanTransformer3DModel(**CONFIG), seed)
    model.condition_embedder.time_proj.weight.mul_(0.5)
    return model.to(torch.bfloat16).state_dict()


def is_matrix(name, values):
    kept = ("proj_out", "shared", "encoder.embed_tokens")
    return values.ndim == 2 and name.endswith(".weight") and not name.startswith(kept) and "_bias" not in name


# --------------------------------------------------------------------------------------------
# safetensors: each form takes a matrix and gives the tensors beside the module's name and the numbers


def fp8_per_tensor(values):
    scale = values.abs().max() / 448
    stored = (values / scale).to(FP8)
    return {"weight": stored, "scale_weight": scale.reshape(1)}, stored.float() * scale


def fp8_per_row(values):
    stored, scale, exact = tiles(values, 1, values.shape[1])
    return {"weight": stored, "weight_scale": scale}, exact


def fp8_parts_of_rows(values):
    stored, scale, exact = tiles(values, 1, 16)
    return {"weight": stored, "scale_weight": scale[:, :, None].contiguous()}, exact


def fp8_tiles(values):
    stored, scale, exact = tiles(values, 128, 128)
    return {"weight": stored, "weight_scale_inv": scale}, exact


def fp8_unscaled(values):
    stored = values.to(FP8)
    return {"weight": stored}, stored.float()


def comfy_float8(values):
    scale = values.abs().max() / 448
    stored = (values / scale).to(FP8)
    parts = {"weight": stored, "weight_scale": scale, "comfy_quant": described({"format": "float8_e4m3fn"})}
    return parts, stored.float() * scale


def comfy_int8(values):
    scale = values.abs().max() / 127
    stored = (values / scale).round().to(torch.int8)
    parts = {"weight": stored, "weight_scale": scale, "comfy_quant": described({"format": "int8_tensorwise"})}
    return parts, eager.dequantize_int8_simple(stored, scale)


def comfy_convrot(values):
    if values.shape[1] % GROUP:
        return comfy_int8(values)
    stored, scale = eager.quantize_int8_convrot_weight(values, GROUP)
    note = described({"format": "int8_tensorwise", "convrot": True, "convrot_groupsize": GROUP})
    parts = {"weight": stored, "weight_scale": scale, "comfy_quant": note}
    return parts, eager.dequantize_int8_convrot_weight(stored, scale, GROUP)


def comfy_mxfp8(values):
    stored, scale = eager.quantize_mxfp8(values.bfloat16())[:2]
    note = described({"format": "mxfp8"})
    parts = {"weight": stored, "weight_scale": scale.view(torch.uint8), "comfy_quant": note}
    return parts, eager.dequantize_mxfp8(stored, scale, torch.float32)


def comfy_nvfp4(values):
    whole = values.abs().max() / (448 * 6)
    stored, scale = eager.quantize_nvfp4(values.bfloat16(), whole)[:2]
    note = described({"format": "nvfp4"})
    parts = {"weight": stored, "weight_scale": scale, "weight_scale_2": whole, "comfy_quant": note}
    return parts, eager.dequantize_nvfp4(stored, whole, scale, torch.float32)


def int8_of_lightx2v(values):
    stored, scale, exact = int8_rows(values)
    return {"weight": stored, "weight_scale": scale}, exact


def int8_of_quanto(values):
    stored, scale, exact = int8_rows(values)
    one = torch.ones(())
    return {"weight._data": stored, "weight._scale": scale, "input_scale": one, "output_scale": one.clone()}, exact


FORMS = [
    fp8_per_tensor, fp8_per_row, fp8_parts_of_rows, fp8_tiles, fp8_unscaled, comfy_float8, comfy_int8, comfy_convrot,
    comfy_mxfp8, comfy_nvfp4, int8_of_lightx2v, int8_of_quanto,
]  # fmt: skip


def write_safetensors(file, form, weights, rename):
    found, exact = {}, {}
    for name, values in weights.items():
        if is_matrix(name, values):
            parts, exact[name] = form(values.float())
            module = rename(name).removesuffix("weight")
            found |= {module + leaf: part.contiguous() for leaf, part in parts.items()}
        else:
            found[rename(name)], exact[name] = values, values.float()
    if form is fp8_per_tensor:
        found["scaled_fp8"] = torch.empty(2, dtype=FP8)
    save(file, found)
    return exact


def save(file, tensors):
    save_file({name: values.contiguous() for name, values in tensors.items()}, OUT / f"{file}.safetensors")
    (OUT / f"{file}.safetensors").chmod(0o644)


# --------------------------------------------------------------------------------------------
# GGUF


def random_blocks(values, kind, random):
    """Random bits as blocks, with scales that give numbers as large as `values`; the package cannot write all types."""
    size, num_bytes = GGML_QUANT_SIZES[kind]
    shape = (values.shape[0], values.shape[1] // size)
    stored = random.integers(0, 256, (*shape, num_bytes), dtype=np.uint8)
    factors = [random.uniform(0.5, 1.5, shape) for _ in gguf_files.SCALES[kind]]

    def with_scales(unit):
        for at, factor in zip(gguf_files.SCALES[kind], factors):
            numbers = (factor * unit).astype(np.float16)
            stored[:, :, at : at + 2] = numbers.view(np.uint8).reshape(*shape, 2)
        return gguf.quants.dequantize(stored.reshape(shape[0], -1), kind)

    unit = 2.0**-10
    unit *= float(np.sqrt((values**2).mean() / (with_scales(unit) ** 2).mean()))
    return stored.reshape(shape[0], -1), with_scales(unit)


def write_gguf(kind, expert, random):
    """Matrices in a type; Q8_0 where a row is no whole number of its blocks, as llama.cpp falls back."""
    writer, exact = gguf.GGUFWriter(OUT / f"{kind.name}.gguf", "wan"), {}
    for name, tensor in expert.items():
        values = tensor.float().numpy()
        if not is_matrix(name, tensor):
            exact[name] = gguf_files.put(writer, ORIGINAL[name], values, Type.F16 if tensor.ndim > 1 else Type.F32)
            continue
        fitting = kind if values.shape[1] % GGML_QUANT_SIZES[kind][0] == 0 else Type.Q8_0
        if fitting == Type.F16:
            exact[name] = gguf_files.put(writer, ORIGINAL[name], values, fitting)
            continue
        if fitting == Type.BF16 or fitting in gguf_files.LEGACY:
            stored = gguf.quants.quantize(values, fitting)
            exact[name] = gguf.quants.dequantize(stored, fitting)
        else:
            stored, exact[name] = random_blocks(values, fitting, random)
        writer.add_tensor(ORIGINAL[name], stored, raw_dtype=fitting)
        check_second_reader(name, stored, fitting, exact[name])
    gguf_files.finish(writer, kind.name, None)
    return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in exact.items()}


def check_second_reader(name, stored, kind, exact):
    """diffusers' GGUF loader computes in another order, so only nearly the same numbers."""
    read = gguf_loader.dequantize_functions[kind]
    size, num_bytes = GGML_QUANT_SIZES[kind]
    blocks = torch.from_numpy(np.ascontiguousarray(stored)).view(torch.uint8).reshape(-1, num_bytes)
    found = read(blocks, size, num_bytes, torch.float32).float().reshape(exact.shape).numpy()
    worst = float(np.abs(found - exact).max() / np.abs(exact).max())
    assert worst < 1e-6, f"{name} in {kind.name}: the two readers differ by {worst}"


TYPES = [
    Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q2_K, Type.Q3_K, Type.Q4_K,
    Type.Q5_K, Type.Q6_K, Type.IQ4_NL, Type.IQ4_XS,
]  # fmt: skip


# --------------------------------------------------------------------------------------------
# Videos


def transformer(numbers):
    model = WanTransformer3DModel(**CONFIG).eval()
    model.load_state_dict({name: values.float() for name, values in numbers.items()}, strict=True)
    return model


def video(high, low, text_encoder):
    parts = dict(
        tokenizer=make.load_tokenizer(), text_encoder=text_encoder, vae=make.load_vae("tiny-t2v/vae"),
        scheduler=make.unipc(SHIFT), transformer=transformer(high), transformer_2=transformer(low),
        boundary_ratio=BOUNDARY, expand_timesteps=False,
    )  # fmt: skip
    return make.run_pipeline(WanPipeline(**parts), SEED, **REQUEST)[1]


def text_encoder(numbers):
    """tiny-t2v's text encoder with other numbers."""
    model = make.load_text_encoder()
    model.load_state_dict({**numbers, "encoder.embed_tokens.weight": numbers["shared.weight"]}, strict=True)
    return model


def main():
    OUT.mkdir(exist_ok=True)
    high, low = make_expert(31), make_expert(32)
    save("low", {ORIGINAL[name]: values for name, values in low.items()})
    plain = make.load_text_encoder()
    frames = {}
    for form in FORMS:
        name = form.__name__
        frames[name] = video(write_safetensors(name, form, high, ORIGINAL.get), low, plain)
    random = np.random.default_rng(33)
    for kind in TYPES:
        frames[kind.name] = video(write_gguf(kind, high, random), low, plain)

    # the text encoder, with the high-noise expert of BF16.gguf
    frames["umt5"] = video(high, low, text_encoder(load_file(HERE / "gguf/umt5.safetensors")))
    text = {name: values for name, values in plain.state_dict().items() if "embed_tokens" not in name}
    for form in (fp8_per_tensor, comfy_int8):
        name = f"umt5_{form.__name__}"
        frames[name] = video(high, low, text_encoder(write_safetensors(name, form, text, str)))

    for name, found in frames.items():
        far = (found.int() - frames["BF16"].int()).abs().float().mean()
        print(f"{name}: {list(found.shape)}, mean difference from bf16 {far:.3f} of 255")
    save("frames", frames)
    request = {**REQUEST, "shift": SHIFT, "boundary_ratio": BOUNDARY, "seed": SEED}
    (OUT / "request.json").write_text(json.dumps(request, indent=1) + "\n")
    (OUT / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")


if __name__ == "__main__":
    main()

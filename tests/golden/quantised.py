#!/usr/bin/env python3
"""Writes quantised/: matrices in the forms of other programs, and the numbers they stand for, as float32 safetensors.

One file is a part of a transformer under Wan's original names, each matrix in another form. The numbers of mxfp8 and
nvfp4 are those of comfy-kitchen on the CPU (its eager backend), those of the other forms plain formulas. Needs torch,
safetensors and comfy-kitchen.
"""

import json
from pathlib import Path

import comfy_kitchen as ck
import torch
from comfy_kitchen.backends.eager import quantization as eager
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parent / "quantised"
FP8 = torch.float8_e4m3fn


def described(text):
    return torch.tensor(list(json.dumps(text).encode()), dtype=torch.uint8)


def tiles(values, height, width):
    """fp8 with a scale for each tile, and the numbers."""
    rows, columns = values.shape
    scale = torch.empty(-(-rows // height), -(-columns // width))
    stored, exact = torch.empty(rows, columns, dtype=FP8), torch.empty(rows, columns)
    for i in range(scale.shape[0]):
        for j in range(scale.shape[1]):
            part = (slice(i * height, (i + 1) * height), slice(j * width, (j + 1) * width))
            scale[i, j] = values[part].abs().max() / 448
            stored[part] = (values[part] / scale[i, j]).to(FP8)
            exact[part] = stored[part].float() * scale[i, j]
    return stored, scale, exact


def int8_rows(values):
    scale = values.abs().amax(1, keepdim=True) / 127
    stored = (values / scale).round().to(torch.int8)
    return stored, scale, stored.float() * scale


def main():
    torch.manual_seed(5)
    ck.set_backend_priority(["eager"]) if hasattr(ck, "set_backend_priority") else None
    block, found, exact = "blocks.0", {}, {}
    found["patch_embedding.weight"] = torch.randn(8, 4, 1, 2, 2)

    name, values = f"{block}.self_attn.q", torch.randn(160, 192) * torch.logspace(-2, 1, 160)[:, None]
    stored, scale = eager.quantize_mxfp8(values.bfloat16())[:2]
    found |= {f"{name}.weight": stored, f"{name}.weight_scale": scale.view(torch.uint8)}
    found[f"{name}.comfy_quant"] = described({"format": "mxfp8"})
    exact[f"{block}.attn1.to_q.weight"] = eager.dequantize_mxfp8(stored, scale, torch.float32)

    name, values = f"{block}.self_attn.k", torch.randn(144, 80)
    whole = values.abs().max() / (448 * 6)
    stored, scale = eager.quantize_nvfp4(values.bfloat16(), whole)[:2]
    found |= {f"{name}.weight": stored, f"{name}.weight_scale": scale, f"{name}.weight_scale_2": whole}
    found[f"{name}.comfy_quant"] = described({"format": "nvfp4"})
    exact[f"{block}.attn1.to_k.weight"] = eager.dequantize_nvfp4(stored, whole, scale, torch.float32)

    # musubi-tuner: a scale for each 64 inputs, with a third dimension
    name = f"{block}.self_attn.v"
    stored, scale, exact[f"{block}.attn1.to_v.weight"] = tiles(torch.randn(96, 192), 1, 64)
    found |= {f"{name}.weight": stored, f"{name}.scale_weight": scale[:, :, None].contiguous()}

    # DeepSeek and transformers: tiles of 128x128, the last of them smaller
    name = f"{block}.self_attn.o"
    stored, scale, exact[f"{block}.attn1.to_out.0.weight"] = tiles(torch.randn(200, 300), 128, 128)
    found |= {f"{name}.weight": stored, f"{name}.weight_scale_inv": scale}

    # LightX2V
    name = f"{block}.cross_attn.q"
    stored, scale, exact[f"{block}.attn2.to_q.weight"] = int8_rows(torch.randn(24, 40))
    found |= {f"{name}.weight": stored, f"{name}.weight_scale": scale}

    # optimum-quanto
    name = f"{block}.cross_attn.k"
    stored, scale, exact[f"{block}.attn2.to_k.weight"] = int8_rows(torch.randn(32, 16))
    found |= {f"{name}.weight._data": stored, f"{name}.weight._scale": scale}
    found |= {f"{name}.input_scale": torch.ones(()), f"{name}.output_scale": torch.ones(())}

    OUT.mkdir(exist_ok=True)
    save_file(found, OUT / "forms.safetensors")
    save_file(exact, OUT / "numbers.safetensors")


if __name__ == "__main__":
    main()

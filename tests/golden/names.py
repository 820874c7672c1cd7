#!/usr/bin/env python3
"""Writes refs/names.json: for every part of a Wan model, [original name, diffusers' name, shape] of each tensor.

Two blocks, the official levels of both VAEs, small widths. Original names are those of the modules in Wan's own
code (wan/modules); the transformer's and VAE 2.1's diffusers names come from diffusers' own converters, and every
list is held against the tensors of diffusers' (transformers') model: same names, same shapes.
"""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.loaders import single_file_utils as single
from transformers import UMT5Config, UMT5EncoderModel

HERE = Path(__file__).resolve().parent
BLOCKS = 2


def layer(name):
    return [f"{name}.weight", f"{name}.bias"]


def transformer():
    names = [n for m in ("patch_embedding", "text_embedding.0", "text_embedding.2", "time_embedding.0",
                         "time_embedding.2", "time_projection.1", "head.head") for n in layer(m)]  # fmt: skip
    names.append("head.modulation")
    for i in range(BLOCKS):
        b = f"blocks.{i}"
        names += [f"{b}.modulation", *layer(f"{b}.norm3"), *layer(f"{b}.ffn.0"), *layer(f"{b}.ffn.2")]
        for a in ("self_attn", "cross_attn"):
            names += [n for m in "qkvo" for n in layer(f"{b}.{a}.{m}")]
            names += [f"{b}.{a}.norm_q.weight", f"{b}.{a}.norm_k.weight"]
    # the converter only renames, so a name can stand for its tensor
    map_ = {v: k for k, v in single.convert_wan_transformer_to_diffusers({n: n for n in names}).items()}
    with torch.device("meta"):
        model = WanTransformer3DModel(
            num_attention_heads=2, attention_head_dim=128, ffn_dim=640, num_layers=BLOCKS, text_dim=384, freq_dim=64
        )
    return listed(map_, model)


def residual(name, shortcut):
    out = [f"{name}.residual.0.gamma", *layer(f"{name}.residual.2"), f"{name}.residual.3.gamma"]
    out += layer(f"{name}.residual.6")
    return out + (layer(f"{name}.shortcut") if shortcut else [])


def vae_ends():
    out = layer("conv1") + layer("conv2")
    for s in ("encoder", "decoder"):
        out += layer(f"{s}.conv1") + [f"{s}.head.0.gamma"] + layer(f"{s}.head.2")
        out += residual(f"{s}.middle.0", False) + residual(f"{s}.middle.2", False)
        out += [f"{s}.middle.1.norm.gamma"] + layer(f"{s}.middle.1.to_qkv") + layer(f"{s}.middle.1.proj")
    return out


DIMS, TIME = [1, 2, 4, 4], [False, True, True]


def vae21():
    """wan/modules/vae2_1.py: layers numbered through; a decoder level starts at half the width."""
    names, width = vae_ends(), 1
    index = 0
    for level, out in enumerate(DIMS):
        for _ in range(2):
            names += residual(f"encoder.downsamples.{index}", width != out)
            width, index = out, index + 1
        if level < 3:
            names += layer(f"encoder.downsamples.{index}.resample.1")
            names += layer(f"encoder.downsamples.{index}.time_conv") if TIME[level] else []
            index += 1
    index, width = 0, DIMS[-1]
    for level, out in enumerate(DIMS[::-1]):
        width = width / 2 if level else width
        for _ in range(3):
            names += residual(f"decoder.upsamples.{index}", width != out)
            width, index = out, index + 1
        if level < 3:
            names += layer(f"decoder.upsamples.{index}.resample.1")
            names += layer(f"decoder.upsamples.{index}.time_conv") if TIME[::-1][level] else []
            index += 1
    map_ = {v: k for k, v in single.convert_wan_vae_to_diffusers({n: n for n in names}).items()}
    with torch.device("meta"):
        model = AutoencoderKLWan(base_dim=8)
    return listed(map_, model)


def vae22():
    """wan/modules/vae2_2.py: layers numbered within their level. No converter for it is in the package."""
    names, width = {}, 1

    def add(originals, old, new):
        for n in originals:
            leaf = n.removeprefix(old + ".")
            for a, b in (("residual.0", "norm1"), ("residual.2", "conv1"), ("residual.3", "norm2"),
                         ("residual.6", "conv2"), ("shortcut", "conv_shortcut")):  # fmt: skip
                leaf = leaf.replace(a, b)
            names[n] = f"{new}.{leaf}"

    # both ends are named as in VAE 2.1
    names |= {v: k for k, v in single.convert_wan_vae_to_diffusers({n: n for n in vae_ends()}).items()}
    for level, out in enumerate(DIMS):
        old, new = f"encoder.downsamples.{level}.downsamples", f"encoder.down_blocks.{level}"
        for j in range(2):
            add(residual(f"{old}.{j}", width != out), f"{old}.{j}", f"{new}.resnets.{j}")
            width = out
        if level < 3:
            parts = layer(f"{old}.2.resample.1") + (layer(f"{old}.2.time_conv") if TIME[level] else [])
            add(parts, f"{old}.2", f"{new}.downsampler")
    width = DIMS[-1]
    for level, out in enumerate(DIMS[::-1]):
        old, new = f"decoder.upsamples.{level}.upsamples", f"decoder.up_blocks.{level}"
        for j in range(3):
            add(residual(f"{old}.{j}", width != out), f"{old}.{j}", f"{new}.resnets.{j}")
            width = out
        if level < 3:
            parts = layer(f"{old}.3.resample.1") + (layer(f"{old}.3.time_conv") if TIME[::-1][level] else [])
            add(parts, f"{old}.3", f"{new}.upsampler")
    with torch.device("meta"):
        model = AutoencoderKLWan(
            base_dim=8, decoder_base_dim=12, z_dim=48, is_residual=True, in_channels=12, out_channels=12,
            patch_size=2, latents_mean=[0.0] * 48, latents_std=[1.0] * 48, scale_factor_spatial=16,
        )  # fmt: skip
    return listed(names, model)


def text_encoder():
    """wan/modules/t5.py; fc1(x) * gate(x) is wi_1(x) * gelu(wi_0(x))."""
    names = {"token_embedding.weight": "shared.weight", "norm.weight": "encoder.final_layer_norm.weight"}
    for i in range(BLOCKS):
        old, new = f"blocks.{i}", f"encoder.block.{i}.layer"
        for a, b in (
            ("norm1", "0.layer_norm"),
            ("attn.q", "0.SelfAttention.q"),
            ("attn.k", "0.SelfAttention.k"),
            ("attn.v", "0.SelfAttention.v"),
            ("attn.o", "0.SelfAttention.o"),
            ("pos_embedding.embedding", "0.SelfAttention.relative_attention_bias"),
            ("norm2", "1.layer_norm"),
            ("ffn.gate.0", "1.DenseReluDense.wi_0"),
            ("ffn.fc1", "1.DenseReluDense.wi_1"),
            ("ffn.fc2", "1.DenseReluDense.wo"),
        ):
            names[f"{old}.{a}.weight"] = f"{new}.{b}.weight"
    with torch.device("meta"):
        model = UMT5EncoderModel(UMT5Config(vocab_size=384, d_model=96, d_kv=16, d_ff=224, num_layers=BLOCKS, num_heads=4))
    return listed(names, model)


def listed(map_, model):
    shapes = {k: list(v.shape) for k, v in model.state_dict().items() if k != "encoder.embed_tokens.weight"}
    assert set(map_.values()) == set(shapes), set(map_.values()) ^ set(shapes)
    return [[a, b, shapes[b]] for a, b in sorted(map_.items())]


parts = {f.__name__: f() for f in (transformer, vae21, vae22, text_encoder)}
lines = (f'"{k}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]" for k, rows in parts.items())
(HERE / "refs/names.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
print({k: len(v) for k, v in parts.items()})

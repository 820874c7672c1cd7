#!/usr/bin/env python3
"""Writes gguf/: small GGUF files, and what the `gguf` package reads from them, as float32 safetensors.

blocks      every block type, from random bits with finite scales; the tensor's name is the type's
wan         the transformer of tiny-t2v under its original names, in all block types of 32 values; the shape of five
            dimensions is kept as city96's ComfyUI-GGUF keeps it
umt5        the text encoder of tiny-t2v under llama.cpp's names, in Q8_0
umt5_tokens the same with tiny-t2v's tokenizer

The second file of the first three, NAME.safetensors, has diffusers' names.
"""

import json
from pathlib import Path

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Type
from safetensors.numpy import load_file, save_file
from sentencepiece import sentencepiece_model_pb2

HERE = Path(__file__).resolve().parent
OUT = HERE / "gguf"
MODEL = HERE / "models/tiny-t2v"
LEGACY = [Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0]
# where the fp16 scales of a block are
SCALES = {
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0], Type.Q2_K: [80, 82],
    Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208], Type.IQ4_NL: [0], Type.IQ4_XS: [0],
}  # fmt: skip
LLAMA = {
    "layer.0.layer_norm": "attn_norm", "layer.0.SelfAttention.q": "attn_q", "layer.0.SelfAttention.k": "attn_k",
    "layer.0.SelfAttention.v": "attn_v", "layer.0.SelfAttention.o": "attn_o",
    "layer.0.SelfAttention.relative_attention_bias": "attn_rel_b", "layer.1.layer_norm": "ffn_norm",
    "layer.1.DenseReluDense.wi_0": "ffn_gate", "layer.1.DenseReluDense.wi_1": "ffn_up",
    "layer.1.DenseReluDense.wo": "ffn_down",
}  # fmt: skip


def put(writer, name, values, kind):
    """Adds a tensor in a type, and returns what a reader makes of it."""
    if kind in (Type.F32, Type.F16):
        stored = values.astype(np.float32 if kind == Type.F32 else np.float16)
        flat = stored.reshape(stored.shape[0], -1) if stored.ndim > 4 else stored
        if stored.ndim > 4:
            writer.add_array(f"comfy.gguf.orig_shape.{name}", [int(size) for size in stored.shape])
        writer.add_tensor(name, flat, raw_dtype=kind)
        return stored.astype(np.float32)
    stored = gguf.quants.quantize(values.astype(np.float32), kind)
    writer.add_tensor(name, stored, raw_dtype=kind)
    return gguf.quants.dequantize(stored, kind)


def finish(writer, name, expected):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    if expected is None:
        return
    save_file({key: np.ascontiguousarray(value) for key, value in expected.items()}, OUT / f"{name}.safetensors")


def blocks():
    random, expected = np.random.default_rng(3), {}
    writer = gguf.GGUFWriter(OUT / "blocks.gguf", "wan")
    for kind, scales in SCALES.items():
        values, size = GGML_QUANT_SIZES[kind]
        count = 512 // values
        stored = random.integers(0, 256, (3, count, size), dtype=np.uint8)
        for at in scales:
            numbers = random.normal(0, 0.02, (3, count)).astype(np.float16)
            numbers[0, 0] = 6e-8  # subnormal
            stored[:, :, at : at + 2] = numbers.view(np.uint8).reshape(3, count, 2)
        stored = stored.reshape(3, -1)
        writer.add_tensor(kind.name, stored, raw_dtype=kind)
        expected[kind.name] = gguf.quants.dequantize(stored, kind)
    numbers = random.normal(0, 1, (3, 5)).astype(np.float32)
    bits = (numbers.view(np.uint32) >> 16).astype(np.uint16)
    writer.add_tensor("BF16", bits.view(np.uint8), raw_dtype=Type.BF16)
    expected["BF16"] = (bits.astype(np.uint32) << 16).view(np.float32)
    for kind in (Type.F32, Type.F16):
        expected[kind.name] = put(writer, kind.name, numbers, kind)
    # as city96's fix_5d_tensors.py writes it, beyond the four dimensions of ggml
    five = random.normal(0, 1, (2, 3, 1, 2, 2)).astype(np.float32)
    writer.add_tensor("FIVE", five, raw_dtype=Type.F32)
    expected["FIVE"] = five
    finish(writer, "blocks", expected)


def wan():
    index = json.loads((MODEL / "transformer/diffusion_pytorch_model.safetensors.index.json").read_text())
    tensors = {}
    for shard in sorted(set(index["weight_map"].values())):
        tensors |= load_file(MODEL / "transformer" / shard)
    original = {theirs: ours for ours, theirs, _ in json.loads((HERE / "refs/names.json").read_text())["transformer"]}
    writer, expected = gguf.GGUFWriter(OUT / "wan.gguf", "wan"), {}
    for at, (name, values) in enumerate(sorted(tensors.items())):
        is_matrix = values.ndim == 2 and values.shape[1] % 32 == 0
        kind = LEGACY[at % len(LEGACY)] if is_matrix else Type.F16 if values.ndim == 5 else Type.F32
        expected[name] = put(writer, original[name], values, kind)
    finish(writer, "wan", expected)


def add_tokenizer(writer):
    """Adds tiny-t2v's tokenizer as llama.cpp's convert_hf_to_gguf.py does (T5Model.set_vocab): long lists, padded."""
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString((MODEL / "tokenizer/spiece.model").read_bytes())
    padding = range(len(model.pieces), 1000)
    writer.add_tokenizer_model("t5")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([piece.piece for piece in model.pieces] + [f"[PAD{number}]" for number in padding])
    writer.add_token_scores([piece.score for piece in model.pieces] + [-10000.0 for _ in padding])
    writer.add_token_types([piece.type for piece in model.pieces] + [gguf.TokenType.UNUSED for _ in padding])
    writer.add_add_space_prefix(model.normalizer_spec.add_dummy_prefix)
    writer.add_remove_extra_whitespaces(model.normalizer_spec.remove_extra_whitespaces)
    if model.normalizer_spec.precompiled_charsmap:
        writer.add_precompiled_charsmap(model.normalizer_spec.precompiled_charsmap)


def umt5(name, with_tokenizer):
    tensors = load_file(MODEL / "text_encoder/model.safetensors")
    writer, expected = gguf.GGUFWriter(OUT / f"{name}.gguf", "t5encoder"), {}
    if with_tokenizer:
        add_tokenizer(writer)
    else:
        # a tokenizer without its kind: long lists, which a reader of tensors skips
        writer.add_token_list([f"token {number}" for number in range(1000)])
        writer.add_token_scores([float(number) for number in range(1000)])
    for ours, values in sorted(tensors.items()):
        if ours.startswith("encoder.block."):
            number, rest = ours.removeprefix("encoder.block.").split(".", 1)
            module = rest.removesuffix(".weight")
            theirs = f"enc.blk.{number}.{LLAMA[module]}.weight"
        elif ours in ("shared.weight", "encoder.embed_tokens.weight"):
            theirs = "token_embd.weight"
        else:
            theirs = "enc.output_norm.weight"
        is_matrix = values.ndim == 2 and values.shape[1] % 32 == 0
        ours = "shared.weight" if theirs == "token_embd.weight" else ours
        expected[ours] = put(writer, theirs, values, Type.Q8_0 if is_matrix else Type.F32)
    finish(writer, name, None if with_tokenizer else expected)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    blocks()
    wan()
    umt5("umt5", with_tokenizer=False)
    umt5("umt5_tokens", with_tokenizer=True)

#!/usr/bin/env python3
"""Exports tiny models with torch.onnx as component folders: models/tiny-t2v-onnx, tiny-i2v-onnx and tiny-ti2v-onnx.

    export_onnx.py [t2v] [i2v] [ti2v] [fp16]        all if none is named

The usual way to make ONNX files of a diffusers model: diffusers' input and output names, weights as external data.
Parts that would be copies are left out. `fp16` is the t2v expert and text encoder in half precision.
Needs onnx and onnxscript beside requirements.txt.
"""

import json
import shutil
import sys

import torch
from diffusers import WanTransformer3DModel
from make import MAX_TEXT, MODELS, load_dit, load_text_encoder, load_vae

Dim = torch.export.Dim
# Positions of the rotary tables, which are constants of the file.
POSITIONS = 32


class Frames(torch.nn.Module):
    """The VAE's decoder, a whole clip at once."""

    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, latent_sample):
        return self.vae._decode(latent_sample, return_dict=False)[0]


class Velocity(torch.nn.Module):
    """One expert; keyword arguments in the order of the graph's inputs."""

    def __init__(self, dit):
        super().__init__()
        self.dit = dit

    def forward(self, hidden_states, timestep, encoder_hidden_states):
        return self.dit(hidden_states, timestep, encoder_hidden_states, return_dict=False)[0]


class Hidden(torch.nn.Module):
    """The text encoder."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids, attention_mask).last_hidden_state


class Parameters(torch.nn.Module):
    """The VAE's encoder: mean and logarithm of the variance of each latent cell."""

    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, sample):
        return self.vae._encode(sample)


class Mean(Parameters):
    """The mean alone."""

    def forward(self, sample):
        return super().forward(sample)[:, : self.vae.config.z_dim]


def export(folder, module, inputs, outputs, dynamic=None):
    folder.mkdir(parents=True)
    program = torch.onnx.export(
        module.eval(),
        kwargs=inputs,
        input_names=list(inputs),
        output_names=outputs,
        dynamic_shapes=dynamic,
        dynamo=True,
        opset_version=18,
        verify=False,
        verbose=False,
    )
    program.save(str(folder / "model.onnx"), external_data=True)
    # the exporter leaves traces of its own source files
    strip_metadata(folder / "model.onnx")


def halve(folder):
    """Weights that bfloat16 holds without loss are stored so, with a Cast behind: the same numbers in half the bytes."""
    import onnx
    from onnx import numpy_helper

    path = folder / "model.onnx"
    model = onnx.load(str(path))
    casts = []
    for weight in list(model.graph.initializer):
        if weight.data_type != onnx.TensorProto.FLOAT:
            continue
        values = torch.from_numpy(numpy_helper.to_array(weight).copy())
        short = values.to(torch.bfloat16)
        if values.numel() < 64 or not torch.equal(short.float(), values):
            continue
        name = weight.name
        model.graph.initializer.remove(weight)
        raw = short.view(torch.int16).numpy().tobytes()
        stored = onnx.helper.make_tensor(f"{name}_bf16", onnx.TensorProto.BFLOAT16, values.shape, raw, raw=True)
        model.graph.initializer.append(stored)
        casts.append(onnx.helper.make_node("Cast", [stored.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    (folder / "model.onnx.data").unlink()
    onnx.save(model, str(path), save_as_external_data=True, location="model.onnx.data", size_threshold=256)


def strip_metadata(path):
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    del model.metadata_props[:]
    model.graph.doc_string = ""
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output, *model.graph.initializer]:
        del value.metadata_props[:]
    for function in model.functions:
        del function.metadata_props[:]
        for node in function.node:
            del node.metadata_props[:]
    onnx.save(model, str(path))


def video(channels, frames, height, width):
    return torch.randn(1, channels, frames, height, width)


def start(name, source):
    target = MODELS / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    shutil.copy(MODELS / source / "model_index.json", target / "model_index.json")
    return target


def load_short_dit(path, dtype=torch.float32):
    """A transformer whose rotary tables are no longer than the tests need."""
    load = WanTransformer3DModel.from_pretrained
    return load(MODELS / path, torch_dtype=dtype, rope_max_seq_len=POSITIONS).eval()


def short_config(source, target):
    config = json.loads((MODELS / source / "config.json").read_text())
    config["rope_max_seq_len"] = POSITIONS
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def export_t2v():
    target = start("tiny-t2v-onnx", "tiny-t2v")
    # a latent of this many frames; the VAE's loop over frames unrolls, so its time axis is fixed
    count, height, width = 3, 8, 12
    volume = {2: Dim.AUTO, 3: Dim.AUTO, 4: Dim.AUTO}
    for name in ("transformer", "transformer_2"):
        inputs = {
            "hidden_states": video(16, count, height, width),
            "timestep": torch.tensor([500], dtype=torch.int64),
            "encoder_hidden_states": torch.randn(1, MAX_TEXT, 32),
        }
        dynamic = {"hidden_states": volume, "timestep": None, "encoder_hidden_states": None}
        export(target / name, Velocity(load_dit(f"tiny-t2v/{name}")), inputs, ["out_sample"], dynamic)
    export_text_encoder(target / "text_encoder", load_text_encoder())
    decoder = Frames(load_vae("tiny-t2v/vae"))
    export(target / "vae_decoder", decoder, {"latent_sample": video(16, count, height, width)}, ["sample"])
    for part in ("transformer", "transformer_2", "text_encoder"):
        shutil.copy(MODELS / "tiny-t2v" / part / "config.json", target / part / "config.json")
    shutil.copy(MODELS / "tiny-t2v/vae/config.json", target / "vae_decoder/config.json")


def export_text_encoder(folder, model):
    # a fixed length would fold position biases of length squared into the file
    ids = torch.ones(1, 20, dtype=torch.int64)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    dynamic = {"input_ids": {1: Dim.AUTO}, "attention_mask": {1: Dim.AUTO}}
    export(folder, Hidden(model), inputs, ["last_hidden_state"], dynamic)


def export_i2v():
    """Both experts and the encoder for 9 frames of 96x64; the rest is that of tiny-t2v-onnx."""
    target = start("tiny-i2v-onnx", "tiny-i2v")
    for name in ("transformer", "transformer_2"):
        dit = load_short_dit(f"tiny-i2v/{name}")
        inputs = {
            "hidden_states": video(36, 3, 8, 12),
            "timestep": torch.tensor([500], dtype=torch.int64),
            "encoder_hidden_states": torch.randn(1, MAX_TEXT, 32),
        }
        export(target / name, Velocity(dit), inputs, ["out_sample"])
        halve(target / name)
        short_config(f"tiny-i2v/{name}", target / name)
    encoder = Parameters(load_vae("tiny-t2v/vae"))
    export(target / "vae_encoder", encoder, {"sample": video(3, 9, 64, 96)}, ["latent_parameters"])


def export_ti2v():
    """5 frames of 96x64. The transformer takes a timestep a token; the encoder gives means alone."""
    target = start("tiny-ti2v-onnx", "tiny-ti2v")
    dit, vae = load_short_dit("tiny-ti2v/transformer"), load_vae("tiny-ti2v/vae")
    count, height, width = 2, 4, 6
    inputs = {
        "hidden_states": video(48, count, height, width),
        "timestep": torch.full((1, count * height * width // 4), 500.0),
        "encoder_hidden_states": torch.randn(1, MAX_TEXT, 32),
    }
    export(target / "transformer", Velocity(dit), inputs, ["out_sample"])
    short_config("tiny-ti2v/transformer", target / "transformer")
    export(target / "vae_encoder", Mean(vae), {"sample": video(3, 5, 64, 96)}, ["latent_sample"])
    export(target / "vae_decoder", Frames(vae), {"latent_sample": video(48, count, height, width)}, ["sample"])
    shutil.copy(MODELS / "tiny-ti2v/vae/config.json", target / "vae_decoder/config.json")
    for name in ("transformer", "vae_encoder", "vae_decoder"):
        halve(target / name)


def export_fp16():
    """The high-noise expert and the text encoder of tiny-t2v in float16."""
    target = start("tiny-t2v-onnx-fp16", "tiny-t2v")
    dit = load_short_dit("tiny-t2v/transformer", torch.float16)
    inputs = {
        "hidden_states": video(16, 3, 8, 12).half(),
        "timestep": torch.tensor([500], dtype=torch.int64),
        "encoder_hidden_states": torch.randn(1, MAX_TEXT, 32).half(),
    }
    export(target / "transformer", Velocity(dit), inputs, ["out_sample"])
    short_config("tiny-t2v/transformer", target / "transformer")
    export_text_encoder(target / "text_encoder", load_text_encoder().half())


EXPORTS = {"t2v": export_t2v, "i2v": export_i2v, "ti2v": export_ti2v, "fp16": export_fp16}


def main():
    for name in sys.argv[1:] or EXPORTS:
        EXPORTS[name]()
    for path in sorted(MODELS.glob("*-onnx*/**/*")):
        if path.is_file():
            print(path.relative_to(MODELS), path.stat().st_size)


if __name__ == "__main__":
    main()

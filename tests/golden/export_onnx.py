#!/usr/bin/env python3
"""Exports models/tiny-t2v with torch.onnx as component folders: models/tiny-t2v-onnx.

    export_onnx.py

The usual way to make ONNX files of a diffusers model: diffusers' input and output names, weights as external data.
The tokenizer and the scheduler would be copies and are left out.
Needs onnx and onnxscript beside requirements.txt.
"""

import shutil

import torch
from make import MAX_TEXT, MODELS, load_dit, load_text_encoder, load_vae

SOURCE = MODELS / "tiny-t2v"
TARGET = MODELS / "tiny-t2v-onnx"
Dim = torch.export.Dim


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


def export(name, module, inputs, outputs, dynamic=None):
    folder = TARGET / name
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


def main():
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir()
    vae = load_vae("tiny-t2v/vae")
    # a latent of this many frames; the VAE's loop over frames unrolls, so its time axis is fixed
    count, height, width = 3, 8, 12
    volume = {2: Dim.AUTO, 3: Dim.AUTO, 4: Dim.AUTO}
    with torch.no_grad():
        for name in ("transformer", "transformer_2"):
            inputs = {
                "hidden_states": video(16, count, height, width),
                "timestep": torch.tensor([500], dtype=torch.int64),
                "encoder_hidden_states": torch.randn(1, MAX_TEXT, 32),
            }
            dynamic = {"hidden_states": volume, "timestep": None, "encoder_hidden_states": None}
            export(name, Velocity(load_dit(f"tiny-t2v/{name}")), inputs, ["out_sample"], dynamic)
        # a fixed length would fold position biases of length squared into the file
        ids = torch.ones(1, 20, dtype=torch.int64)
        export(
            "text_encoder",
            Hidden(load_text_encoder()),
            {"input_ids": ids, "attention_mask": torch.ones_like(ids)},
            ["last_hidden_state"],
            {"input_ids": {1: Dim.AUTO}, "attention_mask": {1: Dim.AUTO}},
        )
        export("vae_decoder", Frames(vae), {"latent_sample": video(16, count, height, width)}, ["sample"])
    for part in ("transformer", "transformer_2", "text_encoder"):
        shutil.copy(SOURCE / part / "config.json", TARGET / part / "config.json")
    shutil.copy(SOURCE / "vae" / "config.json", TARGET / "vae_decoder" / "config.json")
    shutil.copy(SOURCE / "model_index.json", TARGET / "model_index.json")
    for path in sorted(TARGET.rglob("*")):
        if path.is_file():
            print(path.relative_to(MODELS), path.stat().st_size)


if __name__ == "__main__":
    main()

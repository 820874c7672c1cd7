"""Builds engines of exported graphs with TensorRT for RTX, which needs no card for that.

    python build.py CAPABILITIES MODEL.onnx ...

CAPABILITIES is a list such as sm86,sm89,sm120. A graph that cannot be parsed or built ends the program with the
library's own words. This proves that graphs compile for these cards, not what they compute.
"""
import sys
import time

import onnx
import tensorrt_rtx as trt

# Smallest, usual and largest size: frames, and height and width in cells of the latent.
SIZES = [(1, 2, 2), (2, 4, 6), (5, 16, 16)]


def sizes(model):
    """The three sizes of each named dimension of a graph's inputs, which belong together."""
    inputs = {value.name: value.type.tensor_type.shape.dim for value in model.graph.input}
    # VAE 2.2 folds 2x2 pixels into channels before its first level
    folded = "cache_in_0" in inputs and inputs["cache_in_0"][1].dim_value == 12
    found = {}
    for name, dims in inputs.items():
        for dim in dims:
            if dim.dim_param:
                found[name, dim.dim_param] = [
                    size(name, dim.dim_param, model.graph.name, folded, which) for which in range(3)
                ]
    return found


def size(name, dim, graph, folded, which):
    frames, *cells = SIZES[which]
    if dim == "frames":
        return frames
    if dim == "text_rows":
        return (1, 3, 512)[which]
    if dim == "tokens":
        # the transformer's patches have 1x2x2 cells
        is_prompt = name in ("input_ids", "rel_bucket")
        return (1, 5, 512)[which] if is_prompt else frames * cells[0] * cells[1] // 4
    axis, _, level = dim.partition("_")
    side = cells[("height", "width").index(axis)]
    if not level:
        return side * 16 if name == "frames" else side
    if "decoder" in graph:
        return side << int(level)
    return side * 16 >> int(level) >> folded


def numbers(name, tokens):
    """Smallest, usual and largest values of an input that decides sizes."""
    if name == "seg_split":
        # the tokens of the first frame
        return [[count - count // 2] for count in tokens]
    # those of every call of the VAE decoder but its first
    kind, frames = name.rsplit("_", 1)
    frames = int(frames)
    value = {"frames_from": frames, "frames_to": 3 * frames, "kept_to": frames + 2, "shortcut_from": 0}[kind]
    return [[value]] * 3


class Log(trt.ILogger):
    """Keeps errors, and drops the rest."""

    def __init__(self):
        super().__init__()
        self.errors = []

    def log(self, severity, message):
        if severity <= trt.ILogger.ERROR:
            self.errors.append(message)


def build(path, capability):
    """Size of the engine of the graph at `path`. What keeps it from being built ends the program."""
    log = Log()
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse_from_file(path):
        raise SystemExit(f"{path}: " + "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors)))
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(trt.ComputeCapability, capability.upper()), 0)
    named = sizes(onnx.load(path, load_external_data=False))
    tokens = [frames * height * width // 4 for frames, height, width in SIZES]
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        value = network.get_input(index)
        dims = [dim for (name, dim) in named if name == value.name]
        shapes = []
        for which in range(3):
            free = iter(dims * 2)
            shapes.append([side if side >= 0 else named[value.name, next(free)][which] for side in value.shape])
        if value.is_shape_tensor:
            profile.set_shape_input(value.name, *numbers(value.name, tokens))
        else:
            profile.set_shape(value.name, *shapes)
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise SystemExit(f"{path} for {capability}: " + "; ".join(log.errors))
    return plan.nbytes


def main():
    capabilities, paths = sys.argv[1].split(","), sys.argv[2:]
    if not paths:
        raise SystemExit("No graphs were given.")
    for path in paths:
        for capability in capabilities:
            began = time.monotonic()
            megabytes = build(path, capability) / 1e6
            print(f"{capability} {path}: {megabytes:.1f} MB in {time.monotonic() - began:.1f} s", flush=True)


main()

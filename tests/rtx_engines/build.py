"""Builds engines of exported graphs with TensorRT for RTX, which needs no card for that.

    python build.py PROFILES.json CAPABILITIES MODEL.onnx ...

PROFILES has, for each graph, the smallest, usual and largest shapes of its inputs in the notation of the plugin's options.
CAPABILITIES is a list such as sm86,sm89,sm120. A graph that cannot be parsed or built ends the program with the
library's own words. This proves that graphs compile for these cards and sizes, not what they compute.
"""
import json
import pathlib
import sys
import time

import tensorrt_rtx as trt


def shapes(text):
    """Shapes by input of `latent:1x16x1x60x104,frames_from_1:1`; an input that decides sizes has its numbers there."""
    named = (shape.rsplit(":", 1) for shape in text.split(","))
    return {name: [int(side) for side in sides.split("x")] for name, sides in named}


class Log(trt.ILogger):
    """Keeps errors, and drops the rest."""

    def __init__(self):
        super().__init__()
        self.errors = []

    def log(self, severity, message):
        if severity <= trt.ILogger.ERROR:
            self.errors.append(message)


def build(path, profiles, capability):
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
    # as the plugin does: the profile's shapes, and for inputs that are not in it their fixed ones
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        value = network.get_input(index)
        three = [named.get(value.name, list(value.shape)) for named in profiles]
        if value.is_shape_tensor:
            profile.set_shape_input(value.name, *three)
        else:
            profile.set_shape(value.name, *three)
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise SystemExit(f"{path} for {capability}: " + "; ".join(log.errors))
    return plan.nbytes


def main():
    if len(sys.argv) < 4:
        raise SystemExit("No graphs were given.")
    of_graphs = json.loads(pathlib.Path(sys.argv[1]).read_text())
    for path in sys.argv[3:]:
        profiles = [shapes(text) for text in of_graphs[pathlib.Path(path).stem]]
        for capability in sys.argv[2].split(","):
            began = time.monotonic()
            megabytes = build(path, profiles, capability) / 1e6
            print(f"{capability} {path}: {megabytes:.1f} MB in {time.monotonic() - began:.1f} s", flush=True)


main()

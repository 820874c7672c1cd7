"""Rates of the forms of a causal 3x3x3 convolution in ONNX Runtime, against the machine's Gemm and torch.

Every form computes the same frames: `T` of `T + 2` frames of `C` channels, as in the VAE with its cache. Forms: one 3-D
convolution; the sum of three 2-D ones; three frames side by side as channels; minimal filtering along time, which makes two
frames of four 2-D convolutions, F(2,3), or four of six, F(4,3). Each 2-D form with ONNX Runtime's NCHWc layout and without
it. The rate counts the products of the definition, so a form with fewer products can be faster than Gemm. Times are of the
processor (user and system), so other work on the machine counts little; forms alternate, and the best of the runs is taken.
"""

import argparse
import os
import time

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

# input channels, output channels, frames, rows, columns: bands of the levels of VAE 2.2 and 2.1
SHAPES = "1024,1024,1,30,52 1024,1024,2,30,52 512,512,4,30,104 512,256,4,16,416 256,256,4,32,416 256,16,4,32,416 192,192,4,32,208 96,96,4,32,416"
AXIS = np.array([2], np.int64)
TWO = (
    [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
    [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]],
    [[1, 1, 1, 0], [0, 1, -1, -1]],
)
FOUR = (
    [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]],
    [[1 / 4, 0, 0], [-1 / 6] * 3, [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]],
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
)


class Form:
    """A graph under construction: nodes and constants over the frames of `x`."""

    def __init__(self, frames):
        self.nodes, self.constants, self.count = [], {"axis": AXIS}, 0
        split = [f"frame{i}" for i in range(frames)]
        self.nodes.append(helper.make_node("Split", ["x"], split, axis=2, num_outputs=frames))
        self.frames = [self.op("Squeeze", name, "axis") for name in split]

    def op(self, kind, *inputs, **attributes):
        self.count += 1
        self.nodes.append(helper.make_node(kind, list(inputs), [f"v{self.count}"], **attributes))
        return f"v{self.count}"

    def constant(self, value):
        self.count += 1
        self.constants[f"c{self.count}"] = np.ascontiguousarray(value, np.float32)
        return f"c{self.count}"

    def conv(self, x, weight, bias=None):
        return self.op("Conv", x, self.constant(weight), *([] if bias is None else [self.constant(bias)]), pads=[1, 1, 1, 1])

    def sum(self, factors, values):
        total = None
        for factor, value in zip(factors, values):
            if factor == 0:
                continue
            part = value if abs(factor) == 1 else self.op("Mul", value, self.constant(abs(factor)))
            if total is None:
                total = part if factor > 0 else self.op("Neg", part)
            else:
                total = self.op("Add" if factor > 0 else "Sub", total, part)
        return total

    def finish(self, frames):
        frames = [self.op("Unsqueeze", frame, "axis") for frame in frames]
        self.nodes.append(helper.make_node("Concat", frames, ["y"], axis=2))
        return self.nodes, self.constants


def three(weight, bias, frames):
    form, results = Form(frames + 2), []
    for at in range(frames):
        parts = [form.conv(form.frames[at + tap], weight[:, :, tap], bias if tap == 0 else None) for tap in range(3)]
        results.append(form.op("Add", form.op("Add", *parts[:2]), parts[2]))
    return form.finish(results)


def side_by_side(weight, bias, frames):
    form = Form(frames + 2)
    stacked = np.concatenate([weight[:, :, tap] for tap in range(3)], 1)
    joined = [form.op("Concat", *form.frames[at : at + 3], axis=1) for at in range(frames)]
    return form.finish([form.conv(x, stacked, bias) for x in joined])


def filtered(matrices, weight, bias, frames):
    inputs, taps, outputs = matrices
    form, results, made = Form(frames + 2), [], len(outputs)
    weights = np.einsum("jk,oikhw->joihw", np.array(taps), weight.astype(np.float64))
    for start in range(0, frames, made):
        given = form.frames[start : start + made + 2]
        products = [form.conv(form.sum(row, given), weights[j], bias if j == 1 else None) for j, row in enumerate(inputs)]
        results += [form.sum(row, products) for row in outputs]
    return form.finish(results)


def session(nodes, constants, shape, threads, blocked):
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(
        nodes, "form", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], tensors
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if blocked else level.ORT_ENABLE_EXTENDED
    made = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda x: made.run(None, {"x": x})[0]


def forms(weight, bias, shape, threads):
    frames = shape[2] - 2
    whole = ([helper.make_node("Conv", ["x", "w", "b"], ["y"], pads=[0, 1, 1, 0, 1, 1])], {"w": weight, "b": bias})
    found = {"3-D": session(*whole, shape, threads, False)}
    kinds = {"three 2-D": three(weight, bias, frames), "side by side": side_by_side(weight, bias, frames)}
    if frames % 2 == 0:
        kinds["F(2,3)"] = filtered(TWO, weight, bias, frames)
    if frames % 4 == 0:
        kinds["F(4,3)"] = filtered(FOUR, weight, bias, frames)
    for name, graph in kinds.items():
        found[name] = session(*graph, shape, threads, False)
        found[f"{name} NCHWc"] = session(*graph, shape, threads, True)
    return found


def torch_forms(weight, bias, threads):
    import torch

    torch.set_num_threads(threads)

    def conv(dtype):
        w, b = torch.from_numpy(weight).to(dtype), torch.from_numpy(bias).to(dtype)

        def run(x):
            with torch.inference_mode():
                return torch.nn.functional.conv3d(torch.from_numpy(x).to(dtype), w, b, padding=(0, 1, 1)).float().numpy()

        return run

    return {"torch fp32": conv(torch.float32), "torch bf16": conv(torch.bfloat16)}, conv(torch.float64)


def processor():
    used = os.times()
    return used.user + used.system


def best(runs, count):
    seconds = {name: [] for name in runs}
    for round in range(count + 1):
        for name, run in runs.items():
            before, began = processor(), time.perf_counter()
            run()
            # the first round warms up
            if round:
                seconds[name].append((processor() - before, time.perf_counter() - began))
    return {name: [min(values) for values in zip(*times)] for name, times in seconds.items()}


def measure(text, threads, count, has_torch):
    inputs, outputs, frames, rows, columns = map(int, text.split(","))
    random = np.random.default_rng(0)
    normal = lambda *shape: random.standard_normal(shape, np.float32)
    weight, bias = normal(outputs, inputs, 3, 3, 3) / np.float32(np.sqrt(27 * inputs)), normal(outputs)
    x = normal(1, inputs, frames + 2, rows, columns)
    found, exact = forms(weight, bias, list(x.shape), threads), None
    if has_torch:
        more, exact = torch_forms(weight, bias, threads)
        found.update(more)
    a, b = normal(1152, 1152), normal(1152, 1152)
    gemm = session([helper.make_node("MatMul", ["x", "b"], ["y"])], {"b": b}, [1152, 1152], threads, False)
    runs = {name: lambda run=run: run(x) for name, run in found.items()} | {"Gemm": lambda: [gemm(a) for _ in range(8)]}
    expected = exact(x) if exact else None
    products = 2 * 27 * inputs * outputs * frames * rows * columns
    times = best(runs, count)
    machine = 8 * 2 * 1152**3 / times["Gemm"][0]
    print(f"{inputs} -> {outputs} channels, {frames} frames of {rows}x{columns}; Gemm {machine / 1e9:.0f} GFLOP for each second of the processor")
    for name, run in found.items():
        used, wall = times[name]
        error = "" if expected is None else f"  error {np.linalg.norm(run(x) - expected) / np.linalg.norm(expected):.1e}"
        print(f"  {name:20} {products / used / 1e9:6.0f} GFLOP/s  {products / used / machine:5.2f} of Gemm  {used / times['3-D'][0]:5.2f} of 3-D  wall {wall:.3f} s{error}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default=SHAPES, help="input channels, output channels, frames, rows, columns of each")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-torch", action="store_true", help="leave torch out, and the errors with it")
    args = parser.parse_args()
    for shape in args.shapes.split():
        measure(shape, args.threads, args.runs, not args.no_torch)


if __name__ == "__main__":
    main()

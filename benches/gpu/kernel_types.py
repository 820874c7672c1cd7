"""Which operation has a CUDA kernel for which type: a model of one node each, with no way back to the CPU."""

import os

import onnx
import onnxruntime
from onnx import TensorProto, helper

TYPES = {
    "F32": TensorProto.FLOAT,
    "F16": TensorProto.FLOAT16,
    "Bf16": TensorProto.BFLOAT16,
    "I32": TensorProto.INT32,
    "I64": TensorProto.INT64,
    "I8": TensorProto.INT8,
    "U8": TensorProto.UINT8,
    "F8E4M3": TensorProto.FLOAT8E4M3FN,
    "F8E5M2": TensorProto.FLOAT8E5M2,
}
CONTRIB = {"FastGelu", "QuickGelu", "MultiHeadAttention", "RotaryEmbedding"}
# operation: inputs after the first; a shape is of the type that is asked about, a list of integers is a constant
SHAPES = {
    "Add": [(2, 4)], "Sub": [(2, 4)], "Mul": [(2, 4)], "Div": [(2, 4)], "Max": [(2, 4)], "Concat": [(2, 4)],
    "Clip": [(), ()], "Gemm": [(4, 4)], "MatMul": [(4, 4)], "LayerNormalization": [(4,), (4,)],
    "RMSNormalization": [(4,)], "Expand": [[3, 2, 4]], "Gather": [[0, 1]], "Reshape": [[8]], "Slice": [[0], [1]],
    "Squeeze": [[0]], "Unsqueeze": [[0]], "Pad": [[0, 0, 1, 1]], "ReduceL2": [[1]], "ReduceMax": [[1]],
    "ReduceMean": [[1]], "ReduceMin": [[1]], "Conv": [(2, 2, 1, 3, 3)], "MultiHeadAttention": [(1, 4, 64), (1, 4, 64)],
    "RotaryEmbedding": [[0], (4, 32), (4, 32)], "Cos": [], "Sin": [], "Neg": [], "Transpose": [], "Shape": [],
    "Cast": [], "Split": [], "FastGelu": [], "QuickGelu": [], "Resize": [], "DequantizeLinear": [],
}  # fmt: skip
FIRST = {
    "Squeeze": (1, 4),
    "Resize": (1, 1, 2, 4),
    "Conv": (1, 2, 3, 4, 4),
    "MultiHeadAttention": (1, 4, 64),
    "RotaryEmbedding": (1, 4, 64),
}
ATTRIBUTES = {
    "Concat": {"axis": 0},
    "Split": {"num_outputs": 2},
    "Resize": {"mode": "nearest"},
    "MultiHeadAttention": {"num_heads": 1},
    "RotaryEmbedding": {"interleaved": 1},
}


def model(op, dtype):
    inputs = [helper.make_tensor_value_info("x", dtype, FIRST.get(op, (2, 4)))]
    names, constants, attributes, output = ["x"], [], dict(ATTRIBUTES.get(op, {})), dtype
    for index, shape in enumerate(SHAPES[op]):
        names.append(f"i{index}")
        if isinstance(shape, list):
            constants.append(helper.make_tensor(names[-1], TensorProto.INT64, [len(shape)], shape))
        else:
            inputs.append(helper.make_tensor_value_info(names[-1], dtype, shape))
    if op == "Resize":
        names += ["", "scales"]
        constants.append(helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, 2, 2]))
    if op == "DequantizeLinear":
        names.append("scale")
        inputs.append(helper.make_tensor_value_info("scale", TensorProto.FLOAT, ()))
        output = TensorProto.FLOAT
    if op == "Cast":
        output = TensorProto.FLOAT if dtype == TensorProto.FLOAT16 else TensorProto.FLOAT16
        attributes["to"] = output
    if op == "Shape":
        output = TensorProto.INT64
    outputs = ["y", "z"] if op == "Split" else ["y"]
    domain = "com.microsoft" if op in CONTRIB else ""
    node = helper.make_node(op, names, outputs, domain=domain, **attributes)
    results = [helper.make_tensor_value_info(name, output, None) for name in outputs]
    graph = helper.make_graph([node], "one", inputs, results, constants)
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=11)


def has_kernel(op, dtype):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        bytes_ = model(op, dtype).SerializeToString()
        onnxruntime.InferenceSession(bytes_, options, providers=["CUDAExecutionProvider"])
    except Exception:  # every kind of refusal says no
        return False
    return True


if __name__ == "__main__":
    onnxruntime.set_default_logger_severity(4)
    print("ONNX Runtime", onnxruntime.__version__)
    for op in sorted(SHAPES):
        print(op, *(name for name, dtype in TYPES.items() if has_kernel(op, dtype)), flush=True)
    os._exit(0)

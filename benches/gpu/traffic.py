"""Bytes that the operations of a profile read and write on the device, beside products, attention and convolutions.

traffic.py PROFILE [REPEATS]: a profile of one network as `generate --profile` keeps it; the recorder of
tests/cuda_recorder makes one without a card. Views and what the host computes are left out. A product with a bias counts
with what ONNX Runtime does for it: the bias is written over the result, and read again. REPEATS divides the sums, for
instance by the number of steps.
"""

import json
import sys

SIZES = {"float": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "uint8": 1, "int8": 1, "bool": 1, "float8e4m3fn": 1}
PRODUCTS = {"Gemm", "MatMul", "MultiHeadAttention", "Conv", "FusedMatMul"}
PARTS = {"Gather", "Slice", "Split"}
VIEWS = {"Reshape", "Squeeze", "Unsqueeze", "Shape", "Identity"}


def size(entry):
    (kind, shape), = entry.items()
    count = SIZES.get(kind, 4)
    for side in shape:
        count *= side
    return count


def traffic(trace):
    """Bytes and calls by operation."""
    sums = {}
    for event in trace:
        told = event.get("args") or {}
        name = told.get("op_name")
        if not name or not event["name"].endswith("_kernel_time") or name in VIEWS:
            continue
        if told.get("provider") != "CUDAExecutionProvider":
            continue
        inputs, outputs = ([size(entry) for entry in told.get(key, [])] for key in ("input_type_shape", "output_type_shape"))
        if name == "MatMul" and min(inputs) < 1 << 20:
            # the permutation of the rotary embedding
            name, bytes_ = "MatMul with a small matrix", sum(inputs) + sum(outputs)
        elif name in PRODUCTS:
            if name != "Gemm" or len(inputs) < 3:
                continue
            name, bytes_ = "Gemm's bias", 2 * sum(outputs)
        else:
            # of what is cut, only that part is read
            bytes_ = 2 * sum(outputs) if name in PARTS else sum(inputs) + sum(outputs)
        moved, calls = sums.get(name, (0, 0))
        sums[name] = (moved + bytes_, calls + 1)
    return sums


def main():
    with open(sys.argv[1]) as file:
        sums = traffic(json.load(file))
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for name, (moved, calls) in sorted(sums.items(), key=lambda entry: -entry[1][0]):
        print(f"{name:<40} {moved / repeats / 1e9:10.2f} GB {calls / repeats:8.0f} calls")
    print(f"{'all':<40} {sum(moved for moved, _ in sums.values()) / repeats / 1e9:10.2f} GB")


if __name__ == "__main__":
    main()

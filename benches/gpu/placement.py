"""Which nodes of exported graphs are not on the card: python placement.py FOLDER"""

import collections
import pathlib
import re
import subprocess
import sys

import onnxruntime


def load(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 0
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    cuda = ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"})
    onnxruntime.InferenceSession(path, options, providers=[cuda, "CPUExecutionProvider"])
    print("loaded", flush=True)


def report(path):
    done = subprocess.run([sys.executable, __file__, "--load", str(path)], capture_output=True, text=True)
    log = done.stdout + done.stderr
    provider, placed = None, collections.defaultdict(collections.Counter)
    for line in log.splitlines():
        if found := re.search(r"placed on \[(\w+)\]. Number of nodes: (\d+)", line):
            provider = found.group(1)
            placed[provider]["all"] = int(found.group(2))
        elif provider and (found := re.search(r"AssignedToAnEp\]\s+(\w+) \(", line)):
            placed[provider][found.group(1)] += 1
    if "loaded" not in done.stdout:
        print(f"{path}: NOT LOADED {log[-500:]}")
        return
    on_card = placed.pop("CUDAExecutionProvider", {}).get("all", 0)
    copies = log.count("Memcpy nodes are added")
    print(f"{path}: {on_card} on CUDA, elsewhere {dict(placed)}, warnings of copies {copies}")


if __name__ == "__main__":
    if sys.argv[1] == "--load":
        load(sys.argv[2])
    else:
        for model in sorted(pathlib.Path(sys.argv[1]).rglob("*.onnx")):
            report(model)

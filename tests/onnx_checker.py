"""Checks exported models with the reference checker: python onnx_checker.py MODEL.onnx ..."""
import sys

import onnx

for path in sys.argv[1:]:
    onnx.checker.check_model(path, full_check=False)
    print("accepted", path)

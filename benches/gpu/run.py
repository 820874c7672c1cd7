"""What can only be known on an NVIDIA card, in parts of some two minutes at most. See README.md."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import traceback

import parts
from job import Program


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="*", choices=[*parts.ALL, []], help="parts to run, in this order [all]")
    parser.add_argument("--wandeck", default=os.environ.get("WANDECK", "target/release/wandeck"))
    parser.add_argument("--work", type=pathlib.Path, help="folder for models and videos to keep [a temporary one]")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("gpu-results"), help="folder for the results")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or pathlib.Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        program = Program(arguments.wandeck, work)
        for name in arguments.part or parts.ALL:
            began = time.perf_counter()
            try:
                result, table = parts.ALL[name](program)
            except Exception as error:  # the other parts are worth their time
                result, table = {"error": traceback.format_exc()}, [(name, f"FAILED: {error!r}"[:300])]
            seconds = time.perf_counter() - began
            (arguments.out / f"{name}.json").write_text(json.dumps(result, indent=1))
            rows += [(f"== {name}", f"{seconds:.0f} s"), *table]
            for row in rows[-len(table) - 1 :]:
                print(f"{row[0]:<46}", *row[1:], flush=True)
    (arguments.out / "table.txt").write_text("\n".join(f"{row[0]:<46} " + " ".join(map(str, row[1:])) for row in rows) + "\n")


if __name__ == "__main__":
    main()

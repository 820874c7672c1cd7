"""Checks a trace file by the rules of Chrome's Trace Event Format, with Python's standard library alone.

python3 tests/trace_checker.py TRACE.json [NUMBER_OF_SPANS]
"""

import json
import sys


def check(path, spans):
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    events = document["traceEvents"]
    tracks = {}
    counts = {"M": 0, "X": 0, "C": 0}
    own = 0
    for event in events:
        phase = event["ph"]
        counts[phase] += 1
        assert isinstance(event["name"], str) and event["name"], event
        assert isinstance(event["pid"], int) and isinstance(event["tid"], int), event
        if phase == "M":
            assert event["name"] in ("process_name", "thread_name") and event["args"]["name"], event
            continue
        assert isinstance(event["ts"], int), event
        if phase == "X":
            assert event["dur"] >= 0, event
            track = (event["pid"], event["tid"])
            tracks.setdefault(track, []).append((event["ts"], event["ts"] + event["dur"]))
            own += event["pid"] == 1
        else:
            values = event["args"].values()
            assert values and all(isinstance(value, (int, float)) for value in values), event
    for (process, track), ranges in tracks.items():
        if process != 1:
            # calls of ONNX Runtime contain each other
            continue
        for (_, ended), (began, _) in zip(ranges, ranges[1:]):
            # the two ends of a span are rounded on their own
            assert began >= ended - 2, f"events of track {track} overlap"
    assert counts["C"] > 0 and counts["M"] > 0, counts
    assert spans is None or own == spans, (own, spans)
    print(f"{path}: {counts['X']} spans, {counts['C']} counter values")


if __name__ == "__main__":
    check(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)

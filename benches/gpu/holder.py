"""Leaves GIB of the card free, or all of it without an argument, and tells how much others took meanwhile.

Prints "held" when it is ready, and the largest use by others in bytes when its input ends.
"""

import sys
import threading

import torch


def main():
    free, _total = torch.cuda.mem_get_info()
    held = []
    if len(sys.argv) > 1:
        held.append(torch.empty(int(free - float(sys.argv[1]) * 2**30), dtype=torch.uint8, device="cuda"))
    first = least = torch.cuda.mem_get_info()[0]
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    print("held", flush=True)
    while not ended.wait(0.02):
        least = min(least, torch.cuda.mem_get_info()[0])
    print(first - least)


if __name__ == "__main__":
    main()

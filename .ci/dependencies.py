"""Checks the dependencies in Cargo.toml: each is used, and every crate behind them has a licence that we may ship.

    python3 .ci/dependencies.py

Needs nothing beyond Python and cargo. A dependency counts as used where the sources name its crate.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",  # the root certificates of webpki-roots
    "ISC",
    "MIT",
    "MPL-2.0",
    "NCSA",
    "OFL-1.1",
    "Ubuntu-font-1.0",  # the fonts of epaint_default_fonts
    "Unicode-3.0",
    "Zlib",
}


def may_ship(expression):
    """Whether an SPDX expression leaves us a choice of allowed licences. Old crates write "A/B" for "A OR B".

    >>> [may_ship(good) for good in ("MIT", "Unlicense/MIT", "(MIT OR GPL-2.0-only) AND Unicode-3.0")]
    [True, True, True]
    >>> [may_ship(bad) for bad in ("GPL-3.0-only", "MIT AND AGPL-3.0-only", "Apache-2.0 WITH Other-exception")]
    [False, False, False]
    """
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))

    def either():
        allowed = both()
        while tokens[:1] == ["OR"]:
            tokens.pop(0)
            allowed = both() or allowed
        return allowed

    def both():
        allowed = licence()
        while tokens[:1] == ["AND"]:
            tokens.pop(0)
            allowed = licence() and allowed
        return allowed

    def licence():
        name = tokens.pop(0)
        if name == "(":
            allowed = either()
            tokens.pop(0)
            return allowed
        if tokens[:1] == ["WITH"]:
            name = " ".join([name, tokens.pop(0), tokens.pop(0)])
        return name in ALLOWED

    return either()


def sources(*folders):
    return "\n".join(file.read_text(encoding="utf-8") for folder in folders for file in (ROOT / folder).rglob("*.rs"))


def main():
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    packages = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    complaints = []

    for package in packages:
        licence = package["license"]
        if not licence or not may_ship(licence):
            complaints.append(f"{package['name']} {package['version']}: licence {licence!r} is not in .ci/dependencies.py")

    (own,) = [package for package in packages if package["source"] is None]
    program, everything = sources("src"), sources("src", "tests", "benches")
    for dependency in own["dependencies"]:
        name = (dependency["rename"] or dependency["name"]).replace("-", "_")
        text = everything if dependency["kind"] == "dev" else program
        if not re.search(rf"\b{name}(::|;| as )|extern crate {name}\b", text):
            complaints.append(f"{dependency['name']}: a dependency in Cargo.toml that the sources do not name")

    print(f"{len(packages)} packages, {len(own['dependencies'])} of them in Cargo.toml")
    for complaint in complaints:
        print(complaint)
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())

"""Turns the JSON of `pip install --report` into a lock file with checksums (see scripts/setup --relock)."""
import json
import sys

HEADER = """\
# LibTorch is the PyTorch wheel; it and everything it needs, pinned by checksum
# (Python 3.11, x86-64 Linux). Made by `scripts/setup --relock` from scripts/requirements.in.
"""


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        packages = json.load(file)["install"]
    lines = []
    for package in packages:
        metadata = package["metadata"]
        sha256 = package["download_info"]["archive_info"]["hashes"]["sha256"]
        name = metadata["name"].lower().replace("_", "-")
        lines.append(f"{name}=={metadata['version']} --hash=sha256:{sha256}\n")
    print(HEADER + "".join(sorted(lines)), end="")


main()

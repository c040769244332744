"""Turns the JSON of `pip install --report` into a lock file with checksums (see scripts/setup --relock).

lock_file.py REPORT IN_FILE [BASE_LOCK]: what BASE_LOCK pins already is left out.
"""
import json
import pathlib
import sys

HEADERS = {
    "requirements.in": """\
# LibTorch is the PyTorch wheel; it and everything it needs, pinned by checksum
# (Python 3.11, x86-64 Linux). Made by `scripts/setup --relock` from scripts/requirements.in.
""",
    "requirements-extras.in": """\
# What some tests and benchmarks compare with, beyond what requirements.txt pins (Python 3.11,
# x86-64 Linux). Made by `scripts/setup --relock` from scripts/requirements-extras.in.
""",
    "requirements-cuda.in": """\
# The CUDA compiler, for systems without a CUDA 13 toolkit: it unpacks next to the CUDA libraries that
# requirements.txt pins. Made by `scripts/setup --relock` from scripts/requirements-cuda.in.
""",
    "requirements-cmake.in": """\
# CMake, for systems whose own is older than 3.25. Made by `scripts/setup --relock` from
# scripts/requirements-cmake.in.
""",
}


def pins(report):
    """(name, version, sha256) of every package that pip would install."""
    for package in report["install"]:
        metadata = package["metadata"]
        name = metadata["name"].lower().replace("_", "-")
        yield name, metadata["version"], package["download_info"]["archive_info"]["hashes"]["sha256"]


def main():
    report, in_file, *base_lock = (pathlib.Path(argument) for argument in sys.argv[1:])
    locked = {line.split("==")[0] for path in base_lock for line in path.read_text().splitlines()}
    lines = [f"{name}=={version} --hash=sha256:{sha256}\n"
             for name, version, sha256 in pins(json.loads(report.read_text(encoding="utf-8")))
             if name not in locked]
    print(HEADERS[in_file.name] + "".join(sorted(lines)), end="")


main()

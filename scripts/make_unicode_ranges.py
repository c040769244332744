"""Writes src/text/unicode_ranges.cpp: the letters, numbers and spaces of GPT-2's pattern, and the
characters of words.

    $GPTTRAIN_CACHE/extras/bin/python scripts/make_unicode_ranges.py [--check]

The classes are those of tiktoken's own regular expressions, asked code point by code point, so that
they are of the Unicode version that tiktoken was built with. --check only compares with the file.
"""
import pathlib
import sys

import tiktoken

FILE = pathlib.Path(__file__).resolve().parent.parent / "src/text/unicode_ranges.cpp"
CLASSES = {"Letter": r"\p{L}", "Number": r"\p{N}", "Space": r"\s", "Word": r"\w"}
BYTES = {bytes([byte]): byte for byte in range(256)}

HEADER = """\
// Unicode {version}: \\p{{L}}, \\p{{N}}, \\s and \\w as tiktoken {tiktoken} has them, first and last code points.
// Made by scripts/make_unicode_ranges.py; do not edit.
#include "char_class.h"

namespace gpt {{

namespace {{

// clang-format off
"""

FOOTER = """\
// clang-format on

}}  // namespace

{spans}
}}  // namespace gpt
"""
SPAN = "const std::span<const CodeRange> k{name}Ranges = k{name}s;\n"


def matcher(pattern):
    """Gives the parts of a text that match."""
    encoding = tiktoken.Encoding("probe", pat_str=pattern, mergeable_ranks=BYTES, special_tokens={})
    return lambda text: bytes(encoding.encode_ordinary(text))


def unicode_version():
    """The newest version whose characters the engine knows by age."""
    versions = []
    for major in range(10, 30):
        for minor in range(3):
            try:
                matcher(rf"\p{{age={major}.{minor}}}")
            except ValueError:
                continue
            versions.append(f"{major}.{minor}")
    return versions[-1]


def ranges(pattern):
    matches = matcher(pattern)
    found = []
    for code in range(0x110000):
        if 0xD800 <= code <= 0xDFFF or not matches(chr(code)):
            continue
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


def array(name, pattern):
    items = [f"{{0x{first:X},0x{last:X}}}," for first, last in ranges(pattern)]
    lines = [f"constexpr CodeRange k{name}s[] = {{"]
    for item in items:
        if len(lines) == 1 or len(lines[-1]) + len(item) > 100:
            lines.append(" ")
        lines[-1] += item
    return "\n".join(lines + ["};", ""])


def main():
    header = HEADER.format(version=unicode_version(), tiktoken=tiktoken.__version__)
    arrays = "\n".join(array(name, pattern) for name, pattern in CLASSES.items())
    text = header + arrays + FOOTER.format(spans="".join(SPAN.format(name=name) for name in CLASSES))
    if sys.argv[1:] == ["--check"]:
        if FILE.read_text(encoding="utf-8") != text:
            sys.exit(f"{FILE} is not what this script writes; run it without --check")
        return
    FILE.write_text(text, encoding="utf-8")


main()

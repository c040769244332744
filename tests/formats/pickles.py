"""Writes DIR/NAME.PROTOCOL.pkl for every value below and protocol, and DIR/NAME.json next to them.

A value is described in JSON as the test describes what it read: lists and dicts as they are (a dict
as its pairs), all else as a text that tells its type.
"""
import argparse
import collections
import dataclasses
import datetime
import enum
import functools
import json
import math
import pathlib
import pickle
import sys


def described(value):
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return f"int {value}"
    if isinstance(value, float):
        return f"float {value.hex()}" if math.isfinite(value) else f"float {value}"
    if isinstance(value, str):
        return f"str {value}"
    if isinstance(value, (bytes, bytearray)):
        return f"bytes {value.hex()}"
    if isinstance(value, (set, frozenset)):
        return ["set"] + sorted(described(item) for item in value)
    if isinstance(value, dict):
        return ["dict"] + [[described(key), described(item)] for key, item in value.items()]
    return [type(value).__name__] + [described(item) for item in value]


shared = [1, 2]
text = "\0\n\r\x1a\\u1234\\U café — 語 \U0001f600 \x7f\x80\xff'\""
VALUES = {
    "scalars": [None, True, False, 0, 1, -1, 255, 256, 65535, 65536, 2**31 - 1, -2**31, 2**31,
                2**63 - 1, -2**63, 0.1, -1e300, 5e-324, math.inf, -math.inf, 1e16, -0.0],
    "texts": ["", "a", text, "x" * 300, "é" * 70000],
    "bytes": [b"", b"\0\xff\x80abc", b"y" * 300, b"z" * 70000, bytearray(b"\x00\xe9"), bytearray()],
    "containers": [[], [1], list(range(2500)), (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {},
                   {"a": 1}, {i: str(i) for i in range(2500)}, [[[[]]]], {"a": {"b": [({},)]}}],
    "sets": [set(), {1, 2, 3}, frozenset(), frozenset("ab")],
    "shared": [shared, shared, (shared, shared), "same", "same"],
    "ordered": collections.OrderedDict([("b", 1), ("a", [2])]),
    "meta": {"vocab_size": 3, "itos": {0: "\n", 1: "a", 2: "é"}, "stoi": {"\n": 0, "a": 1, "é": 2}},
}

folder = pathlib.Path(sys.argv[1])
for name, value in VALUES.items():
    (folder / f"{name}.json").write_text(json.dumps(described(value)), "utf-8")
    for protocol in range(6):
        (folder / f"{name}.{protocol}.pkl").write_bytes(pickle.dumps(value, protocol))


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Config:
    n_embd: int = 384


class Slots:
    __slots__ = ("width",)

    def __init__(self):
        self.width = 7

    def __getstate__(self):
        return None, {"width": self.width}


class DictClass(dict):
    pass


class ListClass(list):
    pass


class Keywords:
    def __new__(cls, *, named):
        self = super().__new__(cls)
        self.named = named
        return self

    def __getnewargs_ex__(self):
        return (), {"named": self.named}


class Circle:
    def __init__(self):
        self.name, self.me = "me", self


OBJECTS = {"namespace": argparse.Namespace(n_head=6), "dataclass": Config(), "slots": Slots(),
           "dict_class": DictClass(a=1), "keywords": Keywords(named=2), "enum": Color.RED,
           "path": pathlib.PosixPath("a/b"), "date": datetime.datetime(2026, 1, 2), "list_class": ListClass([1]),
           "default": collections.defaultdict(int, x=3), "counter": collections.Counter("abb"),
           "partial": functools.partial(int, base=2), "complex": 1j, "range": range(3), "large": -(2**77),
           "circle": Circle()}
for protocol in range(6):
    (folder / f"objects.{protocol}.pkl").write_bytes(pickle.dumps(OBJECTS, protocol))

try:
    import numpy
except ImportError:
    sys.exit()
NUMBERS = {kind: getattr(numpy, kind)(value) for value, kinds in
           ((-5, ("int8", "int16", "int32", "int64")), (200, ("uint8", "uint16", "uint32", "uint64")),
            (1.5, ("float16", "float32", "float64"))) for kind in kinds}
NUMBERS |= {"bool": numpy.bool_(True), "text": numpy.str_("café"), "huge": numpy.uint64(2**64 - 1),
            "swapped": numpy.array([5], ">i4")}
for protocol in range(6):
    (folder / f"numpy.{protocol}.pkl").write_bytes(pickle.dumps(NUMBERS, protocol))

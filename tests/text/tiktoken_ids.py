"""tiktoken's ids for many texts: tiktoken_ids.py VOCABULARY TEXTS IDS as_text|as_token.

TEXTS and IDS hold, item after item, a 32-bit count and as many bytes, or 32-bit ids. tiktoken takes
text alone, so a text that is not UTF-8 is cut into pieces by OpenAI's original pattern and the regex
module, with every byte that does not fit as a character that is neither space, letter nor number;
tiktoken then encodes the pieces.
"""
import pathlib
import struct
import sys

import numpy
import regex
import tiktoken
import tiktoken.load
from tiktoken_ext.openai_public import r50k_pat_str

PATTERN = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def read_texts(path):
    data = pathlib.Path(path).read_bytes()
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        yield data[at + 4:at + 4 + size]
        at += 4 + size


def encode_bytes(encoding, data):
    ids = []
    for piece in PATTERN.findall(data.decode("utf-8", "surrogateescape")):
        piece = piece.encode("utf-8", "surrogateescape")
        ids += encoding._core_bpe.encode_single_piece(piece)
    return ids


def main():
    vocabulary, texts, out, end_of_text = sys.argv[1:]
    encoding = tiktoken.Encoding(
        "gpt2", pat_str=r50k_pat_str, mergeable_ranks=tiktoken.load.load_tiktoken_bpe(vocabulary),
        special_tokens={"<|endoftext|>": 50256})
    special = {"<|endoftext|>"} if end_of_text == "as_token" else set()
    with open(out, "wb") as file:
        for data in read_texts(texts):
            try:
                text = data.decode("utf-8")
            except UnicodeDecodeError:
                ids = encode_bytes(encoding, data)
            else:
                ids = encoding.encode(text, allowed_special=special, disallowed_special=())
            file.write(struct.pack("<I", len(ids)) + numpy.array(ids, dtype="<i4").tobytes())


main()

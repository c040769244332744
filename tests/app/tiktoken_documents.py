"""Whether a dataset holds what nanoGPT's prepare.py would write, by tiktoken:

    tiktoken_documents.py VOCABULARY FOLDER documents|text INPUT...

documents: each INPUT is a .jsonl; every text is encoded alone and followed by <|endoftext|>, as in
nanoGPT's data/openwebtext, and goes as a whole to train.bin or val.bin, in order. text: the one
INPUT is cut at nine tenths of its characters, as in data/shakespeare. Prints how many tokens agreed.
"""
import json
import pathlib
import struct
import sys

import tiktoken
import tiktoken.load
from tiktoken_ext.openai_public import r50k_pat_str

END = 50256


def tokens(path):
    data = path.read_bytes()
    return list(struct.unpack(f"<{len(data) // 2}H", data))


def check_documents(encoding, train, val, inputs):
    at = {"train": 0, "val": 0}
    sides = {"train": train, "val": val}
    lines = [line for path in inputs for line in open(path, encoding="utf-8") if line.strip()]
    for number, line in enumerate(lines):
        ids = encoding.encode_ordinary(json.loads(line)["text"]) + [END]
        for side in sides:
            if sides[side][at[side]:at[side] + len(ids)] == ids:
                at[side] += len(ids)
                break
        else:
            sys.exit(f"document {number} is next in neither file")
    if any(at[side] != len(sides[side]) for side in sides):
        sys.exit(f"there are tokens of no document: {at}, {len(train)}, {len(val)}")


def check_text(encoding, train, val, inputs):
    data = pathlib.Path(inputs[0]).read_bytes().decode("utf-8")
    cut = int(len(data) * 0.9)
    if (train, val) != (encoding.encode_ordinary(data[:cut]), encoding.encode_ordinary(data[cut:])):
        sys.exit("other tokens than tiktoken's")


def main():
    vocabulary, folder, kind, *inputs = sys.argv[1:]
    encoding = tiktoken.Encoding(
        "gpt2", pat_str=r50k_pat_str, mergeable_ranks=tiktoken.load.load_tiktoken_bpe(vocabulary),
        special_tokens={"<|endoftext|>": END})
    train, val = (tokens(pathlib.Path(folder, name)) for name in ("train.bin", "val.bin"))
    {"documents": check_documents, "text": check_text}[kind](encoding, train, val, inputs)
    print(json.dumps({"train": len(train), "val": len(val), "val_documents": val.count(END)}))


main()

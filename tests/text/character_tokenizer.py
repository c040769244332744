"""Whether transformers loads a folder's tokenizer, and what it makes of texts:
character_tokenizer.py DIR TEXTS IDS. Both files as in tokens_items.h."""
import pathlib
import struct
import sys

import transformers

folder, texts, out = sys.argv[1:]
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
data, found = pathlib.Path(texts).read_bytes(), b""
while data:
    (size,) = struct.unpack_from("<I", data)
    text, data = data[4:4 + size].decode(), data[4 + size:]
    ids = tokenizer(text).input_ids
    if tokenizer.decode(ids) != text:
        sys.exit(f"{text!r} comes back as {tokenizer.decode(ids)!r}")
    found += struct.pack("<I", len(ids)) + struct.pack(f"<{len(ids)}i", *ids)
pathlib.Path(out).write_bytes(found)

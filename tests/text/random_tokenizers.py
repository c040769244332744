"""Byte-level BPE tokenizers as people make them, and worse, with what Hugging Face's `tokenizers`
makes of texts: random_tokenizers.py make DIR SEED COUNT, random_tokenizers.py check DIR.

make: DIR/N/tokenizer.json, DIR/N/texts, DIR/N/ids and DIR/N/plain_ids (the last without the added
tokens). check: DIR/N/ours.json gives DIR/N/ids, too.
"""
import json
import pathlib
import random
import struct
import sys

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

PARTS = ["the", " the", "he", "a", "b", "ab", "ba", " ", "  ", "\n", "\n\n", "\r\n", "\t", "1", "23", "456", "\u0663", "\u00bd",
         "'s", "'ll", "'", "!", "?!", "-", "_", "\u00e9", "e\u0301", "\u4e2d\u6587", "\U0001F600", "\u00a0", "\u3000", "\u200d",
         "<s>", "</s>", "<|user|>", "<|user|", "user", "USER", "<pad>", "<x>", "<x>y", "xy", "stop", " stop ", "|"]
ADDED = ["<s>", "</s>", "<|user|>", "<|user|>ab", "<pad>", "<x>", "<x>y", "stop", "user", " stop", "the", "\n\n", "\u4e2d", "|", "caf\u00e9"]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def some_text(rng, most=24):
    return "".join(rng.choice(PARTS) for _ in range(rng.randrange(most)))


def byte_level(rng, **more):
    return {"type": "ByteLevel", "add_prefix_space": rng.random() < 0.3, "trim_offsets": True, "use_regex": True, **more}


def some_split(rng):
    kind = rng.randrange(4)
    behavior = rng.choice(["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"])
    if kind == 0:
        return {"type": "Digits", "individual_digits": rng.random() < 0.5}
    if kind == 1:
        pattern = {"String": rng.choice([" ", "ab", "|", "\n", "<", "\u4e2d", "a|b"])}
    else:
        atom = rng.choice([r"\p{N}", "[0-9]", r"\p{L}", r"\s", r"\n", "\n"])
        pattern = {"Regex": atom + rng.choice(["", "+", "{2}", "{1,3}", "{2,3}"])}
    if kind == 3 and rng.random() < 0.5:
        pattern = {"Regex": GPT2}
        behavior = rng.choice(["Isolated", "Removed"])
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": behavior == "Removed" and "Regex" in pattern and
            pattern["Regex"] == GPT2 or rng.random() < 0.2}


def some_pre_tokenizer(rng):
    if rng.random() < 0.5:
        return byte_level(rng)
    last = byte_level(rng, use_regex=rng.random() < 0.8)
    steps = [some_split(rng) for _ in range(rng.randrange(3))] + [last]
    return steps[0] if len(steps) == 1 else {"type": "Sequence", "pretokenizers": steps}


def some_added(rng):
    flag = lambda share: rng.random() < share
    return [{"content": content, "single_word": flag(0.2), "lstrip": flag(0.2), "rstrip": flag(0.2), "normalized": flag(0.3),
             "special": flag(0.7)} for content in rng.sample(ADDED, rng.randrange(6))]


def trained(rng):
    """As the documentation's examples make one: special tokens first, perhaps not all bytes."""
    unk = "<unk>" if rng.random() < 0.3 else None
    tokenizer = tokenizers.Tokenizer(models.BPE(unk_token=unk, fuse_unk=rng.random() < 0.5))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=rng.random() < 0.5)
    alphabet = pre_tokenizers.ByteLevel.alphabet() if rng.random() < 0.6 else []
    special = rng.sample(["<s>", "<pad>", "</s>", "<mask>", "<|user|>"], rng.randrange(4)) + ([unk] if unk else [])
    trainer = trainers.BpeTrainer(vocab_size=rng.randrange(40, 400), special_tokens=special, initial_alphabet=alphabet,
                                  show_progress=False)
    tokenizer.train_from_iterator([some_text(rng, 60) for _ in range(60)], trainer)
    return json.loads(tokenizer.to_str())["model"]


def invented(rng):
    """Merges in any order, several that make one token, some given twice, ids with holes."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = letters if rng.random() < 0.7 else rng.sample(letters, 200)
    wanted = {"a", "b", "t", "h", "e", "\u0120", "\u010a", "1", "2", "s", "'"}
    tokens = list(dict.fromkeys([*tokens, *sorted(wanted)]))
    few = sorted(wanted)
    merges = []
    for _ in range(rng.randrange(120)):
        left, right = (rng.choice(few) if rng.random() < 0.5 else rng.choice(tokens[-40:]) for _ in range(2))
        if len(left) + len(right) < 9:
            merges.append([left, right])
            if left + right not in tokens:
                tokens.append(left + right)
    if rng.random() < 0.5:
        rng.shuffle(merges)
    merges += rng.sample(merges, len(merges) // 5)
    numbers = rng.sample(range(len(tokens) + rng.choice([0, 0, 60])), len(tokens))
    unk = rng.choice(tokens) if rng.random() < 0.3 else None
    return {"type": "BPE", "dropout": None, "unk_token": unk, "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": rng.random() < 0.5, "byte_fallback": False, "ignore_merges": rng.random() < 0.2,
            "vocab": dict(zip(tokens, numbers)), "merges": merges}


def some_tokenizer(rng):
    model = trained(rng) if rng.random() < 0.5 else invented(rng)
    added = [{"id": len(model["vocab"]) + i, **token} for i, token in enumerate(some_added(rng))]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": some_pre_tokenizer(rng), "post_processor": None,
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, "model": model}


def write(path, items):
    path.write_bytes(b"".join(struct.pack("<I", count) + content for count, content in items))


def ids_of(tokenizer, texts):
    if isinstance(tokenizer, str):
        tokenizer = tokenizers.Tokenizer.from_str(tokenizer)
    lists = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    return [(len(ids), struct.pack(f"<{len(ids)}i", *ids)) for ids in lists]


def can_encode(tokenizer, sample):
    """Where the spaces of added tokens that are next to each other overlap, it may panic."""
    try:
        ids_of(tokenizer, [sample])
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return False
    return True


def make(folder, seed, count):
    for number in range(count):
        rng = random.Random(f"{seed}-{number}")
        place = folder / str(number)
        place.mkdir(parents=True)
        tokenizer = some_tokenizer(rng)
        whole = json.dumps(tokenizer)
        reader = tokenizers.Tokenizer.from_str(whole)
        texts = [text for text in (some_text(rng) for _ in range(60)) if can_encode(reader, text)]
        (place / "tokenizer.json").write_text(whole)
        encoded = [text.encode() for text in texts]
        write(place / "texts", [(len(text), text) for text in encoded])
        write(place / "ids", ids_of(reader, texts))
        write(place / "plain_ids", ids_of(json.dumps({**tokenizer, "added_tokens": []}), texts))


def check(folder):
    for place in sorted(folder.iterdir()):
        data, texts = (place / "texts").read_bytes(), []
        while data:
            (size,) = struct.unpack_from("<I", data)
            texts.append(data[4:4 + size].decode())
            data = data[4 + size:]
        found = b"".join(struct.pack("<I", count) + ids for count, ids in ids_of((place / "ours.json").read_text(), texts))
        if found != (place / "ids").read_bytes():
            sys.exit(f"{place}/ours.json: other ids")


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(pathlib.Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        check(pathlib.Path(sys.argv[2]))

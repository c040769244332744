"""make_seeds.py DIR: the inputs that fuzzing starts from, one folder a target; `good` is a file as it
should be, the others lead to further corners. Python's own library is all it needs."""
import argparse
import base64
import bz2
import collections
import gzip
import io
import json
import lzma
import pathlib
import pickle
import struct
import sys
import tarfile
import types
import zipfile


def safetensors(tensors, metadata=None):
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def zip_file(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


class Storage:
    """What a tensor's pickle refers to besides itself."""

    def __init__(self, kind, key, size):
        self.id = ("storage", kind, key, "cpu", size)


class Tensor:
    def __init__(self, storage, offset, shape, stride):
        self.arguments = (storage, offset, shape, stride, False, collections.OrderedDict())

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


class TorchPickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.id if isinstance(value, Storage) else None


def make_torch():
    """Stand-ins for torch's names, so that pickle writes them."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "HalfStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    exec("def _rebuild_tensor_v2(*arguments): pass", {"__name__": "torch._utils"}, utils.__dict__)
    sys.modules.update({"torch": torch, "torch._utils": utils})
    utils._rebuild_tensor_v2.__module__ = "torch._utils"
    return torch


def torch_pickle(value):
    out = io.BytesIO()
    TorchPickler(out, 2).dump(value)
    return out.getvalue()


def checkpoint(torch):
    floats, halves = Storage(torch.FloatStorage, "0", 24), Storage(torch.HalfStorage, "1", 3)
    weight = Tensor(floats, 0, (4, 6), (6, 1))
    return {"model": collections.OrderedDict(w=weight, tied=weight, turned=Tensor(floats, 0, (6, 4), (1, 6)),
                                             half=Tensor(halves, 1, (2,), (1,)), one=Tensor(floats, 23, (), ())),
            "iter_num": 7, "best_val_loss": 1.5, "config": {"dataset": "x", "bias": False, "seed": None}}


def legacy(torch):
    """The same as torch.save wrote it before PyTorch 1.6: pickles one behind the other, then the storages."""
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, machine)]
    storages = struct.pack("<q", 24) + bytes(96) + struct.pack("<q", 3) + bytes(6)
    return b"".join([*parts, torch_pickle(checkpoint(torch)), pickle.dumps(["0", "1"], 2), storages])


def layouts(torch):
    """A small GPT-2 with its optimizer, and the same as forks and tutorials save it."""
    floats = Storage(torch.FloatStorage, "0", 24)
    tensor = lambda *shape: Tensor(floats, 0, shape, (1,) * len(shape))
    block = {f"transformer.h.0.{n}.weight": tensor(4, 4) for n in
             ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")}
    model = {"transformer.wte.weight": tensor(6, 4), "transformer.wpe.weight": tensor(3, 4), **block,
             **{f"transformer.{n}.weight": tensor(4) for n in ("h.0.ln_1", "h.0.ln_2", "ln_f")}}
    optimizer = {"state": {i: {"step": 1.0, "exp_avg": tensor(4)} for i in range(2)},
                 "param_groups": [{"params": list(range(6)), "lr": 1e-3}, {"params": [6, 7, 8]}]}
    sizes = {"n_layer": 1, "n_head": 2, "n_embd": 4, "block_size": 3, "vocab_size": 6, "bias": False}
    named = [{"params": list(range(9)), "param_names": ["module." + name for name in model]}]
    modules = {"_parameters": {"weight": tensor(6, 4)}, "_modules": {}, "_buffers": {}}
    for name in ("wte", "transformer"):
        modules = argparse.Namespace(_modules={name: modules}, _parameters={}, _buffers={})
    return {"good": torch_pickle({"model": model, "optimizer": optimizer, "model_args": sizes, "iter_num": 5,
                                  "best_val_loss": tensor(1), "config": {"dataset": "x"}}),
            "object": torch_pickle({"state_dict": {"module." + k: v for k, v in model.items()}, "step": 3,
                                    "config": argparse.Namespace(**sizes),
                                    "optimizer_states": [{"state": {}, "param_groups": named}]}),
            "bare": torch_pickle(model), "module": torch_pickle(modules)}


def letters():
    """GPT-2's letters for bytes, in the order of its ids."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {**{byte: chr(byte) for byte in plain},
            **{byte: chr(256 + i) for i, byte in enumerate(others)}}


def tokenizers():
    letter = letters()
    merges = [("t", "h"), ("th", "e"), (letter[32], "the")]
    tokens = list(letter.values()) + [a + b for a, b in merges]
    vocab = {token: i for i, token in enumerate(tokens)}
    full = {**vocab, "<|endoftext|>": len(vocab)}
    ids = [bytes([byte]) for byte in letter] + [b"th", b"the", b" the"]
    tiktoken = b"".join(base64.b64encode(token) + b" %d\n" % i for i, token in enumerate(ids))
    lines = "".join(f"{a} {b}\n" for a, b in merges)
    hub = {"version": "1.0", "added_tokens": [{"id": len(vocab), "content": "<|endoftext|>", "special": True}],
           "normalizer": None, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False},
           "model": {"type": "BPE", "dropout": None, "vocab": full, "merges": [f"{a} {b}" for a, b in merges]}}
    dump = lambda value: json.dumps(value, ensure_ascii=False).encode()
    split = {"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}"}, "behavior": "MergedWithNext", "invert": False}
    added = [{"id": 1, "content": content, "special": content != "he", "lstrip": content == "he", "rstrip": content == "th",
              "single_word": content == "<x>", "normalized": content == "he"} for content in ("he", "th", "<x>")]
    other = {**hub, "added_tokens": added, "post_processor": {"type": "RobertaProcessing"},
             "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                 {"type": "Digits", "individual_digits": True}, {**split, "pattern": {"String": "e"}}, split,
                 {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}]},
             "model": {"type": "BPE", "vocab": {"h": 7, "e": 2, "t": 3, "th": 4, "he": 5, "the": 6, "<u>": 0}, "ignore_merges": True,
                       "unk_token": "<u>", "fuse_unk": True, "merges": [["th", "e"], ["t", "h"], ["t", "he"], ["h", "e"], ["t", "h"]]}}
    config = {"add_prefix_space": True, "eos_token": {"content": "</s>"}, "pad_token": "<pad>", "tokenizer_class": "GPT2Tokenizer",
              "added_tokens_decoder": {"5": added[0], "7": added[2]}, "additional_special_tokens": ["<x>", added[1]]}
    characters = {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "[\\s\\S]"}, "behavior": "Isolated", "invert": False},
                  "model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": {"a": 1, "\n": 0, "\u4e2d": 2}}}
    return {"tiktoken": {"good": tiktoken},
            "tokenizer_json": {"good": dump(hub), "other": dump(other)},
            "tokenizer_config": {"good": dump(config)},
            "added_tokens": {"good": dump({"<x>": 5, "the": 6, "</s>": 7})},
            "char_tokenizer": {"good": dump(characters)},
            "text_mode": {"good": b"\xef\xbb\xbfa\r\nb\r", "utf16": "\ufeffa\r\n\U0001F600".encode("utf-16-le")},
            "merges": {"good": b"#version: 0.2\n" + lines.encode(), "bare": lines.encode(),
                       "with_json": lines.encode() + b"\0" + dump(full)}}


def formats():
    torch = make_torch()
    floats = struct.pack("<6f", *range(6))
    pickled = torch_pickle(checkpoint(torch))
    plain = {"a": [1, -2, 3.5, "text", b"bytes", None, True, (1, 2), {"b": {1, 2}}, 2**40]}
    archive = {"ckpt/data.pkl": pickled, "ckpt/byteorder": b"little", "ckpt/data/0": bytes(96),
               "ckpt/data/1": bytes(6), "ckpt/version": b"3\n"}
    weights = struct.pack("<256i", 20240326, 3, 2, 3, 1, 1, 2, 4, *[0] * 248) + bytes(4 * (4 * 2 + 2 * 2 + 30 + 48))
    brief = struct.pack("<256i", 20240326, 5, 2, 3, 1, 1, 2, 4, *[0] * 248) + bytes(2 * (4 * 2 + 2 * 2 + 30 + 48))
    llmc = struct.pack("<256i", 20240520, 1, 8, *[0] * 253) + struct.pack("<8H", *range(8))
    wide = struct.pack("<256i", 20240801, 7, 8, *[0] * 253) + struct.pack("<8I", *range(8))
    return {
        "safetensors": {"good": safetensors({"w": ("F32", [2, 3], floats), "b": ("BF16", [2], b"\0\1\2\3"),
                                             "none": ("I64", [0, 4], b"")}, {"format": "pt"}),
                        "empty": safetensors({})},
        "zip": {"good": zip_file(archive), "no_torch": zip_file({"a": b"1", "b/c": b"22"}), "empty": zip_file({})},
        "pickle": {"good": pickle.dumps(plain, 2), **{f"protocol_{p}": pickle.dumps(plain, p) for p in range(6)}},
        "torch": {"good": pickled, "plain": pickle.dumps(plain, 2)},
        "torch_legacy": {"good": legacy(torch)}, "checkpoint_layout": layouts(torch),
        "llmc": {"good": weights, "brief": brief},
        "tokens": {"good": struct.pack("<16H", *[i % 2 for i in range(16)]), "llmc": llmc, "llmc_wide": wide},
        "mask": {"good": bytes([0, 1, 1, 0])}}


def manifest():
    files = [{"name": "model.safetensors", "size": 10, "crc32c": 5}]
    value = {"format": "gpttrain-checkpoint-1", "step": 5, "reason": "interval", "best": True, "val_loss": 1.5,
             "best_val_loss": "inf", "last_eval_step": 4, "tokens_seen": 100, "loss_scale": 65536,
             "scale_growth_steps": 3, "bad_steps": 0, "program_version": "0.1.0", "files": files,
             "config": {"n_layer": 2}, "vocabulary": "{}", "pending_offsets": [1, 2], "generator_state": "00ff"}
    return json.dumps(value, indent=2)[:-2].encode()


def corpora():
    meta = {"format": "gpttrain-meta", "version": 1, "tokenizer": "char", "vocab_size": 3, "itos": ["\n", "a", "\u00e9"],
            "token_bytes": 2, "bytes": 4, "train_tokens": 3, "val_tokens": 1, "train_crc32c": "00000000",
            "sources": ["x.txt"], "seed": 5, "val_fraction": 0.1, "split": "end", "eot": "none"}
    nanogpt = {"vocab_size": 2, "itos": {0: "\n", 1: "a"}, "stoi": {"\n": 0, "a": 1}}
    extent = {"bytes": 10, "crc": 7}
    position = {"file": 0, "text": 0, "offset": 3, "crc": 1, "line": 2, "document": 1, "inside": False, "all_bytes": 3,
                "all_crc": 4}
    state = {"format": "gpttrain-prepare-state", "version": 5, "request": "{}", "characters": "\nab",
             "character_files": [],
             "files": [[10, 20, 10, 3]], "token_bytes": 2, "train": extent, "val": extent, "documents": [1, 0],
             "text_characters": 3, "invalid": 0, "first_invalid": "a:1", "bad_rows": 1, "first_bad_rows": ["a:2: x"],
             "read_all": True, "position": position, "marks": [[0, 0, 0], [3, 3, 5]],
             "cut": {"keep": 2, "then": [1, 2]}, "train_mask": extent, "val_mask": extent, "counted": [1, 0]}
    line = '{"id": 5, "text": "caf\\u00e9 \\ud83d\\ude00 \\ud800 \\"x\\"", "meta": {"a": [1.5e3, null, true]}}\n'
    return {
        "meta_json": {"good": json.dumps(meta).encode(), "gpt2": b'{"tokenizer": "gpt2", "vocab_size": 50257}'},
        "meta_pickle": {"good": pickle.dumps(nanogpt, 4), "old": pickle.dumps(nanogpt, 0)},
        "json_line": {"good": line.encode(), "chat": chat_row().encode(), "template": b"{#a}A: {a}{/a}{{{b}\\n"},
        "documents": {"good": b'{"text": "a"}\n\n{"text": "b\\r\\n"}\r\n', "text": b"one\r\ntwo\rthree\n\xff\n"},
        "prepare_input": prepare_inputs(line),
        "prepare_state": {"good": json.dumps(state).encode()}}


def chat_row():
    return json.dumps({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, "b"]},
                                    {"role": "assistant", "content": "c", "weight": 1}],
                       "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]})


def prepare_inputs(line):
    rows = line.encode() * 2
    tar, archive = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as out:
        for name, content in (("a.txt", b"text\n"), ("b.jsonl", rows)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a.txt", "text\n")
    # A frame with one block as it is, one with nothing of the text, and the first again.
    block = b"\x28\xb5\x2f\xfd\x00\x58" + struct.pack("<I", len(rows) << 3 | 1)[:3] + rows
    return {"good": gzip.compress(rows) * 2, "bzip2": bz2.compress(rows), "xz": lzma.compress(rows) + b"\0\0\0\0",
            "lzma": lzma.compress(rows, lzma.FORMAT_ALONE),
            "zstd": block + b"\x50\x2a\x4d\x18\1\0\0\0a" + block,
            "tar": tar.getvalue()[:3072], "tar_gz": gzip.compress(tar.getvalue()), "zip": archive.getvalue(),
            "utf16": "text \u00e9 \U0001F600\n".encode("utf-16"),
            "array": b"[" + line.encode() + b", " + line.encode() + b"]",
            "pretty": b'{\n "text": "a"\n}\n{"text":\n"b"}', "lines": b"\xef\xbb\xbf" + rows}


def evaluation():
    question = {"ctx": "A man", "activity_label": "Running", "ctx_a": "A man", "ctx_b": "then he",
                "endings": ["runs [title] off.", "[x] sits", "is", "eats"], "label": "2", "text": "The last word"}
    tokens = lambda *ids: struct.pack(f"<{len(ids) + 1}H", len(ids), *ids)
    body = struct.pack("<2H", 0, 1) + struct.pack("<H", 2) + tokens(5, 6) + tokens(7) + tokens(8, 9)
    example = struct.pack("<2H", 65535, len(body) + 4) + body
    return {"eval_lines": {"good": json.dumps(question).encode() + b"\n"},
            "hellaswag": {"good": struct.pack("<256i", 20240522, 1, 1, len(example), *[0] * 252) + example}}


def metrics():
    run = [{"event": "start", "time": 1.5, "iter": 0}, {"event": "config", "dtype": "float32 (here)"},
           {"event": "eval", "time": 2, "iter": 0, "train/loss": 4.0, "val/loss": 4.1, "best": 1},
           {"event": "train", "time": 3, "iter": 0, "mean_loss": 4.0, "lr": 1e-3, "grad_norm": None, "tok_per_sec": 5},
           {"event": "stats", "time": 3, "iter": 0, "grad_norm/h.0": 0.5}, {"event": "resume", "time": 9, "iter": 0},
           {"event": "sample", "time": 9, "iter": 0, "prompt": "To", "text": "be"},
           {"event": "memory", "time": 9, "iter": 0, "of": "training", "predicted_mib": 1.0, "measured_mib": 2.0},
           {"event": "replanned", "time": 9, "iter": 0, "reason": "no memory"}, {"event": "train", "iter": 0, "mean_loss": 3}]
    lines = b"".join(json.dumps(event).encode() + b"\n" for event in run)
    return {"metrics": {"good": lines, "log": lines + b"1970-01-01 01:16:57.000 +01:00 warning the disk is full\n",
                        "config": b'{"event": "end", "batch_size": 4, "max_iters": 10}\n'}}


def configs():
    python = (b"# a comment\nimport time\n'''docs'''\nout_dir = 'out-' + str(3)\nbatch_size = 4 * 2 ** 1 // 1\n"
              b"learning_rate = 1e-3 if batch_size > 3 and not False else float('2')\nmax_iters = 0x10 % 7\n"
              b"_mine = (1,\n  2)[0] if False else None\n" b"wandb_run_name = \"a\\n\\u00e9\"\n")
    good = b"batch_size = 8\nlearning_rate = 6e-4\nout_dir = 'out-' + str(batch_size)\nmax_iters = 600 * 2\n"
    nested = {"batch_size": 4, "data": {"block_size": 8}, "learning_rate": 1e-3, "out_dir": "x", "bias": False}
    forks = (b"from math import sqrt as s, ceil\nimport os\n(a, b), d = c = ((3, 4), [1, {'k': None}]) if 1 else s(4)\n"
             b"dataset = f'{{n}}{a:>03d} {b / 3:.2e}' '%s-%05.1f' % (a, b)\nif a < b <= 4 and 'k' in {'k': 1}:\n"
             b"    max_iters = max(a, min(b, 9)) + len(range(1, 9, 2)) + round(0.5)\nelif True: max_iters += 1\n"
             b"else:\n\tbatch_size = {'a': [1]}.get('a', [2])[-1]\ndevice: str = os.environ.get('NO', 'cpu')\nprint('x', a)\n")
    return {"python_config": {"good": good, "more": python, "forks": forks}, "json_config": {"good": json.dumps(nested).encode()}}


def hugging_face():
    config = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "activation_function": "gelu_new",
              "attn_pdrop": 0.1, "bos_token_id": 0, "eos_token_id": 0, "layer_norm_epsilon": 1e-05, "n_ctx": 16,
              "n_embd": 24, "n_head": 3, "n_inner": None, "n_layer": 2, "n_positions": 16, "scale_attn_weights": True,
              "scale_attn_by_inverse_layer_idx": False, "tie_word_embeddings": True, "vocab_size": 61}
    exact = {"activation_function": "gelu", "n_layer": 1, "n_head": 1, "n_embd": 8, "n_inner": 32, "n_ctx": 4,
             "vocab_size": 50257}
    shards = {"metadata": {"total_size": 96}, "weight_map": {
        f"transformer.h.{i}.attn.c_attn.weight": f"model-{i + 1:05}-of-00002.safetensors" for i in range(2)}}
    return {"hf_config": {"good": json.dumps(config).encode(), "exact": json.dumps(exact).encode()},
            "hf_index": {"good": json.dumps(shards).encode()}}


def main():
    root = pathlib.Path(sys.argv[1])
    for target, seeds in {**formats(), "manifest": {"good": manifest()}, **tokenizers(), **configs(), **corpora(),
                          **evaluation(), **metrics(), **hugging_face()}.items():
        (root / target).mkdir(parents=True, exist_ok=True)
        for name, content in seeds.items():
            (root / target / name).write_bytes(content)


main()

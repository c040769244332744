"""make DIR: small random GPT-2s as transformers and others save them, each with its logits.
logits FOLDER...: loads what the test wrote, as a user would; prints a line for each.
text FOLDER TEXT: the same for one with a tokenizer, and TEXT's tokens."""
import json
import pathlib
import sys
import warnings

warnings.simplefilter("ignore")
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
TOKENS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]


@torch.no_grad()
def logits(model):
    return model.eval()(torch.tensor([TOKENS])).logits[0].double().flatten().tolist()


def make_model(**changes):
    torch.manual_seed(7)
    config = transformers.GPT2Config(**{**dict(
        vocab_size=61, n_positions=16, n_embd=24, n_layer=2, n_head=3, bos_token_id=0,
        eos_token_id=0), **changes})
    model = transformers.GPT2LMHeadModel(config)
    for parameter in model.parameters():  # biases and LayerNorms too, and large enough to matter
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def make(root):
    def save(name, model, **options):
        model.save_pretrained(root / name, **options)
        (root / name / "logits.json").write_text(json.dumps(logits(model)))
        return root / name

    save("plain", make_model())
    save("gelu", make_model(activation_function="gelu"))
    save("sharded", make_model(), max_shard_size="20KB")
    assert len(list((root / "sharded").glob("*.safetensors"))) > 1
    half = make_model().bfloat16()
    folder = save("bfloat16", half)
    (folder / "logits.json").write_text(json.dumps(logits(half.float())))

    def rewrite(name, change):
        folder = save(name, make_model())
        tensors = load_file(folder / "model.safetensors")
        assert all(key.startswith("transformer.") for key in tensors), sorted(tensors)
        save_file(change(tensors), folder / "model.safetensors", {"format": "pt"})
        return folder

    mask = torch.tril(torch.ones(16, 16)).view(1, 1, 16, 16)
    rewrite("bare", lambda t: {**{k.removeprefix("transformer."): v for k, v in t.items()},
                               "h.0.attn.bias": mask, "h.1.attn.masked_bias": torch.tensor(-1e4)})
    rewrite("headed", lambda t: {**t, "lm_head.weight": t["transformer.wte.weight"].clone()})
    rewrite("module", lambda t: {"module._orig_mod." + k: v for k, v in t.items()})
    no_config = rewrite("no_config", lambda t: t)
    (no_config / "config.json").unlink()
    for name, change in (("apart", lambda t: {**t, "lm_head.weight": t["transformer.wte.weight"].clone()}),
                         ("apart_headless", lambda t: t)):
        folder = rewrite(name, change)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    half = make_model().half()
    folder = save("half_shards", half, max_shard_size="10KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    (folder / "logits.json").write_text(json.dumps(logits(half.float())))
    next(iter(sorted(save("shard_lost", make_model(), max_shard_size="20KB").glob("*.safetensors")))).unlink()
    folder = save("adapter", make_model())
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    rewrite("untied", lambda t: {**t, "lm_head.weight": t["transformer.wte.weight"] + 1})
    rewrite("extra", lambda t: {**t, "score.weight": torch.ones(2, 24)})
    rewrite("lacking", lambda t: {k: v for k, v in t.items() if "h.1.ln_2.bias" not in k})
    pickles(root, save)
    save("relu", make_model(activation_function="relu"))
    save("inverse", make_model(scale_attn_by_inverse_layer_idx=True))
    save("epsilon", make_model(layer_norm_epsilon=1e-6))


def pickles(root, save):
    """Folders as transformers wrote them before safetensors; its newest no longer does."""

    def pickled(name, *parts, model=make_model(), **options):
        folder = save(name, model)
        (folder / "model.safetensors").unlink()
        files = [f"pytorch_model-{i + 1:05}-of-{len(parts):05}.bin" for i in range(len(parts))]
        if len(parts) == 1:
            files = ["pytorch_model.bin"]
        else:
            weights = {key: file for file, part in zip(files, parts) for key in part}
            (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weights}))
        for file, part in zip(files, parts):
            torch.save(part, folder / file, **options)
        return folder

    state = make_model().state_dict()
    assert "lm_head.weight" in state  # tied: it looks into the storage of wte
    mask = torch.tril(torch.ones(16, 16, dtype=torch.uint8)).view(1, 1, 16, 16)
    pickled("pickled", {**state, "transformer.h.0.attn.bias": mask})
    pickled("pickled_bare", {key.removeprefix("transformer."): value for key, value in state.items()})
    keys = sorted(state)
    pickled("pickled_shards", *({key: state[key] for key in keys[i::3]} for i in range(3)))
    pickled("pickled_turned", {key: value.t().contiguous().t() if value.dim() == 2 else value
                               for key, value in state.items()})
    half = make_model().half()
    folder = pickled("pickled_half", half.state_dict(), model=half)
    (folder / "logits.json").write_text(json.dumps(logits(half.float())))
    both = save("both", make_model())
    (both / "pytorch_model.bin").write_bytes(b"not looked at")

    pickled("old_pickle", state, _use_new_zipfile_serialization=False)
    pickled("pickled_untied", {**state, "lm_head.weight": state["lm_head.weight"] + 1})
    pickled("pickled_lacking", {key: value for key, value in state.items() if "h.1.ln_2.bias" not in key})
    pickled("pickled_short", {**state, "transformer.wpe.weight": torch.ones(15, 24)})
    pickled("pickled_more", {**state, "epoch": 3})
    pickled("pickled_code", {**state, "hook": print})


def check(folder, text):
    model, info = transformers.AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert type(model) is transformers.GPT2LMHeadModel
    assert not any(info.values()), info
    found = {"logits": logits(model), "activation": model.config.activation_function,
             "bos": model.config.bos_token_id, "eos": model.generation_config.eos_token_id,
             "dropout": model.config.resid_pdrop}
    if text:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        found["tokens"] = tokenizer(text)["input_ids"]
        found["text"] = tokenizer.decode(found["tokens"])
        found["end"] = tokenizer.eos_token_id
        ids = torch.tensor([found["tokens"]])
        found["generated"] = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=4, do_sample=False).shape[1]
    print(json.dumps(found))


if sys.argv[1] == "make":
    make(pathlib.Path(sys.argv[2]))
elif sys.argv[1] == "text":
    check(sys.argv[2], sys.argv[3])
else:
    for folder in sys.argv[2:]:
        check(folder, "")

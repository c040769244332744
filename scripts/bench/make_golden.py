#!/usr/bin/env python3
"""Writes tests/golden/*.json: what PyTorch computes where gpttrain's tests must agree.

    make_golden.py [FOLDER]

short_run.json              nanoGPT's run on made-up tokens, every loss at full precision
short_run_accumulated.json  the same with biases and three micro-batches a step
gradients.json              loss, logits and gradients of small float64 models, weights by formula
schedule.json               learning rates of nanoGPT's warm-up and cosine

Each file states its formulas, so that a test needs nothing else. One thread, so that the last
digits do not depend on how many cores recorded them.
"""

import dataclasses
import json
import math
import pathlib
import sys

import torch

import nanogpt_model
import nanogpt_reference

# Nearly, but not wholly, predictable, so that a short run learns and its losses keep moving.
TOKEN_FORMULA = "token(i) = (7*i*i + 3*i + (i / 29) % 2) % 61, in whole numbers"
TRAIN_TOKENS, VAL_TOKENS, VOCAB_SIZE = 20000, 4000, 61
RECORDED_DRAWS = 12


def token(i):
    return (7 * i * i + 3 * i + (i // 29) % 2) % VOCAB_SIZE


def short_config(**changes):
    return nanogpt_reference.Config(
        eval_interval=20, eval_iters=3, batch_size=4, block_size=16, vocab_size=VOCAB_SIZE,
        n_layer=2, n_head=2, n_embd=32, learning_rate=1e-2, max_iters=60, beta2=0.99,
        warmup_iters=5, lr_decay_iters=60, min_lr=1e-3, **changes,
    )  # fmt: skip


def summary(values):
    """Sums in float64; `probe` also changes when elements trade places."""
    flat = values.detach().double().flatten()
    probe = sum(v * math.cos(k) for k, v in enumerate(flat.tolist()))
    return {"shape": list(values.shape), "sum": flat.sum().item(), "norm": flat.norm().item(),
            "probe": probe, "first": flat[:4].tolist()}


def weights(model):
    return [{"name": name, **summary(p)} for name, p in model.named_parameters()]


def short_run(config):
    tokens = torch.tensor([token(i) for i in range(TRAIN_TOKENS + VAL_TOKENS)])
    splits = {"train": tokens[:TRAIN_TOKENS], "val": tokens[TRAIN_TOKENS:]}
    reference = nanogpt_reference.Reference(config, splits, say=lambda line: None)
    initial = weights(reference.model)
    record = reference.train()
    settings = dataclasses.asdict(config)
    for key in ("data_dir", "dataset", "json", "threads", "evaluate"):
        del settings[key]
    for entry in record["iterations"]:
        del entry["ms"]
    return {
        "about": "nanoGPT's run on made-up tokens, recorded by scripts/bench/make_golden.py; loss "
                 "is what nanoGPT prints (the last micro-batch's), mean_loss the whole step's",
        "compare": "losses to 1e-4 and weights by their norms: on another CPU or with two threads "
                   "losses moved by 1e-6; sums of c_attn.bias moved by 5e-3, because the key's "
                   "gradient is zero but for rounding, of which AdamW makes whole steps",
        "torch": torch.__version__,
        "data": {
            "formula": TOKEN_FORMULA,
            "train": f"i from 0 to {TRAIN_TOKENS - 1}",
            "val": f"i from {TRAIN_TOKENS} to {TRAIN_TOKENS + VAL_TOKENS - 1}",
            "train_tokens": TRAIN_TOKENS, "val_tokens": VAL_TOKENS, "vocab_size": VOCAB_SIZE,
            "first_train": tokens[:16].tolist(),
            "first_val": splits["val"][:16].tolist(),
        },
        "settings": settings,
        "initial_weights": initial,
        "first_draws": [{"split": split, "offsets": starts}
                        for split, starts in reference.draws[:RECORDED_DRAWS]],
        "evaluations": record["evaluations"],
        "iterations": record["iterations"],
        "final_weights": weights(reference.model),
    }  # fmt: skip


def set_weights_by_formula(model):
    for p, (name, parameter) in enumerate(model.named_parameters()):
        base = 1.0 if ".ln_" in name and name.endswith("weight") else 0.0
        values = [base + 0.2 * math.sin(0.37 * k + p) for k in range(parameter.numel())]
        parameter.data.copy_(torch.tensor(values, dtype=torch.float64).view_as(parameter))


def gradient_case(shape, batch_size, ignore_every):
    model = nanogpt_model.Gpt(shape).double()
    set_weights_by_formula(model)
    i = torch.arange(batch_size * shape.block_size)
    x_BT = ((i * i + 5 * i) % shape.vocab_size).view(batch_size, -1)
    y_N = (11 * i + 4) % shape.vocab_size
    if ignore_every:
        y_N = torch.where(i % ignore_every == 0, -1, y_N)
    logits_BTV, loss = model(x_BT, y_N.view(batch_size, -1))
    loss.backward()
    return {
        "shape": dataclasses.asdict(shape),
        "batch_size": batch_size,
        "ignore_every": ignore_every,
        "loss": loss.item(),
        "logits": {**summary(logits_BTV), "last_position": logits_BTV[-1, -1].tolist()},
        "gradients": [{"index": p, "name": name, **summary(v.grad)}
                      for p, (name, v) in enumerate(model.named_parameters())],
    }


def gradients():
    plain = nanogpt_model.Shape(n_layer=2, n_head=3, n_embd=12, block_size=7, vocab_size=19)
    bias = dataclasses.replace(plain, bias=True)
    return {
        "about": "loss, logits and gradients in float64, recorded by scripts/bench/make_golden.py",
        "torch": torch.__version__,
        "weights": "element k (row-major) of parameter p (gradients[].index) is "
                   "base + 0.2*sin(0.37*k + p); base is 1 for weights of ln_1, ln_2 and ln_f, "
                   "else 0",
        "tokens": "i counts row-major over batch_size x block_size: x = (i*i + 5*i) % vocab_size, "
                  "y = (11*i + 4) % vocab_size, but -1 where ignore_every > 0 and "
                  "i % ignore_every == 0",
        "probe": "sum over k of element k (row-major) times cos(k)",
        "cases": {
            "plain": gradient_case(plain, 3, 0),
            "bias": gradient_case(bias, 3, 0),
            "ignored_targets": gradient_case(bias, 3, 4),
            "tanh_gelu": gradient_case(dataclasses.replace(bias, gelu="tanh"), 3, 0),
        },
    }  # fmt: skip


def schedule():
    keys = {"learning_rate": 6e-4, "min_lr": 6e-5, "warmup_iters": 20, "lr_decay_iters": 200}
    config = nanogpt_reference.Config(**keys)
    steps = [0, 1, 19, 20, 21, 50, 110, 199, 200, 201, 1000]
    rates = [nanogpt_reference.learning_rate(config, step) for step in steps]
    return {"settings": keys, "iters": steps, "learning_rates": rates}


def main(arguments):
    torch.set_num_threads(1)
    default = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
    folder = pathlib.Path(arguments[0]) if arguments else default
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "short_run": short_run(short_config()),
        "short_run_accumulated": short_run(
            short_config(gradient_accumulation_steps=3, bias=True)),
        "gradients": gradients(),
        "schedule": schedule(),
    }
    for name, content in contents.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        print(f"wrote {path}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Times text from a 124M model, nanoGPT's way and gpttrain's; see scripts/bench/decode."""

import argparse
import itertools
import os
import pathlib
import re
import subprocess
import sys
import time

import torch

import nanogpt_model

SHAPE = {"n_layer": 12, "n_head": 12, "n_embd": 768, "block_size": 1024, "vocab_size": 50304}
TOP_K, TEMPERATURE = 200, 0.8
LETTERS = "abcdefghijklmnopqrstuvwxyz \n"


def run(arguments, work):
    done = subprocess.run([str(a) for a in arguments], cwd=work, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, arguments))}\n{done.stderr}")
    return done


def write_checkpoint(program, work):
    (work / "text.txt").write_text((LETTERS * 500) + "\n")
    run([program, "prepare", "--tokenizer=char", "--out=data/letters", "text.txt"], work)
    keys = {**SHAPE, "dataset": "letters", "out_dir": "out", "device": "cpu", "batch_size": 1,
            "gradient_accumulation_steps": 1, "max_iters": 0, "eval_iters": 1}
    run([program, "train"] + [f"--{k}={v}" for k, v in keys.items()], work)


def nanogpt(prompt, count, every):
    """Seconds of nanoGPT's generate, which reads the whole window again for each token, and of its
    last token. Of each `every` tokens one is timed and the others lie on the line between."""
    model = nanogpt_model.Gpt(nanogpt_model.Shape(**SHAPE)).eval()
    tokens = torch.zeros((1, prompt + count), dtype=torch.long)
    timed_at = sorted({*range(0, count, every), count - 1})
    times = []
    with torch.no_grad():
        next_token(model, tokens[:, :prompt])  # what the first call costs once is not counted
        for i in timed_at:
            window = tokens[:, :prompt + i][:, -SHAPE["block_size"]:]
            times.append(min(timed(lambda: next_token(model, window)) for _ in range(min(every, 2))))
    whole = times[0]
    for (a, at_a), (b, at_b) in itertools.pairwise(zip(timed_at, times)):
        whole += (b - a) * at_a + (at_b - at_a) * (b - a + 1) / 2  # those after a, up to b
    return whole, times[-1]


def next_token(model, window):
    logits = last_logits(model, window) / TEMPERATURE
    top, _ = torch.topk(logits, TOP_K)
    logits[logits < top[:, [-1]]] = -float("inf")
    return torch.multinomial(torch.softmax(logits, dim=-1), num_samples=1)


def last_logits(model, x_BT):
    """As nanoGPT's forward without targets: the head sees the last position alone."""
    position_T = torch.arange(x_BT.shape[1])
    x_BTC = model.transformer.wte(x_BT) + model.transformer.wpe(position_T)
    for block in model.transformer.h:
        x_BTC = block(x_BTC)
    return model.lm_head(model.transformer.ln_f(x_BTC[:, [-1], :]))[:, -1, :]


def gpttrain(program, work, prompt, count, samples, dtype):
    """Seconds for the prompt, for the new tokens, and of the whole process."""
    start = time.perf_counter()
    done = run([program, "sample", "--out_dir=out", "--device=cpu", f"--dtype={dtype}",
                f"--start={'a' * prompt}", f"--max_new_tokens={count}", f"--num_samples={samples}",
                f"--top_k={TOP_K}", f"--temperature={TEMPERATURE}"], work)
    whole = time.perf_counter() - start
    found = re.search(r"prompt: .* in ([\d.]+) s .*; new: ([\d,]+) token\(s\) in ([\d.]+) s",
                      done.stderr)
    if not found or int(found[2].replace(",", "")) != count * samples:
        sys.exit("gpttrain sample did not say how fast it was: " + done.stderr)
    return float(found[1]), float(found[3]), whole


def read_rate():
    """Bytes a second at which this machine reads memory, as a large sum does."""
    data = torch.ones(1 << 27)
    best = min(timed(data.sum) for _ in range(5))
    return data.numel() * 4 / best


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main(arguments):
    parser = argparse.ArgumentParser()
    for name in ("program", "work"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    for name, value in (("tokens", 500), ("prompt", 16), ("samples", 10), ("threads", 0),
                        ("reference-every", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
    program = options.program.resolve()
    write_checkpoint(program, options.work)
    count = options.tokens
    every = options.reference_every
    reference, last = nanogpt(options.prompt, count, every)
    note = "" if every == 1 else f" (one token in {every} timed)"
    print(f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}; "
          f"{count} tokens after {options.prompt}")
    print(f"nanoGPT's generate in PyTorch, float32: {reference:.1f} s{note}, "
          f"{1e3 * last:.0f} ms a token at the end")
    weights = sum(p.numel() for p in nanogpt_model.Gpt(nanogpt_model.Shape(**SHAPE)).parameters())
    rate = read_rate()
    for dtype, width in (("float32", 4), ("bfloat16", 2)):
        bound = weights * width / rate
        for samples in (1, options.samples):
            prefill, decode, whole = gpttrain(program, options.work, options.prompt, count, samples,
                                              dtype)
            print(f"gpttrain {dtype}, {samples} sample(s): {prefill + decode:.2f} s "
                  f"({whole:.2f} with start-up), {1e3 * decode / count:.1f} ms a step; reading the "
                  f"weights at {rate / 1e9:.1f} GB/s: {1e3 * bound:.1f} ms; "
                  f"{samples * reference / (prefill + decode):.1f}x nanoGPT")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

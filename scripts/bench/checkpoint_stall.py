"""Times how long steps wait for checkpoints; see scripts/bench/checkpoint_stall."""

import argparse
import array
import json
import pathlib
import random
import shutil
import statistics
import sys

import sides

INTERVAL = 5
MODEL = {"n_layer": 6, "n_head": 8, "n_embd": 512, "block_size": 128, "batch_size": 4,
         "vocab_size": 50304, "dropout": 0.0, "gradient_accumulation_steps": 1, "device": "cpu",
         "dtype": "float32", "eval_interval": 0, "log_interval": 1,
         "checkpoint_interval": INTERVAL, "tensorboard": False}  # fmt: skip
TINY = {"n_layer": 2, "n_head": 2, "n_embd": 64, "block_size": 32, "vocab_size": 512}


def write_tokens(folder, vocabulary):
    folder.mkdir()
    draw = random.Random(1337)
    for split in ("train", "val"):
        tokens = array.array("H", (draw.randrange(vocabulary) for _ in range(100000)))
        if sys.byteorder == "big":
            tokens.byteswap()
        (folder / f"{split}.bin").write_bytes(tokens.tobytes())


def pauses(both, keys):
    """Seconds from each iteration to the next: (of those with a save between them, of the others)."""
    shutil.rmtree(both.work / "out", ignore_errors=True)
    both.gpttrain(keys)
    lines = (both.work / "out" / "metrics.jsonl").read_text("utf-8").splitlines()
    times = {event["iter"]: event["time"] for event in map(json.loads, lines)
             if event["event"] == "train"}  # fmt: skip
    with_save, without = [], []
    # The first iterations, and the first save, take memory that later ones find.
    for step in range(INTERVAL + 2, max(times) + 1):
        (with_save if step % INTERVAL == 0 else without).append(times[step] - times[step - 1])
    return with_save, without


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program")
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iters", type=int, default=26)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    model = {**MODEL, **(TINY if options.tiny else {}), "max_iters": max(options.iters, 12) - 1}
    write_tokens(options.work / "random", model["vocab_size"])
    both = sides.Sides(options.program, sys.executable, options.work, "random", options.work,
                       options.threads)
    found = {"False": ([], []), "True": ([], [])}
    for number in range(options.rounds):
        for value, (with_save, without) in found.items():
            sides.tell(f"round {number + 1} of {options.rounds}: async_checkpoints={value}")
            some, others = pauses(both, {**model, "async_checkpoints": value})
            with_save += some
            without += others
    # An iteration that nothing disturbs: without a thread that writes meanwhile.
    plain = statistics.median(found["False"][1])
    rows = []
    for value, (with_save, without) in found.items():
        stall = statistics.median(with_save) - plain
        cost = (sum(with_save) + sum(without) - plain * (len(with_save) + len(without)))
        rows.append({"name": f"async_checkpoints={value}", "ms": 1000 * statistics.median(without),
                     "stall_ms": 1000 * stall, "cost_ms": 1000 * cost / len(with_save)})
    print(f"{'':<24} {'iteration ms':>12} {'stall ms':>9} {'cost of a save ms':>18}")
    for row in rows:
        print(f"{row['name']:<24} {row['ms']:12.1f} {row['stall_ms']:9.1f} {row['cost_ms']:18.1f}")
    if options.json:
        options.json.write_text(json.dumps(rows))


main()

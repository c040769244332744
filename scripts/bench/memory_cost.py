"""Times what saves memory; see scripts/bench/memory_cost."""

import argparse
import array
import json
import pathlib
import random
import statistics
import subprocess
import sys

import sides

MODEL = {"n_layer": 4, "n_head": 4, "n_embd": 256, "block_size": 256, "batch_size": 8,
         "vocab_size": 512, "dropout": 0.0, "gradient_accumulation_steps": 1, "device": "cpu",
         "dtype": "float32", "micro_batch_size": 8, "eval_interval": 10**6, "eval_iters": 1,
         "head_chunk": 2048, "log_interval": 1, "decay_lr": False}  # fmt: skip
LEVELS = {False: ("none", "block"), True: ("none", "gelu", "norm", "mlp", "block")}  # compile
WARM_UP = 2


def cases(compiled):
    found = {level: {"recompute": level, "optimizer_offload": "off"} for level in LEVELS[compiled]}
    return {**found, "none, offload on": {"recompute": "none", "optimizer_offload": "on"}}


def write_tokens(folder):
    folder.mkdir()
    draw = random.Random(1337)
    for split in ("train", "val"):
        tokens = array.array("H", (draw.randrange(MODEL["vocab_size"]) for _ in range(100000)))
        if sys.byteorder == "big":
            tokens.byteswap()
        (folder / f"{split}.bin").write_bytes(tokens.tobytes())


def modelled(options, both, keys):
    flags = [f"--{key}={value}" for key, value in {**both.data, **keys}.items()]
    done = subprocess.run([options.program, "plan", "--json", *flags], capture_output=True,
                          text=True, check=True)
    return json.loads(done.stdout)["plan"]["seconds"]


def measured(both, keys):
    """Milliseconds of the iterations that count, and MiB of the tensors at their peak."""
    both.gpttrain(keys)
    lines = (both.work / "out" / "metrics.jsonl").read_text("utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    times = [event["ms"] for event in events if event["event"] == "train"][WARM_UP:]
    peak = next(event["measured_mib"] for event in events if event["event"] == "memory")
    return times, peak


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program")
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iters", type=int, default=10)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    write_tokens(options.work / "random")
    both = sides.Sides(options.program, sys.executable, options.work, "random", options.work,
                       options.threads)
    common = {**MODEL, "compile": options.compiled, "max_iters": WARM_UP + options.iters - 1}
    chosen = cases(options.compiled)
    times, peaks = {name: [] for name in chosen}, {}
    for number in range(options.rounds):
        for name, keys in chosen.items():
            sides.tell(f"round {number + 1} of {options.rounds}: {name}")
            found, peaks[name] = measured(both, {**common, **keys})
            times[name] += found
    model = {name: modelled(options, both, {**common, **keys}) for name, keys in chosen.items()}
    middle = {name: statistics.median(found) for name, found in times.items()}
    rows = [{"name": name, "ms": middle[name], "ratio": middle[name] / middle["none"],
             "model": model[name] / model["none"], "mib": peaks[name]} for name in chosen]
    print(f"{'recompute':<18} {'ms':>8} {'ratio':>6} {'model':>6} {'MiB':>8}")
    for row in rows:
        print(f"{row['name']:<18} {row['ms']:8.1f} {row['ratio']:6.3f} {row['model']:6.3f} "
              f"{row['mib']:8.1f}")
    if options.json:
        options.json.write_text(json.dumps(rows))


main()

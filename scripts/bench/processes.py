"""Two processes of one thread against one of two threads; see scripts/bench/processes."""

import argparse
import array
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

MODELS = {
    "README's size (4 x 128, block 64, batch 12)": {
        "n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": 64, "batch_size": 12},
    "shakespeare_char (6 x 384, block 256, batch 64)": {
        "n_layer": 6, "n_head": 6, "n_embd": 384, "block_size": 256, "batch_size": 64},
}  # fmt: skip
SMALL = {"tiny": {"n_layer": 1, "n_head": 1, "n_embd": 16, "block_size": 8, "batch_size": 4}}
SIDES = {"one of two threads": (["train"], 2), "two of one thread": (["launch", "--nproc=2"], 1)}


def write_data(folder):
    random.seed(1)
    for name, count in (("train.bin", 200_000), ("val.bin", 20_000)):
        (folder / name).write_bytes(array.array("H", random.choices(range(65), k=count)).tobytes())


def run(program, command, threads, keys, folder, iters):
    """Median milliseconds of a step, and of its exchange, without the first fifth."""
    out = folder / "out"
    flags = {**keys, "gradient_accumulation_steps": 1, "data_dir": folder, "dataset": ".", "device": "cpu",
             "dtype": "float32", "dropout": 0.0, "threads": threads, "max_iters": iters, "log_interval": 1,
             "eval_interval": 10**6, "eval_iters": 1, "vocab_size": 65, "out_dir": out, "overwrite": True}
    done = subprocess.run([program, *command, *(f"--{key}={value}" for key, value in flags.items())],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"processes: {' '.join(command)} ended with {done.returncode}: {done.stderr[-500:]}")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["event"] == "train"][iters // 5:]
    return (statistics.median(step["ms"] for step in steps),
            statistics.median(step.get("exchange_ms", 0) for step in steps))


def copy_rate():
    """Bytes a second that one thread copies to where it has written before, the best of some."""
    source, target = (memoryview(bytearray(b"x" * (1 << 26))) for _ in range(2))
    best = 0.0
    for _ in range(8):
        start = time.perf_counter()
        target[:] = source
        best = max(best, len(source) / (time.perf_counter() - start))
    return best


def parameters(keys):
    width, layers = keys["n_embd"], keys["n_layer"]
    return 65 * width + keys["block_size"] * width + layers * (12 * width * width + 2 * width) + width


def main():
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--program", required=True)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--iters", type=int, default=0)
    options.add_argument("--small", action="store_true")
    options.add_argument("--json", type=pathlib.Path)
    chosen = options.parse_args()
    rate = copy_rate()
    print(f"memory copies {rate / 1e9:.1f} GB/s in one thread")
    found = []
    for name, keys in (SMALL if chosen.small else MODELS).items():
        iters = chosen.iters or (200 if keys["n_embd"] < 200 else 8)
        times = {side: [] for side in SIDES}
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            write_data(folder)
            for _ in range(chosen.rounds):
                for side, (command, threads) in SIDES.items():
                    times[side].append(run(chosen.program, command, threads, keys, folder, iters))
        one, two = (statistics.median(step for step, _ in times[side]) for side in SIDES)
        fastest = [min(step for step, _ in times[side]) for side in SIDES]
        exchange = statistics.median(moved for _, moved in times["two of one thread"])
        size = 4 * parameters(keys)
        found.append({"model": name, "one_ms": one, "two_ms": two, "ratio": one / two,
                      "fastest_ratio": fastest[0] / fastest[1], "exchange_ms": exchange, "bytes": size,
                      "copy_ms": 1e3 * size / rate})
        print(f"{name}: one of two threads {one:.2f} ms a step, two of one thread {two:.2f} ms: "
              f"{one / two:.2f} of its speed (fastest rounds {fastest[0] / fastest[1]:.2f}); the sum of "
              f"{size / 2**20:.1f} MiB of gradients takes {exchange:.2f} ms, "
              f"one copy of them {1e3 * size / rate:.2f} ms")
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

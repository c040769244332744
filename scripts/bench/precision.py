"""Validation losses of float32 and bfloat16 runs over seeds; see scripts/bench/precision."""

import argparse
import json
import math
import pathlib
import statistics
import sys

import sides

DTYPES = ("float32", "bfloat16")


def train(both, keys, seed, dtype):
    record = both.gpttrain({**keys, "seed": seed, "dtype": dtype, "compile": True})
    return record["evaluations"][-1]["val"]


def summarise(losses):
    """Paired by seed: the same weights and batches in both types."""
    apart = [b - a for a, b in zip(*(losses[dtype] for dtype in DTYPES))]
    spread = {dtype: statistics.stdev(losses[dtype]) for dtype in DTYPES}
    mean = statistics.mean(apart)
    return {"losses": losses, "difference": apart, "mean_difference": mean,
            "standard_error": statistics.stdev(apart) / math.sqrt(len(apart)),
            "spread_of_seeds": spread, "within_noise": abs(mean) <= spread["float32"]}  # fmt: skip


def table(seeds, s):
    yield f"{'seed':<10}" + "".join(f"{dtype:>12}" for dtype in DTYPES) + f"{'difference':>12}"
    for i, seed in enumerate(seeds):
        cells = "".join(f"{s['losses'][dtype][i]:>12.4f}" for dtype in DTYPES)
        yield f"{seed:<10}{cells}{s['difference'][i]:>+12.4f}"
    means = "".join(f"{statistics.mean(s['losses'][dtype]):>12.4f}" for dtype in DTYPES)
    yield f"{'mean':<10}{means}{s['mean_difference']:>+12.4f} +- {s['standard_error']:.4f}"
    yield "spread    " + "".join(f"{s['spread_of_seeds'][dtype]:>12.4f}" for dtype in DTYPES)
    verdict = "within" if s["within_noise"] else "BEYOND"
    yield f"the mean difference is {verdict} the noise of seeds in float32"


def main(arguments):
    parser = argparse.ArgumentParser()
    for name in ("program", "python", "work"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--iters", type=int, default=2000)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args(arguments)
    if options.seeds < 3:
        parser.error("expected --seeds from 3 on: fewer say nothing of noise")
    keys = {**sides.README_CPU, "max_iters": options.iters, "lr_decay_iters": options.iters,
            "eval_interval": options.iters, "eval_iters": min(200, options.iters),
            "log_interval": 1000}  # fmt: skip
    both = sides.Sides(options.program, options.python, options.work, "text", options.work)
    seeds = range(1337, 1337 + options.seeds)
    losses = {dtype: [] for dtype in DTYPES}
    try:
        for seed in seeds:
            for dtype in DTYPES:
                losses[dtype].append(train(both, keys, seed, dtype))
                sides.tell(f"seed {seed}, {dtype}: val loss {losses[dtype][-1]:.4f}")
    except sides.Failure as failure:
        sides.tell(str(failure))
        return 1
    summary = summarise(losses)
    print("\n".join(table(seeds, summary)))
    if options.json:
        options.json.write_text(json.dumps(summary, indent=1) + "\n")
    return 0 if summary["within_noise"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

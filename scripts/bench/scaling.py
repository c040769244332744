"""Tokens per second as the work grows; see scripts/bench/scaling."""

import argparse
import json
import pathlib
import sys

import own_bench

# One key at a time moves away from these: a model that is neither tiny nor slow on two cores.
BASE = {"n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": 128, "batch_size": 8,
        "vocab_size": 512}  # fmt: skip
TINY = {"n_layer": 1, "n_head": 1, "n_embd": 16, "block_size": 8, "batch_size": 2, "vocab_size": 32}
SWEEPS = {
    "batch_size": [{"batch_size": n} for n in (1, 2, 4, 8, 16, 32, 64)],
    "block_size": [{"block_size": n, "batch_size": max(1, 1024 // n)}
                   for n in (32, 64, 128, 256, 512, 1024)],
    "n_layer": [{"n_layer": n} for n in (1, 2, 4, 8, 16)],
    "n_embd": [{"n_embd": n, "n_head": n // 32} for n in (32, 64, 128, 256, 512)],
    "vocab_size": [{"vocab_size": n} for n in (65, 512, 4096, 50304)],
}  # fmt: skip


def measure(options):
    for sweep in options.sweeps:
        points = SWEEPS[sweep][:2] if options.small else SWEEPS[sweep]
        for point in points:
            for threads in options.threads:
                keys = {"device": options.device, **(TINY if options.small else BASE), **point,
                        "dtype": options.dtype, "threads": threads}
                found = own_bench.measured(options.program, options.iters, keys)
                yield sweep, point, threads, found


def row(point, threads, found):
    name = " ".join(f"{key}={value}" for key, value in point.items())
    return (f"{name:<34}{threads:>8}{found['parameters'] / 1e6:>10.2f}M"
            f"{found['tokens_per_second']:>13,.0f}{found['flops_per_second'] / 1e9:>10.1f}"
            f"{100 * found['share_of_gemm']:>8.0f} %{found['median_ms']:>11.2f} ms")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/bench/scaling")
    parser.add_argument("--program", required=True, type=pathlib.Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--iters", type=int, default=0)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("sweeps", nargs="*", metavar="KEY")
    options = parser.parse_args(arguments)
    for name in options.sweeps:
        if name not in SWEEPS:
            parser.error(f"'{name}' is not varied here; expected {', '.join(SWEEPS)}")
    options.sweeps = options.sweeps or list(SWEEPS)
    try:
        options.threads = [int(n) for n in options.threads.split(",")]
    except ValueError:
        parser.error(f"--threads: expected numbers with commas between, got {options.threads}")
    return options


def main(arguments):
    options = parse(arguments)
    rows = []
    for sweep, point, threads, found in measure(options):
        if not rows:
            print(f"{found['hardware']}, {options.dtype}, {found['engine']} engine; else "
                  + " ".join(f"{k}={v}" for k, v in (TINY if options.small else BASE).items()))
        if not rows or rows[-1]["sweep"] != sweep:
            print(f"{'':<34}{'threads':>8}{'weights':>11}{'tokens/s':>13}{'GFLOP/s':>10}"
                  f"{'of peak':>10}{'iteration':>14}")
        print(row(point, threads, found), flush=True)
        rows.append({"sweep": sweep, "point": point, "threads": threads, **found})
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RuntimeError as failure:
        print(f"scaling: {failure}", file=sys.stderr)
        sys.exit(1)

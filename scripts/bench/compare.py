"""Times an iteration of gpttrain and of nanoGPT in PyTorch; see scripts/bench/compare."""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

import sides

# Iterations at the start that are not counted: caches, frequency, first allocations.
WARM_UP = 20


def cpu_model():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def gemm_rate(options):
    script = pathlib.Path(__file__).with_name("gemm_rate.py")
    command = [options.python, "-B", script, options.dtype, str(options.threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise sides.Failure(f"{done.stderr}gemm_rate.py failed (see above)")
    return float(done.stdout)


def contenders(both, keys, compiled):
    """Name and run of each side, the first being what the others are measured against."""
    runs = {"PyTorch": lambda: both.reference(keys),
            "gpttrain": lambda: both.gpttrain(keys)}
    if compiled:
        runs["PyTorch compiled"] = lambda: both.reference({**keys, "compile": True})
    return runs


def measure(options):
    """Interleaved rounds, so that a slow spell of the machine hits every side."""
    keys = {**sides.README_CPU, "max_iters": options.iters, "dtype": options.dtype,
            "eval_interval": options.iters + 1, "eval_iters": 1}
    both = sides.Sides(options.program, options.python, options.work, "text", options.work,
                       options.threads)
    runs = contenders(both, keys, options.compiled)
    rounds, rates, facts = [], [], {}
    for number in range(1, options.rounds + 1):
        rates.append(gemm_rate(options))
        sides.tell(f"round {number} of {options.rounds}: product {rates[-1] / 1e9:.0f} GFLOP/s")
        times = {}
        for name, run in runs.items():
            record = run()
            times[name] = [entry["ms"] for entry in record["iterations"][WARM_UP:]]
            facts = {**facts, **{k: record[k] for k in ("torch", "threads", "flops_per_token")
                                 if k in record}}
            sides.tell(f"  {name}: {statistics.median(times[name]):.2f} ms")
        rounds.append(times)
    facts["flops_per_iteration"] = (
        facts.pop("flops_per_token") * keys["batch_size"] * keys["block_size"])
    return keys, rounds, rates, facts


def summarise(options, keys, rounds, rates, facts):
    rate = statistics.median(rates)
    summary = {
        "cpu": cpu_model(), "cores": os.cpu_count(), **facts, "dtype": options.dtype, "keys": keys,
        "warm_up_iterations": WARM_UP, "gemm_flops_per_second": rate,
        "bound_ms": facts["flops_per_iteration"] / rate * 1e3, "sides": {}, "rounds": rounds,
    }  # fmt: skip
    for name in rounds[0]:
        pooled = [ms for times in rounds for ms in times[name]]
        ratios = [statistics.median(times["PyTorch"]) / statistics.median(times[name])
                  for times in rounds]
        summary["sides"][name] = {
            "median_ms": statistics.median(pooled), "min_ms": min(pooled),
            "iterations": len(pooled), "ratio_of_each_round": ratios,
            "ratio": statistics.median(ratios),
        }  # fmt: skip
    return summary


def table(s):
    yield (f"{s['cpu']}, {s['cores']} cores, {s['threads']} threads, PyTorch {s['torch']}, "
           f"{s['dtype']}")
    yield f"{'':<18}{'median':>10}{'fastest':>10}{'speed-up':>10}   of each round"
    for name, side in s["sides"].items():
        ratios = " ".join(f"{ratio:.2f}" for ratio in side["ratio_of_each_round"])
        yield (f"{name:<18}{side['median_ms']:>7.2f} ms{side['min_ms']:>7.2f} ms"
               f"{side['ratio']:>9.2f}x   {ratios}")
    yield (f"an iteration is {s['flops_per_iteration'] / 1e9:.2f} GFLOP; at the "
           f"{s['gemm_flops_per_second'] / 1e9:.0f} GFLOP/s of a {s['dtype']} product of 1024^3 "
           f"here that takes {s['bound_ms']:.2f} ms")


def parse(arguments):
    parser = argparse.ArgumentParser()
    for name in ("program", "python", "work"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iters", type=int, default=200)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args(arguments)
    if options.iters <= WARM_UP or options.rounds < 1 or options.threads < 0:
        parser.error(f"expected --iters above {WARM_UP}, --rounds from 1 on, --threads from 0 on")
    return options


def main(arguments):
    options = parse(arguments)
    try:
        summary = summarise(options, *measure(options))
    except sides.Failure as failure:
        sides.tell(str(failure))
        return 1
    print("\n".join(table(summary)))
    if options.json:
        options.json.write_text(json.dumps(summary, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

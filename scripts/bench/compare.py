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

# What is trained, for how many iterations a round, and how many of them at the start do not count:
# caches, frequency, first allocations, compilation.
SETTINGS = {
    "tiny": ({**sides.README_CPU, "n_layer": 1, "n_head": 1, "n_embd": 16, "block_size": 8}, 5, 2),
    "readme": (sides.README_CPU, 200, 20),
    "shakespeare": ({**sides.README_CPU, **sides.SHAPES["shakespeare"]}, 4, 1),
    "gpt2": ({**sides.README_CPU, **sides.SHAPES["gpt2"]}, 4, 1),
}  # fmt: skip


def cpu_model():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def gemm_rate(options, dtype):
    script = pathlib.Path(__file__).with_name("gemm_rate.py")
    command = [options.python, "-B", script, dtype, str(options.threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise sides.Failure(f"{done.stderr}gemm_rate.py failed (see above)")
    return float(done.stdout)


def contenders(both, keys, options):
    """Name, type and run of each side, the first being what the others are measured against."""
    for dtype in options.dtypes:
        mine = {**keys, "dtype": dtype}
        yield f"PyTorch {dtype}", dtype, lambda k=mine: both.reference(k)
        if not options.no_compiled:
            yield (f"PyTorch compiled {dtype}", dtype,
                   lambda k=mine: both.reference({**k, "compile": True}))
        if options.eager:
            yield (f"gpttrain eager {dtype}", dtype,
                   lambda k=mine: both.gpttrain({**k, "compile": False}))
        yield f"gpttrain {dtype}", dtype, lambda k=mine: both.gpttrain({**k, "compile": True})


def measure(options):
    """Interleaved rounds, so that a slow spell of the machine hits every side."""
    setting, iterations, warm_up = SETTINGS[options.setting]
    iterations = options.iters or iterations
    keys = {**setting, "max_iters": iterations, "eval_interval": iterations + 1, "eval_iters": 1}
    both = sides.Sides(options.program, options.python, options.work, "text", options.work,
                       options.threads)
    rounds, facts = [], {"peaks": {}, "first_step_ms": {}, "first_step_s": {}, "types": {}}
    rates = {dtype: [] for dtype in options.dtypes}
    for number in range(1, options.rounds + 1):
        for dtype in options.dtypes:
            rates[dtype].append(gemm_rate(options, dtype))
            sides.tell(f"round {number} of {options.rounds}: {dtype} product "
                       f"{rates[dtype][-1] / 1e9:.0f} GFLOP/s")
        times = {}
        for name, dtype, run in contenders(both, keys, options):
            record = run()
            times[name] = [entry["ms"] for entry in record["iterations"][warm_up:]]
            facts["types"][name] = dtype
            facts["peaks"][name] = both.peak_bytes
            first = record["iterations"][0]
            # Of the first round, in which nothing is in any cache yet.
            facts["first_step_s"].setdefault(name, first["time"] - both.started)
            facts["first_step_ms"].setdefault(name, first["ms"])
            facts.update({k: record[k] for k in ("torch", "threads", "flops_per_token")
                          if k in record})
            sides.tell(f"  {name}: {statistics.median(times[name]):.2f} ms")
        rounds.append(times)
    facts["flops_per_iteration"] = (
        facts.pop("flops_per_token") * keys["batch_size"] * keys["block_size"])
    return keys, rounds, {dtype: statistics.median(r) for dtype, r in rates.items()}, facts


def summarise(options, keys, rounds, rates, facts):
    flops = facts["flops_per_iteration"]
    summary = {
        "cpu": cpu_model(), "cores": os.cpu_count(), "torch": facts["torch"],
        "threads": facts["threads"], "setting": options.setting, "keys": keys,
        "flops_per_iteration": flops, "gemm_flops_per_second": rates, "sides": {},
        "rounds": rounds,
    }  # fmt: skip
    first = next(iter(rounds[0]))
    for name in rounds[0]:
        pooled = [ms for times in rounds for ms in times[name]]
        ratios = [statistics.median(times[first]) / statistics.median(times[name])
                  for times in rounds]
        median = statistics.median(pooled)
        summary["sides"][name] = {
            "median_ms": median, "min_ms": min(pooled), "iterations": len(pooled),
            "ratio_of_each_round": ratios, "ratio": statistics.median(ratios),
            "flops_per_second": flops / median * 1e3,
            "share_of_product": flops / median * 1e3 / rates[facts["types"][name]],
            "peak_bytes": facts["peaks"][name], "first_step_ms": facts["first_step_ms"][name],
            "first_step_s": facts["first_step_s"][name],
        }  # fmt: skip
    return summary


def table(s):
    yield f"{s['cpu']}, {s['cores']} cores, {s['threads']} threads, PyTorch {s['torch']}"
    yield (f"{'':<26}{'median':>11}{'fastest':>11}{'speed-up':>10}{'GFLOP/s':>9}{'of peak':>9}"
           f"{'memory':>10}{'first step':>12}   of each round")
    for name, side in s["sides"].items():
        ratios = " ".join(f"{ratio:.2f}" for ratio in side["ratio_of_each_round"])
        yield (f"{name:<26}{side['median_ms']:>8.2f} ms{side['min_ms']:>8.2f} ms"
               f"{side['ratio']:>9.2f}x{side['flops_per_second'] / 1e9:>9.0f}"
               f"{100 * side['share_of_product']:>7.0f} %{side['peak_bytes'] / 2**20:>6.0f} MiB"
               f"{side['first_step_s']:>10.1f} s   {ratios}")
    for dtype, rate in s["gemm_flops_per_second"].items():
        yield (f"an iteration is {s['flops_per_iteration'] / 1e9:.2f} GFLOP; at the "
               f"{rate / 1e9:.0f} GFLOP/s of a {dtype} product of 1024^3 that takes "
               f"{s['flops_per_iteration'] / rate * 1e3:.2f} ms")


def parse(arguments):
    parser = argparse.ArgumentParser()
    for name in ("program", "python", "work"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    parser.add_argument("--setting", choices=SETTINGS, default="readme")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iters", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "both"), default="float32")
    parser.add_argument("--no-compiled", action="store_true")
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args(arguments)
    warm_up = SETTINGS[options.setting][2]
    if (options.iters and options.iters <= warm_up) or options.rounds < 1 or options.threads < 0:
        parser.error(f"expected --iters above {warm_up}, --rounds from 1 on, --threads from 0 on")
    options.dtypes = ["float32", "bfloat16"] if options.dtype == "both" else [options.dtype]
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

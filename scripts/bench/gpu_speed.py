"""Steps of scripts/gpu_check that measure: memory, speed, and where the time of a step goes."""

import array
import json
import random
import shutil
import statistics
import sys

import sides

GPT2 = {"n_layer": 12, "n_head": 12, "n_embd": 768, "block_size": 1024, "vocab_size": 50304}
GPT2_MEDIUM = {**GPT2, "n_layer": 24, "n_head": 16, "n_embd": 1024}
SMALL = {"n_layer": 2, "n_head": 2, "n_embd": 64, "block_size": 64, "vocab_size": 512}
# Iterations at the start that are not counted: allocations, choice of kernels, compilation.
WARM_UP = 10


def shape(bench):
    return SMALL if bench.small else GPT2


def make_sides(bench):
    """Random tokens: speed and memory do not depend on what is learned."""
    folder = bench.work / "random"
    folder.mkdir(exist_ok=True)
    draw = random.Random(1337)
    for split, count in (("train", 1000000), ("val", 200000)):
        path = folder / f"{split}.bin"
        vocabulary = shape(bench)["vocab_size"]
        tokens = array.array("H", (draw.randrange(vocabulary) for _ in range(count)))
        if sys.byteorder == "big":
            tokens.byteswap()
        path.write_bytes(tokens.tobytes())
    return sides.Sides(bench.program, bench.python, bench.work, "random", bench.work)


def keys_of(bench, batch, iterations, **more):
    return {**shape(bench), "device": bench.device,
            "dtype": "float32" if bench.device == "cpu" else "bfloat16", "batch_size": batch,
            "compile": True,
            "gradient_accumulation_steps": 1, "max_iters": iterations - 1, "decay_lr": False,
            "learning_rate": 1e-4, "eval_interval": 10**6, "eval_iters": 1, "log_interval": 1,
            **more}


def events(bench):
    """All of gpttrain's last run, memory and times included."""
    lines = (bench.work / "out" / "metrics.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def ours(bench, both, keys):
    shutil.rmtree(bench.work / "out", ignore_errors=True)
    both.gpttrain(keys)
    return events(bench)


def peak_mib(all_events):
    return max(event["peak_memory_mib"] for event in all_events if event["event"] == "train")


def memory(bench):
    both = make_sides(bench)
    keys = keys_of(bench, 2 if bench.small else 8, 6)
    mine = peak_mib(ours(bench, both, keys))
    record = both.reference({**keys, "log_interval": 1})
    size = f"batch {keys['batch_size']} x {keys['block_size']}, {keys['dtype']}"
    if "peak_reserved_bytes" not in record:
        bench.say("SKIP", "memory", f"{size}: gpttrain {mine:.0f} MiB resident; PyTorch's peak is "
                                    "measured on a GPU only")
        return
    theirs = record["peak_reserved_bytes"] / 2**20
    bench.verdict(mine <= theirs, "memory", f"{size}: peak reserved {mine:.0f} MiB, PyTorch "
                                            f"{theirs:.0f} MiB: {mine / theirs:.2f} of it "
                                            "(the design's aim: 0.50)")


def user_config(bench):
    """The design's user: batch 64 x 1024, which dies in nanoGPT's first evaluation on 11.69 GiB."""
    both = make_sides(bench)
    keys = keys_of(bench, 4 if bench.small else 64, 3, eval_interval=2, eval_iters=2)
    all_events = ours(bench, both, keys)
    evaluations = [event for event in all_events if event["event"] == "eval"]
    bench.verdict(len(evaluations) == 2, "batch 64", f"{len(evaluations)} evaluations and 3 steps "
                  f"of batch {keys['batch_size']}: peak {peak_mib(all_events):.0f} MiB")


def tokens_per_second(milliseconds, keys):
    tokens = (keys["batch_size"] * keys["block_size"] * keys["gradient_accumulation_steps"])
    return tokens / statistics.median(milliseconds[WARM_UP:]) * 1e3


ENGINES = {"fused": {"compile": True}, "eager": {"compile": False},
           "fused, graphs": {"compile": True, "compile_mode": "reduce-overhead"}}


def rate(bench, both, side, keys):
    """Tokens per second of one run of one side."""
    if side in ENGINES:
        entries = [e for e in ours(bench, both, {**keys, **ENGINES[side]}) if e["event"] == "train"]
    else:
        more = {"compile": side == "PyTorch compiled", "evaluate": False}
        entries = both.reference({**keys, **more})["iterations"]
    return tokens_per_second([entry["ms"] for entry in entries], keys)


def side_by_side(bench, name, model, batch, order):
    """Runs in the given order, so that a slow spell of the machine shows as two rates of one side."""
    both = make_sides(bench)
    keys = {**keys_of(bench, batch, WARM_UP + (5 if bench.small else 25)),
            **(SMALL if bench.small else model)}
    rates = {}
    for side in order:
        try:
            rates.setdefault(side, []).append(rate(bench, both, side, keys))
        except sides.Failure as failure:  # no memory for it, say: the others still count
            bench.say("SKIP", f"speed {name}, batch {batch}, {side}", str(failure)[-200:])
    with (bench.logs / "speed.jsonl").open("a") as file:
        file.write(json.dumps({"model": name, "batch": batch, "tokens_per_second": rates}) + "\n")
    middle = {side: statistics.median(found) for side, found in rates.items()}
    measured = "; ".join(f"{side} " + " and ".join(f"{rate:,.0f}" for rate in found)
                         for side, found in rates.items())
    mine = middle.get("fused", 0)
    ratios = {side: mine / rate for side, rate in middle.items() if side.startswith("PyTorch")}
    words = ", ".join(f"{ratio:.2f} x {side}" for side, ratio in ratios.items())
    good = bench.small or (mine > 0 and all(ratio > 1 for ratio in ratios.values()))
    bench.verdict(good, f"speed {name}, batch {batch} x {keys['block_size']}",
                  f"tokens/s {measured} ({words}; the design's aim: 1.40 x PyTorch compiled)")


def speed(bench):
    everyone = ["fused", "eager", "PyTorch eager", "PyTorch compiled", "fused"]
    side_by_side(bench, "124M", GPT2, 2 if bench.small else 16, everyone)
    if bench.small:
        return
    side_by_side(bench, "124M", GPT2, 4, ["fused", "fused, graphs", "PyTorch compiled", "fused"])
    side_by_side(bench, "124M", GPT2, 64, ["fused", "PyTorch compiled", "fused"])


def speed_medium(bench):
    if bench.small:
        raise bench.skip("a second small model says nothing new")
    side_by_side(bench, "350M", GPT2_MEDIUM, 8,
                 ["fused", "eager", "PyTorch eager", "PyTorch compiled", "fused"])
    side_by_side(bench, "350M", GPT2_MEDIUM, 32, ["fused", "PyTorch compiled", "fused"])


def kernel_table(trace, category):
    """(name, launches, microseconds), the longest first, of a Chrome trace's events of a category:
    "kernel" are a GPU's, "cpu_op" are LibTorch's operators with those inside them."""
    table = {}
    for event in json.loads(trace.read_text())["traceEvents"]:
        if event.get("cat") == category and "dur" in event:
            count, total = table.get(event["name"], (0, 0.0))
            table[event["name"]] = (count + 1, total + event["dur"])
    return sorted(((name, *found) for name, found in table.items()), key=lambda row: -row[2])


def profile(bench):
    """Where a step's time goes, kernel by kernel (on the CPU: operator by operator)."""
    both = make_sides(bench)
    keys = keys_of(bench, 2 if bench.small else 16, WARM_UP + 10)
    ours(bench, both, {**keys, "profile": True})
    trace = bench.work / "out" / "trace.json"
    shutil.copy(trace, bench.logs)
    what = "kernel" if bench.device == "cuda" else "cpu_op"
    rows = kernel_table(trace, what)
    if not rows:
        bench.verdict(False, "profile", f"the trace holds no event of the category {what}")
        return
    total = sum(row[2] for row in rows)
    with (bench.logs / "kernels.txt").open("w") as file:
        for name, count, time in rows:
            file.write(f"{time / total:7.2%} {time:12.0f} us {count:6d} x {name}\n")
    top = "; ".join(f"{time / total:.1%} {name[:60]}" for name, _, time in rows[:8])
    bench.say("PASS", "profile", f"{len(rows)} names, all in kernels.txt: {top}")


def self_timing(bench):
    """gpttrain bench: each phase, waited for."""
    make_sides(bench).run("bench", [bench.program, "bench"], {
        **keys_of(bench, 2 if bench.small else 16, 1), "json": True,
        "timed_iters": 5 if bench.small else 25, "untimed_iters": 5})
    log = (bench.work / "bench.log").read_text()
    found = json.loads(log[log.index("\n{") + 1:])
    phases = ", ".join(f"{name} {phase['median_ms']:.2f}" for name, phase in found["phases"].items())
    bench.say("PASS", "bench", f"iteration {found['median_ms']:.2f} ms, "
              f"{found['tokens_per_second']:,.0f} tokens/s, {100 * found['share_of_gemm']:.1f} % of "
              f"{found['gemm_flops_per_second'] / 1e12:.1f} TFLOP/s; phases, ms: {phases}")


def step_ms(bench, both, keys):
    times = [event["ms"] for event in ours(bench, both, keys) if event["event"] == "train"]
    return statistics.median(times[WARM_UP:])


def phases(bench):
    """Without a profiler: what a layer and a micro-batch cost is the difference of two runs."""
    both = make_sides(bench)
    batch, count = (2, WARM_UP + 5) if bench.small else (16, WARM_UP + 15)
    layers = shape(bench)["n_layer"]
    whole = step_ms(bench, both, keys_of(bench, batch, count))
    twice = step_ms(bench, both, keys_of(bench, batch, count, gradient_accumulation_steps=2))
    thin = step_ms(bench, both, keys_of(bench, batch, count, n_layer=1))
    layer = (whole - thin) / (layers - 1)
    micro = twice - whole
    bench.say("PASS", "phases", f"step {whole:.2f} ms: {layers} layers of {layer:.2f} ms with their "
                                f"share of the update, the rest {whole - layers * layer:.2f} ms; "
                                f"one micro-batch {micro:.2f} ms, once a step {whole - micro:.2f} ms")


STEPS = [
    ("memory", "peak of gpttrain and PyTorch, GPT-2 124M, batch 8 x 1024, bfloat16", memory),
    ("batch64", "training and evaluation at batch 64 x 1024", user_config),
    ("speed", "124M: tokens per second beside PyTorch eager and compiled, in turns", speed),
    ("medium", "the same for 350M", speed_medium),
    ("bench", "gpttrain bench: the time of each phase of a step", self_timing),
    ("profile", "time of every kernel of a step", profile),
    ("phases", "time of a layer, a micro-batch, and the rest of a step", phases),
]

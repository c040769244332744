"""Steps of scripts/gpu_check that say where the time of a training step goes."""

import gzip
import json
import shutil
import statistics

import gpu_speed
from gpu_speed import WARM_UP, keys_of


def size_of(bench):
    return 2 if bench.small else 16


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
    """Kernel by kernel (on the CPU: operator by operator)."""
    both = gpu_speed.make_sides(bench)
    gpu_speed.ours(bench, both, {**keys_of(bench, size_of(bench), WARM_UP + 10), "profile": True})
    trace = bench.work / "out" / "trace.json"
    with trace.open("rb") as source, gzip.open(bench.out / "trace.json.gz", "wb") as packed:
        shutil.copyfileobj(source, packed)
    what = "kernel" if bench.device == "cuda" else "cpu_op"
    rows = kernel_table(trace, what)
    if not rows:
        bench.verdict(False, "profile", f"the trace holds no event of the category {what}")
        return
    total = sum(row[2] for row in rows)
    with (bench.logs / "kernels.txt").open("w") as file:
        for name, count, time in rows:
            file.write(f"{time / total:7.2%} {time:12.0f} us {count:6d} x {name}\n")
    top = "; ".join(f"{time / total:.1%} {name[:60]}" for name, _, time in rows[:12])
    bench.say("PASS", "profile", f"{len(rows)} names, all in kernels.txt, {total / 1e3:.2f} ms: {top}")


def self_timing(bench):
    """Each phase, waited for."""
    log = gpu_speed.make_sides(bench).run("bench", [bench.program, "bench"], {
        **keys_of(bench, size_of(bench), 1), "json": True,
        "timed_iters": 5 if bench.small else 25, "untimed_iters": 5})
    words = log.read_text()
    found = json.loads(words[words.index("\n{") + 1:])
    phases = ", ".join(f"{name} {phase['median_ms']:.2f}" for name, phase in found["phases"].items())
    bench.say("PASS", "bench", f"iteration {found['median_ms']:.2f} ms, "
              f"{found['tokens_per_second']:,.0f} tokens/s, {100 * found['share_of_gemm']:.1f} % of "
              f"{found['gemm_flops_per_second'] / 1e12:.1f} TFLOP/s; phases, ms: {phases}")


def step_ms(bench, both, keys):
    found = gpu_speed.ours(bench, both, keys)
    return statistics.median([event["ms"] for event in found if event["event"] == "train"][WARM_UP:])


def phases(bench):
    """Without a profiler: what a layer and a micro-batch cost is the difference of two runs."""
    both = gpu_speed.make_sides(bench)
    batch, count = size_of(bench), WARM_UP + (5 if bench.small else 15)
    layers = gpu_speed.shape(bench)["n_layer"]
    whole = step_ms(bench, both, keys_of(bench, batch, count))
    twice = step_ms(bench, both, keys_of(bench, batch, count, gradient_accumulation_steps=2))
    thin = step_ms(bench, both, keys_of(bench, batch, count, n_layer=1))
    layer = (whole - thin) / (layers - 1)
    micro, rest = twice - whole, whole - layers * layer
    possible = layer > 0 and micro > 0 and rest >= 0 and whole >= micro
    bench.say("PASS" if possible else "UNCLEAR", "phases",
              f"{'' if possible else 'differences that cannot be, the runs vary too much: '}"
              f"step {whole:.2f} ms: {layers} layers of {layer:.2f} ms with their share of the update, "
              f"the rest {rest:.2f} ms; one micro-batch {micro:.2f} ms, once a step "
              f"{whole - micro:.2f} ms")


STEPS = [
    ("bench", "gpttrain bench: the time of each phase of a step", 15, self_timing),
    ("profile", "time of every kernel of a step", 15, profile),
    ("phases", "time of a layer, a micro-batch, and the rest of a step", 35, phases),
]

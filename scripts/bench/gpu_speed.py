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
LIMIT = 90  # seconds of a run, which takes some ten; three times as long where PyTorch compiles
# The design's aims, in the same run on the same card.
SPEED_AIM = 1.40  # compared with PyTorch compiled
MEMORY_AIM = 0.50  # of PyTorch's peak
RATE_AIMS = {"H200": 600_000}  # tokens/s of 124M at batch 16


def shape(bench):
    return SMALL if bench.small else GPT2


def make_sides(bench):
    """Random tokens: speed and memory do not depend on what is learned."""
    folder = bench.work / "random"
    folder.mkdir(exist_ok=True)
    draw = random.Random(1337)
    vocabulary = shape(bench)["vocab_size"]
    for split, count in (("train", 1000000), ("val", 200000)):
        path = folder / f"{split}.bin"
        if path.exists():
            continue
        tokens = array.array("H", (int(draw.random() * vocabulary) for _ in range(count)))
        if sys.byteorder == "big":
            tokens.byteswap()
        path.write_bytes(tokens.tobytes())
    return bench.sides("random", LIMIT)


def keys_of(bench, batch, iterations, **more):
    return {**shape(bench), "device": bench.device,
            "dtype": "float32" if bench.device == "cpu" else "bfloat16", "batch_size": batch,
            "compile": True,
            "gradient_accumulation_steps": 1, "max_iters": iterations - 1, "decay_lr": False,
            "learning_rate": 1e-4, "eval_interval": 10**6, "eval_iters": 1, "log_interval": 1,
            **more}


def ours(bench, both, keys):
    """All that gpttrain's metrics say of a run; few checkpoints, which would only be waited for."""
    out = bench.work / "out"
    shutil.rmtree(out, ignore_errors=True)
    both.gpttrain({**keys, "always_save_checkpoint": False})
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text("utf-8").splitlines()]


def peak_mib(all_events):
    """On a GPU of what is reserved, as PyTorch's; on a CPU of tensors."""
    return max(event["peak_memory_mib"] for event in all_events if event["event"] == "train")


def judge(ratio, aim):
    """A ratio that should be at least `aim`, and without doubt 1."""
    return "PASS" if ratio >= aim else "SHORT" if ratio >= 1 else "FAIL"


def no_memory(failure):
    return "out of memory" in str(failure).lower()


def memory(bench):
    """With evaluations, of which each side has its own peak; PyTorch compiles each apart."""
    both = make_sides(bench)
    keys = keys_of(bench, 2 if bench.small else 16, 6, eval_interval=4)
    mine = peak_mib(ours(bench, both, keys))
    size = f"batch {keys['batch_size']} x {keys['block_size']}, {keys['dtype']}, evaluations included"
    for side, compile_ in (("PyTorch eager", False), ("PyTorch compiled", True)):
        try:
            record = both.reference({**keys, "compile": compile_})
        except sides.Failure as failure:
            bench.verdict(False, side, str(failure)[-400:])
            continue
        if "peak_reserved_bytes" not in record:
            bench.say("SKIP", side, f"{size}: gpttrain {mine:.0f} MiB of tensors; PyTorch's peak is "
                                    "measured on a GPU only")
            continue
        compare_peaks(bench, f"{side}, {size}", mine, record["peak_reserved_bytes"] / 2**20)


def compare_peaks(bench, name, mine, theirs):
    word = "UNCLEAR" if bench.small else judge(theirs / mine, 1 / MEMORY_AIM)
    bench.say(word, f"peak compared with {name}", f"reserved {mine:.0f} MiB, PyTorch {theirs:.0f} MiB: "
                                           f"{mine / theirs:.2f} of it (the design's aim: {MEMORY_AIM:.2f})")


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


def measure(bench, both, side, keys):
    """One run of one side: tokens per second, and the peak of its memory in MiB, if known."""
    if side in ENGINES:
        found = ours(bench, both, {**keys, **ENGINES[side]})
        entries, peak = [event for event in found if event["event"] == "train"], peak_mib(found)
    else:
        more = {"compile": side == "PyTorch compiled", "evaluate": False}
        record = both.reference({**keys, **more})
        entries, peak = record["iterations"], record.get("peak_reserved_bytes", 0) / 2**20
    return tokens_per_second([entry["ms"] for entry in entries], keys), peak


def side_by_side(bench, model_name, model, batch, order):
    """Runs in the given order, so that a slow spell of the machine shows as two rates of one side."""
    both = make_sides(bench)
    keys = {**keys_of(bench, batch, WARM_UP + (5 if bench.small else 25)),
            **(SMALL if bench.small else model)}
    name, rates, peaks = f"{model_name}, batch {batch} x {keys['block_size']}", {}, {}
    try:
        for side in order:
            try:
                found, peaks[side] = measure(bench, both, side, keys)
            except sides.Failure as failure:  # the others still count
                spent = side not in ENGINES and no_memory(failure)
                bench.say("SKIP" if spent else "FAIL", f"{name}, {side}", str(failure)[-300:])
                continue
            rates.setdefault(side, []).append(found)
            note_rate(bench, model_name, name, batch, side, found, peaks[side])
    finally:  # also what is there when time is up
        if rates:
            judge_rates(bench, name, batch, rates, peaks)


def note_rate(bench, model, name, batch, side, rate, peak):
    print(f"     {name}, {side}: {rate:,.0f} tokens/s, peak {peak:.0f} MiB", flush=True)
    fact = {"model": model, "batch": batch, "side": side, "tokens_per_second": rate, "peak_mib": peak}
    with (bench.out / "speed.jsonl").open("a") as file:
        file.write(json.dumps(fact) + "\n")


def judge_rates(bench, name, batch, rates, peaks):
    compare_rates(bench, name, rates)
    for side in ("PyTorch eager", "PyTorch compiled"):
        if bench.device == "cuda" and "fused" in peaks and side in peaks:
            compare_peaks(bench, f"{side}, {name}, training alone", peaks["fused"], peaks[side])
    if batch == 16 and "fused" in rates:
        compare_aim(bench, name, statistics.median(rates["fused"]))


def rate_word(mine, theirs):
    if any(mine < rate for rate in theirs.values()):
        return "FAIL"
    compiled = theirs.get("PyTorch compiled")
    return judge(mine / compiled, SPEED_AIM) if compiled else "UNCLEAR"


def compare_rates(bench, name, rates):
    middle = {side: statistics.median(found) for side, found in rates.items()}
    measured = "; ".join(f"{side} " + " and ".join(f"{rate:,.0f}" for rate in found)
                         for side, found in rates.items())
    theirs = {side: rate for side, rate in middle.items() if side.startswith("PyTorch")}
    ratios = ", ".join(f"{middle.get('fused', 0) / rate:.2f} x {side}" for side, rate in theirs.items())
    words = {rate_word(rate, theirs) for rate in rates.get("fused", [])}
    word = words.pop() if len(words) == 1 and not bench.small else "UNCLEAR"  # our runs must agree
    bench.say(word, name, f"tokens/s {measured} ({ratios}; the design's aim: {SPEED_AIM:.2f} x PyTorch "
                          "compiled)")


def compare_aim(bench, name, rate):
    """What the design promises of a card by name."""
    cards = bench.doctor[0]["gpu"]["cards"]
    if bench.device == "cuda" and not cards:
        bench.say("UNCLEAR", f"{name}, the design's aim", "the driver does not name its card")
        return
    card = cards[0]["name"] if cards else "no GPU"
    for word, aim in RATE_AIMS.items():
        if word in card:
            bench.say("PASS" if rate >= aim else "SHORT", f"{name}, {card}",
                      f"{rate:,.0f} tokens/s (the design's aim: {aim:,})")


def speed(bench):
    side_by_side(bench, "124M", GPT2, 2 if bench.small else 16,
                 ["fused", "eager", "PyTorch eager", "PyTorch compiled", "fused"])


def sizes(bench):
    side_by_side(bench, "124M", GPT2, 3 if bench.small else 64, ["fused", "PyTorch compiled", "fused"])


def batch4(bench):
    side_by_side(bench, "124M", GPT2, 1 if bench.small else 4,
                 ["fused", "fused, graphs", "PyTorch compiled", "fused"])


def medium(bench):
    side_by_side(bench, "350M", GPT2_MEDIUM, 1 if bench.small else 8,
                 ["fused", "eager", "PyTorch eager", "PyTorch compiled", "fused"])


def medium32(bench):
    side_by_side(bench, "350M", GPT2_MEDIUM, 3 if bench.small else 32,
                 ["fused", "PyTorch compiled", "fused"])


STEPS = [
    ("speed", "124M, batch 16: tokens per second compared with PyTorch eager and compiled, in turns", 110,
     speed),
    ("memory", "124M, batch 16: peaks compared with PyTorch's, evaluations included", 80, memory),
    ("batch64", "training and evaluation at batch 64 x 1024", 15, user_config),
    ("sizes", "as `speed` at batch 64, compiled only", 90, sizes),
    ("batch4", "as `sizes` at batch 4, with graphs", 90, batch4),
    ("medium", "as `speed` for 350M, batch 8", 150, medium),
    ("medium32", "as `sizes` for 350M, batch 32", 130, medium32),
]

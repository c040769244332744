"""The step of scripts/gpu_check for the story of the design: a batch that its card cannot hold."""

import json
import statistics
import subprocess

import gpu_runs
import gpu_speed
import sides

LIMIT = "11.69GiB"  # of the card in the story
WARM_UP = 3


def plan(bench, both, keys):
    """What `gpttrain plan` says of these keys."""
    flags = [f"--{key}={value}" for key, value in {**both.data, **keys}.items()]
    done = subprocess.run([bench.program, "plan", "--json", *flags], capture_output=True, text=True,
                          timeout=gpu_speed.LIMIT)
    if not done.stdout:
        raise sides.Failure(f"gpttrain plan: {done.stderr.strip()}")
    return json.loads(done.stdout)


def limit_of(bench, both, keys):
    """The story's; for small sizes halfway between the least and the most that is of use."""
    if bench.device == "cuda" and not bench.small:
        return LIMIT
    answer = plan(bench, both, keys)
    middle = (answer["smallest"]["needs_bytes"] + answer["fastest"]["needs_bytes"]) // 2
    return f"{middle // 1024}KiB"


def summary(events):
    """Median ms of a step, MiB by what they were measured in, all losses."""
    steps = [event for event in events if event["event"] == "train"]
    return {"ms": statistics.median(event["ms"] for event in steps[WARM_UP:]),
            "memory": {event["of"]: event for event in events if event["event"] == "memory"},
            "replanned": sum(event["event"] == "replanned" for event in events),
            "losses": [event["loss"] for event in steps]}


def peaks(bench, name, found):
    for what in ("training", "evaluation"):
        event = found["memory"].get(what)
        if not event:
            bench.verdict(False, name, f"no peak of {what} was measured")
            continue
        off = event["predicted_mib"] / event["measured_mib"] - 1
        bench.verdict(abs(off) <= 0.03, f"{name}, peak of {what}",
                      f"predicted {event['predicted_mib']:.1f} MiB, measured "
                      f"{event['measured_mib']:.1f} MiB ({off:+.1%}; the design's aim: within 3 %)")


def yardstick(bench, both, keys):
    """What eager PyTorch needs for the same, or that it does not get it."""
    size = f"batch {keys['batch_size']} x {keys['block_size']}"
    try:
        record = both.reference({**keys, "compile": False})
    except sides.Failure as failure:
        if not gpu_speed.no_memory(failure):
            raise
        bench.say("PASS", "PyTorch eager", f"{size}: not even this card is enough: "
                                           + " ".join(str(failure).split())[-300:])
        return
    if "peak_reserved_bytes" in record:
        measured = f"peak reserved {record['peak_reserved_bytes'] / 2**20:.0f} MiB"
    else:
        measured = f"peak resident {both.peak_bytes / 2**20:.0f} MiB, the program included"
    bench.say("PASS", "PyTorch eager", f"{size}, no limit: {measured}")


def compare(bench, free, held, limit, dtype):
    """The run within the limit compared with those without; `free` may be but one of two."""
    bench.verdict(held["replanned"] == 0, "the plan holds",
                  f"{held['replanned']} times out of memory, or its cache flushed, within {limit}")
    apart = max(abs(a - b) for a, b in zip(free[0]["losses"], held["losses"]))
    same = apart < (1e-4 if dtype == "float32" else 2e-2)
    if not same:
        gpu_runs.keep(bench, "losses", free[0], held)
    bench.verdict(same, "same losses", f"{len(held['losses'])} steps, at most {apart:.5f} apart")
    times = ", ".join(f"{run['ms']:.1f}" for run in free)
    ratio = held["ms"] / statistics.mean(run["ms"] for run in free)
    bench.say("PASS" if ratio <= 1.05 else "UNCLEAR" if bench.small else "SHORT", "time",
              f"a step within {limit} takes {ratio:.3f} of one without ({held['ms']:.1f} ms; "
              f"{times} ms; the design's aim: 1.05)")


def story(bench):
    both = gpu_speed.make_sides(bench)
    keys = gpu_speed.keys_of(bench, 16 if bench.small else 64, 10, eval_interval=4, eval_iters=2)
    if bench.device == "cpu":
        keys["compile"] = False
    limit = limit_of(bench, both, keys)
    held_name = f"limit {limit}"
    found = {"no limit": [], held_name: []}
    for name, more in (("no limit", {}), (held_name, {"memory_limit": limit}), ("no limit", {})):
        try:
            result = summary(gpu_speed.ours(bench, both, {**keys, **more}))
        except sides.Failure as failure:
            bench.verdict(False, name, str(failure)[-400:])
            continue
        if not found[name]:
            peaks(bench, name, result)
        found[name].append(result)
    if all(found.values()):
        compare(bench, found["no limit"], found[held_name][0], limit, keys["dtype"])
    yardstick(bench, both, keys)


STEPS = [("story", "batch 64 x 1024 within 11.69 GiB: peaks, losses, time; eager PyTorch's need", 70,
          story)]

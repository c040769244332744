"""The step of scripts/gpu_check for the story of the design: a batch that its card cannot hold."""

import json
import statistics
import subprocess

import gpu_speed
import sides

LIMIT = "11.69GiB"  # of the card in the story
WARM_UP = 3


def plan(bench, both, keys):
    """What `gpttrain plan` says of these keys."""
    flags = [f"--{key}={value}" for key, value in {**both.data, **keys}.items()]
    done = subprocess.run([bench.program, "plan", "--json", *flags], capture_output=True, text=True)
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
            bench.verdict(False, f"story, {name}", f"no peak of {what} was measured")
            continue
        off = event["predicted_mib"] / event["measured_mib"] - 1
        bench.verdict(abs(off) <= 0.03, f"story, {name}, peak of {what}",
                      f"predicted {event['predicted_mib']:.1f} MiB, measured "
                      f"{event['measured_mib']:.1f} MiB ({off:+.1%})")


def yardstick(bench, both, keys):
    """What eager PyTorch needs for the same, or that it does not get it."""
    size = f"batch {keys['batch_size']} x {keys['block_size']}"
    try:
        record = both.reference({**keys, "compile": False})
    except sides.Failure as failure:
        if "out of memory" not in str(failure).lower():
            raise
        bench.say("PASS", "story, PyTorch eager", f"{size}: not even this card is enough: "
                                                  + " ".join(str(failure).split())[-300:])
        return
    if "peak_reserved_bytes" in record:
        measured = f"peak reserved {record['peak_reserved_bytes'] / 2**20:.0f} MiB"
    else:
        measured = f"peak resident {both.peak_bytes / 2**20:.0f} MiB, the program included"
    bench.say("PASS", "story, PyTorch eager", f"{size}, no limit: {measured}")


def story(bench):
    both = gpu_speed.make_sides(bench)
    keys = gpu_speed.keys_of(bench, 16 if bench.small else 64, 10, eval_interval=4, eval_iters=2)
    if bench.device == "cpu":
        keys["compile"] = False
    limit = limit_of(bench, both, keys)
    found = {}
    for name, more in (("no limit", {}), (f"limit {limit}", {"memory_limit": limit}),
                       ("no limit", {})):
        result = summary(gpu_speed.ours(bench, both, {**keys, **more}))
        if name not in found:
            found[name] = {**result, "all_ms": []}
            peaks(bench, name, result)
        found[name]["all_ms"].append(result["ms"])
    free, held = found["no limit"], found[f"limit {limit}"]
    bench.verdict(held["replanned"] == 0, "story, the plan holds",
                  f"{held['replanned']} times out of memory, or its cache flushed, within {limit}")
    apart = max(abs(a - b) for a, b in zip(free["losses"], held["losses"]))
    bench.verdict(apart < (1e-4 if keys["dtype"] == "float32" else 2e-2), "story, same losses",
                  f"{len(held['losses'])} steps, at most {apart:.5f} apart")
    ratio = held["all_ms"][0] / statistics.mean(free["all_ms"])
    bench.verdict(bench.small or ratio <= 1.05, "story, time",
                  f"a step within {limit} takes {ratio:.3f} of one without "
                  f"({held['all_ms'][0]:.1f} ms; {', '.join(f'{ms:.1f}' for ms in free['all_ms'])} "
                  "ms; the design's aim: 1.05)")
    yardstick(bench, both, keys)


STEPS = [("story", "batch 64 x 1024 within 11.69 GiB: peaks, losses, time; eager PyTorch's need", story)]

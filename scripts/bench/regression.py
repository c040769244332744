"""Compares the speed of two builds of gpttrain; see scripts/bench/regression."""

import argparse
import json
import pathlib
import statistics
import sys

import sides

WARM_UP = 0.1  # of the iterations


def run_round(both, programs, keys):
    """Medians in milliseconds: before, after, after, before."""
    found = {"before": [], "after": []}
    for side in ("before", "after", "after", "before"):
        both.program = programs[side]
        times = [entry["ms"] for entry in both.gpttrain(keys)["iterations"]]
        found[side].append(statistics.median(times[max(1, int(WARM_UP * len(times))):]))
    return found


def judge(rounds, minimum):
    """The ratio after / before of each round, their median, the noise, and what they say. The noise
    is the median of how far two runs of one side lie apart, or of how far the rounds' ratios lie from
    theirs, whichever is more, and at least `minimum`."""
    ratios = [sum(r["after"]) / sum(r["before"]) for r in rounds]
    middle = statistics.median(ratios)
    apart = [max(pair) / min(pair) - 1 for r in rounds for pair in (r["before"], r["after"])]
    # The mean of two runs of each side lies half as far off as two runs lie apart.
    noise = max(statistics.median(apart), statistics.median(abs(r - middle) for r in ratios), minimum)
    verdict = "the same"
    if abs(middle - 1) > noise:
        verdict = "slower" if middle > 1 else "faster"
    return {"ratios": ratios, "ratio": middle, "noise": noise, "verdict": verdict}


def table(names, rounds, result):
    for side, name in names.items():
        medians = [ms for r in rounds for ms in r[side]]
        yield (f"{side:<8}{name:<24}{statistics.median(medians):>10.3f} ms   of each run: "
               + " ".join(f"{ms:.3f}" for ms in medians))
    yield (f"after takes {result['ratio']:.3f} of before's time ("
           + " ".join(f"{ratio:.3f}" for ratio in result["ratios"])
           + f" by round), noise {100 * result['noise']:.1f} %: {result['verdict']}")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/bench/regression")
    for name in ("before", "after", "work"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    parser.add_argument("--names", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--noise", type=float, default=2)
    parser.add_argument("--json", type=pathlib.Path)
    options, keys = parser.parse_known_args(arguments)
    if options.rounds < 1 or options.noise < 0:
        parser.error("expected --rounds from 1 on, --noise from 0 on")
    pairs = [key.removeprefix("--").partition("=") for key in keys]
    if bad := [key for key, pair in zip(keys, pairs) if not pair[1]]:
        parser.error(f"expected --key=value, got {' '.join(bad)}")
    options.keys = {key: value for key, _, value in pairs}
    return options


def main(arguments):
    options = parse(arguments)
    programs = {"before": options.before, "after": options.after}
    names = dict(zip(programs, options.names.split(",")))
    both = sides.Sides(options.before, sys.executable, options.work, "text", options.work)
    keys = {**sides.README_CPU, "max_iters": 200, "eval_interval": 10**6, "eval_iters": 1,
            "compile": True, **options.keys}
    rounds = []
    try:
        for number in range(1, options.rounds + 1):
            rounds.append(run_round(both, programs, keys))
            sides.tell(f"round {number} of {options.rounds}: " + "; ".join(
                f"{side} {' '.join(f'{ms:.3f}' for ms in found)} ms"
                for side, found in rounds[-1].items()))
    except sides.Failure as failure:
        sides.tell(str(failure))
        return 2
    result = judge(rounds, options.noise / 100)
    print("\n".join(table(names, rounds, result)))
    if options.json:
        options.json.write_text(json.dumps({"names": names, "keys": keys, "rounds": rounds,
                                            **result}, indent=1) + "\n")
    return 1 if result["verdict"] == "slower" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

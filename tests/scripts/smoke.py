"""Runs a script that measures at a size that says nothing, and reads what it wrote.

    smoke.py NAME PROGRAM SCRIPT [ARGUMENT...]     exit code 77: skipped

The arguments TEXT, JSON and OUT stand for a small text, the file to read afterwards and a folder.
"""

import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile


def python_with_torch():
    """Where scripts/setup puts it, or what GPTTRAIN_PYTHON names."""
    cache = os.environ.get("GPTTRAIN_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cache = pathlib.Path(cache) if cache else pathlib.Path(base, "gpttrain")
    return pathlib.Path(os.environ.get("GPTTRAIN_PYTHON") or cache / "venv" / "bin" / "python")


def expect(condition, what):
    if not condition:
        raise SystemExit(f"smoke: {what}")


def check_compare(found, _):
    expect(len(found["sides"]) == 3, f"three sides, not {list(found['sides'])}")
    for name, side in found["sides"].items():
        for key in ("median_ms", "min_ms", "ratio", "flops_per_second", "share_of_product",
                    "peak_bytes", "first_step_s"):
            expect(side[key] > 0, f"{name}: {key} above 0")
        expect(side["min_ms"] <= side["median_ms"], f"{name}: the fastest is no slower")


def check_recipe(found, _):
    rows = found["settings"]["small"]["rows"]
    expect([row["recipe"] for row in rows] == ["nanogpt", "fast"], "both recipes")
    expect(all(0 < row["loss"] < 5 and row["time_share"] > 0 for row in rows), "losses and times")
    expect(found["recipe"]["optimizer"] == "muon", "the recipe of the configuration")


def check_recipe_times(found, _):
    times = found["settings"]["small"]
    expect(times["nanogpt"] > 0 and times["fast"] > 0, "times above 0")


def check_bounds(found, _):
    # 4 linear layers and the head, each forward and backward; attention; two kinds of bytes.
    expect(len(found["rows"]) == 18, "18 lines")
    expect(all(row["ms"] > 0 and row["rate"] > 0 for row in found["rows"]), "all above 0")
    # N = 16 tokens, C = 16: 12 C^2 for the layer, C V for the head, 6 each; attention causal.
    flops = sum(row["flops"] for row in found["rows"] if "flops" in row)
    expect(flops == 6 * 16 * (12 * 16 * 16 + 16 * 32) + 6 * 16 * 8 * 16, f"{flops} FLOPs")
    expect(found["measured_ms"] > 0, "a measured iteration")


def check_scaling(found, _):
    expect([row["threads"] for row in found] == [1, 2, 1, 2], "two points, one and two threads")
    expect(all(row["tokens_per_second"] > 0 for row in found), "tokens per second")


def check_processes(found, _):
    row, = found
    expect(row["one_ms"] > 0 and row["two_ms"] > 0 and row["exchange_ms"] > 0, "times above 0")
    expect(abs(row["ratio"] - row["one_ms"] / row["two_ms"]) < 1e-9, "their ratio")


def check_regression(found, _):
    expect(found["verdict"] in ("the same", "slower", "faster"), found["verdict"])
    expect(len(found["ratios"]) == 2, "two rounds")


def check_memory_cost(found, _):
    *levels, offloaded = [row["mib"] for row in found]  # of the eager engine: none and block
    expect(len(levels) == 2 and levels[1] < levels[0], f"each level keeps less: {levels}")
    expect(offloaded > levels[0], "on the CPU offloaded moments count, and so do their buffers")
    expect(all(row["ms"] > 0 for row in found), "times above 0")


def check_checkpoint_stall(found, _):
    expect([row["name"][-5:] for row in found] == ["False", "=True"], "both ways to save")
    expect(all(row["ms"] > 0 for row in found), "times above 0")


def check_precision(found, _):
    expect([len(found["losses"][dtype]) for dtype in ("float32", "bfloat16")] == [3, 3], "six runs")
    expect(all(abs(x) < 0.1 for x in found["difference"]), "nearly the same after five iterations")
    expect(any(found["difference"]), "but not the very same: bfloat16 is no float32")


def check_prepare(found, _):
    # 400 lines of 44 bytes make the text's lines; about a MB of them was asked for.
    expect(0.5e6 < found["bytes"] < 2e6 and found["tokens"] > found["bytes"] / 6, "a text of a MB")
    rows = found["rows"]
    expect([row.get("threads") for row in rows] == [1, 2, None, None], "two runs and two bounds")
    expect(all(row["mb_per_s"] > 0 and row["tokens_per_s"] > 0 for row in rows), "rates above 0")
    expect(rows[0]["speed_up"] == 1 and rows[1]["speed_up"] > 0, "a speed-up")
    expect(min(row["peak_bytes"] for row in rows[:2]) > 1 << 20, "peaks of the memory")


def check_gpu_check(_, out):
    lines = (out / "verdicts.txt").read_text().splitlines()
    expect(lines, "verdicts")
    # Small sizes are timed, but judge nothing.
    bad = [line for line in lines if not line.startswith(("PASS ", "UNCLEAR ", "SKIP ", "DONE "))]
    expect(not bad, f"no failure: {bad}")
    steps = [line.split()[1] for line in lines if line.startswith("DONE ")]
    expect(len(steps) >= 8, f"finished steps: {steps}")
    with tarfile.open(out / "logs.tgz") as logs:
        expect(any(name.endswith("-gpttrain.log") for name in logs.getnames()), "logs of runs")


def check_traffic(found, _):
    # 2 sequences of 64 tokens, C = 64: c_fc's forward product, and the two LayerNorms of a block,
    # which read a float32 stream and a bfloat16 branch and write the same, with their statistics.
    rows = {(row["name"], row["shape"]): row for row in found["rows"]["layer"]}
    product = rows["GEMM NT to BFloat16 + bias", "128 x 64 x 256"]
    expect(product["flops"] == 2 * 128 * 64 * 256, f"FLOPs of c_fc: {product}")
    expect(product["read"] == 2 * (128 * 64 + 64 * 256 + 256), f"what c_fc reads: {product}")
    expect(product["written"] == 2 * 128 * 256, f"what c_fc writes: {product}")
    norms = rows["add + LayerNorm", "128 x 64"]
    expect(norms["launches"] == 2, f"two LayerNorms: {norms}")
    expect(norms["read"] == 2 * (128 * 64 * (4 + 2) + 2 * 64 * 4), f"what they read: {norms}")
    expect(norms["written"] == 2 * (128 * 64 * (4 + 2) + 2 * 128 * 4), f"and write: {norms}")
    # A token: 6 for a weight of the layer and of the head; 7 causal products of attention.
    flops = found["facts"]["gpttrain"]["flops"]
    expect(flops == 2 * (6 * 12 * 64 * 64 + 7 * 64 * 64) + 6 * 64 * 128, f"{flops} FLOPs a token")
    parameters = (128 + 64 + 2) * 64 + 2 * (12 * 64 * 64 + 13 * 64)
    adamw = next(row for row in found["rows"]["update"] if row["name"] == "AdamW")
    expect(adamw["read"] + adamw["written"] == 28 * parameters, f"AdamW: {adamw}")


def check_traffic_dropout(found, _):
    # 2 sequences of 64 tokens, 2 heads of 32. A token: 6 for a weight; in tiles 9 causal products of
    # attention, as backward makes scores and their gradients twice; written out 7 whole ones.
    weights = 2 * 6 * 12 * 64 * 64 + 6 * 64 * 128
    for name, products in (("tiled", 9), ("plain", 14)):
        flops = found["facts"][f"{name} attention"]["flops"]
        expect(flops == weights + 2 * products * 64 * 64, f"{flops} FLOPs a token, {name}")
    rows = {row["name"]: row for row in found["rows"]["layer"]}
    one, sums = 2 * 128 * 64, 4 * 2 * 128
    forward, keys = rows["attention in tiles"], rows["attention in tiles: dk, dv"]
    expect((forward["read"], forward["written"]) == (3 * one, one + sums), f"forward: {forward}")
    expect((keys["read"], keys["written"]) == (4 * one + 2 * sums, 2 * one), f"dk, dv: {keys}")
    expect("causal_softmax" not in rows, "no scores in memory")


CHECKS = {name.removeprefix("check_"): check for name, check in list(globals().items())
          if name.startswith("check_")}


def main(name, program, script, *arguments):
    python = python_with_torch()
    if not python.exists():
        print(f"SKIP scripts.{name}: there is no {python}; scripts/setup makes it")
        return 77
    with tempfile.TemporaryDirectory(prefix="gpttrain-") as folder:
        folder = pathlib.Path(folder)
        text, record, out = folder / "text.txt", folder / "found.json", folder / "out"
        text.write_text("the quick brown fox jumps over the lazy dog\n" * 400)
        stands_for = {"TEXT": text, "JSON": record, "OUT": out}
        for word, path in stands_for.items():
            arguments = [argument.replace(word, str(path)) for argument in arguments]
        environment = {**os.environ, "GPTTRAIN_PROGRAM": program, "GPTTRAIN_PYTHON": str(python),
                       "OUT": str(out)}
        done = subprocess.run([script, *arguments], env=environment, cwd=folder)
        # On a busy machine either of two equal builds may look slower, and five iterations judge no
        # precision.
        judges = name in ("regression", "precision") and record.exists()
        if done.returncode and not judges:
            raise SystemExit(f"smoke: {script} failed with exit code {done.returncode}")
        CHECKS[name](json.loads(record.read_text()) if record.exists() else None, out)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

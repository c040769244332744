"""Steps of scripts/gpu_check that compare losses: devices, precisions, splits, resumed runs."""

import array
import contextlib
import filecmp
import itertools
import math
import os
import shutil
import signal
import subprocess
import sys
import time

import sides

# The settings of tests/golden/short_run.json, whose formula the tokens follow.
SHORT = {
    "n_layer": 2, "n_head": 2, "n_embd": 32, "block_size": 16, "batch_size": 4,
    "gradient_accumulation_steps": 1, "learning_rate": 1e-2, "min_lr": 1e-3, "warmup_iters": 5,
    "lr_decay_iters": 60, "max_iters": 60, "beta2": 0.99, "eval_interval": 20, "eval_iters": 3,
    "vocab_size": 61, "log_interval": 1,
}  # fmt: skip

# TF32 keeps 10 bits of a factor's mantissa. Off, for both programs, the devices differ only in the
# order of their sums; on, as nanoGPT has it, in rounding too.
NO_TF32 = {"NVIDIA_TF32_OVERRIDE": "0"}


def token(i):
    return (7 * i * i + 3 * i + (i // 29) % 2) % 61


def write_tokens(path, begin, end):
    tokens = array.array("H", map(token, range(begin, end)))
    if sys.byteorder == "big":
        tokens.byteswap()
    path.write_bytes(tokens.tobytes())


def make_sides(bench):
    folder = bench.work / "short"
    folder.mkdir(exist_ok=True)
    write_tokens(folder / "train.bin", 0, 20000)
    write_tokens(folder / "val.bin", 20000, 24000)
    return sides.Sides(bench.program, bench.python, bench.work, "short", bench.work)


@contextlib.contextmanager
def variables(both, more):
    before = both.environment
    both.environment = {**before, **more}
    yield
    both.environment = before


def all_losses(record):
    found = [entry["loss"] for entry in record["iterations"]]
    return found + [entry[key] for entry in record["evaluations"] for key in ("train", "val")]


def distance(left, right):
    a, b = all_losses(left), all_losses(right)
    if len(a) != len(b) or not a:
        return math.inf
    return max(math.inf if math.isnan(x - y) else abs(x - y) for x, y in zip(a, b))


def hold(bench, name, left, right, tolerance):
    largest = distance(left, right)
    bench.verdict(largest < tolerance, name,
                  f"{len(all_losses(left))} losses, the largest difference is {largest:.1e} "
                  f"(allowed {tolerance:.0e}); the last val loss is {all_losses(left)[-1]:.4f}")


def parity(bench):
    """The eager engine, then the fused one, which compile=True means on a GPU."""
    both, device = make_sides(bench), {"device": bench.device}
    on_cpu = both.gpttrain(SHORT)
    dropped = {**SHORT, "dropout": 0.2}
    dropped_on_cpu = both.gpttrain(dropped)
    with variables(both, NO_TF32):
        theirs = both.reference({**SHORT, **device})
    theirs_tf32 = both.reference({**SHORT, **device})
    for engine, compile_ in (("eager", {"compile": False}), ("fused", {"compile": True})):
        keys = {**device, **compile_}
        with variables(both, NO_TF32):
            ours = both.gpttrain({**SHORT, **keys})
            hold(bench, f"{engine}, float32 against the CPU", ours, on_cpu, 2e-4)
            hold(bench, f"{engine}, float32 against PyTorch", ours, theirs, 2e-4)
            hold(bench, f"{engine}, dropout against the CPU", both.gpttrain({**dropped, **keys}),
                 dropped_on_cpu, 5e-4)
            larger = {**dropped, **keys, "batch_size": 8, "gradient_accumulation_steps": 3}
            hold(bench, f"{engine}, micro-batches of 5 against 8 sequences",
                 both.gpttrain({**larger, "micro_batch_size": 5}), both.gpttrain(larger), 5e-4)
        hold(bench, f"{engine}, float32 with TF32 against PyTorch",
             both.gpttrain({**SHORT, **keys}), theirs_tf32, 2e-2)


def recompute(bench):
    """Levels of recomputation, and graphs, change no number of a run by more than an order of sums."""
    both = make_sides(bench)
    keys = {**SHORT, "device": bench.device, "compile": True}
    with variables(both, NO_TF32):
        kept = both.gpttrain({**keys, "recompute": "none"})
        for level in ("gelu", "norm", "mlp", "block"):
            hold(bench, f"recompute={level}", both.gpttrain({**keys, "recompute": level}), kept, 2e-4)
        hold(bench, "compile_mode=reduce-overhead",
             both.gpttrain({**keys, "compile_mode": "reduce-overhead"}), kept, 2e-4)


def precision(bench):
    """Rounding moves a loss, but not to another curve."""
    both = make_sides(bench)
    exact = both.gpttrain({**SHORT, "device": bench.device})
    for dtype, compile_ in itertools.product(("bfloat16", "float16"), (False, True)):
        record = both.gpttrain({**SHORT, "device": bench.device, "dtype": dtype,
                                "compile": compile_})
        losses, last = all_losses(record), record["evaluations"][-1]["val"]
        wanted = exact["evaluations"][-1]["val"]
        # The scaler's first steps may be skipped, which moves the whole curve by as many.
        good = all(map(math.isfinite, losses)) and abs(last - wanted) < 0.1 * wanted
        log = (bench.work / "gpttrain.log").read_text(errors="replace")
        skipped = log.count("float16 overflow")
        bench.verdict(good, f"{dtype}, {'fused' if compile_ else 'eager'}",
                      f"{len(losses)} finite losses; val loss {last:.4f}, in float32 {wanted:.4f}"
                      + (f"; {skipped} overflows" if skipped else ""))


def same_tensors(one, other):
    names = sorted(path.name for path in one.glob("*.safetensors"))
    return bool(names) and all(filecmp.cmp(one / n, other / n, shallow=False) for n in names)


def resume(bench):
    """N steps against k, resume, N-k; large enough for the GPU's kernels of real runs."""
    both = make_sides(bench)
    kinds = ("float32",) if bench.device == "cpu" else ("float32", "bfloat16", "float16")
    keys = {**SHORT, "device": bench.device, "deterministic": True, "compile": True,
            "eval_interval": 4, "max_iters": 11, "dropout": 0.1, "gradient_accumulation_steps": 2}
    if not bench.small:
        keys |= {"n_embd": 256, "n_head": 4, "n_layer": 4, "block_size": 256, "batch_size": 8}
    for dtype in kinds:
        folders = []
        for name, runs in (("whole", [{}]),
                           ("parts", [{"max_iters": 5}, {"init_from": "resume"}])):
            folders.append(bench.work / f"{name}-{dtype}")
            shutil.rmtree(folders[-1], ignore_errors=True)
            for more in runs:
                both.run("resume", [bench.program, "train"],
                         {**keys, "dtype": dtype, **more, "out_dir": folders[-1]})
        left, right = (sides.read_metrics(folder / "metrics.jsonl") for folder in folders)
        losses = all_losses(left) == all_losses(right) and len(left["iterations"]) == 12
        weights = same_tensors(*(folder / "step_00000012" for folder in folders))
        bench.verdict(losses and weights, f"resume, {dtype}",
                      f"{len(all_losses(left))} losses {'the same' if losses else 'DIFFERENT'}, "
                      f"weights and optimizer {'the same' if weights else 'DIFFERENT'}, bit by bit")


def stop(bench):
    both, out = make_sides(bench), bench.work / "stopped"
    shutil.rmtree(out, ignore_errors=True)
    keys = {**both.data, **SHORT, "device": bench.device, "out_dir": out, "max_iters": 10**6,
            "lr_decay_iters": 10**6, "eval_interval": 10**5, "dtype": "float32"}
    command = [bench.program, "train", *(f"--{key}={value}" for key, value in keys.items())]
    with (bench.logs / "stop.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 120
        while "iter 20:" not in (bench.logs / "stop.log").read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    saved = sorted(path.name for path in out.glob("step_*"))
    bench.verdict(code == 75 and saved, "SIGTERM", f"exit code {code} (75 wanted); saved {saved}")


def refusal(bench):
    if bench.device == "cpu":
        raise bench.skip("device=cuda:99 is refused only where there is a GPU")
    both = make_sides(bench)
    out = bench.work / "refused"
    command = [bench.program, "train", "--device=cuda:99", f"--out_dir={out}",
               *(f"--{key}={value}" for key, value in {**both.data, **SHORT}.items())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ)
    lines = done.stderr.strip().splitlines()
    good = done.returncode == 2 and len(lines) == 1 and "cuda:99" in lines[0]
    bench.verdict(good, "device=cuda:99", f"exit code {done.returncode}: {' / '.join(lines)[:300]}")


STEPS = [
    ("parity", "losses: CUDA, CPU and PyTorch on this GPU; TF32; dropout; micro-batches", parity),
    ("recompute", "the fused engine's levels of recomputation and its graphs", recompute),
    ("precision", "bfloat16 and float16 runs beside float32", precision),
    ("resume", "deterministic=True: a resumed run bit by bit", resume),
    ("stop", "SIGTERM saves and exits with 75", stop),
    ("refusal", "device=cuda:99 is one line and exit code 2", refusal),
]

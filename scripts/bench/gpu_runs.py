"""Steps of scripts/gpu_check that compare losses: devices, precisions, splits, resumed runs."""

import array
import concurrent.futures
import contextlib
import filecmp
import json
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
ENGINES = {"eager": False, "fused": True}  # compile=True means the fused engine
LIMIT = 90  # seconds of a run, which takes some five, but the first ones wait for the disk
WORKERS = 4  # runs at a time: they mostly start


def token(i):
    return (7 * i * i + 3 * i + (i // 29) % 2) % 61


def write_tokens(path, begin, end):
    tokens = array.array("H", map(token, range(begin, end)))
    if sys.byteorder == "big":
        tokens.byteswap()
    path.write_bytes(tokens.tobytes())


def workers(bench):
    return WORKERS if bench.device == "cuda" else 1


def make_sides(bench):
    folder = bench.work / "short"
    folder.mkdir(exist_ok=True)
    write_tokens(folder / "train.bin", 0, 20000)
    write_tokens(folder / "val.bin", 20000, 24000)
    return bench.sides("short", LIMIT, threads=1)


def all_of(bench, jobs):
    """{name: what the job gave, or the Failure in which it ended}; several at a time on a GPU."""

    def attempt(job):
        try:
            return job()
        except sides.OutOfTime as failure:
            if bench.ends == bench.whole_end:
                raise  # the step is for a later call
            return sides.Failure(str(failure))  # something hung, and what did not is judged
        except (sides.Failure, OSError, ValueError) as failure:
            return sides.Failure(str(failure))

    with concurrent.futures.ThreadPoolExecutor(workers(bench)) as pool:
        results = {name: pool.submit(attempt, job) for name, job in jobs.items()}
        return {name: result.result() for name, result in results.items()}


def train(both, place, keys, more=None):
    return lambda: both.gpttrain(keys, place, more)


def all_losses(record):
    found = [entry["loss"] for entry in record["iterations"]]
    return found + [entry[key] for entry in record["evaluations"] for key in ("train", "val")]


def distance(left, right):
    a, b = all_losses(left), all_losses(right)
    if len(a) != len(b) or not a:
        return math.inf
    return max(math.inf if math.isnan(x - y) else abs(x - y) for x, y in zip(a, b))


def keep(bench, name, left, right):
    """Both records in the logs, to see where they part."""
    file = "".join(c if c.isalnum() else "-" for c in f"differs-{bench.step}-{name}") + ".json"
    (bench.logs / file).write_text(json.dumps({"left": left, "right": right}, indent=1))


def hold(bench, name, left, right, tolerance):
    failed = [side for side in (left, right) if isinstance(side, sides.Failure)]
    if failed:
        bench.verdict(False, name, str(failed[0])[-400:])
        return
    largest = distance(left, right)
    if not largest < tolerance:
        keep(bench, name, left, right)
    bench.verdict(largest < tolerance, name,
                  f"{len(all_losses(left))} losses, the largest difference is {largest:.1e} (allowed "
                  f"{tolerance:.0e}); the last is {(all_losses(left) or [math.nan])[-1]:.4f}")


def parity(bench):
    """Both engines against the CPU and PyTorch, and micro-batches against whole ones."""
    both, device = make_sides(bench), {"device": bench.device}
    dropped = {**SHORT, "dropout": 0.2}
    larger = {**dropped, "batch_size": 8, "gradient_accumulation_steps": 3}
    jobs = {"CPU": train(both, "cpu", SHORT), "CPU, dropout": train(both, "cpu-dropout", dropped),
            "PyTorch": lambda: both.reference({**SHORT, **device}, "exact", NO_TF32),
            "PyTorch, TF32": lambda: both.reference({**SHORT, **device}, "tf32")}
    for engine, compile_ in ENGINES.items():
        for name, keys, more in (("", SHORT, NO_TF32), (", dropout", dropped, NO_TF32),
                                 (", whole", larger, NO_TF32),
                                 (", in pieces", {**larger, "micro_batch_size": 5}, NO_TF32),
                                 (", TF32", SHORT, None)):
            name = f"{engine}{name}"
            keys = {**keys, **device, "compile": compile_}
            jobs[name] = train(both, f"parity-{len(jobs)}", keys, more)
    found = all_of(bench, jobs)
    for engine in ENGINES:
        for what, left, right, tolerance in (
                ("float32 against the CPU", "", "CPU", 2e-4),
                ("float32 against PyTorch", "", "PyTorch", 2e-4),
                ("dropout against the CPU", ", dropout", "CPU, dropout", 5e-4),
                ("micro-batches of 5 against 8", ", in pieces", f"{engine}, whole", 5e-4),
                ("float32 with TF32 against PyTorch", ", TF32", "PyTorch, TF32", 2e-2)):
            hold(bench, f"{engine}, {what}", found[engine + left], found[right], tolerance)


def recompute(bench):
    """Levels of recomputation, and graphs, change no number of a run by more than an order of sums."""
    both = make_sides(bench)
    keys = {**SHORT, "device": bench.device, "compile": True}
    changes = {f"recompute={level}": {"recompute": level}
               for level in ("none", "gelu", "norm", "mlp", "block")}
    changes["compile_mode=reduce-overhead"] = {"compile_mode": "reduce-overhead"}
    found = all_of(bench, {name: train(both, f"recompute-{i}", {**keys, **change}, NO_TF32)
                           for i, (name, change) in enumerate(changes.items())})
    kept = found.pop("recompute=none")
    for name, record in found.items():
        hold(bench, name, record, kept, 2e-4)


def precision(bench):
    """Rounding moves a loss, but not to another curve."""
    both, device = make_sides(bench), {"device": bench.device}
    # On a CPU float16 becomes float32: the same run once more.
    jobs = {f"{dtype}, {engine}": train(both, f"{dtype}-{engine}", {
        **SHORT, **device, "dtype": dtype, "compile": compile_})
        for dtype in ("bfloat16", "float16") for engine, compile_ in ENGINES.items()}
    found = all_of(bench, {"float32": train(both, "float32", {**SHORT, **device}), **jobs})
    exact = found.pop("float32")
    for name, record in found.items():
        failed = [side for side in (exact, record) if isinstance(side, sides.Failure)]
        if failed:
            bench.verdict(False, name, str(failed[0])[-400:])
            continue
        losses, last = all_losses(record), record["evaluations"][-1]["val"]
        wanted = exact["evaluations"][-1]["val"]
        # The scaler's first steps may be skipped, which moves the whole curve by as many.
        good = all(map(math.isfinite, losses)) and abs(last - wanted) < 0.1 * wanted
        if not good:
            keep(bench, name, record, exact)
        bench.verdict(good, name, f"{len(losses)} losses, {sum(map(math.isfinite, losses))} finite; "
                                  f"val loss {last:.4f}, in float32 {wanted:.4f}")


def same_tensors(one, other):
    names = sorted(path.name for path in one.glob("*.safetensors"))
    return bool(names) and all((other / n).exists() and filecmp.cmp(one / n, other / n, shallow=False)
                               for n in names)


def resumed(bench, both, keys, dtype):
    """N steps, and k, resume, N-k: the folders of both."""
    folders = [bench.work / f"{name}-{dtype}" for name in ("whole", "parts")]
    for folder, runs in zip(folders, ([{}], [{"max_iters": 5}, {"init_from": "resume"}])):
        shutil.rmtree(folder, ignore_errors=True)
        for more in runs:
            both.run("resume", [bench.program, "train"],
                     {**keys, "dtype": dtype, **more, "out_dir": folder})
    return folders


def resume(bench):
    """Large enough for the GPU's kernels of real runs."""
    both = make_sides(bench)
    kinds = ("float32",) if bench.device == "cpu" else ("float32", "bfloat16", "float16")
    keys = {**SHORT, "device": bench.device, "deterministic": True, "compile": True,
            "eval_interval": 4, "max_iters": 11, "dropout": 0.1, "gradient_accumulation_steps": 2}
    if not bench.small:
        keys |= {"n_embd": 256, "n_head": 4, "n_layer": 4, "block_size": 256, "batch_size": 8}
    found = all_of(bench, {dtype: lambda dtype=dtype: resumed(bench, both, keys, dtype)
                           for dtype in kinds})
    for dtype, folders in found.items():
        if isinstance(folders, sides.Failure):
            bench.verdict(False, dtype, str(folders)[-400:])
            continue
        left, right = (sides.read_metrics(folder / "metrics.jsonl") for folder in folders)
        losses = all_losses(left) == all_losses(right) and len(left["iterations"]) == 12
        weights = same_tensors(*(folder / "step_00000012" for folder in folders))
        if not losses:
            keep(bench, dtype, left, right)
        bench.verdict(losses and weights, dtype,
                      f"{len(all_losses(left))} losses {'the same' if losses else 'DIFFERENT'}, "
                      f"weights and optimizer {'the same' if weights else 'DIFFERENT'}, bit by bit")


def stop(bench):
    both, out = make_sides(bench), bench.work / "stopped"
    keys = {**both.data, **SHORT, "device": bench.device, "out_dir": out, "max_iters": 10**6,
            "lr_decay_iters": 10**6, "eval_interval": 10**5, "dtype": "float32"}
    log = bench.log("stop")
    with log.open("w") as output:
        child = sides.start([bench.program, "train", *(f"--{key}={value}" for key, value in
                                                       keys.items())], output, None)
        ends = min(time.monotonic() + LIMIT, bench.ends)
        # The waiting thread kills it if it does not stop by itself.
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(sides.wait, child, ends - time.monotonic())
            while "iter 20:" not in log.read_text(errors="replace") and not waiting.done():
                time.sleep(0.1)
            # Not by the child's own method, which would take its end away from that thread.
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)
            code, _ = waiting.result()
    if code is None and ends == bench.ends:
        raise sides.OutOfTime("the run to be stopped was cut off")
    sides.check_machine("the stopped run", keys, log.read_text(errors="replace"))
    saved = sorted(path.name for path in out.glob("step_*"))
    bench.verdict(code == 75 and saved, "SIGTERM", f"exit code {code} (75 wanted); saved {saved}")


def cards(bench):
    if bench.device == "cpu":
        return 2
    listed = subprocess.run(["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
                            capture_output=True, text=True, check=False)
    return len(listed.stdout.split())


def launched(bench, both, count, keys, place):
    out = bench.work / place
    shutil.rmtree(out, ignore_errors=True)
    both.run("launch", [bench.program, "launch", f"--nproc={count}"],
             {**keys, "out_dir": out, "dist_timeout": LIMIT}, NO_TF32)
    return sides.read_metrics(out / "metrics.jsonl")


def processes(bench):
    """Several cards, by NCCL, against one; with the optimizer's state spread over them, too."""
    count = min(cards(bench), 4)
    if count < 2:
        raise bench.skip("there is one card: NCCL between cards is not checked")
    both = make_sides(bench)
    keys = {**SHORT, "device": bench.device, "dtype": "float32", "compile": True, "dropout": 0.1,
            "batch_size": 8, "gradient_accumulation_steps": 3}
    one = train(both, "processes-1", keys, NO_TF32)()
    for zero in (0, 1):
        record = launched(bench, both, count, {**keys, "zero": zero}, f"processes-zero-{zero}")
        hold(bench, f"{count} processes, zero={zero}, against one", record, one, 5e-4)


def refusal(bench):
    if bench.device == "cpu":
        raise bench.skip("device=cuda:99 is refused only where there is a GPU")
    both = make_sides(bench)
    command = [bench.program, "train", "--device=cuda:99", f"--out_dir={bench.work / 'refused'}",
               *(f"--{key}={value}" for key, value in {**both.data, **SHORT}.items())]
    code = bench.run("refusal", command, LIMIT)
    lines = bench.words("refusal").strip().splitlines()[1:]  # the first is the command
    good = code == 2 and len(lines) == 1 and "cuda:99" in lines[0]
    bench.verdict(good, "device=cuda:99", f"exit code {code}: {' / '.join(lines)[:300]}")


STEPS = [
    ("parity", "losses: CUDA, CPU and PyTorch on this GPU; TF32; dropout; micro-batches", 45, parity),
    ("recompute", "the fused engine's levels of recomputation and its graphs", 20, recompute),
    ("precision", "bfloat16 and float16 runs compared with float32", 15, precision),
    ("resume", "deterministic=True: a resumed run bit by bit", 30, resume),
    ("stop", "SIGTERM saves and exits with 75", 8, stop),
    ("processes", "several cards, by NCCL, give the losses of one", 20, processes),
    ("refusal", "device=cuda:99 is one line and exit code 2", 6, refusal),
]

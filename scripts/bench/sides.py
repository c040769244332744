"""The two sides of a comparison, gpttrain and nanoGPT in PyTorch, each in a process of its own.

Both get the same keys, and both give a record: {"iterations": [{"iter", "loss", "ms", "time"}...],
"evaluations": [{"iter", "train", "val"}...]}, losses at full precision, "ms" an iteration's time and
"time" its end in seconds since 1970.
"""

import contextlib
import itertools
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

# nanoGPT's README for a machine without a GPU, its train_shakespeare_char.py, and GPT-2 124M at a
# batch that a CPU can take.
SHAPES = {
    "readme": {"n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": 64, "batch_size": 12},
    "shakespeare": {"n_layer": 6, "n_head": 6, "n_embd": 384, "block_size": 256, "batch_size": 64},
    "gpt2": {"n_layer": 12, "n_head": 12, "n_embd": 768, "block_size": 256, "batch_size": 4,
             "vocab_size": 50304},
}  # fmt: skip
# train_shakespeare_char.py with the README's flags.
README_CPU = {
    **SHAPES["readme"], "dropout": 0.0, "bias": False, "gradient_accumulation_steps": 1,
    "learning_rate": 1e-3, "min_lr": 1e-4, "warmup_iters": 100, "lr_decay_iters": 2000,
    "max_iters": 2000, "beta2": 0.99, "eval_interval": 250, "eval_iters": 20, "log_interval": 1,
}  # fmt: skip


class Failure(Exception):
    """One side did not finish; the message says which, and holds its last words."""


class OutOfTime(Exception):
    """The caller's own time is up, which says nothing of what was running."""


_running = set()
_ended = threading.Event()


def end_all():
    """Ends every child, of all threads, and lets none start any more."""
    _ended.set()
    for child in list(_running):
        kill_group(child)


def wait(child, seconds):
    """Exit code and resources of a child that leads a process group; (None, None) if it took longer.

    Whatever ends the wait early, the child's whole group is killed: a compiler's workers too.
    """
    ends = time.monotonic() + seconds
    try:
        while time.monotonic() < ends:
            pid, status, usage = os.wait4(child.pid, 0 if seconds == math.inf else os.WNOHANG)
            if pid:
                child.returncode = os.waitstatus_to_exitcode(status)
                return child.returncode, usage
            time.sleep(0.01)
        return None, None
    finally:
        _running.discard(child)
        if child.returncode is None:
            kill_group(child)


def kill_group(child):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    # Not for ever: a process that waits for a broken driver cannot even be killed.
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(10)


def start(command, log, environment):
    """In a process group of its own, but in this session: what ends the session ends it as well."""
    if _ended.is_set():
        raise OutOfTime("all is to end")
    child = subprocess.Popen([str(part) for part in command], env=environment, stdout=log,
                             stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, process_group=0)
    _running.add(child)
    return child


# What gpttrain says when it has chosen its device. It continues without a GPU that it was asked for.
RAN_ON = re.compile(r"^gpttrain \S+: (\S+) \(.*\), (\w+), \d+ thread", re.M)
# And when it continues without a graph that it was asked for.
NO_GRAPH = re.compile(r"^.*was not recorded as a graph.*", re.M)


def check_machine(name, keys, words):
    """A Failure unless a run that was meant for a GPU says that it was there, in the type and the
    way asked for."""
    if not str(keys.get("device")).startswith("cuda"):
        return
    found = RAN_ON.search(words)
    if not found or not found[1].startswith("cuda") or "the CPU is used" in words:
        raise Failure(f"{name} was to run on {keys['device']}, but does not say that it did: "
                      f"{found[0] if found else words[-300:]}")
    if keys.get("dtype", found[2]) != found[2]:
        raise Failure(f"{name} was to compute in {keys['dtype']}, but took {found[2]}")
    if without := NO_GRAPH.search(words):
        raise Failure(f"{name} was to replay graphs: {without[0]}")


class Sides:
    """`work` is a folder for outputs; `dataset` the name of a folder in `data_dir`."""

    number = itertools.count(1)  # of a log; all sides' together

    def __init__(self, program, python, data_dir, dataset, work, threads=0):
        self.program, self.python = program, python
        self.data = {"data_dir": data_dir, "dataset": dataset}
        self.work = self.logs = pathlib.Path(work)
        self.limit = self.ends = math.inf  # seconds that a run may take; when all must be over
        # Both programs take their number of threads from here unless told otherwise.
        self.environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
        self.threads = {"threads": threads} if threads else {}
        # What torch.compile has compiled for an earlier comparison would make its first step look short.
        self.environment["TORCHINDUCTOR_CACHE_DIR"] = str(self.work / "inductor")

    def run(self, name, command, keys, more=None, limit=None):
        """The path of the run's log; `more` are variables of its environment, `limit` is its own."""
        flags = [f"--{key}={value}" for key, value in {**self.data, **self.threads, **keys}.items()]
        log = self.logs / f"{next(self.number):03}-{name}.log"
        own, left = limit or self.limit, self.ends - time.monotonic()
        if left < 1:
            raise OutOfTime(f"no time is left for {name}")
        self.started = time.time()
        with log.open("w") as output:
            child = start([*command, *flags], output, {**self.environment, **(more or {})})
            code, usage = wait(child, min(own, left))
        if code is None and left < own:
            raise OutOfTime(f"{name} was cut off after {left:.0f} s ({log.name})")
        words = log.read_text(errors="replace")
        if code != 0:
            fate = (f"did not end within {own:.0f} s" if code is None
                    else f"failed with exit code {code}")
            raise Failure("\n".join([*words.splitlines()[-15:], f"{name} {fate} ({log.name})"]))
        self.peak_bytes = usage.ru_maxrss * 1024  # of the last run, from its start to its end
        if command[0] == self.program:
            check_machine(f"{name} ({log.name})", keys, words)
        return log

    def gpttrain(self, keys, place="out", more=None):
        out = self.work / place
        always = {"out_dir": out, "device": "cpu", "dtype": "float32", "compile": False}
        fresh = {"overwrite": True} if out.exists() else {}
        metrics = out / "metrics.jsonl"
        metrics.unlink(missing_ok=True)
        self.run("gpttrain", [self.program, "train"], {**always, **keys, **fresh}, more)
        return read_metrics(metrics)

    def reference(self, keys, place="reference", more=None):
        script = pathlib.Path(__file__).with_name("nanogpt_reference.py")
        record = self.work / f"{place}.json"
        # Compiling takes a minute, and another one for evaluations.
        limit = self.limit * (3 if keys.get("compile") else 1)
        # -B: leaves no __pycache__ in the tree.
        self.run("nanogpt_reference.py", [self.python, "-B", "-W", "ignore", script],
                 {"json": record, **keys}, more, limit)
        return json.loads(record.read_text())


def read_metrics(path):
    """gpttrain's metrics.jsonl as a record."""
    record = {"iterations": [], "evaluations": []}
    for line in path.read_text("utf-8").splitlines():
        entry = json.loads(line)
        if entry["event"] == "train":
            record["iterations"].append({key: entry[key] for key in ("iter", "loss", "ms", "time")})
        elif entry["event"] == "eval":
            record["evaluations"].append({"iter": entry["iter"], "train": entry["train/loss"],
                                          "val": entry["val/loss"]})
    return record


def tell(message):
    """For the person who waits: progress does not belong to the result on stdout."""
    print(message, file=sys.stderr, flush=True)

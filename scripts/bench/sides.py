"""The two sides of a comparison, gpttrain and nanoGPT in PyTorch, each in a process of its own.

Both get the same keys, and both give a record: {"iterations": [{"iter", "loss", "ms", "time"}...],
"evaluations": [{"iter", "train", "val"}...]}, losses at full precision, "ms" an iteration's time and
"time" its end in seconds since 1970.
"""

import json
import os
import pathlib
import subprocess
import sys
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


class Sides:
    """`work` is a folder for outputs; `dataset` the name of a folder in `data_dir`."""

    def __init__(self, program, python, data_dir, dataset, work, threads=0):
        self.program, self.python = program, python
        self.data = {"data_dir": data_dir, "dataset": dataset}
        self.work = pathlib.Path(work)
        # Both programs take their number of threads from here unless told otherwise.
        self.environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
        self.threads = {"threads": threads} if threads else {}
        # What torch.compile has compiled for an earlier comparison would make its first step look short.
        self.environment["TORCHINDUCTOR_CACHE_DIR"] = str(self.work / "inductor")

    def run(self, name, command, keys):
        flags = [f"--{key}={value}" for key, value in {**self.data, **self.threads, **keys}.items()]
        log = self.work / f"{name}.log"
        self.started = time.time()
        with log.open("w") as output:
            child = subprocess.Popen([*command, *flags], env=self.environment, stdout=output,
                                     stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
        code = child.returncode = os.waitstatus_to_exitcode(status)
        self.peak_bytes = usage.ru_maxrss * 1024  # of the last run, from its start to its end
        if code:
            words = log.read_text(errors="replace").splitlines()[-15:]
            raise Failure("\n".join([*words, f"{name} failed with exit code {code} (see above)"]))

    def gpttrain(self, keys):
        out = self.work / "out"
        always = {"out_dir": out, "device": "cpu", "dtype": "float32", "compile": False}
        fresh = {"overwrite": True} if out.exists() else {}
        metrics = out / "metrics.jsonl"
        metrics.unlink(missing_ok=True)
        self.run("gpttrain", [self.program, "train"], {**always, **keys, **fresh})
        return read_metrics(metrics)

    def reference(self, keys):
        script = pathlib.Path(__file__).with_name("nanogpt_reference.py")
        record = self.work / "reference.json"
        # -B: leaves no __pycache__ in the tree.
        self.run("nanogpt_reference.py", [self.python, "-B", "-W", "ignore", script],
                 {"json": record, **keys})
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

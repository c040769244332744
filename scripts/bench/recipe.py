"""Tokens and time that the fast recipe needs for nanoGPT's final loss; see scripts/bench/recipe."""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

import sides

CONFIG = pathlib.Path(__file__).resolve().parents[2] / "configs" / "train_shakespeare_char_fast.json"
# What a recipe is; everything else is the model, the data and the machine.
RECIPE = ("optimizer", "learning_rate", "muon_lr", "muon_momentum", "muon_momentum_warmup", "muon_scale", "beta1",
          "beta2", "weight_decay", "grad_clip", "lr_schedule", "warmup_iters", "min_lr")  # fmt: skip
NANOGPT = {"learning_rate": 1e-3, "min_lr": 1e-4, "warmup_iters": 100, "beta2": 0.99, "weight_decay": 0.1}
SETTINGS = {
    "readme": {"n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": 64, "batch_size": 12, "iters": 2000,
               "timed": 300},
    "wide": {"n_layer": 6, "n_head": 8, "n_embd": 256, "block_size": 128, "batch_size": 8, "iters": 600,
             "timed": 40},
    "char": {"n_layer": 6, "n_head": 6, "n_embd": 384, "block_size": 256, "batch_size": 8, "iters": 600,
             "timed": 12},
}  # fmt: skip
SMALL = {"n_layer": 1, "n_head": 1, "n_embd": 16, "block_size": 8, "batch_size": 4, "iters": 40, "timed": 12}
VAL_TOKENS = 131072
ROUNDS, WARM_UP = 2, 3  # of --times


class Trainer:
    """Trains with gpttrain and scores what comes out."""

    def __init__(self, both, val, shape):
        self.both, self.val, self.shape = both, val, shape

    def milliseconds(self, recipe, iters, seed=1337):
        """Of each iteration of a run."""
        shape = {key: value for key, value in self.shape.items() if key not in ("iters", "timed")}
        keys = {**shape, **recipe, "dropout": 0.0, "bias": False, "gradient_accumulation_steps": 1,
                "max_iters": iters - 1, "lr_decay_iters": iters, "eval_interval": 0, "log_interval": 1,
                "seed": seed, "compile": True, "tensorboard": False, "keep_checkpoints": 2}
        return [step["ms"] for step in self.both.gpttrain(keys)["iterations"]]

    def run(self, recipe, iters, seed):
        """{"loss": of the validation tokens, "seconds": of all iterations}."""
        seconds = sum(self.milliseconds(recipe, iters, seed)) / 1000
        return {"loss": self.loss(), "seconds": seconds}

    def loss(self):
        command = [self.both.program, "eval", self.val, f"--out_dir={self.both.work / 'out'}", "--task=tokens",
                   "--device=cpu", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise sides.Failure(done.stderr)
        return json.loads(done.stdout.splitlines()[-1])["loss"]


def measure(trainer, fast, seeds, shares):
    iters = trainer.shape["iters"]
    runs = {"nanogpt": [], **{share: [] for share in shares}}
    for seed in seeds:
        for name in runs:
            length = iters if name == "nanogpt" else round(iters * name)
            runs[name].append(trainer.run(NANOGPT if name == "nanogpt" else fast, length, seed))
            sides.tell(f"seed {seed}, {name}: {length} iterations, val loss {runs[name][-1]['loss']:.4f}, "
                       f"{runs[name][-1]['seconds']:.1f} s")
    return runs


def step_times(trainer, fast):
    """Medians of the milliseconds of a step: short runs of both, in turns."""
    times = {"nanogpt": [], "fast": []}
    for _ in range(ROUNDS):
        for name, recipe in (("nanogpt", NANOGPT), ("fast", fast)):
            times[name] += trainer.milliseconds(recipe, trainer.shape["timed"])[WARM_UP:]
    return {name: statistics.median(steps) for name, steps in times.items()}


def summarise(runs):
    def mean(name, key):
        return statistics.mean(run[key] for run in runs[name])

    def spread(name):
        losses = [run["loss"] for run in runs[name]]
        return statistics.stdev(losses) if len(losses) > 1 else 0.0

    goal, time = mean("nanogpt", "loss"), mean("nanogpt", "seconds")
    rows = [{"share": name if name != "nanogpt" else 1.0, "recipe": "nanogpt" if name == "nanogpt" else "fast",
             "loss": mean(name, "loss"), "spread": spread(name), "time_share": mean(name, "seconds") / time,
             "passes": mean(name, "loss") <= goal} for name in runs]
    first = next((row for row in rows if row["recipe"] == "fast" and row["passes"]), None)
    return {"goal": goal, "rows": rows, "passes_at": first, "runs": {str(name): run for name, run in runs.items()}}


def table(name, summary):
    yield f"{name}: {'recipe':<9}{'tokens':>8}{'time':>8}{'val loss':>10}{'spread':>9}"
    for row in summary["rows"]:
        mark = "  <= nanoGPT's" if row["recipe"] == "fast" and row["passes"] else ""
        yield (f"{name}: {row['recipe']:<9}{row['share']:>8.2f}{row['time_share']:>8.2f}{row['loss']:>10.4f}"
               f"{row['spread']:>9.4f}{mark}")


def main(arguments):
    parser = argparse.ArgumentParser()
    for name in ("program", "python", "work"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    parser.add_argument("--settings", default="readme")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shares", default="0.2,0.25,0.3,0.35")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--times", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args(arguments)
    settings = {"small": SMALL} if options.small else {name: SETTINGS[name] for name in options.settings.split(",")}
    config = json.loads(CONFIG.read_text("utf-8"))
    fast = {key: config[key] for key in RECIPE if key in config}
    fast.update(change.split("=", 1) for change in options.set)
    val = options.work / "val_part.bin"
    val.write_bytes((options.work / "text" / "val.bin").read_bytes()[:2 * VAL_TOKENS])
    seeds = range(1337, 1337 + options.seeds)
    shares = sorted(float(share) for share in options.shares.split(","))
    found = {}
    try:
        for name, shape in settings.items():
            both = sides.Sides(options.program, options.python, options.work, "text", options.work)
            trainer = Trainer(both, val, shape)
            if options.times:
                found[name] = step_times(trainer, fast)
                print(f"{name}: nanogpt {found[name]['nanogpt']:.2f} ms a step, fast {found[name]['fast']:.2f} ms, "
                      f"{found[name]['fast'] / found[name]['nanogpt']:.2f} times as long", flush=True)
            else:
                found[name] = summarise(measure(trainer, fast, seeds, shares))
                print("\n".join(table(name, found[name])), flush=True)
            shutil.rmtree(options.work / "out")
    except sides.Failure as failure:
        sides.tell(str(failure))
        return 1
    if options.json:
        options.json.write_text(json.dumps({"recipe": fast, "settings": found}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

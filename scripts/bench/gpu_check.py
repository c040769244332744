"""Runs the steps of scripts/gpu_check, one verdict a line; a failing step stops no other."""

import argparse
import os
import pathlib
import subprocess
import sys
import time
import traceback

import torch

import gpu_build
import gpu_runs
import gpu_speed
import gpu_story

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPS = [*gpu_build.STEPS, *gpu_runs.STEPS, *gpu_story.STEPS, *gpu_speed.STEPS]


class Skip(Exception):
    """A step does not apply here; the message says why."""


class Bench:
    """What every step gets: options, folders, and a place for verdicts."""

    def __init__(self, options):
        self.device, self.small = options.device, options.small
        self.root, self.python, self.skip = ROOT, sys.executable, Skip
        self.build = options.build_dir.resolve()
        self.logs = pathlib.Path(os.environ.get("OUT", "gpu_check_logs")).resolve()
        self.work = self.build / "gpu_check"
        self.failed = 0
        for folder in (self.logs, self.work):
            folder.mkdir(parents=True, exist_ok=True)
        deps = os.environ.get("GPTTRAIN_DEPS")
        self.deps = pathlib.Path(deps).resolve() if deps else None
        if self.deps:
            # libspdlog.so needs libfmt.so and has no path to it of its own.
            paths = [str(p.parent) for p in self.deps.glob("lib/*/libfmt.so")]
            paths += filter(None, [os.environ.get("LD_LIBRARY_PATH")])
            os.environ["LD_LIBRARY_PATH"] = ":".join(paths)

    @property
    def program(self):
        path = self.build / "gpttrain"
        if not path.exists():
            raise Skip(f"there is no {path}; the step 'build' makes it")
        return path

    def run(self, name, command, timeout=600, **more):
        """The exit code; all output goes to the log of that name."""
        with (self.logs / f"{name}.log").open("a") as log:
            log.write(f"$ {' '.join(map(str, command))}\n")
            log.flush()
            try:
                return subprocess.run([str(part) for part in command], stdout=log,
                                      stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                      timeout=timeout, **more).returncode
            except subprocess.TimeoutExpired:
                log.write(f"stopped after {timeout} s\n")
                return 124

    def last_line(self, name):
        lines = (self.logs / f"{name}.log").read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "no output")

    def verdict(self, good, name, measured):
        self.failed += not good
        self.say("PASS" if good else "FAIL", name, measured)

    def say(self, word, name, measured):
        line = f"{word} {name}: {measured}"
        print(line, flush=True)
        with (self.logs / "verdicts.txt").open("a") as file:
            file.write(line + "\n")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/gpu_check")
    parser.add_argument("steps", nargs="*", metavar="STEP")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--build-dir", type=pathlib.Path, default=ROOT / "build" / "gpu_check")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args(arguments)
    known = [name for name, _, _ in STEPS]
    for name in options.steps:
        if name not in known:
            parser.error(f"there is no step '{name}'; steps: {' '.join(known)}")
    return options


def main(arguments):
    options = parse(arguments)
    chosen = [step for step in STEPS if not options.steps or step[0] in options.steps]
    if options.dry_run:
        for name, about, _ in chosen:
            print(f"{name:<10} {about}")
        return 0
    if options.device == "cuda" and not torch.cuda.is_available():
        print("SKIP gpu_check: no GPU: nothing was checked")
        return 0
    bench = Bench(options)
    began = time.monotonic()
    for name, _, step in chosen:
        before = time.monotonic()
        try:
            step(bench)
        except Skip as reason:
            bench.say("SKIP", name, reason)
        except Exception as error:  # whatever it is, the other steps still have their say
            (bench.logs / f"{name}.traceback").write_text(traceback.format_exc())
            bench.verdict(False, name, " ".join(f"{type(error).__name__}: {error}".split())[-400:])
        print(f"     ({name}: {time.monotonic() - before:.0f} s)", file=sys.stderr, flush=True)
    print(f"{bench.failed} checks failed; {time.monotonic() - began:.0f} s; logs: {bench.logs}")
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

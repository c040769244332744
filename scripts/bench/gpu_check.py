"""Runs the steps of scripts/gpu_check, one verdict a line; a failing step stops no other."""

import argparse
import collections
import importlib.util
import math
import os
import pathlib
import re
import shutil
import signal
import sys
import tarfile
import tempfile
import time
import traceback

import gpu_build
import gpu_profile
import gpu_runs
import gpu_speed
import gpu_story
import gpu_tests
import sides

ROOT = pathlib.Path(__file__).resolve().parents[2]
KNOWN = {step[0]: step for module in (gpu_build, gpu_tests, gpu_runs, gpu_profile, gpu_story, gpu_speed)
         for step in module.STEPS}
# What says most comes first, as time may end: correct at all, then fast, then all the rest. Not
# here: `build`, which happens where no program works, and `tests`, which need no GPU.
ORDER = ("doctor machine gpu_tests parity bench profile story speed memory resume stop refusal batch64 "
         "recompute precision phases sizes batch4 medium medium32 sanitizer").split()
# SHORT: it works, but a number that the design aims at was not reached. UNCLEAR: ran, says nothing.
WORDS = ("PASS", "FAIL", "SHORT", "UNCLEAR", "SKIP")
SCRATCH_BYTES = 12 << 30  # one checkpoint of 350M parameters or three of 124M, and what is being written
MOST_BYTES = 8 << 20  # of a log that is packed


class Skip(Exception):
    """A step does not apply here; the message says why."""


class Bench:
    """What every step gets: options, folders, and a place for verdicts."""

    def __init__(self, options, began):
        self.device, self.small = options.device, options.small
        self.root, self.python, self.skip = ROOT, sys.executable, Skip
        self.cores = len(os.sched_getaffinity(0))
        self.build, self.prebuilt = options.build_dir.resolve(), options.prebuilt
        self.began, self.whole_end = began, began + options.budget
        self.ends = self.whole_end  # of the step that runs
        self.programs = None  # the folder that `program` found
        self.counts, self.step = collections.Counter(), ""
        self.out = pathlib.Path(os.environ.get("OUT") or "gpu_check_logs").resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.build.mkdir(parents=True, exist_ok=True)
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="gpttrain-gpu-check-", dir=self.scratch()))
        # Not in memory: what PyTorch compiles is loaded from there, which /dev/shm may forbid (noexec).
        self.compiled = pathlib.Path(tempfile.mkdtemp(prefix="inductor-", dir=self.build))
        self.logs = self.work / "logs"
        self.logs.mkdir()
        (self.out / "verdicts.txt").write_text(options.after.read_text() if options.after else "")
        spec = importlib.util.find_spec("torch")
        self.torch = pathlib.Path(spec.origin).parent if spec else None
        deps = os.environ.get("GPTTRAIN_DEPS") or self.prebuilt
        self.deps = pathlib.Path(deps).resolve() if deps else None
        self.find_libraries()

    def scratch(self):
        """Memory, where there is plenty: a checkpoint is written and synced after every run."""
        memory = "/dev/shm"
        if self.device == "cuda" and os.access(memory, os.W_OK):
            if shutil.disk_usage(memory).free >= SCRATCH_BYTES:
                return memory
        return self.build

    def find_libraries(self):
        """A program from elsewhere looks for LibTorch where it was built, and for spdlog in /usr."""
        paths = []
        if self.torch:
            paths = [self.torch / "lib", *sorted(self.torch.parent.glob("nvidia/*/lib"))]
        if self.deps:  # libspdlog.so needs libfmt.so and has no path to it of its own
            paths += [path.parent for path in self.deps.glob("lib/*/libfmt.so")]
        paths = [*map(str, paths), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
        os.environ["LD_LIBRARY_PATH"] = ":".join(paths)
        os.environ["GPTTRAIN_LOG"] = "info"  # says on which device a run is

    @property
    def program(self):
        return gpu_build.programs(self) / "gpttrain"

    def sides(self, dataset, limit, threads=0):
        """gpttrain and PyTorch on a dataset in `work`, a run of `limit` seconds at most."""
        both = sides.Sides(self.program, self.python, self.work, dataset, self.work, threads)
        both.logs, both.ends = self.logs, self.ends
        both.environment["TORCHINDUCTOR_CACHE_DIR"] = str(self.compiled)
        both.limit = limit * (1 if self.device == "cuda" else 5)
        return both

    def run(self, name, command, timeout, **more):
        """The exit code, 124 if it took longer; all output goes to the log of that name."""
        left = self.ends - time.monotonic()
        if left < 1:
            raise sides.OutOfTime(f"no time is left for {name}")
        with self.log(name).open("a") as log:
            log.write(f"$ {' '.join(map(str, command))}\n")
            log.flush()
            child = sides.start(command, log, {**os.environ, **more})
            code, _ = sides.wait(child, min(timeout, left))
            if code is None:
                log.write(f"stopped after {min(timeout, left):.0f} s\n")
        if code is None and left < timeout:
            raise sides.OutOfTime(f"{name} was cut off after {left:.0f} s")
        return 124 if code is None else code

    def log(self, name):
        return self.logs / f"{name}.log"

    def words(self, name):
        return self.log(name).read_text(errors="replace")

    def last_line(self, name):
        lines = self.words(name).split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "no output")

    def verdict(self, good, name, measured):
        self.say("PASS" if good else "FAIL", name, measured)

    def say(self, word, name, measured):
        self.counts[word] += 1
        where = self.step if name == self.step or not name else f"{self.step}, {name}"
        self.write(f"{word} {where}: {' '.join(str(measured).split())}")

    def write(self, line):
        print(line, flush=True)
        with (self.out / "verdicts.txt").open("a") as file:
            file.write(line + "\n")

    def pack_logs(self):
        """One file, as a machine may give back but a few; whole at any time, as it may be stopped."""
        fresh = self.work / "logs.tgz"
        with tarfile.open(fresh, "w:gz") as archive:
            for path in sorted(self.logs.iterdir()):
                if path.stat().st_size <= MOST_BYTES:
                    archive.add(path, arcname=path.name)
        shutil.copy(fresh, self.out / "logs.tgz.new")
        (self.out / "logs.tgz.new").replace(self.out / "logs.tgz")


def one_step(bench, name, seconds, step):
    """Runs a step within the time that is left; a line `DONE` says that it needs no second call."""
    bench.step, before, counts = name, time.monotonic(), bench.counts.copy()
    end = bench.whole_end
    left = end - before
    if left < seconds:
        bench.say("SKIP", name, f"takes about {seconds} s, and of the budget {left:.0f} s are left")
        return
    print(f"== {name}: about {seconds} s" + (f" of {left:.0f} s" if left < math.inf else ""), flush=True)
    # A step that hangs shall not take the time of all others, where time is short.
    bench.ends = min(end, before + 3 * seconds + 20) if left < math.inf else math.inf
    try:
        step(bench)
    except Skip as reason:
        bench.say("SKIP", name, reason)
        return
    except sides.OutOfTime as reason:
        hung = bench.ends < end
        bench.say("FAIL" if hung else "SKIP", name,
                  f"{reason}; {'the step took' if hung else 'the budget of'} "
                  f"{bench.ends - (before if hung else bench.began):.0f} s")
        if not hung:
            return
    except Exception as error:  # whatever it is, the other steps still have their say
        (bench.logs / f"{name}.traceback").write_text(traceback.format_exc())
        bench.verdict(False, name, f"{type(error).__name__}: {error}"[-500:])
    found = bench.counts - counts
    words = ", ".join(f"{found[word]} {word}" for word in WORDS if found[word])
    bench.write(f"DONE {name}: {time.monotonic() - before:.0f} s, {words}")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/gpu_check")
    parser.add_argument("steps", nargs="*", metavar="STEP")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--build-dir", type=pathlib.Path, default=ROOT / "build" / "gpu_check")
    parser.add_argument("--prebuilt", type=pathlib.Path)
    parser.add_argument("--budget", type=float, default=math.inf)
    parser.add_argument("--after", type=pathlib.Path)
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args(arguments)
    for name in options.steps:
        if name not in KNOWN:
            parser.error(f"there is no step '{name}'; steps: {' '.join(KNOWN)}")
    for path in filter(None, (options.prebuilt, options.after)):
        if not path.exists():
            parser.error(f"there is no {path}")
    options.prebuilt = options.prebuilt and options.prebuilt.resolve()
    done = re.findall(r"^DONE (\w+):", options.after.read_text(), re.M) if options.after else []
    options.chosen = [KNOWN[name] for name in dict.fromkeys(options.steps or ORDER)
                      if name not in done]
    return options


def stopped(number, _):
    sides.end_all()
    sys.exit(128 + number)


def main(arguments):
    began = time.monotonic()
    options = parse(arguments)
    if options.dry_run:
        for name, about, seconds, _ in options.chosen:
            print(f"{name:<10} {seconds:4} s  {about}")
        print(f"{sum(step[2] for step in options.chosen)} s on an H200, by estimate")
        return 0
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stopped)
    bench = Bench(options, began)
    try:
        for name, _, seconds, step in options.chosen:
            one_step(bench, name, seconds, step)
            try:
                bench.pack_logs()
            except OSError as error:  # a full disk, say: the other steps' verdicts count more
                print(f"the logs are not packed: {error}", flush=True)
    finally:
        for folder in (bench.work, bench.compiled):
            shutil.rmtree(folder, ignore_errors=True)
    counts = ", ".join(f"{bench.counts[word]} {word}" for word in WORDS)
    print(f"{counts}; {time.monotonic() - began:.0f} s; see {bench.out}")
    return 1 if bench.counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Runs the tests that ctest knows, many of a binary in one process. Usage: run_tests.py [--help]

ctest starts a process for every test, and most of ours load LibTorch first, which takes longer than most
tests. Here ctest only says what there is (names, commands, limits, environment; -R and -L are its own);
the tests of one GoogleTest binary then share processes. Every test is reported by ctest's name of it. A
test that crashes or hangs fails alone: those behind it run in a new process.
"""
import argparse
import collections
import dataclasses
import json
import os
import pathlib
import random
import re
import resource
import select
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILTER = "--gtest_filter="
DEFAULT_LIMIT = 1800.0
DEFAULT_SECONDS = 0.3     # of a test that has never run
PROCESS_SECONDS = 15.0    # as much work as one process gets, and at most so many tests
PROCESS_TESTS = 100

# Tests that need a process in which nothing has happened yet, and why.
ALONE = re.compile(
    r"base\.Log\.LevelsComeFromTheEnvironment$"  # the level is read once
    r"|fake_cuda\."                              # a card that nothing has touched
)

STARTED = re.compile(r"^\[ RUN      \] (\S+)$")
ENDED = re.compile(r"\[ *(OK|FAILED|SKIPPED) +\] ([^\s,]+).* \((\d+) ms\)$")


@dataclasses.dataclass
class Test:
    name: str                 # ctest's
    command: list
    properties: dict
    gtest_name: str = ""      # what the binary calls it; "" for a test that is a program of its own

    @property
    def limit(self):
        return float(self.properties.get("TIMEOUT", DEFAULT_LIMIT))

    def process_key(self):
        """Tests with the same key may share a process."""
        if not self.gtest_name or ALONE.match(self.name):
            return self.name
        same = {name: self.properties.get(name) for name in ("ENVIRONMENT", "WORKING_DIRECTORY")}
        return json.dumps([[word for word in self.command if not word.startswith(FILTER)], same])


@dataclasses.dataclass
class Result:
    test: Test
    state: str                # passed, failed or skipped
    seconds: float
    output: str = ""


def test_of(entry):
    properties = {item["name"]: item["value"] for item in entry.get("properties", [])}
    test = Test(entry["name"], entry.get("command", []), properties)
    for word in test.command:
        if word.startswith(FILTER):
            test.gtest_name = word[len(FILTER):]
    return test


def known_tests(preset, selection):
    listing = subprocess.run(["ctest", "--preset", preset, "--show-only=json-v1", *selection], cwd=ROOT,
                             capture_output=True, text=True)
    if listing.returncode != 0:
        sys.exit(f"run_tests: ctest cannot list the tests:\n{listing.stdout}{listing.stderr}")
    tests = [test_of(entry) for entry in json.loads(listing.stdout)["tests"]]
    return [test for test in tests if not test.properties.get("DISABLED")]


def preset_environment(preset):
    """What CMakePresets.json sets for the tests of a preset and of those that it inherits from."""
    known = {entry["name"]: entry
             for entry in json.loads((ROOT / "CMakePresets.json").read_text())["testPresets"]}
    environment, name = {}, preset
    while name:
        environment = known[name].get("environment", {}) | environment
        name = known[name].get("inherits")
    return environment


def processes_of(tests, seconds):
    """Lists of tests that share a process, the longest first."""
    by_key = collections.defaultdict(list)
    for test in tests:
        by_key[test.process_key()].append(test)
    result = []
    for group in by_key.values():
        left, share = 0.0, None
        for test in group:
            if share is None or left <= 0 or len(share) == PROCESS_TESTS:
                left, share = PROCESS_SECONDS, []
                result.append(share)
            share.append(test)
            left -= seconds.get(test.name, DEFAULT_SECONDS)
    return sorted(result, key=lambda share: -sum(seconds.get(test.name, DEFAULT_SECONDS) for test in share))


class Process:
    """One process, its output line by line, and its end; nothing it started outlives it."""

    alive = set()

    def __init__(self, command, environment, folder):
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, env=environment, cwd=folder,
                                      start_new_session=True)
        self.alive.add(self)
        self.waiting = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.child.wait()
        self.child.stdout.close()
        self.alive.discard(self)

    def kill(self):
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)

    def line(self, deadline):
        """The next line; None at the end of the output. Raises TimeoutError."""
        pipe = self.child.stdout.fileno()
        while b"\n" not in self.waiting:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                raise TimeoutError
            data = os.read(pipe, 1 << 16)
            if not data:
                rest, self.waiting = self.waiting, b""
                return rest.decode(errors="replace") if rest else None
            self.waiting += data
        line, _, self.waiting = self.waiting.partition(b"\n")
        return line.decode(errors="replace")

    def end(self):
        """How it ended, in words; "" for exit code 0."""
        code = self.child.wait()
        if code < 0:
            return f"the process was ended by signal {-code} ({signal.Signals(-code).name})"
        return f"the process ended with exit code {code}" if code else ""


class Runner:
    def __init__(self, preset, total, shuffle):
        self.environment = os.environ | preset_environment(preset)
        self.total, self.shuffle = total, shuffle
        self.results = []  # in the order in which the tests ended
        self.lock = threading.Lock()

    def report(self, test, state, seconds, output=""):
        with self.lock:
            self.results.append(Result(test, state, seconds, output))
            print(f"{len(self.results):5}/{self.total} {test.name} {'.' * max(3, 80 - len(test.name))} "
                  f"{state.upper() if state == 'failed' else state} {seconds:7.2f} s", flush=True)
            if state == "failed":
                print(output, flush=True)

    def start(self, test, command):
        extra = dict(item.split("=", 1) for item in test.properties.get("ENVIRONMENT", []))
        return Process(command, self.environment | extra, test.properties.get("WORKING_DIRECTORY", ROOT))

    def run_program(self, test):
        begin, output = time.monotonic(), []
        try:
            with self.start(test, test.command) as process:
                while (line := process.line(begin + test.limit)) is not None:
                    output.append(line)
                how = process.end()
                skip = test.properties.get("SKIP_RETURN_CODE")
                state = "passed" if not how else "skipped" if process.child.returncode == skip else "failed"
        except TimeoutError:
            how, state = f"it took longer than {test.limit:.0f} s", "failed"
        except (OSError, IndexError) as error:
            how, state = f"it cannot be started: {error}", "failed"
        self.report(test, state, time.monotonic() - begin, "\n".join(output + [how]))

    def run_together(self, tests):
        """Runs tests of one binary in one process; returns those that still want one."""
        names = ":".join(test.gtest_name for test in tests)
        command = [word for word in tests[0].command if not word.startswith(FILTER)] + [FILTER + names]
        if self.shuffle is not None:
            command += ["--gtest_shuffle", f"--gtest_random_seed={self.shuffle % 99999 + 1}"]
        share = Share(tests, self.report)
        with self.start(tests[0], command) as process:
            try:
                while (line := process.line(share.begin + tests[0].limit)) is not None:
                    share.read(line)
                how = process.end()
            except TimeoutError:
                how = f"it took longer than {tests[0].limit:.0f} s"
        return share.end(how)

    def run(self, tests):
        if not tests[0].gtest_name:
            self.run_program(tests[0])
            return
        while tests:
            tests = self.run_together(tests)


class Share:
    """What the output of a process says of its tests."""

    def __init__(self, tests, report):
        self.waiting = {test.gtest_name: test for test in tests}
        self.report = report
        self.running, self.last, self.failed = None, None, False
        self.output, self.begin = [], time.monotonic()

    def read(self, line):
        self.output.append(line)
        if match := STARTED.search(line):
            self.running = self.waiting.get(match[1])
            self.output, self.begin = [line], time.monotonic()
        elif self.running and (match := ENDED.search(line)) and match[2] == self.running.gtest_name:
            state = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}[match[1]]
            self.finish(state, int(match[3]) / 1000)

    def finish(self, state, seconds, why=()):
        self.last, self.running = self.running, None
        del self.waiting[self.last.gtest_name]
        self.failed = self.failed or state == "failed"
        self.report(self.last, state, seconds, "\n".join([*self.output, *why]))
        self.output, self.begin = [], time.monotonic()

    def end(self, how):
        """Returns the tests for which a new process is worth while."""
        if self.running:  # it took the process with it
            self.finish("failed", time.monotonic() - self.begin, [how or "it ended the process"])
            return list(self.waiting.values())
        for test in list(self.waiting.values()):
            self.running = test
            self.finish("failed", 0, [f"it did not run; {how or 'the process ended early'}"])
        if how and not self.failed:  # a sanitizer's word at the end, or a destructor that crashes
            self.report(self.last, "failed", 0, "\n".join([*self.output, f"its tests passed, but {how}"]))
        return []


def work_off(shares, run, workers):
    shares, lock = collections.deque(shares), threading.Lock()

    def work():
        while True:
            with lock:
                if not shares:
                    return
                share = shares.popleft()
            run(share)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def stop(*_):
    for process in list(Process.alive):
        process.kill()
    os._exit(130)


def processor_seconds():
    """Of all processes so far; what says more than the clock on a machine that others use as well."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def summary(results, seconds):
    count = collections.Counter(result.state for result in results)
    lines = [f"in {seconds:.0f} s ({processor_seconds():.0f} s of processor time)"]
    lines += [f"FAILED: {name}" for name in
              sorted({result.test.name for result in results if result.state == "failed"})]
    lines.append(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--preset", default="dev", help="of CMakePresets.json")
    parser.add_argument("-j", type=int, default=2, metavar="N", help="so many processes at a time")
    parser.add_argument("-R", metavar="REGEX", help="only the tests whose names hold it")
    parser.add_argument("-L", metavar="REGEX", help="only the tests with such a label")
    parser.add_argument("--shuffle", type=int, metavar="SEED",
                        help="another order, and other tests in one process")
    args = parser.parse_args()
    selection = [word for flag, value in (("-R", args.R), ("-L", args.L)) if value for word in (flag, value)]
    tests = known_tests(args.preset, selection)
    if not tests:
        sys.exit("run_tests: no test has such a name")
    record = ROOT / "build" / args.preset / "test_seconds.json"
    seconds = json.loads(record.read_text()) if record.exists() else {}
    if args.shuffle is not None:
        random.Random(args.shuffle).shuffle(tests)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    begin, runner = time.monotonic(), Runner(args.preset, len(tests), args.shuffle)
    alone = [test for test in tests if test.properties.get("RUN_SERIAL")]
    together = [test for test in tests if not test.properties.get("RUN_SERIAL")]
    work_off(processes_of(together, seconds), runner.run, args.j)
    work_off(processes_of(alone, seconds), runner.run, 1)
    seconds.update({result.test.name: result.seconds for result in runner.results})
    record.write_text(json.dumps(seconds, indent=0))
    print(summary(runner.results, time.monotonic() - begin))
    return 1 if any(result.state == "failed" for result in runner.results) else 0


if __name__ == "__main__":
    sys.exit(main())
